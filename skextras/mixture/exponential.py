"""The exponential in double precision, in steps that a compiler turns into vector instructions.

The method is that of ``skextras.losses.exponent``: x = n ln 2 + r with |r| <= ln(2) / 2, a
polynomial for exp(r), and n added to the exponent's bits. Here the polynomial is Taylor's of
degree 13, whose remainder on |r| <= ln(2) / 2 is below 5e-18.
"""

from math import factorial
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from skextras.trees.compiling import compiled

LOWEST = -708.0  # below, the result is 0

_ROUNDER = 1.5 * 2.0**52  # added, it leaves the nearest integer in the lowest bits
_PER_LN2 = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # the first has 21 zero bits
_C2, _C3, _C4, _C5, _C6, _C7 = (1 / factorial(i) for i in range(2, 8))
_C8, _C9, _C10, _C11, _C12, _C13 = (1 / factorial(i) for i in range(8, 14))


@intrinsic
def _fused(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), generate


@intrinsic
def _power_of_two(typingctx: Any, shifted: Any) -> Any:
    """2^n from n + _ROUNDER, for -1022 <= n <= 1023: the lowest bits become the exponent's."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        exponent = builder.shl(builder.bitcast(args[0], word), ir.Constant(word, 52))
        biased = builder.add(exponent, ir.Constant(word, 1023 << 52))
        return builder.bitcast(biased, ir.DoubleType())

    return types.float64(types.float64), generate


@compiled
def exponential(x: Any) -> Any:
    """Exponential of a number that is not positive.

    Parameters
    ----------
    x : float64
        At most 700; -inf gives 0, NaN stays NaN.

    Returns
    -------
    float64
        exp(x) within a relative 4e-16; 0 below LOWEST.
    """
    z = LOWEST if x < LOWEST else x
    shifted = _fused(z, _PER_LN2, _ROUNDER)
    n = _ROUNDER - shifted
    r = _fused(n, _LN2_LOW, _fused(n, _LN2_HIGH, z))
    s = r * r
    odd = _fused(_fused(_fused(_fused(_fused(_C13, s, _C11), s, _C9), s, _C7), s, _C5), s, _C3)
    even = _fused(_fused(_fused(_fused(_fused(_C12, s, _C10), s, _C8), s, _C6), s, _C4), s, _C2)
    scaled = _fused(s, _fused(odd, r, even), r + 1.0) * _power_of_two(shifted)
    return 0.0 if x < LOWEST else scaled
