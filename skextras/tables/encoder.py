"""A table that users have, as the numbers that the engine bins."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import (
    _check_categorical_features,
    _check_feature_names,
    _check_n_features,
    check_array,
)

from skextras.tables.columns import (
    distinct,
    is_missing,
    is_number,
    library_of,
    names_and_types,
    select,
)

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
ROWS_AT_ONCE = 4096  # of a sparse table that is made dense for prediction


@dataclass(frozen=True)
class DenseTable:
    """Numbers of a table that is in memory as a whole.

    Attributes
    ----------
    values : ndarray of float32 or float64 of shape (n_rows, n_features)
        NaN is missing. Any strides; it may be the user's own array, so nobody writes to it.
    """

    values: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Size of the table.

        Returns
        -------
        tuple of int
            Rows and features.
        """
        return self.values.shape

    def columns(self, start: int, stop: int) -> np.ndarray:
        """Some features of all rows.

        Parameters
        ----------
        start, stop : int
            The features.

        Returns
        -------
        ndarray of shape (n_rows, stop - start)
            A view.
        """
        return self.values[:, start:stop]

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Some rows with all features.

        Parameters
        ----------
        start, stop : int
            The rows.

        Returns
        -------
        ndarray of shape (stop - start, n_features)
            A view.
        """
        return self.values[start:stop]


@dataclass(frozen=True)
class SparseTable:
    """Numbers of a table that is mostly zeros, made dense a block at a time.

    Attributes
    ----------
    matrix : sparse matrix or array of float32 or float64
        In row or column order; what it does not store is 0.
    """

    matrix: Any
    values = None  # there is no dense array

    @property
    def shape(self) -> tuple[int, int]:
        """Size of the table.

        Returns
        -------
        tuple of int
            Rows and features.
        """
        return self.matrix.shape

    @cached_property
    def _by_column(self) -> Any:
        matrix = self.matrix.tocsc()
        if not matrix.has_canonical_format:
            matrix = matrix.copy()  # it may be the user's own
            matrix.sum_duplicates()
        return matrix

    @cached_property
    def _by_row(self) -> Any:
        return self.matrix.tocsr()

    def columns(self, start: int, stop: int) -> np.ndarray:
        """Some features of all rows.

        Parameters
        ----------
        start, stop : int
            The features.

        Returns
        -------
        ndarray of shape (n_rows, stop - start), Fortran order
            Dense.
        """
        return self._by_column[:, start:stop].toarray(order="F")

    def stored(self, feature: int) -> tuple[np.ndarray, np.ndarray]:
        """What is stored of a feature; the rest is 0.

        Parameters
        ----------
        feature : int
            Which.

        Returns
        -------
        rows : ndarray of int
            All different.
        values : ndarray of float32 or float64
            Of these rows.
        """
        matrix = self._by_column
        own = slice(matrix.indptr[feature], matrix.indptr[feature + 1])
        return matrix.indices[own], matrix.data[own]

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Some rows with all features.

        Parameters
        ----------
        start, stop : int
            The rows.

        Returns
        -------
        ndarray of shape (stop - start, n_features), C order
            Dense.
        """
        return self._by_row[start:stop].toarray()


Table = DenseTable | SparseTable


