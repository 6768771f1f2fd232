"""Compiled loops of Gaussian components on complete rows; see ``kernels`` for the layout of blocks.

Rows are centred on each component's own mean before anything is multiplied: no difference of large
numbers is formed, however far the components are from one another and from the origin.
"""

import math
from typing import Any

import numpy as np

from skextras.mixture.kernels import FOUR, REORDER, TILE, add_products, tiles
from skextras.mixture.lanes import STEP, add_squares
from skextras.trees.compiling import compiled


@compiled(**REORDER)
def _move(block: Any, first: int, m: int, mean: Any, moved: Any) -> None:
    """Rows of a tile about a mean."""
    for p in range(block.shape[0]):
        x, t, c = block[p, first : first + m], moved[p], mean[p]
        for r in range(m):
            t[r] = x[r] - c


@compiled(**REORDER)
def full_density(block: Any, n: int, means: Any, roots: Any, constants: Any, out: Any) -> None:
    """Log densities with one triangular root of the precision for each component.

    log N(x) = c - |Rᵀ (x - μ)|² / 2, R upper triangular, taken in squares of four by four.

    Parameters
    ----------
    block : ndarray of shape (D, B)
        Turned, centred rows.
    n : int
        Rows of the block.
    means : ndarray of shape (k, D)
        Of the components, centred alike.
    roots : ndarray of shape (k, D, D)
        R, zero below the diagonal and in the padding.
    constants : ndarray of shape (k,)
        log det R - d log(2π) / 2.
    out : ndarray of shape (K, B)
        Log densities go out.
    """
    D, half, step = block.shape[0], block.dtype.type(0.5), STEP // block.itemsize
    moved, distance = tiles(D, block), tiles(1, block)[0]
    tile = TILE * 4 // block.itemsize  # half as many of the long numbers: rows and copies in L1
    for first in range(0, n, tile):
        m = min(tile, n - first)
        for j in range(len(constants)):
            _move(block, first, m, means[j], moved)
            distance[:] = 0
            for start in range(0, m, step):  # (what stands beyond m is not used)
                for q in range(0, D, FOUR):
                    add_squares(moved, TILE, start, roots[j], D, q, distance)
            to, constant = out[j, first : first + m], constants[j]
            for r in range(m):
                to[r] = constant - half * distance[r]


@compiled(**REORDER)
def full_moments(
    block: Any, n: int, means: Any, shares: Any, totals: Any, firsts: Any, seconds: Any
) -> None:
    """Weighted moments of the rows about each component's mean.

    Parameters
    ----------
    block : ndarray of shape (D, B)
        Turned, centred rows.
    n : int
        Rows of the block.
    means : ndarray of shape (k, D)
        Of the components, centred alike.
    shares : ndarray of shape (K, B)
        Responsibilities.
    totals, firsts, seconds : ndarray of shape (k,), (k, D), (k, D, D), float64
        Σ r, Σ r (x - μ) and Σ r (x - μ)(x - μ)ᵀ (on and above the diagonal) are added to them.
    """
    moved, scale = tiles(block.shape[0], block), tiles(1, block)[0]
    for first in range(0, n, TILE):
        m = min(TILE, n - first)
        for j in range(len(totals)):
            share = shares[j, first : first + m]
            total = block.dtype.type(0)
            for r in range(m):
                scale[r] = math.sqrt(share[r])
                total += share[r]
            if total > 0:
                totals[j] += total
                for p in range(block.shape[0]):
                    x, t, c = block[p, first : first + m], moved[p], means[j, p]
                    moment = block.dtype.type(0)
                    for r in range(m):
                        t[r] = scale[r] * (x[r] - c)
                        moment += scale[r] * t[r]
                    firsts[j, p] += moment
                add_products(moved, moved, m, True, seconds[j])


@compiled(**REORDER)
def axis_density(block: Any, n: int, means: Any, scales: Any, constants: Any, out: Any) -> None:
    """Log densities with axes of their own lengths.

    log N(x) = c - Σ ((x - μ) s)² / 2.

    Parameters
    ----------
    block : ndarray of shape (D, B)
        Turned, centred rows.
    n : int
        Rows of the block.
    means, scales : ndarray of shape (k, D)
        Of the components; scales are zero in the padding.
    constants : ndarray of shape (k,)
        Σ log s - d log(2π) / 2.
    out : ndarray of shape (K, B)
        Log densities go out.
    """
    half = block.dtype.type(0.5)
    distance = np.empty(TILE, block.dtype)
    for first in range(0, n, TILE):
        m = min(TILE, n - first)
        for j in range(len(constants)):
            for r in range(m):
                distance[r] = block.dtype.type(0)
            for p in range(0, block.shape[0], FOUR):
                x0, x1 = block[p, first : first + m], block[p + 1, first : first + m]
                x2, x3 = block[p + 2, first : first + m], block[p + 3, first : first + m]
                m0, m1, m2, m3 = means[j, p], means[j, p + 1], means[j, p + 2], means[j, p + 3]
                s0, s1, s2, s3 = scales[j, p], scales[j, p + 1], scales[j, p + 2], scales[j, p + 3]
                for r in range(m):
                    v0, v1 = (x0[r] - m0) * s0, (x1[r] - m1) * s1
                    v2, v3 = (x2[r] - m2) * s2, (x3[r] - m3) * s3
                    distance[r] += v0 * v0 + v1 * v1 + v2 * v2 + v3 * v3
            to, constant = out[j, first : first + m], constants[j]
            for r in range(m):
                to[r] = constant - half * distance[r]


