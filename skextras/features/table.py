"""SHELL: the tables that users have, column by column, as the engine's values.

A column is converted when it is asked for, and once; nothing converts a whole table.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from copy import copy
from difflib import get_close_matches
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skextras.features.lists import Lists
from skextras.features.values import Categories, Numbers, Text, Values

__all__ = ["Table", "as_table", "is_table"]

NUMBER_KINDS = "biufmM"
TEXT_TYPES = ("string", "large_string", "binary", "large_binary", "fixed_size_binary")


class Table:
    """Columns by name.

    Parameters
    ----------
    columns : mapping of str to callable
        Each returns its column, as a NumPy or Arrow array.
    n_rows : int
        Their length.
    owner : str
        Whose errors they are.

    Attributes
    ----------
    weights : ndarray of float64 of shape (n_rows,) or None
        How often each row counts in ``fit``; None for once.
    made : dict
        What column types made of the rows, and others may use.
    """

    def __init__(
        self, columns: Mapping[str, Callable[[], Any]], n_rows: int, *, owner: str
    ) -> None:
        self._columns, self.n_rows, self.owner = columns, n_rows, owner
        self._read: dict[str, Values] = {}
        self.weights: np.ndarray | None = None
        self.made: dict[Any, Any] = {}

    def weighted(self, weights: np.ndarray | None) -> "Table":
        """The same rows, of which each counts otherwise.

        Parameters
        ----------
        weights : ndarray of float64 of shape (n_rows,) or None
            How often each counts; None leaves it as it is.

        Returns
        -------
        Table
            It reads and makes each column once together with this one.
        """
        if weights is None:
            return self
        own = copy(self)
        own.weights = weights
        return own

    @property
    def names(self) -> list[str]:
        """Names of the columns.

        Returns
        -------
        list of str
            In the table's order.
        """
        return list(self._columns)

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> Values:
        """A column's values, read once.

        Parameters
        ----------
        name : str
            Of the column.

        Returns
        -------
        Values
            Text, Numbers, Categories or Lists.

        Raises
        ------
        ValueError
            If there is no such column, or its length differs.
        """
        if name not in self._read:
            self.require([name])
            values = _values(self._columns[name](), name=name, owner=self.owner)
            if len(values) != self.n_rows:
                raise ValueError(
                    f"{self.owner}: columns must have one length, got {len(values)} rows in "
                    f"{name!r} and {self.n_rows} in {self.names[0]!r}. Cut or fill them."
                )
            self._read[name] = values
        return self._read[name]

    def require(self, names: Iterable[str]) -> None:
        """Refuse a table that lacks columns.

        Parameters
        ----------
        names : iterable of str
            What must be there.

        Raises
        ------
        ValueError
            With the near names.
        """
        lacking = [name for name in dict.fromkeys(names) if name not in self._columns]
        if not lacking:
            return
        said = []
        for name in lacking:
            near = get_close_matches(name, self.names, n=3)
            said.append(f"{name!r}" + (f" (near: {', '.join(map(repr, near))})" if near else ""))
        shown = ", ".join(map(repr, self.names[:20])) + (", ..." if len(self.names) > 20 else "")
        raise ValueError(
            f"{self.owner}: X must have the columns that are declared, lacks {', '.join(said)}. "
            f"It has {shown}."
        )


def is_table(X: Any) -> bool:
    """Tell a table from a source of batches.

    Parameters
    ----------
    X : object
        What ``fit`` was given.

    Returns
    -------
    bool
        True for whatever has a shape, names its columns, or converts to an array.
    """
    has_shape = any(hasattr(X, name) for name in ("shape", "__array__", "__dataframe__"))
    if has_shape or isinstance(X, Mapping | str | bytes) or not hasattr(X, "__iter__"):
        return True
    if not isinstance(X, list | tuple) or not X:
        return False
    first = X[0][0] if isinstance(X[0], tuple) and len(X[0]) else X[0]
    return not (isinstance(first, Mapping) or len(getattr(first, "shape", ())) == 2)


def as_table(X: Any, *, names: list[str] | None = None, owner: str) -> Table:
    """See a table as columns.

    Parameters
    ----------
    X : DataFrame, pyarrow Table or RecordBatch, dict of arrays, or array of shape (n, k)
        The table.
    names : list of str, default=None
        Names of the columns of an array; None gives x0, x1, ...
    owner : str
        Whose errors they are.

    Returns
    -------
    Table
        Nothing is converted yet.

    Raises
    ------
    TypeError
        If it is no table.
    ValueError
        If names are not one a column.
    """
    if isinstance(X, Table):
        return X
    if isinstance(X, pa.RecordBatch):
        X = pa.Table.from_batches([X])
    if isinstance(X, Mapping):
        return _of_mapping(X, owner)
    if isinstance(X, np.ndarray):
        return _of_array(X, names, owner)
    try:
        frame = nw.from_native(X, eager_only=True)
    except TypeError as error:
        kind = type(X).__name__
        cure = "Call collect() first." if "Lazy" in kind else "Convert it to one of these."
        raise TypeError(
            f"{owner}: X must be a pandas or polars DataFrame, a pyarrow Table, a dict of arrays "
            f"or a 2D array, got {kind}. {cure}"
        ) from error
    columns = {
        str(name): lambda name=name: _native(frame.get_column(name)) for name in frame.columns
    }
    return Table(columns, frame.shape[0], owner=owner)


def _of_mapping(X: Mapping[str, Any], owner: str) -> Table:
    lengths = {str(name): len(column) for name, column in X.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{owner}: columns must have one length, got {lengths}. Cut or fill them.")
    columns = {str(name): lambda column=column: column for name, column in X.items()}
    return Table(columns, next(iter(lengths.values()), 0), owner=owner)


def _of_array(X: np.ndarray, names: list[str] | None, owner: str) -> Table:
    if X.dtype.names:
        fields = {name: lambda name=name: X[name] for name in X.dtype.names}
        return Table(fields, len(X), owner=owner)
    if X.ndim != 2:
        raise ValueError(
            f"{owner}: X must be a 2D array, got one of shape {X.shape}. "
            "Reshape your data: X.reshape(-1, 1) if it is one column."
        )
    names = [f"x{i}" for i in range(X.shape[1])] if names is None else names
    if len(names) != X.shape[1]:
        raise ValueError(
            f"{owner}: feature_names must name each column of X, got {len(names)} names for "
            f"{X.shape[1]} columns."
        )
    columns = {name: lambda i=i: X[:, i] for i, name in enumerate(names)}
    return Table(columns, len(X), owner=owner)


# ------------------------------------------------------------ one column
def _native(series: Any) -> Any:
    """A series as a NumPy array where that keeps all it says, else as an Arrow array."""
    dtype = series.dtype
    if dtype.is_float() or (dtype.is_numeric() and not series.null_count()):
        return series.to_numpy()
    return series.to_arrow()


def _values(column: Any, *, name: str, owner: str) -> Values:
    """A column as values, whatever it came as."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        if isinstance(column, pa.ChunkedArray):  # some types come back chunked
            column = pa.concat_arrays(column.chunks)
    if isinstance(column, pa.Array):
        return _of_arrow(column, name=name, owner=owner)
    if nw.dependencies.is_into_series(column):
        series = nw.from_native(column, series_only=True)
        return _values(_native(series), name=name, owner=owner)
    if not isinstance(column, np.ndarray) and not len(column):
        return Numbers(np.zeros(0), is_null=True)  # an empty list says nothing of its type
    if isinstance(column, list | tuple) and isinstance(column[0], str | bytes | None):
        return _of_objects(column, name=name, owner=owner)  # NumPy would copy text twice
    array = column if isinstance(column, np.ndarray) else _as_array(column)
    if array.dtype.kind in NUMBER_KINDS and array.ndim in (1, 2):
        return Numbers(array)
    if array.dtype.kind == "c":
        raise ValueError(
            f"{owner}: Complex data not supported, got column {name!r}. Pass its real and "
            "imaginary parts."
        )
    return _of_objects(array, name=name, owner=owner)


