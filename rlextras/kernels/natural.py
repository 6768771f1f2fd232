"""Gradient, Fisher products and trials of a trust region step, for the actor of a plan.

Rows run through the network in chunks; a pass over all of them gives a mean over all of them.
"""

import math

import numpy as np
from numba import types

from rlextras.kernels.activations import from_bits, scale_by_derivative
from rlextras.kernels.compiler import MATRIX, TABLE, VECTOR, entry, kernel
from rlextras.kernels.heads import measure, ready, slope
from rlextras.kernels.network import backward, forget, forward, place
from rlextras.kernels.plan import (
    ACTIVATION,
    BERNOULLI,
    BIAS,
    CATEGORICAL,
    GAUSSIAN,
    KIND,
    N_ACTOR,
    N_IN,
    N_LAYERS,
    N_OUT,
    N_PARAMETERS,
    N_PARTS,
    SIZE,
    SLOPE,
    WEIGHT,
)
from rlextras.kernels.tiles import add_product

CHUNK = 128
"""Samples that run side by side; the columns of the workspaces here."""
ADVANTAGE, LOG_PROB = 0, 2
"""Columns of a rollout's rows behind observation and action, as in ``clipped``."""

_ZERO, _ONE, _TWO, _HALF = (np.float32(x) for x in (0.0, 1.0, 2.0, 0.5))


@kernel()
def _run(
    theta: np.ndarray, plan: np.ndarray, rollout: np.ndarray, start: int, units: np.ndarray
) -> tuple:
    """Run the actor on a chunk of rows; how many they are, and where its outputs stand."""
    n, ld = min(np.int64(CHUNK), len(rollout) - start), np.int64(CHUNK)
    place(rollout, start, n, units, (plan[1, N_IN], ld))
    at = forward(theta, plan, (np.int64(1), 1 + plan[0, N_ACTOR]), units, ld)
    return n, at


