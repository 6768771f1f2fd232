"""Files are read as they were written; damage is named, or passed over and counted."""

import contextlib
import gzip
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import polars
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skextras.features.tfrecord import (
    CorruptRecordError,
    RecordIndex,
    TFRecordReader,
    blocks,
    write_index,
)
from tests.oracles import tfrecord as oracle
from tests.oracles.tfrecord import frame, put_example

# Three records, b"rec0", b"rec1" * 2 and b"rec2" * 3, written by TensorFlow 2.21.
GOLDEN = bytes.fromhex(
    "0400000000000000424552047265633"
    "05ae2a4d90800000000000000ff86240f72656331726563313e950d7c0c00000000000000f4c8fe0a"
    "72656332726563327265633280f45f42"
)
AGES = [31, 47, 5, 80, 16]
SCHEMA = pa.schema({"age": pa.int64(), "name": pa.string()})


def people(ages=AGES):
    return [put_example({b"age": ("int64", [n]), b"name": ("bytes", [b"x" * n])}) for n in ages]


def file_of(records, name="people.tfrecord"):
    Path(name).write_bytes(b"".join(map(frame, records)))
    return name


def ages(reader):
    return [age for batch in reader for age in batch["age"].to_pylist()]


def test_records_are_those_that_tensorflow_wrote():
    Path("golden.tfrecord").write_bytes(GOLDEN)
    Path("golden.tfrecord.gz").write_bytes(gzip.compress(GOLDEN))
    index = RecordIndex.build("golden.tfrecord")
    records = [GOLDEN[o + 12 : o + n - 4] for o, n in zip(index.offsets, index.sizes, strict=True)]
    assert records == [b"rec0", b"rec1rec1", b"rec2rec2rec2"] == oracle.frames(GOLDEN)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 100])
def test_batches_hold_the_records_in_order_every_time(batch_size):
    reader = TFRecordReader(file_of(people()), batch_size=batch_size)
    assert reader.schema == SCHEMA
    for _ in range(2):
        batches = list(reader)
        assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
        assert pa.Table.from_batches(batches)["age"].to_pylist() == AGES
    assert len(reader) == len(batches)
    assert reader.n_records == 5


def test_the_reader_is_a_table_for_libraries_of_arrow():
    reader = TFRecordReader(file_of(people()))
    assert pa.table(reader).equals(reader.read())
    assert polars.DataFrame(reader)["age"].to_list() == AGES


@pytest.mark.parametrize("compression", ["gzip", "zlib", None])
@pytest.mark.parametrize("is_told", [True, False])
def test_compressed_files(compression, is_told):
    data = Path(file_of(people() * 100)).read_bytes()
    squeeze = {"gzip": gzip.compress, "zlib": zlib.compress, None: bytes}[compression]
    Path("squeezed").write_bytes(squeeze(data))
    told = {"compression": compression} if is_told else {}
    assert ages(TFRecordReader("squeezed", **told)) == AGES * 100


def test_gzip_files_may_have_members_and_padding():
    data = [gzip.compress(frame(record)) for record in people()]
    Path("members.gz").write_bytes(b"".join(data) + bytes(512))
    assert ages(TFRecordReader("members.gz")) == AGES


def test_files_larger_than_the_window(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 64)  # many moves, and records longer than a block
    rows = [*AGES, 700, 3, 3000] * 5
    name = file_of(people(rows))
    for batch_size in (1, 3, 100):
        reader = TFRecordReader(name, batch_size=batch_size)
        assert ages(reader) == rows
        assert [len(x) for x in reader.read()["name"].to_pylist()] == rows


# ------------------------------------------------------------ files
def test_shards_come_in_order_and_must_be_complete():
    for k, age in enumerate(AGES):
        file_of(people([age]), f"people-{k:05d}-of-00005")
    reader = TFRecordReader("people-?????-of-?????")
    assert ages(reader) == AGES
    other = reader.shuffled(3)
    assert ages(other) == ages(other) == ages(reader.shuffled(3)) != AGES
    assert sorted(ages(other)) == sorted(AGES)
    assert ages(reader) == AGES
    Path("people-00002-of-00005").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"got 4 of 5 files; missing are 2\. Name the files"
    ):
        TFRecordReader("people-*")
    assert ages(TFRecordReader(["people-00004-of-00005", Path("people-00001-of-00005")])) == [
        16,
        47,
    ]


