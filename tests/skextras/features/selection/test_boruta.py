"""Features that matter beat their shuffled copies, and noise does not."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest
from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesClassifier

from skextras.features.selection import BorutaSelector
from skextras.features.selection.boruta import adjusted

QUICK = {"max_trials": 15, "random_state": 0}


def test_redundant_features_that_matter_are_found_too():
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 6))
    X[:, 1] = X[:, 0] + 0.1 * random.normal(size=200)
    found = BorutaSelector(**QUICK).fit(X, X[:, 0] > 0)
    assert found.confirmed_[:2].all()
    assert found.support_[2:].sum() <= 1
    assert found.n_trials_ <= 15


class Pulls(BaseEstimator):
    """Importances are covariances with the target."""

    def fit(self, X, y):
        self.coef_ = X.T @ (y - y.mean())
        return self


@pytest.mark.parametrize("n_features", [5, 20])
def test_noise_is_confirmed_no_more_often_than_is_said(n_features):
    """ln 2 features a table on average; the mean of 60 Poisson counts exceeds it by 0.4 once in
    5000."""
    random = np.random.default_rng(0)
    counts = []
    for seed in range(60):
        X, y = random.normal(size=(30, n_features)), random.normal(size=30)
        found = BorutaSelector(Pulls(), max_trials=40, random_state=seed).fit(X, y)
        counts.append(found.confirmed_.sum())
    assert np.mean(counts) <= np.log(2) + 0.4


def test_p_values_are_those_of_a_coin():
    random = np.random.default_rng(0)
    X = random.normal(size=(80, 5))
    found = BorutaSelector(max_trials=8, random_state=0).fit(X, X[:, 0] > 0)
    trials = np.isfinite(found.importances_).sum(axis=0)
    hits = (found.importances_ > found.shadow_importances_[:, None]).sum(axis=0)
    for j in range(5):
        expected = binomtest(hits[j], trials[j], 0.5, alternative="greater").pvalue
        assert found.pvalues_[j] == pytest.approx(expected)
    np.testing.assert_allclose(found.scores_, hits / trials)


def test_rejected_features_take_part_no_more():
    random = np.random.default_rng(0)
    X = random.normal(size=(150, 6))
    found = BorutaSelector(max_trials=30, random_state=0).fit(X, X[:, 0] + X[:, 1] > 0)
    is_there = np.isfinite(found.importances_)
    assert (np.diff(is_there.astype(int), axis=0) <= 0).all()
    rejected = ~(found.confirmed_ | found.tentative_)
    assert rejected.any()
    for j in np.flatnonzero(rejected):
        n_trials = is_there[:, j].sum()
        hits = round(found.path_[n_trials - 1, j] * n_trials)
        assert binom.cdf(hits, n_trials, 0.5) <= 0.05


def test_tentative_features_are_resolved_by_medians_or_left_out():
    random = np.random.default_rng(0)
    X = random.normal(size=(150, 5))
    y = X[:, 0] > 0
    found = BorutaSelector(max_trials=2, random_state=0).fit(X, y)
    assert found.tentative_.all()  # two trials decide nothing
    assert found.support_[0]
    above = np.median(found.importances_, axis=0) > np.median(found.shadow_importances_)
    assert np.array_equal(found.support_, above)
    options = {"resolve_tentative": False, "min_features_to_select": 0}
    found = BorutaSelector(max_trials=2, random_state=0, **options).fit(X, y)
    assert not found.support_.any()


def test_other_models_and_missing_values():
    random = np.random.default_rng(0)
    X = random.normal(size=(120, 5))
    y = np.array(["no", "yes"])[(X[:, 3] > 0).astype(int)]
    X[::7, 3] = np.nan
    model = ExtraTreesClassifier(20, max_depth=4)
    for own in (model, None):
        found = BorutaSelector(own, **QUICK).fit(X, y)
        assert found.get_support(indices=True).tolist() == [3]

    def twice(fitted):
        return 2 * fitted.feature_importances_

    found = BorutaSelector(model, importance_getter=twice, **QUICK).fit(X, y)
    assert found.importances_[0].sum() > 1


def test_corrections_are_those_of_their_definitions():
    p_values = np.array([0.01, 0.02, 0.03, 0.5])
    np.testing.assert_allclose(adjusted(p_values, "bonferroni"), [0.04, 0.08, 0.12, 1])
    np.testing.assert_allclose(adjusted(p_values, "fdr_bh"), [0.04, 0.04, 0.04, 0.5])
    assert adjusted(p_values, "none") is p_values
    assert len(adjusted(p_values[:0], "fdr_bh")) == 0


def test_a_line_a_trial_if_asked(capsys):
    random = np.random.default_rng(0)
    X = random.normal(size=(50, 3))
    BorutaSelector(max_trials=3, random_state=0, verbose=2).fit(X, X[:, 0] > 0)
    assert (
        "[BorutaSelector] trial 3: 0 confirmed, 0 rejected, 3 tentative" in capsys.readouterr().out
    )
