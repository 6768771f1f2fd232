"""Products of panels beside NumPy's, of all rows and of some."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import types

from rlextras.kernels.compiler import INDICES, VECTOR, entry
from rlextras.kernels.panels import PANEL, add_product, add_some_rows, find_live, is_silent
from rlextras.kernels.tiles import LANES

WORD = types.int64


@entry(types.void(*(VECTOR,) * 3, INDICES, *(WORD,) * 5))
def _product(out, a, x, reads, a_row, a_column, n_rows, n_columns, depth):
    steps, shape = (n_columns, a_row, a_column, n_columns), (n_rows, n_columns, depth)
    add_product(out, a, x, reads, (0, 0, 0), steps, shape)


@entry(types.void(*(VECTOR,) * 3, *(INDICES,) * 2, *(WORD,) * 8))
def _some_rows(
    out, a, x, reads, rows, a_row, a_column, a_outer, x_outer, n_rows, n_columns, depth, n_outer
):
    steps = (n_columns, a_row, a_column, a_outer, n_columns, x_outer)
    shape = (n_rows, n_columns, depth, n_outer)
    add_some_rows(out, a, x, (reads, rows), (0, 0, 0), steps, shape)


@entry(WORD(VECTOR, WORD, WORD, INDICES))
def _find(x, n_rows, n_columns, live):
    return find_live(x, 0, (n_rows, n_columns), live)


@entry(types.boolean(VECTOR, WORD, WORD))
def _is_silent(x, at, n_columns):
    return is_silent(x, at, n_columns)


SHAPES = (
    st.integers(1, 40),
    st.integers(1, 600),
    st.sampled_from([LANES, PANEL, 2 * PANEL, 2 * PANEL + LANES]),
)


def drawn(rng, n_outer, n_rows, depth, n_columns):
    """Factors of each product, what they are added to, and which of their depth are meant."""
    a, x = rng.normal(size=(n_outer, n_rows, depth)), rng.normal(size=(n_outer, depth, n_columns))
    out = rng.normal(size=(n_rows, n_columns)).astype(np.float32)
    return a, x, out, np.flatnonzero(rng.random(depth) < 0.6)


@settings(deadline=None)
@given(*SHAPES, st.booleans(), st.integers(0, 2**32 - 1))
def test_a_product_leaves_out_what_is_not_listed(n_rows, depth, n_columns, is_turned, seed):
    (a,), (x,), out, reads = drawn(np.random.default_rng(seed), 1, n_rows, depth, n_columns)
    expected = out + a[:, reads] @ x[reads]
    flat_a = (a.T if is_turned else a).astype(np.float32).ravel()
    steps = (1, n_rows) if is_turned else (depth, 1)
    flat_x = x.astype(np.float32).ravel()
    _product(out.reshape(-1), flat_a, flat_x, reads, *steps, n_rows, n_columns, len(reads))
    np.testing.assert_allclose(out, expected, atol=3e-4)


@settings(deadline=None)
@given(*SHAPES, st.booleans(), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_some_rows_are_those_of_a_sum_of_products(
    n_rows, depth, n_columns, is_turned, n_outer, seed
):
    rng = np.random.default_rng(seed)
    a, x, out, reads = drawn(rng, n_outer, n_rows, depth, n_columns)
    rows, expected = np.flatnonzero(rng.random(n_rows) < 0.6), out.astype(float)
    for left, right in zip(a, x, strict=True):
        expected[rows] += left[np.ix_(rows, reads)] @ right[reads]
    flat_a = (a.transpose(0, 2, 1) if is_turned else a).astype(np.float32).ravel()
    steps = (*((1, n_rows) if is_turned else (depth, 1)), n_rows * depth, depth * n_columns)
    shape, flat_x = (len(rows), n_columns, len(reads), n_outer), x.astype(np.float32).ravel()
    _some_rows(out.reshape(-1), flat_a, flat_x, reads, rows, *steps, *shape)
    np.testing.assert_allclose(out, expected, atol=6e-4)


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, PANEL // LANES), st.integers(0, 2**32 - 1))
def test_silent_rows_are_those_of_zeros_alone(n_rows, n_tiles, seed):
    rng = np.random.default_rng(seed)
    panel = np.zeros((n_rows, PANEL), np.float32)
    panel[rng.random(panel.shape) < 0.02] = rng.choice([1.0, -1.0, np.nan, np.inf])
    seen = panel[:, : n_tiles * LANES]
    expected = np.flatnonzero((seen != 0.0).any(axis=1))
    live, shape = np.empty(n_rows + 1, np.int64), (n_rows, n_tiles * LANES)
    n_live = _find(panel.reshape(-1), *shape, live)
    np.testing.assert_array_equal(live[:n_live], expected)
    for r in range(n_rows):
        assert _is_silent(panel.reshape(-1), r * PANEL, shape[1]) == (r not in expected)