def test_what_is_no_path_is_refused():
    with pytest.raises(FileNotFoundError, match="got 'nowhere-\\*', which matches none"):
        TFRecordReader("nowhere-*")
    with pytest.raises(FileNotFoundError, match="at least one file"):
        TFRecordReader([])
    with pytest.raises(TypeError, match="must be a path, a pattern or several of them, got int"):
        TFRecordReader(3)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": 2.5}, TypeError, "batch_size must be an integer, got 2.5"),
        ({"n_inferred": 0}, ValueError, "n_inferred must be at least 1"),
        ({"compression": "bz2"}, ValueError, "compression must be one of .* got 'bz2'"),
        ({"on_error": "ignore"}, ValueError, "on_error must be one of .* got 'ignore'"),
        ({"schema": 3}, TypeError, "schema must be a pyarrow.Schema or a dict"),
        ({"schema": {"age": pa.date32()}}, TypeError, "type of 'age' .* got date32.* Cast"),
        ({"schema": [("a", pa.int64())] * 2}, ValueError, r"each feature once, got \['a'\] twice"),
        ({"sequence_schema": {"s": pa.int64()}}, TypeError, r"'s' must be a list .* pa.list_\(int"),
        (
            {"schema": {"a": pa.int64()}, "sequence_schema": {"a": pa.list_(pa.int64())}},
            ValueError,
            r"different names, got \['a'\] in both",
        ),
    ],
)
def test_options_are_checked_at_once(options, error, message):
    with pytest.raises(error, match=f"TFRecord.*{message}"):
        TFRecordReader(file_of(people()), **options)


# ------------------------------------------------------------ schemas
def test_a_schema_decides_shapes_types_and_names():
    rows = [[1, 2], [3, 4]]
    records = [
        put_example({b"x": ("int64", row), b"y": ("float", [0.5]), b"z": ("bytes", [b"\xff"])})
        for row in rows
    ]
    schema = pa.schema({"x": pa.list_(pa.int8(), 2), "y": pa.float64(), "missing": pa.string()})
    table = TFRecordReader(file_of(records), schema).read()
    assert table.schema == schema
    assert table.to_pydict() == {"x": rows, "y": [0.5, 0.5], "missing": [None, None]}
    assert TFRecordReader(file_of(records)).schema == pa.schema(
        {"x": pa.list_(pa.int64()), "y": pa.float32(), "z": pa.binary()}
    )


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (pa.string(), r"'x' must be of kind bytes_list .* as string, got another\. Correct"),
        (pa.int64(), r"'x' must hold exactly 1 .* got 2\. For any number declare it .*list_\("),
        (pa.list_(pa.int64(), 3), "'x' must hold exactly 3 .* got 2"),
        (pa.list_(pa.int8()), r"'x' must be readable as list<.*int8.*>, got .*300.*Declare it"),
    ],
    ids=str,
)
def test_a_feature_unlike_the_schema_is_named_with_its_record(declared, message):
    good = {pa.string(): ("bytes", [b"s"]), pa.int64(): ("int64", [1])}.get(declared)
    first = put_example({b"x": good or ("int64", [1] * max(getattr(declared, "list_size", 1), 1))})
    name = file_of([first, put_example({b"x": ("int64", [300, 1])})])
    where = f"It is record 1 at byte {len(frame(first))} of {name}"
    for on_error in ("raise", "skip"):
        with pytest.raises(ValueError, match=rf"TFRecordReader: feature {message}.*{where}"):
            TFRecordReader(name, {"x": declared}, on_error=on_error).read()


def test_a_field_that_is_not_nullable_must_be_there():
    name = file_of([*people(), put_example({b"name": ("bytes", [b"nobody"])})])
    assert TFRecordReader(name).read()["age"].to_pylist() == [*AGES, None]
    schema = pa.schema([pa.field("age", pa.int64(), nullable=False)])
    with pytest.raises(ValueError, match=r"'age' must be there .* record 5"):
        TFRecordReader(name, schema).read()


