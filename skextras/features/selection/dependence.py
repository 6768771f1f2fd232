"""How much features say of a target and of one another."""

from abc import ABC, abstractmethod

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from scipy.stats import f as f_distribution

from skextras.features.selection.base import Rows
from skextras.features.selection.binned import BinnedColumns, DenseBins, SparseBins
from skextras.features.selection.information import (
    entropy,
    independence_p_values,
    mutual_information,
)
from skextras.features.selection.scaled import scaled
from skextras.trees.edges import edges_of


class Dependence(ABC):
    """How much features say of the target, and of one another.

    Attributes
    ----------
    relevance : ndarray of shape (d,)
        Of each feature to the target.
    p_values : ndarray of shape (d,)
        Chance of as much relevance without dependence.
    entropy : ndarray of shape (d,) or None
        What features can say at most; None where that has no unit in common with relevance.
    target_entropy : float
        What can be said of the target at most.
    """

    relevance: np.ndarray
    p_values: np.ndarray
    entropy: np.ndarray | None = None
    target_entropy: float = 0.0

    @abstractmethod
    def redundancy(self, feature: int, others: np.ndarray) -> np.ndarray:
        """What a feature says of others.

        Parameters
        ----------
        feature : int
            Which.
        others : ndarray of int64 of shape (m,)
            Others.

        Returns
        -------
        ndarray of shape (m,)
            Not negative.
        """


class Information(Dependence):
    """Mutual information of binned features, nats.

    Parameters
    ----------
    rows : Rows
        Rows; NaN is a value of its own.
    n_bins : int
        Of a feature, and of a target that is a number.
    n_threads : int
        Threads.
    """

    def __init__(self, rows: Rows, *, n_bins: int, n_threads: int) -> None:
        d = rows.X.shape[1]
        self._weight, self._n_threads, self._width = rows.weight, n_threads, n_bins + 1
        kind = SparseBins if sparse.issparse(rows.X) else DenseBins
        self._bins: BinnedColumns = kind(rows.X, rows.weight, n_bins, n_threads)
        target = rows.y
        if rows.classes is None:
            edges = edges_of(rows.y, rows.weight, n_bins)
            target = np.searchsorted(edges, rows.y)
        counts = self._counts(np.arange(d), target.astype(np.uint8), int(target.max()) + 1)
        self.relevance = mutual_information(counts)
        self.p_values = independence_p_values(counts)
        self.entropy = entropy(counts.sum(axis=2))
        self.target_entropy = float(entropy(counts[:1].sum(axis=1))[0])

    def redundancy(self, feature: int, others: np.ndarray) -> np.ndarray:
        return mutual_information(self._counts(others, self._bins.codes_of(feature), self._width))

    def _counts(self, features: np.ndarray, other: np.ndarray, width: int) -> np.ndarray:
        counts = np.zeros((len(features), self._width, width))
        parts = np.array_split(np.arange(len(features)), self._n_threads)
        Parallel(n_jobs=self._n_threads, prefer="threads")(
            delayed(self._bins.count)(features[part], other, self._weight, counts[own])
            for part in parts
            if len(part)
            for own in [slice(part[0], part[-1] + 1)]
        )
        return counts


class LinearDependence(Dependence):
    """F statistic with the target, size of the correlation with one another.

    Parameters
    ----------
    rows : Rows
        Rows without missing values.
    """

    def __init__(self, rows: Rows) -> None:
        self._share = rows.share
        self._Z = scaled(rows.X, self._share)
        total = float(rows.weight.sum())
        if rows.classes is None:
            y = scaled(rows.y[:, None], self._share).design[:, 0]
            explained, groups = np.square(self._Z.times(self._share * y)), 1
        else:
            is_own = rows.targets() if len(rows.classes) > 2 else np.stack([1 - rows.y, rows.y])
            shares = is_own @ self._share
            sums = self._Z.times((self._share * is_own).T)
            explained, groups = (np.square(sums) / shares).sum(axis=1), len(rows.classes) - 1
        freedom = max(total - groups - 1, 0.0)
        rest = np.maximum(1 - explained, np.finfo(float).eps)
        self.relevance = explained / groups / rest * freedom
        is_known = (freedom > 0) & ~self._Z.is_constant
        p_values = f_distribution.sf(self.relevance, groups, max(freedom, 1.0))
        self.p_values = np.where(is_known, p_values, 1.0)

    def redundancy(self, feature: int, others: np.ndarray) -> np.ndarray:
        own = self._share * self._Z.take(np.array([feature]))[0]
        return np.abs(self._Z.times(own, others))
