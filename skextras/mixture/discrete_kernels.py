"""Compiled loops of counts, bits and categories."""

import math
from typing import Any

import numpy as np

from skextras.mixture.kernels import TILE
from skextras.trees.compiling import compiled


@compiled
def load_known(rows: Any, values: Any, known: Any) -> None:
    """Turn a block of rows into values, 0 where they are missing, and bits that say where.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Rows, with NaN.
    values, known : ndarray of shape (D, B)
        Filled.
    """
    n, d = rows.shape
    for p in range(d):
        for r in range(n):
            is_known = not math.isnan(rows[r, p])
            values[p, r] = rows[r, p] if is_known else 0.0
            known[p, r] = 1.0 if is_known else 0.0


@compiled
def subtract_log_factorials(values: Any, n: int, k: int, small: Any, table: Any) -> None:
    """Add -Σ log x! of each row to the log densities of all components.

    Parameters
    ----------
    values : ndarray of shape (D, B)
        Turned counts.
    n, k : int
        Rows and components.
    small : ndarray of shape (m,)
        log x! of the first integers.
    table : ndarray of shape (K, B)
        Log densities.
    """
    total = np.zeros(n)
    for p in range(len(values)):
        x = values[p]
        for r in range(n):
            place = int(max(min(x[r], len(small) - 1.0), 0.0))
            exact = small[place]
            total[r] += exact if x[r] == place else math.lgamma(x[r] + 1.0)
    for j in range(k):
        column = table[j]
        for r in range(n):
            column[r] -= total[r]


@compiled
def category_density(rows: Any, offsets: Any, logs: Any, table: Any) -> None:
    """Log densities of categories: one table row a category is added for all components at once.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Codes; NaN is a missing value.
    offsets : ndarray of shape (d,), int64
        Where each feature's categories start.
    logs : ndarray of shape (n_categories, k)
        Log probabilities of the categories of all features.
    table : ndarray of shape (K, B)
        Log densities go out.
    """
    n, d = rows.shape
    k = logs.shape[1]
    sums = np.empty((TILE, k))
    for first in range(0, n, TILE):
        m = min(TILE, n - first)
        for r in range(m):
            own = sums[r]
            own[:] = 0.0
            for p in range(d):
                code = rows[first + r, p]
                if not math.isnan(code):
                    row = logs[offsets[p] + int(code)]
                    for j in range(k):
                        own[j] += row[j]
        for j in range(k):
            for r in range(m):
                table[j, first + r] = sums[r, j]


@compiled
def category_counts(rows: Any, offsets: Any, shares: Any, counts: Any) -> None:
    """Add the responsibilities of each category.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Codes; NaN is a missing value.
    offsets : ndarray of shape (d,), int64
        Where each feature's categories start.
    shares : ndarray of shape (K, B)
        Responsibilities.
    counts : ndarray of shape (n_categories, k), float64
        Added to.
    """
    n, d = rows.shape
    k = counts.shape[1]
    turned = np.empty((TILE, k))
    for first in range(0, n, TILE):
        m = min(TILE, n - first)
        for j in range(k):
            for r in range(m):
                turned[r, j] = shares[j, first + r]
        for r in range(m):
            own = turned[r]
            for p in range(d):
                code = rows[first + r, p]
                if not math.isnan(code):
                    row = counts[offsets[p] + int(code)]
                    for j in range(k):
                        row[j] += own[j]
