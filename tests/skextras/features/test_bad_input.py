"""What is wrong with a table or a declaration is said in one line, with its cure."""

import inspect

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from skextras.features import (
    Bucketized,
    Column,
    Crossed,
    Embedding,
    FeatureColumns,
    HashBucket,
    Identity,
    Indicator,
    Numeric,
    SequenceCategorical,
    SequenceNumeric,
    TargetMean,
    Vocabulary,
    WeightedCategorical,
)

TOWNS = Indicator(Vocabulary("town"))
DECLARATIONS = {
    r"boundaries must be ascending, all different, got \[3.0, 1.0\]. Sort them: \[1.0, 3.0\]": (
        lambda: Bucketized("x", boundaries=[3, 1])
    ),
    "boundaries must be finite": lambda: Bucketized("x", boundaries=[1, np.inf]),
    "boundaries must be given, or else n_buckets": lambda: Bucketized("x"),
    "n_buckets must be a whole number of at least 2": lambda: Bucketized("x", n_buckets=1),
    "encode must be one of": lambda: Bucketized("x", n_buckets=2, encode="hot"),
    "strategy must be one of": lambda: Bucketized("x", n_buckets=2, strategy="best"),
    r"vocabulary must be without duplicates, got \['b'\]": (
        lambda: Vocabulary("x", vocabulary=["a", "b", "b"])
    ),
    "vocabulary must be all text or all numbers": lambda: Vocabulary("x", vocabulary=["a", 1]),
    "vocabulary must be a list of at least one": lambda: Vocabulary("x", vocabulary=[]),
    "max_size must be a whole number": lambda: Vocabulary("x", max_size=0),
    "n_oov_buckets must be at least 0": lambda: Vocabulary("x", n_oov_buckets=-1),
    "missing must be one of": lambda: HashBucket("x", n_buckets=3, missing="zero"),
    r"n_buckets must be a whole number in \[1": lambda: HashBucket("x", n_buckets=0),
    "columns must be at least two": lambda: Crossed(["a"], n_buckets=3),
    "columns must be at least two names": lambda: Crossed("ab", n_buckets=3),
    "default must be None or in": lambda: Identity("x", n_buckets=3, default=3),
    "scale must be one of": lambda: Numeric("x", scale="standart"),
    "shape must be a whole number": lambda: Numeric("x", shape=0),
    "keep must be one of": lambda: SequenceNumeric("x", keep="middle"),
    "length must be a whole number": lambda: SequenceCategorical(Vocabulary("x"), length=0),
}


@pytest.mark.parametrize("message", DECLARATIONS)
def test_a_wrong_declaration_is_refused_where_it_is_written(message):
    with pytest.raises(ValueError, match=message):
        DECLARATIONS[message]()


@pytest.mark.parametrize("kind", [Indicator, SequenceCategorical])
def test_a_name_is_no_column_type(kind):
    with pytest.raises(TypeError, match=r"Wrap the name: .*Vocabulary\('town'\)"):
        kind("town")
    with pytest.raises(TypeError, match=r"Say what it is: Numeric\('town'\)"):
        FeatureColumns(["town"]).fit({"town": ["Ulm"]})


TABLES = {
    r"lacks 'twon' \(near: 'town'\). It has 'town'": (Vocabulary("twon"), {"town": ["a"]}),
    "columns must have one length, got": (TOWNS, {"town": ["a"], "x": [1, 2]}),
    r"must hold numbers in \[0, 2\), got 2 in row 1": (
        Identity("x", n_buckets=2),
        {"x": [0, 2]},
    ),
    "must hold whole numbers, got fractions": (Identity("x", n_buckets=2), {"x": [0.5]}),
    r"must hold text or whole numbers, got \[0.5\]": (
        Crossed(["x", "y"], n_buckets=2),
        {"x": [0.5], "y": ["a"]},
    ),
    "must hold numbers, got text": (Numeric("x"), {"x": ["a"]}),
    "must hold 2 numbers a row, got 3. Set shape=3": (Numeric("x", shape=2), {"x": np.eye(3)}),
    "must hold no missing value, got one in row 1": (
        Numeric("x", missing="error"),
        {"x": [1.0, None]},
    ),
    r"must hold no missing value, got 1 \(the first in row 1\)": (
        Bucketized("x", boundaries=[1], missing="error"),
        {"x": [1.0, None]},
    ),
    "must hold UTF-8, got b'.xff'. Decode the bytes first, or use HashBucket": (
        Vocabulary("x"),
        {"x": [b"\xff", b"a"]},
    ),
    "got 2 weights and 1 categories in row 1": (
        Indicator(WeightedCategorical(Vocabulary("x"), "w")),
        {"x": [["a"], ["b"]], "w": [[1.0], [1.0, 2.0]]},
    ),
    "must hold lists, got text": (SequenceCategorical(Vocabulary("x")), {"x": ["a"]}),
    "must be a categorical column type": (Indicator(Numeric("x")), {"x": [1.0]}),
}


