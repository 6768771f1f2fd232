"""Epochs of minibatches: PPO's, of actor and critic, and TRPO's, of the critic alone."""

import math
from typing import Any

import numpy as np
from numba import types

from rlextras.kernels.adam import descend
from rlextras.kernels.compiler import MATRIX, NUMBERS, TABLE, VECTOR, entry, kernel
from rlextras.kernels.heads import measure, ready, slope
from rlextras.kernels.network import backward, forget, forward, place, workspace
from rlextras.kernels.plan import (
    GAUSSIAN,
    KIND,
    N_ACTOR,
    N_IN,
    N_LAYERS,
    N_OUT,
    N_PARAMETERS,
    N_PARTS,
    WEIGHT,
)
from rlextras.kernels.tiles import padded

BATCH_SIZE, CLIP_RANGE, CLIP_RANGE_VF, ENT_COEF, VF_COEF, MAX_KL, IS_NORMALIZED, HAS_ACTOR = range(
    6, 14
)
"""Places in the settings of an epoch, behind Adam's; CLIP_RANGE_VF and MAX_KL may be infinite."""
N_SETTINGS = 14

ADVANTAGE, RETURN, LOG_PROB, VALUE = range(4)
"""Columns of a rollout's rows behind observation and action."""

SURROGATE, CRITIC, ENTROPY, CLIPPED, KL, LOSS = range(6)
"""Columns of what an epoch returns, one row a minibatch: losses, share of clipped steps, KL."""


@kernel()
def _scale(rows: np.ndarray, start: int, n: int, column: int, is_normalized: bool) -> tuple:
    """Mean and standard deviation of Â over a minibatch; 0 and 1 if they are not asked for."""
    mean, variance = 0.0, 0.0
    if not is_normalized or n == 1:
        return mean, 1.0
    for b in range(start, start + n):
        mean += rows[b, column] / n
    for b in range(start, start + n):
        variance += (rows[b, column] - mean) ** 2 / (n - 1)
    return mean, math.sqrt(variance) + 1e-8


@kernel()
def _actor_losses(
    memory: np.ndarray,
    plan: np.ndarray,
    rows: np.ndarray,
    work: np.ndarray,
    settings: np.ndarray,
    told: np.ndarray,
    at: tuple,
) -> None:
    """Tell -L^CLIP, -S, share clipped and KL of a minibatch; and its gradient by the outputs."""
    start, n, place, ld = at
    n_parts, n_in = plan[0, N_PARTS], plan[1, N_IN]
    notes = n_in + n_parts
    mean, deviation = _scale(rows, start, n, notes + ADVANTAGE, settings[IS_NORMALIZED] > 0)
    clip_range, by_entropy = settings[CLIP_RANGE], np.float32(-settings[ENT_COEF] / n)
    surrogate, entropies, n_clipped, kl = 0.0, 0.0, 0.0, 0.0
    if plan[0, KIND] == GAUSSIAN:
        for k in range(n_parts):
            memory[plan[0, N_PARAMETERS] + k] = np.float32(0.0)
    for b in range(n):
        where = (start + b, n_in, place + b, ld)
        log_prob, entropy = measure(memory, plan, work, rows, where)
        log_ratio = np.float64(log_prob - rows[start + b, notes + LOG_PROB])  # log ρ_t
        ratio = math.exp(log_ratio)
        advantage: Any = np.float32((rows[start + b, notes + ADVANTAGE] - mean) / deviation)
        bound = 1.0 + math.copysign(clip_range, log_ratio)
        is_clipped = abs(ratio - 1.0) > clip_range
        plain = ratio * advantage
        bounded = bound * advantage if is_clipped else plain
        is_plain = plain <= bounded
        surrogate += plain if is_plain else bounded
        entropies += entropy
        n_clipped += is_clipped
        kl += (ratio - 1.0) - log_ratio
        by_log_prob = np.float32(-plain / n if is_plain else 0.0)
        slope(memory, plan, work, rows, where, (by_log_prob, by_entropy))
    told[SURROGATE], told[ENTROPY] = -surrogate / n, -entropies / n
    told[CLIPPED], told[KL] = n_clipped / n, kl / n


