"""Nodes split before their turn: the tree, its rows and their order are those of one thread."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skextras.trees import workspace as at
from skextras.trees.growing import Grower
from skextras.trees.threads import Threads
from skextras.trees.workspace import Growth
from tests.skextras.trees.grown import as_table, assert_same, table, totals_of


def grown_with_threads(binned, g, h, growth, n_threads, rows=None):
    """What a tree and its rows are, and how many nodes were split without ever having a turn."""
    g, h = g.astype(np.float32), h.astype(np.float32)
    with Threads(n_threads) as threads:
        grower = Grower(binned, growth, threads)
        result = grower.grow(g, h, totals_of(g, h), rows=rows, seed=11)
        n_turns, n_nodes, pair = grower._space.state[[at.N_KEPT, at.N_NODES, at.FREE_PAIR]]
    facts = [result.tree(result.values), result.order.copy(), result.starts, result.ends]
    n_free = 0  # a split that left too few rows on a side was taken back: its two nodes wait
    while pair > 0:
        n_free, pair = n_free + 1, grower._space._arrays[at.NODES][pair, at.LEFT]
    return facts, int(n_nodes - 1) // 2 - n_turns - n_free


@settings(max_examples=25, deadline=None)
@example(
    seed=18487,
    n_threads=2,
    order="best",
    max_leaves=None,
    is_masked=True,
    hessian="wild",
    is_part=True,
)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_threads=st.sampled_from([2, 3, 8]),
    order=st.sampled_from(["best", "depth"]),
    max_leaves=st.sampled_from([2, 5, 30, None]),
    is_masked=st.booleans(),
    hessian=st.sampled_from(["ones", "wild"]),
    is_part=st.booleans(),
)
def test_turns_and_rows_are_those_of_one_thread(
    seed, n_threads, order, max_leaves, is_masked, hessian, is_part
):
    random = np.random.default_rng(seed)
    n = 1500
    binned = as_table(table(random, n, 9, n_categorical=1), (0,), max_bins=30)
    g = random.standard_normal(n)
    h = np.ones(n) if hessian == "ones" else np.exp(3 * random.standard_normal(n))
    rows = np.flatnonzero(random.random(n) < 0.6).astype(np.uint32) if is_part else None
    masks = {"max_features": 0.6, "interactions": np.tri(9, dtype=bool)} if is_masked else {}
    growth = Growth(order=order, max_leaves=max_leaves, min_samples_leaf=12, **masks)
    one, n_early = grown_with_threads(binned, g, h, growth, 1, rows)
    assert n_early == 0
    many, _ = grown_with_threads(binned, g, h, growth, n_threads, rows)
    assert_same(one[0], many[0])
    for a, b in zip(one[1:], many[1:], strict=True):
        np.testing.assert_array_equal(a, b)
    for start, end in zip(*many[2:], strict=True):
        assert np.all(np.diff(many[1][start:end].astype(int)) > 0)  # the rows of a leaf ascend


def test_some_nodes_are_split_that_have_no_turn():
    """What the test above says of them is said of some."""
    random = np.random.default_rng(0)
    binned = as_table(table(random, 4000, 9))
    g, h = random.standard_normal(4000), np.exp(2 * random.standard_normal(4000))
    growth = Growth(max_leaves=40, min_samples_leaf=12)
    _, n_early = grown_with_threads(binned, g, h, growth, 4)
    assert n_early > 0
