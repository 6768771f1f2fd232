"""AdaBoost: what holds for every algorithm, learner and number of threads."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import AdaBoostClassifier as HostClassifier
from sklearn.ensemble import AdaBoostRegressor as HostRegressor
from sklearn.ensemble import BaggingClassifier, StackingClassifier
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, export_text

from skextras import AdaBoostClassifier, AdaBoostRegressor
from tests.oracles import adaboost as oracle
from tests.oracles.skextras import repeated
from tests.skextras.boosting.tables import labels, numbers

QUICK = {"n_estimators": 12, "random_state": 0}
ALGORITHMS = ("SAMME", "SAMME.R", "LogitBoost", "gentle")
EVERY_ALGORITHM = pytest.mark.parametrize("algorithm", ALGORITHMS)
EVERY_WAY = pytest.mark.parametrize("resample", [False, True], ids=["weights", "samples"])


def few_values(n=300, n_classes=2, seed=0):
    """A table on whose bins nothing is lost: no feature has more than 40 values."""
    X, y = labels(n, n_classes, seed=seed)
    return (6 * X).round().clip(-20, 20), y


def trees_of(algorithm, depth):
    kind = DecisionTreeClassifier if algorithm in ("SAMME", "SAMME.R") else DecisionTreeRegressor
    return kind(max_depth=depth)


def noisy(n=300, n_classes=2):
    """Labels of which one in ten is wrong, so that no learner ends the rounds."""
    X, y = few_values(n, n_classes)
    wrong = np.random.default_rng(1).random(n) < 0.1
    return X, np.where(wrong, (y + 1) % n_classes, y)


# ------------------------------------------------------------ as the originals
@settings(max_examples=12, deadline=None)
@given(n=st.integers(4, 40), weighted=st.booleans(), seed=st.integers(0, 2**32 - 1))
def test_stumps_are_those_of_a_literal_adaboost(n, weighted, seed):
    rng = np.random.default_rng(seed)
    X = rng.permutation(n * 3).reshape(n, 3).astype(float)  # no two values alike: few ties
    y = rng.integers(0, 2, n)
    weight = rng.integers(1, 5, n).astype(float) if weighted else np.ones(n)
    expected = oracle.discrete_adaboost(X.tolist(), y.tolist(), weight.tolist(), 3)
    if not expected:
        return
    model = AdaBoostClassifier(n_estimators=3).fit(X, y, weight)
    # Stumps of one gain may be taken in another order; the first round's error has no such choice
    # where one stump is best, and every round's α follows from its ε.
    kept = model.estimator_errors_[: model.n_iter_]
    alpha = np.where(kept > 0, np.log((1 - kept) / np.where(kept > 0, kept, 1)), 1.0)
    np.testing.assert_allclose(model.estimator_weights_[: model.n_iter_], alpha, rtol=1e-12)
    gains = [
        oracle.gini_weight(y, weight, range(n))
        - sum(oracle.gini_weight(y, weight, np.flatnonzero(side)) for side in sides)
        for sides in (split_of(model.estimators_[0], X), split_by(expected[0][0], X))
    ]
    assert gains[0] == pytest.approx(gains[1], rel=1e-6, abs=1e-6 * n)


def split_of(tree, X):
    node = tree.apply(X)
    return [node == leaf for leaf in np.unique(node)]


def split_by(stump, X):
    if stump is None:
        return [np.ones(len(X), bool)]
    is_left = X[:, stump[0]] <= stump[1]
    return [is_left, ~is_left]


@pytest.mark.parametrize("depth", [1, 2])
def test_the_host_finds_the_same_model_where_nothing_ties(depth):
    X, y = noisy(400)
    weight = np.random.default_rng(0).random(400)
    tree = DecisionTreeClassifier(max_depth=depth, random_state=0)
    ours = AdaBoostClassifier(tree, n_estimators=15, random_state=0).fit(X, y, weight)
    host = HostClassifier(tree, n_estimators=15, random_state=0).fit(X, y, weight)
    np.testing.assert_allclose(ours.estimator_errors_, host.estimator_errors_, rtol=1e-9)
    np.testing.assert_allclose(ours.decision_function(X), host.decision_function(X), atol=1e-9)
    np.testing.assert_allclose(ours.predict_proba(X), host.predict_proba(X), atol=1e-9)
    np.testing.assert_allclose(ours.feature_importances_, host.feature_importances_, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("criterion", ["gini", "entropy"])
def test_so_it_does_for_classes_and_criteria_of_whole_trees(n_classes, criterion):
    X, y = noisy(400, n_classes)
    weight = np.random.default_rng(0).random(400)
    tree = DecisionTreeClassifier(
        max_depth=2, criterion=criterion, min_samples_split=30, random_state=0
    )
    ours = AdaBoostClassifier(tree, n_estimators=15, random_state=0).fit(X, y, weight)
    host = HostClassifier(tree, n_estimators=15, random_state=0).fit(X, y, weight)
    # (weights are rounded to 31 bits)
    np.testing.assert_allclose(ours.estimator_errors_, host.estimator_errors_, rtol=1e-6)
    np.testing.assert_allclose(ours.decision_function(X), host.decision_function(X), atol=1e-6)
    np.testing.assert_allclose(ours.feature_importances_, host.feature_importances_, atol=1e-6)
    one, other = ours.estimators_[5].tree_, host.estimators_[5].tree_
    assert sorted(one.n_node_samples) == sorted(other.n_node_samples)
    np.testing.assert_allclose(sorted(one.impurity), sorted(other.impurity), atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("options", [{"splitter": "random"}, {"min_impurity_decrease": 0.01}])
def test_other_limits_of_whole_trees_learn_as_well(n_classes, options):
    X, y = noisy(600, n_classes)
    tree = DecisionTreeClassifier(max_depth=3, random_state=0, **options)
    ours = AdaBoostClassifier(tree, n_estimators=20, random_state=0).fit(X, y)
    host = HostClassifier(tree, n_estimators=20, random_state=0).fit(X, y)
    assert abs(ours.score(X, y) - host.score(X, y)) < 0.06  # training rows; cuts are drawn


@pytest.mark.parametrize("learner", [GaussianNB(), LogisticRegression()])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_any_estimator_is_boosted_as_the_host_does(learner, n_classes):
    X, y = noisy(200, n_classes)
    X = X + np.random.default_rng(0).normal(size=X.shape) / 9  # no rows to merge
    ours = AdaBoostClassifier(learner, n_estimators=5, random_state=0).fit(X, y)
    host = HostClassifier(learner, n_estimators=5, random_state=0).fit(X, y)
    # (solvers stop at a tolerance of their own, and rows come in another order)
    np.testing.assert_allclose(ours.decision_function(X), host.decision_function(X), atol=1e-2)
    np.testing.assert_allclose(ours.estimator_errors_, host.estimator_errors_, atol=1e-2)


@pytest.mark.parametrize("loss", ["linear", "square", "exponential"])
def test_numbers_are_predicted_as_well_as_by_the_host(loss):
    X, y = numbers(600)
    test_X, test_y = numbers(600, seed=1)
    X, test_X = ((30 * table).round().clip(-120, 120) for table in (X, test_X))  # a bin a value

    def mean_score(model):
        models = [clone(model).set_params(loss=loss, random_state=seed) for seed in range(4)]
        return np.mean([one.fit(X, y).score(test_X, test_y) for one in models])

    host = mean_score(HostRegressor(n_estimators=20))
    for resample in (True, False):
        ours = mean_score(AdaBoostRegressor(n_estimators=20, resample=resample))
        assert ours > host - 0.02  # seeds are worth 0.01


# ------------------------------------------------------------ for every algorithm
@EVERY_ALGORITHM
@EVERY_WAY
def test_the_model_is_the_same_for_any_number_of_threads(algorithm, resample):
    X, y = labels(40_000)
    tree = trees_of(algorithm, 3)
    options = {"n_estimators": 3, "algorithm": algorithm, "resample": resample, "random_state": 0}
    one, two = (AdaBoostClassifier(tree, **options, n_jobs=n).fit(X, y) for n in (1, 3))
    assert np.array_equal(one.decision_function(X), two.decision_function(X))
    assert np.array_equal(one.estimator_errors_, two.estimator_errors_)


@EVERY_ALGORITHM
@EVERY_WAY
@pytest.mark.parametrize("n_classes", [2, 3])
def test_neither_order_nor_repetition_of_rows_matters(algorithm, resample, n_classes):
    X, y = labels(60, n_classes)
    weight = np.random.default_rng(0).integers(0, 4, 60)
    more_X, more_y = repeated(X, y, weight)
    order = np.random.default_rng(1).permutation(len(more_y))
    model = AdaBoostClassifier(algorithm=algorithm, resample=resample, **QUICK)
    expected = model.fit(X, y, weight).decision_function(X)
    found = clone(model).fit(more_X[order], more_y[order]).decision_function(X)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@EVERY_WAY
def test_neither_matters_for_numbers(resample):
    X, y = numbers(60)
    weight = np.random.default_rng(0).integers(0, 4, 60)
    more_X, more_y = repeated(X, y, weight)
    order = np.random.default_rng(1).permutation(len(more_y))
    model = AdaBoostRegressor(resample=resample, **QUICK)
    expected = model.fit(X, y, weight).predict(X)
    found = clone(model).fit(more_X[order], more_y[order]).predict(X)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_neither_matters_where_bins_are_found_on_a_part_of_the_rows(monkeypatch):
    monkeypatch.setattr("skextras.boosting.fitting.SAMPLE", 90)
    X, y = labels(400)
    weight = np.random.default_rng(0).integers(0, 4, 400)
    more_X, more_y = repeated(X, y, weight)
    order = np.random.default_rng(1).permutation(len(more_y))
    for kind in (np.asarray, sparse.csc_matrix):
        expected = AdaBoostClassifier(**QUICK).fit(kind(X), y, weight).decision_function(X)
        found = AdaBoostClassifier(**QUICK).fit(kind(more_X[order]), more_y[order])
        np.testing.assert_allclose(found.decision_function(X), expected, rtol=1e-12)


@EVERY_ALGORITHM
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_bound_holds_after_each_round(algorithm, n_classes):
    X, y = noisy(300, n_classes)
    weight = np.random.default_rng(0).random(300)
    model = AdaBoostClassifier(trees_of(algorithm, 2), algorithm=algorithm, **QUICK)
    model.fit(X, y, weight)
    errors = 1 - np.array(list(model.staged_score(X, y, weight)))
    bound = model.training_error_bound_
    assert len(bound) == model.n_iter_ == len(errors)
    if algorithm == "SAMME.R" and n_classes > 2:
        assert np.isnan(bound).all()
    else:
        assert (errors <= bound + 1e-12).all()
        assert bound[-1] < bound[0] or (algorithm, n_classes) == ("SAMME", 3)  # whose ε is too high


@EVERY_ALGORITHM
@EVERY_WAY
@pytest.mark.parametrize("n_classes", [1, 2, 3])
def test_stages_end_in_the_prediction_and_a_pickle_keeps_it(algorithm, resample, n_classes):
    X, y = few_values(200, n_classes)
    y = np.array(["ant", "bee", "cat"])[y]
    model = AdaBoostClassifier(algorithm=algorithm, resample=resample, **QUICK).fit(X, y)
    *_, last = model.staged_decision_function(X)
    np.testing.assert_allclose(last, model.decision_function(X), rtol=1e-12)
    *_, last = model.staged_predict_proba(X)
    proba = model.predict_proba(X)
    np.testing.assert_allclose(last, proba, rtol=1e-12)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert np.array_equal(model.classes_[proba.argmax(axis=1)], model.predict(X))
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(X), proba)
    right = model.predict(X) == y
    assert (model.margin_distribution(X, y) > 0)[right].all()
    if n_classes > 1:
        assert (model.margin_distribution(X, y) <= 0)[~right].all()


@EVERY_ALGORITHM
def test_the_learners_are_fitted_trees_that_add_up(algorithm):
    X, y = noisy(300)
    model = AdaBoostClassifier(trees_of(algorithm, 2), algorithm=algorithm, **QUICK).fit(X, y)
    kept = pickle.loads(pickle.dumps(model.estimators_))
    assert len(kept) == len(model) == model.n_iter_
    if algorithm == "SAMME":
        said = [np.where(tree.predict(X) == 1, 2.0, -2.0) for tree in kept]
        total = np.average(said, axis=0, weights=model.estimator_weights_[: len(kept)])
    elif algorithm == "SAMME.R":
        with np.errstate(divide="ignore"):
            logs = [np.log(np.clip(tree.predict_proba(X), np.finfo(float).eps, 1)) for tree in kept]
        total = np.mean([log[:, 1] - log[:, 0] for log in logs], axis=0)
    else:
        largest, factor = (4.0, 1) if algorithm == "LogitBoost" else (1.0, 2)
        total = factor * sum(np.clip(tree.predict(X), -largest, largest) for tree in kept)
    np.testing.assert_allclose(total, model.decision_function(X), atol=1e-9)
    assert "feature_0" in export_text(kept[0])
    assert (
        kept[0].tree_.n_node_samples[0]
        == kept[0].tree_.n_node_samples[kept[0].tree_.children_left == -1].sum()
    )


def test_margins_of_votes_are_shares():
    X, y = noisy(300, 3)
    model = AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), **QUICK).fit(X, y)
    weights = model.estimator_weights_[: model.n_iter_]
    votes = np.zeros((300, 3))
    for tree, weight in zip(model.estimators_, weights / weights.sum(), strict=True):
        votes[np.arange(300), tree.predict(X)] += weight
    own = votes[np.arange(300), y]
    votes[np.arange(300), y] = -1
    expected = own - votes.max(axis=1)
    np.testing.assert_allclose(model.margin_distribution(X, y), expected, atol=1e-12)


def test_logitboost_and_gentle_give_probabilities():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 2))
    y = rng.random(4000) < np.where(X[:, 0] > 0, 0.97, 0.03)
    for algorithm in ("LogitBoost", "gentle"):
        model = AdaBoostClassifier(algorithm=algorithm, n_estimators=20).fit(X, y)
        assert log_loss(y, model.predict_proba(X)) < 0.15  # the entropy of 0.03 is 0.135
    of_votes = AdaBoostClassifier(n_estimators=20).fit(X, y).predict_proba(X)
    assert log_loss(y, of_votes) > 0.15  # they end at 1 / (1 + exp(-2)) = 0.88


# ------------------------------------------------------------ samples, stopping
def test_a_learner_without_weights_is_boosted_by_samples():
    X, y = noisy(200, 3)
    model = AdaBoostClassifier(KNeighborsClassifier(20), resample=True, **QUICK).fit(X, y)
    assert model.score(X, y) > 0.6
    X, y = numbers(200)
    model = AdaBoostRegressor(KNeighborsRegressor(20), **QUICK).fit(X, y)
    assert model.score(X, y) > 0.3


def test_a_class_that_is_missing_from_a_sample_has_no_chance_there():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = np.where(np.arange(60) < 1, "rare", np.where(X[:, 0] > 0, "a", "b"))
    for algorithm in ("SAMME", "SAMME.R"):
        model = AdaBoostClassifier(
            GaussianNB(), algorithm=algorithm, resample=True, n_estimators=10, random_state=1
        )
        proba = model.fit(X, y).predict_proba(X)
        assert proba.shape == (60, 3)
        assert any(len(one.classes_) < 3 for one in model.estimators_)


@EVERY_ALGORITHM
@pytest.mark.parametrize("learner", ["tree", "other"])
def test_the_fit_stops_when_the_score_on_held_out_rows_no_longer_rises(algorithm, learner):
    X, y = noisy(400)
    estimator = None
    if learner == "other":
        voting = algorithm in ("SAMME", "SAMME.R")
        estimator = GaussianNB() if voting else LinearRegression()
    model = AdaBoostClassifier(
        estimator,
        algorithm=algorithm,
        n_estimators=200,
        early_stopping=True,
        validation_fraction=0.3,
        n_iter_no_change=3,
        random_state=0,
    ).fit(X, y)
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ < 200
    if len(scores) > 3:  # (naive Bayes is no better than chance before)
        assert max(scores[-3:]) <= scores[-4] + 1e-7


@pytest.mark.parametrize("estimator", [None, LinearRegression()])
def test_so_does_that_of_numbers(estimator):
    X, y = numbers(400)
    options = {"n_estimators": 100, "early_stopping": True, "n_iter_no_change": 3}
    model = AdaBoostRegressor(estimator, random_state=0, **options).fit(X, y)
    assert len(model.validation_scores_) == model.n_iter_ < 100


def test_the_score_may_be_the_users():
    X, y = noisy(300)
    seen = []

    def scorer(estimator, X, y, sample_weight=None):
        seen.append(estimator.predict_proba(X).shape)
        return -float(len(seen))

    options = {"early_stopping": True, "n_iter_no_change": 2, "scoring": scorer}
    model = AdaBoostClassifier(n_estimators=50, random_state=0, **options).fit(X, y)
    assert model.n_iter_ == 3
    assert seen == [(30, 2)] * 3


# ------------------------------------------------------------ tables
def test_a_sparse_table_gives_what_the_dense_one_gives():
    X, y = noisy(300)
    X[np.abs(X) < 4] = 0
    for model in (AdaBoostClassifier(**QUICK), AdaBoostRegressor(**QUICK)):
        dense = model.fit(X, y).predict(X)
        given = sparse.csr_matrix(X)
        assert np.array_equal(clone(model).fit(given, y).predict(given), dense)


def test_missing_values_go_where_they_gain():
    X, y = noisy(400)
    X[y == 1, 3] = np.nan
    model = AdaBoostClassifier(n_estimators=3).fit(X, y)
    assert model.score(X, y) == 1.0
    assert np.array_equal(model.estimators_[0].predict(X), y)


@pytest.mark.parametrize(
    "options",
    [
        {"min_samples_leaf": 30},
        {"min_samples_leaf": 0.1},
        {"min_weight_fraction_leaf": 0.2},
        {"max_leaf_nodes": 3, "max_depth": None},
        {"max_depth": None, "min_samples_leaf": 40},
    ],
)
def test_limits_of_trees_are_kept_as_the_host_keeps_them(options):
    X, y = labels(200)
    tree = DecisionTreeClassifier(**{"max_depth": 3, "random_state": 0, **options})
    ours = AdaBoostClassifier(tree, n_estimators=1).fit(X, y).estimators_[0].tree_
    host = tree.fit(X, y).tree_
    assert sorted(ours.n_node_samples) == sorted(host.n_node_samples)


def test_other_options_of_trees_go_the_hosts_way():
    X, y = noisy(200)
    tree = DecisionTreeClassifier(max_depth=2, criterion="entropy", class_weight="balanced")
    ours = AdaBoostClassifier(tree, **QUICK).fit(X, y)
    host = HostClassifier(tree, **QUICK).fit(X, y)
    assert ours.estimators_[0].criterion == "entropy"
    np.testing.assert_allclose(ours.estimator_errors_[0], host.estimator_errors_[0], rtol=1e-9)


# ------------------------------------------------------------ bad input
def test_a_first_learner_that_is_perfect_is_the_model():
    X = np.arange(20.0)[:, None]
    model = AdaBoostClassifier().fit(X, X[:, 0] > 7)
    assert model.n_iter_ == 1
    assert model.score(X, X[:, 0] > 7) == 1.0
    assert model.estimator_weights_.tolist() == [1.0] + [0.0] * 49
    model = AdaBoostRegressor(resample=False).fit(X, X[:, 0] > 7)
    assert model.n_iter_ == 1
    assert np.array_equal(model.predict(X), X[:, 0] > 7)


@EVERY_ALGORITHM
def test_a_first_learner_that_is_no_better_than_chance_is_refused(algorithm):
    X, y = np.ones((20, 2)), np.arange(20) % 2
    with pytest.raises(ValueError, match=r"first weak learner must .* no better or worse than ran"):
        AdaBoostClassifier(algorithm=algorithm).fit(X, y)


@pytest.mark.parametrize("n_classes", [3, 6, 7])
def test_rounding_is_not_better_than_chance(n_classes):
    X, y = np.ones((99 * n_classes, 1)), np.arange(99 * n_classes) % n_classes
    with pytest.raises(ValueError, match="no better or worse than random"):
        AdaBoostClassifier().fit(X, y)


def test_a_first_regressor_that_is_no_better_than_chance_stands_alone_and_says_so():
    X, y = np.arange(6.0)[:, None], np.repeat([0.0, 1.0], 3)
    mean = DummyRegressor()
    with pytest.warns(UserWarning, match="must be below 0.5 .* this learner alone"):
        model = AdaBoostRegressor(mean, random_state=1).fit(X, y)
    assert len(model.estimators_) == 1
    assert model.predict(X) == pytest.approx(model.estimators_[0].predict(X))


def test_a_later_one_ends_the_rounds():
    X, y = np.ones((20, 2)), np.arange(20) % 3 == 0
    model = AdaBoostClassifier(n_estimators=9).fit(X, y)
    assert model.n_iter_ == 1  # the majority, after which both classes weigh the same
    assert not model.predict(X).any()


def test_one_row_and_one_round():
    model = AdaBoostClassifier(n_estimators=1).fit([[1.0]], ["a"])
    assert model.predict([[2.0]]).tolist() == ["a"]
    model = AdaBoostRegressor(n_estimators=1).fit([[1.0]], [3.0])
    assert model.predict([[2.0]]).tolist() == [3.0]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"algorithm": "SAMME.X"}, "'algorithm' parameter"),
        ({"n_estimators": 0}, "'n_estimators' parameter"),
        ({"learning_rate": 0.0}, "'learning_rate' parameter"),
        ({"estimator": KNeighborsClassifier()}, "doesn't support sample_weight. Set resample=True"),
        (
            {"estimator": DecisionTreeClassifier(), "algorithm": "gentle"},
            "estimator must be a regressor with algorithm='gentle', got DecisionTreeClassifier",
        ),
        (
            {"estimator": DecisionTreeRegressor()},
            "estimator must be a classifier with algorithm='SAMME', got DecisionTreeRegressor",
        ),
    ],
)
def test_bad_options_are_refused_with_the_cure(options, match):
    X, y = few_values(50)
    with pytest.raises(ValueError, match=match):
        AdaBoostClassifier(**options).fit(X, y)


def test_real_adaboost_needs_probabilities():
    from sklearn.linear_model import RidgeClassifier

    X, y = few_values(50)
    with pytest.raises(TypeError, match=r"must have predict_proba .* Set algorithm='SAMME'"):
        AdaBoostClassifier(RidgeClassifier(), algorithm="SAMME.R").fit(X, y)


def test_weights_that_overflow_end_the_rounds_with_a_warning():
    X, y = noisy(300, 3)
    with pytest.warns(UserWarning, match="Sample weights have reached infinite values"):
        AdaBoostClassifier(n_estimators=200, learning_rate=300.0).fit(X, y)


# ------------------------------------------------------------ among the host's tools
@pytest.mark.parametrize(
    "wrapped",
    [
        lambda model: BaggingClassifier(model, n_estimators=2, random_state=0),
        lambda model: StackingClassifier([("ada", model)], cv=2),
        lambda model: CalibratedClassifierCV(model, cv=2),
        lambda model: make_pipeline(SelectFromModel(model), model),
        lambda model: RFE(model, n_features_to_select=2),
        lambda model: GridSearchCV(model, {"estimator__max_depth": [1, 2]}, cv=2),
    ],
    ids=["bagging", "stacking", "calibration", "selection", "RFE", "search"],
)
def test_the_hosts_tools_take_it(wrapped):
    X, y = noisy(200)
    model = AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=5)
    assert wrapped(model).fit(X, y).score(X, y) > 0.6


def test_permutations_and_dependence_see_what_it_uses():
    X, y = noisy(300)
    model = AdaBoostClassifier(n_estimators=10).fit(X, y)
    found = permutation_importance(model, X, y, n_repeats=2, random_state=0).importances_mean
    assert found.argmax() == model.feature_importances_.argmax() == 0
    averages = partial_dependence(model, X, [0], grid_resolution=5)["average"][0]
    assert averages[-1] > averages[0]
