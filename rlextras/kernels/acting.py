"""Run an actor and a critic on observations."""

import numpy as np
from numba import types

from rlextras.kernels.compiler import MATRIX, TABLE, VECTOR, entry, kernel
from rlextras.kernels.heads import choose, measure, ready
from rlextras.kernels.network import forward, place, workspace
from rlextras.kernels.plan import CATEGORICAL, KIND, N_ACTOR, N_IN, N_LAYERS, N_PARTS, SIZE
from rlextras.kernels.tiles import padded

CHUNK = 64  # samples that run side by side
_padded = kernel()(padded)


@kernel()
def _choose_all(
    theta: np.ndarray, plan: np.ndarray, outputs: np.ndarray, noise: np.ndarray, room: tuple
) -> None:
    """Actions of a chunk of samples, and their log-probabilities where asked."""
    out, start, n, ld = room
    n_parts, first, is_choice = (
        plan[0, N_PARTS],
        1 + plan[0, N_LAYERS],
        plan[0, KIND] == CATEGORICAL,
    )
    place_of_part = np.int64(0)  # of no literal type: one signature below
    for k in range(n_parts):
        step = plan[first + k, SIZE] if is_choice else n_parts
        noise_at = (place_of_part if is_choice else 0) * len(out) + start * step
        noise_at += 0 if is_choice else k
        for b in range(n):
            at = (b, ld, k, place_of_part, noise_at, step)
            out[start + b, k] = choose(theta, plan, outputs, noise, at)
        place_of_part += plan[first + k, SIZE]
    if out.shape[1] > n_parts:
        for b in range(n):
            action = out[start + b, :n_parts]
            log_prob, _ = measure(theta, plan, outputs, action, (b, ld))
            out[start + b, n_parts + 1] = log_prob


@entry(types.void(VECTOR, TABLE, MATRIX, VECTOR, MATRIX))
def act(
    theta: np.ndarray,
    plan: np.ndarray,
    observations: np.ndarray,
    noise: np.ndarray,
    out: np.ndarray,
) -> None:
    """Choose actions; with their values and log-probabilities if there is room for them.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters.
    plan : ndarray of int64
        The table.
    observations : ndarray of float32, shape (n, n_in)
        What is seen.
    noise : ndarray of float32
        Random numbers as ``heads.choose`` wants them; empty for the most likely actions.
    out : ndarray of float32, shape (n, parts) or (n, parts + 2)
        Becomes the actions, then V(s), then log π(a|s).
    """
    n, n_parts, n_in = len(observations), plan[0, N_PARTS], plan[1, N_IN]
    ld = min(CHUNK, _padded(n))
    units = workspace(plan, ld)
    for start in range(0, n, ld):
        chosen = np.arange(start, min(n, start + ld))
        place(observations, chosen, units, n_in, ld)
        if out.shape[1] > n_parts:
            at = forward(theta, plan, (1 + plan[0, N_ACTOR], 1 + plan[0, N_LAYERS]), units, ld)
            for b in range(chosen.size):
                out[start + b, n_parts] = units[at + b]
        at = forward(theta, plan, (np.int64(1), 1 + plan[0, N_ACTOR]), units, ld)
        ready(plan, units[at:], chosen.size, ld)
        _choose_all(theta, plan, units[at:], noise, (out, start, chosen.size, ld))


@entry(types.void(VECTOR, TABLE, MATRIX, VECTOR))
def judge(
    theta: np.ndarray, plan: np.ndarray, observations: np.ndarray, values: np.ndarray
) -> None:
    """Value of observations.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters.
    plan : ndarray of int64
        The table.
    observations : ndarray of float32, shape (n, n_in)
        What is seen.
    values : ndarray of float32, shape (n,)
        Becomes V(s).
    """
    n, n_in = len(observations), plan[1, N_IN]
    ld = min(CHUNK, _padded(n))
    units = workspace(plan, ld)
    for start in range(0, n, ld):
        chosen = np.arange(start, min(n, start + ld))
        place(observations, chosen, units, n_in, ld)
        at = forward(theta, plan, (1 + plan[0, N_ACTOR], 1 + plan[0, N_LAYERS]), units, ld)
        for b in range(chosen.size):
            values[start + b] = units[at + b]
