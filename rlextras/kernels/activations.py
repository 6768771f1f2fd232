"""Activation functions, in place, and their derivatives from what they returned.

Written as float32 arithmetic without calls, so that LLVM turns each loop into vectors.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from rlextras.kernels.compiler import kernel
from rlextras.kernels.plan import ELU, IDENTITY, LEAKY_RELU, SIGMOID, TANH

_intrinsic: Any = intrinsic  # its type hides that callers leave out the typing context
_FLOAT = ir.FloatType()
_ZERO, _HALF, _ONE, _TWO = (np.float32(x) for x in (0.0, 0.5, 1.0, 2.0))
_LARGEST = np.float32(88.0)  # beyond, exp leaves float32
_SATURATED = np.float32(9.0)  # tanh is 1 in float32
_LOG2_E = np.float32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # of 9 bits, the rest
_C2, _C3, _C4, _C5, _C6, _C7 = (
    np.float32(x) for x in (1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040)
)


@_intrinsic
def _power_of_two(typingctx: Any, n: Any) -> Any:
    """2ⁿ of a whole float32, by its exponent bits."""

    def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(32)
        exponent = builder.add(builder.fptosi(arguments[0], word), word(127))
        return builder.bitcast(builder.shl(exponent, word(23)), _FLOAT)

    return types.float32(types.float32), _emit


@_intrinsic
def from_bits(typingctx: Any, bits: Any) -> Any:
    """Read 32 bits as a float32.

    Parameters
    ----------
    typingctx : object
        Numba's; callers leave it out.
    bits : int64
        The bits.

    Returns
    -------
    float32
        What they mean.
    """

    def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(builder.trunc(arguments[0], ir.IntType(32)), _FLOAT)

    return types.float32(types.int64), _emit


@_intrinsic
def _floor(typingctx: Any, x: Any) -> Any:
    """The whole float32 below; the instruction itself, which stands in vectors."""

    def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.call(builder.module.declare_intrinsic("llvm.floor", [_FLOAT]), arguments)

    return types.float32(types.float32), _emit


@kernel()
def _reduced(x: np.float32) -> tuple:
    """The numbers eʳ - 1 and 2ⁿ of eˣ = 2ⁿ eʳ with |r| ≤ ln 2 / 2, the first by its series to r⁷.

    It is exact to within two last digits of its own, however small r is.
    """
    n = _floor(x * _LOG2_E + _HALF)
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    tail = _C2 + r * (_C3 + r * (_C4 + r * (_C5 + r * (_C6 + r * _C7))))
    return r + r * r * tail, _power_of_two(n)


@kernel()
def exp(x: np.float32) -> np.float32:
    """Exponential function.

    Parameters
    ----------
    x : float32
        Beyond ±88, ±88 is taken.

    Returns
    -------
    float32
        To within two last digits.
    """
    x = _LARGEST if x > _LARGEST else x  # NaN passes
    x = -_LARGEST if x < -_LARGEST else x
    growth, power = _reduced(x)
    return (_ONE + growth) * power


@kernel()
def _tanh(x: np.float32) -> np.float32:
    """m / (m + 2) with m = e²ˣ - 1 = 2ⁿ (eʳ - 1) + (2ⁿ - 1), which loses no digits for x ≥ 0."""
    size = abs(x)
    growth, power = _reduced(_TWO * (_SATURATED if size > _SATURATED else size))  # NaN passes
    m = power * growth + (power - _ONE)
    tanh = m / (m + _TWO)
    return -tanh if x < _ZERO else tanh


@kernel()
def activate(units: np.ndarray, kind: int, slope: np.float32) -> None:
    """Apply an activation function in place.

    Parameters
    ----------
    units : ndarray of float32, one dimension
        What goes in and comes out.
    kind : int
        What ``plan`` calls the function.
    slope : float32
        Of LEAKY_RELU and ELU below zero.
    """
    if kind == TANH:
        for i in range(units.size):
            units[i] = _tanh(units[i])
    elif kind == ELU:
        for i in range(units.size):
            x = units[i]
            units[i] = slope * (exp(x) - _ONE) if x < _ZERO else x
    elif kind == SIGMOID:
        for i in range(units.size):
            units[i] = _ONE / (_ONE + exp(-units[i]))
    elif kind != IDENTITY:
        below = slope if kind == LEAKY_RELU else _ZERO
        for i in range(units.size):
            units[i] = units[i] * (below if units[i] < _ZERO else _ONE)


@kernel()
def scale_by_derivative(
    deltas: np.ndarray, units: np.ndarray, kind: int, slope: np.float32
) -> None:
    """Multiply by the derivative of an activation function.

    Parameters
    ----------
    deltas : ndarray of float32, one dimension
        What is multiplied, in place.
    units : ndarray of float32, one dimension
        What the function returned.
    kind : int
        What ``plan`` calls the function.
    slope : float32
        Of LEAKY_RELU and ELU below zero.
    """
    if kind == TANH:
        for i in range(deltas.size):
            deltas[i] *= _ONE - units[i] * units[i]
    elif kind == ELU:
        for i in range(deltas.size):
            deltas[i] *= _ONE if units[i] > _ZERO else units[i] + slope
    elif kind == SIGMOID:
        for i in range(deltas.size):
            deltas[i] *= units[i] * (_ONE - units[i])
    elif kind != IDENTITY:
        below = slope if kind == LEAKY_RELU else _ZERO
        for i in range(deltas.size):
            deltas[i] *= _ONE if units[i] > _ZERO else below
