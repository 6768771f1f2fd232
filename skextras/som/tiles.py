"""The innermost part of the search: a tile of rows times a panel of units, in vector registers.

For each row x and each unit j of a panel the score is ½|w_j|² - x·w_j, which orders units as the
distance does. The products of 6 rows with 64 units stay in registers while the features go by;
then each lane takes its best score so far, the unit, and its second best score. The matrix of
scores is never written, which is what a product followed by an argmin spends half of its time on.

The code is LLVM's own, see ``skextras.trees.vectors``. Vectors are those of the machine: wider ones
would be cut in pieces, and what each of the lanes remembers be read and written for nothing.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from skextras.trees.vectors import IS_WIDE, WORD, at, loaded, multiply_add, splat

LANES = 16 if IS_WIDE else 8
VECTORS = 4 if IS_WIDE else 2
ROWS = 6  # accumulators: ROWS x VECTORS registers of 32 (AVX-512), or of 16 (AVX2)
PANEL = LANES * VECTORS

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)
_DOUBLES = ir.VectorType(ir.DoubleType(), 8)
SWEEP = 4 * _DOUBLES.count  # units that are moved and compared together
_INT = ir.IntType(32)


def _scores(builder: Any, x: Any, d: Any, w: Any, bias: Any) -> list[list[Any]]:
    """Scores of the tile: bias + Σ_k x_k w_k, w being minus the weights."""
    sums = [[cgutils.alloca_once(builder, _FLOATS) for _ in range(VECTORS)] for _ in range(ROWS)]
    for v, start in enumerate(loaded(builder, bias, VECTORS)):
        for row in sums:
            builder.store(start, row[v])
    fused = multiply_add(builder, _FLOATS)
    places = [builder.gep(x, [builder.mul(d, WORD(r))]) for r in range(ROWS)]
    with cgutils.for_range(builder, d) as loop:
        weights = loaded(builder, builder.gep(w, [builder.mul(loop.index, WORD(VECTORS))]), VECTORS)
        for place, row in zip(places, sums, strict=True):
            value = splat(builder, builder.load(builder.gep(place, [loop.index]), align=4), _FLOATS)
            for weight, total in zip(weights, row, strict=True):
                builder.store(builder.call(fused, [value, weight, builder.load(total)]), total)
    return [[builder.load(total) for total in row] for row in sums]


def _merge(
    builder: Any, score: Any, vector: Any, state: tuple[Any, Any, Any]
) -> tuple[Any, Any, Any]:
    """Best, second best and place of the best, lane by lane; an equal score does not replace."""
    best, second, place = state
    is_better = builder.fcmp_ordered("<", score, best)
    loser = builder.select(is_better, best, score)
    best = builder.select(is_better, score, best)
    second = builder.select(builder.fcmp_ordered("<", loser, second), loser, second)
    return best, second, builder.select(is_better, splat(builder, vector, _INTS), place)


def _keep(builder: Any, table: list[list[Any]], starts: tuple[Any, ...], panel: Any) -> None:
    """Let the scores of rows with one panel into what the lanes remember of these rows."""
    first = builder.trunc(builder.mul(panel, WORD(VECTORS)), _INT)
    for r, scores in enumerate(table):
        places = [builder.gep(start, [WORD(r)]) for start in starts]
        best, second, place = (builder.load(p, align=4) for p in places)
        state = best, second, place
        for v, score in enumerate(scores):
            state = _merge(builder, score, builder.add(first, _INT(v)), state)
        for value, p in zip(state, places, strict=True):
            builder.store(value, p, align=4)


@intrinsic
def tile(
    typingctx: Any,
    x: Any,
    x_start: Any,
    d: Any,
    w: Any,
    w_start: Any,
    bias: Any,
    bias_start: Any,
    best: Any,
    second: Any,
    place: Any,
    state_start: Any,
    panel: Any,
) -> Any:
    """Compare ROWS rows of x with the units of one panel, and keep the best of each lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def start_of(array: int, start: int, to: Any) -> Any:
            return at(context, builder, signature.args[array], args[array], args[start], to)

        table = _scores(
            builder,
            start_of(0, 1, ir.FloatType()),
            args[2],
            start_of(3, 4, _FLOATS),
            start_of(5, 6, _FLOATS),
        )
        starts = start_of(7, 10, _FLOATS), start_of(8, 10, _FLOATS), start_of(9, 10, _INTS)
        _keep(builder, table, starts, args[11])
        return context.get_dummy_value()

    words = types.int64
    kinds = (x, words, words, w, words, bias, words, best, second, place, words, words)
    return types.void(*kinds), generate


