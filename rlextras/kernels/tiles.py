"""Matrix products from two tiles that live in registers.

Arrays are one vector with offsets into it. A matrix of activations has one row per unit and one
column per sample; rows are padded to ``LANES`` columns, so that a tile never has a ragged edge. A
sample alone is a vector: its products are dot products with the rows of the weights.
LLVM fits the explicit vectors to the machine: two halves on AVX2, four quarters on NEON.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from rlextras.kernels.compiler import kernel

_intrinsic: Any = intrinsic  # its type hides that callers leave out the typing context
LANES = 16
HAS_AVX512 = bool(get_host_cpu_features().get("avx512f"))
WIDE = 32 if HAS_AVX512 else 16  # columns of a tile, where there are as many
ROWS = 8 if HAS_AVX512 else 4  # sums that stay in registers, enough to hide the latency of a sum
DOTS = 16 if HAS_AVX512 else 8  # dot products at a time, and lanes of each
SIDE = 8  # of the squares that are transposed in registers
_ROUNDS = (  # rows that meet, and which numbers of the two each gets: one instruction with AVX
    (1, (0, 8, 1, 9, 4, 12, 5, 13), (2, 10, 3, 11, 6, 14, 7, 15)),
    (2, (0, 1, 8, 9, 4, 5, 12, 13), (2, 3, 10, 11, 6, 7, 14, 15)),
    (4, (0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15)),
)
_DEALT = (0, 2, 1, 3, 4, 6, 5, 7)  # where the rows are after these
FEW = 3
"""Samples up to which rows one after the other take less than a tile or a panel of columns."""
WORD = ir.IntType(64)
FLOAT = ir.FloatType()


def padded(n: int) -> int:
    """Columns that n samples take.

    Parameters
    ----------
    n : int
        Samples.

    Returns
    -------
    int
        The next multiple of ``LANES``.
    """
    return -(-n // LANES) * LANES


def _pointers(context: Any, builder: Any, arrays: Sequence[Any], kinds: Sequence[Any]) -> list[Any]:
    """First elements of arrays."""
    pairs = zip(arrays[:3], kinds[:3], strict=True)
    return [context.make_array(kind)(context, builder, each).data for each, kind in pairs]


def _vector_at(builder: Any, pointer: Any, offset: Any, lanes: int) -> Any:
    """Pointer to a vector that starts anywhere."""
    kind = ir.VectorType(FLOAT, lanes).as_pointer()
    return builder.bitcast(builder.gep(pointer, [offset]), kind)


def _splat(builder: Any, value: Any, lanes: int) -> Any:
    """A vector of equal numbers."""
    kind = ir.VectorType(FLOAT, lanes)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, WORD(0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), mask)


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c, element by element, contracted where the machine can."""
    return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))


