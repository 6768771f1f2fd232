"""Tables of categories as codes, for the estimators that take them."""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Tags

from skextras.mixture.components import Parameters
from skextras.mixture.reading import check_numbers

__all__ = ["CodedMixin", "TableMixin", "known_values"]


class TableMixin(BaseEstimator):
    """Tables of strings and numbers side by side."""

    def __sklearn_tags__(self) -> Tags:
        """Columns may be strings."""
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def _table(self, X: Any, *, reset: bool) -> np.ndarray:
        """Checked values: numbers, strings, or objects that are either, NaN or None."""
        values = check_numbers(self, _plain(X), reset=reset, dtype=None)
        if values.dtype == object:
            self._check_plain(values)
        return values

    def _check_plain(self, values: np.ndarray) -> None:
        strange = [own for own in values.ravel() if not isinstance(own, str | Real | type(None))]
        if strange:
            raise TypeError(
                f"{type(self).__name__}: X must hold numbers and strings, argument must be a "
                f"string or a number, got {type(strange[0]).__name__}. Name the categories."
            )


class CodedMixin(TableMixin):
    """Categories of each feature, their codes and their probabilities."""

    categories: Any
    categories_: list[np.ndarray]
    probabilities_: list[np.ndarray]

    def _numbers(self, X: Any, *, reset: bool) -> np.ndarray:
        values = self._table(X, reset=reset)
        if reset:
            self.categories_ = self._found(values)
        columns = zip(values.T, self.categories_, strict=True)
        return np.column_stack([_codes(column, own) for column, own in columns])

    def _found(self, values: np.ndarray) -> list[np.ndarray]:
        """Categories of each feature, in order."""
        if isinstance(self.categories, str):
            return [_distinct(column) for column in values.T]
        if len(self.categories) != values.shape[1]:
            raise ValueError(
                f"{type(self).__name__}: categories must have one list for each of the "
                f"{values.shape[1]} features, got {len(self.categories)}. 'auto' finds them."
            )
        return [np.asarray(own) for own in self.categories]

    def _sizes(self) -> list[int]:
        return [max(len(own), 1) for own in self.categories_]

    def _uniform(self, k: int) -> Parameters:
        sizes = self._sizes()
        return (np.tile(np.repeat(1 / np.array(sizes, dtype=np.float64), sizes), (k, 1)),)

    def _split(self, probabilities: np.ndarray) -> None:
        self.probabilities_ = np.split(probabilities, np.cumsum(self._sizes())[:-1], axis=1)

    def _joined(self) -> np.ndarray:
        return np.maximum(np.concatenate(self.probabilities_, axis=1, dtype=np.float64), 1e-12)


def _plain(X: Any) -> Any:
    """A data frame of several kinds of columns as one of objects, None where a value is missing.

    (scikit-learn's own conversion takes a frame of bools and categories for numbers.)
    """
    if not (hasattr(X, "iloc") and hasattr(X, "columns")):
        return X
    if all(isinstance(own, np.dtype) and own.kind in "biuf" for own in X.dtypes):
        return X
    return X.astype(object).where(X.notna(), None)


def known_values(column: np.ndarray) -> np.ndarray:
    """Leave out NaN and None.

    Parameters
    ----------
    column : ndarray of shape (n,)
        Numbers or strings.

    Returns
    -------
    ndarray of shape (n_known,)
        In their order.
    """
    if column.dtype.kind == "f":
        return column[~np.isnan(column)]
    if column.dtype.kind in "biu":
        return column
    missing = np.array([value is None or value != value for value in column], bool)
    return column[~missing]


def _distinct(column: np.ndarray) -> np.ndarray:
    """Categories in order; numbers come before strings."""
    known = known_values(column)
    if known.dtype != object:
        return np.unique(known)
    ordered = sorted(set(known.tolist()), key=lambda own: (isinstance(own, str), own))
    return np.array(ordered, dtype=object)


def _codes(column: np.ndarray, categories: np.ndarray) -> np.ndarray:
    """Places of the values among the categories; NaN for those that are missing or unknown."""
    if len(categories) and column.dtype.kind in "biuf" and categories.dtype.kind in "biuf":
        order = np.argsort(categories, kind="stable")
        ordered = categories[order]
        near = np.minimum(np.searchsorted(ordered, column), len(ordered) - 1)
        return np.where(ordered[near] == column, order[near], np.nan)
    place = {value: float(code) for code, value in enumerate(categories.tolist())}
    if column.dtype == object:
        return np.array([place.get(value, np.nan) for value in column.tolist()])
    values, back = np.unique(column, return_inverse=True)
    return np.array([place.get(value, np.nan) for value in values.tolist()])[back.ravel()]
