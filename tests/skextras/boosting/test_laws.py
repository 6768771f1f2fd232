"""Gradient boosting: what holds for every loss, option and number of threads."""

import pickle

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skextras import GradientBoostingClassifier, GradientBoostingRegressor
from tests.oracles.skextras import repeated
from tests.skextras.boosting.tables import labels, numbers

QUICK = {"max_iter": 12, "min_samples_leaf": 5, "random_state": 0}
VARIANTS = {
    "plain": {},
    "depth": {"grow_policy": "depthwise", "max_depth": 3},
    "unlimited": {"max_leaf_nodes": None},
    "penalties": {"l1_regularization": 0.5, "l2_regularization": 2.0, "min_gain_to_split": 0.1},
    "features": {"max_features": 0.5},
    "subsample": {"subsample": 0.6},
    "goss": {"sampling": "goss"},
    "dart": {"boosting": "dart", "skip_drop": 0.2},
    "leaf iterations": {"leaf_iterations": 3},
    "interactions": {"interaction_cst": "no_interactions"},
    "few bins": {"max_bins": 7},
}
EVERY_VARIANT = pytest.mark.parametrize("options", VARIANTS.values(), ids=list(VARIANTS))
LOSSES = {
    "squared_error": {},
    "absolute_error": {},
    "huber": {"quantile": 0.8},
    "quantile": {"quantile": 0.7},
    "poisson": {},
    "gamma": {},
    "tweedie": {"power": 1.3},
}


def same(model, other):
    """Whether two models are the same trees, bit for bit."""
    trees, others = model._ensemble.trees, other._ensemble.trees
    arrays = ("feature", "threshold", "left", "value", "count", "missing_left", "left_categories")
    return len(trees) == len(others) and all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=name == "threshold")
        for a, b in zip(trees, others, strict=True)
        for name in arrays
    )


@EVERY_VARIANT
def test_trees_are_the_same_for_any_number_of_threads(options):
    X, y = labels(3000, n_missing=400)
    one, two, three = (
        GradientBoostingClassifier(**QUICK, **options, n_jobs=n).fit(X, y) for n in (1, 2, 3)
    )
    assert same(one, two)
    assert same(one, three)
    assert np.array_equal(one.predict_proba(X), two.predict_proba(X))


@EVERY_VARIANT
def test_a_seed_decides_everything_and_nothing_else_does(options):
    X, y = labels(500)
    first = GradientBoostingClassifier(**QUICK, **options).fit(X, y)
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # that it stays is what is tested
    again = clone(first).fit(X, y)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert same(first, again)


@EVERY_VARIANT
def test_training_lowers_the_loss(options):
    X, y = labels(600, n_classes=3)
    model = GradientBoostingClassifier(**QUICK, **options).fit(X, y)
    assert log_loss(y, model.predict_proba(X)) < 0.8 * np.log(3)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_falls_round_by_round_on_its_training_rows(loss):
    X, y = numbers()
    y = np.exp(y / 4)
    model = GradientBoostingRegressor(
        loss=loss, **LOSSES[loss], **QUICK, early_stopping=True, validation_fraction=None,
        n_iter_no_change=100,
    ).fit(X, y)  # fmt: skip
    assert np.all(np.diff(model.train_score_) > -1e-6)
    assert model.train_score_[-1] > model.train_score_[0]


@pytest.mark.parametrize(("loss", "quantile"), [("quantile", 0.2), ("quantile", 0.9)])
def test_quantiles_cover_their_share(loss, quantile):
    X, y = numbers(3000)
    model = GradientBoostingRegressor(loss=loss, quantile=quantile, max_iter=60).fit(X, y)
    assert np.mean(y <= model.predict(X)) == pytest.approx(quantile, abs=0.03)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["squared_error", "poisson", "absolute_error"]))
@example(272, "poisson")  # a single row of far less hessian than the others have is a leaf
def test_weights_mean_repetition(seed, loss):
    # Targets all differ, so that no two splits are equally good but those of the same rows.
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 6, size=(80, 3)).astype(float)
    y = np.exp(X[:, 0] / 3 + rng.normal(size=80))
    counts = rng.integers(0, 4, size=80)
    options = {"loss": loss, "max_iter": 3, "min_samples_leaf": 1, "max_leaf_nodes": 4}
    weighted = GradientBoostingRegressor(**options).fit(X, y, sample_weight=counts)
    repeats = GradientBoostingRegressor(**options).fit(*repeated(X, y, counts))
    # Sums are in fixed point: a row of weight 3 is rounded once, three rows three times.
    there = X[counts > 0]
    np.testing.assert_allclose(weighted.predict(there), repeats.predict(there), atol=1e-5)


def test_a_row_of_weight_zero_is_not_there():
    X, y = labels(400)
    weight = np.ones(400)
    weight[300:] = 0
    with_zeros = GradientBoostingClassifier(**QUICK).fit(X, y, sample_weight=weight)
    without = GradientBoostingClassifier(**QUICK).fit(X[:300], y[:300], np.ones(300))
    assert same(with_zeros, without)


