"""Importances of forests out of the bag: MDI-oob and MDI+."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score

from skextras import RandomForestClassifier, RandomForestRegressor
from skextras.trees.forest_stumps import PENALTIES
from tests.oracles.trees_stumps import mdi_plus


def planted(n=500, *, seed=7):
    """A signal of two values, its noisy copy, and noise of two, many and 40 values."""
    rng = np.random.default_rng(seed)
    signal = rng.integers(0, 2, n)
    copy = np.where(rng.random(n) < 0.8, signal, 1 - signal)
    noise = (rng.integers(0, 2, n), rng.normal(size=n), rng.integers(0, 40, n))
    return np.column_stack([signal, copy, *noise]), signal + rng.normal(0, 1, n)


@pytest.mark.parametrize("categorical_features", [None, [4]])
@pytest.mark.parametrize("kind", [RandomForestRegressor, RandomForestClassifier])
def test_noise_of_many_values_is_important_by_impurity_alone(kind, categorical_features):
    X, y = planted()
    if kind is RandomForestClassifier:
        y = y > 0.5
    model = kind(60, random_state=0, categorical_features=categorical_features).fit(X, y)
    impurity = model.feature_importances_
    assert impurity[3:].max() > impurity[0]  # which is misleading
    for found in (model.debiased_importances(X, y), model.mdi_plus(X, y)):
        assert found[0] > 0.02
        assert np.argmax(found) == 0
        assert found[2:].max() < found[0] / 4
        assert found[1] < found[0] / 2


def test_importances_out_of_the_bag_count_no_constant_that_is_added_to_the_target():
    X, y = planted()
    model = RandomForestRegressor(20, random_state=0, categorical_features=[4]).fit(X, y)
    for tell in (model.debiased_importances, model.mdi_plus):
        assert_allclose(tell(X, y), tell(X, y + 64), atol=1e-9)


def test_of_the_variance_a_signal_of_two_values_explains_its_share():
    X, y = planted(800)
    signal, *_ = RandomForestRegressor(60, random_state=0).fit(X, y).debiased_importances(X, y)
    assert 0.15 < signal < 0.3  # of a variance of 0.25, some of which its copy takes


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_mdi_plus_is_ridge_regression_on_the_columns_of_the_splits(n_classes, seed):
    X, y = planted(60, seed=seed)
    kind = RandomForestRegressor
    lanes = [y]
    if n_classes:
        kind, y = RandomForestClassifier, np.digitize(y, [0.5] if n_classes == 2 else [0, 1])
        lanes = [y == 1] if n_classes == 2 else [y == own for own in range(3)]
    options = {"criterion": "absolute_error"} if seed == 2 and not n_classes else {}
    model = kind(4, random_state=seed, categorical_features=None, **options).fit(X, y)
    expected = []
    for tree, rows in zip(model.estimators_, model.estimators_samples_, strict=True):
        counts = np.bincount(rows, minlength=len(y)).astype(float)
        path = tree.decision_path(X).toarray().astype(float)
        for lane in lanes:
            target = lane.astype(float)
            options = {"n_features": 5, "penalties": PENALTIES}
            expected.append(mdi_plus(tree.tree_, path, target, counts, **options))
    # (the twin's normal equations lose half of the digits)
    assert_allclose(model.mdi_plus(X, y), np.mean(expected, axis=0), atol=1e-7)


def test_mdi_plus_takes_another_score_several_outputs_and_rows_of_no_weight():
    X, y = planted(300)
    classes = y > 0.5
    model = RandomForestClassifier(30, random_state=0).fit(X, classes)
    found = model.mdi_plus(X, classes, score=roc_auc_score)
    assert np.argmax(found) == 0
    assert_allclose(found[2:], 0.5, atol=0.06)
    pair = np.column_stack([y, -3 * y])
    model = RandomForestRegressor(10, random_state=0).fit(X, pair)
    same = np.column_stack([y, y])
    assert_allclose(model.mdi_plus(X, pair), model.mdi_plus(X, same), atol=1e-9)
    weight = np.r_[np.ones(200), np.zeros(100)]
    part = RandomForestRegressor(10, random_state=0).fit(X[:200], y[:200])
    whole = RandomForestRegressor(10, random_state=0).fit(X, y, weight)
    for name in ("mdi_plus", "debiased_importances"):
        expected = getattr(part, name)(X[:200], y[:200])
        assert_allclose(getattr(whole, name)(X, y), expected)


@pytest.mark.parametrize("name", ["mdi_plus", "debiased_importances"])
def test_importances_out_of_the_bag_ask_for_samples_and_the_training_rows(name):
    X, y = planted(60)
    model = RandomForestRegressor(2, random_state=0, bootstrap=False).fit(X, y)
    with pytest.raises(ValueError, match="bootstrap must be True"):
        getattr(model, name)(X, y)
    with pytest.raises(ValueError, match="must be the training rows"):
        getattr(model.set_params(bootstrap=True).fit(X, y), name)(X[:9], y[:9])
    with pytest.raises(ValueError, match="as many columns as in fit, 1, got 2"):
        getattr(model, name)(X, np.column_stack([y, y]))
