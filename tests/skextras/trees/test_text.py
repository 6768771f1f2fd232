"""A tree as text says what the tree does; its picture has no crossings."""

import numpy as np
from hypothesis import given, settings

from skextras.trees.arrays import Tree
from skextras.trees.text import conditions, layout, tree_text
from tests.skextras.trees.ensembles import random_ensemble, seeds, shapes


def small_tree():
    return Tree(
        feature=[0, -1, 1, -1, 0, -1, -1],
        bin=[3, 0, 0, 0, 9, 0, 0],
        threshold=[0.25, np.nan, np.nan, np.nan, np.inf, np.nan, np.nan],
        missing_left=[True, False, False, False, False, False, False],
        category_set=[-1, -1, 0, -1, -1, -1, -1],
        left_categories=[[0b101, 0, 0, 0]],
        left=[1, 0, 3, 0, 5, 0, 0],
        value=[[0], [1.5], [0], [-2], [0], [3], [4]],
        gain=[10, 0, 5, 0, 2, 0, 0],
        weight=[8, 3, 5, 2, 3, 1, 2],
        count=[8, 3, 5, 2, 3, 1, 2],
    )


def test_a_tree_as_text():
    text = tree_text(small_tree(), ["age", "city"], [None, ["Rome", "Oslo", "Bonn"]])
    assert text.splitlines() == [
        "all: gain=10 (n=8, weight=8)",
        "|   age <= 0.25 or missing: value=1.5 (n=3, weight=3)",
        "|   age > 0.25: gain=5 (n=5, weight=5)",
        "|   |   city in {Rome, Bonn}: value=-2 (n=2, weight=2)",
        "|   |   city in {Oslo} or missing: gain=2 (n=3, weight=3)",
        "|   |   |   age is there: value=3 (n=1, weight=1)",
        "|   |   |   age is missing: value=4 (n=2, weight=2)",
    ]


def test_names_are_numbers_where_none_are_known():
    assert conditions(small_tree(), 0) == ("x[0] <= 0.25 or missing", "x[0] > 0.25")
    assert conditions(small_tree(), 2) == ("x[1] in {0, 2}", "x[1] in others or missing")


@settings(max_examples=20, deadline=None)
@given(seeds, shapes)
def test_every_node_has_a_line(seed, shape):
    ensemble, _ = random_ensemble(np.random.default_rng(seed), shape)
    for tree in ensemble.trees:
        assert len(tree_text(tree).splitlines()) == tree.n_nodes


@settings(max_examples=20, deadline=None)
@given(seeds, shapes)
def test_subtrees_stand_side_by_side(seed, shape):
    ensemble, _ = random_ensemble(np.random.default_rng(seed), shape)
    for tree in ensemble.trees:
        x, y = layout(tree).T
        assert np.array_equal(np.sort(x[tree.is_leaf]), np.arange(tree.n_leaves))
        assert np.array_equal(y, -tree.depth)
        low, high = x.copy(), x.copy()
        for node in np.flatnonzero(~tree.is_leaf)[::-1]:
            left = tree.left[node]
            assert high[left] < low[left + 1]
            assert x[left] < x[node] < x[left + 1]
            low[node], high[node] = low[left], high[left + 1]