def _gathered(builder: Any, values: Any, places: Any, span: tuple[Any, Any], w: Any) -> Any:
    """Sums of stored values times the weights of their features, in two parts of each vector.

    Two values at a time: as many sums as it takes to have one ready when it is added to again.
    """
    sums = [[cgutils.alloca_once(builder, _FLOATS) for _ in range(VECTORS)] for _ in range(2)]
    for total in (total for part in sums for total in part):
        builder.store(ir.Constant(_FLOATS, [0.0] * LANES), total)
    fused = multiply_add(builder, _FLOATS)
    with cgutils.for_range_slice(builder, *span, WORD(2)) as (index, _):
        for offset, part in enumerate(sums):
            s = builder.add(index, WORD(offset))
            feature = builder.zext(builder.load(builder.gep(places, [s]), align=4), WORD)
            value = splat(builder, builder.load(builder.gep(values, [s]), align=4), _FLOATS)
            start = builder.gep(w, [builder.mul(feature, WORD(VECTORS))])
            for weight, total in zip(loaded(builder, start, VECTORS), part, strict=True):
                product = builder.call(fused, [value, weight, builder.load(total)])
                builder.store(product, total)
    return [[builder.load(total) for total in part] for part in sums]


@intrinsic
def gather(
    typingctx: Any,
    values: Any,
    places: Any,
    start: Any,
    stop: Any,
    w: Any,
    w_start: Any,
    bias: Any,
    bias_start: Any,
    best: Any,
    second: Any,
    place: Any,
    state_start: Any,
    panel: Any,
) -> Any:
    """Compare one row, given by an even number of values, with the units of one panel."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def start_of(array: int, start: Any, to: Any) -> Any:
            return at(context, builder, signature.args[array], args[array], start, to)

        biases = loaded(builder, start_of(6, args[7], _FLOATS), VECTORS)
        even, odd = _gathered(
            builder,
            start_of(0, WORD(0), ir.FloatType()),
            start_of(1, WORD(0), _INT),
            (args[2], args[3]),
            start_of(4, args[5], _FLOATS),
        )
        scores = [
            builder.fadd(start, builder.fadd(a, b))
            for start, a, b in zip(biases, even, odd, strict=True)
        ]
        starts = (
            start_of(8, args[11], _FLOATS),
            start_of(9, args[11], _FLOATS),
            start_of(10, args[11], _INTS),
        )
        _keep(builder, [scores], starts, args[12])
        return context.get_dummy_value()

    words = types.int64
    kinds = (values, places, words, words, w, words, bias, words)
    return types.void(*kinds, best, second, place, words, words), generate


@intrinsic
def sweep(
    typingctx: Any,
    panel: Any,
    start: Any,
    first: Any,
    d: Any,
    x: Any,
    y: Any,
    shares: Any,
    apart: Any,
) -> Any:
    """Move SWEEP units their shares of the way to x, and write their squared distances to y."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def start_of(array: int, start: Any, to: Any) -> Any:
            return at(context, builder, signature.args[array], args[array], start, to)

        count = SWEEP // _DOUBLES.count
        ways = loaded(builder, start_of(6, args[2], _DOUBLES), count)
        sums = [cgutils.alloca_once(builder, _DOUBLES) for _ in range(count)]
        for total in sums:
            builder.store(ir.Constant(_DOUBLES, [0.0] * _DOUBLES.count), total)
        panels = start_of(0, args[1], _DOUBLES)
        fused = multiply_add(builder, _DOUBLES)
        with cgutils.for_range(builder, args[3]) as loop:
            place = builder.gep(panels, [builder.mul(loop.index, WORD(count))])
            pull, goal = (
                splat(builder, builder.load(start_of(array, loop.index, ir.DoubleType())), _DOUBLES)
                for array in (4, 5)
            )
            units = loaded(builder, place, count)
            for v, (unit, way, total) in enumerate(zip(units, ways, sums, strict=True)):
                moved = builder.call(fused, [way, builder.fsub(pull, unit), unit])
                builder.store(moved, builder.gep(place, [WORD(v)]), align=4)
                gap = builder.fsub(goal, moved)
                builder.store(builder.call(fused, [gap, gap, builder.load(total)]), total)
        out = start_of(7, args[2], _DOUBLES)
        for v, total in enumerate(sums):
            builder.store(builder.load(total), builder.gep(out, [WORD(v)]), align=4)
        return context.get_dummy_value()

    words = types.int64
    return types.void(panel, words, words, words, x, y, shares, apart), generate
