"""ENGINE: features as bins of a byte, of dense and of sparse tables."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from skextras.features.selection.information import joint_counts, stored_counts
from skextras.trees.arrays import MISSING
from skextras.trees.binning import as_column, bin_table
from skextras.trees.edges import bins_of, edges_of, fit_mapper, mapper_by
from skextras.trees.threads import Threads

Count = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]


class BinnedColumns(ABC):
    """Features as codes below ``n_bins``, and ``n_bins`` where a value is missing."""

    @abstractmethod
    def codes_of(self, feature: int) -> np.ndarray:
        """Codes of all rows.

        Parameters
        ----------
        feature : int
            Whose.

        Returns
        -------
        ndarray of uint8 of shape (n,)
            Written out.
        """

    @abstractmethod
    def count(
        self, features: np.ndarray, other: np.ndarray, weight: np.ndarray, counts: np.ndarray
    ) -> None:
        """Add up weights by the codes of features and of another one.

        Parameters
        ----------
        features : ndarray of int64 of shape (m,)
            Which.
        other : ndarray of uint8 of shape (n,)
            What each is joined with.
        weight : ndarray of float64 of shape (n,)
            Of the rows.
        counts : ndarray of float64 of shape (m, n_bins + 1, b)
            0; filled.
        """


class DenseBins(BinnedColumns):
    """A byte an entry.

    Parameters
    ----------
    X : ndarray of float64 of shape (n, d)
        NaN is missing.
    weight : ndarray of float64 of shape (n,)
        Of the rows.
    n_bins : int
        Of a feature at most.
    n_threads : int
        Threads.
    """

    def __init__(self, X: np.ndarray, weight: np.ndarray, n_bins: int, n_threads: int) -> None:
        n, d = X.shape
        mapper = fit_mapper(
            as_column(X), [None] * d, weights=weight, max_bins=n_bins, n_threads=n_threads
        )
        with Threads(n_threads) as threads:
            words = bin_table(X, mapper, threads).words
        table = words.view(np.uint8).reshape(len(words), n, 8)
        self._codes = np.empty((d, n), np.uint8)
        for j in range(d):
            self._codes[j] = table[j // 8, :, j % 8]
        self._codes[self._codes == MISSING] = n_bins

    def codes_of(self, feature: int) -> np.ndarray:
        codes: np.ndarray = self._codes[feature]
        return codes

    def count(
        self, features: np.ndarray, other: np.ndarray, weight: np.ndarray, counts: np.ndarray
    ) -> None:
        joint_counts(self._codes, features, other, weight, counts)


class SparseBins(BinnedColumns):
    """A byte for each entry that is stored, and one a feature for all others.

    Parameters
    ----------
    X : sparse array of float64 of shape (n, d)
        NaN is missing; no entry is stored twice.
    weight : ndarray of float64 of shape (n,)
        Of the rows.
    n_bins : int
        Of a feature at most.
    n_threads : int
        Threads.
    """

    def __init__(self, X: Any, weight: np.ndarray, n_bins: int, n_threads: int) -> None:
        own = sparse.csc_array(X)
        n, d = own.shape
        starts, total = own.indptr, weight.sum()

        def edges(j: int) -> np.ndarray:
            """Of what is stored, and a 0 that weighs as much as all that is not."""
            part = slice(starts[j], starts[j + 1])
            share = weight[own.indices[part]]
            rest = 0.0 if len(share) == n else total - share.sum()
            return edges_of(np.append(own.data[part], 0.0), np.append(share, rest), n_bins)

        mapper = mapper_by(edges, [None] * d, n_threads=n_threads)
        codes, rest = np.empty(len(own.data), np.uint8), np.empty(d, np.uint8)
        for j in range(d):
            part = slice(starts[j], starts[j + 1])
            codes[part] = bins_of(own.data[part], mapper, j)
            rest[j] = bins_of(np.zeros(1), mapper, j)[0]
        codes[codes == MISSING] = n_bins
        self._n = n
        self._stored = (starts.astype(np.int64), own.indices.astype(np.int64), codes, rest)

    def codes_of(self, feature: int) -> np.ndarray:
        starts, rows, codes, rest = self._stored
        part = slice(starts[feature], starts[feature + 1])
        own = np.full(self._n, rest[feature])
        own[rows[part]] = codes[part]
        return own

    def count(
        self, features: np.ndarray, other: np.ndarray, weight: np.ndarray, counts: np.ndarray
    ) -> None:
        stored_counts(self._stored, features, other, weight, counts)
