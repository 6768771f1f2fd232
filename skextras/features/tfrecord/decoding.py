"""From bytes of records to Arrow columns."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from skextras.features.tfrecord import keys, passes
from skextras.features.tfrecord.schema import NAMES, RAGGED, STORED, Column, Values
from skextras.features.tfrecord.surveying import (
    SIZES,
    Located,
    MalformedError,
    Scratch,
    Search,
    Survey,
    steps_of,
    surveyed,
)
from skextras.features.tfrecord.values import MALFORMED, OTHER_KIND
from skextras.features.tfrecord.wire import BYTES


class FeatureError(Exception):
    """A record's feature is not what the schema says.

    Parameters
    ----------
    row : int
        Its place among the records that were decoded.
    complaint : str
        What is wrong and what to do about it.
    """

    def __init__(self, row: int, complaint: str) -> None:
        super().__init__(complaint)
        self.row = row


class Decoder:
    """Turns records into columns; one for each thread, since its working memory is used again.

    Parameters
    ----------
    columns : sequence of Column
        What to read.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self.schema = pa.schema([column.field for column in columns])
        self._maps = [
            (container, own, keys.Keys.of([column.field.name for column in own]))
            for container, is_sequence in ((keys.FEATURES, False), (keys.FEATURE_LISTS, True))
            if (own := [column for column in columns if column.is_sequence is is_sequence])
        ]
        self._scratch = Scratch()

    def decode(self, buffer: np.ndarray, bounds: np.ndarray) -> pa.RecordBatch:
        """Decode records.

        Parameters
        ----------
        buffer : uint8 array
            Holds the records.
        bounds : int32 array of shape (2, n)
            Where each begins and ends.

        Returns
        -------
        RecordBatch
            A row for each record.

        Raises
        ------
        MalformedError
            If some records are no such messages.
        FeatureError
            If a feature is of another kind or length than declared, or missing though it must not
            be.
        """
        n = bounds.shape[1]
        arrays = []
        for container, columns, names in self._maps:
            search = Search(bounds, container, names.columns)
            spans = self._scratch.array("spans", (n, len(columns), 2), np.int32)
            if container == keys.FEATURES:
                read = _features(Located(buffer, spans, self._scratch, None), columns, search)
            else:
                surveyed(Located(buffer, spans, self._scratch, None), (), search)
                read = [_sequence(buffer, spans, k, own) for k, own in enumerate(columns)]
            for column, (array, missing) in zip(columns, read, strict=True):
                if missing is not None and not column.field.nullable:
                    raise _lacking(column, missing)
                arrays.append(array)
        if not arrays:
            return pa.RecordBatch.from_struct_array(pa.array([{}] * n, pa.struct([])))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


_FOUND = Search(np.empty((2, 0), np.int32), keys.FEATURES, keys.Keys.of([]).columns)


def _sequence(
    buffer: np.ndarray, spans: np.ndarray, k: int, column: Column
) -> tuple[pa.Array, np.ndarray | None]:
    """(a list with an item for each step, where it is missing)"""
    n = len(spans)
    base, steps = steps_of(buffer, spans, k)
    located = Located(buffer, steps, Scratch(), np.repeat(np.arange(n), np.diff(base)))
    [(items, _)] = _features(located, [column], _FOUND)
    missing = spans[:, k, 1] == 0  # (an empty list of steps lies somewhere)
    buffers = [_bitmap(missing), pa.py_buffer(base.astype(np.int32))]
    array = pa.Array.from_buffers(pa.list_(items.type), n, buffers, children=[items])
    declared = _as_declared(array, column, column.field.type, located)
    return declared, missing if missing.any() else None


def _features(
    located: Located, columns: Sequence[Column], search: Search
) -> list[tuple[pa.Array, np.ndarray | None]]:
    """(a value or a list for each row, where it is missing) of each column"""
    n, found = len(located.spans), surveyed(located, columns, search)
    missing = [
        _missing(located, column, found.counts[k], found.is_bad[k])
        if found.table[k, passes.N_ODD]
        else None
        for k, column in enumerate(columns)
    ]
    memory = [_allocated(found, k, column.values, n) for k, column in enumerate(columns)]
    passes.collect(located.buffer, located.spans, found.table)
    arrays = [
        _as_declared(_assembled(found.base[k], parts, own.values, n, gaps), own, None, located)
        for k, (parts, own, gaps) in enumerate(zip(memory, columns, missing, strict=True))
    ]
    return list(zip(arrays, missing, strict=True))


