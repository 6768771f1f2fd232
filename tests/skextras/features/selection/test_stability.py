"""Shares are those of counting by hand, and the bound of the errors holds."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge

from skextras.features.selection import StabilitySelector
from skextras.features.selection.error_bounds import error_bound, largest_q
from tests.oracles import selection as oracle


class Means(BaseEstimator):
    """Importances are the means of the features."""

    def fit(self, X, y):
        self.coef_ = X.mean(axis=0)
        return self


def test_shares_are_those_of_counting_by_hand():
    random = np.random.default_rng(0)
    X, y = random.uniform(size=(21, 6)), random.normal(size=21)
    selector = StabilitySelector(Means(), q=2, n_pairs=30, random_state=5).fit(X, y)
    rows = selector._read(X, y, None).X  # in the order that does not depend on that of X

    def pick(half):
        means = rows[half].mean(axis=0)
        return sorted(range(6), key=lambda j: -means[j])[:2]

    shares = oracle.stability(21, 30, np.random.RandomState(5), pick)
    np.testing.assert_allclose(selector.scores_, [shares.get(j, 0) for j in range(6)])
    assert selector.mean_picked_ == 2
    assert (np.diff(selector.path_, axis=0) >= 0).all()
    np.testing.assert_allclose(selector.path_.sum(axis=1), [1, 2])


def test_halves_are_complementary_or_drawn_anew():
    selector = StabilitySelector(n_pairs=4)
    halves = [half for half, _ in selector._halves(11, np.random.RandomState(0))]
    assert len(halves) == 8
    for first, second in zip(halves[::2], halves[1::2], strict=True):
        assert len(first) == len(second) == 5
        assert not set(first) & set(second)
    selector.set_params(sampling="independent")
    halves = [half for half, _ in selector._halves(11, np.random.RandomState(0))]
    assert any(set(a) & set(b) for a, b in zip(halves[::2], halves[1::2], strict=True))


@pytest.mark.parametrize("n_pairs", [10, 25])
@pytest.mark.parametrize("threshold", [0.6, 0.7, 0.75, 0.8, 0.9, 1.0])
@pytest.mark.parametrize("theta", [0.05, 0.2, 0.4])
def test_the_sharper_bound_covers_every_distribution_with_one_mode(n_pairs, threshold, theta):
    """A feature that halves pick by chance θ is picked twice by a pair by θ² on average."""
    d = 100
    bound = error_bound(theta * d, d, threshold, n_pairs=n_pairs) / d
    worst = oracle.chance_of_unimodal(n_pairs, theta**2, 2 * threshold - 1)
    assert worst <= bound + 1e-9
    assert bound <= theta**2 / (2 * threshold - 1) + 1e-12
    # Nothing is given away, but for thresholds between two shares of n_pairs.
    between = 2 * threshold - 1 - np.floor((2 * threshold - 1) * n_pairs + 1e-9) / n_pairs
    if 0.6 < threshold < 0.75 and between < 1e-9 and theta < 0.3:
        assert worst >= 0.7 * bound


@pytest.mark.parametrize(
    ("threshold", "kind", "expected"),
    [
        (0.9, "unimodal", 2.5 * 4 * 0.11 / 1.02),  # Shah and Samworth's, of 50 pairs
        (0.6, "unimodal", 2.5 / 0.38),
        (0.6, "worst_case", 2.5 / 0.2),
    ],
)
def test_the_bound_of_fifty_features_of_a_thousand(threshold, kind, expected):
    bound = error_bound(50, 1000, threshold, n_pairs=50, kind=kind)
    assert bound == pytest.approx(expected, rel=1e-12)


def test_q_is_as_large_as_the_bound_allows():
    for max_false in (0.5, 1.0, 4.0):
        for threshold in (0.6, 0.75, 0.9):
            options = {"n_pairs": 50, "kind": "unimodal"}
            q = largest_q(200, threshold, max_false, **options)
            assert error_bound(q, 200, threshold, **options) <= max_false * (1 + 1e-9)
            assert error_bound(q + 1, 200, threshold, **options) > max_false


@pytest.mark.parametrize("is_class", [True, False])
def test_noise_is_chosen_no_more_often_than_the_bound_says(is_class):
    random = np.random.default_rng(0)
    counts, bound = [], 0.0
    for seed in range(25):
        X, y = random.normal(size=(40, 20)), random.normal(size=40)
        selector = StabilitySelector(
            threshold=0.6, n_pairs=10, random_state=seed, min_features_to_select=0
        )
        selector.fit(X, y > 0 if is_class else y)
        counts.append(selector.support_.sum())
        bound = selector.error_bound_
    assert 0.5 < bound <= 1
    assert np.mean(counts) <= bound


def test_a_model_of_ones_own_picks():
    random = np.random.default_rng(0)
    X = random.normal(size=(100, 10))
    y = X[:, 4] + 0.3 * random.normal(size=100)
    weight = random.integers(1, 3, 100)
    selector = StabilitySelector(Ridge(), q=1, n_pairs=5, random_state=0)
    assert selector.fit(X, y, sample_weight=weight).get_support(indices=True).tolist() == [4]


def test_a_rare_class_may_be_absent_from_a_half():
    random = np.random.default_rng(0)
    X = random.normal(size=(60, 5))
    y = np.digitize(X[:, 1], [0.0, 3.0])
    y[0] = 2
    selector = StabilitySelector(n_pairs=10, random_state=0).fit(X, y)
    assert selector.support_[1]


def len_of(model):
    return len(model.coef_)


def test_faults_are_told_in_words():
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20.0)
    for options, message in [
        ({"threshold": 0.5}, r"'threshold' parameter .* in the range \(0.5, 1.0\]"),
        ({"max_false": 0.01}, "max_false must be at least 0.667 for 3 features"),
        ({"q": 4}, "q must be at most 3"),
        ({"sampling": "independent"}, "error_bound must be 'worst_case'"),
        ({"min_features_to_select": 4}, "min_features_to_select must be at most 3"),
        ({"estimator": Means(), "importance_getter": len_of}, "one number for each of 3"),
    ]:
        with pytest.raises(ValueError, match=message):
            StabilitySelector(n_pairs=2).set_params(**options).fit(X, y)
    kept = StabilitySelector(sampling="independent", error_bound="worst_case", n_pairs=2)
    assert kept.fit(X, y).error_bound_ == pytest.approx(2 / 3)
