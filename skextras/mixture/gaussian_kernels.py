"""Compiled loops of Gaussian components on complete rows; see ``kernels`` for the layout of blocks.

Rows are centred on each component's own mean before anything is multiplied: no difference of large
numbers is formed, however far the components are from one another and from the origin.
"""

from typing import Any

import numpy as np

from skextras.mixture.kernels import FOUR, REORDER, TILE, add_products
from skextras.trees.compiling import compiled


@compiled(**REORDER)
def _move(block: Any, first: int, m: int, mean: Any, moved: Any) -> None:
    """Rows of a tile about a mean."""
    for p in range(block.shape[0]):
        x, t, c = block[p, first : first + m], moved[p], mean[p]
        for r in range(m):
            t[r] = x[r] - c


@compiled(**REORDER)
def _off_diagonal(R: Any, q: int, moved: Any, m: int, partial: Any) -> None:
    """Four products of columns q... of R with all features above the diagonal square."""
    y0, y1, y2, y3 = partial[0], partial[1], partial[2], partial[3]
    partial[:] = 0
    for p in range(0, q, FOUR):
        t0, t1, t2, t3 = moved[p], moved[p + 1], moved[p + 2], moved[p + 3]
        a0, a1, a2, a3 = R[p, q], R[p, q + 1], R[p, q + 2], R[p, q + 3]
        b0, b1, b2, b3 = R[p + 1, q], R[p + 1, q + 1], R[p + 1, q + 2], R[p + 1, q + 3]
        c0, c1, c2, c3 = R[p + 2, q], R[p + 2, q + 1], R[p + 2, q + 2], R[p + 2, q + 3]
        d0, d1, d2, d3 = R[p + 3, q], R[p + 3, q + 1], R[p + 3, q + 2], R[p + 3, q + 3]
        for r in range(m):
            u0, u1, u2, u3 = t0[r], t1[r], t2[r], t3[r]
            y0[r] += a0 * u0 + b0 * u1 + c0 * u2 + d0 * u3
            y1[r] += a1 * u0 + b1 * u1 + c1 * u2 + d1 * u3
            y2[r] += a2 * u0 + b2 * u1 + c2 * u2 + d2 * u3
            y3[r] += a3 * u0 + b3 * u1 + c3 * u2 + d3 * u3


@compiled(**REORDER)
def _add_squares(R: Any, q: int, moved: Any, m: int, partial: Any, distance: Any) -> None:
    """Finish the four products with the diagonal square, and add their squares."""
    y0, y1, y2, y3 = partial[0], partial[1], partial[2], partial[3]
    t0, t1, t2, t3 = moved[q], moved[q + 1], moved[q + 2], moved[q + 3]
    a0, a1, a2, a3 = R[q, q], R[q, q + 1], R[q, q + 2], R[q, q + 3]
    b1, b2, b3 = R[q + 1, q + 1], R[q + 1, q + 2], R[q + 1, q + 3]
    c2, c3, d3 = R[q + 2, q + 2], R[q + 2, q + 3], R[q + 3, q + 3]
    for r in range(m):
        u0, u1, u2, u3 = t0[r], t1[r], t2[r], t3[r]
        v0 = y0[r] + a0 * u0
        v1 = y1[r] + a1 * u0 + b1 * u1
        v2 = y2[r] + a2 * u0 + b2 * u1 + c2 * u2
        v3 = y3[r] + a3 * u0 + b3 * u1 + c3 * u2 + d3 * u3
        distance[r] += v0 * v0 + v1 * v1 + v2 * v2 + v3 * v3


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
    D, half = block.shape[0], block.dtype.type(0.5)
    moved, partial = np.empty((D, TILE), block.dtype), np.empty((FOUR, TILE), block.dtype)
    distance = np.empty(TILE, block.dtype)
    for first in range(0, n, TILE):
        m = min(TILE, n - first)
        for j in range(len(constants)):
            _move(block, first, m, means[j], moved)
            distance[:] = 0
            for q in range(0, D, FOUR):
                _off_diagonal(roots[j], q, moved, m, partial)
                _add_squares(roots[j], q, moved, m, partial, distance)
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
    D = block.shape[0]
    moved, weighted = np.empty((D, TILE), block.dtype), np.empty((D, TILE), block.dtype)
    for first in range(0, n, TILE):
        m = min(TILE, n - first)
        for j in range(len(totals)):
            share = shares[j, first : first + m]
            total = block.dtype.type(0)
            for r in range(m):
                total += share[r]
            if total > 0:
                totals[j] += total
                _move(block, first, m, means[j], moved)
                for p in range(D):
                    t, w, moment = moved[p], weighted[p], block.dtype.type(0)
                    for r in range(m):
                        w[r] = share[r] * t[r]
                        moment += w[r]
                    firsts[j, p] += moment
                add_products(moved, weighted, m, True, seconds[j])


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
