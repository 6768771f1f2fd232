"""ENGINE: what is kept of rows seen so far; states of batches merge into that of all rows."""

import numpy as np

from skextras.features.level_table import LevelState, LevelTable
from skextras.features.values import Factor, Numbers, Text


class Nothing:
    """Of column types that learn nothing."""

    def merge(self, other: "Nothing") -> None:
        """Do nothing.

        Parameters
        ----------
        other : Nothing
            The same.
        """


class LevelCounts(LevelState):
    """How often each level was seen: exact, whatever the batches.

    Attributes
    ----------
    table : LevelTable
        The levels that were seen, and how often.
    kind : str
        "text", "number", or "" before any row.
    n_rows, n_missing : float
        Rows seen, missing ones too, and these alone.
    """

    def __init__(self) -> None:
        self.table = LevelTable()
        self.kind, self.n_rows, self.n_missing = "", 0.0, 0.0

    @property
    def counts(self) -> np.ndarray:
        """How often each of them was seen.

        Returns
        -------
        ndarray of int64, or of float64 if rows were weighted
            In the order of ``levels``.
        """
        return self.table.values

    def add(self, factor: Factor, weights: np.ndarray | None = None) -> None:
        """Count the rows of a column.

        Parameters
        ----------
        factor : Factor
            Its codes and levels.
        weights : ndarray of float64 of shape (n,), default=None
            How often each row counts; None for once. A level of weight 0 was not seen.
        """
        if len(factor.levels):
            self.kind = self.kind or factor.levels.kind
        counts, n = factor.weighed(weights), len(factor.codes)
        self.n_rows += n if weights is None else float(weights.sum())
        missing = n - counts.sum() if weights is None else weights[factor.codes < 0].sum()
        self.n_missing += float(missing)
        self.table.add(*seen_levels(factor, counts, counts))

    def merge(self, other: "LevelCounts") -> None:
        """Add another's counts.

        Parameters
        ----------
        other : LevelCounts
            Of other rows.
        """
        self.kind = self.kind or other.kind
        self.n_rows += other.n_rows
        self.n_missing += other.n_missing
        self.table.merge(other.table)


def seen_levels(
    factor: Factor, counts: np.ndarray, values: np.ndarray
) -> tuple[Text | Numbers, np.ndarray]:
    """Levels that were seen, and what belongs to them.

    Parameters
    ----------
    factor : Factor
        Whose levels may include some without a row.
    counts : ndarray of number of shape (n_levels,)
        How often each was seen.
    values : ndarray of shape (n_levels, ...)
        What belongs to each.

    Returns
    -------
    levels : Text or Numbers
        Whose count is not 0.
    values : ndarray
        Of these.
    """
    if counts.all():
        return factor.levels, values
    is_seen = np.flatnonzero(counts)
    return factor.levels.take(is_seen), values[is_seen]


class Moments:
    """Count, mean, sum of squares about it, least and greatest of each column (Chan et al. 1983).

    Attributes
    ----------
    count, mean, squares, low, high : ndarray of float64 of shape (k,)
        Of the numbers that are not missing.
    """

    def __init__(self) -> None:
        self.count = np.zeros(1)
        self.mean, self.squares = np.zeros(1), np.zeros(1)
        self.low, self.high = np.full(1, np.inf), np.full(1, -np.inf)

    def add(self, values: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Count rows.

        Parameters
        ----------
        values : ndarray of float of shape (n, k)
            NaN is missing.
        weights : ndarray of float64 of shape (n,), default=None
            How often each row counts; None for once.
        """
        if not len(values):
            return
        seen = Moments()
        is_there = ~np.isnan(values)
        if weights is not None:
            is_there &= weights[:, None] > 0
        has_all = bool(is_there.all())
        filled = values.astype(np.float64, copy=False)
        filled = filled if has_all else np.where(is_there, filled, 0.0)
        share = is_there if weights is None else is_there * weights[:, None]
        is_plain = has_all and weights is None
        seen.count = share.sum(axis=0).astype(np.float64)
        n = np.where(seen.count > 0, seen.count, 1.0)
        seen.mean = (filled if is_plain else filled * share).sum(axis=0) / n
        centred = filled - seen.mean
        shared = centred if is_plain else centred * share
        # what rounding left of the mean is taken out of it and of the squares
        slip = shared.sum(axis=0) / n
        seen.squares = np.einsum("ij,ij->j", centred, shared) - n * slip * slip
        seen.mean += slip
        seen.low = np.where(is_there, values, np.inf).min(axis=0)
        seen.high = np.where(is_there, values, -np.inf).max(axis=0)
        self.merge(seen)

    def merge(self, other: "Moments") -> None:
        """Add another's rows.

        Parameters
        ----------
        other : Moments
            Of other rows.
        """
        total = self.count + other.count
        share = np.divide(other.count, total, out=np.zeros_like(total), where=total > 0)
        step = other.mean - self.mean
        self.squares = self.squares + other.squares + step**2 * self.count * share
        self.mean = np.where(self.count > 0, self.mean + step * share, other.mean)
        self.count = total
        self.low, self.high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
