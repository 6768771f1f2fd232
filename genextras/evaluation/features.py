"""Distances between laws of features: Fréchet, and the two sides of an overlap."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from genextras.evaluation.points import Features, as_points, checked_pair, squares
from genextras.validation import check_integer, message

__all__ = ["PrecisionRecall", "frechet_distance", "precision_recall"]


def frechet_distance(
    x: Tensor, y: Tensor, *, features: Features | None = None, block: int = 1024
) -> float:
    """Squared Fréchet distance between the Gaussians that have the moments of two samples.

    ``|m - m'|² + tr(S + S' - 2 (S^½ S' S^½)^½)``; with Inception features it is FID ([1]_, eq. 6).
    All in float64.

    Parameters
    ----------
    x : Tensor of shape (n, ...)
        Samples.
    y : Tensor of shape (m, ...)
        Others.
    features : callable, optional
        Maps a batch to features (b, d), a network in ``eval`` say; numbers as they are by default.
    block : int, default=1024
        Samples that the features take at a time.

    Returns
    -------
    float
        In squared units of the features; biased upwards by about 1/n and 1/m.

    Raises
    ------
    TypeError, ValueError
        If samples or features are not finite Tensors of one shape.

    References
    ----------
    .. [1] Heusel et al. (2017), GANs trained by a two time-scale update rule converge to a local
       Nash equilibrium, arXiv:1706.08500.

    Examples
    --------
    >>> x = torch.tensor([[0.0], [2.0]])
    >>> round(frechet_distance(x, 3 * x), 6)  # means 1 and 3, deviations √2 and 3√2
    12.0
    """
    mean, spread = _moments("x", x, features, block)
    centre, other = _moments("y", y, features, block)
    if len(mean) != len(centre):
        shapes, cure = (len(mean), len(centre)), "Compare samples of one shape."
        raise ValueError(message("frechet_distance", "x and y", "of one dimension", shapes, cure))
    gap = mean - centre
    values, axes = torch.linalg.eigh(spread)
    root = axes * values.clamp(min=0).sqrt() @ axes.T
    shared = torch.linalg.eigvalsh(root @ other @ root).clamp(min=0).sqrt().sum()
    return float(gap.square().sum() + spread.trace() + other.trace() - 2 * shared)


def _moments(name: str, x: Any, features: Features | None, block: int) -> tuple[Tensor, Tensor]:
    """Mean and covariance, each block about its own mean, so that no offset costs digits."""
    owner, count = "frechet_distance", 0
    as_points(owner, name, x, block=block)
    mean, scatter = torch.zeros(()), torch.zeros(())
    for part in x.split(block):
        pair = part if len(part) > 1 else part.expand(2, *part.shape[1:])
        points = as_points(owner, name, pair, features=features, block=block)[: len(part)]
        own = points.mean(0)
        centred, gap, total = points - own, own - mean, count + len(points)
        outer = torch.outer(gap, gap) * (count * len(points) / total)
        scatter = scatter + centred.T @ centred + outer
        mean, count = mean + gap * (len(points) / total), total
    return mean, scatter / (count - 1)


class PrecisionRecall(NamedTuple):
    """What ``precision_recall`` returns, shares in [0, 1]."""

    precision: float  # of generated samples that lie among real ones
    recall: float  # of real samples that lie among generated ones


def precision_recall(
    real: Tensor,
    generated: Tensor,
    *,
    k: int = 3,
    features: Features | None = None,
    block: int = 1024,
) -> PrecisionRecall:
    """Improved precision and recall: is each set covered by balls around the other ([1]_, eq. 1)?

    The ball of a sample reaches to its k-th nearest neighbour in its own set.

    Parameters
    ----------
    real : Tensor of shape (n, ...)
        Samples of data.
    generated : Tensor of shape (m, ...)
        Samples of a model. The measure depends on n and m, so keep them when you compare.
    k : int, default=3
        Neighbour that decides the radius.
    features : callable, optional
        Maps a batch to features (b, d); numbers as they are by default.
    block : int, default=1024
        Distances held at a time: ``block`` squared.

    Returns
    -------
    PrecisionRecall
        ``precision`` (quality) and ``recall`` (variety).

    Raises
    ------
    TypeError, ValueError
        If samples or features are not finite Tensors of one shape, or fewer than k + 1.

    References
    ----------
    .. [1] Kynkäänniemi et al. (2019), Improved precision and recall metric for assessing
       generative models, arXiv:1904.06991.

    Examples
    --------
    >>> real = torch.arange(10.0)[:, None]
    >>> precision_recall(real, real[:5] + 0.1, k=1)
    PrecisionRecall(precision=1.0, recall=0.6)
    """
    owner = "precision_recall"
    check_integer(owner, "k", k, low=1)
    pair = {"real": real, "generated": generated}
    first, second = checked_pair(owner, pair, features=features, block=block)
    for name, points in (("real", first), ("generated", second)):
        if len(points) <= k:
            cure = "Pass more samples, or a smaller k."
            raise ValueError(message(owner, name, f"more than k={k} samples", len(points), cure))
    radii, others = (_radii(points, k, block) for points in (first, second))
    precision = _covered(second, first, radii, block)
    return PrecisionRecall(precision, _covered(first, second, others, block))


def _radii(points: Tensor, k: int, block: int) -> Tensor:
    """Squared distance from each point to its k-th nearest other one."""
    nearest = points.new_full((len(points), k + 1), torch.inf)  # itself is among them
    for i, _, squared in squares(points, points, block):
        rows = slice(i, i + len(squared))
        joined = torch.cat([nearest[rows], squared], dim=1)
        nearest[rows] = joined.topk(k + 1, dim=1, largest=False).values
    return nearest.amax(1)


def _covered(points: Tensor, centres: Tensor, radii: Tensor, block: int) -> float:
    """Share of points that lie in a ball around some centre."""
    is_covered = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    for i, j, squared in squares(points, centres, block):
        inside = (squared <= radii[None, j : j + squared.shape[1]]).any(1)
        is_covered[i : i + len(squared)] |= inside
    return float(is_covered.double().mean())
