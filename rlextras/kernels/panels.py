"""Matrix products of larger networks: samples in panels, and tiles of sums that live in registers.

A panel holds the same quantities of ``PANEL`` samples, one row a unit: what a tile reads follows
in memory, at any size of the batch, and all tiles are wide.
"""

import numpy as np

from rlextras.kernels.compiler import kernel
from rlextras.kernels.tiles import ROWS, WIDE, product_tile

PANEL = 32
"""Samples in a panel."""
DEPTH = 256  # what a tile reads of x, 32 kB of a panel, stays in the first cache for all rows

_whole, _half = product_tile(ROWS, WIDE), product_tile(ROWS // 2, WIDE)
_single = product_tile(1, WIDE)


@kernel()
def add_product(
    out: np.ndarray, a: np.ndarray, x: np.ndarray, at: tuple, steps: tuple, shape: tuple
) -> None:
    """Add a matrix product to a matrix: out += Σ_o A_o x_o.

    Parameters
    ----------
    out, a, x : ndarray of float32, one dimension
        Where the matrices stand.
    at : tuple of (int, int, int)
        Offsets of out (rows, columns), A_0 (rows, depth) and x_0 (depth, columns) in them.
    steps : tuple of six int
        From row to row of out; from row to row, column to column and A_o to A_o+1; from row to row
        of x_o, and x_o to x_o+1.
    shape : tuple of (int, int, int, int)
        Rows, columns (a multiple of ``WIDE``), depth, and how many o.
    """
    out_at, a_at, x_at = at
    out_row, a_row, a_column, a_outer, x_row, x_outer = steps
    n_rows, n_columns, depth, n_outer = shape
    n_blocks = (depth + DEPTH - 1) // DEPTH
    for block in range(n_blocks):
        k, end = depth * block // n_blocks, depth * (block + 1) // n_blocks
        a_from, x_from = a_at + k * a_column, x_at + k * x_row
        for c in range(0, n_columns, WIDE):
            r = np.int64(0)
            while r < n_rows:
                to, row = out_at + r * out_row + c, a_from + r * a_row
                where = (to, out_row, row, a_row, a_column, x_from + c, x_row, end - k)
                where_too = (*where, n_outer, a_outer, x_outer)
                if n_rows - r >= ROWS:
                    _whole(out, a, x, where_too)
                    r += ROWS
                elif n_rows - r >= ROWS // 2:
                    _half(out, a, x, where_too)
                    r += ROWS // 2
                else:
                    _single(out, a, x, where_too)
                    r += 1