@pytest.mark.parametrize("message", TABLES)
def test_a_wrong_table_is_refused_with_its_cure(message):
    column, table = TABLES[message]
    with pytest.raises(ValueError, match=message):
        FeatureColumns([column]).fit_transform(table)


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinite_numbers_are_refused_by_a_scale(bad):
    columns = FeatureColumns([Numeric("x", missing="mean")])
    with pytest.raises(ValueError, match=r"Numeric\('x'\): .* finite numbers, got .* in row 2"):
        columns.fit({"x": [1.0, np.nan, bad]})
    assert columns.fit({"x": [1.0, np.nan]}).transform({"x": [bad]}) == bad


def test_an_infinite_number_in_a_list_is_refused_by_a_scale():
    with pytest.raises(ValueError, match=r"SequenceNumeric\('x'\): .* infinite one in item 1"):
        FeatureColumns([SequenceNumeric("x")]).fit({"x": [[1.0, np.inf], [2.0]]})


@pytest.mark.parametrize("column", [Numeric(0), Vocabulary(3), Numeric(["x"])])
def test_columns_are_named_by_strings(column):
    with pytest.raises(TypeError, match="FeatureColumns: columns must be named by strings, got "):
        FeatureColumns([column]).fit({"x": [1.0]})


@pytest.mark.parametrize("kind", ["auto", "binary", "continuous"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_target_that_is_not_finite_is_refused(kind, bad):
    rows, columns = {"x": ["a", "b", "a"]}, [TargetMean("x")]
    with pytest.raises(ValueError, match=f"FeatureColumns: y must be finite, got {bad}"):
        FeatureColumns(columns, target_type=kind).fit(rows, [0.0, bad, 1.0])


def test_what_is_no_table_is_refused():
    with pytest.raises(TypeError, match=r"Call collect\(\) first"):
        FeatureColumns([TOWNS]).fit(pl.LazyFrame({"town": ["a"]}))
    with pytest.raises(TypeError, match=r"in column 'town'. Convert it to one type"):
        FeatureColumns([TOWNS]).fit({"town": ["a", 1]})
    with pytest.raises(ValueError, match="Complex data not supported"):
        FeatureColumns([Numeric("x")]).fit({"x": np.array([1j])})


@pytest.mark.parametrize("column", [TOWNS, Vocabulary("town", vocabulary=["a"])])
def test_a_changed_type_is_refused_at_transform(column):
    columns = FeatureColumns([column]).fit({"town": ["a", "b"]})
    with pytest.raises(ValueError, match="must hold text as it did in fit, got number"):
        columns.transform({"town": [1, 2]})


def test_numbers_that_became_floats_stay_the_same_categories():
    own = FeatureColumns([Indicator(Vocabulary("month"))], sparse_output=False)
    whole = own.fit_transform({"month": np.array([1, 12, 7])})
    again = own.transform({"month": np.array([1.0, np.nan, 7.0])})
    np.testing.assert_array_equal(again[[0, 2]], whole[[0, 2]])
    assert not again[1].any()


def test_unknown_categories_go_where_the_declaration_says():
    known, new = {"town": ["a", "b"]}, {"town": ["c", "a"]}

    def out(**options):
        own = FeatureColumns([Vocabulary("town", **options)])
        return own.fit(known).transform(new)[:, 0].tolist()

    assert np.isnan(out()[0])
    assert out(unknown="b") == [1.0, 0.0]
    assert out(n_oov_buckets=1) == [2.0, 0.0]
    with pytest.raises(ValueError, match=r"the 2 categories of the list, got \['c'\]"):
        out(unknown="error")


def test_a_vocabulary_is_learned_by_count_or_read_from_a_file(tmp_path):
    rows = {"town": ["b", "a", "b", "c", "a", "b"]}
    own = FeatureColumns([Indicator(Vocabulary("town", max_size=2))]).fit(rows)
    assert own.get_feature_names_out().tolist() == ["town_b", "town_a"]
    own = FeatureColumns([Indicator(Vocabulary("town", min_count=2))]).fit(rows)
    assert own.get_feature_names_out().tolist() == ["town_b", "town_a"]
    (tmp_path / "towns.txt").write_text("c\nÜlm\n", encoding="utf-8")
    file = Vocabulary("town", file=tmp_path / "towns.txt")
    assert file.vocabulary == ("c", "Ülm")


def test_bytes_are_hashed_as_they_are():
    own = FeatureColumns([HashBucket("x", n_buckets=100)])
    assert own.fit_transform({"x": [b"\xff", b"abc"]})[1] == own.transform({"x": ["abc"]})[0]


def test_a_file_of_another_kind_is_refused():
    for text in ("", "[]", '{"columns": []}'):
        with pytest.raises(ValueError, match="text must be what to_json wrote"):
            FeatureColumns.from_json(text)
    with pytest.raises(ValueError, match="version must be 1, got 9"):
        FeatureColumns.from_json('{"version": 9, "columns": []}')


@pytest.mark.parametrize("name", Column.TYPES)
def test_every_option_is_documented(name):
    kind = Column.TYPES[name]
    doc = inspect.getdoc(kind)
    assert [own for own in inspect.signature(kind).parameters if f"\n{own} : " not in doc] == []


def test_lists_of_arrow_keep_their_rows():
    array = pa.array([["a"], None, ["b", "a"], []], pa.list_(pa.string()))
    own = FeatureColumns([Indicator(Vocabulary("x"))], sparse_output=False)
    out = own.fit_transform(pa.table({"x": array}).slice(1))
    np.testing.assert_array_equal(out, [[0, 0], [1, 1], [0, 0]])


def test_sequences_are_cut_and_filled():
    rows = {"x": [["a", "b", "zz"], ["b"]], "n": [[1.0, 2.0, 3.0], []]}
    columns = FeatureColumns(
        [
            SequenceCategorical(Vocabulary("x", vocabulary=["a", "b"]), length=2, keep="last"),
            SequenceNumeric("n", scale="minmax"),
        ]
    )
    expected = [[1, np.nan, 0, 0.5, 1], [1, -1, 0, 0, 0]]
    np.testing.assert_array_equal(columns.fit_transform(rows), expected)


@pytest.mark.parametrize("nothing", [[], (), iter([])], ids=["list", "tuple", "iterator"])
def test_no_batch_is_refused_in_one_line(nothing):
    columns = FeatureColumns([Numeric("x")]).fit({"x": [1.0, 2.0]})
    with pytest.raises(ValueError, match="X must be a table or bring at least one batch, got none"):
        columns.transform(nothing)
    with pytest.raises(ValueError, match="X must bring batches in each pass, got none"):
        columns.fit(nothing)
    with pytest.raises(TypeError, match="X must be one table for partial_fit, got"):
        columns.partial_fit(nothing)


def test_a_batch_without_rows_changes_nothing():
    rows = {"town": ["Ulm", "Bonn"], "x": [1.0, 2.0]}
    none = {"town": [], "x": []}
    columns = FeatureColumns([TOWNS, Numeric("x")], sparse_output=False)
    expected = columns.fit_transform(rows)
    np.testing.assert_array_equal(columns.fit([none, rows, none]).transform([rows, none]), expected)


@pytest.mark.parametrize("kind", [list, lambda own: np.array(own, object)])
def test_python_strings_are_read_with_whatever_stands_among_them(kind):
    whole = kind(["a", None, float("nan"), "ä", "b"])
    out = FeatureColumns([HashBucket("x", n_buckets=1000)]).fit_transform({"x": whole})
    assert np.isnan(out[[1, 2], 0]).all()
    mixed = FeatureColumns([HashBucket("x", n_buckets=1000)])
    raw = mixed.fit_transform({"x": kind(["a", b"\xff", b"b"])})
    assert raw[0] == out[0]
    assert raw[2] == out[4]
    with pytest.raises(TypeError, match="argument must be a string or a number"):
        mixed.fit({"x": kind(["a", 1, "b"])})


def test_a_column_alone_and_vectors_without_names_are_refused_with_the_cure():
    with pytest.raises(
        TypeError, match=r"columns must be a list, got Numeric\('x'\) alone. Put it"
    ):
        FeatureColumns(Numeric("x")).fit({"x": [1.0]})
    with pytest.raises(ValueError, match="initial must be a dict of category to vector"):
        Embedding(Vocabulary("x"), dimension=2, initial=np.eye(2))
