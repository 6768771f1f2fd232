"""Rows of which the stored values alone are held."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class StoredRows:
    """Rows as the kernels over stored values want them.

    Attributes
    ----------
    data : ndarray of float32 or float64 of shape (n_stored,)
        Values; the others are 0.
    indices : ndarray of int32 of shape (n_stored,)
        Their features, which rise within a row.
    indptr : ndarray of int64 of shape (n + 1,)
        Where rows begin and end among them.
    n_features : int
        Features in total.
    """

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    n_features: int

    @classmethod
    def of(cls, X: Any, rows: slice = slice(None)) -> "StoredRows":
        """Take some rows of a matrix over; copied where values are out of order or given twice.

        Parameters
        ----------
        X : CSR matrix of shape (n, n_features)
            All rows.
        rows : slice, default=slice(None)
            Which.

        Returns
        -------
        StoredRows
            Views of it where they can be.
        """
        if not X.has_canonical_format:  # (which X remembers)
            X, rows = X[rows], slice(None)
            X.sum_duplicates()
        start, stop, _ = rows.indices(X.shape[0])
        indptr = X.indptr[start : stop + 1].astype(np.int64)
        stored = slice(indptr[0], indptr[-1])
        dtype = np.float32 if X.dtype == np.float32 else np.float64
        return cls(
            X.data[stored].astype(dtype, copy=False),
            X.indices[stored].astype(np.int32, copy=False),
            indptr - indptr[0],
            int(X.shape[1]),
        )

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def dense(self, rows: np.ndarray) -> np.ndarray:
        """Some rows with all their values.

        Parameters
        ----------
        rows : ndarray of int of shape (n_rows,)
            Which.

        Returns
        -------
        ndarray of shape (n_rows, n_features)
            In the precision of the values.
        """
        shape = len(self), self.n_features
        table: np.ndarray = sparse.csr_array((self.data, self.indices, self.indptr), shape=shape)[
            rows
        ].toarray()
        return table
