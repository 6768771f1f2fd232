"""Parsing follows protocol buffers' rules, as TensorFlow's, and never leaves its bytes."""

import base64

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.features.tfrecord.decoding import Decoder, FeatureError
from skextras.features.tfrecord.schema import as_schema, columns_of
from skextras.features.tfrecord.surveying import MalformedError
from tests.oracles import tfrecord as oracle
from tests.oracles.tfrecord import delimited, put_feature, put_varint

# Serialized by TensorFlow 2.21: i = [0, 1, -1, 300, -2**40], f = [1.5, -2, nan], empty = Feature(),
# s = [b"abc", b"", "日".encode()].
GOLDEN = base64.b64decode(
    "CloKCQoFZW1wdHkSAAoVCgFmEhASDgoMAADAPwAAAMAAAMB/CiEKAWkSHBoaChgAAf///////////wGsAoCAgICA4P///wE"
    "KEwoBcxIOCgwKA2FiYwoACgPml6U="
)
TYPES = {"int64": pa.int64(), "float": pa.float32(), "bytes": pa.binary()}


def decode(records, schema=None, sequence_schema=None):
    """One batch of records that lie side by side."""
    data = b"".join(records)
    ends = np.cumsum([0, *map(len, records)])
    bounds = np.array([ends[:-1], ends[1:]], np.int32)
    columns = columns_of(
        None if schema is None else as_schema(schema, "schema"),
        None if sequence_schema is None else as_schema(sequence_schema, "sequence_schema"),
    )
    # (an array of just these bytes: what lies behind is not there to be read)
    return Decoder(columns).decode(np.frombuffer(bytearray(data), np.uint8), bounds)


def ints(*items):
    return put_feature("int64", items)


def example(*entries):
    return delimited(1, b"".join(entries))


def a(*parts):
    """An entry "a" whose value comes in these parts."""
    return delimited(1, delimited(1, b"a") + b"".join(delimited(2, part) for part in parts))


def test_values_equal_tensorflows():
    types = {"i": "int64", "f": "float", "s": "bytes", "empty": "float", "none": "bytes"}
    [row] = decode([GOLDEN], {n: pa.list_(TYPES[k]) for n, k in types.items()}).to_pylist()
    assert row["i"] == [0, 1, -1, 300, -(2**40)]
    assert row["f"][:2] == [1.5, -2]
    assert np.isnan(row["f"][2])
    assert row["s"] == [b"abc", b"", "日".encode()]
    assert row["empty"] is None
    assert row["none"] is None


# What tf.train.Example.FromString of TensorFlow 2.21 makes of feature "a".
UNPACKED = delimited(3, bytes([8, 1, 8, 2]))
UNKNOWN = bytes([0x20, 5])  # a varint, field 4
FLOATS = put_feature("float", [2.0])
MERGED = {
    "an entry again": (example(a(ints(1, 2)), a(ints(3))), [3]),
    "features again": (example(a(ints(1, 2))) + example(a(ints(3))), [3]),
    "two lists of a kind": (example(a(ints(1, 2) + ints(3))), [1, 2, 3]),
    "another kind before": (example(a(FLOATS + ints(3))), [3]),
    "another kind between": (example(a(ints(1) + FLOATS + ints(3))), [3]),
    "a value in two parts": (example(a(ints(1, 2), ints(3))), [1, 2, 3]),
    "not packed": (example(a(UNPACKED)), [1, 2]),
    "partly packed": (example(a(delimited(3, delimited(1, b"\1") + bytes([8, 2])))), [1, 2]),
    "unknown in a list": (example(a(delimited(3, bytes([16, 5]) + delimited(1, b"\1")))), [1]),
    "unknown in a feature": (example(a(UNKNOWN + ints(1))), [1]),
    "unknown at the top": (UNKNOWN + example(a(ints(1))), [1]),
    "the value first": (example(delimited(1, delimited(2, ints(1)) + delimited(1, b"a"))), [1]),
    "two names": (example(delimited(1, delimited(1, b"b") + a(ints(1))[2:])), [1]),
    "no value": (example(delimited(1, delimited(1, b"a"))), None),
    "no kind": (example(a(b"")), None),
    "no numbers": (example(a(ints())), []),
    "a long varint": (example(a(delimited(3, delimited(1, b"\xff" * 9 + b"\x7f")))), [-1]),
    "a length in more bytes": (bytes([10, 0x80 | len(a(ints(1))), 0x80, 0]) + a(ints(1)), [1]),
    "four bytes where varints belong": (example(a(delimited(3, b"\x0d\1\2\3\4"))), []),
    "nothing at all": (b"", None),
}


