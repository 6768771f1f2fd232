"""Matrix products of larger networks: samples in panels, and tiles of sums that live in registers.

A panel holds the same quantities of ``PANEL`` samples, one row a unit: what a tile reads follows
in memory, at any size of the batch. The tiles are twice as wide as those of ``tiles``: one number
of the weights meets two vectors, so that the machine's sums and not its loads set the pace.
"""

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from rlextras.kernels.compiler import kernel
from rlextras.kernels.tiles import _HAS_AVX512, WORD, _fma, _pointers, _splat, _vector_at

_intrinsic: Any = intrinsic  # its type hides that callers leave out the typing context
PANEL = 32
"""Samples in a panel."""
LANES = 32 if _HAS_AVX512 else 16
ROWS = 8 if _HAS_AVX512 else 4
DEPTH = 256  # what a tile reads of x, 32 kB of a panel, stays in the first cache for all rows


def _tile(rows: int) -> Any:
    """Make out[r, :] += Σ_o Σ_k a[r, k, o] x[k, o, :] for some rows and LANES columns."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        out, a, x = _pointers(context, builder, arguments, signature.args)
        at = cgutils.unpack_tuple(builder, arguments[3])
        out_at, out_row, a_at, a_row, a_column, x_at, x_row, depth = at[:8]
        n_outer, a_outer, x_outer = at[8:]
        sums, homes = [], []
        for r in range(rows):
            place = builder.add(out_at, builder.mul(out_row, WORD(r)))
            homes.append(_vector_at(builder, out, place, LANES))
            sums.append(cgutils.alloca_once_value(builder, builder.load(homes[r], align=4)))
        with cgutils.for_range(builder, n_outer) as outer:
            a_start = builder.add(a_at, builder.mul(outer.index, a_outer))
            x_start = builder.add(x_at, builder.mul(outer.index, x_outer))
            firsts = [
                builder.gep(a, [builder.add(a_start, builder.mul(a_row, WORD(r)))])
                for r in range(rows)
            ]
            with cgutils.for_range(builder, depth) as loop:
                row = builder.add(x_start, builder.mul(loop.index, x_row))
                vector = builder.load(_vector_at(builder, x, row, LANES), align=4)
                step = builder.mul(loop.index, a_column)
                for first, total in zip(firsts, sums, strict=True):
                    weight = _splat(builder, builder.load(builder.gep(first, [step])), LANES)
                    builder.store(_fma(builder, weight, vector, builder.load(total)), total)
        for home, total in zip(homes, sums, strict=True):
            builder.store(builder.load(total), home, align=4)
        return context.get_dummy_value()

    @_intrinsic
    def tile(typingctx: Any, out: Any, a: Any, x: Any, at: Any) -> Any:
        return types.void(out, a, x, at), emit

    return tile


_whole, _half, _single = _tile(ROWS), _tile(ROWS // 2), _tile(1)


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
        Rows, columns (a multiple of ``LANES``), depth, and how many o.
    """
    out_at, a_at, x_at = at
    out_row, a_row, a_column, a_outer, x_row, x_outer = steps
    n_rows, n_columns, depth, n_outer = shape
    n_blocks = (depth + DEPTH - 1) // DEPTH
    for block in range(n_blocks):
        k, end = depth * block // n_blocks, depth * (block + 1) // n_blocks
        a_from, x_from = a_at + k * a_column, x_at + k * x_row
        for c in range(0, n_columns, LANES):
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
