"""Bits per dimension of a data set, with the error of the mean."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from genextras.density import likelihood
from genextras.validation import check_integer, check_number

__all__ = ["BitsPerDim", "answer_of", "bits_per_dim"]


class BitsPerDim(NamedTuple):
    """What ``bits_per_dim`` returns."""

    mean: float  # bits per dimension
    standard_error: float  # of the mean, over samples
    samples: Tensor  # (n,), of each sample


def answer_of(model: Any) -> Callable[[Tensor, Any], Tensor]:
    """A model as a function of (x, label) that returns a Tensor.

    Parameters
    ----------
    model : Module or callable
        Returns a Tensor, or an object that holds it as ``sample``, as models of diffusers do.

    Returns
    -------
    callable
        The prediction alone.
    """

    def _answer(x: Tensor, label: Any) -> Tensor:
        output = model(x, label)
        return output if isinstance(output, Tensor) else output.sample

    return _answer if callable(model) else model


def bits_per_dim(
    model: nn.Module | Callable,
    data: Tensor,
    scheduler: Any,
    *,
    quantum: float,
    block: int = 64,
    generator: Generator | None = None,
    **options: Any,
) -> BitsPerDim:
    """Mean cost of data in bits per number, by ``genextras.likelihood`` a block at a time.

    Data are whole numbers of quanta, so uniform noise of one quantum is added first: the density of
    the sum bounds the probability of the number from below on average ([1]_, section 3.1).

    Parameters
    ----------
    model : Module or callable
        As for a sampling loop; differentiable.
    data : Tensor of shape (n, ...), data units
        Multiples of ``quantum`` from somewhere.
    scheduler : DiffusionScheduler
        Of the network.
    quantum : float
        Size of one step of the data's numbers: 2/255 for bytes that were scaled to [-1, 1].
    block : int, default=64
        Samples that are followed at a time.
    generator : torch.Generator, optional
        Source of the noise and of the probes, on the device of ``data``.
    **options
        Passed on to ``likelihood``: ``trace``, ``n_probes``, ``prior``, ``tolerance``.

    Returns
    -------
    BitsPerDim
        ``mean``, ``standard_error`` and the bits of all ``samples``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.

    References
    ----------
    .. [1] Theis, van den Oord, Bethge (2016), A note on the evaluation of generative models,
       arXiv:1511.01844.

    Examples
    --------
    >>> from genextras import FlowMatchScheduler
    >>> def perfect(x, t):  # data are N(0, 1)
    ...     t = t / 1000
    ...     return (2 * t - 1) / (t**2 + (1 - t) ** 2) * x
    >>> data = torch.zeros(8, 3)
    >>> result = bits_per_dim(perfect, data, FlowMatchScheduler(), quantum=0.01, trace="exact")
    >>> round(result.mean, 2)  # log2 √(2π) - log2 0.01
    7.97
    """
    owner = "bits_per_dim"
    check_number(owner, "quantum", quantum, low=1e-15, high=math.inf, cure="It is a size.")
    check_integer(owner, "block", block, low=1)
    found = []
    for part in data.split(block):
        noise = torch.rand(part.shape, generator=generator, device=part.device, dtype=part.dtype)
        options = {**options, "quantum": quantum, "generator": generator}
        moved = part + quantum * (noise - 0.5)
        found.append(likelihood(answer_of(model), moved, scheduler, **options).bits_per_dim)
    samples = torch.cat(found)
    error = float(samples.std()) / math.sqrt(len(samples)) if len(samples) > 1 else math.nan
    return BitsPerDim(float(samples.mean()), error, samples)
