"""Innermost products of Gaussian components and of chains, with their sums in vector registers.

Lanes are rows: vectors fill AVX-512's registers, or AVX2's where there are no wider ones. In a
chain lanes are states, four at a time.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from skextras.trees.vectors import IS_WIDE, WORD, at, loaded, multiply_add, splat

__all__ = ["LINE", "STEP", "add_outer", "add_squares", "add_steps", "through", "through_both"]

FOUR = 4
LINE = 64 if IS_WIDE else 32  # bytes of a vector
VECTORS = 4 if IS_WIDE else 2  # of rows at a time: with four columns they fill half the registers
STEP = LINE * VECTORS  # bytes


def _vector(kind: Any) -> Any:
    """As many numbers of an array's kind as fill a register."""
    is_single = kind.dtype == types.float32
    return ir.VectorType(
        ir.FloatType() if is_single else ir.DoubleType(), LINE // (8 - 4 * is_single)
    )


def _zeros(builder: Any, vector: Any, count: int) -> list[Any]:
    """Sums that the optimiser keeps in registers."""
    sums = [cgutils.alloca_once(builder, vector) for _ in range(count)]
    for total in sums:
        builder.store(ir.Constant(vector, [0.0] * vector.count), total)
    return sums


@intrinsic
def add_squares(
    typingctx: Any, moved: Any, size: Any, first: Any, root: Any, d: Any, q: Any, distance: Any
) -> Any:
    """Add to ``distance`` the squares of four columns' products, for STEP bytes of rows.

    distance[r] += Σ_i (Σ_p root[p, q + i] moved[p, r])², p < q + 4, r from ``first`` on; ``size``
    and ``d`` are the lengths of the rows of ``moved`` and ``root``.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def start_of(array: int, index: Any, to: Any) -> Any:
            return at(context, builder, signature.args[array], args[array], index, to)

        vector = _vector(signature.args[0])
        fused = multiply_add(builder, vector)
        table = [_zeros(builder, vector, VECTORS) for _ in range(FOUR)]
        with cgutils.for_range(builder, builder.add(args[5], WORD(FOUR))) as loop:
            place = builder.add(builder.mul(loop.index, args[1]), args[2])
            xs = loaded(builder, start_of(0, place, vector), VECTORS)
            place = builder.add(builder.mul(loop.index, args[4]), args[5])
            entries = start_of(3, place, vector.element)
            for i, row in enumerate(table):
                entry = builder.load(builder.gep(entries, [WORD(i)]))
                factor = splat(builder, entry, vector)
                for x, total in zip(xs, row, strict=True):
                    builder.store(builder.call(fused, [factor, x, builder.load(total)]), total)
        place = start_of(6, args[2], vector)
        for v, value in enumerate(loaded(builder, place, VECTORS)):
            for row in table:
                y = builder.load(row[v])
                value = builder.call(fused, [y, y, value])
            builder.store(value, builder.gep(place, [WORD(v)]), align=4)
        return context.get_dummy_value()

    words = types.int64
    return types.void(moved, words, words, root, words, words, distance), generate


def _folded(builder: Any, x: Any, y: Any, length: int) -> Any:
    """Halve the segments of two vectors, each by adding its halves; those of x come first."""
    width, half = x.type.count, length // 2
    starts = [s for base in (0, width) for s in range(base, base + width, length)]
    masks = ([s + shift + i for s in starts for i in range(half)] for shift in (0, half))
    kind = ir.VectorType(ir.IntType(32), width)
    low, high = (builder.shuffle_vector(x, y, ir.Constant(kind, mask)) for mask in masks)
    return builder.fadd(low, high)


def _totals(builder: Any, sums: list[Any]) -> list[Any]:
    """Sums over the lanes of sixteen vectors, one after the other in as few as hold them."""
    length = sums[0].type.count
    while length > 1:
        pairs = zip(sums[::2], sums[1::2], strict=True)
        sums, length = [_folded(builder, x, y, length) for x, y in pairs], length // 2
    return sums


@intrinsic
def add_steps(
    typingctx: Any, left: Any, right: Any, sizes: Any, places: Any, steps: Any, out: Any
) -> Any:
    """Add the sixteen products of four rows of ``left`` and four of ``right`` to ``out``.

    out[p + i, q + j] += Σ_r left[p + i, r] right[q + j, r] over the first ``steps`` vectors of the
    rows; ``sizes`` are the lengths of the rows of the three arrays, ``places`` is (p, q).
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def start_of(array: int, row: Any, column: Any, to: Any) -> Any:
            own = {0: 0, 1: 1, 5: 2}[array]
            index = builder.add(builder.mul(row, builder.extract_value(args[2], own)), column)
            return at(context, builder, signature.args[array], args[array], index, to)

        vector = _vector(signature.args[0])
        fused = multiply_add(builder, vector)
        p, q = (builder.extract_value(args[3], i) for i in range(2))
        table = _zeros(builder, vector, FOUR * FOUR)
        rows = [
            [start_of(own, builder.add(place, WORD(i)), WORD(0), vector) for i in range(FOUR)]
            for own, place in ((0, p), (1, q))
        ]
        with cgutils.for_range(builder, args[4]) as loop:
            xs, ys = (
                [builder.load(builder.gep(start, [loop.index]), align=4) for start in part]
                for part in rows
            )
            for number, total in enumerate(table):
                x, y = xs[number // FOUR], ys[number % FOUR]
                builder.store(builder.call(fused, [x, y, builder.load(total)]), total)
        totals = _totals(builder, [builder.load(total) for total in table])
        four = ir.VectorType(ir.DoubleType(), FOUR)
        for i in range(FOUR):
            vector_number, first = divmod(FOUR * i, vector.count)
            mask = ir.Constant(
                ir.VectorType(ir.IntType(32), FOUR), [first + j for j in range(FOUR)]
            )
            own = totals[vector_number]
            own = builder.shuffle_vector(own, own, mask)
            own = own if own.type == four else builder.fpext(own, four)
            to = start_of(5, builder.add(p, WORD(i)), q, four)
            builder.store(builder.fadd(builder.load(to, align=4), own), to, align=4)
        return context.get_dummy_value()

    word, words = types.int64, types.UniTuple
    kinds = (left, right, words(word, 3), words(word, 2), word, out)
    return types.void(*kinds), generate


# ------------------------------------------------------------ chains
_STATES = ir.VectorType(ir.DoubleType(), FOUR)


def _states(builder: Any, context: Any, kind: Any, array: Any, place: Any) -> Any:
    """Pointer to four states of a contiguous array."""
    return at(context, builder, kind, array, place, _STATES)


def _product(
    context: Any, builder: Any, kinds: Any, row: Any, first: Any, matrix: Any, size: Any, q: Any
) -> Any:
    """Σ_i row[first + i] matrix[i, q + l] in four lanes l; four partial sums shorten the wait."""
    fused = multiply_add(builder, _STATES)
    sums = _zeros(builder, _STATES, FOUR)
    with cgutils.for_range(builder, builder.udiv(size, WORD(FOUR))) as loop:
        for number, total in enumerate(sums):
            i = builder.add(builder.mul(loop.index, WORD(FOUR)), WORD(number))
            entry = at(context, builder, kinds[0], row, builder.add(first, i), _STATES.element)
            place = builder.add(builder.mul(i, size), q)
            column = builder.load(_states(builder, context, kinds[1], matrix, place), align=8)
            mass = splat(builder, builder.load(entry), _STATES)
            builder.store(builder.call(fused, [mass, column, builder.load(total)]), total)
    a, b, c, d = (builder.load(total) for total in sums)
    return builder.fadd(builder.fadd(a, b), builder.fadd(c, d))


def _sum_of_four(builder: Any, vector: Any) -> Any:
    """Sum over the lanes."""
    low, high = (
        builder.shuffle_vector(
            vector, vector, ir.Constant(ir.VectorType(ir.IntType(32), 2), [i, i + 1])
        )
        for i in (0, 2)
    )
    pair = builder.fadd(low, high)
    one, other = (builder.extract_element(pair, ir.Constant(ir.IntType(32), i)) for i in (0, 1))
    return builder.fadd(one, other)


@intrinsic
def through(
    typingctx: Any, row: Any, first: Any, matrix: Any, size: Any, q: Any, by: Any, place: Any,
    out: Any, then: Any,
) -> Any:  # fmt: skip
    """Four columns of a row times a matrix, each times a factor; their sum is returned.

    out[then + l] = by[place + l] Σ_i row[first + i] matrix[i, q + l]; places count from the
    beginning of the arrays, ``size`` is the number of rows and columns, a multiple of four.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds = signature.args[0], signature.args[2]
        value = _product(context, builder, kinds, *args[:5])
        factor = _states(builder, context, signature.args[5], args[5], args[6])
        value = builder.fmul(value, builder.load(factor, align=8))
        to = _states(builder, context, signature.args[7], args[7], args[8])
        builder.store(value, to, align=8)
        return _sum_of_four(builder, value)

    word = types.int64
    return types.float64(row, word, matrix, word, word, by, word, out, word), generate


@intrinsic
def through_both(
    typingctx: Any, row: Any, first: Any, matrix: Any, size: Any, q: Any, left: Any, right: Any,
    place: Any, then: Any,
) -> Any:  # fmt: skip
    """Four columns of a row times a matrix, times two factors; the two sums are returned.

    row[2 size + q + l] = left[place + l] y_l and row[then + l] = right[place + l] y_l with
    y_l = Σ_i row[first + i] matrix[i, q + l].
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds = signature.args[0], signature.args[2]
        value = _product(context, builder, kinds, *args[:5])
        sums = []
        third = builder.add(builder.mul(args[3], WORD(2)), args[4])
        for number, where in ((5, third), (6, args[8])):
            factor = _states(builder, context, signature.args[number], args[number], args[7])
            own = builder.fmul(value, builder.load(factor, align=8))
            builder.store(own, _states(builder, context, kinds[0], args[0], where), align=8)
            sums.append(_sum_of_four(builder, own))
        return context.make_tuple(builder, signature.return_type, sums)

    word = types.int64
    kinds = (row, word, matrix, word, word, left, right, word, word)
    return types.UniTuple(types.float64, 2)(*kinds), generate


@intrinsic
def add_outer(
    typingctx: Any, row: Any, place: Any, by: Any, other: Any, first: Any, size: Any, out: Any
) -> Any:
    """out[i, j] += by row[place + i] other[first + j] for ``size`` rows and columns."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        fused = multiply_add(builder, _STATES)
        with cgutils.for_range(builder, args[5]) as rows:
            entry = builder.add(args[1], rows.index)
            entry = at(context, builder, signature.args[0], args[0], entry, _STATES.element)
            mass = splat(builder, builder.fmul(builder.load(entry), args[2]), _STATES)
            with cgutils.for_range(builder, builder.udiv(args[5], WORD(FOUR))) as columns:
                j = builder.mul(columns.index, WORD(FOUR))
                own = _states(builder, context, signature.args[3], args[3], builder.add(args[4], j))
                to = builder.add(builder.mul(rows.index, args[5]), j)
                to = _states(builder, context, signature.args[6], args[6], to)
                total = [mass, builder.load(own, align=8), builder.load(to, align=8)]
                builder.store(builder.call(fused, total), to, align=8)
        return context.get_dummy_value()

    word = types.int64
    return types.void(row, word, types.float64, other, word, word, out), generate
