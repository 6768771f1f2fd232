"""Compiled loops of counts, bits and categories."""

import math
from typing import Any

import numpy as np

from skextras.mixture.kernels import TILE
from skextras.trees.compiling import compiled, inner


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
def category_relative(codes: Any, logs: Any, out: Any, tops: Any) -> None:
    """Densities of one feature's categories: exponentials of each category, not of each row.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        Codes; NaN is a missing value.
    logs : ndarray of shape (n_categories, k)
        Log probabilities of its categories.
    out : ndarray of shape (n, k), float64
        Shares of the row's largest density go out.
    tops : ndarray of shape (n,), float64
        Logarithms of the largest go out.
    """
    n_categories, k = logs.shape
    shares, largest = np.ones((n_categories + 1, k)), np.zeros(n_categories + 1)
    for c in range(n_categories):
        largest[c] = logs[c].max()
        for j in range(k):
            shares[c, j] = math.exp(logs[c, j] - largest[c])
    for r in range(len(codes)):
        c = n_categories if math.isnan(codes[r]) else int(codes[r])
        tops[r] = largest[c]
        for j in range(k):
            out[r, j] = shares[c, j]


@inner
def _add_row(row: Any, offsets: Any, shares: Any, counts: Any) -> None:
    """Add the responsibilities of one row to its categories."""
    for p in range(len(row)):
        if not math.isnan(row[p]):
            own = counts[offsets[p] + int(row[p])]
            for j in range(len(own)):
                own[j] += shares[j]


@compiled
def category_sums(rows: Any, offsets: Any, shares: Any, counts: Any, totals: Any) -> None:
    """Add responsibilities that stand side by side to their categories.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Codes; NaN is a missing value.
    offsets : ndarray of shape (d,), int64
        Where each feature's categories start.
    shares : ndarray of shape (n, k), or more columns
        Responsibilities.
    counts : ndarray of shape (n_categories, k), float64
        Added to.
    totals : ndarray of shape (k,), or longer, float64
        Responsibilities of all rows are added.
    """
    for r in range(len(rows)):
        _add_row(rows[r], offsets, shares[r], counts)
        for j in range(counts.shape[1]):
            totals[j] += shares[r, j]


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
    n, k = len(rows), counts.shape[1]
    turned = np.empty((TILE, k))
    for first in range(0, n, TILE):
        m = min(TILE, n - first)
        for j in range(k):
            for r in range(m):
                turned[r, j] = shares[j, first + r]
        for r in range(m):
            _add_row(rows[first + r], offsets, turned[r], counts)
