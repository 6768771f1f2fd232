"""Sums of magnitudes whose last bit depends on no machine: sixteen running sums side by side.

A compiler may not reorder a sum of floating-point numbers, so a plain loop runs one addition at a
time. Here the order is said: number i goes to running sum i mod 16, and the sixteen are added up
from the first to the last. Vector registers of any width do that in the same order.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from skextras.trees.memory import compiled, float32s

LANES = 16


@intrinsic
def _whole_lanes(typingctx: Any, address: Any, n_rounds: Any) -> Any:
    """Sum of the magnitudes of 16 n_rounds numbers."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        single, double = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.DoubleType(), LANES)
        start = builder.inttoptr(args[0], single.as_pointer())
        totals = cgutils.alloca_once_value(builder, ir.Constant(double, [0.0] * LANES))
        kind = ir.FunctionType(single, [single])
        magnitude = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fabs.v{LANES}f32")
        with cgutils.for_range(builder, args[1]) as loop:
            numbers = builder.load(builder.gep(start, [loop.index]), align=4)
            wide = builder.fpext(builder.call(magnitude, [numbers]), double)
            builder.store(builder.fadd(builder.load(totals), wide), totals)
        last = builder.load(totals)
        total = ir.Constant(ir.DoubleType(), 0.0)
        for lane in range(LANES):
            total = builder.fadd(
                total, builder.extract_element(last, ir.Constant(ir.IntType(32), lane))
            )
        return total

    return types.float64(types.int64, types.int64), generate


@compiled
def sum_of_magnitudes(address: int, n: int) -> float:
    """Add up magnitudes in double precision.

    Parameters
    ----------
    address : int64
        Where n single-precision numbers stand.
    n : int64
        How many.

    Returns
    -------
    float64
        The sum; the up to 15 numbers after the last whole round are added one by one.
    """
    whole = n - n % LANES
    total = _whole_lanes(address, n // LANES)
    rest = float32s(address, n)
    for i in range(whole, n):
        total += abs(np.float64(rest[i]))
    return total
