"""GRPO's objectives over tokens: gradients by the logits of prefixes, and the step that follows."""

import math

import numpy as np
from numba import types

from rlextras.kernels import adam
from rlextras.kernels.activations import exp
from rlextras.kernels.compiler import INDICES, MATRIX, NUMBERS, VECTOR, entry, kernel
from rlextras.kernels.group_objectives import (
    ENT_COEF,
    ENTROPY,
    LOG_PROB,
    MIRROR,
    MODE,
    SEQUENCE,
    TOKEN,
    WEIGHT,
    average,
    by_log_prob,
    share_episodes,
    sum_episodes,
)

_ZERO = np.float32(0.0)


@kernel()
def _exponentials(x: np.ndarray, shift: np.float32, out: np.ndarray) -> None:
    """Compute e^(x - shift), by vectors."""
    for j in range(x.size):
        out[j] = exp(x[j] - shift)


@kernel(fastmath={"contract", "reassoc"})
def _normalize(logits: np.ndarray, powers: np.ndarray) -> np.float32:
    """Turn logits into log-probabilities, in place; their entropy."""
    largest = logits[0]
    for j in range(1, logits.size):
        largest = max(largest, logits[j])
    _exponentials(logits, largest, powers)
    total, entropy = _ZERO, _ZERO
    for j in range(logits.size):
        total += powers[j]
    normalizer = largest + np.float32(math.log(total))
    for j in range(logits.size):
        logits[j] -= normalizer
        entropy -= powers[j] * logits[j]
    return entropy / total


@kernel()
def _weigh_episodes(
    logits: np.ndarray,
    where: tuple,
    rows: np.ndarray,
    lengths: np.ndarray,
    ratios: np.ndarray,
    settings: np.ndarray,
) -> int:
    """Compute what steps need to know of their episodes; how many these are."""
    nodes, actions, n_columns = where
    none, n_steps = np.int64(0), np.int64(len(nodes))
    for b in range(n_steps):
        log_prob = logits[nodes[b] * n_columns + actions[b]]
        ratios[b] = np.float64(log_prob - rows[b, LOG_PROB])
    n_episodes = sum_episodes(lengths, ratios, (none, n_steps, none))
    if settings[MODE] == SEQUENCE:
        share_episodes(rows, lengths, ratios, settings, (none, none, n_episodes, none))
    return n_episodes


@entry(
    types.void(
        *(MATRIX, INDICES, INDICES, MATRIX, INDICES, NUMBERS, NUMBERS, MATRIX, MATRIX, NUMBERS),
        types.int64,
    )
)
def push(
    logits: np.ndarray,
    nodes: np.ndarray,
    actions: np.ndarray,
    rows: np.ndarray,
    lengths: np.ndarray,
    ratios: np.ndarray,
    settings: np.ndarray,
    by: np.ndarray,
    room: np.ndarray,
    told: np.ndarray,
    n_actions: int,
) -> None:
    """Gradient of an objective by the logits of K nodes, where B steps of whole episodes chose.

    Parameters
    ----------
    logits : ndarray of float32, shape (K, C)
        Of the nodes; become log-probabilities.
    nodes : ndarray of int64, shape (B,)
        Where each step chose: 0 to K - 1.
    actions : ndarray of int64, shape (B,)
        What it chose.
    rows : ndarray of float32, shape (B, 4)
        Columns of ``group_objectives``.
    lengths : ndarray of int64, shape (M,)
        Steps of each episode.
    ratios : ndarray of float64, shape (2 * B,)
        Room.
    settings : ndarray of float64, shape (13,)
        Of ``group_objectives``, behind Adam's.
    by : ndarray of float32, shape (K, C)
        Becomes the gradient.
    room : ndarray of float32, shape (3, max(K, C))
        Room.
    told : ndarray of float64, shape (6,)
        Zero; becomes the measures.
    n_actions : int
        Those of the C numbers that count.
    """
    n_nodes, n_columns = logits.shape
    n_rows, flat, flat_by = np.float64(len(nodes)), logits.reshape(-1), by.reshape(-1)
    powers, entropies, bonuses = room[0], room[1], room[2]
    flat_by[:] = _ZERO
    bonuses[:] = _ZERO
    for k in range(n_nodes):
        entropies[k] = _normalize(flat[k * n_columns :][:n_actions], powers)
    divisor = n_rows
    if settings[MODE] != TOKEN:
        given = (nodes, actions, n_columns)
        n_episodes = _weigh_episodes(flat, given, rows, lengths, ratios, settings)
        divisor = np.float64(n_episodes) if settings[MODE] == MIRROR else n_rows
    for b in range(len(nodes)):
        k, none = nodes[b], np.int64(0)
        chosen = k * n_columns + actions[b]
        slope = by_log_prob(rows, ratios, settings, told, (np.int64(b), none, flat[chosen]))
        weight = np.float64(rows[b, WEIGHT])
        told[ENTROPY] -= weight * entropies[k]
        flat_by[chosen] += np.float32(slope / divisor)
        bonuses[k] -= np.float32(settings[ENT_COEF] * weight / n_rows)
    for k in range(n_nodes):
        log_probs, slopes = flat[k * n_columns :][:n_actions], flat_by[k * n_columns :][:n_actions]
        _exponentials(log_probs, _ZERO, powers)
        total = _ZERO
        for j in range(n_actions):
            total += slopes[j]
        for j in range(n_actions):
            pull = total + bonuses[k] * (log_probs[j] + entropies[k])
            slopes[j] -= powers[j] * pull
    average(told, settings, n_rows, divisor)


@entry(types.void(VECTOR, NUMBERS))
def step(memory: np.ndarray, settings: np.ndarray) -> None:
    """Take one step of Adam with what stands in the memory as the gradient.

    Parameters
    ----------
    memory : ndarray of float32, shape (4 * P,)
        Parameters, gradient and moments.
    settings : ndarray of float64
        Those of ``adam`` first; the count of steps grows.
    """
    adam.descend(memory, np.int64(0), settings)
