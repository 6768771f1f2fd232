"""A weight is a repetition: of every count, sum, quantile and pair."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.features import (
    Bucketized,
    CountRank,
    Embedding,
    FeatureColumns,
    Indicator,
    Numeric,
    SequenceCategorical,
    SequenceNumeric,
    SharedEmbedding,
    TargetMean,
    Vocabulary,
    WeightedCategorical,
)
from skextras.features.kernels.factorisation import train
from skextras.features.sketch import QuantileSketch

N = 40
SCALES = ["standard", "minmax", "robust", "quantile", "power"]
COLUMNS = {
    **{f"number, {scale}": Numeric("x", scale=scale, missing="median") for scale in SCALES},
    "mean of numbers": Numeric("x", scale=None, missing="mean"),
    "whole numbers": Numeric("whole", scale="robust"),
    "quantiles": Bucketized("x", n_buckets=4),
    "quantiles of whole numbers": Bucketized("whole", n_buckets=4),
    "buckets by target": Bucketized("x", n_buckets=4, strategy="tree"),
    "vocabulary": Indicator(Vocabulary("town", max_size=3)),
    "rare categories": Indicator(Vocabulary("town", min_count=8)),
    "lists": Indicator(Vocabulary("tags", max_size=2)),
    "weighted lists": Indicator(WeightedCategorical(Vocabulary("tags", min_count=2), "shares")),
    "sequences": SequenceCategorical(Vocabulary("tags", max_size=2)),
    "sequences of numbers": SequenceNumeric("shares", scale="standard"),
    "target mean": TargetMean("town"),
    "target mean, fixed": TargetMean("town", smooth=3.0, missing="mean"),
    "rank": CountRank("town"),
    "count": CountRank("town", output="count"),
    "share": CountRank("town", output="share", missing="keep"),
}
UNSUPERVISED = {
    "embedding": Embedding("tags", dimension=2),
    "shared embedding": SharedEmbedding(["town", "other"], dimension=2, missing="bucket"),
}


def rows(seed):
    """A table with gaps, targets, and whole weights, some of them 0."""
    random = np.random.default_rng(seed)
    tags = [
        [list("abcd")[k] for k in random.integers(0, 4, random.integers(1, 5))] for _ in range(N)
    ]
    table = {
        "x": np.where(random.random(N) < 0.1, np.nan, random.normal(size=N)),
        "whole": random.integers(0, 30, N).astype(float),
        "town": [[None, *"abcdef"][k] for k in random.integers(0, 7, N)],
        "other": [list("abcdef")[k] for k in random.integers(0, 6, N)],
        "tags": tags,
        "shares": [random.normal(size=len(own)).tolist() for own in tags],
    }
    weights = random.integers(0, 4, N)
    weights[:2] = [0, 3]
    return pa.table(table), random.normal(size=N), weights


@pytest.mark.parametrize("kind", [*COLUMNS, *UNSUPERVISED])
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_weight_is_a_repetition(kind, seed):
    """Sums add up in another order: some roundings, which a root of a power's loss magnifies."""
    table, y, weights = rows(seed)
    y = None if kind in UNSUPERVISED else y
    column = {**COLUMNS, **UNSUPERVISED}[kind]
    repeated = np.repeat(np.arange(N), weights)
    expected = FeatureColumns([column], sparse_output=False)
    expected.fit(table.take(repeated), None if y is None else y[repeated])
    own = FeatureColumns([column], sparse_output=False).fit(table, y, sample_weight=weights)
    assert own.get_feature_names_out().tolist() == expected.get_feature_names_out().tolist()
    tolerance = 1e-5 if kind == "number, power" else 1e-9
    found, wanted = own.transform(table), expected.transform(table)
    if kind in UNSUPERVISED:  # singular vectors of equal values turn; their products do not
        found, wanted = found @ found.T, wanted @ wanted.T
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def test_batches_bring_their_weights():
    table, y, weights = rows(0)
    columns = [COLUMNS[kind] for kind in ("number, robust", "vocabulary", "target mean", "count")]
    whole = FeatureColumns(columns, sparse_output=False).fit(table, y, weights).transform(table)
    parts = [slice(0, 7), slice(7, 30), slice(30, N)]
    batches = [(table.slice(p.start, p.stop - p.start), y[p], weights[p]) for p in parts]
    fitted = FeatureColumns(columns, sparse_output=False).fit(batches)
    streamed = FeatureColumns(columns, sparse_output=False)
    for batch in batches:
        streamed.partial_fit(*batch)
    for own in (fitted, streamed):
        np.testing.assert_allclose(own.transform(table), whole, rtol=1e-12, atol=1e-12)


