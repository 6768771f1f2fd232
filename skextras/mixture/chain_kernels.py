"""Compiled recursions of hidden Markov chains, scaled so that nothing underflows.

Densities come in as ``kernels.relative_densities`` writes them. Messages are scaled where their sum
has become small, or every few hundred steps, not at each: a step then waits for its products alone.
The scales and these largest values add up to the log-likelihood (Rabiner, "A Tutorial on Hidden
Markov Models", Proceedings of the IEEE 77(2), 1989, section V.A).

States are padded with zeros to a multiple of four; ``ends`` says where sequences begin and end.
"""

import math
from typing import Any

import numpy as np

from skextras.mixture.lanes import FOUR, add_outer, through, through_both
from skextras.trees.compiling import compiled, inner

LEAST = 1e-30  # sum of a message below which it is scaled
NOTHING = 1e-250  # share of a state below which it is none: products of it would be subnormal
OFTEN = 256  # steps after which a message is scaled at any rate
FAINT = 1e-300  # a number above it has an inverse


@inner
def _scale(rows: Any, t: int) -> float:
    """Scale a message to sum 1, without what is next to nothing; return its sum before."""
    total = 0.0
    for j in range(rows.shape[1]):
        total += rows[t, j]
    for j in range(rows.shape[1]):
        own = rows[t, j] / total if total > 0.0 else 0.0
        rows[t, j] = own if own > NOTHING else 0.0
    return total


@inner
def _filter(densities: Any, moves: Any, t: int, alpha: Any) -> float:
    """One step of ``forward``; the sum of the new message."""
    K, total = alpha.shape[1], 0.0
    for q in range(0, K, FOUR):
        total += through(alpha, (t - 1) * K, moves, K, q, densities, t * K + q, alpha, t * K + q)
    return total


@inner
def _filter_scaled(densities: Any, moves: Any, t: int, alpha: Any) -> float:
    """The same from a message of sum 1; the logarithm of all scales, -inf if impossible."""
    scales = math.log(_scale(alpha, t - 1))
    total = _filter(densities, moves, t, alpha)
    return scales + math.log(_scale(alpha, t)) if total > 0.0 else -math.inf


@inner
def _filter_one(
    densities: Any, tops: Any, start: Any, moves: Any, first: int, stop: int, alpha: Any
) -> float:
    """``forward`` of one sequence."""
    total, likelihood = 0.0, tops[first]
    for j in range(len(start)):
        alpha[first, j] = start[j] * densities[first, j]
        total += alpha[first, j]
    if not total > 0.0:
        return -math.inf
    likelihood += math.log(_scale(alpha, first))
    for t in range(first + 1, stop):
        likelihood += tops[t]
        total = _filter(densities, moves, t, alpha)
        if not total >= LEAST or t % OFTEN == 0:
            scales = _filter_scaled(densities, moves, t, alpha)
            if scales == -math.inf:
                return -math.inf
            likelihood += scales
    return likelihood + math.log(_scale(alpha, stop - 1))


@compiled
def forward(
    densities: Any,
    tops: Any,
    start: Any,
    moves: Any,
    ends: Any,
    first: int,
    stop: int,
    alpha: Any,
    likelihoods: Any,
) -> None:
    """Filter sequences: p(state, steps so far) up to a scale.

    Parameters
    ----------
    densities : ndarray of shape (T, K)
        Relative densities of all steps.
    tops : ndarray of shape (T,)
        Their largest log densities.
    start, moves : ndarray of shape (K,), (K, K)
        Probabilities, zero in the padding.
    ends : ndarray of shape (n_sequences + 1,)
        Where each sequence begins.
    first, stop : int
        Sequences.
    alpha : ndarray of shape (T, K)
        Their rows go out, of any scale; zero if the sequence is impossible.
    likelihoods : ndarray of shape (n_sequences,)
        Log-likelihoods go out.
    """
    for s in range(first, stop):
        a, b = ends[s], ends[s + 1]
        likelihoods[s] = _filter_one(densities, tops, start, moves, a, b, alpha)
        if likelihoods[s] == -math.inf:
            alpha[a:b] = 0.0


