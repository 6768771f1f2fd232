"""Epochs of minibatches of an actor without a critic: GRPO's objectives, by step or by episode.

A minibatch runs through the network in chunks, whose gradients add up, so that it may be as long as
its episodes are.
"""

import math
from typing import Any

import numpy as np
from numba import types

from rlextras.kernels.adam import descend
from rlextras.kernels.compiler import INDICES, MATRIX, NUMBERS, TABLE, VECTOR, entry, kernel
from rlextras.kernels.heads import measure, ready, slope
from rlextras.kernels.network import backward, forget, forward, place, workspace
from rlextras.kernels.plan import (
    GAUSSIAN,
    KIND,
    N_ACTOR,
    N_IN,
    N_OUT,
    N_PARAMETERS,
    N_PARTS,
)
from rlextras.kernels.tiles import padded

CLIP_LOW, CLIP_HIGH, ENT_COEF, BETA, ESTIMATOR, MODE, TAU = range(6, 13)
"""Places in the settings of an epoch, behind Adam's; ESTIMATOR is 1, 2 or 3."""
TOKEN, SEQUENCE, MIRROR = range(3)
"""Modes: the ratio of each step, of each episode, or mirror descent."""
CHUNK = 256
"""Steps that run side by side at most."""

ADVANTAGE, LOG_PROB, REFERENCE, WEIGHT = range(4)
"""Columns of a rollout's rows behind observation and action."""
SURROGATE, ENTROPY, CLIPPED, KL, REFERENCE_KL, LOSS = range(6)
"""Columns of what an epoch returns, one row a minibatch."""


@kernel()
def _look(
    memory: np.ndarray, plan: np.ndarray, rows: np.ndarray, work: np.ndarray, at: tuple
) -> Any:
    """Run a chunk through the actor; where its outputs stand."""
    start, n, ld = at
    place(rows, start, n, work, (plan[1, N_IN], ld))
    to = forward(memory, plan, (np.int64(1), 1 + plan[0, N_ACTOR]), work, ld)
    ready(plan, work, to, n, ld)
    return to


@kernel()
def _sum_episodes(lengths: np.ndarray, ratios: np.ndarray, at: tuple) -> int:
    """Give each step the sum over its episode; how many episodes these steps are."""
    first, last, first_episode = at
    start, k = first, first_episode
    while start < last:
        total = 0.0
        for b in range(start, start + lengths[k]):
            total += ratios[b]
        for b in range(start, start + lengths[k]):
            ratios[b] = total
        start += lengths[k]
        k += 1
    return k - first_episode


@kernel()
def _share_episodes(
    rows: np.ndarray, lengths: np.ndarray, ratios: np.ndarray, settings: np.ndarray, at: tuple
) -> None:
    """Turn summed log-ratios into what each step of an episode pushes with: GSPO, eq. 7.

    A step that is not clipped pushes all steps of its episode.
    """
    first, first_episode, n_episodes, notes = at
    low, high = 1.0 - settings[CLIP_LOW], 1.0 + settings[CLIP_HIGH]
    start = first
    for k in range(first_episode, first_episode + n_episodes):
        ratio = math.exp(ratios[start] / lengths[k])
        push = 0.0
        for b in range(start, start + lengths[k]):
            plain = ratio * rows[b, notes + ADVANTAGE]
            if plain <= min(max(ratio, low), high) * rows[b, notes + ADVANTAGE]:
                push += plain * rows[b, notes + WEIGHT]
        for b in range(start, start + lengths[k]):
            ratios[b] /= lengths[k]
            ratios[len(rows) + b] = push / lengths[k]
        start += lengths[k]


