"""Prediction is one documented sum, whichever way the leaves are found."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.trees import prediction
from skextras.trees.arrays import Ensemble
from skextras.trees.prediction import Predictor
from tests.oracles.trees_prediction import leaves_of, raw_predict
from tests.skextras.trees.ensembles import (
    Shape,
    random_bins,
    random_ensemble,
    random_rows,
    random_tree,
    seeds,
    shapes,
)

dtypes = st.sampled_from([np.float32, np.float64])
BIG = Shape(n_features=7, n_trees=40, n_leaves=200, n_edges=200, n_outputs=2)
SMALL = replace(BIG, n_leaves=32)


def example(shape, n, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    ensemble, bins = random_ensemble(rng, shape)
    return Predictor(ensemble, bins), random_rows(rng, bins, n, dtype)


@settings(max_examples=60, deadline=None)
@given(seeds, shapes, dtypes)
def test_all_ways_give_the_sum_of_the_twin_bit_for_bit(seed, shape, dtype):
    predictor, X = example(shape, 11, seed, dtype)
    expected = raw_predict(predictor.ensemble, X, predictor.bins)
    assert np.array_equal(predictor.raw_predict(X, way="walk"), expected)
    assert np.array_equal(predictor.raw_predict(X), expected)
    if predictor.has_marks:
        assert np.array_equal(predictor.raw_predict(X, way="marks"), expected)


@pytest.mark.parametrize("categorical", [0.0, 0.5])
@pytest.mark.parametrize(("n_leaves", "has_marks"), [(256, True), (257, False)])
def test_a_byte_marks_as_many_leaves_as_it_counts(n_leaves, has_marks, categorical):
    rng = np.random.default_rng(0)
    shape = Shape(n_edges=254, categorical=categorical)
    bins = random_bins(rng, shape)
    trees = tuple(random_tree(rng, bins, n, 1) for n in (n_leaves, 1, 200))
    ensemble = Ensemble(trees=trees, output=np.zeros(3, int), n_outputs=1, start=np.zeros(1))
    predictor = Predictor(ensemble, bins)
    assert predictor.has_marks == has_marks
    X = random_rows(rng, bins, 900)
    X[256:512] = np.nan_to_num(X[256:512])  # a tile without missing values among others
    expected = raw_predict(ensemble, X, bins)
    assert np.array_equal(predictor.raw_predict(X), expected)
    assert np.array_equal(predictor.raw_predict(X, way="walk"), expected)


@settings(max_examples=30, deadline=None)
@given(seeds, shapes, dtypes)
def test_apply_finds_the_leaves_of_the_twin(seed, shape, dtype):
    predictor, X = example(shape, 11, seed, dtype)
    expected = leaves_of(predictor.ensemble, X, predictor.bins)
    assert np.array_equal(predictor.apply(X), expected)


@settings(max_examples=30, deadline=None)
@given(seeds, shapes)
def test_a_stage_is_the_prediction_of_the_truncated_ensemble(seed, shape):
    predictor, X = example(shape, 5, seed)
    ensemble = predictor.ensemble
    step = 1 if ensemble.is_joint else ensemble.n_outputs
    stages = list(predictor.staged(X))
    assert len(stages) == -(-len(ensemble.trees) // step)
    for number, stage in enumerate(stages, start=1):
        truncated = Predictor(ensemble.truncated(number * step), predictor.bins)
        assert np.array_equal(stage, truncated.raw_predict(X))


@pytest.mark.parametrize("shape", [SMALL, replace(BIG, n_leaves=64), BIG])
@pytest.mark.parametrize("n", [1, 7, 3001])
def test_threads_and_blocks_change_no_bit(shape, n, monkeypatch):
    monkeypatch.setattr(prediction, "PARALLEL", 0)
    predictor, X = example(shape, n)
    expected = np.concatenate([predictor.raw_predict(row[None]) for row in X])
    for n_threads in (1, 2, 5):
        assert np.array_equal(predictor.raw_predict(X, n_threads), expected)
        assert np.array_equal(predictor.apply(X, n_threads), predictor.apply(X))
    *_, last = predictor.staged(X, 2)
    assert np.array_equal(last, expected)


@pytest.mark.parametrize("shape", [SMALL, BIG])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_strides_give_the_same(shape, dtype):
    predictor, X = example(shape, 600, dtype=dtype)
    expected = predictor.raw_predict(X)
    wide = np.zeros((1200, 14), dtype)
    wide[::2, ::2] = X
    read_only = X.copy()
    read_only.flags.writeable = False
    for other in (np.asfortranarray(X), wide[::2, ::2], X[::-1].copy()[::-1], read_only):
        assert np.array_equal(predictor.raw_predict(other), expected)


def test_a_float32_is_compared_with_the_float64_threshold():
    predictor, _ = example(replace(BIG, categorical=0.0), 1)
    thresholds = np.concatenate(predictor.bins.edges)
    near = thresholds.astype(np.float32)
    around = [np.nextafter(near, np.float32(side)) for side in (-np.inf, np.inf)]
    X = np.stack([np.concatenate([near, *around])] * 7, axis=1)
    assert np.array_equal(predictor.raw_predict(X), predictor.raw_predict(X.astype(np.float64)))


@pytest.mark.parametrize("spread", [1e-300, 1.0, 1e300])
def test_crowded_thresholds_are_told_apart(spread):
    rng = np.random.default_rng(0)
    ensemble, bins = random_ensemble(rng, replace(BIG, categorical=0.0))
    # All but one threshold of a feature share a bucket.
    edges = tuple(
        np.append(np.arange(len(own) - 1) * spread * 1e-8, 1e6 * spread) for own in bins.edges
    )
    trees = [
        replace(
            tree,
            threshold=[
                np.append(edges[feature], np.inf)[place] if feature >= 0 else np.nan
                for feature, place in zip(tree.feature, tree.bin, strict=True)
            ],
        )
        for tree in ensemble.trees[:4]
    ]
    ensemble = replace(ensemble, trees=tuple(trees), output=ensemble.output[:4])
    bins = replace(bins, edges=edges)
    X = random_rows(rng, bins, 40)
    assert np.array_equal(Predictor(ensemble, bins).raw_predict(X), raw_predict(ensemble, X, bins))


@pytest.mark.parametrize("n_leaves", [20, 100])
def test_more_features_than_a_byte_counts(n_leaves):
    shape = Shape(n_features=700, n_trees=60, n_leaves=n_leaves)
    predictor, X = example(shape, 4)
    expected = raw_predict(predictor.ensemble, X, predictor.bins)
    assert np.array_equal(predictor.raw_predict(X), expected)


def test_no_rows_and_no_trees():
    predictor, X = example(SMALL, 3)
    assert predictor.raw_predict(X[:0]).shape == (0, 2)
    assert predictor.apply(X[:0]).shape == (0, 40)
    empty = Predictor(predictor.ensemble.truncated(0), predictor.bins)
    assert np.array_equal(empty.raw_predict(X), np.tile(predictor.ensemble.start, (3, 1)))
    assert list(empty.staged(X)) == []


def test_a_pickle_holds_no_tables():
    predictor, X = example(BIG, 20)
    expected = predictor.raw_predict(X)
    text = pickle.dumps(predictor)
    assert len(text) == len(pickle.dumps(Predictor(predictor.ensemble, predictor.bins)))
    assert np.array_equal(pickle.loads(text).raw_predict(X), expected)


def test_other_types_are_refused():
    predictor, X = example(SMALL, 3)
    with pytest.raises(TypeError, match="X must be float32 or float64, got float16"):
        predictor.raw_predict(X.astype(np.float16))
