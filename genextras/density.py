"""The probability that a network gives to data, by the change of variables along its flow."""

import math
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from genextras.core.ode import rk45
from genextras.probability_flow import Model, ProbabilityFlow
from genextras.validation import check_choice, check_integer, check_number, message

OWNER = "likelihood"


class LogLikelihood(NamedTuple):
    """What ``likelihood`` returns; B samples of d numbers each."""

    log_likelihood: Tensor  # (B,), nats of a density in data units
    bits_per_dim: Tensor  # (B,), -log2 of the probability of one quantum, per number
    latent: Tensor  # (B, ...), standard normal noise that the flow carries to the data
    n_calls: int  # of the network, for the whole batch


def likelihood(
    model: Model,
    x: Tensor,
    scheduler: Any,
    *,
    trace: str = "hutchinson",
    n_probes: int = 1,
    prior: str = "fitted",
    quantum: float = 1.0,
    tolerance: float = 1e-5,
    generator: Generator | None = None,
) -> LogLikelihood:
    """Log likelihood of data by the instantaneous change of variables.

    log p(x) = log p(y_T) + ∫ tr ∂(dy/dσ)/∂y dσ along the probability flow ([1]_, eq. 39), by RK45
    with adaptive steps. Below the scheduler's lowest level the score is held, so the density is
    that of data without noise. Options that bound the predicted x_0 do not count.

    Parameters
    ----------
    model : callable
        Maps (x, label) to a prediction, as in a sampling loop; differentiable.
    x : Tensor of shape (B, ...), data units
        Data; add uniform noise of one quantum to data that are whole numbers.
    scheduler : DiffusionScheduler
        Of the network: its levels, labels and kind of prediction; timesteps do not matter.
    trace : {"hutchinson", "exact"}, default="hutchinson"
        An estimate without bias ([2]_) from random signs, or d derivatives in each call.
    n_probes : int, default=1
        Signs that "hutchinson" averages over; the same for the whole path.
    prior : {"fitted", "noise"}, default="fitted"
        Law at the highest level: the Gaussian that the network's answer at y = 0 belongs to, or the
        noise that a sampler starts from, as in the literature. They differ by the data's mean and
        variance, which count at a low highest level.
    quantum : float, default=1.0
        Size of one step of the data's numbers: 2/255 for bytes that were scaled to [-1, 1].
    tolerance : float, default=1e-5
        Absolute and relative, of one step.
    generator : torch.Generator, optional
        Source of the signs, on the device of ``x``.

    Returns
    -------
    LogLikelihood
        ``log_likelihood`` and ``bits_per_dim`` of shape (B,), float64, the noise ``latent`` and
        ``n_calls``.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If one is out of range, or data are not finite.

    References
    ----------
    .. [1] Song et al. (2021), Score-based generative modeling through stochastic differential
       equations, arXiv:2011.13456.
    .. [2] Grathwohl et al. (2019), FFJORD, arXiv:1810.01367.

    Examples
    --------
    >>> from genextras import FlowMatchScheduler
    >>> def perfect(x, t):  # data are N(0, 1), so x stays as it is, and E[ε - x_0 | x] is
    ...     t = t / 1000
    ...     return (2 * t - 1) / (t**2 + (1 - t) ** 2) * x
    >>> result = likelihood(perfect, torch.zeros(1, 3), FlowMatchScheduler(), trace="exact")
    >>> round(result.bits_per_dim.item(), 3)  # log2 √(2π)
    1.326
    """
    _check(x, {"trace": trace, "prior": prior}, n_probes, quantum, tolerance)
    flow = ProbabilityFlow(model, scheduler, OWNER)
    flow.model = _differentiable(model)
    probes = [_signs(x, generator) for _ in range(n_probes)] if trace == "hutchinson" else None
    low, high = flow.ends

    def _slope(tau: float, state: Tensor) -> Tensor:
        """Of (y, the diagonal of its Jacobian) in τ = log √(σ² + low²), smooth down to σ = 0."""
        square = math.exp(2 * tau)
        sigma = max(math.sqrt(max(square - low**2, 0.0)), low)
        epsilon, diagonal = _derivatives(flow, state[0].to(x.dtype), sigma, probes)
        return torch.stack([epsilon, diagonal]).to(state.dtype) * (square / sigma)

    wide = torch.promote_types(x.dtype, torch.float32 if x.device.type == "mps" else torch.float64)
    state = torch.stack([x.detach(), torch.zeros_like(x)]).to(wide)  # (2, B, ...)
    knots = [0.5 * math.log(sigma**2 + low**2) for sigma in (0.0, low, high)]
    for start, stop in pairwise(knots):  # the slope has a bend at the lowest level
        state = rk45(_slope, start, stop, state, tolerance=tolerance)
    mean, variance = _prior(flow, x, prior, probes)
    centred, n_dims = (state[0] - mean).flatten(1), x[0].numel()
    outer = centred.square().sum(1) / variance + n_dims * (2 * math.pi * variance).log()
    logs = state[1].flatten(1).sum(1) - 0.5 * outer
    bits = -(logs / n_dims + math.log(quantum)) / math.log(2)
    latent = (centred / variance.sqrt()[:, None]).view_as(x).to(x.dtype)
    return LogLikelihood(logs, bits, latent, flow.n_calls)


