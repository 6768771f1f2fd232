"""Run an actor and a critic on observations."""

from typing import Any

import numpy as np
from numba import types

from rlextras.kernels.compiler import MATRIX, TABLE, VECTOR, entry, kernel
from rlextras.kernels.heads import choose, measure, ready
from rlextras.kernels.network import forward, place, workspace
from rlextras.kernels.plan import (
    ACTIONS,
    CATEGORICAL,
    KIND,
    N_ACTOR,
    N_IN,
    N_LAYERS,
    N_PARTS,
    SIZE,
    VALUES,
)
from rlextras.kernels.tiles import padded

# Samples that run side by side; of no literal type, so that there is one signature below.
CHUNK: int = np.int64(64)  # type: ignore[assignment]
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


@kernel()
def _forward_chunk(
    theta: np.ndarray, plan: np.ndarray, observations: np.ndarray, work: tuple, is_critic: bool
) -> Any:
    """Run the actor or the critic on a chunk; where its outputs stand."""
    units, chosen, ld = work
    place(observations, chosen, units, plan[1, N_IN], ld)
    start = 1 + plan[0, N_ACTOR] if is_critic else np.int64(1)
    stop = 1 + plan[0, N_LAYERS] if is_critic else 1 + plan[0, N_ACTOR]
    return forward(theta, plan, (start, stop), units, ld)


@entry(types.void(VECTOR, TABLE, MATRIX, VECTOR, MATRIX, types.int64))
def act(  # noqa: PLR0917  # a compiled entry takes its arguments by position
    theta: np.ndarray,
    plan: np.ndarray,
    observations: np.ndarray,
    noise: np.ndarray,
    out: np.ndarray,
    asked: int,
) -> None:
    """Choose actions, value observations, or both.

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
    out : ndarray of float32, shape (n, parts), (n, 1) or (n, parts + 2)
        Becomes the actions; or V(s); or the actions, V(s) and log π(a|s).
    asked : int
        ACTIONS, VALUES, or their sum.
    """
    n, n_parts = len(observations), plan[0, N_PARTS]
    ld = min(CHUNK, _padded(n))
    units, order = workspace(plan, ld), np.empty(n, np.int64)
    for b in range(n):
        order[b] = b
    for start in range(0, n, ld):
        chosen = order[start : start + ld]
        for is_critic in range(2):  # one forward pass in the code for both
            if asked & (VALUES if is_critic else ACTIONS) == 0:
                continue
            work = (units, chosen, ld)
            outputs = units[_forward_chunk(theta, plan, observations, work, is_critic > 0) :]
            if is_critic:
                column = n_parts if asked & ACTIONS else np.int64(0)
                for b in range(chosen.size):
                    out[start + b, column] = outputs[b]
            else:
                ready(plan, outputs, chosen.size, ld)
                _choose_all(theta, plan, outputs, noise, (out, start, chosen.size, ld))
