"""Trees and ensembles are plain arrays: they join, part, pickle and count."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings

from skextras.trees.arrays import DTYPES, Ensemble, Tree, joined, parted
from tests.skextras.trees.ensembles import Shape, random_ensemble, seeds, shapes


def example(seed=0, **shape):
    ensemble, _ = random_ensemble(np.random.default_rng(seed), Shape(**shape))
    return ensemble


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "threshold")
        for name in DTYPES
    )


@settings(max_examples=30, deadline=None)
@given(seeds, shapes)
def test_joined_trees_part_into_the_same_trees(seed, shape):
    ensemble, _ = random_ensemble(np.random.default_rng(seed), shape)
    nodes = joined(ensemble.trees) if not ensemble.is_joint else ensemble.joined()
    assert all(map(same, ensemble.trees, parted(nodes)))


@settings(max_examples=20, deadline=None)
@given(seeds, shapes)
def test_a_pickle_brings_the_same_ensemble(seed, shape):
    ensemble, _ = random_ensemble(np.random.default_rng(seed), shape)
    again = pickle.loads(pickle.dumps(ensemble))
    assert all(map(same, ensemble.trees, again.trees))
    assert np.array_equal(again.start, ensemble.start)
    assert np.array_equal(again.output, ensemble.output)
    assert (again.n_outputs, again.average) == (ensemble.n_outputs, ensemble.average)


def test_a_pickle_is_hardly_larger_than_the_columns():
    ensemble = example(n_trees=100, n_leaves=32)
    nodes = ensemble.joined()
    size = sum(column.nbytes for column in nodes.columns.values())
    assert len(pickle.dumps(ensemble)) < size + 6000  # 2 x 100 offsets and outputs, and names


@settings(max_examples=20, deadline=None)
@given(seeds, shapes)
def test_leaves_splits_and_depths_are_consistent(seed, shape):
    ensemble, _ = random_ensemble(np.random.default_rng(seed), shape)
    for tree in ensemble.trees:
        splits = np.flatnonzero(~tree.is_leaf)
        assert tree.n_nodes == 2 * tree.n_leaves - 1
        for node in splits:
            assert tree.left[node] > node
            assert np.all(tree.depth[tree.left[node] + np.arange(2)] == tree.depth[node] + 1)
    assert ensemble.max_depth == max(tree.depth.max() for tree in ensemble.trees)


@pytest.mark.parametrize("kind", ["gain", "split"])
def test_importances_sum_over_the_splits(kind):
    ensemble = example(3)
    expected = np.zeros(4)
    for tree in ensemble.trees:
        for node in np.flatnonzero(~tree.is_leaf):
            expected[tree.feature[node]] += tree.gain[node] if kind == "gain" else 1
    raw = ensemble.importances(4, kind, normalize=False)
    np.testing.assert_allclose(raw, expected, rtol=1e-12)
    np.testing.assert_allclose(ensemble.importances(4, kind), raw / raw.sum(), rtol=1e-12)


def test_importances_of_leaves_alone_are_zero():
    assert not example(n_leaves=1).importances(4).any()


def test_truncated_and_extended_are_inverse():
    ensemble = example(n_trees=6, n_outputs=3)
    rest = ensemble.trees[2:], ensemble.output[2:]
    again = ensemble.truncated(2).extended(*rest)
    assert again.trees == ensemble.trees
    assert np.array_equal(again.output, ensemble.output)


def test_trees_are_read_only_and_leave_their_arrays_alone():
    tree = example().trees[0]
    with pytest.raises(ValueError, match="read-only"):
        tree.value[0] = 1
    columns = {name: getattr(tree, name).copy() for name in DTYPES}
    Tree(**columns)
    assert all(column.flags.writeable for column in columns.values())


def test_scaled_trees_have_scaled_values():
    tree = example().trees[0]
    assert np.array_equal(tree.scaled(0.5).value, tree.value * 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"start": np.zeros(2)}, "start must have 1"), ({"output": [0]}, "output must have 5")],
)
def test_an_ensemble_of_another_shape_is_refused(change, message):
    ensemble = example()
    parts = {name: getattr(ensemble, name) for name in ("trees", "output", "n_outputs", "start")}
    with pytest.raises(ValueError, match=message):
        Ensemble(**parts | change)


def test_a_tree_of_another_shape_is_refused():
    tree = example().trees[0]
    columns = {name: getattr(tree, name) for name in DTYPES}
    with pytest.raises(ValueError, match="value must have 2 axes"):
        Tree(**columns | {"value": np.zeros(tree.n_nodes)})