def _allocated(found: Survey, k: int, values: Values, n: int) -> list[pa.Buffer]:
    """Memory for all values of a column, which ``collect`` fills."""
    own, memory = found.table[k], found.memory[k]
    size = int(found.base[k, n]) if values.width == RAGGED else n * values.width
    if values.kind != BYTES:
        if memory is None:
            memory = pa.allocate_buffer(size * SIZES[values.kind])
            own[passes.DATA] = memory.address
        return [memory]
    ends, data = pa.allocate_buffer(4 * (size + 1)), pa.allocate_buffer(int(found.places[k, n]))
    np.frombuffer(ends, np.int32, 1)[0] = 0
    own[passes.DATA], own[passes.ENDS] = data.address, ends.address + 4
    return [ends, data]


def _assembled(
    base: np.ndarray,
    memory: list[pa.Buffer],
    values: Values,
    n: int,
    missing: np.ndarray | None,
) -> pa.Array:
    """A row for each record."""
    bitmap = None if missing is None else _bitmap(missing)
    if values.is_scalar:
        return pa.Array.from_buffers(STORED[values.kind], n, [bitmap, *memory])
    size = int(base[n]) if values.width == RAGGED else n * values.width
    child = pa.Array.from_buffers(STORED[values.kind], size, [None, *memory])
    parts = [bitmap]
    if values.width == RAGGED:
        parts.append(pa.py_buffer(base.astype(np.int32)))
    return pa.Array.from_buffers(values.stored, n, parts, children=[child])


def _missing(
    located: Located, column: Column, counts: np.ndarray, is_bad: np.ndarray
) -> np.ndarray | None:
    """Where the feature is not there; refuse what is wrong."""
    rows = np.flatnonzero(is_bad == MALFORMED)
    if len(rows):
        raise MalformedError(rows if located.owner is None else np.unique(located.owner[rows]))
    values = column.values
    other = is_bad == OTHER_KIND
    if other.any():
        raise FeatureError(
            located.record(int(other.argmax())),
            f"feature {column.field.name!r} must be of kind {NAMES[values.kind]} to be read "
            f"as {column.field.type}, got another. Correct its type in the schema.",
        )
    missing = counts < (0 if values.width == RAGGED else min(values.width, 1))
    wrong = (counts != values.width) & ~missing & (values.width != RAGGED)
    if wrong.any():
        row = int(wrong.argmax())
        own = values.declared
        item = own if values.is_scalar else own.value_type
        raise FeatureError(
            located.record(row),
            f"feature {column.field.name!r} must hold exactly {values.width} to be read as {own}, "
            f"got {counts[row]}. For any number declare it pyarrow.list_(pyarrow.{item}()).",
        )
    return missing if missing.any() else None


def _lacking(column: Column, missing: np.ndarray) -> FeatureError:
    return FeatureError(
        int(missing.argmax()),
        f"feature {column.field.name!r} must be there (nullable=False in the schema), got none. "
        "Declare it nullable, or mend the record.",
    )


def _as_declared(
    array: pa.Array, column: Column, declared: pa.DataType | None, located: Located
) -> pa.Array:
    declared = column.values.declared if declared is None else declared
    if array.type == declared:
        return array
    try:
        return array.cast(declared)
    except pa.ArrowInvalid as e:
        row, reason = _first_refused(array, declared)
        raise FeatureError(
            located.record(row),
            f"feature {column.field.name!r} must be readable as {declared}, got {reason} "
            f"Declare it of type {array.type}.",
        ) from e


def _first_refused(array: pa.Array, declared: pa.DataType) -> tuple[int, str]:
    """First row that cannot be cast, and why, by halving."""
    first, last, reason = 0, len(array), ""
    while last > first:
        middle = (first + last) // 2
        try:  # (a slice of lists would be cast with the values of all of them)
            array.take(np.arange(first, middle + 1)).cast(declared)
            first = middle + 1
        except pa.ArrowInvalid as e:
            last, reason = middle, f"{str(e).rstrip('.')}."
    return first, reason


def _bitmap(missing: np.ndarray) -> pa.Buffer | None:
    """Arrow's validity: a bit for each row, 1 where it is there; None where nothing is missing."""
    if not missing.any():
        return None
    return pa.py_buffer(np.packbits(~missing, bitorder="little"))
