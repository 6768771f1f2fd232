"""Epochs of minibatches of an actor without a critic: GRPO's objectives, by step or by episode.

A minibatch runs through the network in chunks, whose gradients add up, so that it may be as long as
its episodes are.
"""

from typing import Any

import numpy as np
from numba import types

from rlextras.kernels.adam import descend
from rlextras.kernels.compiler import INDICES, MATRIX, NUMBERS, TABLE, VECTOR, entry, kernel
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

CHUNK = 256
"""Steps that run side by side at most."""


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
    n_episodes = sum_episodes(lengths, ratios, (first, last, first_episode))
    if settings[MODE] == SEQUENCE:
        share_episodes(rows, lengths, ratios, settings, (first, first_episode, n_episodes, notes))
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
        by = by_log_prob(rows, ratios, settings, told, (start + b, notes, log_prob))
        weight = np.float64(rows[start + b, notes + WEIGHT])
        told[ENTROPY] -= weight * entropy
        by_entropy = np.float32(-settings[ENT_COEF] * weight / n_rows)
        slope(memory, plan, work, rows, where, (np.float32(by / divisor), by_entropy))
    forget(work, work.size // 2 + to, plan[plan[0, N_ACTOR], N_OUT], n, ld)
    backward(memory, plan, (np.int64(1), 1 + plan[0, N_ACTOR]), work, ld)


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
        average(told[k], settings, n_rows, divisor)
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