class TableEncoder:
    """Turns tables into numbers, the same way each time.

    A number stays as it is, and so does a category that is a number: the engine finds it by exact
    match among ``categories``, and what it does not find is missing. Other categories become their
    place among the sorted ones that were seen; a new one becomes NaN. Negative categories are
    missing values, as in LightGBM (scikit-learn takes those that ``fit`` saw for categories).

    Parameters
    ----------
    categorical_features : None, "from_dtype" or array-like of bool, int or str
        As in scikit-learn's ``HistGradientBoostingClassifier``.
    max_bins : int, default=255
        Categories of a feature at most.
    owner : str, default="TableEncoder"
        Whose errors they are.

    Attributes
    ----------
    is_categorical_ : ndarray of bool of shape (n_features,) or None
        Which features are categories; None if none is.
    categories_ : tuple of (ndarray of float64 or None), one a feature
        Known codes of a categorical feature, ascending.
    """

    def __init__(
        self, categorical_features: Any, *, max_bins: int = 255, owner: str = "TableEncoder"
    ) -> None:
        self.categorical_features = categorical_features
        self.max_bins = max_bins
        self.owner = owner
        self._seen: dict[int, set[Any]] | None = None

    def fit(self, X: Any) -> Table:
        """Learn the categories of a table, and encode it.

        Parameters
        ----------
        X : table
            Training rows.

        Returns
        -------
        DenseTable or SparseTable
            Its numbers.

        Raises
        ------
        ValueError
            As scikit-learn's, if it is no table of numbers and known categories, or if a feature
            has more categories than ``max_bins``.
        """
        self._seen = None
        self.observe(X)
        return self.transform(X)

    def observe(self, X: Any) -> None:
        """Learn categories from a further block of rows; for blocks, call it on each first.

        Parameters
        ----------
        X : table
            Some training rows.

        Raises
        ------
        ValueError
            If a feature has more categories than ``max_bins``.
        """
        X = _with_shape(X)
        if self._seen is None:
            self.is_categorical_ = _check_categorical_features(X, self.categorical_features)
            features = () if self.is_categorical_ is None else np.flatnonzero(self.is_categorical_)
            self._seen = {int(feature): set() for feature in features}
            self.n_features_ = X.shape[1]
            self._names = getattr(X, "columns", getattr(X, "column_names", None))
        for feature, seen in self._seen.items():
            seen.update(_values_of(X, feature))
            if len(seen) > self.max_bins:
                raise ValueError(self._too_many(feature, len(seen)))
        self._settle()

    def transform(self, X: Any) -> Table:
        """Encode a table.

        Parameters
        ----------
        X : table
            Rows with the features of the training rows.

        Returns
        -------
        DenseTable or SparseTable
            Its numbers; a float array is not copied.
        """
        if (
            type(X) is np.ndarray
            and X.dtype in FLOATS
            and X.ndim == 2
            and X.size
            and not self._labels
        ):
            return DenseTable(X)
        X = _with_shape(X)
        if sparse.issparse(X):
            dtype = [np.float64, np.float32]
            matrix = check_array(
                X, accept_sparse=("csr", "csc"), dtype=dtype, **self._check_options
            )
            return SparseTable(matrix)
        coded = [feature for feature in self._seen or () if not is_number(X, feature)]
        coded += [feature for feature in self._labels if feature not in coded]
        if not coded:
            return DenseTable(self._numbers(X))
        return DenseTable(self._assembled(X, sorted(coded)))

    @property
    def category_names(self) -> tuple[list[Any] | None, ...]:
        """Categories in the user's terms.

        Returns
        -------
        tuple of (list or None), one a feature
            In the order of ``categories_``; None for a number.
        """
        return tuple(
            None if codes is None else list(self._labels.get(feature, codes.tolist()))
            for feature, codes in enumerate(self.categories_)
        )

    @property
    def _check_options(self) -> dict[str, Any]:
        return {"ensure_all_finite": False, "estimator": self.owner, "input_name": "X"}

    def _numbers(self, X: Any) -> np.ndarray:
        """All columns as floats, in single precision where that is exact."""
        dtype: list[Any] = [np.float64, np.float32]
        if isinstance(X, np.ndarray) and X.dtype != object and np.can_cast(X.dtype, np.float32):
            dtype = [np.float32]
        given = X
        if library_of(X) == "pandas" and any(kind.kind == "O" for kind in X.dtypes):
            given = X.to_numpy(dtype=object, na_value=np.nan)
        try:
            return check_array(given, dtype=dtype, **self._check_options)
        except (TypeError, ValueError) as error:
            self._refuse_column(X, error)
            raise

    def _refuse_column(self, X: Any, error: Exception) -> None:
        """Name the column of a data frame that is no number and no category."""
        by_type = isinstance(self.categorical_features, str)
        for feature, (name, kind) in enumerate(names_and_types(X)):
            if is_number(X, feature) or _is_readable(select(X, np.array([feature]))):
                continue
            reason = str(error).split(". ")[0]
            raise ValueError(
                f"{self.owner}: X must hold numbers{' or categories' * by_type}, got column "
                f"{name!r} of type {kind}: {reason}. Make it a number{' or a category' * by_type}."
            ) from error

    def _assembled(self, X: Any, coded: list[int]) -> np.ndarray:
        """Numbers where they are, codes where categories are."""
        n_rows, n_features = X.shape
        rest = np.setdiff1d(np.arange(n_features), coded)
        if n_rows == 0 or not len(rest):  # the check has its say even where there is no number
            numbers = check_array(np.zeros((n_rows, 1), np.float32), **self._check_options)
        else:
            numbers = self._numbers(select(X, rest))
        values = np.empty((n_rows, n_features), numbers.dtype, order="F")
        values[:, rest] = numbers[:, : len(rest)]
        for feature in coded:
            places, labels = distinct(X, feature)
            codes = np.array([self._code(feature, label) for label in labels] + [np.nan])
            values[:, feature] = codes[places]
        return values

    def _code(self, feature: int, label: Any) -> float:
        if feature in self._labels:
            return self._labels[feature].get(label, np.nan)
        return float(label) if isinstance(label, Real) else np.nan

    def _settle(self) -> None:
        """Number the categories seen so far."""
        self._labels: dict[int, dict[Any, float]] = {}
        categories: list[np.ndarray | None] = [None] * self.n_features_
        for feature, seen in (self._seen or {}).items():
            if all(isinstance(value, Real) for value in seen):
                codes = np.unique(np.array(list(seen), np.float64))
                categories[feature] = codes[codes >= 0]
                continue
            ordered = self._ordered(seen)
            self._labels[feature] = {label: float(i) for i, label in enumerate(ordered)}
            categories[feature] = np.arange(len(ordered), dtype=np.float64)
        self.categories_ = tuple(categories)

    def _ordered(self, seen: Iterable[Any]) -> list[Any]:
        try:
            return sorted(seen)
        except TypeError as error:
            kinds = sorted({type(value).__name__ for value in seen})
            raise TypeError(
                f"{self.owner}: categories of a feature must be uniformly strings or numbers, got "
                f"{kinds}. Convert the column to one type."
            ) from error

    def _too_many(self, feature: int, n_categories: int) -> str:
        name = f"at index {feature}" if self._names is None else repr(self._names[feature])
        return (
            f"Categorical feature {name} is expected to have a cardinality <= {self.max_bins} but "
            f"actually has a cardinality of {n_categories}. Join rare categories, or leave the "
            "feature out of categorical_features and encode it as a number."
        )


