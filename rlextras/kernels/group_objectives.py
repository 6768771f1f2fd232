"""GRPO's objectives as kernels: derivatives by the log-probabilities of steps, and their measures.

Rows hold numbers of a step from some column on; settings stand behind those of Adam.
"""

import math
from typing import Any

import numpy as np

from rlextras.kernels.compiler import kernel

CLIP_LOW, CLIP_HIGH, ENT_COEF, BETA, ESTIMATOR, MODE, TAU = range(6, 13)
"""Places in the settings of an epoch, behind Adam's; ESTIMATOR is 1, 2 or 3."""
TOKEN, SEQUENCE, MIRROR = range(3)
"""Modes: the ratio of each step, of each episode, or mirror descent."""

ADVANTAGE, LOG_PROB, REFERENCE, WEIGHT = range(4)
"""Columns of a rollout's rows behind observation and action."""
SURROGATE, ENTROPY, CLIPPED, KL, REFERENCE_KL, LOSS = range(6)
"""Columns of what an epoch returns, one row a minibatch."""


@kernel()
def sum_episodes(lengths: np.ndarray, ratios: np.ndarray, at: tuple) -> int:
    """Give each step the sum over its episode.

    Parameters
    ----------
    lengths : ndarray of int64, shape (M,)
        Steps of each episode.
    ratios : ndarray of float64, shape (2 * B,)
        The numbers of steps stand first, and become the sums.
    at : tuple of (int, int, int)
        First step, the one behind the last, and the episode of the first.

    Returns
    -------
    int
        How many episodes these steps are.
    """
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
def share_episodes(
    rows: np.ndarray, lengths: np.ndarray, ratios: np.ndarray, settings: np.ndarray, at: tuple
) -> None:
    """Turn summed log-ratios into what each step of an episode pushes with: GSPO, eq. 7.

    A step that is not clipped pushes all steps of its episode.

    Parameters
    ----------
    rows : ndarray of float32, two dimensions
        Of B steps.
    lengths : ndarray of int64, shape (M,)
        Steps of each episode.
    ratios : ndarray of float64, shape (2 * B,)
        Summed log-ratios of steps, which become means; then what they push with.
    settings : ndarray of float64
        The numbers named above.
    at : tuple of (int, int, int, int)
        First step, its episode, how many episodes, and the first column.
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
def by_log_prob(
    rows: np.ndarray, ratios: np.ndarray, settings: np.ndarray, told: np.ndarray, at: tuple
) -> Any:
    """Derivative of the loss by a step's log-probability, but for 1/n; tells what it is of.

    Parameters
    ----------
    rows : ndarray of float32, two dimensions
        Of B steps.
    ratios : ndarray of float64, shape (2 * B,)
        What steps know of their episodes; not read with TOKEN.
    settings : ndarray of float64
        The numbers named above.
    told : ndarray of float64, shape (6,)
        Sums of the measures; they grow.
    at : tuple of (int, int, float32)
        The step, the first column, and the log-probability.

    Returns
    -------
    float64
        The derivative.
    """
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
def average(told: np.ndarray, settings: np.ndarray, n_rows: Any, divisor: Any) -> None:
    """Turn sums over a minibatch into means, and put the loss together.

    Parameters
    ----------
    told : ndarray of float64, shape (6,)
        The sums, which become means.
    settings : ndarray of float64
        The numbers named above.
    n_rows : float64
        B.
    divisor : float64
        What the surrogate is a mean over: B, or episodes.
    """
    for j in (ENTROPY, CLIPPED, KL):
        told[j] /= n_rows
    told[SURROGATE] = -told[SURROGATE] / divisor
    told[REFERENCE_KL] /= divisor
    told[LOSS] = told[SURROGATE] + settings[ENT_COEF] * told[ENTROPY]
    told[LOSS] += settings[BETA] * told[REFERENCE_KL]
