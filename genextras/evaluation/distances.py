"""Distances between two sets of samples that ask for no model of either."""

import math
from collections.abc import Callable
from itertools import product

import torch
from torch import Generator, Tensor

from genextras.evaluation.points import checked_pair, squares
from genextras.validation import check_choice, check_flag, check_integer, check_number

__all__ = ["energy_distance", "mmd", "sliced_wasserstein"]

N_HEURISTIC = 1000  # points that the usual bandwidth is taken from


def energy_distance(x: Tensor, y: Tensor, *, is_unbiased: bool = True, block: int = 1024) -> float:
    """Energy distance 2 E|X - Y| - E|X - X'| - E|Y - Y'| between two laws ([1]_, eq. 2.1).

    Zero for equal laws and no others; it has no parameter. Its root is a metric, which
    ``scipy.stats.energy_distance`` returns for numbers.

    Parameters
    ----------
    x : Tensor of shape (n, ...), data units
        Samples.
    y : Tensor of shape (m, ...), data units
        Others.
    is_unbiased : bool, default=True
        Leave out each sample's distance to itself: right on average, and sometimes below zero. Else
        the distance of the two empirical laws, which is too large.
    block : int, default=1024
        Distances held at a time: ``block`` squared.

    Returns
    -------
    float, data units
        The estimate.

    Raises
    ------
    TypeError, ValueError
        If the samples are not finite Tensors of one shape.

    References
    ----------
    .. [1] Székely, Rizzo (2013), Energy statistics: a class of statistics based on distances,
       Journal of Statistical Planning and Inference 143.

    Examples
    --------
    >>> energy_distance(torch.zeros(2, 1), torch.ones(3, 1))
    2.0
    """
    check_flag("energy_distance", "is_unbiased", is_unbiased)
    points = checked_pair("energy_distance", {"x": x, "y": y}, block=block)
    between, first, second = _means(torch.sqrt, *points, block, is_unbiased)
    return 2 * between - first - second


def mmd(
    x: Tensor,
    y: Tensor,
    *,
    kernel: str = "gaussian",
    bandwidth: float | None = None,
    is_unbiased: bool = True,
    block: int = 1024,
) -> float:
    """Squared maximum mean discrepancy E k(X, X') + E k(Y, Y') - 2 E k(X, Y) ([1]_, eq. 3).

    Parameters
    ----------
    x : Tensor of shape (n, ...), data units
        Samples.
    y : Tensor of shape (m, ...), data units
        Others.
    kernel : {"gaussian", "cubic"}, default="gaussian"
        ``exp(-|x - y|² / 2h²)``, or (xᵀy / d + 1)³, which on features of a network is the kernel
        inception distance [2]_.
    bandwidth : float, optional
        h of "gaussian", data units; by default the median distance among ``y``, of a thousand of
        them at even strides.
    is_unbiased : bool, default=True
        Leave out pairs of a sample with itself: right on average, and sometimes below zero.
    block : int, default=1024
        Values held at a time: ``block`` squared.

    Returns
    -------
    float
        The estimate; dimensionless for "gaussian".

    Raises
    ------
    TypeError, ValueError
        If the samples are not finite Tensors of one shape, or an option is unknown.

    References
    ----------
    .. [1] Gretton et al. (2012), A kernel two-sample test, JMLR 13.
    .. [2] Bińkowski et al. (2018), Demystifying MMD GANs, arXiv:1801.01401.

    Examples
    --------
    >>> round(mmd(torch.zeros(2, 1), torch.ones(3, 1), bandwidth=1.0), 4)  # 2 - 2 exp(-1/2)
    0.7869
    """
    owner = "mmd"
    check_choice(owner, "kernel", kernel, ("gaussian", "cubic"))
    check_flag(owner, "is_unbiased", is_unbiased)
    if bandwidth is not None:
        cure = "It is a distance."
        check_number(owner, "bandwidth", bandwidth, low=1e-300, high=math.inf, cure=cure)
    first, second = checked_pair(owner, {"x": x, "y": y}, block=block)
    if kernel == "gaussian":
        width = _median_distance(second) if bandwidth is None else bandwidth
        means = _means(
            lambda each: (each / (-2 * width**2)).exp(), first, second, block, is_unbiased
        )
    else:
        means = _cubic_means(x, y, block, is_unbiased)
    return means[1] + means[2] - 2 * means[0]


