"""Means are the peer's, and a row's own target is not in its feature."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import TargetEncoder

from skextras.features import CountRank, FeatureColumns, TargetMean
from skextras.features.columns.target_mean import _folds
from tests.oracles import learned_features as oracle


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 40),
    st.sampled_from(["auto", 0.0, 3.0]),
    st.sampled_from([0.0, 1e6]),
)
def test_means_are_those_of_adding_up_row_by_row(seed, n, smooth, offset):
    """Squares about the mean of all rows lose no digit of an offset; y has deviation 1."""
    random = np.random.default_rng(seed)
    towns = [[None, "a", "b", "c", "d"][k] for k in random.integers(0, 5, n)]
    y = random.normal(size=n) + offset
    columns = FeatureColumns([TargetMean("town", smooth=smooth)])
    columns = columns.fit({"town": [*towns]}, y)
    rows = [*towns, "unseen"]
    expected = oracle.target_means(towns, y.tolist(), rows, smooth=smooth)
    tolerance = 1e-9 * max(1.0, offset * 1e-3)
    np.testing.assert_allclose(columns.transform({"town": rows})[:, 0], expected, atol=tolerance)


@pytest.mark.parametrize("is_class", [True, False])
@pytest.mark.parametrize("smooth", ["auto", 3.0])
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_categories_with_the_same_targets_have_the_same_mean(smooth, is_class, seed):
    """To the last bit, in any order of the rows, or trees would tell them apart."""
    random = np.random.default_rng(seed)
    own = random.integers(0, 2, 7) if is_class else random.integers(0, 90, 7) + 0.5
    towns, y = (
        np.repeat(np.arange(30), 7),
        np.concatenate([random.permutation(own) for _ in range(30)]),
    )
    rare = random.integers(100, 120, 40)
    y = np.concatenate([y, random.permutation(np.resize([0, 1, 1], 40)) + (0 if is_class else 0.5)])
    order = random.permutation(len(y))
    towns = np.concatenate([towns, rare])
    columns = FeatureColumns([TargetMean("town", smooth=smooth)])
    columns.fit({"town": towns[order]}, y[order])
    assert len(np.unique(columns.transform({"town": np.arange(30)}))) == 1


@pytest.mark.parametrize("smooth", ["auto", 10.0])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "continuous"])
def test_means_are_the_peers(smooth, kind):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"town": random.choice(list("abcde"), 300), "gate": random.integers(9)})
    frame["town"] = frame["town"].where(random.random(300) > 0.1, None)
    y = {
        "binary": random.integers(0, 2, 300),
        "multiclass": random.choice(["x", "y", "z"], 300),
        "continuous": random.normal(size=300),
    }[kind]
    ours = FeatureColumns([TargetMean("town", smooth=smooth), TargetMean("gate", smooth=smooth)])
    peer = TargetEncoder(smooth=smooth).fit(frame, y)
    np.testing.assert_allclose(ours.fit(frame, y).transform(frame), peer.transform(frame))
    if kind == "multiclass":
        assert ours.get_feature_names_out()[2] == "town_mean_of_z"


@pytest.mark.parametrize("smooth", ["auto", 2.0])
def test_a_row_is_encoded_by_the_other_folds(smooth):
    random = np.random.default_rng(0)
    towns = random.choice(list("abcdefgh"), 50).tolist()
    y = random.normal(size=50)
    column = TargetMean("town", smooth=smooth, cv=4, random_state=7)
    out = FeatureColumns([column]).fit_transform({"town": towns}, y)[:, 0]
    folds = _folds(50, 4, 7)
    assert np.bincount(folds).tolist() == [13, 13, 12, 12]
    for fold in range(4):
        others, own = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        expected = oracle.target_means(
            [towns[i] for i in others], y[others].tolist(), [towns[i] for i in own], smooth=smooth
        )
        np.testing.assert_allclose(out[own], expected, atol=1e-12)


@pytest.mark.parametrize("smooth", ["auto", 5.0])
def test_a_shuffled_target_is_told_no_better_than_by_chance(smooth):
    """500 categories of 4 rows. The area under the curve of 1000 held-out rows has a deviation of
    0.018 under chance; where the target leaked, training rows would be told with 0.8."""
    random = np.random.default_rng(0)
    towns = random.integers(0, 500, 2000)
    y = random.integers(0, 2, 2000)
    columns = FeatureColumns([TargetMean("town", smooth=smooth)])
    train, test = {"town": towns[:1000]}, {"town": towns[1000:]}
    encoded = columns.fit_transform(train, y[:1000])
    assert roc_auc_score(y[:1000], encoded[:, 0]) < 0.56
    model = LogisticRegression().fit(encoded, y[:1000])
    score = roc_auc_score(y[1000:], model.predict_proba(columns.transform(test))[:, 1])
    assert abs(score - 0.5) < 4 * 0.018
    leaking = columns.transform(train)
    assert roc_auc_score(y[:1000], leaking[:, 0]) > 0.7


@pytest.mark.parametrize(
    ("missing", "expected"), [("bucket", 5.5), ("mean", 2.0), ("keep", np.nan)]
)
def test_missing_values_become_what_is_said(missing, expected):
    column = TargetMean("town", smooth=0.0, missing=missing)
    columns = FeatureColumns([column]).fit({"town": ["a", "a", "b", None]}, [1.0, 0.0, 1.5, 5.5])
    out = columns.transform({"town": [None, "unseen", "a"]})[:, 0]
    np.testing.assert_allclose(out, [expected, 2.0, 0.5])


def test_fewer_rows_than_folds():
    columns = FeatureColumns([TargetMean("town")])
    assert np.isfinite(columns.fit_transform({"town": ["a", "b"]}, [1.5, 2.0])).all()
    one = columns.fit_transform({"town": ["a"]}, [3.5])
    assert one.tolist() == [[3.5]]


@pytest.mark.parametrize("missing", ["bucket", "keep"])
def test_counts_and_ranks_are_those_of_counting(missing):
    towns = ["b", "a", None, "b", None, None, "c", "a", "b", "b"]
    rows = {"town": [*"abc", None, "unseen"]}
    outputs = ("rank", "count", "share")
    types = [CountRank("town", output=output, missing=missing) for output in outputs]
    found = FeatureColumns(types).fit({"town": towns}).transform(rows).T
    nan = np.nan
    rank, gap = ([3, 1, 4, 2, 5], 3) if missing == "bucket" else ([2, 1, 3, nan, 4], nan)
    np.testing.assert_array_equal(found[0], rank)
    np.testing.assert_array_equal(found[1], [2, 4, 1, gap, 0])
    np.testing.assert_allclose(found[2], np.array([2, 4, 1, gap, 0]) / 10)
