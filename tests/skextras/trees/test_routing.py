"""Routing: scores are what the tree says of each row's bins."""

import numpy as np
import pytest

from skextras.trees.binning import Binned
from skextras.trees.growing import Grower
from skextras.trees.grown import records_of
from skextras.trees.routing import Router
from skextras.trees.threads import Threads
from skextras.trees.workspace import Growth
from tests.oracles import trees_growing as oracle
from tests.skextras.trees.grown import as_table, table, totals_of


def tree_and_scores(binned, *, n_threads=1, rows=None):
    random = np.random.default_rng(0)
    g = random.standard_normal(binned.n_rows).astype(np.float32)
    scores = np.zeros(len(g), np.float32)
    with Threads(n_threads) as threads:
        grower = Grower(binned, Growth(max_leaves=25), threads)
        grown = grower.grow(g, g * g, totals_of(g, g * g), rows=rows)
        grower.add_to(scores, grown, grown.values)
        return grown.tree(grown.values), scores


@pytest.fixture(scope="module")
def binned():
    random = np.random.default_rng(1)
    return as_table(table(random, 40_000, 10, n_categorical=2), (0, 1))


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_a_router_adds_what_the_grower_added(binned, n_threads):
    tree, scores = tree_and_scores(binned, n_threads=n_threads)
    own = np.zeros(binned.n_rows, np.float32)
    with Threads(n_threads) as threads:
        router = Router(binned, threads)
        router.add(own, tree)
        np.testing.assert_array_equal(own, scores)
        router.add(own, tree.scaled(-1.0))
    np.testing.assert_array_equal(own, 0)


def test_rows_beside_the_sample_are_routed(binned):
    rows = np.arange(0, binned.n_rows, 3, dtype=np.uint32)
    tree, scores = tree_and_scores(binned, n_threads=2, rows=rows)
    bins = oracle.unpacked(binned.words, 10)[:2000]
    np.testing.assert_array_equal(scores[:2000], oracle.scores(tree, bins).astype(np.float32))


def test_bins_that_training_never_saw_go_by_the_rule(binned):
    """Any byte at all: unseen categories are missing, and go where those were sent."""
    tree, _ = tree_and_scores(binned)
    random = np.random.default_rng(2)
    words = random.integers(0, 2**64, (2, 500), dtype=np.uint64)
    scores = np.zeros(500, np.float32)
    with Threads(2) as threads:
        Router(Binned(words, binned.mapper), threads).add(scores, tree)
    bins = oracle.unpacked(words, 10)
    np.testing.assert_array_equal(scores, oracle.scores(tree, bins).astype(np.float32))


def test_records_of_a_tree_lead_as_the_growers_did(binned):
    g = np.random.default_rng(3).standard_normal(binned.n_rows).astype(np.float32)
    with Threads(1) as threads:
        grown = Grower(binned, Growth(), threads).grow(g, g * g, totals_of(g, g * g))
    again = type(grown)(
        records_of(grown.tree(grown.values)), grown.order, 1.0, 1.0, grown.edges
    ).tree(grown.values)
    tree = grown.tree(grown.values)
    for name in ("feature", "bin", "missing_left", "left", "category_set", "left_categories"):
        np.testing.assert_array_equal(getattr(again, name), getattr(tree, name))
