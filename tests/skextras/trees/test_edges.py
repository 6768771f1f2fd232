"""Edges: between values, at quantiles, with a weight as a repetition; and the sample of rows."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skextras.trees.binning import as_column
from skextras.trees.edges import (
    LARGEST,
    BinMapper,
    edge_table,
    edges_of,
    fit_mapper,
    rounded_down,
)
from skextras.trees.sampling import RowSample

seeds = st.integers(0, 2**32 - 1)


def bin_counts(values, edges):
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)


# ------------------------------------------------------------ edges
@settings(max_examples=40, deadline=None)
@given(seed=seeds, max_bins=st.integers(2, 255))
def test_few_values_have_a_bin_each(seed, max_bins):
    random = np.random.default_rng(seed)
    distinct = np.unique(random.standard_normal(int(random.integers(1, max_bins + 1))))
    values = random.permutation(np.concatenate([distinct, random.choice(distinct, 50)]))
    edges = edges_of(values, None, max_bins)
    np.testing.assert_allclose(edges, (distinct[1:] + distinct[:-1]) / 2, rtol=1e-15)
    assert np.all((distinct[:-1] <= edges) & (edges < distinct[1:]))


@settings(max_examples=40, deadline=None)
@given(seed=seeds, max_bins=st.integers(2, 255))
def test_many_values_fill_the_bins_evenly(seed, max_bins):
    random = np.random.default_rng(seed)
    n = int(random.integers(max_bins + 1, 2000))
    values = random.permutation(n).astype(float)  # no ties
    counts = bin_counts(values, edges_of(values, None, max_bins))
    assert len(counts) == max_bins
    assert counts.max() - counts.min() <= 1


@settings(max_examples=40, deadline=None)
@given(seed=seeds, max_bins=st.sampled_from([2, 5, 40]), ties=st.booleans())
def test_a_weight_is_a_repetition(seed, max_bins, ties):
    random = np.random.default_rng(seed)
    values = random.standard_normal(300)
    values = np.round(values * 3) if ties else values
    values[::7] = np.nan
    weights = random.integers(0, 4, 300)
    again = edges_of(np.repeat(values, weights), None, max_bins)
    np.testing.assert_array_equal(edges_of(values, weights.astype(float), max_bins), again)
    scaled = edges_of(values, weights * 0.1, max_bins)
    np.testing.assert_array_equal(scaled, again)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, max_bins=st.integers(2, 255))
def test_edges_ascend_and_stay_among_the_values(seed, max_bins):
    random = np.random.default_rng(seed)
    values = random.standard_normal(400) * 10.0 ** random.integers(-300, 290, 400)
    values[random.random(400) < 0.1] = random.choice([np.inf, -np.inf, np.nan, 0.0])
    edges = edges_of(values, None, max_bins)
    assert len(edges) < max_bins
    assert np.all(np.diff(edges) > 0)
    assert np.all(edges <= LARGEST)  # so that none is +inf, the threshold of real | missing
    counts = bin_counts(values[~np.isnan(values)], edges)
    assert min(counts[0], counts[-1]) > 0


@pytest.mark.parametrize("values", [[], [np.nan] * 5, [3.0] * 9, [np.inf, np.inf]])
def test_nothing_to_part_has_no_edge(values):
    assert edges_of(np.array(values), None, 10).size == 0
    assert edges_of(np.array(values), np.ones(len(values)), 10).size == 0


def test_infinities_stand_apart():
    assert edges_of(np.array([-np.inf, np.inf]), None, 10).tolist() == [0.0]
    assert edges_of(np.array([1.0, np.inf]), None, 10).tolist() == [LARGEST]
    assert edges_of(np.array([-np.inf, 1.0]), None, 10).tolist() == [-np.inf]


def test_an_edge_between_neighbouring_numbers_is_the_lower():
    one, two = 1.0, np.nextafter(1.0, 2.0)
    assert edges_of(np.array([one, two]), None, 10).tolist() == [one]
    huge = 1.7e308
    assert edges_of(np.array([huge, huge * 1.01]), None, 10).tolist() == [LARGEST]


# ------------------------------------------------------------ single precision
@settings(max_examples=200)
@given(st.floats(allow_nan=False), st.floats(allow_nan=False, width=32))
@example(-3.402823364973241e38, 0.0)  # between the last two float32s
def test_rounding_an_edge_down_keeps_every_comparison(edge, value):
    single = rounded_down(np.array([edge]))
    assert single.dtype == np.float32
    x = np.float32(value)
    assert bool(x > single[0]) == bool(float(x) > edge)
    with np.errstate(over="ignore"):
        above = np.nextafter(single[0], np.float32(np.inf))
    for near in (single[0], above):
        assert bool(near > single[0]) == bool(float(near) > edge)


def test_a_table_of_edges_ends_in_what_no_number_is_above():
    mapper = BinMapper((np.array([0.1, 0.2]), np.array([0.1, 7.0])), np.array([False, True]))
    table = edge_table(mapper, np.float32)
    assert table[0, :2].tolist() == rounded_down(np.array([0.1, 0.2])).tolist()
    assert table[1, :2].tolist() == np.array([0.1, 7.0], np.float32).tolist()
    assert np.all(table[0, 2:] == np.inf)
    assert np.all(np.isnan(table[1, 2:]))


# ------------------------------------------------------------ mappers
def test_threads_find_the_same_bins():
    random = np.random.default_rng(0)
    X, known = random.standard_normal((500, 9)), [None] * 8 + [np.arange(3.0)]

    def mapper(n_threads):
        return fit_mapper(as_column(X), known, weights=None, max_bins=50, n_threads=n_threads)

    one, three = mapper(1), mapper(3)
    assert one.n_features == three.n_features == 9
    assert one.is_categorical.tolist() == three.is_categorical.tolist() == [False] * 8 + [True]
    for a, b in zip(one.edges, three.edges, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.n_bins.tolist() == [50] * 8 + [3]


# ------------------------------------------------------------ the sample of rows
@pytest.mark.parametrize("weighted", [False, True])
def test_a_sample_does_not_depend_on_the_blocks(weighted):
    random = np.random.default_rng(1)
    X = np.arange(3000.0)[:, None]
    weights = random.integers(1, 5, 3000).astype(float) if weighted else None

    def sampled(sizes):
        sample = RowSample(np.random.default_rng(7), size=200)
        for first, last in zip(np.cumsum([0, *sizes[:-1]]), np.cumsum(sizes), strict=True):
            sample.add(X[first:last], None if weights is None else weights[first:last])
        return sample.result()[0].ravel().tolist()

    whole = sampled([3000])
    assert len(whole) == 200
    assert whole == sorted(whole)
    assert sampled([1] * 100 + [2900]) == whole
    assert sampled([450] * 6 + [300]) == whole
    chosen = RowSample(np.random.default_rng(7), size=200).choose(3000, weights)
    assert chosen.tolist() == whole


def test_few_rows_stay_all_with_their_weights():
    sample = RowSample(np.random.default_rng(0), size=10)
    sample.add(np.arange(4.0)[:, None], np.array([0.0, 1, 2, 3]))
    rows, weights = sample.result()
    assert rows.ravel().tolist() == [0, 1, 2, 3]
    assert weights.tolist() == [0, 1, 2, 3]
    assert RowSample(np.random.default_rng(0), size=10).choose(10).tolist() == list(range(10))


def test_rows_are_drawn_by_their_weights():
    """Where few of many are drawn, a row of weight 3 is there about three times as often."""
    weights = np.where(np.arange(50_000) % 2, 3.0, 1.0)
    chosen = RowSample(np.random.default_rng(3), size=1000).choose(50_000, weights)
    share = np.mean(weights[chosen] == 3)
    assert abs(share - 0.75) < 5 * np.sqrt(0.75 * 0.25 / 1000)  # five deviations
    none = np.where(np.arange(500) < 400, 0.0, 1.0)
    assert RowSample(np.random.default_rng(3), size=100).choose(500, none).min() == 400


def test_a_sample_without_weights_says_none_of_them():
    sample = RowSample(np.random.default_rng(0), size=3)
    sample.add(np.zeros((5, 1)), np.ones(5))
    assert sample.result()[1] is None