def test_text_that_is_no_utf8_is_named():
    name = file_of([*people(), put_example({b"name": ("bytes", [b"\xff"])})])
    with pytest.raises(ValueError, match=r"'name' must be readable as string.*record 5"):
        TFRecordReader(name, SCHEMA).read()
    assert TFRecordReader(name).schema.field("name").type == pa.binary()


def test_nothing_can_be_inferred_from_no_records_or_two_kinds():
    with pytest.raises(ValueError, match=r"got no record in empty\. Pass schema="):
        TFRecordReader(file_of([], "empty"))
    assert TFRecordReader("empty", SCHEMA).read().num_rows == 0
    two = [put_example({b"x": ("int64", [1])}), put_example({b"x": ("float", [1.0])})]
    with pytest.raises(ValueError, match=r"'x' must be of one kind .*'float_list', 'int64_list'"):
        TFRecordReader(file_of(two))


# ------------------------------------------------------------ damage
def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


OFFSETS = np.cumsum([0, *(len(frame(record)) for record in people())]).tolist()
DAMAGES = {
    "the length": (lambda data: flipped(data, OFFSETS[2]), 2, "length does not match its CRC"),
    "the length's CRC": (lambda data: flipped(data, OFFSETS[2] + 8), 2, "length does not match"),
    "the data": (lambda data: flipped(data, OFFSETS[2] + 12), 2, "data do not match their CRC"),
    "the data's CRC": (lambda data: flipped(data, OFFSETS[3] - 1), 2, "data do not match"),
    "the end": (lambda data: data[:-1], 4, "the file ends 1 bytes before the record of"),
    "the last length": (lambda data: data[: OFFSETS[4] + 5], 4, "ends after 5 of the 12 bytes"),
}


@pytest.mark.parametrize("case", DAMAGES)
@pytest.mark.parametrize("is_compressed", [False, True])
def test_damage_is_named_or_passed_over_and_counted(case, is_compressed):
    damage, record, reason = DAMAGES[case]
    data = damage(Path(file_of(people())).read_bytes())
    Path("bad").write_bytes(gzip.compress(data) if is_compressed else data)
    where = f"TFRecord: record {record} at byte {OFFSETS[record]} of bad: .*{reason}.*on_error"
    with pytest.raises(CorruptRecordError, match=where) as caught:
        TFRecordReader("bad", SCHEMA).read()
    assert caught.value.damage.offset == OFFSETS[record]
    reader = TFRecordReader("bad", SCHEMA, on_error="skip")
    assert ages(reader) == [age for k, age in enumerate(AGES) if k != record]
    assert [(d.record, d.offset) for d in reader.damages] == [(record, OFFSETS[record])]
    with pytest.raises(TypeError, match=r"number of records must be known.*write_index"):
        len(reader)


def test_a_record_that_is_no_example_is_named_or_passed_over():
    records = people()
    records[1:1] = [b"no message", b"\x0a\xff"]
    start = len(frame(records[0]))
    with pytest.raises(CorruptRecordError, match=f"record 1 at byte {start} of .*are no tf.train"):
        TFRecordReader(file_of(records), SCHEMA).read()
    reader = TFRecordReader(file_of(records), SCHEMA, on_error="skip")
    assert ages(reader) == AGES
    assert [damage.record for damage in reader.damages] == [1, 2]


def test_a_compressed_stream_cut_short_or_damaged_is_named():
    rows = list(range(1, 400))
    whole = gzip.compress(b"".join(map(frame, people(rows))), 1)
    for data, reason in ((whole[:-30], "ends early"), (whole[:600] + b"\xff" * 99, "damaged")):
        Path("bad.gz").write_bytes(data)
        with pytest.raises(CorruptRecordError, match=f"compressed stream .*{reason}"):
            TFRecordReader("bad.gz", SCHEMA).read()
        reader = TFRecordReader("bad.gz", SCHEMA, on_error="skip")
        found = ages(reader)
        assert found == rows[: len(found)]
        assert len(reader.damages) == 1


def test_files_that_are_something_else_are_refused():
    Path("text.txt").write_text("This is a text of more than twelve bytes.")
    with pytest.raises(CorruptRecordError, match=r"record 0 at byte 0 .*or this is no TFRecord"):
        TFRecordReader("text.txt")


