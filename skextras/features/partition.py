"""ENGINE: the buckets of a number that tell most about a target.

Among all ways to cut ordered bins into k runs, the one whose means leave the least sum of squares
(Fisher [1]_), by dynamic programming: the best cut of the first j bins into g runs is the best of
their first i into g - 1, and one more run. For one or more classes as 0 and 1 this is the Gini
impurity of a decision tree with k leaves, which grows greedily and so leaves more.

.. [1] W. D. Fisher, "On grouping for maximum homogeneity", Journal of the American Statistical
   Association 53, 1958.
"""

import numpy as np

from skextras.features.kernels.numbers import bucketize
from skextras.features.sketch import QuantileSketch

N_BINS = 512  # fine bins, by quantiles, between which cuts may be


def best_cuts(counts: np.ndarray, sums: np.ndarray, n_runs: int) -> list[int]:
    """Where to cut bins so that the sum of squares within runs is least.

    Parameters
    ----------
    counts : ndarray of float64 of shape (b,)
        Rows of each bin, all positive.
    sums : ndarray of float64 of shape (b, k)
        Sums of each target.
    n_runs : int
        How many runs at most.

    Returns
    -------
    list of int
        First bins of the second and later runs, ascending; fewer if more would not lower the sum.
    """
    n = np.concatenate([[0.0], np.cumsum(counts)])
    total = np.concatenate([np.zeros((1, sums.shape[1])), np.cumsum(sums, axis=0)])
    b = len(counts)
    size = n[None, :] - n[:, None]  # (i, j): of the bins i ... j - 1
    square = np.square(total[None] - total[:, None]).sum(axis=2)
    # Σ (Σy)² / n is what the means explain: the greater, the less is left
    gain = np.where(size > 0, square / np.where(size > 0, size, 1.0), -np.inf)
    best, cuts = gain[0], []
    for _ in range(min(n_runs, b) - 1):
        through = best[:, None] + gain
        cuts.append(through.argmax(axis=0))
        longer = through.max(axis=0)
        if longer[b] <= best[b] * (1 + 1e-12):  # what rounding may add
            cuts.pop()
            break
        best = longer
    found, end = [], b
    for own in reversed(cuts):
        end = int(own[end])
        found.append(end)
    return found[::-1]


class TargetBins:
    """Quantiles of a number in a first pass; targets between them in a second."""

    def __init__(self) -> None:
        self.sketch = QuantileSketch()
        self.edges: np.ndarray | None = None
        self.counts, self.sums = np.zeros(0), np.zeros((0, 1))

    def add(self, values: np.ndarray, weights: np.ndarray | None = None) -> None:
        """See numbers, the first time.

        Parameters
        ----------
        values : ndarray of float of shape (n,)
            NaN is missing.
        weights : ndarray of float64 of shape (n,), default=None
            How often each row counts; None for once.
        """
        self.sketch.add(values, weights)

    def add_targets(
        self, values: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None
    ) -> None:
        """See numbers again, with their targets.

        Parameters
        ----------
        values : ndarray of float64 of shape (n,)
            NaN is left out.
        targets : ndarray of float64 of shape (n, k)
            Of the rows.
        weights : ndarray of float64 of shape (n,), default=None
            How often each row counts; None for once.
        """
        if self.edges is None:
            cuts = self.sketch.quantiles(range(1, N_BINS), N_BINS)
            self.edges = np.unique(cuts[~np.isnan(cuts)])
            self.counts = np.zeros(len(self.edges) + 1)
            self.sums = np.zeros((len(self.edges) + 1, targets.shape[1]))
        codes = np.empty(len(values), np.int32)
        bucketize(np.ascontiguousarray(values), self.edges, codes)
        is_there = codes >= 0
        own, n = codes[is_there], len(self.counts)
        share = np.ones(len(own)) if weights is None else weights[is_there]
        self.counts += np.bincount(own, share, n)
        for k in range(targets.shape[1]):
            self.sums[:, k] += np.bincount(own, share * targets[is_there, k], n)

    def boundaries(self, n_buckets: int) -> np.ndarray:
        """The boundaries of the best buckets.

        Parameters
        ----------
        n_buckets : int
            How many at most.

        Returns
        -------
        ndarray of float64
            Ascending.
        """
        edges = np.zeros(0) if self.edges is None else self.edges
        filled = np.flatnonzero(self.counts)
        if len(filled) < 2:
            return edges[:0]
        # targets about their mean: a large mean would drown what runs explain
        counts = self.counts[filled]
        means = self.sums.sum(axis=0) / counts.sum()
        sums = self.sums[filled] - counts[:, None] * means
        cuts = best_cuts(counts, sums, n_buckets)
        return edges[filled[cuts] - 1] if cuts else edges[:0]

    def merge(self, other: "TargetBins") -> None:
        """Take in another's numbers, before any of them was seen again.

        Parameters
        ----------
        other : TargetBins
            Of other rows.
        """
        self.sketch.merge(other.sketch)
