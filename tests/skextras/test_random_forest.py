"""Random forests: laws of samples, agreement with scikit-learn, what a forest tells of itself."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification, make_friedman1
from sklearn.ensemble import BaggingClassifier, StackingClassifier
from sklearn.ensemble import RandomForestClassifier as HostClassifier
from sklearn.ensemble import RandomForestRegressor as HostRegressor
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, export_text

from skextras import RandomForestClassifier, RandomForestRegressor

FEW = {"n_estimators": 8, "random_state": 0}


def classes(n=300, *, n_classes=2, seed=0):
    return make_classification(
        n, 8, n_informative=5, n_classes=n_classes, random_state=seed, flip_y=0.1
    )


def numbers(n=300, seed=0):
    return make_friedman1(n, random_state=seed)


# ------------------------------------------------------------ samples
@pytest.mark.parametrize("options", [{}, {"max_features": None, "bootstrap": False}])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_forest_depends_on_neither_threads_nor_the_order_of_rows(options, n_classes):
    X, y = classes(n_classes=n_classes)
    model = RandomForestClassifier(**FEW, **options)
    expected = model.fit(X, y).predict_proba(X)
    assert_array_equal(clone(model).set_params(n_jobs=3).fit(X, y).predict_proba(X), expected)
    order = np.random.default_rng(1).permutation(len(X))
    assert_array_equal(clone(model).fit(X[order], y[order]).predict_proba(X), expected)


def test_equal_rows_of_several_weights_may_come_in_any_order():
    rng = np.random.default_rng(2)
    X = rng.integers(0, 3, (200, 3)).astype(float)
    y = (X.sum(axis=1) + rng.integers(0, 2, 200) > 3).astype(int)
    weight, order = rng.random(200), rng.permutation(200)
    for bootstrap in (True, "stratified"):
        model = RandomForestClassifier(**FEW, bootstrap=bootstrap)
        expected = model.fit(X, y, weight).predict_proba(X)
        found = clone(model).fit(X[order], y[order], weight[order]).predict_proba(X)
        assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csc_array])
def test_bins_of_many_rows_depend_on_neither_order_nor_repetition(monkeypatch, kind):
    monkeypatch.setattr("skextras.boosting.fitting.SAMPLE", 100)
    X, y = classes(400)
    rng = np.random.default_rng(1)
    order, weight = rng.permutation(len(X)), rng.integers(0, 4, len(X))
    model = RandomForestClassifier(**FEW, max_bins=20)
    expected = model.fit(kind(X), y).predict_proba(X)
    assert_array_equal(clone(model).fit(kind(X[order]), y[order]).predict_proba(X), expected)
    assert max(len(edges) for edges in model._mapper.edges) == 19  # of the sample's 100 values
    expected = model.fit(kind(X), y, weight).predict_proba(X)
    repeated = np.repeat(order, weight[order])
    model = clone(model).fit(kind(X[repeated]), y[repeated])
    assert_array_equal(model.predict_proba(X), expected)


@pytest.mark.parametrize("criterion", ["squared_error", "absolute_error", "poisson"])
def test_a_weight_is_a_repetition(criterion):
    X, y = numbers(80)
    weight = np.random.default_rng(2).integers(0, 4, len(X))
    options = {**FEW, "criterion": criterion, "min_samples_leaf": 2}
    weighted = RandomForestRegressor(**options).fit(X, y, weight)
    repeated = RandomForestRegressor(**options).fit(np.repeat(X, weight, 0), np.repeat(y, weight))
    assert_array_equal(weighted.predict(X), repeated.predict(X))


def test_samples_are_drawn_again_as_they_were():
    X, y = classes(200)  # so few that a part of them has the same bins
    model = RandomForestClassifier(**FEW, max_samples=0.5).fit(X, y)
    for tree, rows in zip(model.estimators_, model.estimators_samples_, strict=True):
        assert len(rows) == 100
        again = clone(tree).fit(X[rows], y[rows])
        assert_allclose(again.tree_.value, tree.tree_.value)


def test_a_stratified_sample_holds_each_class_by_its_share():
    X, y = classes(400, n_classes=4)
    model = RandomForestClassifier(**FEW, bootstrap="stratified", max_samples=0.5).fit(X, y)
    for rows in model.estimators_samples_:
        # (a share that is not whole is rounded either way)
        assert np.abs(np.bincount(y[rows]) - np.bincount(y) / 2).max() < 1


def test_out_of_bag_predictions_are_means_over_the_trees_that_did_not_see_the_row():
    X, y = numbers(120)
    model = RandomForestRegressor(n_estimators=20, oob_score=True, random_state=0).fit(X, y)
    sums, n_trees = np.zeros(len(y)), np.zeros(len(y))
    for tree, rows in zip(model.estimators_, model.estimators_samples_, strict=True):
        unseen = np.setdiff1d(np.arange(len(y)), rows)
        sums[unseen] += tree.predict(X[unseen])
        n_trees[unseen] += 1
    assert_allclose(model.oob_prediction_, sums / n_trees)


def test_balanced_samples_give_classes_the_same_weight():
    X, y = make_classification(400, 8, weights=[0.9], random_state=0)
    model = RandomForestClassifier(**FEW, class_weight="balanced_subsample").fit(X, y)
    roots = [tree.tree_.value[0, 0] for tree in model.estimators_]
    assert_allclose(roots, 0.5, atol=1e-6)  # weights are rounded to a billionth of their sum


def test_a_class_that_a_sample_misses_keeps_its_column():
    X, y = np.arange(40.0)[:, None], np.r_[np.zeros(39, int), 1]
    model = RandomForestClassifier(n_estimators=5, max_samples=3, random_state=0).fit(X, y)
    assert model.predict_proba(X).shape == (40, 2)


@pytest.mark.parametrize("options", [{"n_estimators": 1}, {"max_samples": 1}])
def test_one_tree_and_samples_of_one_row(options):
    X, y = classes(60)
    model = RandomForestClassifier(**{**FEW, **options}).fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()


def test_warm_start_grows_the_trees_that_one_fit_would():
    X, y = classes()
    model = RandomForestClassifier(n_estimators=3, warm_start=True, random_state=0).fit(X, y)
    model.set_params(n_estimators=8).fit(X, y)
    assert_array_equal(
        model.predict_proba(X), RandomForestClassifier(**FEW).fit(X, y).predict_proba(X)
    )


# ------------------------------------------------------------ beside scikit-learn
@pytest.mark.parametrize("criterion", ["gini", "entropy"])
def test_a_tree_on_few_values_says_what_scikit_learns_says(criterion):
    rng = np.random.default_rng(3)
    X = rng.integers(0, 250, (400, 1)).astype(float)  # one feature: no ties between two
    y = (X[:, 0] // 10 + rng.integers(0, 2, 400)) % 3
    options = {"criterion": criterion, "random_state": 0}
    [tree] = RandomForestClassifier(1, bootstrap=False, **options).fit(X, y).estimators_
    host = DecisionTreeClassifier(**options).fit(X, y)
    assert tree.get_n_leaves() == host.get_n_leaves()
    assert_allclose(tree.predict_proba(X), host.predict_proba(X))


def test_a_regression_tree_on_few_values_says_what_scikit_learns_says():
    rng = np.random.default_rng(4)
    X, y = rng.integers(0, 200, (400, 3)).astype(float), rng.normal(size=400)
    y += X[:, 0] / 20
    options = {"max_depth": 6, "random_state": 0}
    model = RandomForestRegressor(1, bootstrap=False, **options).fit(X, y)
    assert_allclose(model.predict(X), DecisionTreeRegressor(**options).fit(X, y).predict(X))


def test_as_good_as_scikit_learns():
    X, y = numbers(600)
    Z, c = classes(600, n_classes=3)
    options = {"n_estimators": 40, "oob_score": True}
    for ours, host, data in (
        (RandomForestRegressor, HostRegressor, (X, y)),
        (RandomForestClassifier, HostClassifier, (Z, c)),
    ):
        scores = [
            [kind(random_state=seed, **options).fit(*data).oob_score_ for seed in range(3)]
            for kind in (ours, host)
        ]
        # (one seed is off by 0.01 or so; three times that is a fault)
        assert np.mean(scores[0]) > np.mean(scores[1]) - 0.03


# ------------------------------------------------------------ options and tables
def test_missing_values_categories_and_sparse_tables():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"kind": pd.Categorical(rng.choice(list("abcdef"), 300))})
    frame["number"] = rng.normal(size=300)
    frame.loc[::7, "number"] = np.nan
    y = frame["kind"].isin(["a", "d", "f"]).to_numpy() ^ frame["number"].isna().to_numpy()
    model = RandomForestClassifier(**FEW).fit(frame, y)
    assert model.score(frame, y) == 1.0
    assert model.predict(frame.assign(kind="never seen")[:3]).shape == (3,)
    X, c = classes()
    X[X < 0.5] = 0
    dense = RandomForestClassifier(**FEW).fit(X, c)
    scattered = RandomForestClassifier(**FEW).fit(sparse.csr_array(X), c)
    assert_array_equal(dense.predict_proba(X), scattered.predict_proba(sparse.csc_array(X)))


def test_several_outputs_at_once():
    X, y = numbers(200)
    model = RandomForestRegressor(**FEW, oob_score=False).fit(X, np.column_stack([y, -2 * y]))
    found = model.predict(X)
    assert_allclose(found[:, 1], -2 * found[:, 0])
    labels = np.column_stack([y > 14, y // 8])
    shares = RandomForestClassifier(**FEW).fit(X, labels).predict_proba(X)
    assert [part.shape for part in shares] == [(200, 2), (200, len(np.unique(labels[:, 1])))]


@pytest.mark.parametrize("splitter", ["best", "random"])
@pytest.mark.parametrize("criterion", ["squared_error", "absolute_error"])
def test_monotonic_forests_never_fall(splitter, criterion):
    X, y = numbers(400)
    options = {"splitter": splitter, "criterion": criterion}
    model = RandomForestRegressor(
        **FEW, **options, monotonic_cst=[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    ).fit(X, y)
    rows = np.repeat(X[:20], 30, 0)
    rows[:, 3] = np.tile(np.linspace(0, 1, 30), 20)
    assert (np.diff(model.predict(rows).reshape(20, 30), axis=1) >= -1e-12).all()


def test_monotonic_medians_are_as_far_from_the_targets_as_scikit_learns():
    rng = np.random.default_rng(0)
    X = rng.permutation(100)[:, None].astype(float)
    y = np.sin(X[:, 0] / 12) + X[:, 0] / 60 + rng.normal(0, 0.2, 100)
    options = {"criterion": "absolute_error", "max_depth": 4, "monotonic_cst": [1]}
    ours = RandomForestRegressor(1, bootstrap=False, **options).fit(X, y)
    host = DecisionTreeRegressor(**options).fit(X, y)
    # (of two splits of the same error each may take another one)
    assert_allclose(*(np.abs(model.predict(X) - y).mean() for model in (ours, host)))


def test_pruning_gives_ever_smaller_subtrees():
    X, y = classes()
    sizes = [
        sum(
            tree.get_n_leaves()
            for tree in RandomForestClassifier(**FEW, ccp_alpha=a).fit(X, y).estimators_
        )
        for a in (0, 0.002, 0.01, 0.05, 1)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == FEW["n_estimators"]
    rng = np.random.default_rng(6)
    few = rng.integers(0, 100, (300, 1)).astype(float)
    target = np.sin(few[:, 0] / 9) + rng.normal(0, 0.3, 300)
    options = {"ccp_alpha": 0.003, "random_state": 0}
    ours = RandomForestRegressor(1, bootstrap=False, **options).fit(few, target)
    host = DecisionTreeRegressor(**options).fit(few, target)
    assert_allclose(ours.predict(few), host.predict(few))


@pytest.mark.parametrize("seed", range(3))
def test_the_pruning_path_of_a_tree_is_the_hosts(seed):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 100, (300, 1)).astype(float)
    y = np.sin(X[:, 0] / 9) + rng.normal(0, 0.3, 300)
    weight = rng.integers(1, 4, 300).astype(float)
    [tree] = RandomForestRegressor(1, bootstrap=False, random_state=0).fit(X, y).estimators_
    host = DecisionTreeRegressor(random_state=0)
    ours, theirs = (
        model.cost_complexity_pruning_path(X, y, sample_weight=weight) for model in (tree, host)
    )
    assert_allclose(ours.ccp_alphas, theirs.ccp_alphas, atol=1e-10)
    assert_allclose(ours.impurities, theirs.impurities, atol=1e-10)


def test_each_price_of_the_pruning_path_prunes_to_its_impurity():
    X, y = classes()
    [tree] = RandomForestClassifier(1, bootstrap=False, random_state=0).fit(X, y).estimators_
    path = tree.cost_complexity_pruning_path(X, y)
    assert np.all(np.diff(path.ccp_alphas) >= 0)
    assert path.ccp_alphas[0] == 0
    rises = np.flatnonzero(np.diff(path.ccp_alphas) > 1e-9)
    for i in rises[:: max(1, len(rises) // 5)]:
        price = (path.ccp_alphas[i] + path.ccp_alphas[i + 1]) / 2
        nodes = clone(tree).set_params(ccp_alpha=price).fit(X, y).tree_
        is_leaf = nodes.children_left < 0
        share = nodes.weighted_n_node_samples / nodes.weighted_n_node_samples[0]
        assert_allclose((nodes.impurity * share)[is_leaf].sum(), path.impurities[i], atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bootstrap": False, "oob_score": True}, "Out of bag"),
        ({"bootstrap": False, "max_samples": 0.5}, "max_sample"),
        ({"criterion": "poisson"}, "negative"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    X, y = numbers(60)
    with pytest.raises(ValueError, match=message):
        RandomForestRegressor(**FEW, **options).fit(X, y - 100)


# ------------------------------------------------------------ what a forest tells of itself
def test_a_pickle_says_the_same_and_is_small():
    X, y = classes(2000)
    options = {"n_estimators": 30, "random_state": 0}
    model = RandomForestClassifier(**options).fit(X, y)
    data = pickle.dumps(model)
    assert_array_equal(pickle.loads(data).predict_proba(X), model.predict_proba(X))
    host = HostClassifier(**options).fit(X, y)
    assert len(data) < len(pickle.dumps(host)) / 2


def test_paths_lead_from_the_roots_to_the_leaves():
    X, y = classes()
    model = RandomForestClassifier(**FEW).fit(X, y)
    indicator, begins = model.decision_path(X)
    leaves = model.apply(X)
    for number, tree in enumerate(model.estimators_):
        own = indicator[:, begins[number] : begins[number + 1]]
        assert own[:, 0].sum() == len(X)
        assert_array_equal(own[np.arange(len(X)), leaves[:, number]], 1)
        assert own.sum(axis=1).max() == tree.get_depth() + 1
        assert_array_equal(tree.apply(X), leaves[:, number])
    assert "feature_" in export_text(model.estimators_[0])


def test_proximities_are_shares_of_common_leaves():
    X, y = classes(60)
    model = RandomForestClassifier(**FEW).fit(X, y)
    leaves = model.apply(X)
    expected = (leaves[:, None] == leaves[None]).mean(axis=2)
    assert_allclose(model.proximity(X), expected)
    assert_allclose(model.proximity(X[:5], X), expected[:5])


def test_shapley_values_add_up_to_the_prediction():
    X, y = classes(n_classes=3)
    model = RandomForestClassifier(**FEW, max_depth=5).fit(X, y)
    total = model.shap_values(X[:10]).sum(axis=1) + model.shap_expected_value()
    assert_allclose(total, model.predict_proba(X[:10]))


def test_quantiles_hold_their_share_of_new_rows():
    rng = np.random.default_rng(8)
    X = rng.random((1500, 3))
    y = X[:, 0] * 4 + rng.normal(0, 0.5 + X[:, 1], 1500)
    model = RandomForestRegressor(60, min_samples_leaf=10, keep_samples=True, random_state=0).fit(
        X[:1000], y[:1000]
    )
    found = model.predict(X[1000:], quantiles=[0.1, 0.5, 0.9])
    assert (np.diff(found, axis=1) >= 0).all()
    share = (y[1000:, None] <= found).mean(axis=0)
    assert_allclose(share, [0.1, 0.5, 0.9], atol=0.06)  # three standard deviations of 500 rows
    assert_array_equal(
        model.predict(X[:5], quantiles=0.5), model.predict(X, quantiles=[0.5])[:5, 0]
    )
    with pytest.raises(ValueError, match="between 0 and 1"):
        model.predict(X, quantiles=90)


def test_a_quantile_is_the_weighted_quantile_of_the_leaves_targets():
    X, y = numbers(100)
    model = RandomForestRegressor(**FEW, min_samples_leaf=5, keep_samples=True).fit(X, y)
    weights = np.zeros(len(y))
    for tree, rows in zip(model.estimators_, model.estimators_samples_, strict=True):
        same = rows[tree.apply(X[rows]) == tree.apply(X[:1])]
        weights += np.bincount(same, minlength=len(y)) / len(same) / FEW["n_estimators"]
    order = np.argsort(y)
    first = np.searchsorted(np.cumsum(weights[order]), 0.3)
    assert model.predict(X[:1], quantiles=0.3)[0] == y[order][first]


def test_standard_errors_are_those_of_repeated_samples():
    rng = np.random.default_rng(9)
    point, means, errors = np.full((1, 2), 0.5), [], []
    for _ in range(30):
        X = rng.random((100, 2))
        y = X[:, 0] + rng.normal(0, 1, 100)
        model = RandomForestRegressor(400, min_samples_leaf=10, random_state=0).fit(X, y)
        means.append(model.predict(point)[0])
        errors.append(model.standard_error(point)[0])
    # (30 repetitions know their spread to an eighth; the estimate is biased by less than a half)
    assert 0.5 < np.mean(errors) / np.std(means) < 2


def test_hosts_of_scikit_learn_take_a_forest():
    X, y = classes(150)
    forest = RandomForestClassifier(n_estimators=4, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # theirs, of options we leave alone
        for host in (
            BaggingClassifier(forest, 2),
            StackingClassifier([("forest", forest)], LogisticRegression(), cv=2),
            CalibratedClassifierCV(forest, cv=2),
            SelectFromModel(forest),
            RFE(forest, n_features_to_select=6),
        ):
            host.fit(X, y)
    fitted = forest.fit(X, y)
    assert permutation_importance(fitted, X, y, n_repeats=2).importances_mean.shape == (8,)
    Z, target = numbers(150)
    model = RandomForestRegressor(**FEW).fit(Z, target)
    found = partial_dependence(model, Z, [3], grid_resolution=5)
    assert found["average"].shape == (1, 5)
