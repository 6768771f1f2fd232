"""Which noise levels a batch is trained on: uniform numbers, and laws of log σ that turn them.

Every law is a distribution function and its inverse, so that one draw of uniform numbers serves
them all, evenly spread over the batch if wished, and a law can be cut to the levels of a scheduler.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor

__all__ = ["LAWS", "Law", "LossHistory", "cut", "importance_warp", "uniforms"]


class Law(NamedTuple):
    """A law of log σ: its distribution function and quantiles; both map a Tensor to its like."""

    cdf: Callable[[Tensor], Tensor]
    quantile: Callable[[Tensor], Tensor]


def _normal(mean: float, std: float) -> Law:
    """log σ ~ N(mean, std²): EDM's (arXiv:2206.00364, table 1).

    With t = σ/(1 + σ), the time of a rectified flow, log σ is the logit of t: SD3's logit-normal
    law (arXiv:2403.03206, eq. 19).
    """
    return Law(
        cdf=lambda logs: torch.special.ndtr((logs - mean) / std),
        quantile=lambda u: mean + std * torch.special.ndtri(u),
    )


def _cosine() -> Law:
    """σ = tan(π u / 2): the levels of the cosine schedule (arXiv:2102.09672), by their share.

    Its density in log σ is sech(log σ) / π (arXiv:2303.00848, table 1), which is heavy at σ = 1.
    """
    return Law(
        cdf=lambda logs: logs.exp().atan() * (2 / math.pi),
        quantile=lambda u: (u * (math.pi / 2)).tan().log(),
    )


# name: (mean, std, law); the first two are usual where the law has them
LAWS: dict[str, tuple[float, float, Callable[[float, float], Law]]] = {
    "log-normal": (-1.2, 1.2, _normal),
    "logit-normal": (0.0, 1.0, _normal),
    "cosine": (0.0, 1.0, lambda mean, std: _cosine()),
}


def cut(law: Law, low: float, high: float) -> Law:
    """A law given that σ is within bounds.

    Parameters
    ----------
    law : Law
        Any.
    low, high : float
        Lowest and highest σ.

    Returns
    -------
    Law
        Of log σ in [log low, log high].

    Examples
    --------
    >>> mean, std, make = LAWS["log-normal"]
    >>> law = cut(make(mean, std), 0.5, 2.0)
    >>> law.quantile(torch.tensor([0.0, 1.0]).double()).exp().round(decimals=3).tolist()
    [0.5, 2.0]
    """
    ends = torch.tensor([low, high], dtype=torch.float64).log()
    first, last = law.cdf(ends)
    return Law(
        cdf=lambda logs: (law.cdf(logs) - first) / (last - first),
        quantile=lambda u: law.quantile(torch.lerp(first, last, u)).clamp(ends[0], ends[1]),
    )


def uniforms(n: int, *, spread: str = "even", generator: Generator | None = None) -> Tensor:
    """Uniform numbers in [0, 1) for a batch.

    Parameters
    ----------
    n : int
        Size of the batch.
    spread : {"even", "independent"}, default="even"
        "even" draws one number u and takes u + i/n modulo 1 (variational diffusion models [1]_,
        appendix I.1): each is uniform, and together they leave no gap, so that the loss of a batch
        varies less.
    generator : torch.Generator, optional
        Source of randomness, on the CPU.

    Returns
    -------
    Tensor of shape (n,), float64
        Numbers.

    References
    ----------
    .. [1] Kingma, Salimans, Poole, Ho (2021), Variational diffusion models, arXiv:2107.00630.

    Examples
    --------
    >>> u = uniforms(4, generator=torch.Generator().manual_seed(0))
    >>> sorted((u * 4).floor().int().tolist())
    [0, 1, 2, 3]
    """
    if spread == "independent":
        return torch.rand(n, generator=generator, dtype=torch.float64)
    first = torch.rand(1, generator=generator, dtype=torch.float64)
    return (first + torch.arange(n, dtype=torch.float64) / n) % 1


def importance_warp(u: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Move uniform numbers so that each of k equal bins of [0, 1) gets its own probability.

    Parameters
    ----------
    u : Tensor of shape (n,), float64
        Uniform numbers.
    probabilities : Tensor of shape (k,)
        Of the bins; positive, with sum 1.

    Returns
    -------
    warped : Tensor of shape (n,)
        Numbers whose density in bin j is k p_j.
    weights : Tensor of shape (n,)
        1 / (k p_j), which keep a mean over [0, 1) without bias.
    bins : LongTensor of shape (n,)
        j.

    Examples
    --------
    >>> warped, weights, _ = importance_warp(torch.tensor([0.6]), torch.tensor([0.8, 0.2]))
    >>> round(warped.item(), 3), round(weights.item(), 3)  # three quarters into the first bin
    (0.375, 0.625)
    """
    k = len(probabilities)
    edges = probabilities.to(u.dtype).cumsum(0)
    edges = edges / edges[-1]
    bins = torch.searchsorted(edges, u, right=True).clamp(max=k - 1)
    below = torch.cat([edges.new_zeros(1), edges[:-1]])
    share = edges[bins] - below[bins]
    return (bins + (u - below[bins]) / share) / k, 1 / (k * share), bins