def encode(estimator: Any, encoder: TableEncoder, X: Any, *, reset: bool) -> Table:
    """Check X as ``validate_data`` does, and encode it: names, table, number of features.

    Parameters
    ----------
    estimator : BaseEstimator
        Gets ``n_features_in_`` and ``feature_names_in_`` if ``reset``, else they are compared.
    encoder : TableEncoder
        Learns from X if ``reset``.
    X : table
        Rows.
    reset : bool
        Whether these are training rows.

    Returns
    -------
    DenseTable or SparseTable
        The numbers of X.
    """
    if reset or type(X) is not np.ndarray or hasattr(estimator, "feature_names_in_"):
        _check_feature_names(estimator, X, reset=reset)  # which an array without names need not
    is_table = len(getattr(X, "shape", ())) == 2
    if is_table and not reset:
        _check_n_features(estimator, X, reset=False)
    table = encoder.fit(X) if reset else encoder.transform(X)
    if reset or not is_table:
        _check_n_features(estimator, table, reset=reset)
    return table


def value_blocks(table: Table, n_rows: int | None = None) -> Iterator[np.ndarray]:
    """Numbers of a table in blocks of rows.

    Parameters
    ----------
    table : DenseTable or SparseTable
        The table.
    n_rows : int, default=None
        Of a block; None gives a dense table in one piece.

    Yields
    ------
    ndarray of shape (n, n_features)
        Dense; of a dense table a view.
    """
    if n_rows is None and table.values is not None:
        yield table.values
        return
    size = n_rows or ROWS_AT_ONCE
    for first in range(0, table.shape[0], size):
        yield table.rows(first, min(table.shape[0], first + size))


def _is_readable(X: Any) -> bool:
    """Whether each entry is a number, or the text of one."""
    try:
        np.asarray(X, object).astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _with_shape(X: Any) -> Any:
    """X itself if it is a table, else what NumPy makes of it, with scikit-learn's errors."""
    if len(getattr(X, "shape", ())) == 2:
        return X
    return check_array(X, dtype=None, ensure_all_finite=False, accept_sparse=True, input_name="X")


def _values_of(X: Any, feature: int) -> Iterable[Any]:
    """Distinct values of a column that are not missing."""
    if sparse.issparse(X):
        column = SparseTable(X).columns(feature, feature + 1)[:, 0]
    elif is_number(X, feature):
        column = check_array(
            select(X, np.array([feature])), dtype=[np.float64, np.float32], ensure_all_finite=False
        )[:, 0]
    else:
        places, labels = distinct(X, feature)
        there = np.bincount(places[places >= 0], minlength=len(labels)) > 0
        return [
            label
            for label, is_there in zip(labels, there, strict=True)
            if is_there and not is_missing(label)
        ]
    return np.unique(column[~np.isnan(column)]).tolist()