def _as_array(column: Any) -> np.ndarray:
    """A list of values, each of them an element: a list of lists is a column of lists."""
    if len(column) and isinstance(column[0], list | tuple):
        return _objects(column)
    array = np.asarray(column)
    return _objects(column) if array.dtype.kind in "SU" else array  # NumPy makes text of numbers


def _objects(column: Any) -> np.ndarray:
    array = np.empty(len(column), object)
    array[:] = column
    return array


def _of_objects(array: Any, *, name: str, owner: str) -> Values:
    """Python's objects, in an array or a list."""
    if isinstance(array, np.ndarray) and array.dtype.kind in "SUT":
        array = array.astype(object)
    text = Text.joined(array.tolist() if isinstance(array, np.ndarray) else array)
    if text is not None:
        return text
    try:
        return _of_arrow(_packed(array), name=name, owner=owner)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        some = array.ravel() if isinstance(array, np.ndarray) else array
        kinds = sorted({type(value).__name__ for value in some[:1000]})
        raise TypeError(
            f"{owner}: argument must be a string or a number in each row of a column, or lists of "
            f"them, got {', '.join(kinds)} in column {name!r}. Convert it to one type."
        ) from error


def _packed(array: Any) -> Any:
    """Python's objects in Arrow's buffers; strings without a pass that looks at all types first."""
    if any(isinstance(value, str) for value in array[:100]):
        with suppress(pa.ArrowInvalid, pa.ArrowTypeError):  # other types are among them
            return pa.array(array, pa.large_string(), from_pandas=True)
    return pa.array(array, from_pandas=True)