@kernel()
def _by_log_prob(
    rows: np.ndarray, ratios: np.ndarray, settings: np.ndarray, told: np.ndarray, at: tuple
) -> Any:
    """Derivative of the loss by a step's log-probability, but for 1/n; tells what it is of."""
    b, notes, log_prob = at
    mode, beta, weight = settings[MODE], settings[BETA], np.float64(rows[b, notes + WEIGHT])
    advantage = np.float64(rows[b, notes + ADVANTAGE])
    own = np.float64(log_prob - rows[b, notes + LOG_PROB])  # log ρ_t
    log_ratio = own if mode == TOKEN else ratios[b]
    ratio = math.exp(own if mode == MIRROR else log_ratio)
    low, high = 1.0 - settings[CLIP_LOW], 1.0 + settings[CLIP_HIGH]
    bounded = min(max(ratio, low), high)
    told[CLIPPED] += 1.0 if bounded != ratio else 0.0
    told[KL] += math.expm1(own) - own
    plain = ratio * advantage
    if mode == MIRROR:
        tau = settings[TAU]
        told[SURROGATE] += weight * (advantage * own - 0.5 * tau * log_ratio * own)
        push = weight * (advantage - tau * log_ratio)
    else:
        told[SURROGATE] += weight * min(plain, bounded * advantage)
        push = weight * plain if plain <= bounded * advantage else 0.0
        if mode == SEQUENCE:
            push = ratios[len(rows) + b]
    away = np.float64(rows[b, notes + REFERENCE] - log_prob)  # log π_ref / π
    if beta != 0.0:
        estimator = settings[ESTIMATOR]
        if estimator == 1.0:
            told[REFERENCE_KL] -= weight * away
            push -= beta * weight
        elif estimator == 2.0:
            told[REFERENCE_KL] += weight * 0.5 * away * away
            push += beta * weight * away
        else:
            told[REFERENCE_KL] += weight * (math.expm1(away) - away)
            push += beta * weight * math.expm1(away)
    return -push


@kernel()
def _weigh_episodes(
    memory: np.ndarray,
    plan: np.ndarray,
    rows: np.ndarray,
    lengths: np.ndarray,
    work: np.ndarray,
    ratios: np.ndarray,
    settings: np.ndarray,
    at: tuple,
) -> int:
    """Compute what the steps of whole episodes need to know of each other; how many these are."""
    first, last, first_episode, ld = at
    n_in = plan[1, N_IN]
    notes = n_in + plan[0, N_PARTS]
    for start in range(first, last, ld):
        n = min(ld, last - start)
        to = _look(memory, plan, rows, work, (start, n, ld))
        for b in range(n):
            log_prob, _ = measure(memory, plan, work, rows, (start + b, n_in, to + b, ld))
            ratios[start + b] = np.float64(log_prob - rows[start + b, notes + LOG_PROB])
    n_episodes = _sum_episodes(lengths, ratios, (first, last, first_episode))
    if settings[MODE] == SEQUENCE:
        _share_episodes(rows, lengths, ratios, settings, (first, first_episode, n_episodes, notes))
    return n_episodes


