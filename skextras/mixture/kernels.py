"""Compiled loops that every mixture runs on a block of rows.

A block is turned so that rows stand side by side, shape (features, rows): the innermost loop of
every kernel runs over rows, and the compiler fills its vector registers with them. Features are
padded with zeros to a multiple of four, since kernels take four at a time.
"""

import math
from typing import Any

import numpy as np

from skextras.mixture.exponential import exponential
from skextras.mixture.lanes import LINE, add_steps
from skextras.trees.compiling import compiled

TILE = 256  # rows whose arrays stay in the nearest caches
FOUR = 4
LEAST_SINGLE, LEAST_DOUBLE = 1e-25, 1e-200  # share of a row in a component
# Sums over rows may be reordered into lanes; infinities and NaN keep their meaning.
REORDER = {"fastmath": {"reassoc", "contract", "nsz"}}


@compiled
def tiles(count: int, kind: Any) -> Any:
    """Zeros for tiles of rows, none of whose vectors lies in two lines of the cache.

    Parameters
    ----------
    count : int
        How many.
    kind : ndarray
        Any array of the type.

    Returns
    -------
    ndarray of shape (count, TILE)
        Zeros.
    """
    flat = np.zeros(count * TILE + 64, kind.dtype)
    skipped = (-flat.ctypes.data % 64) // flat.itemsize
    return flat[skipped : skipped + count * TILE].reshape(count, TILE)


@compiled
def load(rows: Any, centre: Any, out: Any) -> None:
    """Turn a block of rows and centre it.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Rows.
    centre : ndarray of shape (d,), float64
        Taken away in double precision before rounding to the block's.
    out : ndarray of shape (D, B), D >= d, B >= n
        Filled; rows of padding stay as they are.
    """
    n, d = rows.shape
    for start in range(0, n, 16):
        for p in range(d):
            to, c = out[p], centre[p]
            for r in range(start, min(start + 16, n)):
                to[r] = rows[r, p] - c


@compiled
def relative_densities(table: Any, out: Any, tops: Any) -> None:
    """exp(log density - largest of the row), components side by side.

    Parameters
    ----------
    table : ndarray of shape (K, B)
        Log densities.
    out : ndarray of shape (n, k), float64
        Relative densities go out.
    tops : ndarray of shape (n,), float64
        The largest log densities go out; 0 where none is finite.
    """
    n, k = out.shape
    column = np.empty(TILE)
    for first in range(0, n, TILE):
        m = min(TILE, n - first)
        top, to = tops[first : first + m], out[first : first + m]
        for r in range(m):
            top[r] = -math.inf
        for j in range(k):
            own = table[j, first : first + m]
            for r in range(m):
                top[r] = max(top[r], own[r])
        for r in range(m):
            top[r] = 0.0 if math.isinf(top[r]) else top[r]
        for j in range(k):
            own = table[j, first : first + m]
            for r in range(m):
                column[r] = exponential(own[r] - top[r])
            for r in range(m):
                to[r, j] = column[r]


@compiled
def _add_weights(table: Any, n: int, log_weights: Any, top: Any) -> None:
    """Joint log densities in place, and the largest of each row."""
    for r in range(n):
        top[r] = -math.inf
    for j in range(len(log_weights)):
        column, shift = table[j], log_weights[j]
        for r in range(n):
            value = column[r] + shift
            column[r] = value
            top[r] = max(top[r], value)


@compiled
def _hold_to_labels(table: Any, k: int, labels: Any, top: Any) -> None:
    """Leave a row of known component no other."""
    for r in range(len(labels)):
        known = labels[r]
        if known >= 0:
            top[r] = table[known, r]
            for j in range(k):
                if j != known:
                    table[j, r] = -math.inf


@compiled
def _to_shares(table: Any, n: int, k: int, top: Any, total: Any) -> None:
    """exp(joint - top) in place, and the sum of each row; top of an impossible row becomes 0.

    Shares that could bring about subnormal products, which take a hundred times as long, become 0.
    """
    least = LEAST_SINGLE if table.itemsize == 4 else LEAST_DOUBLE
    for r in range(n):
        total[r] = 0.0
        top[r] = 0.0 if top[r] == -math.inf else top[r]
    for j in range(k):
        column = table[j]
        for r in range(n):
            share = exponential(column[r] - top[r])
            share = share if share > least else 0.0
            column[r] = share
            total[r] += share


@compiled
def posterior(
    table: Any, n: int, log_weights: Any, weight: Any, labels: Any, likelihood: Any
) -> float:
    """Responsibilities from log densities, in place.

    Parameters
    ----------
    table : ndarray of shape (K, B)
        Log densities of the first k rows come in, responsibilities times weights go out.
    n : int
        Rows of the block.
    log_weights : ndarray of shape (k,), float64
        Of the components.
    weight : ndarray of shape (n,) or (0,), float64
        Of the rows; empty stands for ones.
    labels : ndarray of shape (n,) or (0,), int64
        Known components, -1 where unknown; empty stands for all unknown.
    likelihood : ndarray of shape (B,), float64
        Log-likelihood of each row goes out.

    Returns
    -------
    float
        Weighted sum of the log-likelihoods.
    """
    k, top, total = len(log_weights), likelihood, np.empty(n)
    _add_weights(table, n, log_weights, top)
    _hold_to_labels(table, k, labels, top)
    _to_shares(table, n, k, top, total)
    whole = 0.0
    for r in range(n):
        counted = weight[r] if len(weight) > 0 else 1.0
        likelihood[r] = top[r] + math.log(total[r])
        if counted > 0.0:
            whole += counted * likelihood[r]
        total[r] = counted / total[r] if total[r] > 0.0 else 0.0
    for j in range(k):
        column = table[j]
        for r in range(n):
            column[r] *= total[r]
    return whole