def test_weights_reach_fit_transform():
    table, y, weights = rows(1)
    columns = FeatureColumns([Numeric("x"), CountRank("town")])
    out = columns.fit_transform(table, y, sample_weight=weights)
    np.testing.assert_array_equal(out, columns.fit(table, y, weights).transform(table))


def test_a_row_of_weight_0_takes_no_part_in_cross_fitting():
    random = np.random.default_rng(0)
    table, y = {"town": random.choice(list("abc"), 60)}, random.normal(size=60)
    weights = (np.arange(60) % 5 > 0).astype(float)
    columns = FeatureColumns([TargetMean("town")])
    out = columns.fit_transform(table, y, weights)
    other = np.where(weights > 0, y, 1e6)
    np.testing.assert_allclose(columns.fit_transform(table, other, weights), out, atol=1e-12)


@pytest.mark.parametrize("order", ["random", "ascending", "whole, then not"])
def test_weighted_quantiles_of_a_stream_keep_to_their_bound(order):
    exact, size, n = 512, 64, 20_000
    random = np.random.default_rng(0)
    values, weights = random.normal(size=n), random.exponential(size=n)
    if order == "whole, then not":
        values[: n // 2] = np.round(values[: n // 2] * 20)
    elif order == "ascending":
        values = np.sort(values)
    sketch = QuantileSketch(exact, size)
    for part in np.array_split(np.arange(n), 17):
        sketch.add(values[part], weights[part])
    order = np.argsort(values)
    upto = np.concatenate([[0.0], np.cumsum(weights[order])])
    found = sketch.quantiles(range(1, 20), 20)
    low = upto[np.searchsorted(values[order], found, "left")]
    high = upto[np.searchsorted(values[order], found, "right")]
    wanted = np.arange(1, 20) / 20 * upto[-1]
    off = np.maximum(np.maximum(low - wanted, wanted - high), 0)
    assert off.max() <= sketch.rank_error + weights.max()
    assert sketch.rank_error <= (1 + np.log2(n / exact)) / (2 * size) * upto[-1] * (1 + 1e-9)
    assert len(sketch) == round(upto[-1])


def test_a_weight_multiplies_the_slopes_of_an_embedding():
    random = np.random.default_rng(0)
    found = []
    for weight in (1.0, 3.0):
        random = np.random.default_rng(0)
        model = random.normal(size=(4, 2)), random.normal(size=(2, 1, 2)), random.normal(size=1)
        squares = tuple(np.zeros_like(part) for part in model)
        items = np.array([0, 3], np.int32), np.array([0, 1], np.int32), np.ones(2)
        columns = *items, np.array([weight])
        ends, options = np.array([0, 2]), (2, True, 0.1, 0.0)
        loss = train(np.array([0]), ends, columns, np.ones((1, 1)), model, squares, options)
        found.append((loss, squares))
    assert found[1][0] == pytest.approx(found[0][0])  # the mean of one row
    for one, other in zip(found[0][1][2:], found[1][1][2:], strict=True):
        np.testing.assert_allclose(other, 9 * one, rtol=1e-12)


@pytest.mark.parametrize(
    ("weights", "message"),
    {(-1.0, 1.0): "Negative", (1.0,): r"shape", (np.nan, 1.0): "NaN"}.items(),
)
def test_what_is_no_weight_is_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        FeatureColumns([Numeric("x")]).fit({"x": [1.0, 2.0]}, None, list(weights))


def test_weights_beside_batches_are_refused_with_the_cure():
    batches = [{"x": [1.0, 2.0]}]
    with pytest.raises(ValueError, match=r"Let each batch be \(table, y, sample_weight\)"):
        FeatureColumns([Numeric("x")]).fit(batches, sample_weight=[1, 1])