@compiled(**REORDER)
def _axis_pair(block: Any, p: int, first: int, mean: Any, share: Any) -> tuple[Any, ...]:
    """First and second moments of two features in a tile."""
    m = len(share)
    x0, x1 = block[p, first : first + m], block[p + 1, first : first + m]
    kind, m0, m1 = block.dtype.type, mean[p], mean[p + 1]
    f0, f1, s0, s1 = kind(0), kind(0), kind(0), kind(0)
    for r in range(m):
        t0, t1 = x0[r] - m0, x1[r] - m1
        w0, w1 = share[r] * t0, share[r] * t1
        f0 += w0
        f1 += w1
        s0 += w0 * t0
        s1 += w1 * t1
    return f0, f1, s0, s1


@compiled(**REORDER)
def axis_moments(
    block: Any, n: int, means: Any, shares: Any, totals: Any, firsts: Any, seconds: Any
) -> None:
    """Weighted moments of each feature about each component's mean.

    Parameters
    ----------
    block : ndarray of shape (D, B)
        Turned, centred rows.
    n : int
        Rows of the block.
    means : ndarray of shape (k, D)
        Of the components, centred alike.
    shares : ndarray of shape (K, B)
        Responsibilities.
    totals, firsts, seconds : ndarray of shape (k,), (k, D), (k, D), float64
        Σ r, Σ r (x - μ) and Σ r (x - μ)² are added to them.
    """
    for first in range(0, n, TILE):
        m = min(TILE, n - first)
        for j in range(len(totals)):
            share = shares[j, first : first + m]
            total = block.dtype.type(0)
            for r in range(m):
                total += share[r]
            if total > 0:
                totals[j] += total
                for p in range(0, block.shape[0], 2):
                    f0, f1, s0, s1 = _axis_pair(block, p, first, means[j], share)
                    firsts[j, p] += f0
                    firsts[j, p + 1] += f1
                    seconds[j, p] += s0
                    seconds[j, p + 1] += s1


@compiled(**REORDER)
def _spread_shares(
    shares: Any, first: int, m: int, here: Any, scaled: Any, weight: Any, totals: Any
) -> None:
    """Shares of a tile, the same over each row's weight, and the weights themselves."""
    weight[:] = 0
    for j in range(len(here)):
        share, to, total = shares[j, first : first + m], here[j], weight.dtype.type(0)
        for r in range(m):
            to[r] = share[r]
            weight[r] += share[r]
            total += share[r]
        totals[j] += total
    for j in range(len(here)):
        share, to = here[j], scaled[j]
        for r in range(m):
            to[r] = share[r] / weight[r] if weight[r] > 0 else 0


@compiled(**REORDER)
def _about_expected_mean(x: Any, means: Any, scaled: Any, p: int, t: Any) -> None:
    """One feature of a tile about Σ r_j μ_j / w of each row."""
    m = len(x)
    for r in range(m):
        t[r] = x[r]
    for j in range(0, len(scaled), FOUR):
        h0, h1, h2, h3 = scaled[j], scaled[j + 1], scaled[j + 2], scaled[j + 3]
        m0, m1, m2, m3 = means[j, p], means[j + 1, p], means[j + 2, p], means[j + 3, p]
        for r in range(m):
            t[r] -= h0[r] * m0 + h1[r] * m1 + h2[r] * m2 + h3[r] * m3


@compiled(**REORDER)
def tied_moments(
    block: Any,
    n: int,
    means: Any,
    shares: Any,
    totals: Any,
    sums: Any,
    within: Any,
    between: Any,
) -> None:
    """Moments from which the common covariance follows without a difference of large numbers.

    With e = Σ r_j μ_j / w and w = Σ r_j, a row's Σ r_j (x - μ_j)(x - μ_j)ᵀ is
    w (x - e)(x - e)ᵀ + Σ_{j<l} (r_j r_l / w) (μ_j - μ_l)(μ_j - μ_l)ᵀ: no term is negative.

    Parameters
    ----------
    block : ndarray of shape (D, B)
        Turned, centred rows.
    n : int
        Rows of the block.
    means : ndarray of shape (K, D)
        Of the components, centred alike, K a multiple of four.
    shares : ndarray of shape (K, B)
        Responsibilities, zero in the padding.
    totals, sums : ndarray of shape (K,), (K, D), float64
        Σ r and Σ r x are added to them.
    within : ndarray of shape (D, D), float64
        Σ w (x - e)(x - e)ᵀ, on and above the diagonal, is added to it.
    between : ndarray of shape (K, K), float64
        Σ r_j r_l / w, on and above the diagonal, is added to it.
    """
    K, D = shares.shape[0], block.shape[0]
    plain, rest = np.empty((D, TILE), block.dtype), np.empty((D, TILE), block.dtype)
    here, scaled = np.empty((K, TILE), block.dtype), np.empty((K, TILE), block.dtype)
    weight = np.empty(TILE, block.dtype)
    for first in range(0, n, TILE):
        m = min(TILE, n - first)
        _spread_shares(shares, first, m, here, scaled, weight, totals)
        for p in range(D):
            x, y = block[p, first : first + m], plain[p]
            for r in range(m):
                y[r] = x[r]
            _about_expected_mean(x, means, scaled, p, rest[p])
        add_products(here, plain, m, False, sums)
        add_products(here, scaled, m, True, between)
        for p in range(D):
            y, t = plain[p], rest[p]
            for r in range(m):
                y[r] = t[r] * weight[r]
        add_products(rest, plain, m, True, within)
