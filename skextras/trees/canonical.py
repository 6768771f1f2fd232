"""ENGINE: rows in an order of their own, equal ones merged.

A weight then is a repetition exactly: a row of weight 2 and two rows of weight 1 become the same
arrays, and so does any other order of the rows, before anything random is drawn.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

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


def row_keys(columns: Iterable[tuple[Any, np.ndarray]], n: int) -> np.ndarray:
    """A word for each row, the same for rows that hold the same.

    Parameters
    ----------
    columns : iterable of (rows, values)
        Of each feature, where it is stored (an index of any kind) and what; the rest is 0.
    n : int
        Rows.

    Returns
    -------
    ndarray of uint64 of shape (n,)
        Rows that differ have equal words once in 2^64.
    """
    keys = np.zeros(n, np.uint64)
    for number, (rows, values) in enumerate(columns):
        own = mixed(np.array([number], np.uint64))
        keys[rows] += np.where(values == 0, np.uint64(0), mixed(bits_of(values) ^ own))
    return keys


def stored_row_keys(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, n: int) -> Any:
    """The words of ``row_keys``, of what a sparse table stores in any order.

    Parameters
    ----------
    rows, columns : ndarray of int of shape (m,)
        Where; no place twice.
    values : ndarray of float64 of shape (m,)
        What.
    n : int
        Rows of the table.

    Returns
    -------
    ndarray of uint64 of shape (n,)
        Equal to those of the dense table.
    """
    keys = np.zeros(n, np.uint64)
    own = mixed(columns.astype(np.uint64))
    np.add.at(keys, rows, np.where(values == 0, np.uint64(0), mixed(bits_of(values) ^ own)))
    return keys


def sample_of(keys: np.ndarray, weight: np.ndarray, size: int) -> Canonical:
    """A sample of different rows that neither order nor repetition moves.

    Parameters
    ----------
    keys : ndarray of uint64 of shape (n,)
        Of the rows; as good as random, so that the least of them are a sample.
    weight : ndarray of float64 of shape (n,)
        Of the rows; one of weight 0 is not there.
    size : int
        Different rows at most.

    Returns
    -------
    Canonical
        Rows, and all weight that rows of their keys have.
    """
    there = np.flatnonzero(weight > 0)
    _, first, place = np.unique(keys[there], return_index=True, return_inverse=True)
    total = np.bincount(place, weight[there])
    return Canonical(there[first[:size]], total[:size])


def in_order(columns: Sequence[np.ndarray], weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Order rows by what they hold, so that those that hold the same stand side by side.

    Parameters
    ----------
    columns : sequence of ndarray of uint64 of shape (n,)
        What tells the rows apart.
    weight : ndarray of float64 of shape (n,)
        Of the rows; one of weight 0 is not there.

    Returns
    -------
    rows : ndarray of int64 of shape (n_kept,)
        In an order that is the same for any order of the table.
    firsts : ndarray of int64 of shape (n_different,)
        Where among them each different row begins.
    """
    rows = np.flatnonzero(weight > 0)
    whole = len(rows) == len(weight)
    key = np.zeros(len(rows), np.uint64)
    for column in columns:
        key = mixed(key ^ (column if whole else column[rows]))
    order = np.argsort(key, kind="stable")
    rows, key = rows[order], key[order]
    is_first = np.ones(len(rows), bool)
    is_first[1:] = key[1:] != key[:-1]
    if is_first.all():
        return rows, np.arange(len(rows))
    # Rows of one key may still differ. Equal ones are ordered by weight, since their order decides
    # the last digits of sums.
    tied = np.flatnonzero(~is_first | ~np.append(is_first[1:], True))
    some = rows[tied]
    own = [column[some] for column in columns]
    order = np.lexsort([weight[some], *own[::-1], key[tied]])
    rows[tied] = some[order]
    later = np.flatnonzero(~is_first)
    here, before = rows[later], rows[later - 1]
    differs = np.zeros(len(later), bool)
    for column in columns:
        differs |= column[here] != column[before]
    is_first[later] = differs
    return rows, np.flatnonzero(is_first)


def canonical(
    columns: Sequence[np.ndarray], weight: np.ndarray, *, may_merge: bool = True
) -> Canonical:
    """Order rows by what they hold, and merge those that hold the same.

    Parameters
    ----------
    columns : sequence of ndarray of uint64 of shape (n,)
        What tells the rows apart.
    weight : ndarray of float64 of shape (n,)
        Of the rows; one of weight 0 is not there.
    may_merge : bool, default=True
        Whether equal rows become one.

    Returns
    -------
    Canonical
        The same for any order of the rows.
    """
    rows, firsts = in_order(columns, weight)
    own = weight[rows].astype(np.float64)
    if not may_merge or len(firsts) == len(rows):
        return Canonical(rows, own)
    return Canonical(rows[firsts], np.add.reduceat(own, firsts))
