"""Exact inversion: the noise from which a deterministic sampler makes given data."""

import copy
from math import inf
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genextras.probability_flow import Model
from genextras.schedulers.base import DiffusionScheduler
from genextras.validation import check_integer, check_number, message

OWNER = "invert"


class Patience(NamedTuple):
    """When an iteration is good enough, and when it is given up."""

    tolerance: float
    max_calls: int


@torch.no_grad()
def invert(
    model: Model, x: Tensor, scheduler: Any, *, tolerance: float = 1e-6, max_calls: int = 100
) -> Tensor:
    """Find the noise that a sampler would turn into x, by undoing its steps.

    A step is x_s = k x_t + m F(x_t). DDIM inversion [1]_ asks the network at x_s instead of x_t, so
    its way back does not end where it began; here x_t = (x_s - m F(x_t)) / k is iterated until it
    stands still ([2]_), and the same sampler returns to x.

    Parameters
    ----------
    model : callable
        Maps (x, label) to a prediction, as in the sampling loop.
    x : Tensor of shape (B, ...), data units
        Data.
    scheduler : DiffusionScheduler
        With timesteps; deterministic, of one call a step, without bounds on the predicted x_0, such
        as DDIM, or Euler's method of ``FlowMatchScheduler`` and ``EDMScheduler``. Left as it is.
    tolerance : float, default=1e-6
        Largest change in the last iteration of each step, relative to the largest entry of x.
    max_calls : int, default=100
        Iterations of a step before it is given up.

    Returns
    -------
    Tensor of shape (B, ...)
        x at the first timestep.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the scheduler's steps have no inverse.
    RuntimeError
        If a step does not settle, as with few steps between separate modes.

    References
    ----------
    .. [1] Song, Meng, Ermon (2021), Denoising diffusion implicit models, arXiv:2010.02502.
    .. [2] Pan et al. (2023), Effective real image editing with accelerated iterative diffusion
       inversion, arXiv:2309.04907.

    Examples
    --------
    >>> from genextras import FlowMatchScheduler
    >>> scheduler = FlowMatchScheduler()
    >>> scheduler.set_timesteps(10)
    >>> model, data = lambda x, t: torch.sin(x), torch.ones(1, 2)
    >>> x = invert(model, data, scheduler)
    >>> for t in scheduler.timesteps:
    ...     x = scheduler.step(model(x, t), t, x).prev_sample
    >>> bool((x - data).abs().max() < 1e-5)
    True
    """
    check_integer(OWNER, "max_calls", max_calls, low=1)
    check_number(OWNER, "tolerance", tolerance, low=0.0, high=inf, cure="1e-6 suits float32.")
    scheduler, patience = _checked(scheduler), Patience(tolerance, max_calls)
    for t in reversed(scheduler.timesteps.unbind()):
        x = _undone(model, scheduler, t, x, patience)
    return x


def _checked(scheduler: Any) -> Any:
    """A copy, if its steps have an inverse."""
    if not isinstance(scheduler, DiffusionScheduler):
        cure = "Take X.from_config(yours.config)."
        raise TypeError(message(OWNER, "scheduler", "one of genextras", scheduler, cure))
    name = type(scheduler).__name__
    if scheduler.num_inference_steps is None:
        cure = "Call set_timesteps(n) first."
        raise ValueError(message(OWNER, "scheduler", "given its timesteps", name, cure))
    if scheduler._bound() is not None:
        cure = "Pass clip_sample=False and thresholding=False to it."
        raise ValueError(message(OWNER, "scheduler", "without bounds", name, cure))
    if scheduler.order > 1 or scheduler._n_past:
        cure = "Take DDIM, or Euler's solver."
        raise ValueError(message(OWNER, "scheduler", "of one call a step", name, cure))
    return copy.copy(scheduler)


def _coefficients(scheduler: Any, t: Tensor) -> tuple[float, float]:
    """(k, m) of x_s = k x_t + m F, read off the step itself, in float64."""
    numbers = torch.tensor([[1.0], [0.0], [0.0]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)  # its own: a probe draws from no one else's
    taken = scheduler.step(numbers.roll(1, 0), t, numbers, generator=generator, return_dict=False)[
        0
    ]
    kept, gain, rest = taken.flatten().tolist()
    if rest != 0 or kept == 0:
        name, cure = type(scheduler).__name__, "Take DDIM with eta=0, or Euler's solver."
        raise ValueError(message(OWNER, "scheduler", "deterministic and one to one", name, cure))
    return kept, gain


def _undone(model: Model, scheduler: Any, t: Tensor, x: Tensor, patience: Patience) -> Tensor:
    """x_t of the step that arrived at x."""
    kept, gain = _coefficients(scheduler, t)
    found, change = x / kept, inf
    for _ in range(patience.max_calls):
        output = model(scheduler.scale_model_input(found, t), t)
        before, found = found, (x - gain * output) / kept
        change = float((found - before).abs().max() / found.abs().max().clamp(min=1e-30))
        if change <= patience.tolerance:
            return found
    raise RuntimeError(
        f"{OWNER}: the step at timestep {t.item():g} must settle in {patience.max_calls} calls, "
        f"got a change of {change:.2g} in the last one. Take more timesteps."
    )
