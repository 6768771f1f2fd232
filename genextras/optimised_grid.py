"""Timesteps chosen by the local error that a network shows on data.

Align your steps (arXiv:2404.14507) bounds the error of a whole run by a sum over its steps. Here
each term is measured: paths of the network's own probability flow are followed over many levels,
the error of one solver step from any of these levels to any other comes from what the network said
there, and a shortest path through all such steps is the best grid.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from genextras.probability_flow import Model, ProbabilityFlow
from genextras.schedulers.betas import LabelScheduler
from genextras.schedulers.edm import EDMScheduler
from genextras.schedulers.flow import FlowMatchScheduler
from genextras.validation import check_integer, message

OWNER = "optimise_grid"


class OptimisedGrid(NamedTuple):
    """What ``optimise_grid`` returns; either list goes into ``set_timesteps`` of the scheduler."""

    timesteps: list[float]  # labels, descending
    sigmas: list[float]  # levels, in the scheduler's own sense of the word
    error: float  # sum over the steps of their root mean square errors at the data, data units


class Paths(NamedTuple):
    """What the network said along its flow; K levels, σ falling, N numbers a level."""

    sigma: np.ndarray  # (K,)
    data: Tensor  # (K, N), predicted x_0
    noise: Tensor  # (K, N), predicted ε


def optimise_grid(
    model: Model,
    data: Tensor,
    n: int,
    *,
    scheduler: Any = None,
    order: int = 1,
    n_levels: int | None = None,
    generator: Generator | None = None,
) -> OptimisedGrid:
    """Choose n timesteps whose steps have the least error on the paths that end near data.

    The error of a step counts at the data, to where a Gaussian flow would shrink it. Measuring
    takes four calls of the network for each of ``n_levels``.

    Parameters
    ----------
    model : callable
        Maps (x, label) to a prediction, as in a sampling loop; labels lie between whole numbers
        too.
    data : Tensor of shape (B, ...), data units
        Examples; a few dozen do.
    n : int
        Steps of the sampler.
    scheduler : DiffusionScheduler, optional
        Of the network: its levels, labels and kind of prediction; by default ``EDMScheduler()``.
    order : {1, 2}, default=1
        1 for Euler and DDIM, 2 for two-step solvers such as DPM-Solver++ (2M).
    n_levels : int, optional
        Levels to choose from, evenly spaced in log σ; by default the larger of 64 and 4 n.
    generator : torch.Generator, optional
        Source of the noise at the highest level, on the device of ``data``.

    Returns
    -------
    OptimisedGrid
        ``timesteps`` or ``sigmas`` for ``set_timesteps``, and the error that is expected.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If one is out of range, or the network's answers are not finite.

    References
    ----------
    .. [1] Sabour, Fidler, Kreis (2024), Align your steps, arXiv:2404.14507.
    .. [2] Watson et al. (2021), Learning to efficiently sample from diffusion probabilistic models,
       arXiv:2106.03802, where a shortest path chooses the steps by a bound on the likelihood.

    Examples
    --------
    >>> from genextras import FlowMatchScheduler
    >>> scheduler, data = FlowMatchScheduler(), torch.tensor([[-0.5], [0.5]])
    >>> def perfect(x, t):  # data are N(0, 1/4)
    ...     t = t / 1000
    ...     return (t - (1 - t) / 4) / (t**2 + (1 - t) ** 2 / 4) * x
    >>> grid = optimise_grid(perfect, data, 4, scheduler=scheduler)
    >>> scheduler.set_timesteps(timesteps=grid.timesteps)
    >>> len(scheduler.timesteps)
    4
    """
    scheduler = EDMScheduler() if scheduler is None else scheduler
    flow = ProbabilityFlow(model, scheduler, OWNER)
    _check_flow(scheduler)
    n_levels = max(64, 4 * n) if n_levels is None and isinstance(n, int) else n_levels
    _check(data, n, order, n_levels)
    labels = _candidates(flow, n_levels)
    if len(labels) < n:
        cure = "Take fewer steps, or more n_levels."
        raise ValueError(message(OWNER, "n", f"at most {len(labels)} levels", n, cure))
    paths = _follow(flow, flow.sigmas(labels), data, generator)
    weights = _shrinkage(paths.sigma, data)
    errors = _first_order(paths) * weights  # (K, K + 1)
    if order == 1 or n < 3:  # a two-step solver's first and last steps are of one
        chosen, total = _shortest(errors, n)
    else:
        chosen, total = _shortest_of_pairs(errors, _second_order(paths, weights), n)
    return OptimisedGrid(*_in_words(flow, labels[chosen]), total)


def _check(data: Any, n: Any, order: Any, n_levels: Any) -> None:
    if not isinstance(data, Tensor) or not data.is_floating_point():
        got = data.dtype if isinstance(data, Tensor) else type(data).__name__
        cure = "Convert it by data.float()."
        raise TypeError(message(OWNER, "data", "a Tensor of floats", got, cure))
    if data.ndim < 2 or not data.numel() or not data.isfinite().all():
        allowed, got = "finite, of shape (B, ...)", f"shape {tuple(data.shape)}"
        raise ValueError(message(OWNER, "data", allowed, got, "Pass a batch without NaN."))
    check_integer(OWNER, "n", n, low=1)
    check_integer(OWNER, "n_levels", n_levels, low=2)
    if order not in {1, 2}:
        raise ValueError(message(OWNER, "order", "1 or 2", order, "2 suits higher ones too."))


def _check_flow(scheduler: Any) -> None:
    """Refuse options that move timesteps of the user's own once more, to other levels."""
    if not isinstance(scheduler, FlowMatchScheduler):
        return
    for word in ("use_dynamic_shifting", "shift_terminal", *scheduler._chosen_flags()):
        if scheduler.config[word]:
            off = None if word == "shift_terminal" else False
            allowed, cure = f"without {word}", f"Take from_config(scheduler.config, {word}={off})."
            raise ValueError(message(OWNER, "scheduler", allowed, scheduler.config[word], cure))