@pytest.mark.parametrize("case", MERGED)
def test_parts_repetitions_and_unknown_fields_are_read_as_tensorflow_reads_them(case):
    record, expected = MERGED[case]
    plain = example(a(ints(7)))
    batch = decode([plain, record, plain], {"a": pa.list_(pa.int64())})
    assert batch["a"].to_pylist() == [[7], expected, [7]]
    found = oracle.feature(oracle.entries(record, 1).get(b"a", b""))
    assert (found and found[1]) == expected


# What TensorFlow's parser refuses.
MALFORMED = {
    "cut short": example(a(ints(1)))[:-1],
    "a length beyond the end": b"\x0a\x32",
    "field number 0": b"\x02\0" + example(a(ints(1))),
    "a varint of eleven bytes": example(a(delimited(3, delimited(1, b"\xff" * 10 + b"\1")))),
    "a group": b"\x1b\x1c" + example(a(ints(1))),
    "a varint cut short": example(a(delimited(3, delimited(1, b"\xff")))),
}


@pytest.mark.parametrize("case", MALFORMED)
@pytest.mark.parametrize("declared", [pa.int64(), pa.list_(pa.int64())], ids=str)
def test_malformed_records_are_named(case, declared):
    plain = example(a(ints(7)))
    with pytest.raises(MalformedError) as caught:
        decode([plain, MALFORMED[case], plain], {"a": declared})
    assert caught.value.rows.tolist() == [1]
    with pytest.raises(ValueError, match="b"):
        oracle.feature(oracle.entries(MALFORMED[case], 1)[b"a"])


@pytest.mark.parametrize("kind", TYPES)
def test_floats_that_are_no_multiple_of_four_bytes_are_malformed(kind):
    record = example(a(delimited(2, delimited(1, b"12345"))))
    error = MalformedError if kind == "float" else FeatureError
    with pytest.raises(error):
        decode([record], {"a": pa.list_(TYPES[kind])})


# ------------------------------------------------------------ random messages
names = st.sampled_from([b"a", b"b", b"a longer name", b"", b"other"])
small = st.integers(-(2**63), 2**63 - 1)


@st.composite
def odd_lists(draw):
    """A list of values with packed and single values and unknown fields in any order."""
    kind = draw(st.sampled_from([1, 2, 3]))
    parts = []
    for _ in range(draw(st.integers(0, 3))):
        if kind == 1:
            parts.append(delimited(1, draw(st.binary(max_size=20))))
        elif draw(st.booleans()):
            item = put_varint(draw(small)) if kind == 3 else draw(st.binary(min_size=4, max_size=4))
            parts.append(bytes([8 if kind == 3 else 13]) + item)
        else:
            items = draw(st.lists(small, max_size=20))
            run = map(put_varint, items) if kind == 3 else (np.float32(i).tobytes() for i in items)
            parts.append(delimited(1, b"".join(run)))
        parts.append(draw(st.sampled_from([b"", UNKNOWN, delimited(1000, b"xyz")])))
    return delimited(kind, b"".join(parts))


