"""SHAP values are Shapley's, of the game that the trees play."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.trees.partial_dependence import partial_dependence
from skextras.trees.prediction import Predictor
from skextras.trees.shap import TreeShap
from tests.oracles.trees_shap import games, interaction, shapley, value_by_weights
from tests.skextras.trees.ensembles import Shape, random_ensemble, random_rows, seeds

CLOSE = {"rtol": 0, "atol": 1e-9}  # float64 sums of at most some hundred values near 1

shapes = st.builds(
    Shape,
    n_features=st.integers(1, 4),
    n_trees=st.integers(1, 3),
    n_leaves=st.sampled_from([1, 2, 8, 30]),
    n_outputs=st.integers(1, 2),
    is_joint=st.booleans(),
    categorical=st.sampled_from([0.0, 0.5]),
    average=st.booleans(),
)
BIG = Shape(n_features=15, n_trees=8, n_leaves=300, n_edges=60, n_outputs=2)


def example(shape, n, seed=0):
    rng = np.random.default_rng(seed)
    ensemble, bins = random_ensemble(rng, shape)
    rows = random_rows(rng, bins, n), random_rows(rng, bins, 6)
    return Predictor(ensemble, bins), *rows


@settings(max_examples=15, deadline=None)
@given(seeds, shapes)
def test_values_by_weights_are_those_of_all_subsets(seed, shape):
    predictor, X, _ = example(shape, 2, seed)
    explainer = TreeShap(predictor)
    values, pairs = explainer.values(X), explainer.interaction_values(X)
    game = games(predictor.ensemble, X[0], predictor.bins)
    np.testing.assert_allclose(values[0], shapley(game, X.shape[1]), **CLOSE)
    for one in range(X.shape[1]):
        for two in range(one):
            expected = interaction(game, X.shape[1], one, two)
            np.testing.assert_allclose(pairs[0, one, two], expected, **CLOSE)
            np.testing.assert_allclose(pairs[0, two, one], expected, **CLOSE)


@settings(max_examples=15, deadline=None)
@given(seeds, shapes)
def test_values_by_background_are_those_of_all_subsets(seed, shape):
    predictor, X, background = example(shape, 2, seed)
    values = TreeShap(predictor, background).values(X)
    game = games(predictor.ensemble, X[0], predictor.bins, background)
    np.testing.assert_allclose(values[0], shapley(game, X.shape[1]), **CLOSE)


@pytest.mark.parametrize("n", [1, 300])  # too few rows for tables of big leaves, and enough
@pytest.mark.parametrize("has_background", [False, True])
def test_values_sum_to_the_prediction(n, has_background):
    predictor, X, background = example(BIG, n)
    explainer = TreeShap(predictor, background if has_background else None)
    values = explainer.values(X, 2)
    total = values.sum(1) + explainer.expected_value
    np.testing.assert_allclose(total, predictor.raw_predict(X), **CLOSE)


@pytest.mark.parametrize("has_background", [False, True])
def test_a_table_gives_what_rows_give_alone(has_background):
    predictor, X, background = example(replace(BIG, n_trees=2), 300)
    explainer = TreeShap(predictor, background if has_background else None)
    together = explainer.values(X)
    alone = np.concatenate([explainer.values(row[None]) for row in X])
    np.testing.assert_allclose(together, alone, **CLOSE)
    assert np.array_equal(explainer.values(X, 1), together)


def test_interactions_of_big_trees_sum_to_the_values():
    predictor, X, _ = example(replace(BIG, n_trees=2), 5)
    explainer = TreeShap(predictor)
    pairs = explainer.interaction_values(X, 2)
    np.testing.assert_allclose(pairs.sum(2), explainer.values(X), **CLOSE)
    np.testing.assert_allclose(pairs, pairs.transpose(0, 2, 1, 3), **CLOSE)


def test_a_split_that_no_weight_passes_loses_no_digit():
    predictor, X, _ = example(replace(BIG, n_trees=2), 200)
    trees = []
    for tree in predictor.ensemble.trees:
        weight = tree.weight.copy()
        for node in np.flatnonzero(~tree.is_leaf)[::3]:
            left = tree.left[node]
            weight[left], weight[left + 1] = 0, weight[node]
        trees.append(replace(tree, weight=weight))
    predictor = Predictor(replace(predictor.ensemble, trees=tuple(trees)), predictor.bins)
    explainer = TreeShap(predictor)
    total = explainer.values(X).sum(1) + explainer.expected_value
    np.testing.assert_allclose(total, predictor.raw_predict(X), **CLOSE)
    alone = explainer.values(X[:1])
    np.testing.assert_allclose(explainer.values(X)[:1], alone, **CLOSE)


def test_a_background_without_rows_is_refused():
    predictor, X, _ = example(BIG, 2)
    with pytest.raises(ValueError, match="background must have rows"):
        TreeShap(predictor, X[:0])
    with pytest.raises(ValueError, match="interactions need training weights"):
        TreeShap(predictor, X).interaction_values(X)


def test_paths_of_too_many_features_are_refused():
    predictor, _, _ = example(Shape(n_features=900, n_trees=1, n_leaves=2), 1)
    [tree] = predictor.ensemble.trees
    n = 80  # a chain of splits, each on another feature
    at = np.arange(2 * n + 1)
    is_split = (at == 0) | ((at % 2 == 1) & (at < 2 * n - 1))
    chain = replace(
        tree,
        feature=np.where(is_split, (at + 1) // 2, -1),
        left=np.where(at == 0, 1, np.where(is_split, at + 2, 0)),
        category_set=np.full(len(at), -1),
        left_categories=np.empty((0, 4)),
        value=np.zeros((len(at), 1)),
        **{
            name: np.zeros(len(at))
            for name in ("bin", "threshold", "missing_left", "gain", "weight", "count")
        },
    )
    bins = replace(predictor.bins, is_categorical=np.zeros(900, bool))
    predictor = Predictor(replace(predictor.ensemble, trees=(chain,)), bins)
    with pytest.raises(ValueError, match="at most 63 different features"):
        TreeShap(predictor)


@settings(max_examples=20, deadline=None)
@given(seeds, shapes, st.integers(1, 2))
def test_partial_dependence_is_the_expectation_given_the_features(seed, shape, n_chosen):
    predictor, X, _ = example(shape, 3, seed)
    ensemble = predictor.ensemble
    features = list(range(X.shape[1]))[::-1][:n_chosen]
    result = partial_dependence(predictor, X[:, features], features)
    for row, got in zip(X, result, strict=True):
        expected = np.zeros(ensemble.n_outputs)
        for tree, output in zip(ensemble.trees, ensemble.output, strict=True):
            value = value_by_weights(tree, row, set(features), predictor.bins)
            expected[slice(None) if ensemble.is_joint else output] += (
                value if ensemble.is_joint else value[0]
            )
        if ensemble.average:
            expected /= len(ensemble.trees)
        np.testing.assert_allclose(got, expected + ensemble.start, **CLOSE)
