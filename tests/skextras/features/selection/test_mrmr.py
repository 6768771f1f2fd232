"""The greedy choice is that of brute force."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.feature_selection import f_classif, f_regression

from skextras.features.selection import MRMRSelector
from skextras.features.selection.mrmr import FLOOR
from tests.oracles import selection as oracle


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(6, 25),
    st.integers(1, 5),
    st.sampled_from(["difference", "quotient"]),
    st.booleans(),
)
def test_the_choice_is_that_of_brute_force(seed, n, d, scheme, has_holes):
    random = np.random.default_rng(seed)
    X = random.integers(0, 4, (n, d)).astype(float)
    y = random.integers(0, 3, n)
    assume(len(np.unique(y)) > 1)
    if has_holes:
        X[random.random((n, d)) < 0.2] = np.nan  # a value of its own
    columns = [np.nan_to_num(column, nan=9).tolist() for column in X.T]
    order, scores = oracle.mrmr(
        columns, y.tolist(), d, is_quotient=scheme == "quotient", floor=FLOOR
    )
    found = MRMRSelector(d, scheme=scheme).fit(X, y)
    # Equal scores may be told apart by rounding: what is compared is the score at each choice.
    np.testing.assert_allclose(np.nanmax(found.path_, axis=1), found.scores_[found.ranking_])
    if found.ranking_.tolist() == order:
        np.testing.assert_allclose(found.scores_[order], scores, rtol=1e-9, atol=1e-12)
    else:
        first = int(np.argmax(found.ranking_ != order))
        np.testing.assert_allclose(
            found.scores_[found.ranking_[first]], scores[first], rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("is_number", [True, False])
def test_f_statistics_are_the_peers(is_number):
    random = np.random.default_rng(0)
    X = random.normal(size=(80, 6))
    f = X[:, 0] + random.normal(size=80)
    y = f if is_number else np.digitize(f, [-1, 1])
    found = MRMRSelector(3, relevance="f").fit(X, y)
    statistic, p_values = (f_regression if is_number else f_classif)(X, y)
    np.testing.assert_allclose(found.relevance_, statistic, rtol=1e-9)
    np.testing.assert_allclose(found.pvalues_, p_values, rtol=1e-8)
    first, second = found.ranking_[:2]
    correlation = np.corrcoef(X.T)[first, second]
    np.testing.assert_allclose(found.redundancy_[second], abs(correlation), rtol=1e-9)


def test_twins_are_not_both_chosen_where_relevance_alone_takes_both():
    random = np.random.default_rng(0)
    X = random.normal(size=(400, 4))
    X[:, 1] = X[:, 0]
    y = X[:, 0] + 0.5 * X[:, 3]
    for relevance in ("mutual_info", "f"):
        found = MRMRSelector(2, relevance=relevance, scheme="quotient").fit(X, y)
        assert found.ranking_.tolist() == [0, 3]
        assert found.relevance_[1] == pytest.approx(found.relevance_[0])


@pytest.mark.parametrize("relevance", ["mutual_info", "f"])
def test_auto_stops_where_nothing_relevant_is_left(relevance):
    random = np.random.default_rng(0)
    X = random.normal(size=(500, 30))
    y = X[:, 3] + X[:, 9] > 0
    found = MRMRSelector(relevance=relevance).fit(X, y)
    assert sorted(found.ranking_) == [3, 9]
    noise = MRMRSelector(relevance=relevance).fit(X, random.permutation(y))
    assert len(noise.ranking_) == 1  # the first comes in any case


def test_p_values_of_noise_are_uniform():
    """Kolmogorov's distance of 300 p-values is above 0.12 once in 3000."""
    random = np.random.default_rng(3)
    X, y = random.normal(size=(1000, 300)), random.integers(0, 2, 1000)
    for relevance in ("mutual_info", "f"):
        p_values = np.sort(MRMRSelector(1, relevance=relevance).fit(X, y).pvalues_)
        assert np.abs(p_values - np.arange(1, 301) / 300).max() < 0.12


def test_a_share_of_features_may_be_asked_for_and_not_more_than_there_are():
    random = np.random.default_rng(0)
    X, y = random.normal(size=(30, 4)), np.arange(30) % 2
    assert len(MRMRSelector(0.5).fit(X, y).ranking_) == 2
    with pytest.raises(ValueError, match="n_features_to_select must be at most 4"):
        MRMRSelector(5).fit(X, y)


def test_more_classes_than_a_byte_tells_apart_are_refused():
    X = np.arange(300.0)[:, None]
    with pytest.raises(ValueError, match=r"at most 256 classes, got 300\. Pass task='regression'"):
        MRMRSelector().fit(X, np.arange(300))


def test_constant_features_say_nothing():
    X = np.column_stack([np.ones(40), np.arange(40.0)])
    for relevance in ("mutual_info", "f"):
        found = MRMRSelector(relevance=relevance).fit(X, np.arange(40) > 20)
        assert found.ranking_.tolist() == [1]
        assert found.pvalues_[0] == 1
        assert found.relevance_[0] == pytest.approx(0, abs=1e-12)