@kernel()
def _collect(
    memory: np.ndarray, plan: np.ndarray, work: np.ndarray, at: tuple, total: np.ndarray
) -> None:
    """Add the gradient of a chunk to a total; ``work`` holds that by the outputs of n samples."""
    n, place_of_outputs = at
    end, ld, to = 1 + plan[0, N_ACTOR], np.int64(CHUNK), plan[0, N_PARAMETERS]
    forget(work, work.size // 2 + place_of_outputs, plan[end - 1, N_OUT], n, ld)
    backward(memory, plan, (np.int64(1), end), work, ld)
    gradient = memory[to : to + total.size]
    for i in range(total.size):
        total[i] += gradient[i]


@entry(types.void(VECTOR, TABLE, MATRIX, VECTOR, VECTOR))
def ascent(
    memory: np.ndarray, plan: np.ndarray, rollout: np.ndarray, work: np.ndarray, out: np.ndarray
) -> None:
    """Gradient of the mean of ρ_t Â_t by the actor's numbers, with ρ_t as it stands.

    Parameters
    ----------
    memory : ndarray of float32
        The parameters, then as many numbers that are overwritten.
    plan : ndarray of int64
        The table.
    rollout : ndarray of float32, shape (N, n_in + parts + 4)
        Observation, action, advantage, return, log-probability and value of each step.
    work : ndarray of float32, one dimension
        Two workspaces of ``CHUNK`` columns.
    out : ndarray of float32, shape (P_actor,)
        Becomes the gradient.
    """
    n_rows, n_in = len(rollout), plan[1, N_IN]
    notes, ld = n_in + plan[0, N_PARTS], np.int64(CHUNK)
    for i in range(out.size):
        out[i] = _ZERO
    for start in range(0, n_rows, CHUNK):
        n, at = _run(memory, plan, rollout, start, work)
        ready(plan, work, at, n, ld)
        for k in range(plan[0, N_PARTS] * (plan[0, KIND] == GAUSSIAN)):
            memory[plan[0, N_PARAMETERS] + k] = _ZERO
        for b in range(n):
            row = start + b
            where = (row, n_in, at + b, ld)
            log_prob, _ = measure(memory, plan, work, rollout, where)
            ratio = math.exp(log_prob - rollout[row, notes + LOG_PROB])
            weight = np.float32(ratio * rollout[row, notes + ADVANTAGE] / n_rows)
            slope(memory, plan, work, rollout, where, (weight, _ZERO))
        _collect(memory, plan, work, (n, at), out)


@kernel()
def _tangent(theta: np.ndarray, plan: np.ndarray, direction: np.ndarray, work: np.ndarray) -> None:
    """Change of all units for a change of the parameters: forward mode, beside ``forward``."""
    size, ld = work.size // 2, np.int64(CHUNK)  # the changes stand behind the units
    x_at, one = np.int64(0), np.int64(1)
    for i in range(1, 1 + plan[0, N_ACTOR]):
        n_in, n_out, weight = plan[i, N_IN], plan[i, N_OUT], plan[i, WEIGHT]
        out_at = x_at + n_in * ld
        for r in range(n_out):
            for k in range(size + out_at + r * ld, size + out_at + (r + 1) * ld):
                work[k] = direction[plan[i, BIAS] + r]
        shape = (n_out, n_in, one, n_in, ld)
        add_product(work, direction, work, (size + out_at, weight, x_at), shape)
        if i > 1:
            add_product(work, theta, work, (size + out_at, weight, size + x_at), shape)
        end = out_at + n_out * ld
        kind, bend = plan[i, ACTIVATION], from_bits(plan[i, SLOPE])
        scale_by_derivative(work[size + out_at : size + end], work[out_at:end], kind, bend)
        x_at = out_at


@kernel()
def _curve(
    theta: np.ndarray, plan: np.ndarray, work: np.ndarray, at: tuple, weight: np.float32
) -> None:
    """Turn changes of the outputs into the Fisher matrix of the distribution times them."""
    n, place_of_outputs = at
    size, kind, ld = work.size // 2, plan[0, KIND], np.int64(CHUNK)
    start = place_of_outputs
    for k in range(plan[0, N_PARTS]):
        stop = start + plan[1 + plan[0, N_LAYERS] + k, SIZE] * ld
        for b in range(n):
            if kind == CATEGORICAL:  # p (v - pᵀv); outputs are log p
                mean = _ZERO
                for j in range(start + b, stop, ld):
                    mean += math.exp(work[j]) * work[size + j]
                for j in range(start + b, stop, ld):
                    work[size + j] = weight * math.exp(work[j]) * (work[size + j] - mean)
            elif kind == BERNOULLI:  # p (1 - p) v
                p = _ONE / (_ONE + math.exp(-work[start + b]))
                work[size + start + b] *= weight * p * (_ONE - p)
            else:  # v / σ²
                work[size + start + b] *= weight * math.exp(-_TWO * theta[k])
        start = stop


@entry(types.void(VECTOR, TABLE, MATRIX, VECTOR, VECTOR, VECTOR))
def fisher_product(
    memory: np.ndarray,
    plan: np.ndarray,
    rollout: np.ndarray,
    work: np.ndarray,
    direction: np.ndarray,
    out: np.ndarray,
) -> None:
    """Mean Fisher matrix of the policy times a vector: Jᵀ M J v, one pass over the rollout.

    J is the derivative of the outputs by the actor's numbers, applied in forward mode, M the Fisher
    matrix of the distribution by its outputs in closed form, Jᵀ the backward pass ([1]_,
    appendix C.1).

    Parameters
    ----------
    memory : ndarray of float32
        The parameters, then as many numbers that are overwritten.
    plan : ndarray of int64
        The table.
    rollout : ndarray of float32, shape (N, at least n_in)
        Observations in the first columns.
    work : ndarray of float32, one dimension
        Two workspaces of ``CHUNK`` columns.
    direction : ndarray of float32, shape (P_actor,)
        v.
    out : ndarray of float32, shape (P_actor,)
        Becomes F v.

    References
    ----------
    .. [1] J. Schulman et al., "Trust Region Policy Optimization", ICML 2015,
       https://arxiv.org/abs/1502.05477.
    """
    n_rows = len(rollout)
    for i in range(out.size):
        out[i] = _ZERO
    for start in range(0, n_rows, CHUNK):
        here = _run(memory, plan, rollout, start, work)
        _tangent(memory, plan, direction, work)
        n, at = here
        ready(plan, work, at, n, np.int64(CHUNK))
        _curve(memory, plan, work, here, np.float32(1.0 / n_rows))
        _collect(memory, plan, work, here, out)
    for k in range(plan[0, N_PARTS] * (plan[0, KIND] == GAUSSIAN)):
        out[k] = _TWO * direction[k]  # of log σ: 2 per coordinate


@kernel()
def _divergence(
    theta: np.ndarray, plan: np.ndarray, units: np.ndarray, old: np.ndarray, at: tuple
) -> float:
    """KL(old || new) of one sample; ``old`` holds outputs made ready, then log σ."""
    row, place_of_outputs = at
    total, start, n_out = 0.0, np.int64(0), old.shape[1] - plan[0, N_PARTS]
    for k in range(plan[0, N_PARTS]):
        stop = start + plan[1 + plan[0, N_LAYERS] + k, SIZE]
        z, y = units[place_of_outputs + start * CHUNK], old[row, start]
        if plan[0, KIND] == CATEGORICAL:
            for j in range(start, stop):
                before = old[row, j]
                total += math.exp(before) * (before - units[place_of_outputs + j * CHUNK])
        elif plan[0, KIND] == BERNOULLI:
            p = _ONE / (_ONE + math.exp(-y))
            softplus = max(z, _ZERO) + math.log1p(math.exp(-abs(z)))
            total += softplus - max(y, _ZERO) - math.log1p(math.exp(-abs(y))) + p * (y - z)
        else:
            before, now = old[row, n_out + k], theta[k]
            distance = (y - z) * math.exp(-now)
            spread = math.exp(_TWO * (before - now))
            total += now - before + _HALF * (spread + distance * distance - _ONE)
        start = stop
    return total


@entry(types.UniTuple(types.float64, 2)(VECTOR, TABLE, MATRIX, VECTOR, MATRIX, types.boolean))
def weigh(
    theta: np.ndarray,
    plan: np.ndarray,
    rollout: np.ndarray,
    work: np.ndarray,
    old: np.ndarray,
    is_old: bool,
) -> tuple:
    """Mean of ρ_t Â_t, and mean divergence from the old policy.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters, and what may follow them.
    plan : ndarray of int64
        The table.
    rollout : ndarray of float32, shape (N, n_in + parts + 4)
        Observation, action, advantage, return, log-probability and value of each step.
    work : ndarray of float32, one dimension
        A workspace of ``CHUNK`` columns, or more.
    old : ndarray of float32, shape (N, outputs + parts)
        What the old policy put out.
    is_old : bool
        Whether this is the old policy: ``old`` is written then.

    Returns
    -------
    tuple of (float, float)
        Objective and divergence, the latter 0 for the old policy.
    """
    n_rows, n_in, ld = len(rollout), plan[1, N_IN], np.int64(CHUNK)
    notes, n_out = n_in + plan[0, N_PARTS], old.shape[1] - plan[0, N_PARTS]
    objective, divergence = 0.0, 0.0
    for start in range(0, n_rows, CHUNK):
        n, at = _run(theta, plan, rollout, start, work)
        ready(plan, work, at, n, ld)
        for b in range(n):
            row, place_of_outputs = start + b, at + b
            if is_old:
                for j in range(n_out):
                    old[row, j] = work[place_of_outputs + j * ld]
                for k in range(plan[0, N_PARTS]):
                    old[row, n_out + k] = theta[k]
            log_prob, _ = measure(theta, plan, work, rollout, (row, n_in, place_of_outputs, ld))
            ratio = math.exp(np.float64(log_prob - rollout[row, notes + LOG_PROB]))
            objective += ratio * rollout[row, notes + ADVANTAGE]
            divergence += _divergence(theta, plan, work, old, (row, place_of_outputs))
    return objective / n_rows, divergence / n_rows