@kernel()
def _push(
    memory: np.ndarray,
    plan: np.ndarray,
    rows: np.ndarray,
    work: np.ndarray,
    ratios: np.ndarray,
    settings: np.ndarray,
    told: np.ndarray,
    at: tuple,
) -> None:
    """Gradient of the loss of a chunk, into the memory behind the parameters."""
    start, n, ld, n_rows, divisor = at
    n_parts, n_in = plan[0, N_PARTS], plan[1, N_IN]
    notes = n_in + n_parts
    to = _look(memory, plan, rows, work, (start, n, ld))
    if plan[0, KIND] == GAUSSIAN:
        for j in range(n_parts):
            memory[plan[0, N_PARAMETERS] + j] = np.float32(0.0)
    for b in range(n):
        where = (start + b, n_in, to + b, ld)
        log_prob, entropy = measure(memory, plan, work, rows, where)
        by = _by_log_prob(rows, ratios, settings, told, (start + b, notes, log_prob))
        weight = np.float64(rows[start + b, notes + WEIGHT])
        told[ENTROPY] -= weight * entropy
        by_entropy = np.float32(-settings[ENT_COEF] * weight / n_rows)
        slope(memory, plan, work, rows, where, (np.float32(by / divisor), by_entropy))
    forget(work, work.size // 2 + to, plan[plan[0, N_ACTOR], N_OUT], n, ld)
    backward(memory, plan, (np.int64(1), 1 + plan[0, N_ACTOR]), work, ld)


@kernel()
def _average(told: np.ndarray, settings: np.ndarray, n_rows: Any, divisor: Any) -> None:
    """Turn sums over a minibatch into means, and put the loss together."""
    for j in (ENTROPY, CLIPPED, KL):
        told[j] /= n_rows
    told[SURROGATE] = -told[SURROGATE] / divisor
    told[REFERENCE_KL] /= divisor
    told[LOSS] = told[SURROGATE] + settings[ENT_COEF] * told[ENTROPY]
    told[LOSS] += settings[BETA] * told[REFERENCE_KL]


@entry(
    types.void(
        *(VECTOR, TABLE, MATRIX, INDICES, INDICES, VECTOR, VECTOR, NUMBERS, NUMBERS),
        *(types.float64[:, ::1], types.int64),
    )
)
def _epoch(
    memory: np.ndarray,
    plan: np.ndarray,
    rows: np.ndarray,
    cuts: np.ndarray,
    lengths: np.ndarray,
    work: np.ndarray,
    total: np.ndarray,
    ratios: np.ndarray,
    settings: np.ndarray,
    told: np.ndarray,
    ld: int,
) -> None:
    """Run the minibatches that stand in ``rows``."""
    size, mode, first_episode = plan[0, N_PARAMETERS], settings[MODE], np.int64(0)
    for k in range(len(told)):
        first, last, n_episodes = cuts[k], cuts[k + 1], np.int64(0)
        if mode != TOKEN:
            where = (first, last, first_episode, ld)
            n_episodes = _weigh_episodes(memory, plan, rows, lengths, work, ratios, settings, where)
            first_episode += n_episodes
        n_rows = np.float64(last - first)
        divisor = np.float64(n_episodes) if mode == MIRROR else n_rows  # a mean over episodes
        total[:] = np.float32(0.0)
        for start in range(first, last, ld):
            n = min(ld, last - start)
            at = (start, n, ld, n_rows, divisor)
            _push(memory, plan, rows, work, ratios, settings, told[k], at)
            for j in range(size):
                total[j] += memory[size + j]
        memory[size : 2 * size] = total
        _average(told[k], settings, n_rows, divisor)
        descend(memory, np.int64(0), settings)


def epoch(
    memory: np.ndarray,
    plan: np.ndarray,
    rows: np.ndarray,
    cuts: np.ndarray,
    lengths: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """One pass over the minibatches of a rollout: descend an objective of GRPO in each.

    Step by step: mean_b -w_b (min(ρ Â, clip(ρ, 1-ε_low, 1+ε_high) Â) + c S - β KL_ref), eq. 3 of
    [1]_; SEQUENCE has the ratio of the whole episode, (Π_t ρ_t)^{1/|o|}; MIRROR has
    -w (Â L - τ/2 L²) with L = Σ_t log ρ_t, averaged over episodes, as is its divergence.

    Parameters
    ----------
    memory : ndarray of float32, shape (4, P)
        Parameters, gradient and Adam's moments.
    plan : ndarray of int64
        The table; without a critic.
    rows : ndarray of float32, shape (B, n_in + parts + 4)
        Observation, action, advantage, log-probability, that of the reference, and weight of each
        step, in the order of the minibatches.
    cuts : ndarray of int64, shape (minibatches + 1,)
        Where the minibatches begin, and B.
    lengths : ndarray of int64, shape (M,)
        Of the episodes, which stand one after the other and lie within a minibatch; not read where
        the ratio is that of a step.
    settings : ndarray of float64, shape (13,)
        The numbers named above, behind Adam's; the count of steps grows.

    Returns
    -------
    ndarray of float64, shape (minibatches, 6)
        What each minibatch tells of itself.

    References
    ----------
    .. [1] Z. Shao et al., "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open
       Language Models", 2024, https://arxiv.org/abs/2402.03300.
    """
    ld = padded(min(CHUNK, int(np.diff(cuts).max())))
    told = np.zeros((len(cuts) - 1, 6))
    room = (
        workspace(plan, ld, 2),
        np.zeros(plan[0, N_PARAMETERS], np.float32),
        np.zeros(2 * len(rows)),
    )
    _epoch(memory.reshape(-1), plan, rows, cuts, lengths, *room, settings, told, ld)
    return told