def _candidates(flow: ProbabilityFlow, n_levels: int) -> np.ndarray:
    """Labels to choose from, noise first; whole ones where the scheduler has no others."""
    low, high = flow.ends
    labels = flow.labels(np.geomspace(high, low, n_levels))
    if isinstance(flow.scheduler, LabelScheduler):
        return np.unique(labels.round())[::-1].copy()
    return labels


@torch.no_grad()
def _follow(
    flow: ProbabilityFlow, sigma: np.ndarray, data: Tensor, generator: Generator | None
) -> Paths:
    """The classical method of Runge and Kutta in log σ, from noised data down."""
    noise = torch.randn(data.shape, generator=generator, device=data.device, dtype=data.dtype)
    y, found = data + sigma[0] * noise, []

    def _slope(y: Tensor, level: float) -> Tensor:
        return level * flow.epsilon(y, level)  # dy/d(log σ)

    for here, there in zip(sigma, [*sigma[1:], None], strict=True):
        first = _slope(y, here)
        found.append((y - first, first / here))
        if there is not None:
            stride, middle = math.log(there / here), math.sqrt(here * there)
            second = _slope(y + stride / 2 * first, middle)
            third = _slope(y + stride / 2 * second, middle)
            fourth = _slope(y + stride * third, there)
            y = y + stride / 6 * (first + 2 * second + 2 * third + fourth)
    datas, noises = (torch.stack(each).flatten(1) for each in zip(*found, strict=True))
    if not (datas.isfinite().all() and noises.isfinite().all()):
        cure = "Check the network's dtype, and its answers at labels between whole numbers."
        text = message(OWNER, "model", "finite everywhere", "NaN or infinity", cure)
        raise ValueError(text.replace("'NaN or infinity'", "NaN or infinity"))
    return Paths(sigma, datas, noises)


def _shrinkage(sigma: np.ndarray, data: Tensor) -> np.ndarray:
    """How much of a gap at each level a Gaussian flow carries to the data, 1 at the end; (K + 1,).

    s / √(s² + σ²) with s the standard deviation of data; times the norm's 1/√N.
    """
    std = float(data.double().std()) or 1.0
    levels = np.append(sigma, 0.0)
    return np.asarray(std / np.sqrt(std**2 + levels**2) / math.sqrt(data.numel()))


def _arrivals(paths: Paths) -> tuple[np.ndarray, Tensor, Tensor]:
    """Levels, D and ε of arrival: those of departure, and clean data at the end."""
    data = torch.cat([paths.data, paths.data[-1:]])
    return np.append(paths.sigma, 0.0), data, torch.cat([paths.noise, paths.noise[-1:]])


