"""Matrix products of larger networks: samples in panels, and tiles of sums that live in registers.

A panel holds the same quantities of ``PANEL`` samples, one row a unit: what a tile reads follows
in memory, at any size of the batch, and nearly all tiles are wide. A tile takes 6 rows. Of columns
it takes a whole panel with AVX-512: 24 sums, 10 loads for 24 products, and weights are read once
for 64 samples. With AVX2 it takes 16: 12 sums, half as many again as hide the latency of one.

Of ReLU's units, many are silent for all samples of a panel: a product leaves such rows out.
"""

from typing import Any

import numpy as np

from rlextras.kernels.compiler import kernel
from rlextras.kernels.tiles import HAS_AVX512, LANES, is_zero, product_tile

PANEL = 64
"""Samples in a panel."""
WIDE = 64 if HAS_AVX512 else LANES  # columns of a tile whose 6 rows of sums fill the registers
DEPTH = 128  # what a tile reads of x, 32 kB of a panel, stays in the first cache for all rows


def _strip(lanes: int) -> Any:
    """Make the product for all rows and some columns."""
    six, four, pair, single = (product_tile(rows, lanes, picks=True) for rows in (6, 4, 2, 1))

    @kernel()
    def strip(
        out: np.ndarray,
        a: np.ndarray,
        x: np.ndarray,
        live: np.ndarray,
        at: tuple,
        steps: tuple,
        shape: tuple,
    ) -> None:
        out_at, a_at, x_at, live_at = at
        out_row, a_row, a_column, a_outer, x_row, x_outer = steps
        n_rows, depth, n_outer = shape
        r = np.int64(0)
        while r < n_rows:
            here = (out_at + r * out_row, out_row, a_at + r * a_row, a_row, a_column, x_at, x_row)
            where = (*here, depth, n_outer, a_outer, x_outer, live_at)
            if n_rows - r >= 6:
                six(out, a, x, where, live)
                r += 6
            elif n_rows - r >= 4:
                four(out, a, x, where, live)
                r += 4
            elif n_rows - r >= 2:
                pair(out, a, x, where, live)
                r += 2
            else:
                single(out, a, x, where, live)
                r += 1

    return strip


_wide, _narrow = _strip(WIDE), _strip(LANES)
_HAS_WIDE = WIDE > LANES  # otherwise one strip is all that there is to compile


@kernel()
def is_silent(x: np.ndarray, at: np.int64, n_columns: np.int64) -> bool:
    """Tell whether a row is zero in all columns of a panel.

    Parameters
    ----------
    x : ndarray of float32, one dimension
        Where the row stands.
    at : int64
        Where it begins.
    n_columns : int64
        Columns, a multiple of ``LANES``.

    Returns
    -------
    bool
        Not so with NaN in it.
    """
    c = at
    while c < at + n_columns and is_zero(x, c):
        c += LANES
    return bool(c >= at + n_columns)


@kernel()
def find_live(x: np.ndarray, at: np.int64, shape: tuple, live: np.ndarray) -> np.int64:
    """List the rows of a panel that are not silent.

    Parameters
    ----------
    x : ndarray of float32, one dimension
        Where the panel stands.
    at : int64
        Where it begins.
    shape : tuple of (int64, int64)
        Rows, and columns, a multiple of ``LANES``.
    live : ndarray of int64
        Their numbers come here, ascending.

    Returns
    -------
    int64
        How many they are.
    """
    n_rows, n_columns = shape
    n_live = np.int64(0)
    for r in range(n_rows):
        live[n_live] = r  # the next one comes in the place of a silent one
        if not is_silent(x, at + r * PANEL, n_columns):
            n_live += 1
    return n_live


@kernel()
def add_product(
    out: np.ndarray,
    a: np.ndarray,
    x: np.ndarray,
    live: np.ndarray,
    at: tuple,
    steps: tuple,
    shape: tuple,
) -> None:
    """Add a matrix product to a matrix: out += Σ_o A_o x_o, over some columns of A and rows of x.

    Parameters
    ----------
    out, a, x : ndarray of float32, one dimension
        Where the matrices stand.
    live : ndarray of int64
        Which columns of A_o and rows of x_o are meant.
    at : tuple of (int, int, int)
        Offsets of out (rows, columns), A_0 (rows, depth) and x_0 (depth, columns) in them.
    steps : tuple of six int
        From row to row of out; from row to row, column to column and A_o to A_o+1; from row to row
        of x_o, and x_o to x_o+1.
    shape : tuple of (int, int, int, int)
        Rows, columns (a multiple of ``LANES``), how many are meant, and how many o.
    """
    out_at, a_at, x_at = at
    n_rows, n_columns, depth, n_outer = shape
    n_blocks = (depth + DEPTH - 1) // DEPTH
    for block in range(n_blocks):
        k, end = depth * block // n_blocks, depth * (block + 1) // n_blocks
        c = np.int64(0)
        while c < n_columns:
            here, piece = (out_at + c, a_at, x_at + c, k), (n_rows, end - k, n_outer)
            if _HAS_WIDE and n_columns - c >= WIDE:
                _wide(out, a, x, live, here, steps, piece)
                c += WIDE
            else:
                _narrow(out, a, x, live, here, steps, piece)
                c += LANES
