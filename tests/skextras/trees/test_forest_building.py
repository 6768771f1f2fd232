"""Forests in few bytes: nothing is lost on the way, and they predict what their trees do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skextras import RandomForestClassifier, RandomForestRegressor
from skextras.trees.forest_building import ForestBuilder, small
from skextras.trees.forest_store import LEAF_COLUMNS, NODE_COLUMNS
from skextras.trees.prediction import Predictor


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 2**34), max_size=5), st.sampled_from([0.0, 0.5]))
def test_small_numbers_are_the_same_numbers(numbers, fraction):
    numbers = np.array(numbers, np.float64) + fraction
    found = small(numbers)
    assert_array_equal(found.astype(np.float64), numbers)
    if len(numbers) and fraction == 0 and numbers.max() < 256:
        assert found.itemsize == 1


def forest_of(n, *, n_features=4, seed=0):
    """Two trees on n rows with missing values and a category, and what was fitted."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 9, (n, n_features)).astype(float)
    X[rng.random(X.shape) < 0.1] = np.nan
    y = (np.nan_to_num(X[:, 0]) + rng.normal(size=n) > 4).astype(int)
    options = {"n_estimators": 2, "max_depth": 4, "categorical_features": [1], "random_state": seed}
    return RandomForestClassifier(**options).fit(X, y), X


@pytest.mark.parametrize("sizes", [(20, 300), (300, 20), (20, 20, 3000, 20)])
@pytest.mark.parametrize("n_expected", [1, 1000])
def test_trees_stand_side_by_side_whatever_was_expected(sizes, n_expected):
    parts = [forest_of(n, seed=number)[0]._forest for number, n in enumerate(sizes)]
    builder = ForestBuilder(n_expected, 4, has_classes=True)
    for part in parts:
        builder.add(part)
    forest = builder.forest()
    for name in (*NODE_COLUMNS, *LEAF_COLUMNS, "sets"):
        own = getattr(forest, name)
        assert_array_equal(own, np.concatenate([getattr(part, name) for part in parts]))
        assert own.flags.owndata  # no room is left behind it
    for number, part in enumerate(part.tree(i) for part in parts for i in (0, 1)):
        assert_array_equal(forest.tree(number).set_node, part.set_node)
        assert_array_equal(forest.tree(number).left, part.left)


def test_a_forest_predicts_what_its_trees_with_all_their_columns_do():
    model, X = forest_of(400)
    predictor = model._predictor
    twin = Predictor(model._forest.ensemble(model._mapper), model._mapper)
    for name in ("feature", "cuts", "n_cuts", "categorical"):
        assert_array_equal(getattr(predictor.columns, name), getattr(twin.columns, name))
    assert_array_equal(predictor.apply(X), twin.apply(X))
    for way in ("walk", "marks"):
        assert_array_equal(predictor.raw_predict(X, way=way), twin.raw_predict(X, way=way))


def test_a_forest_of_leaves_predicts_the_mean():
    X, y = np.zeros((5, 2)), np.arange(5.0)
    model = RandomForestRegressor(n_estimators=2, bootstrap=False).fit(X, y)
    assert_array_equal(model.predict(X), np.full(5, 2.0))