@st.composite
def odd_records(draw, container=1):
    """A message with names and values repeated, in parts, out of order, and unknown fields."""
    entries = []
    for _ in range(draw(st.integers(0, 5))):
        parts = [delimited(1, draw(names))] * draw(st.sampled_from([1, 1, 0, 2]))
        features = draw(st.lists(st.lists(odd_lists(), max_size=2).map(b"".join), max_size=2))
        if container == 2:
            features = [delimited(1, feature) for feature in features]
        parts += [delimited(2, feature) for feature in features]
        entries.append(delimited(1, b"".join(draw(st.permutations(parts)))))
    cut = draw(st.integers(0, len(entries)))
    groups = [delimited(container, b"".join(own)) for own in (entries[:cut], entries[cut:])]
    return draw(st.sampled_from([b"", UNKNOWN])) + b"".join(groups)


def expected_of(record, kind, container):
    """What a ragged column of a kind holds, or an error's name."""
    value = oracle.entries(record, container).get(b"a")
    steps = [b""] if value is None else [value]
    if container == 2:
        steps = [v for n, w, v in oracle.fields(value or b"") if (n, w) == (1, 2)]
    found = []
    for step in steps:
        own = oracle.feature(step)
        if own is not None and own[0] != kind:
            return FeatureError
        found.append(own and own[1])
    return found[0] if container == 1 else None if value is None else found


def bits(batch, kind):
    """Values of a column; floats as their bits, so that NaN equals NaN."""
    column = batch.column(0)
    if kind != "float":
        return column.to_pylist()
    as_bits = pa.list_(pa.int64()) if column.type.value_type == pa.float32() else None
    rows = column.to_pylist()

    def words(row):
        if row is None or as_bits is None:
            return row and [words_(step) for step in row]
        return words_(row)

    def words_(row):
        return row if row is None else np.array(row, np.float32).view(np.uint32).tolist()

    return [words(row) for row in rows]


@pytest.mark.parametrize("container", [1, 2], ids=["features", "feature lists"])
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_odd_messages_equal_the_slow_parser(container, data):
    records = data.draw(st.lists(odd_records(container), min_size=1, max_size=3))
    kind = data.draw(st.sampled_from(list(TYPES)))
    wanted = [expected_of(record, kind, container) for record in records]
    inner = pa.list_(TYPES[kind])
    schema = ({"a": inner}, None) if container == 1 else (None, {"a": pa.list_(inner)})
    if FeatureError in wanted:
        with pytest.raises(FeatureError) as caught:
            decode(records, *schema)
        assert caught.value.row == wanted.index(FeatureError)
    else:
        assert bits(decode(records, *schema), kind) == wanted


ALL = {
    "a": pa.list_(pa.int64()),
    "a longer name": pa.binary(),
    "b": pa.list_(pa.float32(), 3),
    "": pa.list_(pa.binary()),
}


@settings(max_examples=200, deadline=None)
@given(record=odd_records(), data=st.data())
def test_any_byte_changed_is_read_or_refused(record, data):
    """(Reading beyond the bytes would crash, or bring values that the slow parser does not see.)"""
    changed = bytearray(record)
    for _ in range(data.draw(st.integers(0, 3)) if record else 0):
        changed[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    changed = bytes(changed[: data.draw(st.integers(0, len(changed)))])
    try:
        wanted = expected_of(changed, "int64", 1)
    except ValueError:
        wanted = MalformedError
    assert outcome(changed, {"a": pa.list_(pa.int64())}) == wanted
    outcome(changed, ALL)  # never more than an error


@settings(deadline=None)
@given(data=st.binary(max_size=60))
def test_random_bytes_are_read_or_refused(data):
    try:
        oracle.entries(data, 1)
        wanted = None
    except ValueError:
        wanted = MalformedError
    assert outcome(data, {"a name that is not there": pa.list_(pa.int64())}) == wanted


def outcome(record, schema):
    """The first column's value, or the class of the error."""
    try:
        return decode([record], schema).column(0)[0].as_py()
    except (MalformedError, FeatureError) as e:
        return type(e)
