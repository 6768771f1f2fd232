"""Tables of every kind that users have, against one column encoded entry by entry."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator

from skextras.tables import Blocks, TableEncoder, as_blocks, encode
from tests.oracles.tables import codes

NAN = np.nan


def numbers(X, categorical_features=None):
    return TableEncoder(categorical_features).fit(X).values


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("categorical_features", [None, [1]])
def test_float_arrays_are_not_copied(dtype, order, categorical_features):
    X = np.array([[1, 0], [NAN, 3], [-np.inf, NAN]], dtype=dtype, order=order)
    X.flags.writeable = False
    encoder = TableEncoder(categorical_features)
    for table in (encoder.fit(X), encoder.transform(X[::-1]), encoder.transform(X[:1])):
        assert np.shares_memory(table.values, X)
        assert table.values.dtype == X.dtype


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("u1", "f4"),
        ("i2", "f4"),
        ("?", "f4"),
        ("f2", "f4"),
        ("i4", "f8"),
        ("i8", "f8"),
        (">f4", "f4"),
    ],
)
def test_other_numbers_become_floats_that_hold_them_exactly(dtype, expected):
    X = np.array([[0, 1], [1, 1], [100, 127]]).astype(dtype)
    values = numbers(X)
    assert values.dtype == expected
    np.testing.assert_array_equal(values, X.astype(float))


FRAMES = {
    "pandas": lambda data: pd.DataFrame(data),
    "polars": lambda data: pl.DataFrame(data),
    "pyarrow": lambda data: pa.table(data),
}
frames = pytest.mark.parametrize("library", FRAMES)


def with_categories(library, name, column):
    """A frame with a number x and a column of the library's own categorical type."""
    x = np.arange(len(column), dtype=float)
    if library == "pandas":
        return pd.DataFrame({"x": x, name: pd.Categorical(column)})
    if library == "polars":
        return pl.DataFrame({"x": x, name: pl.Series(column, dtype=pl.Categorical)})
    return pa.table({"x": x, name: pa.array(column).dictionary_encode()})


columns = st.lists(st.sampled_from(["a", "b", "c", "zz", None]), min_size=1, max_size=12)


@frames
@settings(max_examples=25, deadline=None)
@given(train=columns, test=columns)
def test_categories_equal_the_slow_twin(library, train, test):
    if all(value is None for value in train):
        train = [*train, "b"]
    encoder = TableEncoder("from_dtype")
    for rows, table in (
        (train, encoder.fit(with_categories(library, "c", train))),
        (test, encoder.transform(with_categories(library, "c", test))),
    ):
        np.testing.assert_array_equal(table.values[:, 1], codes(train, rows))
        np.testing.assert_array_equal(table.values[:, 0], np.arange(len(rows)))
    assert encoder.is_categorical_.tolist() == [False, True]
    np.testing.assert_array_equal(encoder.categories_[1], np.arange(len({*train} - {None})))
    again = pickle.loads(pickle.dumps(encoder))
    table = again.transform(with_categories(library, "c", test))
    np.testing.assert_array_equal(table.values[:, 1], codes(train, test))


@frames
def test_columns_of_strings_are_categories_where_they_are_named(library):
    frame = FRAMES[library]({"x": [1.5, None, 2.0], "s": ["b", None, "a"]})
    values = numbers(frame, ["s"])
    np.testing.assert_array_equal(values, [[1.5, 1], [NAN, NAN], [2, 0]])
    with pytest.raises(ValueError, match=r"column 's' of type .*could not convert string to float"):
        numbers(FRAMES[library]({"x": [1.0], "s": ["b"]}), "from_dtype")


