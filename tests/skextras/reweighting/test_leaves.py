"""Passes over the rows of a tree's leaves, and medians: as their slow twins, on any threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.reweighting.committees import weighted_median
from skextras.reweighting.leaves import LeafRows
from skextras.reweighting.median import medians
from skextras.trees import workspace as at
from skextras.trees.growing import Grower
from skextras.trees.leaves import BLOCK
from skextras.trees.threads import Threads
from skextras.trees.workspace import Growth
from tests.oracles import adaboost as oracle
from tests.skextras.trees.grown import as_table


def rows_of(X, target, threads, **growth):
    """Rows of a tree, and the leaf of each."""
    growth = Growth(min_samples_leaf=1, **growth)
    ones = np.ones(len(X), np.float32)
    gradient = -target.astype(np.float32)
    total = float(np.abs(gradient).sum())
    grown = Grower(as_table(X), growth, threads).grow(gradient, ones, (total, float(len(X))))
    return LeafRows(grown, threads)


def leaf_of_rows(rows):
    leaf = np.empty(len(rows.grown.order), np.int64)
    for number, (start, end) in enumerate(zip(rows.grown.starts, rows.grown.ends, strict=True)):
        leaf[rows.grown.order[start:end]] = number
    return leaf


@settings(max_examples=20, deadline=None)
@given(
    n=st.integers(1, 300), leaves=st.integers(1, 12), classes=st.integers(1, 4), seed=st.integers(0)
)
def test_passes_are_as_one_row_at_a_time(n, leaves, classes, seed):
    rng = np.random.default_rng(seed)
    X, target = rng.normal(size=(n, 3)), rng.normal(size=n)
    weight, label = rng.random(n), rng.integers(0, classes, n).astype(np.int32)
    with Threads(1) as threads:
        rows = rows_of(X, target, threads, max_leaves=leaves)
        leaf = leaf_of_rows(rows)
        n_leaves = len(rows.grown.leaves)
        expected = oracle.class_sums(weight, label, leaf, n_leaves, classes)
        np.testing.assert_allclose(rows.class_sums(weight, label, classes), expected, rtol=1e-12)
        expected = oracle.moments(weight, target, leaf, n_leaves)
        # (a sum of n numbers of size 1)
        np.testing.assert_allclose(rows.moments(weight, target), expected, atol=1e-13 * n)
        factors = rng.random((n_leaves, classes))
        scaled = weight.copy()
        rows.scale(scaled, label, factors)
        assert np.array_equal(scaled, weight * factors[leaf, label])
        values = rng.normal(size=n_leaves)
        assert np.array_equal(rows.spread(values), values[leaf])


def test_sums_of_many_blocks_do_not_depend_on_the_threads():
    rng = np.random.default_rng(0)
    n = 3 * BLOCK + 17
    X, target = rng.normal(size=(n, 2)), rng.normal(size=n)
    weight, label = rng.random(n), rng.integers(0, 2, n).astype(np.int32)
    found = []
    for n_threads in (1, 2, 3):
        with Threads(n_threads) as threads:
            rows = rows_of(X, target, threads, max_leaves=5)
            found.append((rows.class_sums(weight, label, 2), rows.moments(weight, target)))
            assert np.array_equal(rows.spread(np.arange(5.0)), leaf_of_rows(rows))
    leaf = leaf_of_rows(rows)
    expected = [np.bincount(leaf, weight * (label == k)) for k in range(2)]
    np.testing.assert_allclose(found[0][0].T, expected, rtol=1e-12)
    for sums, squares in found[1:]:
        assert np.array_equal(sums, found[0][0])
        assert np.array_equal(squares, found[0][1])


def test_inner_nodes_hold_the_sums_of_what_is_below_them():
    rng = np.random.default_rng(0)
    X, target = rng.normal(size=(400, 3)), rng.normal(size=400)
    with Threads(1) as threads:
        rows = rows_of(X, target, threads, max_leaves=9)
        sums = rows.of_nodes(rows.moments(np.ones(400), target))
    records = rows.grown.records
    assert np.array_equal(sums[:, 0], records[:, at.END] - records[:, at.START])
    assert sums[0, 1] == pytest.approx(target.sum())


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 40), n_trees=st.integers(1, 30), seed=st.integers(0), few=st.booleans())
def test_medians_are_those_of_a_sorted_list(n, n_trees, seed, few):
    rng = np.random.default_rng(seed)
    n_nodes = rng.integers(1, 9, n_trees)
    first = np.concatenate([[0], np.cumsum(n_nodes)])
    values = rng.integers(0, 5, first[-1]).astype(float) if few else rng.normal(size=first[-1])
    leaves = (rng.random((n, n_trees)) * n_nodes).astype(np.int32)
    weights = rng.integers(1, 9, rng.integers(1, n_trees + 1)).astype(float)  # (sums are exact)
    said = values[first[:-1] + leaves][:, : len(weights)]
    with Threads(2) as threads:
        found = medians(leaves, (first, values), weights, threads)
    expected = [oracle.weighted_median(row, weights) for row in said]
    assert found.tolist() == expected
    assert weighted_median(said, weights).tolist() == expected
