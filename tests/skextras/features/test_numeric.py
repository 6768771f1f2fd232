"""Numbers: scales are scikit-learn's and can be undone, buckets by a target find the steps."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    PowerTransformer,
    StandardScaler,
)
from sklearn.tree import DecisionTreeRegressor

from skextras.features import Bucketized, FeatureColumns, Numeric

X = np.random.default_rng(0).gamma(2.0, 30.0, 500)


def out(column, values=X, y=None):
    return FeatureColumns([column], sparse_output=False).fit_transform({"x": values}, y)


@pytest.mark.parametrize(
    ("scale", "peer", "rtol"),
    [
        ("standard", StandardScaler(), 1e-12),
        ("minmax", MinMaxScaler(), 1e-12),
        ("power", PowerTransformer(), 1e-4),  # the exponent is where a minimum is flat
    ],
)
def test_scales_are_those_of_scikit_learn(scale, peer, rtol):
    expected = peer.fit_transform(X[:, None])
    np.testing.assert_allclose(out(Numeric("x", scale=scale)), expected, rtol=rtol, atol=rtol)


def test_robust_has_median_0_and_quartiles_1_apart():
    low, middle, high = np.percentile(out(Numeric("x", scale="robust")), [25, 50, 75])
    assert abs(middle) < 0.01
    assert abs(high - low - 1) < 0.01  # two definitions of a quartile of 500 rows


def test_quantile_is_the_share_of_rows_below():
    own = out(Numeric("x", scale="quantile"))[:, 0]
    shares = X.argsort().argsort() / (len(X) - 1)
    assert np.abs(own - shares).max() <= 1 / len(X)


@pytest.mark.parametrize("scale", [None, "standard", "minmax", "robust", "log", "power"])
@pytest.mark.parametrize("values", [X, -X, X - 50, np.r_[X, np.nan]], ids=["+", "-", "+-", "nan"])
def test_a_scale_can_be_undone(scale, values):
    columns = FeatureColumns([Numeric("x", scale=scale)])
    back = columns.inverse_transform(columns.fit_transform({"x": values}))["x"]
    np.testing.assert_allclose(back, values, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", ["standard", "minmax", "robust", "quantile", "log", "power"])
def test_constant_and_empty_columns_stay_finite(scale):
    assert np.isfinite(out(Numeric("x", scale=scale), np.full(5, 7.0))).all()
    assert np.isnan(out(Numeric("x", scale=scale), np.full(5, np.nan))).all()


def test_vectors_have_a_scale_a_number():
    values = np.random.default_rng(0).normal(size=(50, 3)) * [1, 10, 100]
    own = out(Numeric("x", shape=3, missing=0.0, missing_indicator=True), values)
    np.testing.assert_allclose(own[:, :3], StandardScaler().fit_transform(values), atol=1e-12)
    assert own.shape == (50, 6)


@pytest.mark.parametrize(("missing", "filled"), [("mean", 2.0), ("median", 1.0), (9.0, 9.0)])
def test_gaps_are_filled_as_the_policy_says(missing, filled):
    values = np.array([0.0, 1.0, 5.0, np.nan])
    own = out(Numeric("x", scale=None, missing=missing), values)
    assert own[3, 0] == filled


def test_quantile_buckets_are_those_of_scikit_learn():
    bins = KBinsDiscretizer(7, encode="onehot-dense", subsample=None).fit_transform(X[:, None])
    np.testing.assert_array_equal(out(Bucketized("x", n_buckets=7)), bins)


def test_buckets_by_a_target_find_its_steps():
    y = np.searchsorted([20.0, 60.0, 61.0, 120.0], X) % 2 + 0.01
    own = FeatureColumns([Bucketized("x", n_buckets=5, strategy="tree")]).fit({"x": X}, y)
    codes = own.transform({"x": X})
    codes = codes.argmax(axis=1)
    assert all(np.ptp(y[codes == code]) == 0 for code in np.unique(codes))


def test_buckets_by_a_target_leave_no_more_than_a_tree():
    y = np.sin(X / 20) + np.random.default_rng(1).normal(size=len(X))
    tree = DecisionTreeRegressor(max_leaf_nodes=6).fit(X[:, None], y)
    codes = out(Bucketized("x", n_buckets=6, strategy="tree", encode="ordinal"), y=y)[:, 0]
    means = np.array([y[codes == code].mean() for code in codes])
    assert ((y - means) ** 2).sum() <= ((y - tree.predict(X[:, None])) ** 2).sum() + 1e-9


def test_buckets_by_a_target_go_through_batches_twice():
    y = (X > 60).astype(int)
    column = Bucketized("x", n_buckets=2, strategy="tree")
    batches = [({"x": X[:200]}, y[:200]), ({"x": X[200:]}, y[200:])]
    whole = FeatureColumns([column]).fit({"x": X}, y)
    assert FeatureColumns([column]).fit(batches).to_json() == whole.to_json()
    with pytest.raises(ValueError, match="Call fit with the batches"):
        FeatureColumns([column]).partial_fit({"x": X}, y)
    with pytest.raises(ValueError, match="requires y to be passed"):
        FeatureColumns([column]).fit({"x": X})


@pytest.mark.parametrize("kind", [dict, pd.DataFrame, pl.DataFrame, pa.table])
def test_lists_of_equal_length_are_vectors(kind):
    table = kind({"x": [[1.0, 4.0], [3.0, 8.0], []]})
    own = FeatureColumns([Numeric("x", shape=2, scale="minmax")]).fit_transform(table)
    np.testing.assert_array_equal(own, [[0, 0], [1, 1], [np.nan, np.nan]])
    ragged = kind({"x": [[1.0, 4.0], [3.0], [2.0]]})
    with pytest.raises(
        ValueError, match=r"must hold 2 numbers a row, got 1 in row 1\. Set shape=1"
    ):
        FeatureColumns([Numeric("x", shape=2)]).fit(ragged)
    with pytest.raises(ValueError, match="must hold numbers, got text"):
        FeatureColumns([Numeric("x")]).fit(kind({"x": [["a"], ["b"]]}))
