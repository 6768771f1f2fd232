"""Rows of a table, laid out for the kernels that write them."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from skextras.features.tfrecord import encoding
from skextras.features.tfrecord.schema import Column
from skextras.features.tfrecord.wire import BYTES, FLOAT, INT64
from skextras.trees.memory import address_of

_STORED = {INT64: pa.int64(), FLOAT: pa.float32(), BYTES: pa.large_binary()}


def as_table(data: Any) -> pa.Table:
    """Arrow table of what users hand in.

    Parameters
    ----------
    data : Table, RecordBatch, DataFrame, dict of columns, list of dicts, or Arrow stream
        The rows.

    Returns
    -------
    Table
        The same rows.

    Raises
    ------
    TypeError
        If it is none of these.
    """
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if isinstance(data, Mapping):
        return pa.table({name: _as_array(column) for name, column in data.items()})
    if isinstance(data, list | tuple) and all(isinstance(row, dict) for row in data):
        return pa.Table.from_pylist(list(data))
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return pa.Table.from_pandas(data, preserve_index=False)
    if hasattr(data, "__arrow_c_stream__"):
        return pa.table(data)
    raise TypeError(
        "TFRecordWriter: data must be a pyarrow, pandas or polars table, a dict of columns or a "
        f"list of dicts, got {type(data).__name__}."
    )


def _as_array(column: Any) -> Any:
    if isinstance(column, np.ndarray) and column.ndim == 2:
        flat = pa.array(np.ascontiguousarray(column).ravel())
        return pa.FixedSizeListArray.from_arrays(flat, column.shape[1])
    return column


class Rows:
    """A batch, column by column, as addresses.

    Parameters
    ----------
    batch : RecordBatch
        The rows.
    sequences : sequence of str
        Columns that become feature lists.

    Attributes
    ----------
    n : int
        Number of rows.
    table : int64 array of shape (n_columns, SLOTS)
        See ``encoding``; features come first.
    text : uint8 array
        Names of the columns.
    """

    def __init__(self, batch: pa.RecordBatch, sequences: Sequence[str]) -> None:
        unknown = sorted(set(sequences) - set(batch.schema.names))
        if unknown:
            raise ValueError(
                f"TFRecordWriter: sequences must name columns of the table, got {unknown}. "
                f"It has {batch.schema.names}."
            )
        twice = sorted({own for own in batch.schema.names if batch.schema.names.count(own) > 1})
        if twice:
            raise ValueError(f"TFRecordWriter: names must be different, got {twice} twice.")
        names = [name for name in batch.schema.names if name not in sequences] + list(sequences)
        keys = [name.encode() for name in names]
        ends = np.cumsum([0, *map(len, keys)])
        self.n = len(batch)
        self.text: np.ndarray = np.frombuffer(bytearray(b"".join(keys)), np.uint8)
        self.table: np.ndarray = np.zeros((len(names), encoding.SLOTS), np.int64)
        self.table[:, encoding.KEY], self.table[:, encoding.KEY_END] = ends[:-1], ends[1:]
        self._kept: list[Any] = []  # what the table holds the addresses of
        for own, name in zip(self.table, names, strict=True):
            self._lay_out(own, _decoded(batch[name]), name, name in sequences)

    def _lay_out(self, own: np.ndarray, array: pa.Array, name: str, is_sequence: bool) -> None:
        values = Column.of(pa.field(name, array.type), is_sequence).values
        own[encoding.KIND] = values.kind
        is_there = np.ones(self.n, np.uint8)
        if array.null_count:
            is_there = np.asarray(array.is_valid()).astype(np.uint8)
        own[encoding.IS_THERE] = self._address(is_there)
        stored = _STORED[values.kind]
        kind = stored if values.is_scalar else pa.large_list(stored)
        array = _cast(array, pa.large_list(kind) if is_sequence else kind, name)
        _refuse_nulls(array, name)
        if is_sequence:
            own[encoding.STEPS] = self._address(np.ascontiguousarray(array.offsets))
            array = array.values
        if values.is_scalar:
            base = np.arange(len(array) + 1)
        else:
            base, array = np.ascontiguousarray(array.offsets), array.values
        own[encoding.BASE] = self._address(base)
        own[encoding.N_VALUES] = len(array)
        if values.kind == BYTES:
            self._lay_out_strings(own, array)
        else:
            filled = array.fill_null(0) if array.null_count else array
            own[encoding.DATA] = self._address(np.ascontiguousarray(filled))

    def _lay_out_strings(self, own: np.ndarray, array: pa.Array) -> None:
        _, offsets, data = array.buffers()
        places: np.ndarray = np.zeros(1, np.int64)
        if offsets is not None and len(array):
            places = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
        own[encoding.OFFSETS] = self._address(places)
        own[encoding.N_BYTES] = places[-1]
        self._kept.append(data)
        own[encoding.DATA] = data.address if data is not None else 0

    def _address(self, array: np.ndarray) -> int:
        self._kept.append(array)
        return address_of(array)


def _decoded(array: pa.Array) -> pa.Array:
    """Categories as what they stand for."""
    if not pa.types.is_dictionary(array.type):
        return array
    levels = array.dictionary
    if pa.types.is_string_view(levels.type):  # of polars; Arrow has no ``take`` for them
        levels = levels.cast(pa.large_string())
    return levels.take(array.indices)


def _cast(array: pa.Array, kind: pa.DataType, name: str) -> pa.Array:
    try:
        return array.cast(kind, safe=not _is_rounded(kind))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as e:
        raise ValueError(
            f"TFRecordWriter: column {name!r} of type {array.type} must fit {kind}, got {e}. "
            "Cast it first."
        ) from e


def _is_rounded(kind: pa.DataType) -> bool:
    """Whether values are floats, which are rounded to float32."""
    while pa.types.is_large_list(kind):
        kind = kind.value_type
    return bool(pa.types.is_floating(kind))


def _refuse_nulls(array: pa.Array, name: str) -> None:
    """(What lies under a row that is null may be anything: nobody reads it.)"""
    while pa.types.is_large_list(array.type):
        array = array.flatten()
        if array.null_count:
            raise ValueError(
                f"TFRecordWriter: lists of column {name!r} must hold no nulls, "
                f"got {array.null_count}. Fill or drop them: a feature holds values only."
            )
