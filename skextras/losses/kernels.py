"""Gradients and hessians by blocks of rows: one operation for each family of losses.

An operation fills one block and writes the block's sums, in an order that no thread and no vector
width changes.
"""

from functools import cache
from typing import Any

import numpy as np

from skextras.losses.exponent import HIGHEST, exp32
from skextras.losses.lanes import sum_of_magnitudes
from skextras.trees.memory import compiled, float32s, float64s, operation, word

BLOCK = 4096  # rows

# What an operation is told, by slot of its table.
N_ROWS, Y, RAW, WEIGHT, GRADIENT, HESSIAN, SUMS, PARAMETER, N_OUTPUTS, SCRATCH = range(10)
N_SLOTS = 10

SCRATCH_WORDS = 2 * BLOCK  # 8 bytes each, of a thread: four single-precision numbers a row

_ONE, _ZERO = np.float32(1), np.float32(0)
_LARGEST = np.float32(np.exp(HIGHEST))
_FAR = np.float32(50)  # scores beyond are surer than single precision can say: exp(-50) = 2e-22


@compiled
def _block(table, slot, chunk, m):  # type: ignore[no-untyped-def]
    """Rows of a block in one of the single-precision vectors."""
    return float32s(word(table, slot) + 4 * BLOCK * chunk, m)


@compiled
def _row(table, slot, output, chunk, m):  # type: ignore[no-untyped-def]
    """Rows of a block in one output's row of a single-precision matrix."""
    n = word(table, N_ROWS)
    return float32s(word(table, slot) + 4 * (output * n + BLOCK * chunk), m)


@compiled
def _length(table, chunk):  # type: ignore[no-untyped-def]
    return min(word(table, N_ROWS) - BLOCK * chunk, BLOCK)


@compiled
def _finish(table, chunk, thread, output):  # type: ignore[no-untyped-def]
    """Weigh one output's gradients and hessians, and write their sums."""
    m = _length(table, chunk)
    g, h = _row(table, GRADIENT, output, chunk, m), _row(table, HESSIAN, output, chunk, m)
    if word(table, WEIGHT) != 0:
        w = _block(table, WEIGHT, chunk, m)
        for i in range(m):
            g[i] *= w[i]
            h[i] *= w[i]
    n_blocks = (word(table, N_ROWS) + BLOCK - 1) // BLOCK
    sums = float64s(word(table, SUMS) + 16 * (output * n_blocks + chunk), 2)
    place = 4 * (output * word(table, N_ROWS) + BLOCK * chunk)
    sums[0] = sum_of_magnitudes(word(table, GRADIENT) + place, m)
    sums[1] = sum_of_magnitudes(word(table, HESSIAN) + place, m)


def _binary_log_loss(table, chunk, thread):  # type: ignore[no-untyped-def]
    """p - y and p (1 - p), the smaller probability without cancellation."""
    m = _length(table, chunk)
    y, raw = _block(table, Y, chunk, m), _block(table, RAW, chunk, m)
    g, h = _block(table, GRADIENT, chunk, m), _block(table, HESSIAN, chunk, m)
    for i in range(m):
        distance = abs(raw[i])
        distance = _FAR if distance > _FAR else distance
        e = exp32(-distance)
        large = _ONE / (_ONE + e)
        small = e * large
        p = large if raw[i] >= _ZERO else small
        q = small if raw[i] >= _ZERO else large
        g[i] = (_ONE - y[i]) * p - y[i] * q
        h[i] = large * small
    _finish(table, chunk, thread, 0)


def _multinomial_log_loss(table, chunk, thread):  # type: ignore[no-untyped-def]
    """p_k - [y = k] and p_k (1 - p_k), with p the softmax over the outputs.

    What the greatest leaves to the others is added up from them: 1 - p would cancel, and a leaf of
    rows that are surely wrong would have slopes and no curvature.
    """
    m, n_outputs = _length(table, chunk), word(table, N_OUTPUTS)
    y = _block(table, Y, chunk, m)
    scratch = word(table, SCRATCH) + 8 * SCRATCH_WORDS * thread
    top, rest = float32s(scratch, m), float32s(scratch + 4 * BLOCK, m)
    n_top = float32s(scratch + 8 * BLOCK, m)
    for i in range(m):
        top[i] = -np.float32(np.inf)
        rest[i] = n_top[i] = _ZERO
    for k in range(n_outputs):
        raw = _row(table, RAW, k, chunk, m)
        for i in range(m):
            top[i] = raw[i] if raw[i] > top[i] else top[i]
    for k in range(n_outputs):
        raw, g = _row(table, RAW, k, chunk, m), _row(table, GRADIENT, k, chunk, m)
        for i in range(m):
            distance = top[i] - raw[i]
            g[i] = exp32(-(_FAR if distance > _FAR else distance))
            is_top = raw[i] == top[i]
            rest[i] += _ZERO if is_top else g[i]
            n_top[i] += _ONE if is_top else _ZERO
    for i in range(m):
        rest[i] += n_top[i] - _ONE
    for k in range(n_outputs):
        g, h = _row(table, GRADIENT, k, chunk, m), _row(table, HESSIAN, k, chunk, m)
        label = np.float32(k)
        for i in range(m):
            total = rest[i] + _ONE
            p, q = g[i] / total, (rest[i] + (_ONE - g[i])) / total
            g[i] = -q if y[i] == label else p
            h[i] = p * q
        _finish(table, chunk, thread, k)