def test_rows_may_stand_in_any_order():
    X, y = numbers(500)
    order = np.random.default_rng(1).permutation(500)
    one = GradientBoostingRegressor(**QUICK).fit(X, y)
    other = GradientBoostingRegressor(**QUICK).fit(X[order], y[order])
    np.testing.assert_allclose(one.predict(X), other.predict(X), atol=1e-5)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_predictions_keep_to_a_monotonic_constraint(direction, loss):
    X, y = numbers(800)
    y = y + np.sin(6 * X[:, 0])
    model = GradientBoostingRegressor(
        loss=loss, monotonic_cst=[direction, 0, 0, 0, 0], max_iter=40, leaf_iterations=2
    ).fit(X, y)
    grid = np.repeat(X[:50, None], 60, axis=1)
    grid[:, :, 0] = np.linspace(-3, 3, 60)
    rises = np.diff(model.predict(grid.reshape(-1, 5)).reshape(50, 60), axis=1)
    assert np.all(direction * rises >= 0)


def test_features_that_may_not_interact_do_not():
    X, y = numbers(800)
    model = GradientBoostingRegressor(interaction_cst=[[0, 1], [2], [3, 4]], **QUICK).fit(X, y)
    interactions = model.shap_interaction_values(X[:20])
    apart = np.ones((5, 5), bool)
    apart[np.ix_([0, 1], [0, 1])] = apart[np.ix_([3, 4], [3, 4])] = apart[2, 2] = False
    assert np.abs(interactions[:, apart]).max() < 1e-12
    assert np.abs(interactions[:, 0, 1]).max() > 1e-3


@EVERY_VARIANT
def test_shapley_values_add_up_to_the_raw_prediction(options):
    X, y = labels(400, n_missing=100)
    model = GradientBoostingClassifier(**QUICK, **options).fit(X, y)
    for background in (None, X[:30]):
        sums = model.shap_values(X[:50], background=background).sum(axis=1)
        total = sums + model.shap_expected_value(background=background)
        np.testing.assert_allclose(total, model.decision_function(X[:50]), atol=1e-6)


def test_min_samples_leaf_counts_rows():
    X, y = labels(500)
    model = GradientBoostingClassifier(max_iter=20, min_samples_leaf=17).fit(X, y)
    for tree in model._ensemble.trees:
        assert tree.count[tree.is_leaf].min() >= 17


def test_depth_and_leaves_keep_to_their_limits():
    X, y = labels(900)
    model = GradientBoostingClassifier(**QUICK, max_depth=3, max_leaf_nodes=6).fit(X, y)
    for tree in model._ensemble.trees:
        assert tree.depth.max() <= 3
        assert tree.n_leaves <= 6


def test_a_pickle_and_a_clone_are_the_model_again():
    X, y = labels(300)
    model = GradientBoostingClassifier(**QUICK).fit(X, y)
    loaded = pickle.loads(pickle.dumps(model))
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert same(loaded, model)
    assert np.array_equal(clone(model).fit(X, y).predict_proba(X), model.predict_proba(X))


def test_leaves_and_stages_agree_with_predictions():
    X, y = labels(400, n_classes=3)
    model = GradientBoostingClassifier(**QUICK).fit(X, y)
    leaves = model.apply(X)
    assert leaves.shape == (400, 36)
    raw = np.tile(model._ensemble.start, (400, 1))
    for number, tree in enumerate(model._ensemble.trees):
        raw[:, number % 3] += tree.value[leaves[:, number], 0]
    np.testing.assert_allclose(model.decision_function(X), raw, atol=1e-12)
    *_, last = model.staged_predict_proba(X)
    assert np.array_equal(last, model.predict_proba(X))
    *_, last = model.staged_predict(X)
    assert np.array_equal(last, model.predict(X))
    assert sum(1 for _ in model.staged_decision_function(X)) == 12


def test_it_works_inside_the_hosts_own_tools():
    X, y = labels(400)
    pipeline = make_pipeline(StandardScaler(), GradientBoostingClassifier(**QUICK))
    search = GridSearchCV(pipeline, {"gradientboostingclassifier__max_leaf_nodes": [4, 8]}, cv=2)
    assert search.fit(X, y).best_score_ > 0.8
    calibrated = CalibratedClassifierCV(GradientBoostingClassifier(**QUICK), cv=2).fit(X, y)
    assert calibrated.score(X, y) > 0.8


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "gamma"])
def test_predictions_are_those_of_the_peer(loss):
    X, y = numbers(1500, n_missing=300)
    y = np.exp(y / 3)
    options = {"loss": loss, "max_iter": 20, "early_stopping": False}
    ours = GradientBoostingRegressor(**options).fit(X, y).predict(X)
    theirs = HistGradientBoostingRegressor(**options).fit(X, y).predict(X)
    # The peer sums gradients in single precision; ours in fixed point of 2^-21 and finer.
    np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=1e-3)


def test_probabilities_are_as_good_as_the_peers():
    X, y = labels(4000, n_classes=3, seed=1)
    options = {"max_iter": 30, "early_stopping": False}
    ours, theirs = (
        log_loss(y[3000:], cls(**options).fit(X[:3000], y[:3000]).predict_proba(X[3000:]))
        for cls in (GradientBoostingClassifier, HistGradientBoostingClassifier)
    )
    assert ours < 1.03 * theirs  # seed noise; splits of equal gain may fall otherwise


def test_leaf_iterations_lower_the_loss_for_the_same_trees():
    X, y = labels(2000)
    one, three = (
        log_loss(y, GradientBoostingClassifier(max_iter=20, leaf_iterations=k).fit(X, y)
                 .predict_proba(X))
        for k in (1, 3)
    )  # fmt: skip
    assert three < one
