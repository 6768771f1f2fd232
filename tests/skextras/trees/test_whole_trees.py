"""Trees grown whole: each split is the best of all, each node knows its rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skextras.trees import forest_slots as at
from skextras.trees.arrays import MISSING
from skextras.trees.edges import BinMapper
from skextras.trees.forest_targets import Targets
from skextras.trees.whole_trees import TreeGrower, WholeGrowth
from tests.oracles import trees_whole

CLASS_CRITERIA = ("gini", "entropy")
NUMBER_CRITERIA = ("squared_error", "absolute_error", "poisson")


def mapper_of(is_categorical, n_bins=6):
    """Bins 0 to 5, with edges between whole numbers."""
    edges = [
        np.arange(n_bins, dtype=float) if categorical else np.arange(n_bins - 1) + 0.5
        for categorical in is_categorical
    ]
    return BinMapper(tuple(edges), np.array(is_categorical, bool))


def grow(bins, mapper, y, growth, weights=None, *, n_classes=None, seed=0, counts=None):
    """A tree on bins of shape (n, n_features) and targets of shape (n, n_outputs)."""
    targets = Targets.of_numbers(y) if n_classes is None else Targets.of_classes(y, n_classes)
    codes = np.ascontiguousarray(bins.T, np.uint8)
    grower = TreeGrower(codes, mapper, targets, growth)
    weights = np.ones(len(bins)) if weights is None else weights
    return grower.grow(weights, seed=seed, counts=counts)


def goes_left(grown, node, bins):
    """Which rows go left at a node that is split."""
    record = grown.records[node]
    column = bins[:, record[at.R_FEATURE]]
    left = column <= record[at.R_BIN]
    if record[at.R_SET]:
        words = [int(word) for word in grown.sets[node]]
        left = np.array([words[b >> 6] >> (b & 63) & 1 for b in column.tolist()], bool)
    return np.where(column == MISSING, bool(record[at.R_MISSING_LEFT]), left)


def nodes_with_rows(grown, bins, weights):
    """Each node, and the rows in it."""
    waiting = [(0, np.flatnonzero(weights))]
    while waiting:
        node, rows = waiting.pop()
        yield node, rows
        left = grown.records[node, at.R_LEFT]
        if left:
            is_left = goes_left(grown, node, bins[rows])
            waiting += [(left, rows[is_left]), (left + 1, rows[~is_left])]


@st.composite
def problems(draw):
    n, n_features = draw(st.integers(2, 24)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    bins = rng.integers(0, 6, (n, n_features))
    bins[rng.random(bins.shape) < draw(st.sampled_from([0.0, 0.2]))] = MISSING
    n_outputs = draw(st.sampled_from([1, 1, 2]))
    n_classes = draw(st.sampled_from([None, 2, 4]))
    is_categorical = rng.random(n_features) < 0.3
    if n_classes is None:
        criterion = draw(st.sampled_from(NUMBER_CRITERIA))
        y = rng.integers(1, 9, (n, n_outputs)).astype(float)
    else:
        criterion = draw(st.sampled_from(CLASS_CRITERIA))
        y = rng.integers(0, n_classes, (n, n_outputs))
    if n_outputs > 1 or n_classes == 4:  # an order of categories is exact for one lane alone
        is_categorical[:] = False
    weights = rng.integers(0, 4, n).astype(float)
    weights[0] = 1
    growth = WholeGrowth(
        criterion=criterion,
        min_samples_leaf=draw(st.sampled_from([1, 1, 3])),
        min_weight_leaf=draw(st.sampled_from([0.0, 0.0, 2.0])),
        max_leaves=draw(st.sampled_from([None, None, 4])),
    )
    if criterion == "absolute_error":  # nor for medians
        is_categorical[:] = False
    if growth.min_samples_leaf > 1 or growth.min_weight_leaf:  # nor under limits
        is_categorical[:] = False
    classes = None if n_classes is None else [n_classes] * n_outputs
    return bins, is_categorical, y, weights, growth, classes


@settings(max_examples=120, deadline=None)
@given(problems())
def test_no_split_is_better_than_the_one_taken(problem):
    bins, is_categorical, y, weights, growth, n_classes = problem
    counts = np.ones(len(bins), np.int32)
    grown = grow(bins, mapper_of(is_categorical), y, growth, weights, n_classes=n_classes)
    records, n_leaves = grown.records, 0
    floats = records.view(np.float64)
    for node, rows in nodes_with_rows(grown, bins, weights):
        own = (y[rows], weights[rows])
        is_leaf = records[node, at.R_LEFT] == 0
        n_leaves += is_leaf
        assert records[node, at.R_COUNT] == len(rows)
        assert floats[node, at.R_WEIGHT] == weights[rows].sum()
        if growth.criterion != "poisson" or is_leaf:  # the rest follows from the leaves' and gains
            expected = trees_whole.impurity(growth.criterion, *own)
            assert_allclose(floats[node, at.R_IMPURITY], expected, atol=1e-10)
        best = trees_whole.best_gain(bins[rows], is_categorical, *own, counts[rows], growth)
        if not is_leaf:
            is_left = goes_left(grown, node, bins[rows])
            taken = trees_whole.gain(growth.criterion, *own, is_left)
            # (targets are packed to about nine digits, and gains are differences of their squares)
            assert_allclose(taken, best, atol=1e-6)
            assert_allclose(floats[node, at.R_GAIN], best, atol=1e-6)
            assert trees_whole.may_part(weights[rows], counts[rows], is_left, growth)
        elif growth.max_leaves is None:
            is_pure = trees_whole.impurity(growth.criterion, *own) < 1e-12
            assert is_pure or best is None
    assert growth.max_leaves is None or n_leaves <= growth.max_leaves


@pytest.mark.parametrize("n_classes", [[2], [3], [2, 3]])
def test_values_are_shares_of_the_classes(n_classes):
    rng = np.random.default_rng(1)
    bins, weights = rng.integers(0, 6, (60, 2)), rng.random(60)
    y = np.column_stack([rng.integers(0, k, 60) for k in n_classes])
    growth = WholeGrowth(criterion="gini", max_depth=3)
    grown = grow(bins, mapper_of([False] * 2), y, growth, weights, n_classes=n_classes)
    for node, rows in nodes_with_rows(grown, bins, weights):
        shares = [
            weights[rows][y[rows, v] == k].sum() / weights[rows].sum()
            for v, size in enumerate(n_classes)
            for k in range(size)
        ]
        # (weights that are not whole are rounded to multiples of a billionth of their sum)
        assert_allclose(grown.values[node], shares[1:] if n_classes == [2] else shares, atol=1e-6)


@pytest.mark.parametrize("criterion", [*CLASS_CRITERIA, *NUMBER_CRITERIA])
def test_tree_is_that_of_scikit_learn_where_bins_lose_nothing(criterion):
    rng = np.random.default_rng(2)
    bins = rng.integers(0, 200, (500, 5))  # fewer values than bins
    bins[:200] = np.arange(200)[:, None]
    X, signal = bins.astype(float), bins[:, 0] + 0.3 * bins[:, 1] + rng.normal(0, 40, 500)
    mapper = mapper_of([False] * 5, 200)
    if criterion in CLASS_CRITERIA:
        y, n_classes, host = (signal > 120).astype(int), [2], DecisionTreeClassifier
    else:
        y, n_classes, host = np.abs(signal), None, DecisionTreeRegressor
    growth = WholeGrowth(criterion=criterion, max_depth=4)
    grown = grow(bins, mapper, y[:, None], growth, n_classes=n_classes)
    theirs = host(criterion=criterion, max_depth=4, random_state=0).fit(X, y).tree_
    pairs, n_same = [(0, 0)], 0
    while pairs:
        ours, other = pairs.pop()
        record, left = grown.records[ours], theirs.children_left[other]
        assert record[at.R_COUNT] == theirs.n_node_samples[other]
        assert (record[at.R_LEFT] > 0) == (left > 0)
        if left < 0:
            continue
        sums = theirs.weighted_n_node_samples * theirs.impurity
        gain = sums[other] - sums[left] - sums[theirs.children_right[other]]
        # (packed sums hold about nine digits, and a gain is a difference of sums as large as 1e5)
        assert_allclose(record.view(np.float64)[at.R_GAIN], gain, rtol=1e-6, atol=1e-2)
        # Of two splits of the same gain each may take another one.
        n_left = grown.records[record[at.R_LEFT], at.R_COUNT]
        is_same = record[at.R_FEATURE] == theirs.feature[other]
        if is_same and n_left == theirs.n_node_samples[left]:
            n_same += 1
            pairs += [(record[at.R_LEFT], left)]
            pairs += [(record[at.R_LEFT] + 1, theirs.children_right[other])]
    assert n_same > 10


def test_same_seed_same_tree_whatever_was_grown_before():
    rng = np.random.default_rng(3)
    bins, y = rng.integers(0, 6, (80, 4)), rng.integers(0, 3, (80, 1))
    growth = WholeGrowth(criterion="gini", max_features=2)
    codes = np.ascontiguousarray(bins.T, np.uint8)
    grower = TreeGrower(codes, mapper_of([False] * 4), Targets.of_classes(y, [3]), growth)
    first, other, again = (grower.grow(np.ones(80), seed=seed) for seed in (5, 6, 5))
    assert_array_equal(first.records, again.records)
    assert first.records.shape != other.records.shape or (first.records != other.records).any()


@pytest.mark.parametrize("is_random", [False, True])
def test_best_first_takes_the_same_splits_as_without_a_limit(is_random):
    rng = np.random.default_rng(4)
    bins, y = rng.integers(0, 6, (100, 4)), rng.random((100, 1))
    options = {"criterion": "squared_error", "max_features": 2, "is_random": is_random}
    grown = [
        grow(bins, mapper_of([False] * 4), y, WholeGrowth(**options, max_leaves=limit), seed=7)
        for limit in (None, 100)
    ]
    depth_first, best_first = (np.sort(tree.records[:, at.R_GAIN]) for tree in grown)
    assert_array_equal(depth_first, best_first)


def test_random_cuts_fall_in_proportion_to_the_gaps_between_values():
    mapper = BinMapper((np.array([0.5, 5.5]),), np.zeros(1, bool))  # values about 0, 1 to 10, 8
    bins, y = np.array([[0], [1], [2]] * 5), np.arange(15.0)[:, None]
    growth = WholeGrowth(criterion="squared_error", is_random=True, max_depth=1)
    cuts = [grow(bins, mapper, y, growth, seed=s).records[0, at.R_BIN] for s in range(2000)]
    # Centres are -2, 3 and 8: both gaps have five units, so that a cut is at each half the time;
    # 0.05 is four standard deviations.
    assert abs(np.mean(np.array(cuts) == 0) - 0.5) < 0.05


@pytest.mark.parametrize("criterion", NUMBER_CRITERIA)
def test_monotonic_trees_never_fall(criterion):
    rng = np.random.default_rng(5)
    bins = rng.integers(0, 6, (300, 2))
    y = (2 + np.sin(bins[:, :1]) + 0.2 * bins[:, 1:] + rng.normal(0, 0.1, (300, 1))).astype(float)
    growth = WholeGrowth(criterion=criterion, monotonic=np.array([1, 0]))
    grown = grow(bins, mapper_of([False] * 2), y, growth)
    grid = np.array([[a, b] for b in range(6) for a in range(6)])
    values = np.empty(len(grid))
    for node, rows in nodes_with_rows(grown, grid, np.ones(len(grid))):
        values[rows] = grown.values[node, 0]
    assert len(np.unique(values)) > 6
    assert (np.diff(values.reshape(6, 6), axis=1) >= 0).all()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from(["absolute_error", "squared_error"]),
    st.sampled_from([0.0, 0.2]),
)
def test_no_split_that_keeps_the_order_is_better_than_the_one_taken(seed, criterion, missing):
    rng = np.random.default_rng(seed)
    n, n_features = rng.integers(2, 20), rng.integers(1, 4)
    bins, y = rng.integers(0, 6, (n, n_features)), rng.integers(1, 9, (n, 1)).astype(float)
    bins[rng.random(bins.shape) < missing] = MISSING
    weights = rng.integers(1, 4, n).astype(float)
    growth = WholeGrowth(
        criterion=criterion, max_depth=1, monotonic=rng.integers(-1, 2, n_features)
    )
    grown = grow(bins, mapper_of([False] * n_features), y, growth, weights)
    best = trees_whole.best_ordered_gain(bins, y, weights, growth)
    record = grown.records[0]
    if not record[at.R_LEFT]:
        assert best is None or trees_whole.impurity(criterion, y, weights) == 0
        return
    is_left, way = goes_left(grown, 0, bins), growth.monotonic[record[at.R_FEATURE]]
    # (means are packed to about nine digits: two equal ones may seem to fall)
    if criterion == "absolute_error":
        assert trees_whole.keeps_order(criterion, y, weights, is_left, way)
        assert_allclose(record.view(np.float64)[at.R_GAIN], best, atol=1e-10)
    else:
        assert_allclose(record.view(np.float64)[at.R_GAIN], best, atol=1e-6)


def test_a_node_of_large_targets_sees_small_differences():
    """Sums are packed in units of a node's own spread: an outlier far away costs no digits."""
    bins = np.array([[0], [1], [2], [5]])
    y = np.array([[1.0], [1.0 + 1e-6], [1.0 + 2e-6], [1e12]])
    growth = WholeGrowth(criterion="squared_error")
    grown = grow(bins, mapper_of([False]), y, growth)
    leaves = grown.records[:, at.R_LEFT] == 0
    assert_array_equal(np.sort(grown.values[leaves, 0]), np.sort(y[:, 0]))