def _prior(
    flow: ProbabilityFlow, x: Tensor, kind: str, probes: list[Tensor] | None
) -> tuple[Tensor, Tensor]:
    """Mean and variance of y at the highest level, which do not depend on x; (B, ...) and (B,).

    The denoiser of a Gaussian is D = m + g (y - m) with g = s² / (σ² + s²).
    """
    high, mean = flow.ends[1], torch.zeros_like(x)
    if kind == "noise":
        preserves = flow.family in {"vp", "sub-vp"}  # x_T is N(0, 1), not its noise alone
        return mean, torch.full_like(mean.flatten(1)[:, 0], high**2 + preserves)
    epsilon, diagonal = _derivatives(flow, mean, high, probes)
    kept = (high * diagonal.flatten(1).mean(1)).clamp(0.1, 1.0)  # 1 - g, if that is sensible
    mean = -high * epsilon / kept.view(-1, *[1] * (x.ndim - 1))  # D / (1 - g)
    return mean, high**2 / kept


def _check(x: Any, words: dict[str, str], n_probes: int, quantum: float, tolerance: float) -> None:
    if not isinstance(x, Tensor) or not x.is_floating_point():
        got = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(message(OWNER, "x", "a Tensor of floats", got, "Convert it by x.float()."))
    if x.ndim < 2 or not x.numel() or not x.isfinite().all():
        allowed, got = "finite, of shape (B, ...)", f"shape {tuple(x.shape)}"
        raise ValueError(message(OWNER, "x", allowed, got, "Pass a batch without NaN."))
    check_choice(OWNER, "trace", words["trace"], ("hutchinson", "exact"))
    check_choice(OWNER, "prior", words["prior"], ("fitted", "noise"))
    check_integer(OWNER, "n_probes", n_probes, low=1)
    for name, value in (("quantum", quantum), ("tolerance", tolerance)):
        cure = "It is a size." if name == "quantum" else "1e-5 is usual."
        check_number(OWNER, name, value, low=1e-15, high=math.inf, cure=cure)


def _differentiable(model: Model) -> Model:
    """The network, refused if its output has no gradient: the trace would be wrong in silence."""

    def _checked(x: Tensor, label: Tensor) -> Tensor:
        output = model(x, label)
        if not output.requires_grad:
            got, cure = "an output without gradient", "Take torch.no_grad away."
            text = message(OWNER, "model", "differentiable in x", got, cure)
            raise ValueError(text.replace(repr(got), got))
        return output

    return _checked


def _signs(like: Tensor, generator: Generator | None) -> Tensor:
    """Random signs, whose vᵀJv has the least variance among independent entries."""
    draw = torch.rand(like.shape, generator=generator, device=like.device)
    return torch.where(draw < 0.5, -1.0, 1.0).to(like.dtype)


def _derivatives(
    flow: ProbabilityFlow, y: Tensor, sigma: float, probes: list[Tensor] | None
) -> tuple[Tensor, Tensor]:
    """ε and the diagonal of ∂ε/∂y, or numbers with the same sum on average."""
    with torch.enable_grad():
        y = y.detach().requires_grad_()
        epsilon = flow.epsilon(y, sigma)
        if probes is not None:
            terms = [v * _pulled(epsilon, y, v) for v in probes]
            return epsilon.detach(), torch.stack(terms).mean(0)
        diagonal = torch.zeros_like(y).flatten(1)
        for i in range(diagonal.shape[1]):
            unit = torch.zeros_like(diagonal)
            unit[:, i] = 1
            diagonal[:, i] = _pulled(epsilon, y, unit.view_as(y)).flatten(1)[:, i]
    return epsilon.detach(), diagonal.view_as(y)


def _pulled(epsilon: Tensor, y: Tensor, vector: Tensor) -> Tensor:
    """Product of the Jacobian's transpose and a vector, for each sample."""
    return torch.autograd.grad(epsilon, y, vector, retain_graph=True)[0].detach()
