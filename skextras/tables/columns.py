"""One column of a table as codes and distinct values, whichever library the table comes from.

No library is imported here: an object of pandas, polars or pyarrow brings its own.
"""

import sys
from typing import Any

import numpy as np


def library_of(X: Any) -> str:
    """Name the package that a table's class comes from.

    Parameters
    ----------
    X : object
        A table.

    Returns
    -------
    str
        "pandas", "polars", "pyarrow", or anything else.
    """
    return type(X).__module__.partition(".")[0]


def select(X: Any, features: np.ndarray) -> Any:
    """Take some columns of a table.

    Parameters
    ----------
    X : table
        A frame, a pyarrow table or an array.
    features : ndarray of int
        Their places.

    Returns
    -------
    table
        Of the same kind.
    """
    library = library_of(X)
    if library == "pandas":
        return X.iloc[:, features]
    if library == "pyarrow":
        return X.select(features.tolist())
    return X[:, features.tolist()]


def names_and_types(X: Any) -> list[tuple[Any, Any]]:
    """Names and types of a table's columns.

    Parameters
    ----------
    X : table
        A frame, a pyarrow table or an array.

    Returns
    -------
    list of (name, type)
        Empty for an array, whose columns have none of their own.
    """
    library = library_of(X)
    if library == "pyarrow":
        return list(zip(X.column_names, X.schema.types, strict=True))
    return list(zip(X.columns, X.dtypes, strict=True)) if library in ("pandas", "polars") else []


def is_number(X: Any, feature: int) -> bool:
    """Tell whether a column's type is a number or a boolean.

    Parameters
    ----------
    X : table
        A frame, a pyarrow table or an array.
    feature : int
        The column.

    Returns
    -------
    bool
        False for categories, strings and objects.
    """
    library = library_of(X)
    if library == "pandas":
        dtype = X.dtypes.iloc[feature]
        return dtype.name != "category" and getattr(dtype, "kind", "O") in "biuf"
    if library == "polars":
        dtype = X.dtypes[feature]
        return dtype.is_numeric() or dtype == sys.modules["polars"].Boolean
    if library == "pyarrow":
        kinds, kind = sys.modules["pyarrow"].types, X.schema.types[feature]
        return kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind)
    return X.dtype.kind in "biuf"


def distinct(X: Any, feature: int) -> tuple[np.ndarray, list[Any]]:
    """Distinct values of a column, and which row holds which.

    Parameters
    ----------
    X : table
        A frame, a pyarrow table or an array.
    feature : int
        The column.

    Returns
    -------
    codes : ndarray of int of shape (n,)
        Place in the values; -1 for a missing one.
    values : list
        Distinct values; some may stand in no row.
    """
    library = library_of(X)
    if library == "pandas":
        return _of_pandas(X.iloc[:, feature])
    if library == "polars":
        return _of_polars(X.to_series(feature))
    if library == "pyarrow":
        return _of_pyarrow(X.column(feature))
    return _of_objects(X[:, feature].tolist())


def _of_pandas(column: Any) -> tuple[np.ndarray, list[Any]]:
    if column.dtype.name == "category":
        return column.cat.codes.to_numpy(), column.cat.categories.tolist()
    codes, values = sys.modules["pandas"].factorize(column)
    return codes, values.tolist()


def _of_polars(column: Any) -> tuple[np.ndarray, list[Any]]:
    polars = sys.modules["polars"]
    if column.dtype == polars.Object:
        return _of_objects(column.to_list())
    column = column.cast(polars.String)
    values = column.drop_nulls().unique()
    codes = column.cast(polars.Enum(values)).to_physical().cast(polars.Int64).fill_null(-1)
    return codes.to_numpy(), values.to_list()


def _of_pyarrow(column: Any) -> tuple[np.ndarray, list[Any]]:
    pyarrow = sys.modules["pyarrow"]
    if pyarrow.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    else:
        column = column.dictionary_encode()
    column = column.combine_chunks()
    chunk = column.chunk(0) if isinstance(column, pyarrow.ChunkedArray) else column
    codes = chunk.indices.cast(pyarrow.int64()).fill_null(-1)
    return codes.to_numpy(zero_copy_only=False), chunk.dictionary.to_pylist()


def _of_objects(column: list[Any]) -> tuple[np.ndarray, list[Any]]:
    places: dict[Any, int] = {}
    codes = [-1 if is_missing(x) else places.setdefault(x, len(places)) for x in column]
    return np.array(codes, np.int64), list(places)


def is_missing(value: Any) -> bool:
    """Tell None, NaN, NaT and pandas' NA from a value.

    Parameters
    ----------
    value : object
        An entry of a table.

    Returns
    -------
    bool
        Whether it stands for nothing.
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))
