"""The exponential function of many numbers, several times as fast as NumPy's without AVX-512.

exp(x) = 2ᵏ exp(r) with k the whole number nearest to x / ln 2 and r = x - k ln 2, |r| ≤ ½ ln 2. A
number so large that its last bit stands for 1 rounds x / ln 2 to k when it is added, and holds k in
its last bits, from where it is moved to an exponent. exp(r) is its Taylor series, cut below half a
unit in the last place.
"""

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from skextras.trees.compiling import compiled, inner

__all__ = ["exponential", "logistic"]

ROUNDED = {"fastmath": {"contract"}}  # sums in the order written: k is found by rounding one
LEAST = -708.0  # below it a result is less than the smallest normal number, and zero here
LEAST_32 = np.float32(-87.3)
INVERSE = 1.0 / math.log(2.0)
SHIFT, SHIFT_32 = 1.5 * 2.0**52, np.float32(1.5 * 2.0**23)
# ln 2 in two parts, the first of so few bits that its product with k is exact
HIGH = math.floor(math.log(2.0) * 2.0**32) / 2.0**32
LOW = 1.90821492927058770002e-10
HIGH_32, LOW_32 = np.float32(0.693359375), np.float32(-2.12194440e-4)
BITS, BITS_32 = np.int64(52), np.int32(23)  # of a fraction
BIAS, BIAS_32 = np.int64(1023 << 52), np.int32(127 << 23)
C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13 = (1 / math.factorial(i) for i in range(2, 14))
S2, S3, S4, S5, S6, S7 = (np.float32(1 / math.factorial(i)) for i in range(2, 8))
INVERSE_32, ONE, NOTHING = np.float32(INVERSE), np.float32(1.0), np.float32(0.0)

_SAME_SIZE = {
    types.float64: types.int64,
    types.float32: types.int32,
    types.int64: types.float64,
    types.int32: types.float32,
}


@intrinsic
def _bits(typingctx: Any, number: Any) -> Any:
    """The bits of a float as an integer, or those of an integer as a float."""
    to = _SAME_SIZE[number]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(to))

    return to(number), generate


@inner(**ROUNDED)
def _exp(x: Any) -> Any:
    t = x * INVERSE + SHIFT
    k = t - SHIFT
    r = (x - k * HIGH) - k * LOW
    r2 = r * r
    r4 = r2 * r2
    low = (1.0 + r) + r2 * ((C2 + r * C3) + r2 * (C4 + r * C5))
    middle, high = (C6 + r * C7) + r2 * (C8 + r * C9), (C10 + r * C11) + r2 * (C12 + r * C13)
    value = (low + r4 * r2 * (middle + r4 * high)) * _bits((_bits(t) << BITS) + BIAS)
    return 0.0 if x < LEAST else value


@inner(**ROUNDED)
def _exp_32(x: Any) -> Any:
    t = x * INVERSE_32 + SHIFT_32
    k = t - SHIFT_32
    r = (x - k * HIGH_32) - k * LOW_32
    series = ONE + r * (ONE + r * (S2 + r * (S3 + r * (S4 + r * (S5 + r * (S6 + r * S7))))))
    scale = _bits(np.int32((_bits(t) << BITS_32) + BIAS_32))  # (Numba widens sums)
    value = series * scale
    return NOTHING if x < LEAST_32 else value


@compiled(**ROUNDED)
def _exponentials(x: Any) -> None:
    for i in range(len(x)):
        x[i] = _exp(x[i])


@compiled(**ROUNDED)
def _exponentials_32(x: Any) -> None:
    for i in range(len(x)):
        x[i] = _exp_32(x[i])


def exponential(x: np.ndarray) -> np.ndarray:
    """Replace numbers by their exponentials.

    Parameters
    ----------
    x : ndarray of float32 or float64
        Numbers, 80 at most; overwritten.

    Returns
    -------
    ndarray
        The same array. Values are right to two units in the last place; those below the smallest
        normal number are 0, and what is not a number, or infinite above, is not a number.
    """
    if not x.flags.c_contiguous:
        return np.asarray(np.exp(x, out=x))
    function = _exponentials if x.dtype == np.float64 else _exponentials_32
    function(x.reshape(-1))
    return x


@compiled(**ROUNDED)
def _logistics(x: Any) -> None:
    for i in range(len(x)):
        e = _exp(-abs(x[i]))
        x[i] = (e if x[i] < 0.0 else 1.0) / (1.0 + e)


def logistic(x: np.ndarray) -> np.ndarray:
    """Replace numbers by 1 / (1 + exp(-x)).

    Parameters
    ----------
    x : ndarray of float64, C order
        Numbers; overwritten.

    Returns
    -------
    ndarray
        The same array. Values are right to three units in the last place; those below the smallest
        normal number are 0.
    """
    _logistics(x.reshape(-1))
    return x