def product_tile(rows: int, lanes: int, *, n_lists: int = 0) -> Any:
    """Make the tile out[r, :] += Σ_o Σ_k a[r, k, o] x[k, o, :] for some rows and columns.

    Parameters
    ----------
    rows, lanes : int
        Rows and columns whose sums stay in registers.
    n_lists : {0, 1, 2}, default=0
        Whether a list tells which k are meant, and another one which r; all of them otherwise.

    Returns
    -------
    callable
        A part of kernels: takes out, a, x, and the offset of out, its step from row to row, the
        offset of a, its steps from row to row and column to column, the offset of x, its step from
        row to row, how many k, where in each list to begin, and perhaps how many o, and the steps
        of a and of x from o to o; then the lists.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        out, a, x = _pointers(context, builder, arguments, signature.args)
        at = cgutils.unpack_tuple(builder, arguments[3])
        out_at, out_row, a_at, a_row, a_column, x_at, x_row, depth, *rest = at
        starts, outer_steps = rest[:n_lists], rest[n_lists:]
        lists = [
            builder.gep(context.make_array(kind)(context, builder, each).data, [start])
            for each, kind, start in zip(arguments[4:], signature.args[4:], starts, strict=True)
        ]
        numbers: list[Any] = [WORD(r) for r in range(rows)]
        for named in lists[1:]:
            numbers = [builder.load(builder.gep(named, [each])) for each in numbers]
        sums, homes, firsts = [], [], []
        for number in numbers:
            place = builder.add(out_at, builder.mul(out_row, number))
            homes.append(_vector_at(builder, out, place, lanes))
            sums.append(cgutils.alloca_once_value(builder, builder.load(homes[-1], align=4)))
            firsts.append(builder.gep(a, [builder.add(a_at, builder.mul(a_row, number))]))
        n_outer, a_outer, x_outer = outer_steps or (WORD(1), WORD(0), WORD(0))
        with cgutils.for_range(builder, n_outer) as outer:
            a_start = builder.mul(outer.index, a_outer)
            x_start = builder.add(x_at, builder.mul(outer.index, x_outer))
            with cgutils.for_range(builder, depth) as loop:
                k = builder.load(builder.gep(lists[0], [loop.index])) if lists else loop.index
                row = builder.add(x_start, builder.mul(k, x_row))
                vector = builder.load(_vector_at(builder, x, row, lanes), align=4)
                step = builder.add(a_start, builder.mul(k, a_column))
                for first, total in zip(firsts, sums, strict=True):
                    weight = _splat(builder, builder.load(builder.gep(first, [step])), lanes)
                    builder.store(_fma(builder, weight, vector, builder.load(total)), total)
        for home, total in zip(homes, sums, strict=True):
            builder.store(builder.load(total), home, align=4)
        return context.get_dummy_value()

    @_intrinsic
    def tile(typingctx: Any, out: Any, a: Any, x: Any, at: Any) -> Any:
        return types.void(out, a, x, at), emit

    @_intrinsic
    def picking(typingctx: Any, out: Any, a: Any, x: Any, at: Any, ks: Any) -> Any:
        return types.void(out, a, x, at, ks), emit

    @_intrinsic
    def choosing(typingctx: Any, out: Any, a: Any, x: Any, at: Any, ks: Any, rs: Any) -> Any:
        return types.void(out, a, x, at, ks, rs), emit

    return (tile, picking, choosing)[n_lists]


def _halves(builder: Any, a: Any, b: Any, width: int) -> Any:
    """Add neighbouring groups of ``width`` lanes of a and of b; sums of the two alternate."""
    first = [
        source + lane
        for group in range(0, DOTS, 2 * width)
        for source in (0, DOTS)
        for lane in range(group, group + width)
    ]
    kind = ir.VectorType(ir.IntType(32), DOTS)
    left = builder.shuffle_vector(a, b, ir.Constant(kind, first))
    right = builder.shuffle_vector(a, b, ir.Constant(kind, [lane + width for lane in first]))
    return builder.fadd(left, right)


def _emit_dots(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """``DOTS`` dot products, then one transposed sum of their lanes."""
    out, p, q = _pointers(context, builder, arguments, signature.args)
    out_at, out_step, p_at, p_step, q_at, n = cgutils.unpack_tuple(builder, arguments[3])
    zeros = ir.Constant(ir.VectorType(FLOAT, DOTS), [0.0] * DOTS)
    sums = [cgutils.alloca_once_value(builder, zeros) for _ in range(DOTS)]
    with cgutils.for_range(builder, builder.sdiv(n, WORD(DOTS))) as loop:
        lane = builder.mul(loop.index, WORD(DOTS))
        shared = builder.load(_vector_at(builder, q, builder.add(q_at, lane), DOTS), align=4)
        for r, total in enumerate(sums):
            start = builder.add(builder.add(p_at, lane), builder.mul(p_step, WORD(r)))
            row = builder.load(_vector_at(builder, p, start, DOTS), align=4)
            builder.store(_fma(builder, row, shared, builder.load(total)), total)
    level = [builder.load(total) for total in sums]
    width = 1
    while len(level) > 1:
        level = [
            _halves(builder, a, b, width) for a, b in zip(level[::2], level[1::2], strict=True)
        ]
        width *= 2
    with builder.if_else(builder.icmp_signed("==", out_step, WORD(1))) as (together, apart):
        with together:
            builder.store(level[0], _vector_at(builder, out, out_at, DOTS), align=4)
        with apart:
            for r in range(DOTS):
                place = builder.gep(out, [builder.add(out_at, builder.mul(out_step, WORD(r)))])
                builder.store(builder.extract_element(level[0], WORD(r)), place)
    return context.get_dummy_value()


@_intrinsic
def _dots(typingctx: Any, out: Any, p: Any, q: Any, at: Any) -> Any:
    return types.void(out, p, q, at), _emit_dots


def _turned(builder: Any, rows: list[Any]) -> list[Any]:
    """A square of ``SIDE`` rows, transposed."""
    kind = ir.VectorType(ir.IntType(32), SIDE)
    for apart, *masks in _ROUNDS:
        for a, b in ((r, r + apart) for r in range(SIDE) if not r & apart):
            both = rows[a], rows[b]
            rows[a], rows[b] = (
                builder.shuffle_vector(*both, ir.Constant(kind, list(mask))) for mask in masks
            )
    return [rows[r] for r in _DEALT]


def _rows_at(builder: Any, array: Any, start: Any, step: Any, first: tuple[int, int]) -> list[Any]:
    """Pointers to the rows of a square that begins some rows and columns behind a place."""
    row, column = first
    at = builder.add(start, WORD(column))
    places = [builder.add(at, builder.mul(step, WORD(row + r))) for r in range(SIDE)]
    return [_vector_at(builder, array, place, SIDE) for place in places]


def _emit_turn(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Square after square."""
    out, x = _pointers(context, builder, arguments[:2], signature.args[:2])
    out_at, out_row, x_at, x_row = cgutils.unpack_tuple(builder, arguments[2])
    for r, k in product(range(0, LANES, SIDE), repeat=2):
        places = _rows_at(builder, x, x_at, x_row, (r, k))
        rows = _turned(builder, [builder.load(place, align=4) for place in places])
        homes = _rows_at(builder, out, out_at, out_row, (k, r))
        for row, home in zip(rows, homes, strict=True):
            builder.store(row, home, align=4)
    return context.get_dummy_value()


