"""What is written is read again, by ours and by the slow parser, and by TensorFlow's rules."""

import math
from pathlib import Path

import numpy as np
import pandas
import polars
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skextras.features.tfrecord import TFRecordReader, TFRecordWriter, write_index, write_tfrecord
from tests.oracles import tfrecord as oracle

TABLE = pa.table(
    {
        "n": pa.array([1, None, -5], pa.int32()),
        "x": [1.5, 2.5, None],
        "s": ["a", None, "日" * 100],
        "many": [[1, 2], [], None],
        "texts": [[b"x", b""], None, [b"y" * 300]],
        "pair": pa.array([[1.0, 2.0], None, [5.0, 6.0]], pa.list_(pa.float32(), 2)),
        "yes": [True, False, None],
    }
)


@pytest.mark.parametrize("compression", [None, "gzip", "zlib"])
def test_a_table_comes_back(compression):
    [name] = write_tfrecord("t", TABLE, compression=compression)
    assert TFRecordReader(name, TABLE.schema).read().equals(TABLE)


def test_an_example_is_what_tensorflow_would_parse():
    write_tfrecord("t", TABLE)
    first, second, _ = oracle.frames(Path("t").read_bytes())
    found = {key: oracle.feature(value) for key, value in oracle.entries(first, 1).items()}
    assert found == {
        b"n": ("int64", [1]),
        b"x": ("float", np.array([1.5], "f4").view("u4").tolist()),
        b"s": ("bytes", [b"a"]),
        b"many": ("int64", [1, 2]),
        b"texts": ("bytes", [b"x", b""]),
        b"pair": ("float", np.array([1, 2], "f4").view("u4").tolist()),
        b"yes": ("int64", [1]),
    }
    assert set(oracle.entries(second, 1)) == {b"x", b"many", b"yes"}  # a null is left out


# ------------------------------------------------------------ any table
numbers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(width=32, allow_nan=False)
KINDS = {pa.int64(): numbers, pa.float32(): floats, pa.binary(): st.binary(max_size=200)}


@st.composite
def columns(draw, n_rows):
    """(type, values) of a scalar, list or fixed list column with nulls."""
    kind = draw(st.sampled_from(list(KINDS)))
    shape = draw(st.sampled_from(["scalar", "list", "fixed"]))
    value = KINDS[kind]
    if shape != "scalar":
        size = draw(st.integers(1, 3)) if shape == "fixed" else None
        value = st.lists(value, min_size=size or 0, max_size=size or 4)
        kind = pa.list_(kind, size or -1)
    return pa.array(draw(st.lists(st.none() | value, min_size=n_rows, max_size=n_rows)), kind)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_table_comes_back(data):
    n_rows = data.draw(st.integers(0, 6))
    names = data.draw(st.lists(st.text(max_size=5), unique=True, max_size=5))
    table = pa.table([data.draw(columns(n_rows)) for _ in names], names)
    if not names:
        table = pa.table({"x": pa.nulls(n_rows, pa.int64())})
    begin = data.draw(st.integers(0, n_rows))
    table = pa.concat_tables([table, table.slice(begin)])  # chunks and offsets
    write_tfrecord("t", table)
    for batch_size in (2, 100):
        reader = TFRecordReader("t", table.schema, batch_size=batch_size)
        assert reader.read().equals(table)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_sequences_come_back(data):
    kind = data.draw(st.sampled_from(list(KINDS)))
    step = data.draw(st.sampled_from([KINDS[kind], st.lists(KINDS[kind], max_size=3)]))
    inner = kind if step is KINDS[kind] else pa.list_(kind)
    rows = data.draw(st.lists(st.none() | st.lists(step, max_size=4), max_size=5))
    table = pa.table({"s": pa.array(rows, pa.list_(inner)), "n": pa.array(range(len(rows)))})
    write_tfrecord("t", table, sequences=["s"])
    schema, sequences = {"n": pa.int64()}, {"s": pa.list_(inner)}
    found = TFRecordReader("t", schema, sequence_schema=sequences).read()
    assert found.to_pydict() == {"n": list(range(len(rows))), "s": rows}
    records = oracle.frames(Path("t").read_bytes())
    counts = [len(oracle.feature_list(oracle.entries(r, 2).get(b"s", b""))) for r in records]
    assert counts == [len(row or ()) for row in rows]


def test_sequences_are_inferred():
    table = pa.table({"one": [[1, 2], [3]], "many": [[["a"], []], [["b", "c"]]], "n": [1, 2]})
    write_tfrecord("t", table, sequences=["one", "many"])
    reader = TFRecordReader("t")
    assert reader.read().select(table.column_names).equals(table)
    assert TFRecordReader("t", {"n": pa.int8()}).schema.names == ["n"]
    fixed = {"one": pa.list_(pa.list_(pa.int64(), 1))}
    assert TFRecordReader("t", {}, sequence_schema=fixed).read()["one"].to_pylist()[1] == [[3]]


