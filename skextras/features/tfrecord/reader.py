"""Files of tf.train.Example and SequenceExample as batches of Arrow columns."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, Self, get_args

import numpy as np
import pyarrow as pa

from skextras.features.tfrecord import keys
from skextras.features.tfrecord.blocks import COMPRESSIONS
from skextras.features.tfrecord.damage import CorruptRecordError, Damage
from skextras.features.tfrecord.decoding import Decoder, FeatureError
from skextras.features.tfrecord.index import RecordIndex, has_index
from skextras.features.tfrecord.inference import Sample
from skextras.features.tfrecord.records import RecordFile, Records
from skextras.features.tfrecord.schema import as_schema, columns_of
from skextras.features.tfrecord.shards import files_of
from skextras.features.tfrecord.surveying import MalformedError

OnError = Literal["raise", "skip"]
_MALFORMED = "the data are no tf.train.Example or SequenceExample"


class TFRecordReader:
    """Batches of Arrow columns from TFRecord files, without TensorFlow.

    Iterating yields a ``pyarrow.RecordBatch`` for every ``batch_size`` records, in the order of the
    files and of the records in them; a batch holds records of one file. It may be iterated again,
    and is a table for whatever takes Arrow's streams (``pyarrow.table(reader)``,
    ``polars.DataFrame(reader)``).

    A record is parsed by the rules of protocol buffers: unknown fields are passed over, a later
    entry of the same name and a later list of another kind replace an earlier one, lists of the
    same kind in one feature follow one another, packed or not. CRCs are CRC-32C, masked [1]_.

    Parameters
    ----------
    paths : str, PathLike, or iterable of these
        Files, or patterns such as "train-?????-of-?????"; a set of shards must be complete.
    schema : Schema or dict of str to DataType, default=None
        Features to read. A scalar type reads a feature of one value, ``list_(type)`` any number,
        ``list_(type, n)`` exactly n. Integers and booleans are stored as int64, floats as float32,
        strings and binaries as bytes; other widths are cast, with an error where a value does not
        fit. A feature that a record lacks is null, or an error where the field is not nullable.
        None infers the schema from the first records.
    sequence_schema : Schema or dict of str to DataType, default=None
        Feature lists of SequenceExamples to read: ``list_(type)`` for one value a step,
        ``list_(list_(type))`` for any number. ``schema`` then means the context. Where
        ``schema`` is None, both are inferred.
    batch_size : int, default=8192
        Records of a batch; fewer at the end of a file, before a damaged record, and beyond a
        gigabyte.
    compression : {"infer", "gzip", "zlib", None}, default="infer"
        How files are compressed; "infer" looks at the first bytes of each.
    check_crc : bool, default=True
        Whether lengths and data are compared with their CRCs.
    on_error : {"raise", "skip"}, default="raise"
        What happens at a damaged record: an error that names it, or going on at the next intact
        one. Features that differ from the schema are errors in either case.
    n_inferred : int, default=1000
        Records that a schema is inferred from; None takes the whole first file.

    Attributes
    ----------
    files : tuple of str
        The files, in the order in which they are read.
    schema : Schema
        Of the batches.
    damages : list of Damage
        What the latest iteration left out (``on_error="skip"``).

    References
    ----------
    .. [1] TensorFlow, "TFRecord and tf.train.Example", tensorflow.org/tutorials/load_data/tfrecord,
       section "TFRecords format details".

    Examples
    --------
    >>> import pyarrow as pa
    >>> from skextras.features.tfrecord import TFRecordReader, write_tfrecord
    >>> _ = write_tfrecord("people.tfrecord", {"age": [31, 47], "name": ["Ada", "Max"]})
    >>> reader = TFRecordReader("people.tfrecord")
    >>> pa.table(reader).to_pydict()
    {'age': [31, 47], 'name': ['Ada', 'Max']}
    """

    def __init__(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        schema: Any = None,
        *,
        sequence_schema: Any = None,
        batch_size: int = 8192,
        compression: Literal["infer", "gzip", "zlib"] | None = "infer",
        check_crc: bool = True,
        on_error: OnError = "raise",
        n_inferred: int | None = 1000,
    ) -> None:
        _check_options(batch_size, compression, on_error, n_inferred)
        self.files = files_of(paths)
        self.batch_size, self.compression = int(batch_size), compression
        self.check_crc, self.on_error = check_crc, on_error
        self.damages: list[Damage] = []
        self._counts: dict[str, int] = {}
        if schema is None:
            own, lists = self._inferred(n_inferred)
        else:
            own, lists = as_schema(schema, "schema"), None
        if sequence_schema is not None:
            lists = as_schema(sequence_schema, "sequence_schema")
        self._columns = columns_of(own, lists)
        self.schema: pa.Schema = pa.schema([column.field for column in self._columns])

    # ------------------------------------------------------------ reading all
    def __iter__(self) -> Iterator[pa.RecordBatch]:
        damages: list[Damage] = []
        self.damages = damages
        decoder = Decoder(self._columns)
        for path in self.files:
            n, n_damaged = 0, len(damages)
            file = self._opened(path, damages)
            for records in file.batches(self.batch_size):
                batch = self._decoded(decoder, path, records, damages)
                n += len(batch)
                if len(batch):
                    yield batch
            if len(damages) == n_damaged:
                self._counts[path] = n

    def __len__(self) -> int:
        """Number of batches, where it is known: from indexes, or once all files were read whole."""
        return sum(-(-count // self.batch_size) for count in self._known_counts())

    def __bool__(self) -> bool:
        return True  # not by length, which may be unknown

    @property
    def n_records(self) -> int:
        """Number of records of all files.

        Returns
        -------
        int
            From the indexes, or from an iteration that read all without damage.

        Raises
        ------
        TypeError
            If it is not known.
        """
        return sum(self._known_counts())

    def _known_counts(self) -> list[int]:
        for path in self.files:
            if path not in self._counts and has_index(path):
                self._counts[path] = len(RecordIndex.load(path))
            if path not in self._counts:
                raise TypeError(
                    f"TFRecordReader: the number of records must be known, got {path} without an "
                    f"index. Run write_index({path!r}), or iterate once without damage."
                )
        return [self._counts[path] for path in self.files]

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        stream = pa.RecordBatchReader.from_batches(self.schema, iter(self))
        return stream.__arrow_c_stream__(requested_schema)

    def read(self) -> pa.Table:
        """Read all records.

        Returns
        -------
        Table
            A row for each record.

        Raises
        ------
        CorruptRecordError
            If a record is damaged and ``on_error="raise"``.
        ValueError
            If a feature differs from the schema.
        """
        return pa.Table.from_batches(list(iter(self)), self.schema)

    def shuffled(self, seed: int | np.random.Generator) -> Self:
        """The same reader with its files in random order.

        Parameters
        ----------
        seed : int or Generator
            The order follows from it; take another seed for each epoch.

        Returns
        -------
        TFRecordReader
            A new reader, in the same order each time it is iterated.
        """
        order = np.random.default_rng(seed).permutation(len(self.files))
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.files, other.damages = tuple(self.files[k] for k in order), []
        return other

    # ------------------------------------------------------------ reading some
    def take(self, rows: Sequence[int] | np.ndarray) -> pa.Table:
        """Read some records by number, which needs an index beside each file.

        Parameters
        ----------
        rows : sequence of int
            Numbers of records, counted over all files in their order; any order, repeated or not.

        Returns
        -------
        Table
            A row for each number.

        Raises
        ------
        IndexError
            If a number is negative, or there are not so many records.
        FileNotFoundError
            If a file has no index: run ``write_index``.
        CorruptRecordError
            If a record is damaged, whatever ``on_error`` is.
        ValueError
            If an index belongs to another file.
        """
        wanted: np.ndarray = np.asarray(rows, np.int64).reshape(-1)
        indexes = [RecordIndex.load(path) for path in self.files]
        starts = np.cumsum([0, *map(len, indexes)])
        if len(wanted) and not (wanted.min() >= 0 and wanted.max() < starts[-1]):
            raise IndexError(
                f"TFRecordReader: rows must be in [0, {starts[-1]}), got {wanted.min()} to "
                f"{wanted.max()}. Count from 0."
            )
        owner = np.searchsorted(starts, wanted, "right") - 1
        decoder, parts, order = Decoder(self._columns), [], [np.empty(0, np.int64)]
        for k, index in enumerate(indexes):
            [places] = np.nonzero(owner == k)
            for some in np.split(places, range(self.batch_size, len(places), self.batch_size)):
                if len(some):
                    own = wanted[some] - starts[k]
                    parts.append(self._taken(decoder, index, own))
                    order.append(some)
        table = pa.Table.from_batches(parts, self.schema)
        return table.take(np.argsort(np.concatenate(order)))

    def _taken(self, decoder: Decoder, index: RecordIndex, rows: np.ndarray) -> pa.RecordBatch:
        buffer, bounds = index.fetch(rows, self.check_crc)
        try:
            return decoder.decode(buffer, bounds)
        except MalformedError as e:
            row = int(rows[e.rows[0]])
            raise CorruptRecordError(
                Damage(index.path, row, int(index.offsets[row]), _MALFORMED)
            ) from e
        except FeatureError as e:
            row = int(rows[e.row])
            raise _refused(e, Damage(index.path, row, int(index.offsets[row]), "")) from e

    # ------------------------------------------------------------ one file
    def _opened(self, path: str, damages: list[Damage]) -> RecordFile:
        def on_damage(damage: Damage) -> None:
            if self.on_error == "raise":
                raise CorruptRecordError(damage)
            damages.append(damage)

        return RecordFile(
            path, compression=self.compression, check_crc=self.check_crc, on_damage=on_damage
        )

    def _decoded(
        self, decoder: Decoder, path: str, records: Records, damages: list[Damage]
    ) -> pa.RecordBatch:
        """Decode records; leave out what is no message if that is asked for."""
        bounds = records.bounds
        numbers = np.arange(bounds.shape[1])
        while True:
            try:
                return decoder.decode(records.buffer, np.ascontiguousarray(bounds[:, numbers]))
            except MalformedError as e:
                found = [records.damage(path, int(numbers[row]), _MALFORMED) for row in e.rows]
                if self.on_error == "raise":
                    raise CorruptRecordError(found[0]) from e
                damages += found
                numbers = np.delete(numbers, e.rows)
            except FeatureError as e:
                place = records.damage(path, int(numbers[e.row]), "")
                raise _refused(e, place) from e

    def _inferred(self, n_records: int | None) -> tuple[pa.Schema, pa.Schema]:
        """Schemas of features and feature lists, from the first file that holds records."""
        for path in self.files:
            file = self._opened(path, [])
            for records in file.batches(n_records or 1 << 20):
                sample = Sample(records.buffer, records.bounds)
                try:
                    return sample.schema(keys.FEATURES), sample.schema(keys.FEATURE_LISTS)
                except MalformedError as e:
                    damage = records.damage(path, int(e.rows[0]), _MALFORMED)
                    raise CorruptRecordError(damage) from e
        raise ValueError(
            f"TFRecordReader: schema must be given where there is nothing to infer it from, got no "
            f"record in {', '.join(self.files[:3])}. Pass schema={{'age': pyarrow.int64()}}."
        )


def _refused(error: FeatureError, place: Damage) -> ValueError:
    return ValueError(
        f"TFRecordReader: {error} It is record {place.record} at byte {place.offset} of "
        f"{place.path}."
    )


def _check_options(
    batch_size: int, compression: Any, on_error: str, n_inferred: int | None
) -> None:
    counts = {"batch_size": batch_size}
    if n_inferred is not None:
        counts["n_inferred"] = n_inferred
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int | np.integer):
            raise TypeError(f"TFRecordReader: {name} must be an integer, got {count!r}.")
        if count < 1:
            raise ValueError(f"TFRecordReader: {name} must be at least 1, got {count}.")
    for name, value, known in (
        ("compression", compression, COMPRESSIONS),
        ("on_error", on_error, get_args(OnError)),
    ):
        if value not in known:
            raise ValueError(f"TFRecordReader: {name} must be one of {known}, got {value!r}.")
