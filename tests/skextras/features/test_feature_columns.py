"""The transformer: the same features from any table, in any form, at once or in batches."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from skextras.features import (
    Bucketized,
    Column,
    CountRank,
    Crossed,
    FeatureColumns,
    HashBucket,
    Identity,
    Indicator,
    Numeric,
    Vocabulary,
    infer_columns,
)

HOUR = Bucketized("hour", boundaries=[6, 12, 18])
ROWS = {
    "hour": [5, 17, 9, 23, 12, 5],
    "origin": ["JFK", "LGA", None, "EWR", "JFK", "a rather long name"],
    "delay": [1.5, None, -3.0, 0.0, 1e3, 2.0],
    "gate": [0, 1, 2, 0, 1, 2],
    "tags": [["a"], ["b", "a", "a"], [], ["c"], ["b"], ["a"]],
}
COLUMNS = [
    HOUR,
    Indicator(Vocabulary("origin", missing="bucket", n_oov_buckets=2)),
    Numeric("delay", missing="mean", missing_indicator=True),
    Crossed(["origin", HOUR, "gate"], n_buckets=50),
    HashBucket("origin", n_buckets=11),
    Indicator(Identity("gate", n_buckets=3)),
    Indicator(Vocabulary("tags")),
    Bucketized("delay", n_buckets=3, missing="bucket"),
]


def tables(rows):
    """The same rows in all kinds of tables."""
    frame = pd.DataFrame(rows)
    whole = pa.table(rows)
    categorical = frame.assign(origin=frame["origin"].astype("category"))
    return {
        "dict": rows,
        "pandas": frame,
        "pandas objects": frame.astype({"origin": object}),
        "pandas categories": categorical,
        "polars": pl.DataFrame(rows),
        "polars categories": pl.DataFrame(rows).with_columns(pl.col("origin").cast(pl.Categorical)),
        "pyarrow": whole,
        "pyarrow chunks": pa.concat_tables([whole.slice(0, 2), whole.slice(2)]),
        "record batch": whole.to_batches()[0],
        "slice": pa.concat_tables([whole, whole]).combine_chunks().slice(6),
    }


def assert_same(one, other, rtol=0):
    """Two sparse matrices hold the same numbers at the same places."""
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_array_equal(one.indptr, other.indptr)
    np.testing.assert_allclose(one.data, other.data, rtol=rtol, atol=0)


@parametrize_with_checks([FeatureColumns(), FeatureColumns(sparse_output=True)])
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", tables(ROWS))
def test_every_kind_of_table_gives_the_same(kind):
    expected = FeatureColumns(COLUMNS).fit_transform(ROWS).toarray()
    own = FeatureColumns(COLUMNS).fit(tables(ROWS)[kind])
    np.testing.assert_array_equal(own.transform(tables(ROWS)[kind]).toarray(), expected)
    np.testing.assert_array_equal(own.transform(ROWS).toarray(), expected)


def test_one_row_is_that_row_of_the_batch():
    columns = FeatureColumns(COLUMNS)
    whole = columns.fit_transform(ROWS).toarray()
    for row in range(6):
        one = {name: values[row : row + 1] for name, values in ROWS.items()}
        np.testing.assert_array_equal(columns.transform(one).toarray()[0], whole[row])


def test_dense_is_sparse():
    own = FeatureColumns(COLUMNS, sparse_output=True).fit_transform(ROWS)
    assert own.indices.dtype == np.int32
    assert own.has_canonical_format
    dense = FeatureColumns(COLUMNS, sparse_output=False, dtype=np.float32).fit_transform(ROWS)
    assert dense.dtype == np.float32
    np.testing.assert_allclose(dense, own.toarray(), rtol=1e-7)


def test_output_as_a_frame():
    columns = FeatureColumns(COLUMNS).set_output(transform="polars").fit(ROWS)
    frame = columns.transform(ROWS)
    assert frame.columns == columns.get_feature_names_out().tolist()


def test_json_restores_the_transformer():
    columns = FeatureColumns(COLUMNS).fit(ROWS)
    text = columns.to_json()
    assert json.loads(text)["columns"][0]["declared"]["boundaries"] == [6, 12, 18]
    restored = FeatureColumns.from_json(text)
    assert_same(restored.transform(ROWS), columns.transform(ROWS))
    assert restored.to_json() == text
    names = columns.get_feature_names_out()
    assert restored.get_feature_names_out().tolist() == names.tolist()


def test_batches_give_what_the_whole_gives():
    whole = FeatureColumns(COLUMNS).fit(ROWS)
    frame = pa.table(ROWS)
    batches = [frame.slice(0, 1), frame.slice(1, 3), frame.slice(4)]
    streamed = FeatureColumns(COLUMNS)
    for batch in batches:
        streamed.partial_fit(batch)
    for own in (FeatureColumns(COLUMNS).fit(batches), streamed):
        assert own.get_feature_names_out().tolist() == whole.get_feature_names_out().tolist()
        # means and deviations of six numbers: a few roundings apart
        assert_same(own.transform(frame), whole.transform(frame), rtol=1e-14)
    assert_same(whole.transform(batches), whole.transform(frame))


def test_threads_change_nothing():
    one = FeatureColumns(COLUMNS, n_jobs=1).fit_transform(ROWS)
    assert_same(FeatureColumns(COLUMNS, n_jobs=2).fit_transform(ROWS), one)


def test_the_inverse_is_a_table_that_gives_the_same():
    own = [Numeric("delay"), Indicator(Vocabulary("origin")), HOUR, Identity("gate", n_buckets=3)]
    columns = FeatureColumns(own)
    out = columns.fit_transform(ROWS)
    back = columns.inverse_transform(out)
    assert back["origin"].tolist() == ROWS["origin"]
    np.testing.assert_allclose(back["delay"], np.array(ROWS["delay"], float))
    again = columns.transform(back)
    np.testing.assert_allclose(*(np.nan_to_num(np.asarray(each)) for each in (again, out)))


def test_a_declaration_prints_as_the_code_that_makes_it():
    for column in COLUMNS:
        names = {own: Column.TYPES[own] for own in Column.TYPES}
        assert eval(repr(column), names) == column
    assert repr(clone(FeatureColumns(COLUMNS))) == repr(FeatureColumns(COLUMNS))


def test_a_proposal_is_code_that_runs():
    found = infer_columns(ROWS)
    space = {}
    exec(found.code, space)
    columns = space["columns"].fit(ROWS)
    assert set(columns.inverse_transform(columns.transform(ROWS))) >= {"hour", "origin", "delay"}


def test_the_diagram_shows_the_columns():
    page = FeatureColumns(COLUMNS)._repr_html_()
    assert "Crossed: origin_x_hour_x_gate" in page


def test_names_read():
    names = FeatureColumns(COLUMNS).fit(ROWS).get_feature_names_out().tolist()
    assert {"hour_6_to_12", "origin_JFK", "origin_oov_1", "origin_missing"} <= set(names)
    assert {"origin_x_hour_x_gate_bucket_17", "delay_is_missing", "tags_a"} <= set(names)
    assert len(set(names)) == len(names)


def test_an_array_with_names():
    X = np.array([[5.0, 1.0], [17.0, 2.0]])
    named = FeatureColumns([HOUR, Numeric("delay")], feature_names=["hour", "delay"])
    fields = np.array([(5.0, 1.0), (17.0, 2.0)], dtype=[("hour", float), ("delay", float)])
    expected = FeatureColumns([HOUR, Numeric("delay")]).fit_transform(fields)
    np.testing.assert_array_equal(named.fit_transform(X), expected)


def test_the_output_is_as_sparse_as_declared():
    assert sparse.issparse(
        FeatureColumns([Crossed(["gate", "origin"], n_buckets=9)]).fit_transform(ROWS)
    )
    assert not sparse.issparse(FeatureColumns([Numeric("delay")]).fit_transform(ROWS))


def test_no_two_features_have_one_name():
    table = {"age": [20.0, 30.0, 40.0], "town": ["Ulm", "missing", None]}
    columns = FeatureColumns(
        [
            Numeric("age"),
            Numeric("age", scale=None),
            Bucketized("age", boundaries=[25.0], encode="ordinal"),
            Indicator(Vocabulary("town", missing="bucket")),
            CountRank("age"),
        ],
        sparse_output=False,
    )
    out = columns.set_output(transform="polars").fit_transform(table)
    assert out.columns == [
        "numeric__age",
        "numeric__age__2",
        "bucketized__age",
        "town_Ulm",
        "indicator__town_missing",
        "indicator__town_missing__2",
        "age_rank",
    ]
    again = FeatureColumns.from_json(columns.to_json())
    assert again.get_feature_names_out().tolist() == out.columns
