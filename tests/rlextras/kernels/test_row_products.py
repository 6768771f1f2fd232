"""Products with matrices in strips, beside NumPy's."""

import numpy as np
import pytest
from numba import types

from rlextras.kernels.compiler import VECTOR, entry
from rlextras.kernels.row_products import add_product, cut_to_strips, turn_to_strips

WORD = types.int64


@entry(types.void(*(VECTOR,) * 3, *(WORD,) * 5))
def _product(out, a, x, n_rows, a_row, a_column, depth, n_columns):
    add_product(out, a, x, (0, 0, 0), (n_rows, a_row, a_column, depth, n_columns))


@entry(types.void(VECTOR, VECTOR, WORD, WORD, types.boolean))
def _strips(out, x, n_out, n_in, turns):
    if turns:
        turn_to_strips(out, x, (0, 0), n_out, n_in)
    else:
        cut_to_strips(out, x, (0, 0), n_out, n_in)


@pytest.mark.parametrize("n_rows", [0, 1, 2, 5, 6, 7, 8, 11, 12, 13, 25, 40])
@pytest.mark.parametrize(("depth", "n_columns"), [(1, 16), (7, 32), (16, 48), (64, 16)])
@pytest.mark.parametrize("is_turned", [False, True], ids=["rows", "columns"])
def test_products_are_numpys(n_rows, depth, n_columns, is_turned):
    rng = np.random.default_rng(n_rows + depth)
    a, x = rng.standard_normal((n_rows, depth)), rng.standard_normal((depth, n_columns))
    a, x = a.astype(np.float32), x.astype(np.float32)
    before = rng.standard_normal((n_rows, n_columns)).astype(np.float32)
    strips, out = np.empty(x.size, np.float32), before.copy().reshape(-1)
    _strips(strips, x.reshape(-1), depth, n_columns, False)
    stored = np.ascontiguousarray(a.T if is_turned else a).reshape(-1)
    steps = (1, n_rows) if is_turned else (depth, 1)
    _product(out, stored, strips, n_rows, *steps, depth, n_columns)
    wanted = before + a.astype(np.float64) @ x.astype(np.float64)
    np.testing.assert_allclose(out.reshape(n_rows, n_columns), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("n_out", "n_in"), [(16, 16), (32, 48), (64, 16)])
def test_strips_hold_columns_row_behind_row(n_out, n_in):
    x = np.arange(n_out * n_in, dtype=np.float32).reshape(n_out, n_in)
    for matrix, turns in ((x.T, True), (x, False)):
        out = np.empty(x.size, np.float32)
        _strips(out, x.reshape(-1), n_out, n_in, turns)
        for strip, columns in enumerate(np.split(matrix, matrix.shape[1] // 16, axis=1)):
            found = out[strip * columns.size :][: columns.size].reshape(-1, 16)
            assert np.array_equal(found, columns)
