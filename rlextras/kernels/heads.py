"""Distributions over actions, from the outputs of an actor.

Outputs stand one row a unit, one column a sample, as ``network`` leaves them; ``ready`` comes
first. The parts of an action are independent given the state, so that their terms add up.
"""

import numpy as np

from rlextras.kernels.compiler import kernel
from rlextras.kernels.plan import BERNOULLI, CATEGORICAL, KIND, N_LAYERS, N_PARTS, SIZE

_ZERO, _ONE, _HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)
_LOG_ROOT_TAU = np.float32(0.9189385332046727)  # log √(2π)


@kernel()
def ready(plan: np.ndarray, outputs: np.ndarray, n: int, ld: int) -> None:
    """Turn the outputs of categorical parts into log-probabilities, in place.

    Parameters
    ----------
    plan : ndarray of int64
        The table.
    outputs : ndarray of float32, one dimension
        Of the actor; other kinds stay as they are.
    n : int
        Samples.
    ld : int
        Columns.
    """
    if plan[0, KIND] != CATEGORICAL:
        return
    start = 0
    for k in range(1 + plan[0, N_LAYERS], len(plan)):
        stop = start + plan[k, SIZE]
        for b in range(n):
            largest = outputs[start * ld + b]
            for j in range(start + 1, stop):
                largest = max(largest, outputs[j * ld + b])
            total = _ZERO
            for j in range(start, stop):
                total += np.exp(outputs[j * ld + b] - largest)
            normalizer = largest + np.log(total)
            for j in range(start, stop):
                outputs[j * ld + b] -= normalizer
        start = stop


@kernel()
def measure(
    theta: np.ndarray, plan: np.ndarray, outputs: np.ndarray, action: np.ndarray, at: tuple
) -> tuple:
    """Log-probability of an action, and entropy of the distribution that it came from.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters.
    plan : ndarray of int64
        The table.
    outputs : ndarray of float32, one dimension
        Of the actor, made ready.
    action : ndarray of float32
        One number a part.
    at : tuple of (int, int)
        The sample, and the columns.

    Returns
    -------
    tuple of (float32, float32)
        Both in nats.
    """
    b, ld = at
    log_prob, entropy, start = _ZERO, _ZERO, 0
    first = 1 + plan[0, N_LAYERS]
    for k in range(plan[0, N_PARTS]):
        if plan[0, KIND] == CATEGORICAL:
            size = plan[first + k, SIZE]
            log_prob += outputs[(start + int(action[k])) * ld + b]
            for j in range(start, start + size):
                log_p = outputs[j * ld + b]
                entropy -= np.exp(log_p) * log_p
            start += size
        elif plan[0, KIND] == BERNOULLI:
            z = outputs[k * ld + b]
            log_one = max(z, _ZERO) + np.log1p(np.exp(-abs(z)))  # log(1 + eᶻ)
            log_prob += action[k] * z - log_one
            entropy += log_one - z / (_ONE + np.exp(-z))
        else:
            distance = (action[k] - outputs[k * ld + b]) / np.exp(theta[k])
            log_prob -= _HALF * distance * distance + theta[k] + _LOG_ROOT_TAU
            entropy += _HALF + _LOG_ROOT_TAU + theta[k]
    return log_prob, entropy


@kernel()
def slope(parameters: tuple, plan: np.ndarray, work: tuple, action: np.ndarray, at: tuple) -> None:
    """Gradient of a weighted sum of log-probability and entropy by the outputs.

    Parameters
    ----------
    parameters : tuple of two ndarrays of float32
        The parameters, and a gradient by them; that by the standard deviations is added to.
    plan : ndarray of int64
        The table.
    work : tuple of two ndarrays of float32
        Outputs made ready, and where the gradient by them goes.
    action : ndarray of float32
        One number a part.
    at : tuple of (int, int, float32, float32, float32)
        The sample, the columns, the two weights, the entropy of categorical parts is their own.
    """
    theta, gradient = parameters
    outputs, deltas = work
    b, ld, by_log_prob, by_entropy = at
    first, start = 1 + plan[0, N_LAYERS], 0
    for k in range(plan[0, N_PARTS]):
        if plan[0, KIND] == CATEGORICAL:
            size = plan[first + k, SIZE]
            entropy = _ZERO
            for j in range(start, start + size):
                entropy -= np.exp(outputs[j * ld + b]) * outputs[j * ld + b]
            for j in range(start, start + size):
                log_p = outputs[j * ld + b]
                push = by_log_prob + by_entropy * (log_p + entropy)
                deltas[j * ld + b] = -np.exp(log_p) * push
            deltas[(start + int(action[k])) * ld + b] += by_log_prob
            start += size
        elif plan[0, KIND] == BERNOULLI:
            z = outputs[k * ld + b]
            p = _ONE / (_ONE + np.exp(-z))
            pull = by_entropy * z * p * (_ONE - p)
            deltas[k * ld + b] = by_log_prob * (action[k] - p) - pull
        else:
            scale = np.exp(-theta[k])
            distance = (action[k] - outputs[k * ld + b]) * scale
            deltas[k * ld + b] = by_log_prob * distance * scale
            gradient[k] += by_log_prob * (distance * distance - _ONE) + by_entropy


@kernel()
def choose(
    theta: np.ndarray, plan: np.ndarray, outputs: np.ndarray, noise: np.ndarray, at: tuple
) -> np.float32:
    """Draw one part of an action, or take the most likely one.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters.
    plan : ndarray of int64
        The table.
    outputs : ndarray of float32, one dimension
        Of the actor, made ready.
    noise : ndarray of float32
        Exponential numbers for categorical parts, uniform ones for bits, normal ones for
        coordinates; the samples of a part stand together. Empty for the most likely action.
    at : tuple of (int, int, int, int, int, int)
        Sample and columns; the part, its first output, its first noise and the noise per sample.

    Returns
    -------
    float32
        The number of the choice, the bit, or the coordinate.
    """
    b, ld, k, start, noise_at, noise_step = at
    is_drawn = noise.size > 0
    here = noise_at + b * noise_step
    if plan[0, KIND] == CATEGORICAL:
        best, choice = -_ONE, 0  # the largest p / e, with e exponential, is a draw from p
        for j in range(plan[1 + plan[0, N_LAYERS] + k, SIZE]):
            p = np.exp(outputs[(start + j) * ld + b])
            score = p / noise[here + j] if is_drawn else p
            if score > best:
                best, choice = score, j
        return np.float32(choice)
    z = outputs[start * ld + b]
    if plan[0, KIND] == BERNOULLI:
        is_one = noise[here] < _ONE / (_ONE + np.exp(-z)) if is_drawn else z > _ZERO
        return _ONE if is_one else _ZERO
    return z + np.exp(theta[k]) * noise[here] if is_drawn else z
