"""Histograms: plain sums, children that sum to their parent, and sums that cannot overflow."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skextras.trees import workspace as at
from skextras.trees.binning import Binned
from skextras.trees.edges import BinMapper
from skextras.trees.growing import Grower
from skextras.trees.histogram import EXPONENTS, GROUP_STRIDE, STRIDE, fixed_point
from skextras.trees.leaves import sum_part
from skextras.trees.threads import Threads
from skextras.trees.workspace import Growth, Workspace
from tests.oracles import trees_growing as oracle


def binned_of(bins):
    """Words of bins (n, n_features)."""
    n, n_features = bins.shape
    words = np.zeros((-(-n_features // 8), n), np.uint64)
    for j in range(n_features):
        words[j // 8] |= bins[:, j].astype(np.uint64) << np.uint64(8 * (j % 8))
    edges = tuple(np.arange(254.0) for _ in range(n_features))
    return Binned(words, BinMapper(edges, np.zeros(n_features, bool)))


def histogram_of(bins, payload, rows=None):
    """What the kernel sums over all rows, or over some."""
    space = Workspace(binned_of(bins), Growth(), Threads(1))
    array = {place: space._arrays[place] for place in (at.PAYLOAD, at.JOB, at.ORDER, at.POOL)}
    array[at.PAYLOAD][:] = payload
    what, n = at.ALL_ROWS, len(bins)
    if rows is not None:
        what, n = at.LEAF_ROWS, len(rows)
        array[at.ORDER][:n] = rows
    job = array[at.JOB]
    job[at.FROM], job[at.TO], job[at.WHAT] = 0, n, what
    job[at.TARGET] = space.table[at.POOL]
    array[at.POOL][:] = 77  # what is there before does not matter
    Threads(1).run(sum_part, space.table, 1)
    sums = array[at.POOL][0]
    return [sums[j * STRIDE : j * STRIDE + 256].tolist() for j in range(bins.shape[1])]


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([1, 23, 24, 25, 100, 600]),
    n_features=st.sampled_from([1, 3, 4, 5, 8, 12, 17]),
)
def test_a_histogram_is_the_sums_by_bin(seed, n, n_features):
    random = np.random.default_rng(seed)
    bins = random.integers(0, 256, (n, n_features)).astype(np.uint8)
    payload = random.integers(-(2**50), 2**50, n)
    assert histogram_of(bins, payload) == oracle.histogram(bins, payload)
    rows = np.flatnonzero(random.random(n) < 0.6)
    whole = oracle.histogram(bins[rows], payload[rows])
    assert histogram_of(bins, payload, rows) == whole


def test_more_rows_than_are_gathered_at_a_time():
    random = np.random.default_rng(0)
    bins = random.integers(0, 256, (20_000, 2)).astype(np.uint8)
    payload = random.integers(-1000, 1000, 20_000)
    rows = random.permutation(20_000)[:17_000]
    expected = [np.bincount(b, payload[rows], 256).astype(int).tolist() for b in bins[rows].T]
    assert histogram_of(bins, payload, rows) == expected


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_children_sum_to_their_parent_and_subtraction_equals_rebuilding(seed):
    random = np.random.default_rng(seed)
    bins = random.integers(0, 256, (500, 9)).astype(np.uint8)
    payload = random.integers(-(2**40), 2**40, 500)
    goes_left = bins[:, 3] <= 100
    parent, left, right = (
        np.array(histogram_of(bins, payload, np.flatnonzero(rows)))
        for rows in (np.ones(500, bool), goes_left, ~goes_left)
    )
    np.testing.assert_array_equal(parent, left + right)
    np.testing.assert_array_equal(parent - left, right)


def test_a_weight_is_a_repetition():
    random = np.random.default_rng(1)
    bins = random.integers(0, 256, (200, 5)).astype(np.uint8)
    payload, weight = random.integers(-100, 100, 200), random.integers(0, 4, 200)
    again = histogram_of(np.repeat(bins, weight, axis=0), np.repeat(payload, weight))
    assert histogram_of(bins, payload * weight) == again


def test_features_do_not_share_words():
    assert STRIDE >= 256
    assert GROUP_STRIDE == 8 * STRIDE


# ------------------------------------------------------------ fixed point
def packed(gradient, hessian):
    """Payloads in the two halves, as Python's integers, and the scales."""
    n = len(gradient)
    binned = binned_of(np.zeros((n, 1), np.uint8))
    totals = (float(np.abs(gradient).sum(dtype=float)), float(hessian.sum(dtype=float)))
    with Threads(1) as threads:
        grower = Grower(binned, Growth(max_leaves=1), threads)
        grown = grower.grow(gradient, hessian, totals)
        payload = grower._space._arrays[at.PAYLOAD]
    return payload >> 32, payload & 0xFFFFFFFF, grown


sizes = st.one_of(
    st.floats(0, float(np.float32(1e30)), width=32),
    st.sampled_from([0.0, 1e-30, 1.0, 1e30, 3e38, 2.0**-149]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(sizes, st.booleans(), sizes), min_size=1, max_size=400),
    st.sampled_from([1, 7, 300]),
)
@example([(1e30, False, 1e-30)], 1)
@example([(3e38, True, 3e38)], 300)
@example([(1.0, False, 1.0)] * 300 + [(1e30, False, 1e30)], 1)
@example([(8388609.0, False, 8388609.0)], 1)
@example([(1e-30, True, 2.0**-149)], 7)
def test_no_sum_of_gradients_leaves_its_bits(rows, repeat):
    """The worst sums are those of all positive and of all negative terms: others are smaller."""
    g = np.array([-a if negative else a for a, negative, _ in rows] * repeat, np.float32)
    h = np.array([b for _, _, b in rows] * repeat, np.float32)
    high, low, grown = packed(g, h)
    assert high[high > 0].sum() < 2**31
    assert high[high < 0].sum() >= -(2**31)
    assert 0 <= low.sum() < 2**31
    # and no term is off by more than one unit, which the scale's room allows for
    for terms, exact, scale in ((high, g, grown.gradient_scale), (low, h, grown.hessian_scale)):
        assert np.all(np.abs(terms - exact.astype(float) * scale) <= 1)
        assert np.log2(scale) == np.round(np.log2(scale))


@settings(deadline=None)
@given(total=st.floats(0, 1e45), n=st.integers(1, 2**30), bits=st.sampled_from([31, 32]))
def test_the_scale_leaves_room_for_the_worst_rounding(total, n, bits):
    scale = fixed_point(total, n, bits=bits)
    assert scale * total + n < 2**bits or total == 0
    assert np.float32(scale) == scale > 0
    is_clipped = np.log2(scale) in EXPONENTS
    # no more than two bits are given away (and more rows leave fewer bits)
    assert total == 0 or is_clipped or scale * total + n >= 2**bits * 0.24


def test_a_scale_is_precise_enough():
    """With 400,000 rows the mean gradient has thousands of levels."""
    n = 400_000
    assert fixed_point(0.3 * n, n, bits=31) * 0.3 > 2000


@pytest.mark.parametrize("n", [1, 1000])
def test_constant_hessians_count_rows(n):
    binned = binned_of(np.zeros((n, 1), np.uint8))
    with Threads(1) as threads:
        ones = np.ones(n, np.float32)
        grower = Grower(binned, Growth(), threads)
        grown = grower.grow(ones, ones, (n, n), has_constant_hessian=True)
    assert grown.hessian_scale == 1
    assert grown.records[0, at.SUM] & 0xFFFFFFFF == n
