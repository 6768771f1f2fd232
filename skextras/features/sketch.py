"""ENGINE: quantiles of a stream in bounded memory, exact for as long as they fit.

Whole numbers in a range below ``RANGE`` are counted, which is exact for ever. Of others, up to
``EXACT`` are kept as they are; beyond that, each full buffer becomes ``SIZE`` points of equal
weight, and two buffers become one of the sum of their weights: of equal ones, every second of their
sorted points (Munro and Paterson [1]_; Manku et al. [2]_). Each step moves ranks by a known number
of rows, whose sum is ``rank_error``: at most (1 + log2(n / EXACT)) / (2 SIZE) of all rows.

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
    """

    def __init__(self, exact: int = EXACT, size: int = SIZE) -> None:
        self.exact, self.size = exact, size
        self.rank_error = 0.0
        self._pending: list[tuple[np.ndarray, np.ndarray | None]] = []  # values, weights if not 1
        self._n_pending = 0
        self._buffers: list[tuple[np.ndarray, float] | None] = []  # points, the weight of each
        self._takes_second = False
        self._low, self._counts = 0, np.zeros(0, np.int64)  # of whole numbers

    def __len__(self) -> int:
        """Rows, by weight; at least as many as there are points."""
        values, weights = self.points()
        return max(len(values), round(float(weights.sum())))

    def add(self, values: np.ndarray, weights: np.ndarray | None = None) -> None:
        """See rows.

        Parameters
        ----------
        values : ndarray of float of shape (n,)
            NaN is missing.
        weights : ndarray of float64 of shape (n,), default=None
            How often each row counts; None for once.
        """
        values = np.ascontiguousarray(values)
        if weights is not None and not (is_used := weights > 0).all():
            values, weights = values[is_used], weights[is_used]
        low, high, n_missing, is_whole = whole_range(values)
        if n_missing == len(values):
            return
        if is_whole and self._makes_room(low, high):
            self._count(values, weights)
            return
        self._give_up_counts()
        is_there = ~np.isnan(values) if n_missing else slice(None)
        own = None if weights is None else weights[is_there].copy()
        self._append(np.array(values[is_there], np.float64), own)

    def _count(self, values: np.ndarray, weights: np.ndarray | None) -> None:
        """See whole numbers that there is room for."""
        if weights is None and self._counts.dtype == np.int64:
            count_whole(values, float(self._low), self._counts)
            return
        is_there = ~np.isnan(values)
        places = (values[is_there] - self._low).astype(np.int64)
        own = None if weights is None else weights[is_there]
        self._counts = self._counts + np.bincount(places, own, len(self._counts))

    def _makes_room(self, low: float, high: float) -> bool:
        """Let the counts reach from low to high, if nothing else was seen."""
        if self._n_pending or self._buffers or not np.isfinite(high - low):
            return False
        if len(self._counts):
            low, high = min(low, self._low), max(high, self._low + len(self._counts) - 1)
        if high - low >= RANGE or max(-low, high) > 2**52:
            return False
        counts = np.zeros(int(high - low) + 1, self._counts.dtype)
        start = self._low - int(low) if len(self._counts) else 0
        counts[start : start + len(self._counts)] = self._counts
        self._low, self._counts = int(low), counts
        return True

    def _counted(self) -> tuple[np.ndarray, np.ndarray]:
        """Whole numbers that were seen, and how often."""
        places = np.flatnonzero(self._counts)
        return (places + self._low).astype(np.float64), self._counts[places].astype(np.float64)

    def _give_up_counts(self) -> None:
        """Go on without counts: what they hold is seen as any other numbers."""
        values, counts = self._counted()
        self._counts = np.zeros(0, np.int64)
        if len(values):
            self._append(values, counts)

    def _append(self, values: np.ndarray, weights: np.ndarray | None) -> None:
        self._pending.append((values, weights))
        self._n_pending += len(values)
        if self._n_pending <= self.exact:
            return
        values, weights = self._waiting()
        n_full = (len(values) - 1) // self.exact * self.exact
        for start in range(0, n_full, self.exact):
            own = slice(start, start + self.exact)
            self._condense(values[own], None if weights is None else weights[own])
        rest = None if weights is None else weights[n_full:].copy()
        self._pending = [(values[n_full:].copy(), rest)]
        self._n_pending = len(values) - n_full

    def _waiting(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Values that are kept as they are, and their weights if any is not 1."""
        if not self._pending:
            return np.zeros(0), None
        values = np.concatenate([own for own, _ in self._pending])
        if all(weights is None for _, weights in self._pending):
            return values, None
        parts = [np.ones(len(own)) if its is None else its for own, its in self._pending]
        return values, np.concatenate(parts)

    def _condense(self, values: np.ndarray, weights: np.ndarray | None) -> None:
        """A full buffer becomes points in the middle of equal runs."""
        if weights is None:
            run = self.exact // self.size
            points, unit = np.sort(values)[run // 2 :: run], float(run)
        else:
            points, unit = self._thinned(values, weights)
        self.rank_error += unit / 2
        self._carry(points, unit, 0)

    def _thinned(self, values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
        """The values in the middle of ``size`` runs of equal weight, and that weight.

        Where a middle lies between two values, they take turns.
        """
        order = np.argsort(values, kind="stable")
        upto = np.cumsum(weights[order])
        unit = float(upto[-1]) / self.size
        middles = (np.arange(self.size) + 0.5) * unit
        found = np.searchsorted(upto, middles, "right" if self._takes_second else "left")
        return values[order[np.minimum(found, len(order) - 1)]], unit

    def _carry(self, points: np.ndarray, unit: float, level: int) -> None:
        """Join buffers of one level, as a binary counter does."""
        while level < len(self._buffers) and (other := self._buffers[level]) is not None:
            weights = np.repeat([unit, other[1]], self.size)
            points, unit = self._thinned(np.concatenate([points, other[0]]), weights)
            self._takes_second = not self._takes_second
            self.rank_error += unit / 2
            self._buffers[level] = None
            level += 1
        self._buffers.extend([None] * (level + 1 - len(self._buffers)))
        self._buffers[level] = points, unit

    def merge(self, other: "QuantileSketch") -> None:
        """Take in another's rows.

        Parameters
        ----------
        other : QuantileSketch
            Of other rows.
        """
        self.rank_error += other.rank_error
        for level, own in enumerate(other._buffers):
            if own is not None:
                self._carry(*own, level)
        for values, weights in other._pending:
            self._append(values, weights)
        if len(other._counts):
            self._merge_counts(other)

    def _merge_counts(self, other: "QuantileSketch") -> None:
        values, counts = other._counted()
        if self._makes_room(values[0], values[-1]):
            self._count(values, counts)
            return
        self._give_up_counts()
        self._append(values, counts)

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Values that stand for the rows, and how many rows each stands for.

        Returns
        -------
        values : ndarray of float64
            Ascending.
        weights : ndarray of float64
            Their sum is the number of rows.
        """
        if len(self._counts):
            return self._counted()
        values, weights = self._waiting()
        full = [own for own in self._buffers if own is not None]
        if weights is None and not full:
            return np.sort(values), np.ones(len(values))
        parts = [np.ones(len(values)) if weights is None else weights]
        parts += [np.full(len(points), unit) for points, unit in full]
        values = np.concatenate([values, *(points for points, _ in full)])
        order = np.argsort(values, kind="stable")
        return values[order], np.concatenate(parts)[order]

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
    """Quantiles of sorted values with weights; whole weights give whole numbers until the end.

    Parameters
    ----------
    values : ndarray of float64, ascending
        At least one.
    weights : ndarray of float64
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
    low = np.minimum(np.searchsorted(upto * of, ranks, side="left"), last)
    high = np.minimum(np.searchsorted(upto * of, ranks, side="right"), last)
    below, above = values[low], values[high]
    return np.where(below == above, below, below / 2 + above / 2)
