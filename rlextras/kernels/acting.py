"""Run an actor and a critic on observations."""

import numpy as np
from numba import types

from rlextras.kernels.compiler import MATRIX, TABLE, VECTOR, entry, kernel
from rlextras.kernels.heads import choose, measure, ready
from rlextras.kernels.network import forward, place
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
from rlextras.kernels.tiles import FEW, padded

CHUNK = 64
"""Samples that run side by side at most."""


def columns(n: int) -> int:
    """Columns of the workspace that n samples take, chunk by chunk.

    Parameters
    ----------
    n : int
        Samples.

    Returns
    -------
    int
        1 for few, otherwise a multiple of ``tiles.LANES``.
    """
    return 1 if n <= FEW else min(CHUNK, padded(n))


@kernel()
def _choose_all(
    theta: np.ndarray,
    plan: np.ndarray,
    units: np.ndarray,
    noise: np.ndarray,
    out: np.ndarray,
    at: tuple,
) -> None:
    """Actions of a chunk of samples, and their log-probabilities where asked."""
    start, n, place, ld = at
    n_parts, first = plan[0, N_PARTS], 1 + plan[0, N_LAYERS]
    is_choice, to, n_before = plan[0, KIND] == CATEGORICAL, place, np.int64(0)
    for k in range(n_parts):
        size = plan[first + k, SIZE]
        here, step = (
            (n_before * len(out) + start * size, size)
            if is_choice
            else (start * n_parts + k, n_parts)
        )
        for b in range(n):
            out[start + b, k] = choose(theta, plan, units, noise, (k, to + b, ld, here + b * step))
        n_before += size
        to += size * ld
    if out.shape[1] > n_parts:
        for b in range(n):
            where = (start + b, np.int64(0), place + b, ld)
            log_prob, _ = measure(theta, plan, units, out, where)
            out[start + b, n_parts + 1] = log_prob


@entry(types.void(VECTOR, TABLE, MATRIX, VECTOR, MATRIX, VECTOR, types.int64, types.int64))
def act(
    theta: np.ndarray,
    plan: np.ndarray,
    observations: np.ndarray,
    noise: np.ndarray,
    out: np.ndarray,
    units: np.ndarray,
    ld: int,
    asked: int,
) -> None:
    """Choose actions, value observations, or both.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters, and what may follow them.
    plan : ndarray of int64
        The table.
    observations : ndarray of float32, shape (n, n_in)
        What is seen.
    noise : ndarray of float32
        Random numbers as ``heads.choose`` wants them; empty for the most likely actions.
    out : ndarray of float32, shape (n, parts), (n, 1) or (n, parts + 2)
        Becomes the actions; or V(s); or the actions, V(s) and log π(a|s).
    units : ndarray of float32, one dimension
        A workspace of ``ld`` columns.
    ld : int
        Samples that run side by side, as ``columns`` has it.
    asked : int
        ACTIONS, VALUES, or their sum.
    """
    n, n_parts, n_actor, n_in = (
        len(observations),
        plan[0, N_PARTS],
        1 + plan[0, N_ACTOR],
        plan[1, N_IN],
    )
    for start in range(0, n, ld):
        n_here = min(ld, n - start)
        place(observations, start, n_here, units, (n_in, ld))
        for is_critic in range(2):  # one forward pass in the code for both
            if asked & (VALUES if is_critic else ACTIONS) == 0:
                continue
            layers = (n_actor, 1 + plan[0, N_LAYERS]) if is_critic else (np.int64(1), n_actor)
            at = forward(theta, plan, layers, units, ld)
            if is_critic:
                column = n_parts if asked & ACTIONS else np.int64(0)
                for b in range(n_here):
                    out[start + b, column] = units[at + b]
            else:
                ready(plan, units, at, n_here, ld)
                _choose_all(theta, plan, units, noise, out, (start, n_here, at, ld))
