"""Splitting: what is planted is found, in each bin and on each side of the missing values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.trees.growing import Grower
from skextras.trees.threads import Threads
from skextras.trees.workspace import Growth
from tests.oracles import trees_growing as oracle
from tests.skextras.trees.test_histogram import binned_of


def stump(bins, g, h, **options):
    """The tree of one split at most."""
    options = {"max_leaves": 2, "min_samples_leaf": 1, **options}
    g, h = np.asarray(g, np.float32), np.asarray(h, np.float32)
    totals = (float(np.abs(g).sum(dtype=float)), float(h.sum(dtype=float)))
    with Threads(1) as threads:
        grown = Grower(binned_of(bins), Growth(**options), threads).grow(g, h, totals)
        return grown.tree(grown.values)


@pytest.mark.parametrize("feature", [0, 6, 8])
def test_a_planted_split_is_found_in_each_bin_and_with_each_missing_side(feature):
    random = np.random.default_rng(feature)
    bins = random.integers(0, 255, (1020, 9)).astype(np.uint8)
    bins[:, feature] = np.arange(1020) % 255
    bins[::6, feature] = 255
    own = bins[:, feature]
    present = np.unique(own[own < 255])
    for planted in present:
        for missing_left in (False, True):
            if planted == present[-1] and missing_left:
                continue  # everything would go left
            left = (own <= planted) & (own < 255) | (own == 255) & missing_left
            tree = stump(bins, np.where(left, 1.0, -1.0), np.ones(1020))
            assert tree.feature[0] == feature
            assert (tree.bin[0], tree.missing_left[0]) == (planted, missing_left)
            assert tree.gain[0] == pytest.approx(1020 - (2 * left.sum() - 1020) ** 2 / 1020)
            assert tree.value[1:, 0].tolist() == [-1, 1]


def test_the_lowest_of_equal_thresholds_is_taken():
    bins = np.repeat([[3], [200]], 50, axis=0).astype(np.uint8)
    tree = stump(bins, np.repeat([1.0, -1.0], 50), np.ones(100))
    assert tree.bin[0] == 3


def test_the_first_of_equal_features_is_taken():
    random = np.random.default_rng(0)
    bins = np.repeat(random.integers(0, 255, (300, 1)), 12, axis=1).astype(np.uint8)
    g = np.round(random.standard_normal(300) * 100)
    assert stump(bins, g, np.ones(300)).feature[0] == 0


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    l2=st.sampled_from([0.0, 0.5, 100.0]),
    l1=st.sampled_from([0.0, 3.0, 50.0]),
    monotonic=st.sampled_from([-1, 0, 1]),
)
def test_the_split_is_the_best_of_all(seed, l2, l1, monotonic):
    """Each threshold and each side of the missing values is tried by the plainest formula."""
    random = np.random.default_rng(seed)
    n = int(random.integers(20, 150))
    bins = random.choice(np.array([0, 1, 2, 5, 30, 255]), (n, 3)).astype(np.uint8)
    g, h = random.integers(-20, 21, n).astype(float), random.integers(1, 4, n).astype(float)
    directions = np.array([monotonic, 0, -monotonic])
    growth = Growth(max_leaves=2, min_samples_leaf=4, l2=l2, l1=l1, monotonic=directions)
    tree = stump(bins, g, h, min_samples_leaf=4, l2=l2, l1=l1, monotonic=directions)
    n_bins = np.full(3, 31)  # the bins above are empty
    slow = oracle.SlowTree(bins, np.zeros(3, bool), n_bins, g, h, growth).grow()
    root = slow.nodes[0]
    assert (tree.left[0] > 0) == bool(root.children)
    if root.children:  # (small numbers tie often: what counts is the gain)
        assert tree.gain[0] == pytest.approx(root.split[0], rel=1e-9)
        left = np.array([oracle.goes_left(tree, 0, b) for b in bins[:, tree.feature[0]]])
        root.counts_exactly = slow.n_second_looks > 0
        again = slow.gain(left, root, directions[tree.feature[0]])
        assert again == pytest.approx(tree.gain[0], rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_gains_that_single_precision_cannot_tell_apart(seed):
    """They differ in their eighth digit, within a feature and between features; integers leave no
    rounding but the formula's.
    """
    random = np.random.default_rng(seed)
    n, n_bins = 2000, 200
    bins = random.integers(n_bins, size=(n, 10)).astype(np.uint8)
    g = 100.0 + random.integers(4, size=n)
    tree = stump(bins, g, np.ones(n))
    scores = []
    for own in bins.T:
        n_left = np.bincount(own, minlength=n_bins)[:-1].cumsum()
        g_left = np.bincount(own, g, minlength=n_bins)[:-1].cumsum()
        n_right = np.maximum(n - n_left, 1)  # (an empty side has no gradient either)
        scores.append(g_left**2 / np.maximum(n_left, 1) + (g.sum() - g_left) ** 2 / n_right)
    assert tree.left[0] == 1
    best = np.max(scores)
    assert scores[tree.feature[0]][tree.bin[0]] >= best * (1 - 1e-14)  # (a double has 1e-16)


def test_a_gain_that_is_rounding_is_none():
    """All rows alike in their sums: no split gains, whatever the last digits say."""
    bins = (np.arange(900) % 3).astype(np.uint8)[:, None]
    g, h = np.full(900, 0.1), np.full(900, 0.3)
    assert stump(bins, g, h).left.tolist() == [0]


def test_min_gain_is_to_be_exceeded():
    bins = np.repeat([[0], [1]], 50, axis=0).astype(np.uint8)
    g, h = np.repeat([1.0, -1.0], 50), np.ones(100)
    gain = stump(bins, g, h).gain[0]
    assert stump(bins, g, h, min_gain=gain * 0.999).left[0] == 1
    assert stump(bins, g, h, min_gain=gain).left[0] == 0


def test_newtons_value():
    """v = -(G - α sign G) / (H + λ)."""
    bins = np.zeros((10, 1), np.uint8)
    g, h = np.full(10, 0.5), np.full(10, 2.0)
    assert stump(bins, g, h, l2=5.0).value[0, 0] == pytest.approx(-5 / 25)
    assert stump(bins, g, h, l2=5.0, l1=2.0).value[0, 0] == pytest.approx(-3 / 25)
    assert stump(bins, -g, h, l1=2.0).value[0, 0] == pytest.approx(3 / 20)
    assert stump(bins, g, h, l1=6.0).value[0, 0] == 0
