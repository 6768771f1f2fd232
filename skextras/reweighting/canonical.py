"""ENGINE: rows in an order of their own, equal ones merged.

A weight then is a repetition exactly: a row of weight 2 and two rows of weight 1 become the same
arrays, and so does any other order of the rows, before anything random is drawn.
"""

from dataclasses import dataclass

import numpy as np

ODD = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64)


@dataclass(frozen=True)
class Canonical:
    """Which rows stand for all.

    Attributes
    ----------
    rows : ndarray of int64 of shape (n,)
        Rows to take, in canonical order.
    weight : ndarray of float64 of shape (n,)
        Theirs and that of the rows that equal them.
    """

    rows: np.ndarray
    weight: np.ndarray


def mixed(words: np.ndarray) -> np.ndarray:
    """Words that look random, different for different ones (SplitMix64's last steps).

    Parameters
    ----------
    words : ndarray of uint64
        Any.

    Returns
    -------
    ndarray of uint64
        As many.
    """
    z = words + ODD[0]
    z = (z ^ (z >> np.uint64(30))) * ODD[1]
    z = (z ^ (z >> np.uint64(27))) * ODD[2]
    result: np.ndarray = z ^ (z >> np.uint64(31))
    return result


def bits_of(values: np.ndarray) -> np.ndarray:
    """A word for each number; equal numbers have equal words.

    Parameters
    ----------
    values : ndarray of numbers
        Of any kind that float64 holds.

    Returns
    -------
    ndarray of uint64
        Of the same shape.
    """
    return (np.asarray(values, np.float64) + 0.0).view(np.uint64)  # -0 is 0


def canonical(columns: np.ndarray, weight: np.ndarray, *, may_merge: bool = True) -> Canonical:
    """Order rows by what they hold, and merge those that hold the same.

    Parameters
    ----------
    columns : ndarray of uint64 of shape (k, n)
        What tells the rows apart, a row a column.
    weight : ndarray of float64 of shape (n,)
        Of the rows; one of weight 0 is not there.
    may_merge : bool, default=True
        Whether equal rows become one.

    Returns
    -------
    Canonical
        The same for any order of the rows.
    """
    there = np.flatnonzero(weight > 0)
    whole = len(there) == columns.shape[1]
    kept = columns if whole else columns[:, there]
    key = np.zeros(kept.shape[1], np.uint64)
    for column in kept:
        key = mixed(key ^ column)
    order = np.argsort(key, kind="stable")
    key = key[order]
    is_equal = key[1:] == key[:-1]
    if not is_equal.any():
        rows = there[order]
        return Canonical(rows, weight[rows].astype(np.float64))
    # The order within equal rows decides the last digits of the sum of their weights.
    order = np.lexsort([weight[there], *kept[::-1], key[np.argsort(order)]])
    rows, kept = there[order], kept[:, order]
    is_first = np.ones(len(rows), bool)
    if may_merge:
        is_first[1:] = (kept[:, 1:] != kept[:, :-1]).any(axis=0)
    first = np.flatnonzero(is_first)
    return Canonical(rows[first], np.add.reduceat(weight[rows].astype(np.float64), first))
