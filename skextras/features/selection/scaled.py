"""ENGINE: columns of mean 0 and variance 1, of dense and of sparse tables.

A sparse table stays as it is: what centring would fill in is an offset for each column, and only
columns that are asked for by number are written out.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from scipy import sparse

CONSTANT = 1e-12  # deviation, as a share of the largest number, that is rounding


class ScaledColumns(ABC):
    """Columns z of mean 0 and variance 1; constant ones are 0.

    Attributes
    ----------
    design : ndarray or csc_array of shape (n, d)
        The columns up to an offset: the same table to a model with an intercept.
    is_constant : ndarray of bool of shape (d,)
        Which are constant up to rounding.
    """

    design: Any
    is_constant: np.ndarray

    def __len__(self) -> int:
        return len(self.is_constant)

    @abstractmethod
    def take(self, features: np.ndarray) -> np.ndarray:
        """Some columns, written out.

        Parameters
        ----------
        features : ndarray of int64 of shape (m,)
            Which.

        Returns
        -------
        ndarray of shape (m, n)
            One a row.
        """

    @abstractmethod
    def times(self, vectors: np.ndarray, features: Any = slice(None)) -> np.ndarray:
        """Products of columns with vectors.

        Parameters
        ----------
        vectors : ndarray of shape (n,) or (n, k)
            One, or one a column.
        features : ndarray of int64 of shape (m,) or slice, default=all
            Which columns.

        Returns
        -------
        ndarray of shape (m,) or (m, k)
            Σᵢ zᵢ vᵢ.
        """

    @abstractmethod
    def combined(self, coef: np.ndarray) -> np.ndarray:
        """The sum of the columns times their coefficients.

        Parameters
        ----------
        coef : ndarray of shape (d,)
            Mostly 0.

        Returns
        -------
        ndarray of shape (n,)
            Σⱼ βⱼ zⱼ.
        """


class DenseColumns(ScaledColumns):
    """Of an array.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Finite.
    weight : ndarray of shape (n,)
        Of the rows; they sum to 1.
    """

    def __init__(self, X: np.ndarray, weight: np.ndarray) -> None:
        Z = np.ascontiguousarray(X.T, dtype=np.float64)
        scale = np.abs(Z).max(axis=1, keepdims=True, initial=0.0)
        scale[scale == 0] = 1.0
        Z = Z / scale  # or squares of large numbers are infinite
        Z -= Z @ weight[:, None]
        Z -= Z @ weight[:, None]  # the rounding of the first mean
        deviation = np.sqrt(np.square(Z) @ weight)[:, None]
        is_constant = deviation <= CONSTANT
        self._Z = np.where(is_constant, 0.0, Z / np.where(is_constant, 1.0, deviation))
        self.design, self.is_constant = self._Z.T, is_constant[:, 0]

    def take(self, features: np.ndarray) -> np.ndarray:
        rows: np.ndarray = self._Z[features]
        return rows

    def times(self, vectors: np.ndarray, features: Any = slice(None)) -> np.ndarray:
        products: np.ndarray = self._Z[features] @ vectors
        return products

    def combined(self, coef: np.ndarray) -> np.ndarray:
        used = np.flatnonzero(coef)
        total: np.ndarray = coef[used] @ self._Z[used]
        return total


class SparseColumns(ScaledColumns):
    """Of a sparse table, as columns and offsets: zⱼ = xⱼ - oⱼ.

    Parameters
    ----------
    X : sparse array of shape (n, d)
        Finite, no entry stored twice.
    weight : ndarray of shape (n,)
        Of the rows; they sum to 1.
    """

    def __init__(self, X: Any, weight: np.ndarray) -> None:
        own = sparse.csc_array(X, dtype=np.float64, copy=True)
        d = own.shape[1]
        column = np.repeat(np.arange(d), np.diff(own.indptr))
        scale = np.zeros(d)
        np.maximum.at(scale, column, np.abs(own.data))
        scale[scale == 0] = 1.0
        values, share = own.data / scale[column], weight[own.indices]
        rest = np.maximum(1.0 - np.bincount(column, share, d), 0.0)  # share of what is not stored
        mean = np.bincount(column, share * values, d)
        mean += np.bincount(column, share * (values - mean[column]), d) - rest * mean
        squares = np.bincount(column, share * np.square(values - mean[column]), d)
        deviation = np.sqrt(squares + rest * np.square(mean))
        self.is_constant = deviation <= CONSTANT
        deviation[self.is_constant] = 1.0
        own.data = np.where(self.is_constant[column], 0.0, values / deviation[column])
        own.eliminate_zeros()
        self._offset = np.where(self.is_constant, 0.0, mean / deviation)
        self.design = own

    def take(self, features: np.ndarray) -> np.ndarray:
        rows: np.ndarray = self.design[:, features].T.toarray() - self._offset[features, None]
        return rows

    def times(self, vectors: np.ndarray, features: Any = slice(None)) -> np.ndarray:
        is_all = isinstance(features, slice)
        table = self.design if is_all else self.design[:, features]
        shift = np.multiply.outer(self._offset[features], vectors.sum(axis=0))
        products: np.ndarray = table.T @ vectors - shift
        return products

    def combined(self, coef: np.ndarray) -> np.ndarray:
        used = np.flatnonzero(coef)
        total: np.ndarray = self.design[:, used] @ coef[used] - self._offset[used] @ coef[used]
        return total


def scaled(X: Any, weight: np.ndarray) -> ScaledColumns:
    """Columns of mean 0 and variance 1.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, d)
        Finite.
    weight : ndarray of shape (n,)
        Of the rows; they sum to 1.

    Returns
    -------
    ScaledColumns
        Columns that are constant up to rounding are 0.
    """
    return (SparseColumns if sparse.issparse(X) else DenseColumns)(X, weight)
