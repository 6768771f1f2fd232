"""What holds of every type of numbers from categories and times: the contract of a column."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skextras.features import (
    Column,
    CountRank,
    Cyclical,
    DateTime,
    Embedding,
    FeatureColumns,
    HashBucket,
    SharedEmbedding,
    TargetMean,
)

N = 40
RANDOM = np.random.default_rng(0)
ROWS = {
    "town": [[None, "Ulm", "Bonn", "Jena"][k] for k in RANDOM.integers(0, 4, N)],
    "gate": RANDOM.integers(0, 5, N).tolist(),
    "to": [["Ulm", "Kiel", "Jena"][k] for k in RANDOM.integers(0, 3, N)],
    "tags": [list("abcd"[: k + 1]) for k in RANDOM.integers(-1, 4, N)],
    "hour": [float(k) if k < 23 else None for k in RANDOM.integers(0, 24, N)],
    "left": pd.Series(
        pd.Timestamp("2013-02-27") + pd.to_timedelta(RANDOM.integers(0, 9**6, N), "s")
    ).tolist(),
}
ROWS["left"][3] = None
Y = RANDOM.integers(0, 2, N)
TYPES = [
    TargetMean("town"),
    TargetMean("gate", smooth=2.0, missing="keep", missing_indicator=True, random_state=3),
    CountRank("town"),
    CountRank("gate", output="share", missing="keep", missing_indicator=True),
    Cyclical("hour", period="hour", harmonics=2, missing_indicator=True),
    Cyclical("left", period="hour", missing="centre"),
    DateTime("left", components=["year", "week", "is_weekend"], missing_indicator=True),
    Embedding("town", dimension=2, context=["gate", HashBucket("to", n_buckets=7)]),
    Embedding(HashBucket("tags", n_buckets=9), dimension=3, combiner="sqrtn"),
    SharedEmbedding(["town", "to"], dimension=2, missing_indicator=True),
]
ONE_PASS = [own for own in TYPES if own.n_passes == 1]
by_name = pytest.mark.parametrize("column", TYPES, ids=repr)


def tables():
    """The same rows in all kinds of tables."""
    frame = pd.DataFrame(ROWS)
    return {
        "pandas": frame,
        "pandas categories": frame.astype({"town": "category", "gate": "category"}),
        "polars": pl.DataFrame(ROWS),
        "pyarrow": pa.table(ROWS),
    }


@by_name
@pytest.mark.parametrize("kind", tables())
def test_every_kind_of_table_gives_the_same(column, kind):
    expected = FeatureColumns([column]).fit_transform(ROWS, Y)
    found = FeatureColumns([column]).fit_transform(tables()[kind], Y)
    assert np.array_equal(found, expected, equal_nan=True)


@by_name
def test_one_row_is_that_row_of_the_batch(column):
    columns = FeatureColumns([column]).fit(ROWS, Y)
    whole = columns.transform(ROWS)
    for row in (0, 3, N - 1):
        one = columns.transform(pa.table(ROWS).slice(row, 1))
        np.testing.assert_array_equal(one, whole[[row]])
    assert whole.shape == (N, len(columns.get_feature_names_out()))


@by_name
def test_json_restores_the_transformer(column):
    columns = FeatureColumns([column]).fit(ROWS, Y)
    text = columns.to_json()
    json.loads(text)
    restored = FeatureColumns.from_json(text)
    assert np.array_equal(restored.transform(ROWS), columns.transform(ROWS), equal_nan=True)
    assert restored.to_json() == text
    names = columns.get_feature_names_out()
    assert restored.get_feature_names_out().tolist() == names.tolist()
    assert len(set(names)) == len(names)


@by_name
def test_a_declaration_prints_as_the_code_that_makes_it(column):
    assert eval(repr(column), dict(Column.TYPES)) == column


@by_name
def test_batches_give_what_the_whole_gives(column):
    """Sums of targets may differ by rounding; SGD goes through the rows in the same order."""
    frame = pa.table(ROWS)
    cuts = [(0, 5), (5, 25), (25, N)]
    batches = [(frame.slice(a, b - a), Y[a:b]) for a, b in cuts]
    whole = FeatureColumns([column]).fit(frame, Y).transform(frame)
    found = FeatureColumns([column]).fit(batches)
    np.testing.assert_allclose(found.transform(frame), whole, rtol=1e-12, atol=1e-15)
    streamed = FeatureColumns([column])
    if column.n_passes > 1:
        with pytest.raises(ValueError, match=r"goes through the rows .* Call fit"):
            streamed.partial_fit(*batches[0])
        return
    for rows, y in batches:
        streamed.partial_fit(rows, y)
    np.testing.assert_allclose(streamed.transform(frame), whole, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("column", ONE_PASS, ids=repr)
def test_states_of_batches_merge(column):
    halves = [{name: values[a:b] for name, values in ROWS.items()} for a, b in ((0, 9), (9, N))]
    states = []
    for rows, y in zip(halves, (Y[:9], Y[9:]), strict=True):
        columns = FeatureColumns([column]).fit(rows, y)
        states.append(columns._states[0])
    states[0].merge(states[1])
    merged = column.fitted(column.learn(states[0]))
    whole = FeatureColumns([column]).fit(ROWS, Y).columns_[0]
    assert merged.names == whole.names
    for name, value in whole.learned.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(merged.learned[name], value, rtol=1e-12)
        else:
            assert merged.learned[name] == value


@by_name
def test_missing_values_are_told_where_asked(column):
    columns = FeatureColumns([column]).fit(ROWS, Y)
    out, names = columns.transform(ROWS), columns.get_feature_names_out().tolist()
    assert any(name.endswith("_is_missing") for name in names) == column.missing_indicator
    for place, name in enumerate(names):
        if name.endswith("_is_missing"):
            values = ROWS[name.removesuffix("_is_missing")]
            assert out[:, place].tolist() == [float(value is None) for value in values]


@pytest.mark.parametrize(
    "column",
    [
        TargetMean("town", missing="error"),
        CountRank("town", missing="error"),
        Cyclical("hour", period=24, missing="error"),
        DateTime("left", missing="error"),
        SharedEmbedding(["town", "to"], missing="error"),
    ],
    ids=repr,
)
def test_missing_values_are_refused_where_asked(column):
    with pytest.raises(ValueError, match=r"must hold no missing value, got (one|\d+)"):
        FeatureColumns([column]).fit(ROWS, Y)


@by_name
def test_a_batch_without_any_value_is_all_missing(column):
    columns = FeatureColumns([column]).fit(ROWS, Y)
    nothing = {name: [None, None] for name in ROWS}
    out = columns.transform(nothing)
    assert out.shape == (2, len(columns.get_feature_names_out()))
    if column.n_passes == 1:
        again = FeatureColumns([column]).partial_fit(nothing, [0, 1]).partial_fit(ROWS, Y)
        assert again.transform(ROWS).shape == columns.transform(ROWS).shape


BAD = {
    "smooth must be 'auto' or a number": lambda: TargetMean("a", smooth=-1),
    r"cv must be a whole number in \[2, 255\], got 1": lambda: TargetMean("a", cv=1),
    "missing must be one of .* got 'drop'": lambda: TargetMean("a", missing="drop"),
    "random_state must be a whole number": lambda: TargetMean("a", random_state=-1),
    "output must be one of": lambda: CountRank("a", output="log"),
    "CountRank.*missing must be one of": lambda: CountRank("a", missing="drop"),
    "period must be one of .* or a number above 0, got 'year'": lambda: Cyclical(
        "a", period="year"
    ),
    "harmonics must be a whole number": lambda: Cyclical("a", period=7, harmonics=0),
    "Cyclical.*missing must be": lambda: Cyclical("a", period=7, missing="drop"),
    r"components must be some of .* got \['era'\]": lambda: DateTime("a", components=["era"]),
    "components must be all different": lambda: DateTime("a", components=["day", "day"]),
    "DateTime.*missing must be": lambda: DateTime("a", missing="drop"),
    "dimension must be a whole number of at least 1, got 0": lambda: Embedding("a", dimension=0),
    "combiner must be one of": lambda: Embedding("a", combiner="max"),
    "learning_rate must be above 0": lambda: Embedding("a", learning_rate=0.0),
    "initial must be 8 finite numbers": lambda: Embedding("a", initial={"x": [1.0]}),
    "columns must be a list of names, got 'a'": lambda: SharedEmbedding("a"),
    "columns must be different names": lambda: SharedEmbedding(["a", "a"]),
    "max_size must be a whole number": lambda: SharedEmbedding(["a"], max_size=0),
}


@pytest.mark.parametrize("message", BAD)
def test_options_are_checked_when_they_are_declared(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()


FAULTS = [
    (TargetMean("tags"), "must hold text or numbers, got list"),
    (CountRank("tags"), "must hold one category a row, got lists"),
    (CountRank("left"), "must hold text or numbers, got time"),
    (Cyclical("town", period=4), "must hold numbers, got text"),
    (Cyclical("left", period=24.0), "period must be one of .* for times"),
    (DateTime("town"), "must hold times, got text. Parse text first"),
    (Embedding("left"), "must hold text or numbers, got time"),
    (Embedding(Cyclical("hour", period=24)), "must be categorical column types"),
    (SharedEmbedding(["town", "gate"]), "text in all, or numbers in all"),
]


@pytest.mark.parametrize(("column", "message"), FAULTS, ids=lambda own: repr(own)[:40])
def test_columns_of_the_wrong_kind_are_refused(column, message):
    with pytest.raises(ValueError, match=message):
        FeatureColumns([column]).fit(ROWS, Y)


def test_targets_are_needed_where_they_are_learned_from():
    with pytest.raises(ValueError, match="requires y to be passed"):
        FeatureColumns([TargetMean("town")]).fit(ROWS)
    with pytest.raises(ValueError, match="y must be finite, got inf"):
        FeatureColumns([TargetMean("town")], target_type="continuous").fit(ROWS, [np.inf] * N)