@_intrinsic
def turn(typingctx: Any, out: Any, x: Any, at: Any) -> Any:
    """Transpose a tile of ``LANES`` rows and columns.

    Parameters
    ----------
    typingctx : object
        Numba's; callers leave it out.
    out, x : ndarray of float32, one dimension
        Where the two tiles stand.
    at : tuple of (int, int, int, int)
        Offset of the tile in ``out``, its step from row to row, and the same in ``x``.

    Returns
    -------
    None
        The tile is written.
    """
    return types.void(out, x, at), _emit_turn


def _emit_move(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """All of them are read before one is written, so that nobody has to ask who overlaps."""
    out, x = _pointers(context, builder, arguments[:2], signature.args[:2])
    to, start = cgutils.unpack_tuple(builder, arguments[2])
    row = builder.load(_vector_at(builder, x, start, LANES), align=4)
    builder.store(row, _vector_at(builder, out, to, LANES), align=4)
    return context.get_dummy_value()


@_intrinsic
def move(typingctx: Any, out: Any, x: Any, at: Any) -> Any:
    """Copy ``LANES`` numbers.

    Parameters
    ----------
    typingctx : object
        Numba's; callers leave it out.
    out, x : ndarray of float32, one dimension
        Where to, and from where.
    at : tuple of (int, int)
        Offsets in them.

    Returns
    -------
    None
        They are written.
    """
    return types.void(out, x, at), _emit_move


def _emit_fill(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """One store of a splat."""
    pointer = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    row = _splat(builder, arguments[2], LANES)
    builder.store(row, _vector_at(builder, pointer, arguments[1], LANES), align=4)
    return context.get_dummy_value()


@_intrinsic
def fill(typingctx: Any, out: Any, at: Any, value: Any) -> Any:
    """Write a number ``LANES`` times.

    Parameters
    ----------
    typingctx : object
        Numba's; callers leave it out.
    out : ndarray of float32, one dimension
        Where to.
    at : int
        Offset of the first.
    value : float32
        The number.

    Returns
    -------
    None
        It is written.
    """
    return types.void(out, at, value), _emit_fill


def _emit_is_zero(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """One bit for each number, looked at together."""
    pointer = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    row = builder.load(_vector_at(builder, pointer, arguments[1], LANES), align=4)
    zeros = ir.Constant(ir.VectorType(FLOAT, LANES), [0.0] * LANES)
    bits = builder.bitcast(builder.fcmp_unordered("!=", row, zeros), ir.IntType(LANES))
    return builder.icmp_unsigned("==", bits, ir.Constant(ir.IntType(LANES), 0))


@_intrinsic
def is_zero(typingctx: Any, x: Any, at: Any) -> Any:
    """Tell whether ``LANES`` numbers are all zero.

    Parameters
    ----------
    typingctx : object
        Numba's; callers leave it out.
    x : ndarray of float32, one dimension
        Where they stand.
    at : int
        Offset of the first.

    Returns
    -------
    bool
        Not so with NaN among them.
    """
    return types.boolean(x, at), _emit_is_zero


_tile, _row = product_tile(ROWS, LANES), product_tile(1, LANES)
_wide = product_tile(ROWS, WIDE)


@kernel()
def add_product(out: np.ndarray, a: np.ndarray, x: np.ndarray, at: tuple, shape: tuple) -> None:
    """Add a matrix product to a matrix: out += A x.

    Parameters
    ----------
    out, a, x : ndarray of float32, one dimension
        Where the matrices stand.
    at : tuple of (int, int, int)
        Offsets of out (rows, columns), A (rows, depth) and x (depth, columns) in them.
    shape : tuple of (int, int, int, int, int)
        Rows, the steps of A from row to row and from column to column, depth, columns; columns are
        a multiple of ``LANES``.
    """
    out_at, a_at, x_at = at
    n_rows, a_row, a_column, depth, ld = shape
    whole, lane = n_rows - n_rows % ROWS, np.int64(0)
    while lane < ld:
        is_wide = ld - lane >= WIDE
        for r in range(0, whole, ROWS):
            to, row = out_at + r * ld + lane, a_at + r * a_row
            where = (to, ld, row, a_row, a_column, x_at + lane, ld, depth)
            if is_wide:
                _wide(out, a, x, where)
            else:
                _tile(out, a, x, where)
        for r in range(whole, n_rows):
            row = a_at + r * a_row
            for k in range(lane, lane + (WIDE if is_wide else LANES), LANES):
                to = out_at + r * ld + k
                where = (to, ld, row, a_row, a_column, x_at + k, ld, depth)
                _row(out, a, x, where)
        lane += WIDE if is_wide else LANES


@kernel()
def row_product(out: np.ndarray, theta: np.ndarray, x: np.ndarray, at: tuple, shape: tuple) -> None:
    """Product of a matrix with one vector, and a bias: out = A x + b.

    Parameters
    ----------
    out, theta, x : ndarray of float32, one dimension
        Where the vectors and the matrix stand.
    at : tuple of (int, int, int, int)
        Offset of out (rows,) in the first, of A (rows, depth) and b (rows,) in the second, of x
        (depth,) in the third.
    shape : tuple of (int, int)
        Rows, depth.
    """
    out_at, a_at, b_at, x_at = at
    n_rows, depth = shape
    whole, lanes = n_rows - n_rows % DOTS, depth - depth % DOTS
    for r in range(0, whole, DOTS):
        _dots(out, theta, x, (out_at + r, 1, a_at + r * depth, depth, x_at, depth))
    for r in range(n_rows):
        total = out[out_at + r] if r < whole else np.float32(0.0)
        for k in range(lanes if r < whole else 0, depth):
            total += theta[a_at + r * depth + k] * x[x_at + k]
        out[out_at + r] = total + theta[b_at + r]


@kernel()
def outer_product(out: np.ndarray, p: np.ndarray, q: np.ndarray, at: tuple, shape: tuple) -> None:
    """Product of a matrix with the transpose of another, over their columns: out = P Qᵀ.

    Parameters
    ----------
    out, p, q : ndarray of float32, one dimension
        Where the matrices stand.
    at : tuple of (int, int, int)
        Offsets of out (n, m), P (n, columns) and Q (m, columns) in them.
    shape : tuple of (int, int, int)
        n, m, columns; columns are a multiple of ``LANES``.
    """
    out_at, p_at, q_at = at
    n, m, ld = shape
    n_whole, m_whole = n - n % DOTS, m - m % DOTS
    for i in range(n):
        for j in range(0, m_whole, DOTS):
            _dots(out, q, p, (out_at + i * m + j, 1, q_at + j * ld, ld, p_at + i * ld, ld))
    for j in range(m_whole, m):
        for i in range(0, n_whole, DOTS):
            _dots(out, p, q, (out_at + i * m + j, m, p_at + i * ld, ld, q_at + j * ld, ld))
        for i in range(n_whole, n):
            total = np.float32(0.0)
            for lane in range(ld):
                total += p[p_at + i * ld + lane] * q[q_at + j * ld + lane]
            out[out_at + i * m + j] = total
