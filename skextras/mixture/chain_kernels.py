"""Compiled recursions of hidden Markov chains, scaled so that nothing underflows.

Densities come in as exp(log density - the largest of its step); the scale of each step and these
largest values add up to the log-likelihood (Rabiner, "A Tutorial on Hidden Markov Models",
Proceedings of the IEEE 77(2), 1989, section V.A).
"""

import math
from typing import Any

import numpy as np

from skextras.mixture.exponential import exponential
from skextras.trees.compiling import compiled

FOUR = 4
LEAST = 1e-100  # a product of two numbers above it is above the smallest double


@compiled
def relative_densities(logs: Any) -> float:
    """exp(log density - largest of the step), in place.

    Parameters
    ----------
    logs : ndarray of shape (T, k), float64
        Log densities come in.

    Returns
    -------
    float
        Sum of the largest.
    """
    total = 0.0
    for t in range(len(logs)):
        row = logs[t]
        top = -math.inf
        for j in range(len(row)):
            top = max(top, row[j])
        top = 0.0 if math.isinf(top) else top
        total += top
        for j in range(len(row)):
            row[j] = exponential(row[j] - top)
    return total


@compiled
def _through(x: Any, matrix: Any, out: Any) -> None:
    """A row vector times a matrix, four columns at a time: their sums stay in one register."""
    k = len(x)
    whole = k // FOUR * FOUR
    for j in range(0, whole, FOUR):
        y0, y1, y2, y3 = 0.0, 0.0, 0.0, 0.0
        for i in range(k):
            mass = x[i]
            y0 += mass * matrix[i, j]
            y1 += mass * matrix[i, j + 1]
            y2 += mass * matrix[i, j + 2]
            y3 += mass * matrix[i, j + 3]
        out[j], out[j + 1], out[j + 2], out[j + 3] = y0, y1, y2, y3
    for j in range(whole, k):
        out[j] = 0.0
        for i in range(k):
            out[j] += x[i] * matrix[i, j]


@compiled
def _add_pairs(alpha: Any, t: int, ahead: Any, factor: float, pairs: Any) -> None:
    """Add the products of the entries of a row and of ``ahead``, four at a time."""
    k = len(ahead)
    whole = k // FOUR * FOUR
    for i in range(k):
        mass = alpha[t, i] * factor
        for j in range(0, whole, FOUR):
            y0, y1 = pairs[i, j] + mass * ahead[j], pairs[i, j + 1] + mass * ahead[j + 1]
            y2, y3 = pairs[i, j + 2] + mass * ahead[j + 2], pairs[i, j + 3] + mass * ahead[j + 3]
            pairs[i, j], pairs[i, j + 1], pairs[i, j + 2], pairs[i, j + 3] = y0, y1, y2, y3
        for j in range(whole, k):
            pairs[i, j] += mass * ahead[j]


@compiled
def forward(densities: Any, start: Any, moves: Any, first: int, stop: int, alpha: Any) -> float:
    """Filter one sequence: p(state | steps so far).

    Parameters
    ----------
    densities : ndarray of shape (T, k)
        Relative densities of all steps.
    start, moves : ndarray of shape (k,), (k, k)
        Probabilities.
    first, stop : int
        Steps of the sequence.
    alpha : ndarray of shape (T, k)
        Rows of the sequence go out; they sum to 1.

    Returns
    -------
    float
        Log-likelihood, less the largest log densities; -inf if the sequence is impossible.
    """
    k = len(start)
    total, product, ahead = 0.0, 1.0, start.copy()
    for t in range(first, stop):
        now, density, scale = alpha[t], densities[t], 0.0
        for j in range(k):
            now[j] = ahead[j] * density[j]
            scale += now[j]
        if not scale > 0.0:
            return -math.inf
        if product < LEAST or scale < LEAST:  # one logarithm for many steps
            total, product = total + math.log(product), 1.0
            total += math.log(scale)
        else:
            product *= scale
        inverse = 1.0 / scale
        for j in range(k):
            now[j] *= inverse
        _through(now, moves, ahead)
    return total + math.log(product)