def test_steps_unlike_the_schema_are_named_with_their_record():
    write_tfrecord("t", {"s": [[[1]], [[1], [2, 3]]]}, sequences=["s"])
    with pytest.raises(ValueError, match=r"'s' must hold exactly 1 .* got 2.*record 1"):
        TFRecordReader("t", {}, sequence_schema={"s": pa.list_(pa.int64())}).read()
    with pytest.raises(ValueError, match=r"'s' must be of kind float_list .*record 0"):
        TFRecordReader("t", {}, sequence_schema={"s": pa.list_(pa.float32())}).read()


# ------------------------------------------------------------ what is taken
@pytest.mark.parametrize(
    "make",
    [
        lambda t: t,
        lambda t: t.to_batches()[0],
        lambda t: t.to_pandas().set_index(pandas.Index([7, 8])),
        polars.from_arrow,
        lambda t: t.to_pydict(),
        lambda t: t.to_pylist(),
        lambda t: t.to_batches(1),
        lambda t: iter(t.to_batches(1)),
        lambda t: t.to_pydict() | {"n": np.array([1, 2]), "c": pandas.Categorical(["u", "v"])},
    ],
    ids=["table", "batch", "pandas", "polars", "dict", "rows", "batches", "iterator", "arrays"],
)
def test_whatever_holds_rows_is_written(make):
    categories = pa.array(["u", "v"]).dictionary_encode()
    table = pa.table({"n": [1, 2], "c": categories, "s": ["", "a text beyond twelve bytes"]})
    write_tfrecord("t", make(table))
    assert TFRecordReader("t").read().to_pydict() == table.to_pydict()


def test_arrays_of_rows_become_lists_of_float32():
    write_tfrecord("t", {"x": np.array([[0.1, math.inf], [1e300, -2.0]])})
    rows = TFRecordReader("t").read()["x"].to_pylist()
    assert rows == np.array([[0.1, math.inf], [math.inf, -2.0]], np.float32).tolist()


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (
            {"x": np.array([2**64 - 1], "u8")},
            ValueError,
            r"column 'x' of type uint64 must fit int64, got .*Cast",
        ),
        ({"x": [[1, None]]}, ValueError, "lists of column 'x' must hold no nulls, got 1"),
        ({"x": [[[1]]]}, TypeError, "type of 'x' must be an integer, .*got list"),
        ({"x": pa.array([0], pa.date32())}, TypeError, "type of 'x' .*got date32"),
        (3, TypeError, "data must be a pyarrow, pandas or polars table, .*got int"),
        (pa.table([[1], [2]], ["x", "x"]), ValueError, r"names must be different, got \['x'\]"),
    ],
)
def test_what_a_record_does_not_hold_is_refused_and_leaves_no_file(data, error, message):
    with pytest.raises(error, match=f"TFRecord.*{message}"):
        write_tfrecord("t", data)
    assert list(Path().iterdir()) == []


def test_options_are_checked():
    with pytest.raises(ValueError, match=r"sequences must name columns .*got \['s'\]"):
        write_tfrecord("t", {"x": [1]}, sequences=["s"])
    with pytest.raises(TypeError, match=r"sequences must be several names.*Write \['x'\]"):
        TFRecordWriter("t", sequences="x")
    with pytest.raises(TypeError, match=r"'x' must be a list with an item for each step"):
        write_tfrecord("t", {"x": [1]}, sequences=["x"])
    with pytest.raises(ValueError, match="compression must be 'gzip', 'zlib' or None, got 'bz2'"):
        TFRecordWriter("t", compression="bz2")
    with pytest.raises(ValueError, match="index must be False for a compressed file"):
        TFRecordWriter("t", compression="gzip", index=True)
    with pytest.raises(ValueError, match="n_shards must be an integer >= 1, got 0"):
        write_tfrecord("t", {"x": [1]}, n_shards=0)


# ------------------------------------------------------------ files
def test_shards_hold_all_rows_once():
    table = pa.table({"n": range(10)})
    for data in (table, table.to_batches(2)):
        names = write_tfrecord("t", data, n_shards=3, index=True)
        assert names == [f"t-{k:05d}-of-00003" for k in range(3)]
        reader = TFRecordReader("t-?????-of-?????")
        assert sorted(reader.read()["n"].to_pylist()) == list(range(10))
        assert reader.n_records == 10
        assert reader.take([9])["n"].to_pylist() == reader.read()["n"].to_pylist()[9:]


def test_the_index_that_is_written_along_is_that_of_the_file():
    [name] = write_tfrecord("t", TABLE, index=True)
    along = Path("t.idx").read_text()
    write_index(name)
    assert Path("t.idx").read_text() == along


def test_a_file_is_there_when_its_block_ends_and_not_if_it_fails():
    with TFRecordWriter("t") as writer:
        writer.write({"x": [1, 2]})
        writer.write_serialized(oracle.put_example({b"x": ("int64", [3])}))
        assert not Path("t").exists()
    assert writer.n_records == 3
    assert TFRecordReader("t").read()["x"].to_pylist() == [1, 2, 3]
    writer.close()
    with pytest.raises(ValueError, match="t must be open to be written to, got it closed"):
        writer.write({"x": [1]})
    with pytest.raises(TypeError), TFRecordWriter("t") as writer:
        writer.write(9)
    assert TFRecordReader("t").read()["x"].to_pylist() == [1, 2, 3]
    assert [path.name for path in Path().iterdir()] == ["t"]
