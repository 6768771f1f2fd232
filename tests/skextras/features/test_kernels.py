"""Compiled passes over columns do what their slow twins do."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.features.assembly import to_csr, to_dense
from skextras.features.blocks import Bags, Codes, Dense
from skextras.features.kernels.numbers import bucketize
from skextras.features.partition import best_cuts
from skextras.features.sketch import QuantileSketch
from skextras.features.table import as_table
from skextras.features.values import Numbers
from tests.oracles import feature_kernels as oracle

FLOATS = st.floats(-1e6, 1e6, width=32)
WORDS = st.one_of(st.none(), st.text(max_size=20), st.sampled_from(["a", "ab", "x" * 9, "x" * 10]))


@settings(max_examples=40, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=200))
def test_text_is_numbered_by_first_appearance(words):
    values = as_table(pa.table({"s": pa.array(words, pa.string())}), owner="test")["s"]
    codes, levels = oracle.first_seen(words)
    assert values.factor.codes.tolist() == codes
    assert values.factor.levels.strings() == levels


def test_more_levels_than_any_table_starts_with():
    words = [f"{i % 5000}-a tail beyond seven bytes" for i in range(12_000)]
    values = as_table({"s": words}, owner="test")["s"]
    assert values.factor.codes.tolist() == [i % 5000 for i in range(12_000)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(FLOATS, st.just(float("nan")), st.integers(-9, 9)), min_size=1))
def test_numbers_are_numbered_by_first_appearance(numbers):
    codes, levels = oracle.first_seen([None if x != x else x for x in numbers])
    factor = Numbers(np.array(numbers, float)).factor
    assert factor.codes.tolist() == codes
    assert factor.levels.values.tolist() == levels


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(FLOATS, st.just(float("nan"))), min_size=1),
    st.lists(FLOATS, min_size=1, max_size=80, unique=True),
)
def test_buckets_are_those_of_bisection(values, boundaries):
    boundaries = sorted(boundaries)
    values += boundaries  # where it matters which side is closed
    codes = np.empty(len(values), np.int32)
    is_full = bucketize(np.array(values, float), np.array(boundaries, float), codes)
    assert codes.tolist() == [oracle.bucket(value, boundaries) for value in values]
    assert is_full == (codes >= 0).all()


def a_block(draw, n):
    kind, width = draw(st.sampled_from(["dense", "codes", "bags"])), draw(st.integers(1, 4))
    if kind == "dense":
        values = draw(st.lists(FLOATS, min_size=n * width, max_size=n * width))
        dtype = draw(st.sampled_from([np.float32, np.float64]))
        return Dense(np.array(values, dtype).reshape(n, width))
    code = st.integers(-2, width - 1)
    if kind == "codes":
        codes = np.array(draw(st.lists(code, min_size=n, max_size=n)), np.int32)
        return Codes(codes, width, is_full=bool((codes >= 0).all()))
    lists = draw(st.lists(st.lists(code, max_size=4), min_size=n, max_size=n))
    flat = np.array([own for each in lists for own in each], np.int32)
    weights = draw(st.sampled_from([None, np.arange(1.0, len(flat) + 1)]))
    return Bags(np.cumsum([0, *map(len, lists)]), flat, weights, width)


@st.composite
def blocks(draw):
    n = draw(st.sampled_from([1, 3, 1030]))  # below and above a tile
    if n > 100:
        codes = np.arange(n, dtype=np.int32) % 5 - 1
        return [Codes(codes, 4), Dense(np.arange(2.0 * n).reshape(n, 2)), Codes(codes[::-1], 4)]
    return [a_block(draw, n) for _ in range(draw(st.integers(1, 4)))]


@settings(max_examples=50, deadline=None)
@given(blocks())
def test_rows_hold_what_the_blocks_hold(parts):
    expected = oracle.side_by_side(parts)
    own = to_csr(parts, np.float64)
    assert own.has_canonical_format
    np.testing.assert_array_equal(own.toarray(), expected)
    np.testing.assert_array_equal(to_dense(parts, np.float64), expected)


# ------------------------------------------------------------ quantiles
def test_quantiles_are_exact_while_they_fit():
    random = np.random.default_rng(0)
    for values in (random.normal(size=999), random.integers(-50, 900, 1000).astype(float)):
        sketch = QuantileSketch()
        for part in np.array_split(values, 7):
            sketch.add(part)
        expected = np.quantile(values, [0.25, 0.5, 0.75], method="averaged_inverted_cdf")
        np.testing.assert_allclose(sketch.quantiles([1, 2, 3], 4), expected, rtol=1e-15)
        assert sketch.rank_error == 0
        assert len(sketch) == len(values)


@pytest.mark.parametrize("order", ["random", "ascending", "descending", "whole, then not"])
@pytest.mark.parametrize("is_merged", [False, True])
def test_quantiles_of_a_stream_keep_to_their_bound(order, is_merged):
    exact, size, n = 512, 64, 40_000
    values = np.random.default_rng(0).normal(size=n)
    if order == "whole, then not":
        values[: n // 2] = np.round(values[: n // 2] * 20)
    elif order != "random":
        values = np.sort(values)[:: 1 if order == "ascending" else -1]
    sketches = [QuantileSketch(exact, size) for _ in range(4 if is_merged else 1)]
    for i, part in enumerate(np.array_split(values, 37)):
        sketches[i % len(sketches)].add(part)
    sketch = sketches[0]
    for other in sketches[1:]:
        sketch.merge(other)
    assert len(sketch) == n
    points, weights = sketch.points()
    assert weights.sum() == n
    assert len(points) <= exact + size * 8  # bounded, whatever n
    found = sketch.quantiles(range(1, 20), 20)
    low = np.searchsorted(np.sort(values), found, "left")
    high = np.searchsorted(np.sort(values), found, "right")
    wanted = np.arange(1, 20) * n / 20
    off = np.maximum(np.maximum(low - wanted, wanted - high), 0)
    assert off.max() <= sketch.rank_error + 1
    n_merges = 3 if is_merged else 0
    bound = (1 + np.log2(n / exact) + n_merges) / (2 * size) * n
    assert sketch.rank_error <= bound


# ------------------------------------------------------------ buckets by a target
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(-9, 9)), min_size=1, max_size=9))
def test_no_cut_explains_more(bins):
    counts = np.array([n for n, _ in bins], float)
    sums = np.array([total for _, total in bins], float)[:, None]
    for n_runs in (1, 2, 4):
        cut = best_cuts(counts, sums, n_runs)
        best = oracle.least_squares_cut(counts, sums, n_runs)
        assert len(cut) < n_runs
        # nine whole numbers: a few roundings of sums of squares below 9**3
        assert oracle.explained(counts, sums, cut) >= best - 1e-9
