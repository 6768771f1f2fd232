"""The exponential in single precision, in steps that a compiler turns into vector instructions.

x = n ln 2 + r with |r| <= ln(2) / 2, so exp(x) = 2^n exp(r): a polynomial for exp(r), and n added
to the exponent's bits. ln 2 is taken away in two parts, the first short enough that n times it is
exact (Cody and Waite, *Software Manual for the Elementary Functions*, 1980, chapter 6). Products
are added in one rounding, said explicitly, so that every machine gets the same bits.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from skextras.trees.memory import compiled

LOWEST, HIGHEST = -87.33, 88.37  # below it the result is 0, above it that of HIGHEST, 2.4e38

_ROUNDER = np.float32(1.5 * 2**23)  # added, it leaves the nearest integer in the lowest bits
_PER_LN2 = np.float32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440054690583e-4)
_LOWEST, _HIGHEST = np.float32(LOWEST), np.float32(HIGHEST)
_ONE, _ZERO = np.float32(1), np.float32(0)
# exp(r) = 1 + r + r² (c2 + c3 r + c4 r² + c5 r³): the smallest largest relative error, 1.05e-7 on
# |r| <= ln(2) / 2, found by Lawson's reweighted least squares on 4000 Chebyshev points.
_C2, _C3 = np.float32(0.499992311000824), np.float32(0.16667115688323975)
_C4, _C5 = np.float32(0.041890330612659454), np.float32(0.008312501013278961)


@intrinsic
def _fused(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float32(types.float32, types.float32, types.float32), generate


@intrinsic
def _power_of_two(typingctx: Any, shifted: Any) -> Any:
    """2^n from n + _ROUNDER, for -126 <= n <= 127: the lowest bits become the exponent's."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(32)
        exponent = builder.shl(builder.bitcast(args[0], word), ir.Constant(word, 23))
        biased = builder.add(exponent, ir.Constant(word, 127 << 23))
        return builder.bitcast(biased, ir.FloatType())

    return types.float32(types.float32), generate


@compiled
def exp32(x: Any) -> Any:
    """Exponential of a single-precision number.

    Parameters
    ----------
    x : float32
        Any number; NaN stays NaN.

    Returns
    -------
    float32
        exp(x) within a relative 3e-7 for LOWEST <= x <= HIGHEST; 0 below, constant above.
    """
    z = _HIGHEST if x > _HIGHEST else x
    z = _LOWEST if z < _LOWEST else z
    shifted = _fused(z, _PER_LN2, _ROUNDER)
    n = _ROUNDER - shifted
    r = _fused(n, _LN2_LOW, _fused(n, _LN2_HIGH, z))
    q = _fused(_fused(r, _C5, _C4), r * r, _fused(r, _C3, _C2))
    scaled = _fused(q, r * r, r + _ONE) * _power_of_two(shifted)
    return _ZERO if x < _LOWEST else scaled