def _gaps(paths: Paths, i: int) -> Tensor:
    """Error of Euler's step from level i to every one: D_i + σ_j ε_i - (D_j + σ_j ε_j)."""
    sigma, data, noise = _arrivals(paths)
    levels = torch.from_numpy(sigma).to(noise)[:, None]
    return (paths.data[i] - data) + levels * (paths.noise[i] - noise)


def _first_order(paths: Paths) -> np.ndarray:
    """Norms of the errors of Euler's step from each level to each later one, else infinity."""
    n_levels = len(paths.sigma)
    norms = [_gaps(paths, i).double().norm(dim=1).cpu().numpy() for i in range(n_levels)]
    is_later = np.arange(n_levels + 1) > np.arange(n_levels)[:, None]
    return np.where(is_later, np.stack(norms), np.inf)


def _second_order(paths: Paths, weights: np.ndarray) -> Callable[[int], np.ndarray]:
    """Weighted norms from level i to j after a step from h, for one i; shape (h, j).

    DPM-Solver++ (2M), arXiv:2211.01095: D + (D - D_h) / 2r in place of D, r being the ratio of the
    two steps in log σ.
    """
    sigma, n_levels = paths.sigma, len(paths.sigma)

    def _norms(i: int) -> np.ndarray:
        gaps, turns = _gaps(paths, i), paths.data[i] - paths.data[:i]  # (K + 1, N), (i, N)
        later = sigma[i + 1 :]
        ratio = np.log(sigma[:i, None] / sigma[i]) / np.log(sigma[i] / later)
        gain = (1 - later / sigma[i]) / (2 * ratio)  # (i, K - 1 - i)
        cross = (turns @ gaps[i + 1 : n_levels].T).double().cpu().numpy()
        plain = gaps[i + 1 : n_levels].double().square().sum(1).cpu().numpy()
        turned = turns.double().square().sum(1).cpu().numpy()[:, None]
        squares = plain + 2 * gain * cross + gain**2 * turned
        return np.sqrt(np.maximum(squares, 0)) * weights[i + 1 : n_levels]

    return _norms


def _shortest(errors: np.ndarray, n: int) -> tuple[list[int], float]:
    """Levels of the path of n steps from the first one to clean data with the least sum."""
    n_levels = len(errors)
    costs, came_from = errors[0], []  # (K + 1,) after one step
    for _ in range(n - 1):
        totals = costs[:n_levels, None] + errors  # (from, to)
        came_from.append(totals.argmin(axis=0))
        costs = totals.min(axis=0)
    chosen = [n_levels]
    for sources in reversed(came_from):
        chosen.append(int(sources[chosen[-1]]))
    return [0, *reversed(chosen[1:])], float(costs[-1])


def _shortest_of_pairs(
    errors: np.ndarray, norms: Callable[[int], np.ndarray], n: int
) -> tuple[list[int], float]:
    """The same for steps that depend on the one before; first and last ones are Euler's."""
    n_levels = len(errors)
    costs = np.full((n_levels, n_levels), np.inf)  # of standing at j, coming from i
    costs[0] = errors[0, :n_levels]
    pairs = [norms(i) for i in range(n_levels)]
    came_from = []
    for _ in range(n - 2):
        ahead, sources = np.full_like(costs, np.inf), np.zeros(costs.shape, dtype=int)
        for i in range(1, n_levels - 1):
            totals = costs[:i, i, None] + pairs[i]  # (h, j > i)
            sources[i, i + 1 :], ahead[i, i + 1 :] = totals.argmin(axis=0), totals.min(axis=0)
        came_from.append(sources)
        costs = ahead
    last = costs + errors[:, -1]
    i, j = np.unravel_index(last.argmin(), last.shape)
    chosen = [int(j), int(i)]
    for sources in reversed(came_from):
        chosen.append(int(sources[chosen[-1], chosen[-2]]))
    return chosen[::-1], float(last.min())


def _in_words(flow: ProbabilityFlow, labels: np.ndarray) -> tuple[list[float], list[float]]:
    """Labels and levels as ``set_timesteps`` of the scheduler takes them."""
    scheduler, sigmas = flow.scheduler, flow.sigmas(labels)
    if isinstance(scheduler, FlowMatchScheduler):  # it will shift them
        sigmas = sigmas / scheduler.shift
        times = sigmas / (1 + sigmas)
        return (times * len(scheduler)).tolist(), times.tolist()
    if isinstance(scheduler, LabelScheduler):
        return [int(label) for label in labels], sigmas.tolist()
    return labels.tolist(), sigmas.tolist()
