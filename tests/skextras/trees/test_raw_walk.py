"""The walk by raw values: the sum of the predictor, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.trees.prediction import Predictor
from skextras.trees.raw_walk import CHUNK, PARALLEL, raw_sum
from tests.skextras.trees.ensembles import Shape, random_ensemble, random_rows


@settings(max_examples=60, deadline=None)
@given(
    n_trees=st.integers(0, 9),
    n_leaves=st.integers(1, 20),
    n_outputs=st.integers(1, 3),
    is_joint=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_is_the_sum_of_the_predictor(n_trees, n_leaves, n_outputs, is_joint, dtype, seed):
    rng = np.random.default_rng(seed)
    shape = Shape(
        n_trees=n_trees, n_leaves=n_leaves, n_outputs=n_outputs, is_joint=is_joint, categorical=0
    )
    ensemble, bins = random_ensemble(rng, shape)
    X = random_rows(rng, bins, 50, dtype)
    assert np.array_equal(raw_sum(ensemble, X), Predictor(ensemble, bins).raw_predict(X))
    assert np.array_equal(raw_sum(ensemble, X[::-2, :]), raw_sum(ensemble, X)[::-2])


def test_many_rows_are_shared_among_threads():
    rng = np.random.default_rng(0)
    shape = Shape(n_trees=3, categorical=0)
    ensemble, bins = random_ensemble(rng, shape)
    X = random_rows(rng, bins, max(PARALLEL // 3 + 1, 3 * CHUNK))
    assert np.array_equal(raw_sum(ensemble, X, 3), raw_sum(ensemble, X, 1))


def test_other_numbers_are_refused():
    rng = np.random.default_rng(0)
    ensemble, _ = random_ensemble(rng, Shape(categorical=0))
    with pytest.raises(TypeError, match="must be float32 or float64, got int64"):
        raw_sum(ensemble, np.zeros((1, 4), np.int64))
