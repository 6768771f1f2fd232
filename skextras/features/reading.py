"""SHELL: a table's columns for an estimator, with scikit-learn's checks of names and numbers."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _check_feature_names, check_array

from skextras.features.table import Table, as_table


def read(estimator: Any, X: Any, declared: Iterable[str], *, reset: bool) -> Table:
    """See a table as columns; compare it with the training table, or remember that.

    A declared table may have other columns as well, in any order; an array must have the same
    number of them, and a table whose columns were inferred the same names.

    Parameters
    ----------
    estimator : FeatureColumns
        Gets ``n_features_in_`` and ``feature_names_in_`` if ``reset``, else they are compared.
    X : table
        Rows.
    declared : iterable of str
        Columns that it must have.
    reset : bool
        Whether these are training rows.

    Returns
    -------
    Table
        Its columns.

    Raises
    ------
    TypeError
        If it is no table.
    ValueError
        If it lacks columns, or is not like the training table.
    """
    owner = type(estimator).__name__
    if not names_columns(X):
        X = check_array(X, dtype=None, ensure_all_finite=False, estimator=estimator)
    is_array = isinstance(X, np.ndarray)
    is_inferred = isinstance(estimator.columns, str)
    names = None if estimator.feature_names is None else list(estimator.feature_names)
    if names is None and not reset and is_array and X.dtype.names is None:
        names = _known_names(estimator, X)
    table = as_table(X, names=names, owner=owner)
    if reset or is_inferred:
        _check_feature_names(estimator, X, reset=reset)
    if reset:
        estimator.n_features_in_ = len(table.names)
        if isinstance(X, Mapping):
            estimator.feature_names_in_ = np.array(table.names, object)
    elif (is_inferred or is_array) and len(table.names) != estimator.n_features_in_:
        raise ValueError(
            f"X has {len(table.names)} features, but {owner} is expecting "
            f"{estimator.n_features_in_} features as input."
        )
    table.require(declared)
    return table


def names_columns(X: Any) -> bool:
    """Tell whether a table brings names of its columns.

    Parameters
    ----------
    X : table
        Rows.

    Returns
    -------
    bool
        False for plain arrays and lists.
    """
    if sparse.issparse(X):  # one of them is a mapping
        return False
    has_fields = getattr(getattr(X, "dtype", None), "names", None) is not None
    is_named = any(hasattr(type(X), name) for name in ("columns", "column_names", "schema"))
    return has_fields or is_named or isinstance(X, Mapping | Table)


def _known_names(estimator: Any, X: np.ndarray) -> list[str] | None:
    """The training table's names, for an array of as many columns."""
    known = getattr(estimator, "feature_names_in_", ())
    return list(known) if X.ndim == 2 and len(known) == X.shape[1] else None


def check_input_features(estimator: Any, input_features: Any) -> None:
    """Compare names with those of the training table.

    Parameters
    ----------
    estimator : FeatureColumns
        Fitted.
    input_features : array-like of str or None
        What ``get_feature_names_out`` was given; None is not compared.

    Raises
    ------
    ValueError
        In scikit-learn's words, if they differ.
    """
    if input_features is None:
        return
    names = np.asarray(input_features, object)
    known = getattr(estimator, "feature_names_in_", None)
    if known is not None and not np.array_equal(names, known):
        raise ValueError("input_features is not equal to feature_names_in_")
    if known is None and len(names) != estimator.n_features_in_:
        raise ValueError(
            f"input_features should have length equal to number of features "
            f"({estimator.n_features_in_}), got {len(names)}"
        )
