"""Growing: the slow twin's trees, whatever the threads, the pool and the order of the rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.trees import workspace as at
from skextras.trees.growing import Grower
from skextras.trees.threads import Threads
from skextras.trees.workspace import Growth
from tests.oracles import trees_growing as oracle
from tests.skextras.trees.grown import (
    as_table,
    assert_same,
    grown,
    hessians_of,
    sums,
    table,
    totals_of,
)


def slow_tree(binned, g, h, growth):
    mapper = binned.mapper
    bins = oracle.unpacked(binned.words, mapper.n_features)
    return oracle.SlowTree(bins, mapper.is_categorical, mapper.n_bins, g, h, growth).grow()


def assert_equals_twin(tree, slow, node=0, twin=None):
    """The same splits and facts from here on down."""
    twin = slow.nodes[0] if twin is None else twin
    rows = twin.rows
    assert tree.count[node] == len(rows)
    assert tree.weight[node] == slow.hessian[rows].sum()
    assert tree.value[node, 0] == pytest.approx(twin.value, rel=1e-12)
    assert (tree.feature[node] < 0) == (not twin.children)
    if not twin.children:
        return
    gain, feature, *_ = twin.split
    assert tree.feature[node] == feature
    # (a gain is a difference of sums a few digits larger than itself)
    assert tree.gain[node] == pytest.approx(gain, rel=1e-8)
    left = [oracle.goes_left(tree, node, b) for b in slow.bins[rows, feature]]
    np.testing.assert_array_equal(rows[np.array(left)], twin.children[0].rows)
    for side, child in enumerate(twin.children):
        assert_equals_twin(tree, slow, tree.left[node] + side, child)


GROWTHS = {
    "plain": {"min_samples_leaf": 5},
    "l2": {"l2": 7.0, "min_samples_leaf": 5},
    "l1": {"l1": 900.0, "l2": 1.0, "min_samples_leaf": 5},
    "depth": {"max_depth": 3, "min_samples_leaf": 3},
    "depth-wise": {"order": "depth", "max_leaves": 6, "min_samples_leaf": 5},
    "unlimited": {"max_leaves": None, "min_samples_leaf": 20},
    "min_hessian": {"min_hessian": 60.0, "min_samples_leaf": 1},
    "min_gain": {"min_gain": 2e6, "min_samples_leaf": 5},
    "stump": {"max_leaves": 2, "min_samples_leaf": 5},
    "monotonic": {"monotonic": np.array([0, 0, 1, -1, 1, 0]), "min_samples_leaf": 5},
    "interactions": {
        "interactions": np.array(
            [[1, 0, 1, 0, 0, 0], [0, 1, 0, 1, 0, 0], [0, 0, 0, 1, 1, 1]], bool
        ),
        "min_samples_leaf": 5,
    },
}


@pytest.mark.parametrize("name", GROWTHS)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_trees_are_those_of_the_slow_twin(name, seed):
    random = np.random.default_rng(seed)
    n = int(random.integers(60, 300))
    binned = as_table(table(random, n, 6, n_categorical=2), categorical=(0, 1), max_bins=12)
    g, h = sums(random, n)
    growth = Growth(**{"max_leaves": 12, **GROWTHS[name]})
    tree, scores = grown(binned, g, h, growth)
    slow = slow_tree(binned, g, h, growth)
    assert_equals_twin(tree, slow)
    np.testing.assert_array_equal(scores, oracle.scores(tree, slow.bins).astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    constant=st.booleans(),
    n_features=st.sampled_from([4, 11]),
    options=st.sampled_from([{}, {"l1": 50.0}, {"monotonic": np.array([0, 1, -1, 0, 0, 1] * 2)}]),
)
def test_min_samples_leaf_is_exact_though_the_hessian_only_hints_at_counts(
    seed, constant, n_features, options
):
    random = np.random.default_rng(seed)
    n = 250
    X = table(random, n, n_features, n_categorical=1)
    binned = as_table(X, categorical=(0,), max_bins=20)
    g = random.integers(-1000, 1001, n).astype(float)
    h = np.ones(n) if constant else 2.0 ** random.integers(0, 10, n)
    if "monotonic" in options:
        options = {"monotonic": options["monotonic"][:n_features]}
    growth = Growth(min_samples_leaf=15, max_leaves=10, **options)
    tree, _ = grown(binned, g, h, growth, constant=constant)
    slow = slow_tree(binned, g, h, growth)
    assert_equals_twin(tree, slow)
    assert tree.count[tree.feature < 0].min() >= 15
    if constant:
        assert slow.n_second_looks == 0


def test_some_split_is_looked_for_again():
    """What the test above says of varying hessians is said of splits that were refused, too."""
    random = np.random.default_rng(0)
    binned = as_table(table(random, 250, 4), max_bins=20)
    g, h = random.integers(-1000, 1001, 250).astype(float), 2.0 ** random.integers(0, 10, 250)
    growth = Growth(min_samples_leaf=15, max_leaves=10)
    slow = slow_tree(binned, g, h, growth)
    assert slow.n_second_looks > 0
    assert_equals_twin(grown(binned, g, h, growth)[0], slow)


# ------------------------------------------------------------ the same trees
@pytest.mark.parametrize("n", [700, 5_000, 12_000])
@pytest.mark.parametrize("n_features", [3, 21])
def test_threads_change_no_bit(n, n_features):
    random = np.random.default_rng(n)
    X = table(random, n, n_features, n_categorical=1)
    g, h = random.standard_normal(n), random.random(n) ** 4
    growth = Growth(max_leaves=40, max_features=0.7, min_samples_leaf=10)
    binned = as_table(X, categorical=(0,))
    tree, scores = grown(binned, g, h, growth, seed=3)
    assert len(tree.feature) > 20
    for n_threads in (2, 3):
        with Threads(n_threads) as threads:
            again = as_table(X, categorical=(0,), threads=threads)
        np.testing.assert_array_equal(again.words, binned.words)
        other, other_scores = grown(again, g, h, growth, n_threads=n_threads, seed=3)
        assert_same(tree, other)
        np.testing.assert_array_equal(scores, other_scores)


def test_the_order_of_the_rows_does_not_matter():
    random = np.random.default_rng(1)
    X = table(random, 3000, 5, n_categorical=1)
    g, h = sums(random, 3000)
    order = random.permutation(3000)
    growth = Growth(max_leaves=50)
    tree, _ = grown(as_table(X, (0,)), g, h, growth)
    other, _ = grown(as_table(X[order], (0,)), g[order], h[order], growth)
    assert_same(tree, other)


@pytest.mark.parametrize("n_slots", [2, 3, 5])
@pytest.mark.parametrize("hessian", ["ones", "wild"])
def test_a_pool_that_is_full_changes_nothing(monkeypatch, n_slots, hessian):
    random = np.random.default_rng(2)
    binned = as_table(table(random, 4000, 10))
    g = random.standard_normal(4000)
    h = np.ones(4000) if hessian == "ones" else np.exp(3 * random.standard_normal(4000))
    growth = Growth(max_leaves=60, min_samples_leaf=15)
    tree, _ = grown(binned, g, h, growth)
    monkeypatch.setattr(at, "POOL_BYTES", n_slots * 8 * 2 * at.GROUP_STRIDE)
    for n_threads in (1, 2):
        assert_same(tree, grown(binned, g, h, growth, n_threads=n_threads)[0])


def test_without_room_for_bins_row_by_row_the_tree_is_the_same(monkeypatch):
    random = np.random.default_rng(12)
    binned = as_table(table(random, 3000, 20))  # three groups, the last a half
    g, h = sums(random, 3000)
    growth = Growth(max_leaves=60, min_samples_leaf=15)
    tree, _ = grown(binned, g, h, growth)
    monkeypatch.setattr(at, "ROW_BYTES", 0)
    for n_threads in (1, 2):
        assert_same(tree, grown(binned, g, h, growth, n_threads=n_threads)[0])


def test_a_limit_that_is_not_reached_is_none():
    random = np.random.default_rng(3)
    binned = as_table(table(random, 800, 4))
    g, h = sums(random, 800)
    free, a = grown(binned, g, h, Growth(max_leaves=None, min_samples_leaf=10))
    wide, b = grown(binned, g, h, Growth(max_leaves=800, min_samples_leaf=10))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(np.sort(free.gain), np.sort(wide.gain))


def test_a_grower_forgets_its_last_tree():
    random = np.random.default_rng(4)
    binned = as_table(table(random, 2000, 6))
    g, h = random.standard_normal((2, 2000)).astype(np.float32)
    h = h**2
    rows = np.flatnonzero(random.random(2000) < 0.5).astype(np.uint32)
    growth = Growth(interactions=np.eye(6, dtype=bool), max_features=0.5)
    fresh, _ = grown(binned, g, h, growth, seed=1)
    with Threads(2) as threads:
        grower = Grower(binned, growth, threads)
        grower.grow(h - 1, h, totals_of(h - 1, h), rows=rows, seed=9)
        result = grower.grow(g, h, totals_of(g, h), seed=1)
        assert_same(fresh, result.tree(result.values, hessians_of(result)))


# ------------------------------------------------------------ order of growth
def test_depth_wise_growth_splits_no_node_before_those_above_it():
    random = np.random.default_rng(5)
    binned = as_table(table(random, 3000, 6))
    g, h = sums(random, 3000)
    tree, _ = grown(binned, g, h, Growth(order="depth", max_leaves=20))
    left = tree.left[tree.left > 0]
    assert np.all(np.diff(left) == 2)  # children are numbered in the order of their parents


def test_best_first_growth_takes_the_greatest_gain_each_time():
    random = np.random.default_rng(6)
    binned = as_table(table(random, 3000, 6))
    g, h = sums(random, 3000)
    few, _ = grown(binned, g, h, Growth(max_leaves=9))
    many, _ = grown(binned, g, h, Growth(max_leaves=10))
    added = (many.left == len(few.left)).argmax()
    assert few.left[added] == 0
    waiting = [k for k in range(len(few.left)) if few.left[k] == 0]
    longer, _ = grown(binned, g, h, Growth(max_leaves=40))
    assert longer.gain[added] == max(longer.gain[k] for k in waiting)


# ------------------------------------------------------------ laws of a tree
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_children_share_what_their_parent_has(seed):
    random = np.random.default_rng(seed)
    n = 1500
    binned = as_table(table(random, n, 5, n_categorical=2), (0, 1))
    g, h = random.standard_normal(n), random.random(n)
    tree, _ = grown(binned, g, h, Growth(max_leaves=30))
    for node in np.flatnonzero(tree.left):
        left = tree.left[node]
        assert tree.count[node] == tree.count[left] + tree.count[left + 1]
        assert tree.weight[node] == tree.weight[left] + tree.weight[left + 1]
        assert tree.gain[node] > 0
    assert tree.count[0] == n
    assert tree.weight[0] == pytest.approx(h.sum(), rel=1e-5)  # fixed point, 32 bits
    assert np.all(tree.gain[tree.left == 0] == 0)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_monotonic_features_move_the_prediction_one_way(seed):
    random = np.random.default_rng(seed)
    n = 2000
    X = table(random, n, 4)
    binned = as_table(X)
    g, h = random.standard_normal(n) - np.nan_to_num(X[:, 0] + X[:, 1]), random.random(n) + 0.1
    monotonic = np.array([1, -1, 0, 0])
    tree, _ = grown(binned, g, h, Growth(monotonic=monotonic, max_leaves=40))
    bins = oracle.unpacked(binned.words, 4)[random.integers(0, n, 20)]
    for feature, direction in ((0, 1), (1, -1)):
        scan = np.repeat(bins, binned.mapper.n_bins[feature], axis=0)
        scan[:, feature] = np.tile(np.arange(binned.mapper.n_bins[feature]), len(bins))
        values = oracle.scores(tree, scan).reshape(len(bins), -1)
        assert np.all(np.diff(values, axis=1) * direction >= 0)


def test_features_on_a_path_share_a_set():
    random = np.random.default_rng(7)
    binned = as_table(table(random, 4000, 6))
    g, h = random.standard_normal(4000), np.ones(4000)
    sets = np.array([[1, 1, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]], bool)
    tree, _ = grown(binned, g, h, Growth(interactions=sets, max_leaves=60, min_samples_leaf=5))

    def check(node, used):
        if tree.left[node] == 0:
            return
        used = {*used, int(tree.feature[node])}
        assert any(all(one[f] for f in used) for one in sets)
        check(tree.left[node], used)
        check(tree.left[node] + 1, used)

    check(0, set())
    assert len(tree.left) > 100


def test_nodes_choose_from_a_share_of_the_features():
    random = np.random.default_rng(8)
    binned = as_table(table(random, 3000, 10, missing=0))
    g, h = -np.nan_to_num(oracle.unpacked(binned.words, 10)[:, 0].astype(float)), np.ones(3000)
    g -= g.mean()
    roots = []
    for seed in range(60):
        tree, _ = grown(binned, g, h, Growth(max_features=0.3, max_leaves=2), seed=seed)
        roots.append(tree.feature[0])
    # The one feature that tells anything is on offer with chance 3/10; 60 draws, 5 deviations.
    assert abs(np.mean(np.array(roots) == 0) - 0.3) < 5 * np.sqrt(0.3 * 0.7 / 60)
    assert len(set(roots)) > 4


# ------------------------------------------------------------ shapes of tables
@pytest.mark.parametrize("n_features", [1, 4, 5, 8, 9, 300])
def test_any_number_of_features(n_features):
    random = np.random.default_rng(n_features)
    X = np.round(random.standard_normal((400, n_features)), 1)
    g = np.where(X[:, -1] > 0.3, 1.0, -1.0)
    for n_threads in (1, 2):
        tree, _ = grown(as_table(X), g, np.ones(400), Growth(max_leaves=2), n_threads=n_threads)
        assert tree.feature[0] == n_features - 1
        assert abs(tree.threshold[0] - 0.3) < 0.05
        np.testing.assert_allclose(np.sort(tree.value[1:, 0]), [-1, 1])


def test_nothing_to_split_on_leaves_a_root():
    X = np.column_stack([np.full(100, 3.0), np.full(100, np.nan)])
    g, h = np.linspace(-1, 2, 100), np.ones(100)
    tree, scores = grown(as_table(X), g, h, Growth(min_samples_leaf=1))
    assert tree.left.tolist() == [0]
    np.testing.assert_allclose(scores, -0.5, rtol=1e-6)  # float32


def test_a_column_is_missing_in_one_half():
    X = np.column_stack([np.where(np.arange(200) < 90, np.nan, 1.0), np.zeros(200)])
    g, h = np.where(np.isnan(X[:, 0]), 1.0, -1.0), np.ones(200)
    tree, _ = grown(as_table(X), g, h, Growth())
    assert (tree.feature[0], tree.threshold[0], tree.missing_left[0]) == (0, np.inf, False)
    np.testing.assert_array_equal(tree.value[1:, 0], [1, -1])


def test_missing_values_that_training_had_not_go_with_most_rows():
    X = np.column_stack([np.arange(200.0)])
    for n_left in (60, 140):
        g, h = np.where(np.arange(200) < n_left, 1.0, -1.0), np.ones(200)
        tree, _ = grown(as_table(X), g, h, Growth(max_leaves=2))
        assert tree.missing_left[0] == (n_left > 100)


@pytest.mark.parametrize("limit", [-0.5, 0.5])
def test_missing_rows_that_weigh_nothing_go_where_they_are_sent(limit):
    """A row whose gradient and hessian round to 0 cannot be seen in the sums, only in the bins."""
    random = np.random.default_rng(9)
    X = random.standard_normal((600, 2))
    X[:100, 0], X[:50, 1] = np.nan, np.nan
    g, h = np.where(X[:, 0] > limit, 1.0, -1.0), np.ones(600)
    g[:100] = h[:100] = 1e-30
    for n_threads in (1, 2):
        binned = as_table(X)
        growth = Growth(max_leaves=4, min_samples_leaf=5)
        tree, scores = grown(binned, g, h, growth, n_threads=n_threads)
        predicted = oracle.scores(tree, oracle.unpacked(binned.words, 2))
        np.testing.assert_array_equal(scores, predicted.astype(np.float32))


def test_255_categories():
    random = np.random.default_rng(10)
    X = random.permutation(np.arange(255 * 40) % 255)[:, None].astype(float)
    is_left = random.random(255) < 0.5
    g = np.where(is_left[X[:, 0].astype(int)], 1.0, -1.0)
    binned = as_table(X, (0,))
    tree, scores = grown(binned, g, np.ones(len(g)), Growth(max_leaves=2))
    np.testing.assert_array_equal(scores, -g)
    left = [bool(int(tree.left_categories[0][b // 64]) >> (b % 64) & 1) for b in range(255)]
    assert np.array_equal(left, is_left) or np.array_equal(left, ~is_left)


# ------------------------------------------------------------ samples of rows
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.1, 0.5, 0.9]))
def test_a_sample_grows_the_tree_of_its_own_rows(seed, share):
    random = np.random.default_rng(seed)
    n = 3000
    binned = as_table(table(random, n, 5, n_categorical=1), (0,))
    g, h = sums(random, n)
    rows = np.flatnonzero(random.random(n) < share).astype(np.uint32)
    growth = Growth(max_leaves=12)
    tree, scores = grown(binned, g, h, growth, rows=rows, n_threads=2)
    alone = type(binned)(np.ascontiguousarray(binned.words[:, rows]), binned.mapper)
    own, _ = grown(alone, g[rows], h[rows], growth)
    assert_same(tree, own)
    bins = oracle.unpacked(binned.words, 5)
    np.testing.assert_array_equal(scores, oracle.scores(tree, bins).astype(np.float32))