def test_a_column_of_dates_is_refused_by_its_name():
    frame = pd.DataFrame({"x": [1.0, 2.0], "day": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    with pytest.raises(ValueError, match="X must hold numbers, got column 'day' of type datetime"):
        numbers(frame, None)
    with pytest.raises(ValueError, match=r"'day' .* Make it a number or a category\."):
        numbers(frame, "from_dtype")


@frames
def test_numbers_of_frames_keep_their_missing_values(library):
    frame = FRAMES[library]({"i": [1, None, 3], "b": [True, None, False], "f": [0.5, 1.0, None]})
    expected = [[1, 1, 0.5], [NAN, NAN, 1], [3, 0, NAN]]
    np.testing.assert_array_equal(numbers(frame, "from_dtype"), expected)


def test_nullable_pandas_columns_and_na_are_missing_values():
    frame = pd.DataFrame(
        {
            "i": pd.array([1, None], dtype="Int64"),
            "a": pd.array([2, None], dtype="int64[pyarrow]"),
            "b": pd.array([True, None], dtype="boolean"),
            "o": pd.Series([4, pd.NA], dtype=object),
        }
    )
    np.testing.assert_array_equal(numbers(frame), [[1, 2, 1, 4], [NAN] * 4])
    np.testing.assert_array_equal(numbers(frame, ["i"]), [[1, 2, 1, 4], [NAN] * 4])


def test_categories_that_are_numbers_stay_the_same_number_from_any_table():
    X = np.array([[3.0, 7], [NAN, 9], [-2, 7]])
    encoder = TableEncoder([1])
    encoder.fit(X)
    np.testing.assert_array_equal(encoder.categories_[1], [7, 9])
    frame = pd.DataFrame({"x": [1.0, 2, 3], "c": pd.Categorical([9, None, 8])})
    np.testing.assert_array_equal(encoder.transform(frame).values[:, 1], [9, NAN, 8])
    objects = np.array([[1, 9], [2, None], [3, "q"]], dtype=object)
    np.testing.assert_array_equal(encoder.transform(objects).values[:, 1], [9, NAN, NAN])


def test_arrays_of_objects_hold_strings_as_categories():
    X = np.array([["b", 1.0], ["a", 2.0], [None, None], [NAN, 4]], dtype=object)
    values = numbers(X, [0])
    np.testing.assert_array_equal(values, [[1, 1], [0, 2], [NAN, NAN], [NAN, 4]])
    with pytest.raises(TypeError, match="uniformly strings or numbers, got \\['int', 'str'\\]"):
        numbers(np.array([["b", 1.0], [1, 2.0]], dtype=object), [0])


@pytest.mark.parametrize(
    "kind", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.coo_array]
)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_sparse_tables_give_dense_blocks(kind, dtype):
    dense = np.random.default_rng(0).integers(0, 3, (20, 9)).astype(dtype)
    dense[3, 4] = NAN
    encoder = TableEncoder([4])
    for table in (encoder.fit(kind(dense)), encoder.transform(kind(dense))):
        assert table.values is None
        assert table.shape == dense.shape
        np.testing.assert_array_equal(table.columns(2, 7), dense[:, 2:7])
        rows, values = table.stored(3)
        np.testing.assert_array_equal(values, dense[rows, 3])
        assert set(np.flatnonzero(dense[:, 3])) == set(rows)
        np.testing.assert_array_equal(table.rows(5, 8), dense[5:8])
        assert table.rows(0, 1).dtype == dtype
    known = np.unique(dense[:, 4][~np.isnan(dense[:, 4])])
    np.testing.assert_array_equal(encoder.categories_[4], known)


def test_what_a_sparse_table_stores_twice_is_added_and_the_users_own_is_left():
    matrix = sparse.csc_matrix((np.ones(3), np.array([1, 1, 0]), np.array([0, 2, 3])), (2, 2))
    rows, values = TableEncoder([]).fit(matrix).stored(0)
    assert (rows.tolist(), values.tolist()) == ([1], [2.0])
    assert matrix.nnz == 3


@pytest.mark.parametrize(
    ("X", "name"),
    [(np.arange(300)[:, None], "at index 0"), (pd.DataFrame({"f0": range(300)}), "'f0'")],
)
def test_too_many_categories_are_refused(X, name):
    message = (
        f"Categorical feature {name} is expected to have a cardinality <= 255 but actually has"
    )
    with pytest.raises(ValueError, match=f"{message} a cardinality of 300"):
        numbers(X, [True])
    assert TableEncoder([0]).fit(X[:255]).shape == (255, 1)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((0, 3)), r"0 sample\(s\)"),
        (np.zeros((3, 0)), r"0 feature\(s\)"),
        (np.zeros(3), "Reshape your data"),
        (np.zeros((2, 2), complex), "Complex data not supported"),
    ],
)
def test_what_is_no_table_is_refused_as_by_scikit_learn(X, message):
    with pytest.raises(ValueError, match=message):
        numbers(X)


def test_an_estimator_learns_and_compares_names_and_numbers_of_features():
    estimator, encoder = BaseEstimator(), TableEncoder(None)
    encode(estimator, encoder, pd.DataFrame({"a": [1.0], "b": [2.0]}), reset=True)
    assert estimator.n_features_in_ == 2
    assert estimator.feature_names_in_.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="must be in the same order"):
        encode(estimator, encoder, pd.DataFrame({"b": [1.0], "a": [2.0]}), reset=False)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        encode(estimator, encoder, np.ones((1, 2)), reset=False)
    estimator = BaseEstimator()
    encode(estimator, encoder, [[1, 2], [3, 4]], reset=True)
    for X in (np.ones((1, 3)), [[1, 2, 3]]):
        with pytest.raises(ValueError, match="X has 3 features, but BaseEstimator is expecting 2"):
            encode(estimator, encoder, X, reset=False)


def test_categories_of_blocks_are_those_of_the_whole():
    whole = pd.DataFrame({"x": range(6), "s": ["c", "a", "b", "c", "d", "a"]})
    encoder, expected = TableEncoder(["s"]), TableEncoder(["s"])
    for start in (0, 2, 4):
        encoder.observe(whole.iloc[start : start + 2])
    np.testing.assert_array_equal(encoder.transform(whole).values, expected.fit(whole).values)


def test_blocks_are_gone_through_twice_and_checked():
    X, y = np.ones((4, 2)), np.arange(4)
    blocks = as_blocks([(X, y), (X, y, np.ones(4))][:1] * 2, None, owner="Owner")
    assert isinstance(blocks, Blocks)
    for _ in range(2):
        assert [len(y) for _, y, _ in blocks] == [4, 4]
    assert blocks.n_rows == 8
    assert as_blocks(X, None, owner="Owner") is None
    assert as_blocks(pd.DataFrame(X), None, owner="Owner") is None
    assert as_blocks([[1, 2], [3, 4]], None, owner="Owner") is None
    with pytest.raises(TypeError, match="empty after one pass"):
        as_blocks(((X, y) for _ in range(2)), None, owner="Owner")
    with pytest.raises(ValueError, match="all have sample_weight or none"):
        list(Blocks([(X, y), (X, y, np.ones(4))], owner="Owner"))
    with pytest.raises(TypeError, match="a block must be a tuple"):
        list(Blocks([X], owner="Owner"))
    with pytest.raises(ValueError, match="at least one row"):
        list(Blocks([], owner="Owner"))


class Shrinking:
    def __init__(self):
        self.n = 3

    def __iter__(self):
        self.n -= 1
        return iter([(np.ones((self.n, 1)), np.ones(self.n))])


def test_a_source_that_brings_fewer_rows_the_second_time_is_refused():
    blocks = as_blocks(Shrinking(), None, owner="Owner")
    list(blocks)
    with pytest.raises(ValueError, match="must bring 2 rows again, got 1"):
        list(blocks)
