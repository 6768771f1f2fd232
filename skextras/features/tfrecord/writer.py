"""Tables as files of tf.train.Example and SequenceExample."""

import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import numpy as np
import pyarrow as pa

from skextras.features.tfrecord import encoding
from skextras.features.tfrecord.blocks import WINDOW_BITS
from skextras.features.tfrecord.checksums import masked_crc32c
from skextras.features.tfrecord.index import SUFFIX
from skextras.features.tfrecord.rows import Rows, as_table
from skextras.features.tfrecord.shards import shard_name

AT_ONCE = 8192  # rows


class TFRecordWriter:
    """Write a TFRecord file, without TensorFlow.

    Use it in a ``with`` block: the file gets its name when the block ends, and is not there if the
    block fails.

    Integers and booleans become int64 lists; floats become float lists, rounded to float32;
    strings, binaries and categories become bytes lists. A list is a feature of its values. A null
    is a feature left out.

    Parameters
    ----------
    path : str or PathLike
        The file to write.
    compression : {"gzip", "zlib", None}, default=None
        How it is compressed.
    sequences : sequence of str, default=()
        Columns that become feature lists of SequenceExamples: lists with an item for each step,
        which is a value or a list of values.
    index : bool, default=False
        Whether an index is written beside it (see ``write_index``); not for compressed files.

    Attributes
    ----------
    n_records : int
        Records written.

    References
    ----------
    .. [1] TensorFlow, "TFRecord and tf.train.Example", tensorflow.org/tutorials/load_data/tfrecord.

    Examples
    --------
    >>> from skextras.features.tfrecord import TFRecordReader, TFRecordWriter
    >>> with TFRecordWriter("numbers.tfrecord") as writer:
    ...     writer.write({"x": [1, 2]})
    ...     writer.write({"x": [3]})
    >>> TFRecordReader("numbers.tfrecord").read()["x"].to_pylist()
    [1, 2, 3]
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        compression: Literal["gzip", "zlib"] | None = None,
        sequences: Sequence[str] = (),
        index: bool = False,
    ) -> None:
        if compression not in (None, *WINDOW_BITS):
            raise ValueError(
                f"TFRecordWriter: compression must be 'gzip', 'zlib' or None, got {compression!r}."
            )
        if isinstance(sequences, str):
            raise TypeError(
                f"TFRecordWriter: sequences must be several names, got {sequences!r}. "
                f"Write [{sequences!r}]."
            )
        if index and compression:
            raise ValueError(
                f"TFRecordWriter: index must be False for a compressed file, got True and "
                f"{compression!r}. Random access needs a plain file."
            )
        self.path, self.compression = os.fspath(path), compression
        self.sequences, self.index, self.n_records = tuple(sequences), index, 0
        bits = WINDOW_BITS[compression] if compression else 0
        self._stream: Any = zlib.compressobj(wbits=bits) if compression else None
        self._partial = f"{self.path}.partial"
        self._file: BinaryIO | None = open(self._partial, "wb")  # noqa: SIM115  # until close
        self._offset, self._lines = 0, list[str]()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()

    def write(self, data: Any) -> None:
        """Write the rows of a table.

        Parameters
        ----------
        data : Table, RecordBatch, DataFrame, dict of columns, or list of dicts
            A record for each row. Columns of a dict may be two-dimensional arrays.

        Raises
        ------
        TypeError
            If a column is of a type that TFRecord does not hold.
        ValueError
            If a list holds a null, or an integer is beyond int64.
        """
        table = as_table(data)
        for batch in table.to_batches(AT_ONCE):
            rows = Rows(batch, self.sequences)
            n = rows.n
            maps, sizes = np.empty((n, 2), np.int64), np.empty((n, len(rows.table)), np.int64)
            ends = np.empty(n + 1, np.int64)
            encoding.measure(rows.table, n, maps, sizes, ends)
            out = np.empty(ends[-1], np.uint8)
            encoding.write(rows.table, rows.text, maps, sizes, ends, out)
            self._put(out, ends)

    def write_serialized(self, record: bytes) -> None:
        """Write one record as it is.

        Parameters
        ----------
        record : bytes
            A serialized message, or anything else.
        """
        length = struct.pack("<Q", len(record))
        parts = [length, _crc(length), record, _crc(record)]
        frame: np.ndarray = np.frombuffer(b"".join(parts), np.uint8)
        self._put(frame, np.array([0, len(frame)]))

    def close(self) -> None:
        """Finish the file, and give it its name; nothing happens the second time."""
        if self._file is None:
            return
        if self._stream is not None:
            self._file.write(self._stream.flush())
        self._file.close()
        self._file = None
        os.replace(self._partial, self.path)
        if self.index:
            with open(f"{self.path}{SUFFIX}", "w", encoding="ascii") as file:
                file.writelines(self._lines)

    def _abandon(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            os.remove(self._partial)

    def _put(self, frames: np.ndarray, ends: np.ndarray) -> None:
        if self._file is None:
            raise ValueError(
                f"TFRecordWriter: {self.path} must be open to be written to, got it closed. "
                "Write within the with block."
            )
        data = frames.data
        self._file.write(data if self._stream is None else self._stream.compress(data))
        self.n_records += len(ends) - 1
        if self.index:
            places = zip(ends[:-1] + self._offset, np.diff(ends), strict=True)
            self._lines += [f"{offset} {size}\n" for offset, size in places]
        self._offset += len(frames)


def _crc(data: bytes) -> bytes:
    return struct.pack("<I", masked_crc32c(np.frombuffer(bytearray(data), np.uint8)))


def write_tfrecord(
    path: str | os.PathLike[str],
    data: Any,
    *,
    n_shards: int = 1,
    compression: Literal["gzip", "zlib"] | None = None,
    sequences: Sequence[str] = (),
    index: bool = False,
) -> list[str]:
    """Write a table, or batches of rows, as TFRecord files.

    Parameters
    ----------
    path : str or PathLike
        The file; with several shards the beginning of their names.
    data : table, or iterable of tables
        See ``TFRecordWriter.write``. Rows of a table go to shards in order, as many to each;
        batches go to shards in turn.
    n_shards : int, default=1
        How many files. From 2 on they are named path-00000-of-00002 and so on.
    compression : {"gzip", "zlib", None}, default=None
        How they are compressed.
    sequences : sequence of str, default=()
        Columns that become feature lists.
    index : bool, default=False
        Whether an index is written beside each file.

    Returns
    -------
    list of str
        Names of the files.

    Raises
    ------
    TypeError
        If a column is of a type that TFRecord does not hold.
    ValueError
        If an option is none of those.

    Examples
    --------
    >>> from skextras.features.tfrecord import write_tfrecord
    >>> write_tfrecord("x.tfrecord", {"x": [1.5, 2.5]}, n_shards=2)
    ['x.tfrecord-00000-of-00002', 'x.tfrecord-00001-of-00002']
    """
    if isinstance(n_shards, bool) or not isinstance(n_shards, int) or n_shards < 1:
        raise ValueError(f"write_tfrecord: n_shards must be an integer >= 1, got {n_shards!r}.")
    own = os.fspath(path)
    names = [own] if n_shards == 1 else [shard_name(own, k, n_shards) for k in range(n_shards)]
    writers: list[TFRecordWriter] = []
    try:
        for name in names:
            writers.append(
                TFRecordWriter(name, compression=compression, sequences=sequences, index=index)
            )
        for number, part in enumerate(_parts(data, n_shards)):
            writers[number % n_shards].write(part)
    except BaseException:
        for writer in writers:
            writer._abandon()
        raise
    for writer in writers:
        writer.close()
    return names


def _parts(data: Any, n_shards: int) -> Iterator[Any]:
    """A part of a table for each shard, or the batches."""
    is_stream = hasattr(data, "__arrow_c_stream__") or isinstance(data, Mapping | pa.RecordBatch)
    is_rows = isinstance(data, list | tuple) and all(isinstance(row, dict) for row in data)
    if isinstance(data, Iterable) and not is_stream and not is_rows:
        yield from data
        return
    table = as_table(data)
    for k in range(n_shards):
        begin, end = (len(table) * each // n_shards for each in (k, k + 1))
        yield table.slice(begin, end - begin)