class LossHistory:
    """Probabilities of noise levels after the losses seen there: p ∝ √E[L²] ([1]_, eq. 18).

    Levels are told apart by their share of the base law, in equal bins; until each bin has been
    seen often enough all are alike.

    Parameters
    ----------
    n_bins : int, default=32
        Number of bins.
    n_kept : int, default=10
        Losses that each bin remembers, the latest.
    floor : float, default=0.001
        Share of the probability that is the same for all bins.

    References
    ----------
    .. [1] Nichol, Dhariwal (2021), Improved denoising diffusion probabilistic models,
       arXiv:2102.09672.

    Examples
    --------
    >>> history = LossHistory(n_bins=2, n_kept=1, floor=0.0)
    >>> history.record(torch.tensor([0, 1]), torch.tensor([3.0, 1.0]))
    >>> history.probabilities().tolist()
    [0.75, 0.25]
    """

    def __init__(self, n_bins: int = 32, n_kept: int = 10, floor: float = 0.001) -> None:
        self.floor = floor
        self.losses = torch.zeros(n_bins, n_kept, dtype=torch.float64)
        self.counts = torch.zeros(n_bins, dtype=torch.int64)

    def record(self, bins: Tensor, losses: Tensor) -> None:
        """Remember losses.

        Parameters
        ----------
        bins : LongTensor of shape (n,)
            Where they were seen, on the CPU.
        losses : Tensor of shape (n,)
            Of samples, without importance weights, on the CPU.
        """
        n_kept = self.losses.shape[1]
        for j, loss in zip(bins.tolist(), losses.tolist(), strict=True):
            self.losses[j, self.counts[j] % n_kept] = loss
            self.counts[j] += 1

    def probabilities(self) -> Tensor:
        """Probabilities of the bins.

        Returns
        -------
        Tensor of shape (n_bins,), float64
            They sum to 1.
        """
        n_bins, n_kept = self.losses.shape
        if (self.counts < n_kept).any():
            return torch.full((n_bins,), 1 / n_bins, dtype=torch.float64)
        sizes = self.losses.square().mean(1).sqrt()
        total = sizes.sum()
        if not total > 0 or not total.isfinite():
            return torch.full((n_bins,), 1 / n_bins, dtype=torch.float64)
        return (1 - self.floor) * sizes / total + self.floor / n_bins

    def state_dict(self) -> dict[str, Tensor]:
        """What is remembered.

        Returns
        -------
        dict of str to Tensor
            For ``load_state_dict``.
        """
        return {"losses": self.losses.clone(), "counts": self.counts.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over what another history remembers.

        Parameters
        ----------
        state : dict of str to Tensor
            From ``state_dict``.
        """
        self.losses, self.counts = state["losses"].clone(), state["counts"].clone()
