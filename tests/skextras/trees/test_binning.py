"""Binning: the slow twin's bins, whatever the type, the strides, the blocks and the threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.trees.binning import Binner, as_column, bin_table, column_blocks
from skextras.trees.edges import BinMapper, fit_mapper
from skextras.trees.threads import Threads
from tests.oracles import trees_growing as oracle


def mapper_of(X, categorical=(), *, max_bins=255, weights=None):
    known = [np.unique(x[~np.isnan(x)]) if j in categorical else None for j, x in enumerate(X.T)]
    return fit_mapper(as_column(X), known, weights=weights, max_bins=max_bins, n_threads=1)


def bins(X, mapper, n_threads=1):
    with Threads(n_threads) as threads:
        return oracle.unpacked(bin_table(X, mapper, threads).words, X.shape[1])


def awkward(random, n, n_features, dtype):
    """Ties, missing values, infinities, and both zeros."""
    X = np.round(random.standard_normal((n, n_features)) * 10) / 10
    X[random.random(X.shape) < 0.1] = np.nan
    X[random.random(X.shape) < 0.05] = np.inf
    X[random.random(X.shape) < 0.05] = -np.inf
    X[random.random(X.shape) < 0.05] = -0.0
    return X.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), max_bins=st.sampled_from([2, 3, 16, 255]))
def test_bins_are_those_of_the_slow_twin(dtype, seed, max_bins):
    random = np.random.default_rng(seed)
    X = awkward(random, int(random.integers(1, 300)), int(random.integers(1, 12)), dtype)
    mapper = mapper_of(X, max_bins=max_bins)
    own = bins(X, mapper)
    np.testing.assert_array_equal(own, oracle.bins_of(X, mapper))
    assert np.all((own < mapper.n_bins) | (own == oracle.MISSING))
    np.testing.assert_array_equal(own == oracle.MISSING, np.isnan(X))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_single_is_on_the_side_of_an_edge_on_which_it_is_as_a_double(seed):
    """Edges lie between neighbouring singles, where rounding to the nearest would move them."""
    random = np.random.default_rng(seed)
    near = random.standard_normal(200).astype(np.float32)
    above = np.nextafter(near, np.float32(np.inf))
    share = random.random(200)
    edges = np.unique((1 - share) * near.astype(float) + share * above.astype(float))
    mapper = BinMapper((edges,), np.zeros(1, bool))
    X = np.concatenate([near, above])[:, None]
    np.testing.assert_array_equal(bins(X, mapper), bins(X.astype(np.float64), mapper))


def test_254_edges_part_255_bins():
    mapper = BinMapper((np.arange(254.0),), np.zeros(1, bool))
    X = np.concatenate([[-np.inf], np.arange(254.0) + 0.5, [np.inf, np.nan]])[:, None]
    assert bins(X, mapper).ravel().tolist() == [0, *range(1, 255), 254, 255]
    assert bins(np.arange(254.0)[:, None], mapper).ravel().tolist() == list(range(254))


@pytest.mark.parametrize("n_known", [0, 1, 7, 254, 255])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_code_that_is_not_known_is_missing(n_known, dtype):
    known = np.arange(n_known) * 2.0
    mapper = BinMapper((known, np.zeros(0)), np.array([True, False]))
    codes = np.concatenate([known, known + 1, [-1, 1e6, np.inf, -np.inf, np.nan]])
    X = np.column_stack([codes, codes]).astype(dtype)
    expected = [*range(n_known), *[255] * (n_known + 5)]
    assert bins(X, mapper)[:, 0].tolist() == expected
    assert mapper.n_bins.tolist() == [n_known, 1]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_strides_blocks_and_threads_change_nothing(n_threads):
    random = np.random.default_rng(0)
    X = awkward(random, 9000, 21, np.float64)
    mapper = mapper_of(X, max_bins=100)
    expected = oracle.bins_of(X[::9], mapper)
    wide = np.zeros((18_000, 43))
    wide[::2, 1:43:2] = X
    for table in (X, np.asfortranarray(X), wide[::2, 1:43:2], X[::-1][::-1], X.astype(">f8")):
        np.testing.assert_array_equal(bins(table, mapper, n_threads)[::9], expected)
    np.testing.assert_array_equal(
        bins(X[:, ::-1], mapper_of(X[:, ::-1]))[:, 3],
        bins(np.ascontiguousarray(X[:, ::-1]), mapper_of(X[:, ::-1]))[:, 3],
    )


def test_blocks_of_rows_and_of_columns_are_merged():
    random = np.random.default_rng(1)
    X = awkward(random, 5000, 19, np.float32)
    mapper = mapper_of(X)
    whole = bins(X, mapper)
    by_rows, by_columns = Binner(mapper, 5000), Binner(mapper, 5000)
    with Threads(2) as threads:
        for first, last in ((0, 1), (1, 1), (1, 4097), (4097, 5000)):
            by_rows.add(X[first:last], threads, first_row=first)
        for block in reversed(list(column_blocks(19))):
            by_columns.add(X[:, block], threads, first_feature=block.start)
    for binner in (by_rows, by_columns):
        np.testing.assert_array_equal(oracle.unpacked(binner.result().words, 19), whole)


def test_a_memory_mapped_table(tmp_path):
    X = awkward(np.random.default_rng(2), 3000, 5, np.float32)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    np.testing.assert_array_equal(bins(mapped, mapper_of(X)), bins(X, mapper_of(X)))


@pytest.mark.parametrize("shape", [(0, 3), (4, 0)])
def test_nothing_to_bin(shape):
    X = np.zeros(shape)
    mapper = BinMapper(tuple(np.zeros(0) for _ in range(shape[1])), np.zeros(shape[1], bool))
    with Threads(1) as threads:
        assert bin_table(X, mapper, threads).words.shape == (-(-shape[1] // 8), shape[0])
