"""Matrix products of larger networks: samples in panels, and tiles of sums that live in registers.

A panel holds the same quantities of ``PANEL`` samples, one row a unit: what a tile reads follows
in memory, at any size of the batch. A tile takes 6 rows and all columns: with AVX-512 64 of them,
24 sums, 10 loads for 24 products; with AVX2 16, 12 sums, half as many again as hide the latency of
one.

Of ReLU's units, many are silent for all samples of a panel: a product leaves such rows out.
"""

from typing import Any

import numpy as np

from rlextras.kernels.compiler import kernel
from rlextras.kernels.tiles import HAS_AVX512, LANES, is_zero, product_tile

PANEL = 64 if HAS_AVX512 else LANES
"""Samples in a panel: columns of a tile whose 6 rows of sums fill the registers."""
DEPTH = 8_192 // PANEL  # what a tile reads of x, 32 kB, stays in the first cache for all rows


def _strip(lanes: int) -> Any:
    """Make the product for all rows and some columns."""
    six, four, pair, single = (product_tile(rows, lanes, n_lists=1) for rows in (6, 4, 2, 1))

    @kernel()
    def strip(
        out: np.ndarray,
        a: np.ndarray,
        x: np.ndarray,
        reads: np.ndarray,
        at: tuple,
        steps: tuple,
        shape: tuple,
    ) -> None:
        out_at, a_at, x_at, k = at
        out_row, a_row, a_column, x_row = steps
        n_rows, depth = shape
        r = np.int64(0)
        while r < n_rows:
            here = (out_at + r * out_row, out_row, a_at + r * a_row, a_row, a_column)
            where = (*here, x_at, x_row, depth, k)
            if n_rows - r >= 6:
                six(out, a, x, where, reads)
                r += 6
            elif n_rows - r >= 4:
                four(out, a, x, where, reads)
                r += 4
            elif n_rows - r >= 2:
                pair(out, a, x, where, reads)
                r += 2
            else:
                single(out, a, x, where, reads)
                r += 1

    return strip


def _strip_of_some(lanes: int) -> Any:
    """Make the product for the rows of a list and some columns."""
    six, pair, single = (product_tile(rows, lanes, n_lists=2) for rows in (6, 2, 1))

    @kernel()
    def strip_of_some(
        out: np.ndarray,
        a: np.ndarray,
        x: np.ndarray,
        reads: np.ndarray,
        rows: np.ndarray,
        at: tuple,
        steps: tuple,
        shape: tuple,
    ) -> None:
        out_at, a_at, x_at, k = at
        out_row, a_row, a_column, a_outer, x_row, x_outer = steps
        n_rows, depth, n_outer = shape
        r = np.int64(0)
        while r < n_rows:
            here = (out_at, out_row, a_at, a_row, a_column, x_at, x_row, depth, k, r)
            where = (*here, n_outer, a_outer, x_outer)
            if n_rows - r >= 6:
                six(out, a, x, where, reads, rows)
                r += 6
            elif n_rows - r >= 2:
                pair(out, a, x, where, reads, rows)
                r += 2
            else:
                single(out, a, x, where, reads, rows)
                r += 1

    return strip_of_some


_wide, _narrow = _strip(PANEL), _strip(LANES)
_some_wide, _some_narrow = _strip_of_some(PANEL), _strip_of_some(LANES)
_HAS_WIDE = PANEL > LANES  # otherwise one strip is all that there is to compile


@kernel()
def name_all(numbers: np.ndarray, n: np.int64) -> np.int64:
    """List all of some rows.

    Parameters
    ----------
    numbers : ndarray of int64
        Their numbers come here, ascending.
    n : int64
        Rows.

    Returns
    -------
    int64
        How many they are.
    """
    for r in range(n):
        numbers[r] = r
    return n


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
    is_all, c = is_zero(x, at), np.int64(LANES)
    while _HAS_WIDE and is_all and c < n_columns:
        is_all = is_zero(x, at + c)
        c += LANES
    return is_all


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
        n_live += not is_silent(x, at + r * PANEL, n_columns)
    return n_live


@kernel()
def add_product(
    out: np.ndarray,
    a: np.ndarray,
    x: np.ndarray,
    reads: np.ndarray,
    at: tuple,
    steps: tuple,
    shape: tuple,
) -> None:
    """Add a matrix product to a matrix: out += A x, over some columns of A and rows of x.

    Parameters
    ----------
    out, a, x : ndarray of float32, one dimension
        Where the matrices stand.
    reads : ndarray of int64
        Which columns of A and rows of x are meant.
    at : tuple of (int, int, int)
        Offsets of out (rows, columns), A (rows, depth) and x (depth, columns) in them.
    steps : tuple of four int
        From row to row of out; from row to row and column to column of A; from row to row of x.
    shape : tuple of (int, int, int)
        Rows; columns, a multiple of ``LANES``; and how many of the depth are meant.
    """
    out_at, a_at, x_at = at
    n_rows, n_columns, depth = shape
    n_blocks = (depth + DEPTH - 1) // DEPTH
    for block in range(n_blocks):
        k, end = depth * block // n_blocks, depth * (block + 1) // n_blocks
        c = np.int64(0)
        while c < n_columns:
            here = (out_at + c, a_at, x_at + c, k)
            if _HAS_WIDE and n_columns - c >= PANEL:
                _wide(out, a, x, reads, here, steps, (n_rows, end - k))
                c += PANEL
            else:
                _narrow(out, a, x, reads, here, steps, (n_rows, end - k))
                c += LANES


@kernel()
def add_some_rows(
    out: np.ndarray,
    a: np.ndarray,
    x: np.ndarray,
    lists: tuple,
    at: tuple,
    steps: tuple,
    shape: tuple,
) -> None:
    """Add some rows of a matrix product to a matrix: out += Σ_o A_o x_o, as ``add_product`` does.

    Parameters
    ----------
    out, a, x : ndarray of float32, one dimension
        Where the matrices stand.
    lists : tuple of (ndarray of int64, ndarray of int64)
        Which columns of A_o and rows of x_o are meant, and which rows of out and A_o.
    at : tuple of (int, int, int)
        Offsets of out (rows, columns), A_0 (rows, depth) and x_0 (depth, columns) in them.
    steps : tuple of six int
        From row to row of out; from row to row, column to column and A_o to A_o+1; from row to row
        of x_o, and x_o to x_o+1.
    shape : tuple of (int, int, int, int)
        How many rows are meant; columns, a multiple of ``LANES``; how many of the depth are meant;
        and how many o.
    """
    (out_at, a_at, x_at), (reads, rows) = at, lists
    n_rows, n_columns, depth, n_outer = shape
    n_blocks = (depth + DEPTH - 1) // DEPTH
    for block in range(n_blocks):
        k, end = depth * block // n_blocks, depth * (block + 1) // n_blocks
        c = np.int64(0)
        while c < n_columns:
            here = (out_at + c, a_at, x_at + c, k)
            if _HAS_WIDE and n_columns - c >= PANEL:
                _some_wide(out, a, x, reads, rows, here, steps, (n_rows, end - k, n_outer))
                c += PANEL
            else:
                _some_narrow(out, a, x, reads, rows, here, steps, (n_rows, end - k, n_outer))
                c += LANES