@inner
def _retreat(densities: Any, turned: Any, t: int, is_last: bool, rows: Any) -> float:
    """The message of a step from that of the step after it; its sum."""
    K, total = len(turned), 0.0
    here, later = t % 2 * K, (t + 1) % 2 * K
    if is_last:
        for j in range(K):
            rows[t % 2, j] = densities[t, j]
            total += densities[t, j]
        return total
    for q in range(0, K, FOUR):
        total += through(rows, later, turned, K, q, densities, t * K + q, rows, here + q)
    return total


@compiled
def backward(
    densities: Any, turned: Any, ends: Any, first: int, stop: int, part: int, marks: Any
) -> None:
    """Messages of the later steps at the beginnings of parts, whence ``smooth`` goes on.

    Parameters
    ----------
    densities : ndarray of shape (T, K)
        Relative densities of all steps.
    turned : ndarray of shape (K, K)
        Transposed transition probabilities.
    ends : ndarray of shape (n_sequences + 1,)
        Where each sequence begins.
    first, stop : int
        Sequences.
    part : int
        Steps of a part.
    marks : ndarray of shape (n_parts + 1, K)
        Where a part begins within a sequence, its row goes out.
    """
    K = len(turned)
    rows = np.empty((2, K))
    for s in range(first, stop):
        a, last = ends[s], ends[s + 1] - 1
        lowest = (a // part + 1) * part  # the first part that begins within
        for t in range(last, lowest - 1, -1):
            total = _retreat(densities, turned, t, t == last, rows)
            if not total >= LEAST or t % OFTEN == 0:
                _scale(rows, t % 2)
            if t % part == 0:
                marks[t // part] = rows[t % 2]


@inner
def _close(densities: Any, turned: Any, t: int, weight: float, alpha: Any, rows: Any) -> float:
    """The last step of a sequence: its filtered shares are its smoothed ones."""
    _scale(alpha, t)
    for j in range(len(turned)):
        alpha[t, j] *= weight
    return _retreat(densities, turned, t, True, rows)


@inner
def _smooth_one(
    densities: Any, turned: Any, t: int, weight: float, alpha: Any, rows: Any, pairs: Any
) -> float:
    """Any other step; the sum of the message to the step before."""
    K, mass, total, place = len(turned), 0.0, 0.0, t * len(turned)
    here, later = t % 2 * K, (t + 1) % 2 * K
    for q in range(0, K, FOUR):
        both = through_both(rows, later, turned, K, q, alpha, densities, place + q, here + q)
        mass, total = mass + both[0], total + both[1]
    inverse = weight / mass if mass > FAINT else 0.0
    add_outer(alpha, place, inverse, rows, later, K, pairs)
    for j in range(K):
        alpha[t, j] = rows[2, j] * inverse
    return total


@compiled
def smooth(
    densities: Any,
    turned: Any,
    ends: Any,
    weight: Any,
    first: int,
    stop: int,
    alpha: Any,
    marks: Any,
    pairs: Any,
) -> None:
    """Posterior of the states, in place of alpha, and expected transitions.

    Parameters
    ----------
    densities : ndarray of shape (T, K)
        Relative densities of all steps.
    turned : ndarray of shape (K, K)
        Transposed transition probabilities.
    ends : ndarray of shape (n_sequences + 1,)
        Where each sequence begins.
    weight : ndarray of shape (n_sequences,)
        Repetitions of each.
    first, stop : int
        Steps of the part; it may lie in several sequences.
    alpha : ndarray of shape (T, K)
        What ``forward`` left; becomes p(state | whole sequence) times the weight.
    marks : ndarray of shape (2, K)
        The second row comes in, the message to the last step, if its sequence goes on; the first
        goes out, the message of the first step.
    pairs : ndarray of shape (K, K)
        Expected transitions, each relative to ``turned``, are added to it.
    """
    K = len(turned)
    rows = np.empty((3, K))  # two messages by turns, and the shares
    rows[stop % 2] = marks[1]
    s = np.searchsorted(ends, stop - 1, side="right") - 1
    for t in range(stop - 1, first - 1, -1):
        if t == ends[s + 1] - 1:
            total = _close(densities, turned, t, weight[s], alpha, rows)
        else:
            total = _smooth_one(densities, turned, t, weight[s], alpha, rows, pairs)
        if not total >= LEAST or t % OFTEN == 0:
            _scale(rows, t % 2)
        s -= t == ends[s]
    marks[0] = rows[first % 2]


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
