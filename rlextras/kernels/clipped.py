"""Epochs of minibatches: PPO's, of actor and critic, and TRPO's, of the critic alone."""

import numpy as np
from numba import types

from rlextras.kernels.adam import GRADIENT, THETA, descend
from rlextras.kernels.compiler import INDICES, MATRIX, NUMBERS, TABLE, entry, kernel
from rlextras.kernels.heads import measure, ready, slope
from rlextras.kernels.network import backward, forward, place, workspace
from rlextras.kernels.plan import (
    GAUSSIAN,
    KIND,
    N_ACTOR,
    N_IN,
    N_LAYERS,
    N_OUT,
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

_padded = kernel()(padded)


@kernel()
def _advantages(
    rollout: np.ndarray, rows: np.ndarray, column: int, is_normalized: bool
) -> np.ndarray:
    """Â of some rows, with mean 0 and standard deviation 1 over them if asked."""
    n = rows.size
    values = np.empty(n, np.float32)
    mean = 0.0
    for b in range(n):
        values[b] = rollout[rows[b], column]
        mean += values[b] / n
    if not is_normalized or n == 1:
        return values
    variance = 0.0
    for b in range(n):
        variance += (values[b] - mean) ** 2 / (n - 1)
    deviation = np.sqrt(variance) + 1e-8
    for b in range(n):
        values[b] = (values[b] - mean) / deviation
    return values


@kernel()
def _actor_losses(
    memory: np.ndarray, plan: np.ndarray, batch: tuple, work: tuple, settings: np.ndarray
) -> tuple:
    """-L^CLIP, -S, share clipped and KL of a minibatch; and its gradient by the outputs."""
    rollout, rows = batch
    outputs, deltas, ld = work
    theta, gradient = memory[THETA], memory[GRADIENT]
    n, n_parts, n_in = rows.size, plan[0, N_PARTS], plan[1, N_IN]
    notes = n_in + n_parts
    advantages = _advantages(rollout, rows, notes + ADVANTAGE, settings[IS_NORMALIZED] > 0)
    clip_range = settings[CLIP_RANGE]
    by_entropy = np.float32(-settings[ENT_COEF] / n)
    surrogate, entropies, n_clipped, kl = 0.0, 0.0, 0.0, 0.0
    if plan[0, KIND] == GAUSSIAN:
        for k in range(n_parts):
            gradient[k] = np.float32(0.0)
    for b in range(n):
        action, old = rollout[rows[b], n_in:notes], rollout[rows[b], notes + LOG_PROB]
        log_prob, entropy = measure(theta, plan, outputs, action, (b, ld))
        log_ratio = np.float64(log_prob - old)  # log ρ_t
        ratio = np.exp(log_ratio)
        clipped = min(max(ratio, 1.0 - clip_range), 1.0 + clip_range)
        plain, bounded = ratio * advantages[b], clipped * advantages[b]
        surrogate += min(plain, bounded)
        entropies += entropy
        n_clipped += abs(ratio - 1.0) > clip_range
        kl += np.expm1(log_ratio) - log_ratio
        by_log_prob = np.float32(-plain / n if plain <= bounded else 0.0)
        at = (b, ld, by_log_prob, by_entropy)
        slope((theta, gradient), plan, (outputs, deltas), action, at)
    return -surrogate / n, -entropies / n, n_clipped / n, kl / n


@kernel()
def _critic_loss(plan: np.ndarray, batch: tuple, work: tuple, settings: np.ndarray) -> float:
    """L^VF of a minibatch; and its gradient by the outputs."""
    rollout, rows = batch
    outputs, deltas = work
    n, notes = rows.size, plan[1, N_IN] + plan[0, N_PARTS]
    limit, weight, total = settings[CLIP_RANGE_VF], 2.0 * settings[VF_COEF] / n, 0.0
    for b in range(n):
        target, old = rollout[rows[b], notes + RETURN], rollout[rows[b], notes + VALUE]
        moved = np.float64(outputs[b] - old)
        is_free = abs(moved) <= limit
        value = np.float64(outputs[b]) if is_free else old + np.copysign(limit, moved)
        error = value - target
        total += error * error / n
        deltas[b] = np.float32(weight * error if is_free else 0.0)
    return total


@kernel()
def _forget(deltas: np.ndarray, n_rows: np.int64, n: int, ld: int) -> None:
    """Give the columns beyond n no gradient."""
    for j in range(n_rows):
        for b in range(n, ld):
            deltas[j * ld + b] = np.float32(0.0)


@kernel()
def _turn_actor(
    memory: np.ndarray, plan: np.ndarray, batch: tuple, work: tuple, settings: np.ndarray
) -> tuple:
    """Forward and backward through the actor; what ``_actor_losses`` tells."""
    units, deltas, ld = work
    layers, n = (np.int64(1), 1 + plan[0, N_ACTOR]), batch[1].size
    at = forward(memory[THETA], plan, layers, units, ld)
    ready(plan, units[at:], n, ld)
    losses = _actor_losses(memory, plan, batch, (units[at:], deltas[at:], ld), settings)
    _forget(deltas[at:], plan[plan[0, N_ACTOR], N_OUT], n, ld)
    backward((memory[THETA], memory[GRADIENT]), plan, layers, (units, deltas), ld)
    return losses


@kernel()
def _turn_critic(
    memory: np.ndarray, plan: np.ndarray, batch: tuple, work: tuple, settings: np.ndarray
) -> float:
    """Forward and backward through the critic; its loss."""
    units, deltas, ld = work
    layers = (1 + plan[0, N_ACTOR], 1 + plan[0, N_LAYERS])
    at = forward(memory[THETA], plan, layers, units, ld)
    loss = _critic_loss(plan, batch, (units[at:], deltas[at:]), settings)
    _forget(deltas[at:], np.int64(1), batch[1].size, ld)
    backward((memory[THETA], memory[GRADIENT]), plan, layers, (units, deltas), ld)
    return loss


@entry(types.float64[:, ::1](MATRIX, TABLE, MATRIX, INDICES, NUMBERS))
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
    size = min(int(settings[BATCH_SIZE]), order.size)
    ld, has_actor = _padded(size), settings[HAS_ACTOR] > 0
    start = np.int64(0) if has_actor else plan[1 + plan[0, N_ACTOR], WEIGHT]
    work = (workspace(plan, ld), workspace(plan, ld), ld)
    told = np.zeros((-(-order.size // size), 6), np.float64)
    for k in range(len(told)):
        batch = (rollout, order[k * size : (k + 1) * size])
        place(rollout, batch[1], work[0], plan[1, N_IN], ld)
        if has_actor:
            losses = _turn_actor(memory, plan, batch, work, settings)
            told[k, SURROGATE], told[k, ENTROPY] = losses[0], losses[1]
            told[k, CLIPPED], told[k, KL] = losses[2], losses[3]
        told[k, CRITIC] = _turn_critic(memory, plan, batch, work, settings)
        told[k, LOSS] = told[k, SURROGATE] + settings[VF_COEF] * told[k, CRITIC]
        told[k, LOSS] += settings[ENT_COEF] * told[k, ENTROPY]
        if told[k, KL] > settings[MAX_KL]:
            return told[: k + 1]
        descend(memory, start, settings)
    return told
