"""Rows as users bring them: tables, weights, labels, missing values, and sources of blocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.random import sample_without_replacement
from sklearn.utils.validation import _check_sample_weight, validate_data

from skextras.mixture.kernels import column_moments
from skextras.mixture.sweeping import EMPTY, NO_LABELS, Rows

__all__ = ["BlockSource", "Reader", "Summary", "arranged", "is_block_source"]

SAMPLE = 25_000  # rows that a start is found on


@dataclass
class Summary:
    """What one pass over the data finds.

    Attributes
    ----------
    centre, spread : ndarray of shape (d,)
        Weighted means and variances of the known values.
    total : float
        Sum of the weights.
    dtype : dtype
        Of the rows.
    sample : Rows
        Up to 25,000 rows.
    is_centred : bool or ndarray of shape (d,)
        Whether the components take rows less their centre.
    """

    centre: np.ndarray
    spread: np.ndarray
    total: float
    dtype: Any
    sample: Rows
    is_centred: bool | np.ndarray = True

    @property
    def origin(self) -> np.ndarray:
        """What is taken from the rows.

        Returns
        -------
        ndarray of shape (d,)
            The centre, zero where it is not taken away.
        """
        return np.where(self.is_centred, self.centre, 0.0)


class Reader:
    """Checks rows for an estimator and puts them in order.

    Parameters
    ----------
    estimator : estimator
        Whose ``n_features_in_`` and messages they are.
    n_components : int
        Labels must be below it.
    """

    def __init__(self, estimator: Any, n_components: int) -> None:
        self.estimator, self.n_components = estimator, n_components
        self.owner = type(estimator).__name__

    def rows(
        self, X: Any, sample_weight: Any = None, labels: Any = None, *, reset: bool = False
    ) -> Rows:
        """Check rows that a model learns from.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative.
        labels : array-like of shape (n_samples,), default=None
            Known components, -1 where unknown.
        reset : bool, default=False
            Whether this table says how many features there are.

        Returns
        -------
        Rows
            Rows without weight, and rows without a value, are left out.
        """
        values = self.estimator._numbers(X, reset=reset)
        weight, known = EMPTY, NO_LABELS
        if sample_weight is not None:
            weight = _check_sample_weight(
                sample_weight, values, dtype=np.float64, ensure_non_negative=True
            )
        if labels is not None:
            known = self._labels(labels, len(values))
        return arranged(*self._without_nothing(values, weight, known))[0]

    def _labels(self, labels: Any, n: int) -> np.ndarray:
        known = np.asarray(labels)
        is_whole = known.dtype.kind in "iu" or (
            known.dtype.kind == "f" and np.array_equal(known, np.floor(known))
        )
        if (
            known.shape != (n,)
            or not is_whole
            or np.any((known < -1) | (known >= self.n_components))
        ):
            raise ValueError(
                f"{self.owner}: labels must be {n} integers from -1 (unknown) to "
                f"{self.n_components - 1}, got {labels!r}. Number the components from 0."
            )
        return known.astype(np.int64)

    def _without_nothing(
        self, values: np.ndarray, weight: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        kept = np.ones(len(values), bool)
        if len(weight):
            kept &= weight > 0
        if has_missing(values):
            kept &= ~np.isnan(values).all(axis=1)
        if kept.all():
            return values, weight, labels
        if not kept.any():
            raise ValueError(
                f"{self.owner}: X must have a row with weight and a value, got none. "
                "Check sample_weight and the missing values."
            )
        return (
            values[kept],
            weight[kept] if len(weight) else weight,
            labels[kept] if len(labels) else labels,
        )


class BlockSource:
    """Blocks of users, gone through once for each step.

    Parameters
    ----------
    blocks : iterable
        Of tables, or of tuples (X, sample_weight); each pass starts anew.
    reader : Reader
        Checks them.
    """

    def __init__(self, blocks: Any, reader: Reader) -> None:
        if hasattr(blocks, "__next__"):
            raise TypeError(
                f"{reader.owner}: X must be a source of blocks that can be gone through many "
                f"times, got a {type(blocks).__name__}, which is empty after one pass. Pass a "
                "list, or an object whose __iter__ starts anew; or call partial_fit on each block."
            )
        self.blocks, self.reader, self._is_first = blocks, reader, True

    def __iter__(self) -> Iterator[Rows]:
        n_blocks = 0
        for block in self.blocks:
            X, weight = block if isinstance(block, tuple) else (block, None)
            yield self.reader.rows(X, weight, reset=self._is_first and n_blocks == 0)
            n_blocks += 1
        self._is_first = False
        if n_blocks == 0:
            raise ValueError(
                f"{self.reader.owner}: a pass over the blocks must bring at least one block, got "
                "none. Let __iter__ start anew."
            )


def is_block_source(X: Any) -> bool:
    """Tell blocks from a table.

    Parameters
    ----------
    X : object
        What ``fit`` was given.

    Returns
    -------
    bool
        True for an iterable that is no table: a list of two-dimensional blocks, or an object with
        ``__iter__`` alone.
    """
    is_table = any(hasattr(X, name) for name in ("shape", "__array__", "__dataframe__"))
    if is_table or isinstance(X, str | bytes | dict) or not hasattr(X, "__iter__"):
        return False
    if isinstance(X, list | tuple):
        first = X[0] if X else None
        first = first[0] if isinstance(first, tuple) and first else first
        return len(getattr(first, "shape", ())) == 2
    return True


def has_missing(values: np.ndarray) -> bool:
    """Whether a table holds NaN; one sum finds out.

    Parameters
    ----------
    values : ndarray
        Without infinities.

    Returns
    -------
    bool
        True if so.
    """
    with np.errstate(all="ignore"):
        return values.dtype.kind == "f" and bool(np.isnan(np.sum(values)))


def arranged(
    values: np.ndarray, weight: np.ndarray = EMPTY, labels: np.ndarray = NO_LABELS
) -> tuple[Rows, np.ndarray | None]:
    """Complete rows first, then the others by what they lack.

    Parameters
    ----------
    values : ndarray of shape (n, d)
        Rows.
    weight, labels : ndarray of shape (n,) or (0,)
        Go with them.

    Returns
    -------
    rows : Rows
        In order.
    order : ndarray of shape (n,) or None
        Where they came from; None if nothing moved.
    """
    if not has_missing(values):
        return Rows(values, weight, labels), None
    missing = np.isnan(values)
    patterns = np.packbits(missing, axis=1)
    order = np.lexsort(patterns.T[::-1])  # the pattern of zeros, complete rows, comes first
    n_complete = int(len(values) - missing.any(axis=1).sum())
    weight = weight[order] if len(weight) else weight
    labels = labels[order] if len(labels) else labels
    return Rows(np.ascontiguousarray(values[order]), weight, labels, n_complete), order


def summarise(source: Any, rng: np.random.RandomState) -> Summary:
    """Centre, spread and a sample of the rows, in one pass.

    Parameters
    ----------
    source : iterable of Rows
        The data.
    rng : RandomState
        Draws the sample, where there are more rows than it takes.

    Returns
    -------
    Summary
        Of all rows.
    """
    counts = means = squares = np.zeros(0)
    total, seen, parts = 0.0, 0, list[Rows]()
    for rows in source:
        if seen == 0:
            counts, means, squares = (np.zeros(rows.values.shape[1]) for _ in range(3))
        column_moments(rows.values, rows.weight, counts, means, squares)
        total, seen = total + rows.total(), seen + len(rows)
        parts.append(_drawn(rows, rng, max(1, SAMPLE // 2) if seen > SAMPLE else SAMPLE))
        if sum(map(len, parts)) > 4 * SAMPLE:
            parts = [_drawn(_joined(parts), rng, SAMPLE)]
    sample = _drawn(_joined(parts), rng, SAMPLE)
    spread = squares / np.maximum(counts, np.finfo(float).tiny)
    return Summary(means, spread, total, sample.values.dtype, sample)


def _drawn(rows: Rows, rng: np.random.RandomState, size: int) -> Rows:
    """Some of the rows, all of them if they are few."""
    if len(rows) <= size:
        return rows
    method = "tracking_selection" if len(rows) > 2 * size else "auto"  # a draw a kept row
    kept = np.sort(sample_without_replacement(len(rows), size, method=method, random_state=rng))
    weight = rows.weight[kept] if len(rows.weight) else rows.weight
    labels = rows.labels[kept] if len(rows.labels) else rows.labels
    return Rows(rows.values[kept], weight, labels)


def _joined(parts: list[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    is_weighted = any(len(part.weight) for part in parts)
    weight = [part.weight if len(part.weight) else np.ones(len(part)) for part in parts]
    return Rows(
        np.concatenate([part.values for part in parts]),
        np.concatenate(weight) if is_weighted else EMPTY,
    )


def check_numbers(
    estimator: Any, X: Any, *, reset: bool, dtype: Any = (np.float64, np.float32), **more: Any
) -> np.ndarray:
    """Check a table of numbers in which values may be missing.

    Parameters
    ----------
    estimator : estimator
        Whose it is.
    X : array-like of shape (n_samples, n_features)
        The table.
    reset : bool
        Whether it says how many features there are.
    dtype : sequence of dtype or None, default=(float64, float32)
        Kept if it is one of them, else made the first; None keeps any.
    **more : object
        Of ``validate_data``.

    Returns
    -------
    ndarray of shape (n_samples, n_features)
        C-contiguous.
    """
    return validate_data(
        estimator,
        X,
        reset=reset,
        dtype=None if dtype is None else list(dtype),
        order="C",
        ensure_all_finite="allow-nan",
        **more,
    )
