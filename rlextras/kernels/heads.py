"""Distributions over actions, from the outputs of an actor.

Outputs stand one row a unit, one column a sample, as ``network`` leaves them; ``ready`` comes
first. The parts of an action are independent given the state, so that their terms add up.
"""

import math
from typing import Any

import numpy as np

from rlextras.kernels.activations import exp
from rlextras.kernels.compiler import kernel
from rlextras.kernels.plan import (
    BERNOULLI,
    CATEGORICAL,
    KIND,
    N_LAYERS,
    N_PARAMETERS,
    N_PARTS,
    SIZE,
)

_ZERO, _ONE, _HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)
_LOG_ROOT_TAU = np.float32(0.9189385332046727)  # log √(2π)


@kernel()
def ready(plan: np.ndarray, units: np.ndarray, out_at: int, n: int, ld: int) -> None:
    """Turn the outputs of categorical parts into log-probabilities, in place.

    Parameters
    ----------
    plan : ndarray of int64
        The table.
    units : ndarray of float32, one dimension
        A workspace after ``forward`` through the actor; other kinds stay as they are.
    out_at : int
        Where the outputs start.
    n : int
        Samples.
    ld : int
        Columns.
    """
    if plan[0, KIND] != CATEGORICAL:
        return
    start = out_at
    for k in range(1 + plan[0, N_LAYERS], len(plan)):
        stop = start + plan[k, SIZE] * ld
        for b in range(n):
            largest, total = units[start + b], _ZERO
            for j in range(start + b, stop, ld):
                largest = max(largest, units[j])
            for j in range(start + b, stop, ld):
                total += exp(units[j] - largest)
            normalizer = largest + math.log(total)
            for j in range(start + b, stop, ld):
                units[j] -= normalizer
        start = stop


@kernel()
def measure(
    theta: np.ndarray, plan: np.ndarray, units: np.ndarray, rows: np.ndarray, at: tuple
) -> tuple:
    """Log-probability of an action, and entropy of the distribution that it came from.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters, and what may follow them.
    plan : ndarray of int64
        The table.
    units : ndarray of float32, one dimension
        A workspace with the actor's outputs, made ready.
    rows : ndarray of float32, two dimensions
        Hold the action, one number a part.
    at : tuple of (int, int, int, int)
        Row and column where it starts; where the first output of its sample stands, and the step
        from output to output.

    Returns
    -------
    tuple of (float32, float32)
        Both in nats.
    """
    row, column, place, ld = at
    log_prob, entropy, kind = _ZERO, _ZERO, plan[0, KIND]
    first = 1 + plan[0, N_LAYERS]
    for k in range(plan[0, N_PARTS]):
        action = rows[row, column + k]
        if kind == CATEGORICAL:
            stop = place + plan[first + k, SIZE] * ld
            log_prob += units[place + np.int64(action) * ld]
            for j in range(place, stop, ld):
                entropy -= exp(units[j]) * units[j]
            place = stop
            continue
        z = units[place]
        place += ld
        if kind == BERNOULLI:
            log_one = max(z, _ZERO) + math.log1p(exp(-abs(z)))  # log(1 + eᶻ)
            log_prob += action * z - log_one
            entropy += log_one - z / (_ONE + exp(-z))
        else:
            distance = (action - z) / exp(theta[k])
            log_prob -= _HALF * distance * distance + theta[k] + _LOG_ROOT_TAU
            entropy += _HALF + _LOG_ROOT_TAU + theta[k]
    return log_prob, entropy


@kernel()
def slope(
    memory: np.ndarray, plan: np.ndarray, work: np.ndarray, rows: np.ndarray, at: tuple, by: tuple
) -> None:
    """Gradient of a weighted sum of log-probability and entropy by the outputs.

    Parameters
    ----------
    memory : ndarray of float32
        The parameters, then a gradient by them; that by the standard deviations is added to.
    plan : ndarray of int64
        The table.
    work : ndarray of float32, one dimension
        Two workspaces, one behind the other: outputs made ready, and the gradient by them.
    rows : ndarray of float32, two dimensions
        Hold the action, one number a part.
    at : tuple of (int, int, int, int)
        As for ``measure``.
    by : tuple of (float32, float32)
        The two weights; the entropy of categorical parts is their own.
    """
    row, column, place, ld = at
    by_log_prob, by_entropy = by
    first, kind, size = 1 + plan[0, N_LAYERS], plan[0, KIND], work.size // 2
    for k in range(plan[0, N_PARTS]):
        action = rows[row, column + k]
        if kind == CATEGORICAL:
            stop, entropy = place + plan[first + k, SIZE] * ld, _ZERO
            for j in range(place, stop, ld):
                entropy -= exp(work[j]) * work[j]
            for j in range(place, stop, ld):
                push = by_log_prob + by_entropy * (work[j] + entropy)
                work[size + j] = -exp(work[j]) * push
            work[size + place + np.int64(action) * ld] += by_log_prob
            place = stop
            continue
        z = work[place]
        if kind == BERNOULLI:
            p = _ONE / (_ONE + exp(-z))
            work[size + place] = by_log_prob * (action - p) - by_entropy * z * p * (_ONE - p)
        else:
            scale = exp(-memory[k])
            distance = (action - z) * scale
            work[size + place] = by_log_prob * distance * scale
            push = by_log_prob * (distance * distance - _ONE) + by_entropy
            memory[plan[0, N_PARAMETERS] + k] += push
        place += ld


@kernel()
def choose(
    theta: np.ndarray, plan: np.ndarray, units: np.ndarray, noise: np.ndarray, at: tuple
) -> np.float32:
    """Draw one part of an action, or take the most likely one.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters.
    plan : ndarray of int64
        The table.
    units : ndarray of float32, one dimension
        A workspace with the actor's outputs, made ready.
    noise : ndarray of float32
        Exponential numbers for categorical parts, uniform ones for bits, normal ones for
        coordinates; the samples of a part stand together. Empty for the most likely action.
    at : tuple of (int, int, int, int)
        The part; where its first output stands, and the step from output to output; its first
        noise.

    Returns
    -------
    float32
        The number of the choice, the bit, or the coordinate.
    """
    k, place, ld, here = at
    is_drawn, z = noise.size > 0, units[place]
    if plan[0, KIND] == CATEGORICAL:
        best, choice = -_ONE, 0  # the largest p / e, with e exponential, is a draw from p
        for j in range(plan[1 + plan[0, N_LAYERS] + k, SIZE]):
            p = math.exp(units[place + j * ld])
            score: Any = p / noise[here + j] if is_drawn else p
            if score > best:
                best, choice = score, j
        return np.float32(choice)
    if plan[0, KIND] == BERNOULLI:
        is_one = noise[here] < _ONE / (_ONE + math.exp(-z)) if is_drawn else z > _ZERO
        return _ONE if is_one else _ZERO
    return z + math.exp(theta[k]) * noise[here] if is_drawn else z