@kernel()
def _critic_loss(
    plan: np.ndarray,
    rows: np.ndarray,
    work: np.ndarray,
    settings: np.ndarray,
    told: np.ndarray,
    at: tuple,
) -> None:
    """Tell L^VF of a minibatch; and its gradient by the outputs."""
    start, n, place, _ = at
    notes, size = plan[1, N_IN] + plan[0, N_PARTS], work.size // 2
    limit, weight, total = settings[CLIP_RANGE_VF], 2.0 * settings[VF_COEF] / n, 0.0
    for b in range(n):
        target, old = rows[start + b, notes + RETURN], rows[start + b, notes + VALUE]
        moved = np.float64(work[place + b] - old)
        is_free = abs(moved) <= limit
        value = np.float64(work[place + b]) if is_free else old + math.copysign(limit, moved)
        error = value - target
        total += error * error / n
        work[size + place + b] = np.float32(weight * error if is_free else 0.0)
    told[CRITIC] = total


@entry(types.int64(VECTOR, TABLE, MATRIX, VECTOR, NUMBERS, types.float64[:, ::1], types.int64))
def _epoch(
    memory: np.ndarray,
    plan: np.ndarray,
    rows: np.ndarray,
    work: np.ndarray,
    settings: np.ndarray,
    told: np.ndarray,
    ld: int,
) -> int:
    """Run the minibatches that stand in ``rows``; how many did."""
    n_in, n_actor, has_actor = plan[1, N_IN], 1 + plan[0, N_ACTOR], settings[HAS_ACTOR] > 0
    size, end = np.int64(settings[BATCH_SIZE]), 1 + plan[0, N_LAYERS]
    for k in range(len(told)):
        start, notes = k * size, told[k]
        n = min(size, len(rows) - start)
        place(rows, start, n, work, (n_in, ld))
        for is_critic in range(0 if has_actor else 1, 2):  # one pass in the code for both
            first, last = (n_actor, end) if is_critic else (np.int64(1), n_actor)
            at = forward(memory, plan, (first, last), work, ld)
            where = (start, n, at, ld)
            if is_critic:
                _critic_loss(plan, rows, work, settings, notes, where)
            else:
                ready(plan, work, at, n, ld)
                _actor_losses(memory, plan, rows, work, settings, notes, where)
            forget(work, work.size // 2 + at, plan[last - 1, N_OUT], n, ld)
            backward(memory, plan, (first, last), work, ld)
        notes[LOSS] = notes[SURROGATE] + settings[VF_COEF] * notes[CRITIC]
        notes[LOSS] += settings[ENT_COEF] * notes[ENTROPY]
        if notes[KL] > settings[MAX_KL]:
            return k + 1
        descend(memory, np.int64(0) if has_actor else plan[n_actor, WEIGHT], settings)
    return len(told)


def epoch(
    memory: np.ndarray,
    plan: np.ndarray,
    rollout: np.ndarray,
    order: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """One pass over a rollout: descend -(L^CLIP - c₁ L^VF + c₂ S) minibatch by minibatch.

    Eq. 9 of [1]_ with its sign turned. The pass ends before the step of a minibatch whose KL
    divergence (estimated as the mean of ρ_t - 1 - log ρ_t) exceeds MAX_KL. Without HAS_ACTOR it
    descends c₁ L^VF alone, and the actor's numbers stay.

    Parameters
    ----------
    memory : ndarray of float32, shape (4, P)
        Parameters, gradient and Adam's moments.
    plan : ndarray of int64
        The table.
    rollout : ndarray of float32, shape (N, n_in + parts + 4)
        Observation, action, advantage, return, log-probability and value of each step.
    order : ndarray of int64, shape (N,)
        The steps in the order of their minibatches.
    settings : ndarray of float64, shape (N_SETTINGS,)
        The numbers named above, and Adam's.

    Returns
    -------
    ndarray of float64, shape (minibatches, 6)
        What each minibatch tells of itself.

    References
    ----------
    .. [1] J. Schulman et al., "Proximal Policy Optimization Algorithms", 2017,
       https://arxiv.org/abs/1707.06347.
    """
    size = min(int(settings[BATCH_SIZE]), len(order))
    ld = padded(size)
    work, told = workspace(plan, ld, 2), np.zeros((-(-len(order) // size), 6))
    rows = rollout.take(order, axis=0)
    return told[: _epoch(memory.reshape(-1), plan, rows, work, settings, told, ld)]
