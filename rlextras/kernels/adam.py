"""One step of Adam over a part of a flat vector, with a limit on the length of the gradient."""

import math

import numpy as np

from rlextras.kernels.compiler import kernel

LEARNING_RATE, BETA_1, BETA_2, EPSILON, N_STEPS, MAX_NORM = range(6)
"""Places in the first numbers of an update's settings; N_STEPS counts those done."""

_ZERO = np.float32(0.0)
_TINY = np.float32(1e-35)  # of units that are off; smaller numbers are slow on most machines

GRADIENT, MEAN, SQUARE = range(1, 4)
"""Rows of the memory of an update: behind the parameters, the gradient and Adam's two moments."""


@kernel(fastmath={"contract", "reassoc"})
def squared_norm(gradient: np.ndarray) -> np.float32:
    """Sum of squares, in any order.

    Parameters
    ----------
    gradient : ndarray of float32, one dimension
        The numbers.

    Returns
    -------
    float32
        The sum.
    """
    total = np.float32(0.0)
    for i in range(gradient.size):  # an iteration over the array would not become vectors
        total += gradient[i] * gradient[i]
    return total


@kernel()
def descend(memory: np.ndarray, start: np.int64, settings: np.ndarray) -> None:
    """Shorten the gradient to the limit, then step.

    Algorithm 1 of [1]_.

    Parameters
    ----------
    memory : ndarray of float32, shape (4 P,)
        Parameters, gradient and moments, one behind the other.
    start : int64
        The first number that moves; those before it, and their moments, stay.
    settings : ndarray of float64
        The numbers named above; the count of steps grows by one.

    References
    ----------
    .. [1] D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015,
       https://arxiv.org/abs/1412.6980.
    """
    settings[N_STEPS] += 1.0
    beta_1, beta_2, n_steps = settings[BETA_1], settings[BETA_2], settings[N_STEPS]
    size = memory.size // 4
    gradient = memory[GRADIENT * size + start : (GRADIENT + 1) * size]
    shorter = settings[MAX_NORM] / (math.sqrt(squared_norm(gradient)) + 1e-6)
    scale = np.float32(1.0 if shorter > 1.0 else shorter)
    rate = np.float32(settings[LEARNING_RATE] / (1.0 - beta_1**n_steps))
    spread = np.float32(1.0 / math.sqrt(1.0 - beta_2**n_steps))
    weights = (np.float32(1.0 - beta_1), np.float32(beta_2), np.float32(1.0 - beta_2))
    rates = (scale, rate, spread, np.float32(settings[EPSILON]))
    mean, square = memory[MEAN * size + start :], memory[SQUARE * size + start :]
    step(memory[start:size], gradient, (mean, square), rates, weights)


@kernel()
def step(
    theta: np.ndarray, gradient: np.ndarray, moments: tuple, rates: tuple, weights: tuple
) -> None:
    """Move some numbers: the part of Adam that runs over all of them.

    Parameters
    ----------
    theta, gradient : ndarray of float32, one dimension
        What moves, and its gradient.
    moments : tuple of ndarray of float32
        Mean and square of the gradients so far.
    rates : tuple of float32
        Scale of the gradient; rate and spread, both corrected for the count of steps; ε.
    weights : tuple of float32
        1 - β₁, β₂ and 1 - β₂.
    """
    mean, square = moments
    scale, rate, spread, epsilon = rates
    new_1, old_2, new_2 = weights
    for i in range(theta.size):
        g = gradient[i] * scale
        m = mean[i] + new_1 * (g - mean[i])
        v = old_2 * square[i] + new_2 * g * g
        mean[i] = m if abs(m) > _TINY else _ZERO
        square[i] = v
        theta[i] -= rate * m / (math.sqrt(v) * spread + epsilon)