@compiled(**REORDER)
def add_totals(table: Any, n: int, totals: Any) -> None:
    """Add up each row of a table.

    Parameters
    ----------
    table : ndarray of shape (K, B)
        Responsibilities.
    n : int
        Rows of the block.
    totals : ndarray of shape (k,), float64
        Sums are added to it.
    """
    for j in range(len(totals)):
        column = table[j]
        total = 0.0
        for r in range(n):
            total += column[r]
        totals[j] += total


@compiled(**REORDER)
def add_products(left: Any, right: Any, n: int, is_symmetric: bool, out: Any) -> None:
    """Add left right' over the rows of a tile: sixteen sums at a time.

    Parameters
    ----------
    left, right : ndarray of shape (P, T), (Q, T)
        P and Q multiples of four.
    n : int
        Rows of the tile.
    is_symmetric : bool
        Whether only blocks on and above the diagonal are wanted.
    out : ndarray of shape (P, Q), float64
        Sums are added to it.
    """
    lanes = LINE // left.itemsize
    steps, sizes = n // lanes, (left.shape[1], right.shape[1], out.shape[1])
    for p in range(0, left.shape[0], FOUR):
        for q in range(p if is_symmetric else 0, right.shape[0], FOUR):
            add_steps(left, right, sizes, (p, q), steps, out)
            for r in range(steps * lanes, n):
                for i in range(p, p + FOUR):
                    for j in range(q, q + FOUR):
                        out[i, j] += left[i, r] * right[j, r]


@compiled(**REORDER)
def linear(coefficients: Any, block: Any, n: int, out: Any) -> None:
    """Add coefficients times block to a table.

    Parameters
    ----------
    coefficients : ndarray of shape (K, D)
        K and D multiples of four.
    block : ndarray of shape (D, B)
        Turned rows.
    n : int
        Rows of the block.
    out : ndarray of shape (K, B)
        Products are added to it.
    """
    for first in range(0, n, TILE):
        m = min(TILE, n - first)
        for j in range(0, coefficients.shape[0], FOUR):
            w0, w1 = coefficients[j], coefficients[j + 1]
            w2, w3 = coefficients[j + 2], coefficients[j + 3]
            y0, y1 = out[j, first : first + m], out[j + 1, first : first + m]
            y2, y3 = out[j + 2, first : first + m], out[j + 3, first : first + m]
            for p in range(0, coefficients.shape[1], FOUR):
                x0, x1 = block[p, first : first + m], block[p + 1, first : first + m]
                x2, x3 = block[p + 2, first : first + m], block[p + 3, first : first + m]
                for r in range(m):
                    u0, u1, u2, u3 = x0[r], x1[r], x2[r], x3[r]
                    y0[r] += w0[p] * u0 + w0[p + 1] * u1 + w0[p + 2] * u2 + w0[p + 3] * u3
                    y1[r] += w1[p] * u0 + w1[p + 1] * u1 + w1[p + 2] * u2 + w1[p + 3] * u3
                    y2[r] += w2[p] * u0 + w2[p + 1] * u1 + w2[p + 2] * u2 + w2[p + 3] * u3
                    y3[r] += w3[p] * u0 + w3[p + 1] * u1 + w3[p + 2] * u2 + w3[p + 3] * u3


@compiled
def column_moments(rows: Any, weight: Any, counts: Any, means: Any, squares: Any) -> None:
    """Fold rows into weighted moments of each column, leaving out NaN.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Rows.
    weight : ndarray of shape (n,) or (0,), float64
        Of the rows; empty stands for ones.
    counts, means, squares : ndarray of shape (d,), float64
        Σ w, mean and Σ w (x - mean)² so far; brought up to date (Chan's formula).
    """
    n, d = rows.shape
    shift, own, first, second = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    for start in range(0, n, 4096):
        stop = min(start + 4096, n)
        for p in range(d):
            shift[p], own[p], first[p], second[p] = math.nan, 0.0, 0.0, 0.0
        for r in range(start, stop):
            w = weight[r] if len(weight) > 0 else 1.0
            for p in range(d):
                x = np.float64(rows[r, p])
                if not math.isnan(x):
                    shift[p] = x if math.isnan(shift[p]) else shift[p]
                    t = x - shift[p]
                    own[p] += w
                    first[p] += w * t
                    second[p] += w * t * t
        for p in range(d):
            if own[p] > 0.0:
                mean = shift[p] + first[p] / own[p]
                square = max(second[p] - first[p] * first[p] / own[p], 0.0)
                both = counts[p] + own[p]
                apart = mean - means[p] if counts[p] > 0.0 else 0.0
                means[p] = mean if counts[p] == 0.0 else means[p] + own[p] / both * apart
                squares[p] += square + counts[p] * own[p] / both * apart * apart
                counts[p] = both