def _missing(array: pa.Array) -> np.ndarray:
    """Rows that are null, as an array; empty if none is."""
    if not array.null_count:
        return np.zeros(0, np.bool_)
    return np.asarray(pc.is_null(array).to_numpy(zero_copy_only=False))


def _of_arrow(array: pa.Array, *, name: str, owner: str) -> Any:
    kind = array.type
    if any(getattr(pa.types, f"is_{text}")(kind) for text in TEXT_TYPES):
        return _text(array)
    if pa.types.is_dictionary(kind):
        return _categories(array, name=name, owner=owner)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        offsets = array.offsets.to_numpy().astype(np.int64)
        if array.null_count:  # a null row may hide items
            array = pa.LargeListArray.from_arrays(
                np.r_[0, np.cumsum(pc.fill_null(pc.list_value_length(array), 0))].astype(np.int64),
                array.flatten(),
            )
            offsets = array.offsets.to_numpy().astype(np.int64)
        items = _of_arrow(array.values, name=name, owner=owner)
        return _trimmed(offsets, items)
    if pa.types.is_fixed_size_list(kind):
        flat = array.flatten().to_numpy(zero_copy_only=False)
        return Numbers(flat.reshape(len(array), kind.list_size))
    return _numbers(array, name=name, owner=owner)


def _trimmed(offsets: np.ndarray, items: Any) -> Lists:
    """Lists whose items start at 0 and end with the last row."""
    if offsets[0] == 0 and offsets[-1] == len(items):
        return Lists(offsets, items)
    own = np.arange(offsets[0], offsets[-1])
    return Lists(offsets - offsets[0], items.take(own))


def _numbers(array: pa.Array, *, name: str, owner: str) -> Numbers:
    kind, missing = array.type, _missing(array)
    if pa.types.is_null(kind):
        return Numbers(np.full(len(array), np.nan), is_null=True)
    if pa.types.is_timestamp(kind):
        if kind.tz is not None:
            array = pc.local_timestamp(array)  # the hour that the clock showed
        return Numbers(array.to_numpy(zero_copy_only=False))
    if pa.types.is_date(kind):
        return Numbers(array.cast(pa.timestamp("s")).to_numpy(zero_copy_only=False))
    if pa.types.is_decimal(kind):
        array = array.cast(pa.float64())
    elif not (pa.types.is_primitive(kind) or pa.types.is_boolean(kind)):
        raise TypeError(
            f"{owner}: columns must hold numbers, text, times or lists of them, got {kind} in "
            f"{name!r}. Convert it."
        )
    is_integer = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    if len(missing) and is_integer:
        array = pc.fill_null(array, pa.scalar(False if pa.types.is_boolean(kind) else 0, kind))
        return Numbers(array.to_numpy(zero_copy_only=False), missing)
    return Numbers(array.to_numpy(zero_copy_only=False))


def _text(array: pa.Array) -> Text:
    missing = _missing(array)
    if pa.types.is_fixed_size_binary(array.type):
        array = array.cast(pa.binary())
    is_large = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    dtype: Any = np.int64 if is_large else np.int32
    _, offsets, data = array.buffers()
    if offsets is None:
        return Text(np.zeros(len(array) + 1, np.int64), np.zeros(0, np.uint8), missing)
    own = np.frombuffer(offsets, dtype)[array.offset : array.offset + len(array) + 1]
    held = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return Text(own.astype(np.int64, copy=False), held, missing)


def _categories(array: pa.DictionaryArray, *, name: str, owner: str) -> Values:
    levels = _of_arrow(array.dictionary, name=name, owner=owner)
    codes = array.indices
    if codes.null_count:
        codes = pc.fill_null(codes.cast(pa.int64()), -1)
    own = codes.to_numpy(zero_copy_only=False).astype(np.int32)
    if isinstance(levels, Text) and not len(levels.missing):
        return Categories(own, levels)
    if isinstance(levels, Numbers) and not np.isnan(levels.floats).any():
        return Categories(own, levels)
    raise TypeError(
        f"{owner}: categories must be text or numbers, none of them missing, got {array.type} in "
        f"{name!r}. Convert the column."
    )
