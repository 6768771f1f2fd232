"""ENGINE: quantiles of a stream in bounded memory, exact for as long as they fit.

Whole numbers in a range below ``RANGE`` are counted, which is exact for ever. Of others, up to
``EXACT`` are kept as they are; beyond that, each full buffer becomes ``SIZE`` points of equal
weight, and two buffers of equal weight become one of twice the weight: every second of their sorted
points (Munro and Paterson [1]_; Manku et al. [2]_). Each step moves ranks by a known number of
rows, whose sum is ``rank_error``: at most (1 + log2(n / EXACT)) / (2 SIZE) of all rows.

.. [1] J. I. Munro and M. S. Paterson, "Selection and sorting with limited storage", Theoretical
   Computer Science 12, 1980.
.. [2] G. S. Manku, S. Rajagopalan and B. G. Lindsay, "Approximate medians and other quantiles in
   one pass and with limited memory", SIGMOD 1998.
"""

from collections.abc import Iterable

import numpy as np

from skextras.features.kernels.numbers import count_whole, whole_range

EXACT = 2**20  # values kept as they are: 8 MB a column
RANGE = 2**16  # whole numbers that are counted one by one
SIZE = 2**12  # points of a buffer beyond that


class QuantileSketch:
    """Quantiles of one column.

    Parameters
    ----------
    exact : int, default=EXACT
        Values that are kept as they are; a multiple of ``size``, and a power of two.
    size : int, default=SIZE
        Points of a buffer; a power of two.

    Attributes
    ----------
    rank_error : float
        By how many rows the rank of a quantile can be off; 0 while exact.
    n_missing : int
        Rows that are NaN.
    """

    def __init__(self, exact: int = EXACT, size: int = SIZE) -> None:
        self.exact, self.size = exact, size
        self.rank_error, self.n_missing = 0.0, 0
        self._pending: list[np.ndarray] = []
        self._n_pending = 0
        self._buffers: list[np.ndarray | None] = []  # of weight exact / size, and doubling
        self._takes_second = False
        self._low, self._counts = 0, np.zeros(0, np.int64)  # of whole numbers

    def __len__(self) -> int:
        unit = self.exact
        n_condensed = sum(
            unit << level for level, own in enumerate(self._buffers) if own is not None
        )
        return int(self._counts.sum()) + self._n_pending + n_condensed

    def add(self, values: np.ndarray) -> None:
        """See rows.

        Parameters
        ----------
        values : ndarray of float of shape (n,)
            NaN is counted apart.
        """
        values = np.ascontiguousarray(values)
        low, high, n_missing, is_whole = whole_range(values)
        self.n_missing += n_missing
        if n_missing == len(values):
            return
        if is_whole and self._makes_room(low, high):
            count_whole(values, float(self._low), self._counts)
            return
        self._give_up_counts()
        self._append(np.array(values[~np.isnan(values)] if n_missing else values, np.float64))

    def _makes_room(self, low: float, high: float) -> bool:
        """Let the counts reach from low to high, if nothing else was seen."""
        if self._n_pending or self._buffers or not np.isfinite(high - low):
            return False
        if len(self._counts):
            low, high = min(low, self._low), max(high, self._low + len(self._counts) - 1)
        if high - low >= RANGE or max(-low, high) > 2**52:
            return False
        counts = np.zeros(int(high - low) + 1, np.int64)
        start = self._low - int(low) if len(self._counts) else 0
        counts[start : start + len(self._counts)] = self._counts
        self._low, self._counts = int(low), counts
        return True

    def _counted(self) -> tuple[np.ndarray, np.ndarray]:
        """Whole numbers that were seen, and how often."""
        places = np.flatnonzero(self._counts)
        return (places + self._low).astype(np.float64), self._counts[places]

    def _give_up_counts(self) -> None:
        """Go on without counts: what they hold is seen as any other numbers."""
        values, counts = self._counted()
        self._counts = np.zeros(0, np.int64)
        self._repeat(values, counts)

    def _repeat(self, values: np.ndarray, counts: np.ndarray) -> None:
        for value, count in zip(values, counts.tolist(), strict=True):
            for start in range(0, count, self.exact):
                self._append(np.full(min(self.exact, count - start), value))

    def _append(self, values: np.ndarray) -> None:
        self._pending.append(values)
        self._n_pending += len(values)
        if self._n_pending > self.exact:
            waiting = np.concatenate(self._pending)
            n_full = (len(waiting) - 1) // self.exact
            for start in range(0, n_full * self.exact, self.exact):
                self._condense(waiting[start : start + self.exact])
            self._pending = [waiting[n_full * self.exact :].copy()]
            self._n_pending = len(self._pending[0])

    def _condense(self, values: np.ndarray) -> None:
        """A full buffer becomes points in the middle of equal runs."""
        run = self.exact // self.size
        self.rank_error += run / 2
        self._carry(np.sort(values)[run // 2 :: run], 0)

    def _carry(self, points: np.ndarray, level: int) -> None:
        """Join buffers of equal weight, as a binary counter does."""
        while level < len(self._buffers) and (other := self._buffers[level]) is not None:
            joined = np.sort(np.concatenate([points, other]))
            points = joined[int(self._takes_second) :: 2]
            self._takes_second = not self._takes_second
            self.rank_error += (self.exact // self.size) << level
            self._buffers[level] = None
            level += 1
        self._buffers.extend([None] * (level + 1 - len(self._buffers)))
        self._buffers[level] = points

    def merge(self, other: "QuantileSketch") -> None:
        """Take in another's rows.

        Parameters
        ----------
        other : QuantileSketch
            Of other rows.
        """
        self.rank_error += other.rank_error
        self.n_missing += other.n_missing
        for level, points in enumerate(other._buffers):
            if points is not None:
                self._carry(points, level)
        for values in other._pending:
            self._append(values)
        if len(other._counts):
            self._merge_counts(other)

    def _merge_counts(self, other: "QuantileSketch") -> None:
        values, counts = other._counted()
        if self._makes_room(values[0], values[-1]):
            self._counts[values.astype(np.int64) - self._low] += counts
            return
        self._give_up_counts()
        self._repeat(values, counts)

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Values that stand for the rows, and how many rows each stands for.

        Returns
        -------
        values : ndarray of float64
            Ascending.
        weights : ndarray of int64
            Their sum is the number of rows.
        """
        if len(self._counts):
            return self._counted()
        kept, run = [*self._pending], self.exact // self.size
        weights = [np.ones(self._n_pending, np.int64)]
        for level, own in enumerate(self._buffers):
            if own is not None:
                kept.append(own)
                weights.append(np.full(len(own), run << level, np.int64))
        values = np.concatenate(kept) if kept else np.zeros(0)
        if len(weights) == 1:
            return np.sort(values), weights[0]
        order = np.argsort(values, kind="stable")
        return values[order], np.concatenate(weights)[order]

    def quantiles(self, parts: Iterable[int], of: int) -> np.ndarray:
        """The values below which parts of all rows lie.

        Of two values that both do, it is their mean: NumPy's "averaged_inverted_cdf".

        Parameters
        ----------
        parts : iterable of int
            Numerators.
        of : int
            The denominator: 1 of 2 is the median.

        Returns
        -------
        ndarray of float64
            NaN if no row was seen.
        """
        values, weights = self.points()
        asked = np.array(list(parts), dtype=np.int64)
        if not len(values):
            return np.full(len(asked), np.nan)
        return weighted_quantiles(values, weights, asked, of)


def weighted_quantiles(
    values: np.ndarray, weights: np.ndarray, parts: np.ndarray, of: int
) -> np.ndarray:
    """Quantiles of sorted values with whole weights, in whole numbers until the end.

    Parameters
    ----------
    values : ndarray of float64, ascending
        At least one.
    weights : ndarray of int64
        Repetitions.
    parts : ndarray of int64
        Numerators.
    of : int
        The denominator.

    Returns
    -------
    ndarray of float64
        As "averaged_inverted_cdf" of the repeated values.
    """
    upto = np.cumsum(weights)
    ranks = parts * upto[-1]  # in units of 1 / of rows
    last = len(values) - 1
    low = np.searchsorted(upto, -(-ranks // of), side="left")
    high = np.searchsorted(upto, ranks // of, side="right")
    low, high = np.minimum(low, last), np.minimum(high, last)
    is_between = ranks % of == 0
    return np.where(is_between, values[low] + (values[high] - values[low]) / 2, values[low])