PLAIN = b"".join(map(frame, people()))


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    place=st.integers(0, len(PLAIN) - 1),
    byte=st.integers(0, 255),
    block=st.sampled_from([32, 4096]),
)
def test_any_byte_that_changes_is_detected_or_harmless_without_crcs(place, byte, block):
    data = PLAIN[:place] + bytes([byte]) + PLAIN[place + 1 :]
    Path("changed").write_bytes(data)
    options = {"schema": SCHEMA, "compression": None}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", block)
        if data == PLAIN:
            assert ages(TFRecordReader("changed", **options)) == AGES
        else:
            with pytest.raises(CorruptRecordError):
                TFRecordReader("changed", **options).read()
            reader = TFRecordReader("changed", **options, on_error="skip")
            number = int(np.searchsorted(OFFSETS, place, "right")) - 1
            assert ages(reader) == [age for k, age in enumerate(AGES) if k != number]
            assert len(reader.damages) == 1
        for on_error in ("raise", "skip"):
            unchecked = TFRecordReader("changed", **options, check_crc=False, on_error=on_error)
            with contextlib.suppress(ValueError):  # never anything else
                assert unchecked.read().num_rows <= len(AGES)


# ------------------------------------------------------------ random access
def test_an_index_gives_any_rows_and_the_length():
    for k in range(2):
        file_of(people(AGES[3 * k : 3 * k + 3]), f"part-{k:05d}-of-00002")
    assert write_index("part-*") == ["part-00000-of-00002.idx", "part-00001-of-00002.idx"]
    reader = TFRecordReader("part-*", batch_size=2)
    assert reader.n_records == 5
    assert len(reader) == 3 == len(list(reader))
    rows = [4, 0, 0, 2, 3]
    assert reader.take(rows).equals(reader.read().take(rows))
    assert reader.take([]).num_rows == 0
    for wrong in ([5], [-1]):
        with pytest.raises(IndexError, match=r"rows must be in \[0, 5\)"):
            reader.take(wrong)


def test_an_index_is_one_line_a_record():
    text = Path(*write_index(file_of(people()))).read_text()
    sizes = np.diff(OFFSETS)
    assert text == "".join(f"{o} {n}\n" for o, n in zip(OFFSETS[:-1], sizes, strict=True))


def test_an_index_of_another_file_is_refused():
    name = file_of(people())
    with pytest.raises(FileNotFoundError, match=r"people.tfrecord.idx must exist.*Run write_index"):
        TFRecordReader(name).take([0])
    write_index(name)
    file_of(people([47, 31, *AGES[2:]]))  # as many bytes, other places
    with pytest.raises(ValueError, match=r"must belong to people.tfrecord, .* from record 0 on"):
        TFRecordReader(name).take([0])
    file_of(people(AGES[:-1]))
    with pytest.raises(ValueError, match="Run write_index"):
        TFRecordReader(name).take([0])
    Path(f"{name}.idx").write_text("one two")
    with pytest.raises(ValueError, match="must hold lines 'offset size'"):
        TFRecordReader(name).take([0])
    Path("squeezed").write_bytes(gzip.compress(PLAIN))
    with pytest.raises(ValueError, match="must be a file that is not compressed"):
        write_index("squeezed")


def test_a_damaged_record_is_named_when_it_is_taken():
    name = file_of(people())
    write_index(name)
    Path(name).write_bytes(flipped(PLAIN, OFFSETS[2] + 13))
    reader = TFRecordReader(name, SCHEMA)
    assert reader.take([3, 1])["age"].to_pylist() == [80, 47]
    with pytest.raises(CorruptRecordError, match=f"record 2 at byte {OFFSETS[2]} .*do not match"):
        reader.take([3, 2])


# ------------------------------------------------------------ the extra
@pytest.mark.parametrize("name", ["tfrecord", "FeatureColumns", "infer_columns"])
def test_without_pyarrow_the_package_is_there_and_the_message_names_the_extra(name):
    code = f"import sys; sys.modules['pyarrow'] = None; from skextras.features import {name}"
    run = {"capture_output": True, "text": True, "cwd": Path(__file__).parents[3]}
    done = subprocess.run([sys.executable, "-c", code], check=False, **run)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ModuleNotFoundError: skextras.features.{name}: pyarrow is not")
    assert 'Run: pip install "mlextras[features]"' in last