def sliced_wasserstein(
    x: Tensor,
    y: Tensor,
    *,
    n_projections: int = 256,
    order: float = 2.0,
    generator: Generator | None = None,
    block: int = 64,
) -> float:
    """Sliced Wasserstein distance: the usual one along random lines, where sorting solves it.

    ``(mean over lines of W_p^p)^(1/p)`` ([1]_, definition 1), exact along each line for samples of
    any two numbers. For Gaussians of spreads s and r about means m apart it is the root of
    ``|m|²/d + (s - r)²``.

    Parameters
    ----------
    x : Tensor of shape (n, ...), data units
        Samples.
    y : Tensor of shape (m, ...), data units
        Others.
    n_projections : int, default=256
        Lines.
    order : float, default=2.0
        p, at least 1.
    generator : torch.Generator, optional
        Source of the lines, on the device of the samples; the same lines for the same seed.
    block : int, default=64
        Lines at a time.

    Returns
    -------
    float, data units
        The distance of the two empirical laws; above zero for two samples of one law.

    Raises
    ------
    TypeError, ValueError
        If the samples are not finite Tensors of one shape, or an option is out of range.

    References
    ----------
    .. [1] Bonneel, Rabin, Peyré, Pfister (2015), Sliced and Radon Wasserstein barycenters of
       measures, Journal of Mathematical Imaging and Vision 51.

    Examples
    --------
    >>> round(sliced_wasserstein(torch.zeros(2, 1), torch.ones(3, 1)), 6)
    1.0
    """
    owner = "sliced_wasserstein"
    check_integer(owner, "n_projections", n_projections, low=1)
    check_number(owner, "order", order, low=1.0, high=100.0, cure="2 is usual.")
    first, second = checked_pair(owner, {"x": x, "y": y}, block=block)
    shape = first.shape[1], n_projections
    lines = torch.randn(shape, generator=generator, dtype=torch.float64, device=first.device)
    lines = lines / lines.norm(dim=0)
    total = 0.0
    for part in lines.split(block, dim=1):
        here, there = ((each @ part).sort(0).values for each in (first, second))
        total += float(_matched(here, there, order).sum())
    return (total / n_projections) ** (1 / order)


def _matched(x: Tensor, y: Tensor, order: float) -> Tensor:
    """W_p^p of sorted columns, (n, lines) and (m, lines): quantiles are matched.

    Both quantile functions are constant between multiples of 1/n and 1/m, whole numbers over n m.
    """
    n, m = len(x), len(y)
    if n == m:
        return (x - y).abs().pow(order).mean(0)
    ends = [torch.arange(1, k + 1, device=x.device) * other for k, other in ((n, m), (m, n))]
    stops = torch.cat(ends).unique()  # sorted
    starts = torch.cat([stops.new_zeros(1), stops[:-1]])
    shares = (stops - starts).double() / (n * m)
    return shares @ (x[starts // m] - y[starts // n]).abs().pow(order)


def _means(
    value: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, block: int, is_unbiased: bool
) -> tuple[float, float, float]:
    """Means of a function of squared distances: between the sets, within the first, the second."""
    found = []
    for one, other in ((x, y), (x, x), (y, y)):
        total = sum(float(value(part).sum()) for _, _, part in squares(one, other, block))
        n_pairs = len(one) * len(other)
        if one is other and is_unbiased:
            total -= len(one) * float(value(one.new_zeros(())))
            n_pairs -= len(one)
        found.append(total / n_pairs)
    return found[0], found[1], found[2]


def _cubic_means(x: Tensor, y: Tensor, block: int, is_unbiased: bool) -> tuple[float, float, float]:
    """The same of (xᵀy / d + 1)³, which knows where zero is."""
    sets = [each.detach().flatten(1).double() for each in (x, y)]
    found = []
    for i, j in ((0, 1), (0, 0), (1, 1)):
        one, other, width = sets[i], sets[j], sets[i].shape[1]
        parts = product(one.split(block), other.split(block))
        total = sum(float(((rows @ more.T / width + 1) ** 3).sum()) for rows, more in parts)
        n_pairs = len(one) * len(other)
        if i == j and is_unbiased:
            total -= float(((one.square().sum(1) / width + 1) ** 3).sum())
            n_pairs -= len(one)
        found.append(total / n_pairs)
    return found[0], found[1], found[2]


def _median_distance(points: Tensor) -> float:
    """Median distance between different points, of at most a thousand; 1 if all are equal."""
    some = points[:: -(-len(points) // N_HEURISTIC)]
    distances = torch.pdist(some)
    return float(distances.median()) or 1.0