@compiled
def backward(densities: Any, moves: Any, first: int, stop: int, beta: Any) -> None:
    """Likelihood of the rest of a sequence by state, each step scaled to sum 1.

    Parameters
    ----------
    densities : ndarray of shape (T, k)
        Relative densities of all steps.
    moves : ndarray of shape (k, k)
        Transposed transition probabilities: column by column of the chain's matrix.
    first, stop : int
        Steps of the sequence.
    beta : ndarray of shape (T, k)
        Rows of the sequence go out.
    """
    k = len(moves)
    ahead = np.empty(k)
    for j in range(k):
        beta[stop - 1, j] = 1.0 / k
    for t in range(stop - 2, first - 1, -1):
        now, later, density, scale = beta[t], beta[t + 1], densities[t + 1], 0.0
        for j in range(k):
            ahead[j] = later[j] * density[j]
        _through(ahead, moves, now)
        for i in range(k):
            scale += now[i]
        inverse = 1.0 / scale if scale > 0.0 else 0.0
        for i in range(k):
            now[i] *= inverse


@compiled
def smooth(
    densities: Any, alpha: Any, beta: Any, moves: Any, first: int, stop: int, pairs: Any
) -> None:
    """Posterior of the states, in place of alpha, and expected transitions.

    Parameters
    ----------
    densities, alpha, beta : ndarray of shape (T, k)
        Of all steps; rows of alpha become p(state | whole sequence).
    moves : ndarray of shape (k, k)
        Transition probabilities.
    first, stop : int
        Steps of one sequence, or a part of it that ends within: then the last step's transition
        belongs to the part, too.
    pairs : ndarray of shape (k, k)
        Expected transitions, each step's relative to ``moves``, are added to it.
    """
    k = len(moves)
    ahead, entering = np.empty(k), np.zeros(k)
    for i in range(k):
        for j in range(k):
            entering[j] += moves[i, j]
    for t in range(first, stop):
        total, scale = 0.0, 0.0
        for j in range(k):
            total += alpha[t, j] * beta[t, j]
        if t + 1 < len(alpha):
            for j in range(k):
                ahead[j] = beta[t + 1, j] * densities[t + 1, j]
                scale += entering[j] * ahead[j]  # by which ``backward`` divided
            whole = total * scale
            _add_pairs(alpha, t, ahead, 1.0 / whole if whole > 0.0 else 0.0, pairs)
        inverse = 1.0 / total if total > 0.0 else 0.0
        for j in range(k):
            alpha[t, j] *= beta[t, j] * inverse


@compiled
def best_path(logs: Any, start: Any, moves: Any, first: int, stop: int, path: Any) -> float:
    """Most probable states of one sequence (Viterbi).

    Parameters
    ----------
    logs : ndarray of shape (T, k)
        Log densities of all steps.
    start, moves : ndarray of shape (k,), (k, k)
        Log probabilities.
    first, stop : int
        Steps of the sequence.
    path : ndarray of shape (T,), int64
        States of the sequence go out.

    Returns
    -------
    float
        Log probability of the states and the steps.
    """
    k, n = len(start), stop - first
    came, score, ahead = np.empty((n, k), np.int32), np.empty(k), np.empty(k)
    for j in range(k):
        score[j] = start[j] + logs[first, j]
    for t in range(1, n):
        for j in range(k):
            best, place = -math.inf, 0
            for i in range(k):
                value = score[i] + moves[i, j]
                if value > best:
                    best, place = value, i
            ahead[j] = best + logs[first + t, j]
            came[t, j] = place
        score[:] = ahead
    state = int(np.argmax(score))
    best = score[state]
    for t in range(n - 1, -1, -1):
        path[first + t] = state
        state = came[t, state]
    return best
