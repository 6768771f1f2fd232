"""Products of rows of samples with matrices that stand in strips of columns.

A strip holds ``LANES`` columns of a matrix, one row behind the other: what a tile reads follows in
memory, so that the first cache keeps it for all rows of samples. Rows of whole matrices lie powers
of two apart, and would drive each other out of it.
"""

import numpy as np

from rlextras.kernels.compiler import kernel
from rlextras.kernels.tiles import HAS_AVX512, LANES, move, product_tile, turn

ROWS = 12 if HAS_AVX512 else 6
"""Of a tile: sums in 12 registers hide the latency of a sum, and leave some for what is read."""
_all, _few, _one = product_tile(ROWS, LANES), product_tile(2, LANES), product_tile(1, LANES)


@kernel()
def add_product(out: np.ndarray, a: np.ndarray, x: np.ndarray, at: tuple, shape: tuple) -> None:
    """Add a matrix product to a matrix: out += A x.

    Parameters
    ----------
    out, a, x : ndarray of float32, one dimension
        Where the matrices stand.
    at : tuple of (int, int, int)
        Offsets of out (rows, columns), A (rows, depth) and x (depth, columns), which is in strips.
    shape : tuple of (int, int, int, int, int)
        Rows, the steps of A from row to row and from column to column, depth, columns; columns are
        a multiple of ``LANES``.
    """
    out_at, a_at, x_at = at
    n_rows, a_row, a_column, depth, n_columns = shape
    for c in range(0, n_columns, LANES):
        to, strip, r = out_at + c, x_at + c * depth, np.int64(0)
        rest = (a_column, strip, np.int64(LANES), depth)
        while r + ROWS <= n_rows:
            _all(out, a, x, (to + r * n_columns, n_columns, a_at + r * a_row, a_row, *rest))
            r += ROWS
        while r + 2 <= n_rows:
            _few(out, a, x, (to + r * n_columns, n_columns, a_at + r * a_row, a_row, *rest))
            r += 2
        if r < n_rows:
            _one(out, a, x, (to + r * n_columns, n_columns, a_at + r * a_row, a_row, *rest))


@kernel()
def turn_to_strips(strips: np.ndarray, rows: np.ndarray, at: tuple, n_out: int, n_in: int) -> None:
    """Transpose a matrix (n_out, n_in), and put it into strips.

    Parameters
    ----------
    strips, rows : ndarray of float32, one dimension
        Where to, and from where.
    at : tuple of (int, int)
        Offsets in them.
    n_out, n_in : int
        Multiples of ``LANES``.
    """
    to, start = at
    for r in range(0, n_out, LANES):
        for k in range(0, n_in, LANES):
            place = to + r * n_in + k * LANES
            turn(strips, rows, (place, np.int64(LANES), start + r * n_in + k, n_in))


@kernel()
def cut_to_strips(strips: np.ndarray, rows: np.ndarray, at: tuple, n_out: int, n_in: int) -> None:
    """Put a matrix (n_out, n_in) into strips.

    Parameters
    ----------
    strips, rows : ndarray of float32, one dimension
        Where to, and from where.
    at : tuple of (int, int)
        Offsets in them.
    n_out, n_in : int
        The latter a multiple of ``LANES``.
    """
    to, start = at
    for c in range(0, n_in, LANES):
        for r in range(n_out):
            move(strips, rows, (to + c * n_out + r * LANES, start + r * n_in + c))
