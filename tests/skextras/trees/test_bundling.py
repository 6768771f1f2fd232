"""Bundling: columns that the slow twin finds, bins that can be read back, and the same trees."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.trees.binning import Binner, bin_table
from skextras.trees.bundling import candidates, dense_columns, find_bundles
from skextras.trees.columns import columns_of
from skextras.trees.edges import BinMapper, fit_mapper
from skextras.trees.growing import Grower
from skextras.trees.routing import Router
from skextras.trees.threads import Threads
from skextras.trees.workspace import Growth
from tests.oracles import trees_bundling as oracle
from tests.oracles.trees_growing import unpacked
from tests.skextras.trees.grown import assert_same, grown, sums, totals_of


def sparse_table(random, n):
    """One-hot blocks, sparse numbers of both signs, flags, constants, and dense numbers, mixed."""
    parts = [random.standard_normal((n, 2)).round(1)]
    for n_kinds in random.integers(2, 9, random.integers(1, 4)):
        block = np.eye(n_kinds)[random.choice(n_kinds, n, p=random.dirichlet(np.ones(n_kinds)))]
        parts.append(block[:, random.integers(0, 2) :])
    slots = random.integers(0, 6, n)
    parts += [np.zeros((n, 1)), np.full((n, 1), 3.0), (random.random((n, 2)) < 0.02) * 5.0]
    X = np.concatenate(parts, axis=1)
    lacking = random.random(X.shape[1]) < 0.3
    X[(random.random(X.shape) < 0.02) & lacking] = np.nan
    exclusive = random.integers(-3, 4, (n, 4)) * (slots[:, None] == np.arange(4))
    X = np.concatenate([X, exclusive], axis=1)
    return X[:, random.permutation(X.shape[1])]


def mapper_of(X, *, max_bins=255, n_categorical=0):
    known = [np.unique(x[~np.isnan(x)]) if j < n_categorical else None for j, x in enumerate(X.T)]
    return fit_mapper(lambda j: X[:, j], known, weights=None, max_bins=max_bins, n_threads=1)


def found(X, mapper):
    with Threads(1) as threads:
        return find_bundles(mapper, dense_columns(X, mapper, candidates(mapper), threads))


def binned_with(X, mapper, bundles=None, *, n_threads=1):
    with Threads(n_threads) as threads:
        binner = Binner(mapper, len(X), columns_of(mapper, bundles) if bundles else None)
        binner.add(X, threads)
        assert not binner.clashes.any()
        return binner.result()


def both(X, **options):
    """The same bins, a feature a column and with shared ones."""
    mapper = mapper_of(X, **options)
    bundles = found(X, mapper)
    assert bundles  # or there is nothing to compare
    return binned_with(X, mapper), binned_with(X, mapper, bundles)


# ------------------------------------------------------------ columns
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from([np.float32, np.float64]))
def test_bundles_and_codes_are_those_of_the_slow_twin(seed, dtype):
    random = np.random.default_rng(seed)
    X = sparse_table(random, int(random.integers(20, 150))).astype(dtype)
    mapper = mapper_of(X, max_bins=int(random.integers(2, 40)), n_categorical=seed % 2)
    bins = unpacked(binned_with(X, mapper).words, X.shape[1])
    bundles = found(X, mapper)
    assert sorted(bundles) == sorted(oracle.bundles_of(bins, mapper))
    shared = binned_with(X, mapper, bundles)
    codes, where = oracle.coded(bins, mapper, bundles)
    columns = shared.columns
    np.testing.assert_array_equal(unpacked(shared.words, len(columns.n_bins)), codes)
    assert columns.places[:, 0].tolist() == [where[j] for j in range(X.shape[1])]
    np.testing.assert_array_equal(oracle.decoded(shared.words, columns), bins)


def test_a_column_holds_254_codes_and_no_more():
    X = np.zeros((600, 300))
    X[np.arange(300), np.arange(300)] = 1
    mapper = mapper_of(X)
    bundles = found(X, mapper)
    assert [len(bundle) for bundle in bundles] == [254, 46]
    shared = binned_with(X, mapper, bundles)
    assert shared.columns.n_bins.tolist() == [255, 47]
    assert shared.words.shape == (1, 600)
    np.testing.assert_array_equal(oracle.decoded(shared.words, shared.columns), X)


def test_features_of_many_bins_missing_values_and_categories_stay_alone():
    random = np.random.default_rng(0)
    X = np.zeros((400, 6))
    for j in range(6):
        X[j::6, j] = random.integers(1, 3, len(X[j::6]))
    X[:, 1] *= random.random(400)
    X[7, 2] = np.nan
    mapper = mapper_of(X, n_categorical=1)
    bins = [mapper.edges[j] for j in range(6)]
    bins[1] = np.linspace(0.001, 0.999, 128)  # 129 bins
    mapper = BinMapper(tuple(bins), mapper.is_categorical)
    assert found(X, mapper) == [[3, 4, 5]]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_rows_on_which_features_clash_are_told(n_threads):
    random = np.random.default_rng(1)
    X = np.eye(5)[random.integers(0, 5, 20_000)]
    mapper = mapper_of(X)
    X[12_345] = 0, 1, 0, 1, 1  # the first of them may stay
    X[77, 2] = np.nan
    with Threads(n_threads) as threads:
        binner = Binner(mapper, len(X), columns_of(mapper, [[0, 1, 2, 3, 4]]))
        binner.add(X, threads)
    assert binner.clashes.tolist() == [0, 0, 1, 1, 1]


# ------------------------------------------------------------ the same trees
GROWTHS = {
    "plain": {},
    "min_samples": {"min_samples_leaf": 30},
    "l1": {"l1": 300.0, "l2": 2.0},
    "depth-wise": {"order": "depth", "max_leaves": 8},
    "unlimited": {"max_leaves": None, "min_samples_leaf": 15},
    "max_features": {"max_features": 0.4},
    "monotonic": {"monotonic": True},
    "interactions": {"interactions": True},
}


@pytest.mark.parametrize("name", GROWTHS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_shared_columns_change_no_bit_of_a_tree(name, seed):
    random = np.random.default_rng(seed)
    n = int(random.integers(100, 1500))
    alone, shared = both(sparse_table(random, n), max_bins=30, n_categorical=seed % 2)
    f = alone.mapper.n_features
    options = dict(GROWTHS[name])
    if "monotonic" in options:
        options["monotonic"] = random.integers(-1, 2, f)
    if "interactions" in options:
        options["interactions"] = random.random((3, f)) < 0.6
    growth = Growth(**{"min_samples_leaf": 5, "max_leaves": 20, **options})
    g, h = sums(random, n)
    if seed % 3:  # counts that hessians say little of, and rows of weight 0
        h = np.floor(2.0 ** random.integers(-3, 9, n))
        g *= h > 0
    rows = np.flatnonzero(random.random(n) < 0.7).astype(np.uint32) if seed % 5 > 2 else None
    run = partial(grown, g=g, h=h, growth=growth, rows=rows, seed=seed)
    (tree, scores), (other, other_scores) = run(alone), run(shared, n_threads=1 + seed % 2)
    assert_same(tree, other)
    np.testing.assert_array_equal(scores, other_scores)


def test_large_leaves_are_shared_by_threads_alike():
    random = np.random.default_rng(2)
    X = sparse_table(random, 30_000)
    alone, shared = both(X, max_bins=50)
    g, h = random.standard_normal(30_000), random.random(30_000) ** 3
    growth = Growth(max_leaves=60)
    tree, scores = grown(alone, g, h, growth)
    assert (shared.columns.is_shared[tree.feature[tree.feature >= 0]]).sum() > 5
    for n_threads in (1, 2, 3):
        other, other_scores = grown(shared, g, h, growth, n_threads=n_threads)
        assert_same(tree, other)
        np.testing.assert_array_equal(scores, other_scores)


# ------------------------------------------------------------ routing
def test_a_router_reads_shared_columns():
    random = np.random.default_rng(3)
    alone, shared = both(sparse_table(random, 4000), max_bins=20)
    g = random.standard_normal(4000).astype(np.float32)
    with Threads(2) as threads:
        result = Grower(alone, Growth(max_leaves=40), threads).grow(g, g * g, totals_of(g, g * g))
        tree = result.tree(result.values)
        scores = []
        for binned in (alone, shared):
            scores.append(np.zeros(4000, np.float32))
            Router(binned, threads).add(scores[-1], tree)
    np.testing.assert_array_equal(*scores)


def test_a_tree_that_parts_missing_from_all_others_is_read_from_shared_columns():
    """It was grown where the feature had missing values, which these rows do not have."""
    random = np.random.default_rng(4)
    X = np.eye(3)[random.integers(0, 3, 500)]
    alone, shared = both(X)
    lacking = X.copy()
    lacking[::2, 1] = np.nan
    g = np.where(np.isnan(lacking[:, 1]), 1.0, -1.0).astype(np.float32)
    with Threads(1) as threads:
        binned = bin_table(lacking, alone.mapper, threads)
        result = Grower(binned, Growth(max_leaves=2), threads).grow(
            g, np.ones_like(g), totals_of(g, np.ones_like(g))
        )
        tree = result.tree(result.values)
        assert tree.feature[0] == 1
        assert tree.bin[0] == 1
        scores = np.zeros(500, np.float32)
        Router(shared, threads).add(scores, tree)
    assert np.all(scores == np.float32(tree.value[tree.left[0], 0]))