def _clipped_residual(table, chunk, thread):  # type: ignore[no-untyped-def]
    """raw - y, cut off at ± the parameter; hessian 1: squared error (no cut) and Huber."""
    m = _length(table, chunk)
    y, raw = _block(table, Y, chunk, m), _block(table, RAW, chunk, m)
    g, h = _block(table, GRADIENT, chunk, m), _block(table, HESSIAN, chunk, m)
    delta = np.float32(float64s(word(table, PARAMETER), 1)[0])
    for i in range(m):
        error = raw[i] - y[i]
        error = delta if error > delta else error
        g[i] = -delta if error < -delta else error
        h[i] = _ONE
    _finish(table, chunk, thread, 0)


def _side_of_target(table, chunk, thread):  # type: ignore[no-untyped-def]
    """The first parameter up to the target, the second above; hessian 1: absolute and quantile."""
    m = _length(table, chunk)
    y, raw = _block(table, Y, chunk, m), _block(table, RAW, chunk, m)
    g, h = _block(table, GRADIENT, chunk, m), _block(table, HESSIAN, chunk, m)
    slopes = float64s(word(table, PARAMETER), 2)
    below, above = np.float32(slopes[0]), np.float32(slopes[1])
    for i in range(m):
        g[i] = above if raw[i] > y[i] else below
        h[i] = _ONE
    _finish(table, chunk, thread, 0)


def _tweedie_deviance(table, chunk, thread):  # type: ignore[no-untyped-def]
    """-y e^((1-p) raw) + e^((2-p) raw): Poisson at p = 1, gamma at p = 2."""
    m = _length(table, chunk)
    y, raw = _block(table, Y, chunk, m), _block(table, RAW, chunk, m)
    g, h = _block(table, GRADIENT, chunk, m), _block(table, HESSIAN, chunk, m)
    power = float64s(word(table, PARAMETER), 1)[0]
    a, b = np.float32(1 - power), np.float32(2 - power)
    for i in range(m):
        pull = y[i] * exp32(a * raw[i])
        pull = _LARGEST if pull > _LARGEST else pull
        push = exp32(b * raw[i])
        g[i] = push - pull
        h[i] = b * push - a * pull
    _finish(table, chunk, thread, 0)


def _exponential_loss(table, chunk, thread):  # type: ignore[no-untyped-def]
    """-y e^-raw + (1 - y) e^raw, and the same with a plus."""
    m = _length(table, chunk)
    y, raw = _block(table, Y, chunk, m), _block(table, RAW, chunk, m)
    g, h = _block(table, GRADIENT, chunk, m), _block(table, HESSIAN, chunk, m)
    for i in range(m):
        pull, push = y[i] * exp32(-raw[i]), (_ONE - y[i]) * exp32(raw[i])
        g[i] = push - pull
        h[i] = push + pull
    _finish(table, chunk, thread, 0)


_KERNELS = {
    "binary_log_loss": _binary_log_loss,
    "multinomial_log_loss": _multinomial_log_loss,
    "clipped_residual": _clipped_residual,
    "side_of_target": _side_of_target,
    "tweedie_deviance": _tweedie_deviance,
    "exponential_loss": _exponential_loss,
}


@cache
def operation_named(name: str) -> Any:
    """Compile an operation when a fit first needs it, or load it from the cache.

    Parameters
    ----------
    name : str
        "binary_log_loss" and so on.

    Returns
    -------
    CFunc
        What ``Threads.run`` takes.
    """
    return operation(_KERNELS[name])


def block_sums(gradient: Any, hessian: Any, sums: Any) -> None:
    """Sums of a block for gradients that no operation made.

    Parameters
    ----------
    gradient, hessian : ndarray of float32 of shape (n_outputs, n)
        What was filled.
    sums : ndarray of float64 of shape (n_outputs, n_blocks, 2)
        Overwritten.
    """
    starts = np.arange(0, gradient.shape[1], BLOCK)
    sums[:, :, 0] = np.add.reduceat(np.abs(gradient, dtype=np.float64), starts, axis=1)
    sums[:, :, 1] = np.add.reduceat(hessian, starts, axis=1, dtype=np.float64)
