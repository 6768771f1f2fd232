"""Gradient, Fisher products and trials of a trust region step, for the actor of a plan.

Rows run through the network in chunks; a pass over all of them gives a mean over all of them.
"""

import numpy as np
from numba import types

from rlextras.kernels.activations import from_bits, scale_by_derivative
from rlextras.kernels.compiler import MATRIX, TABLE, VECTOR, entry, kernel
from rlextras.kernels.heads import measure, ready, slope
from rlextras.kernels.network import backward, forward, place, workspace
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
    N_PARTS,
    SIZE,
    SLOPE,
    WEIGHT,
)
from rlextras.kernels.tiles import add_product

# Of no literal type: one signature of what it is handed to.
CHUNK: int = np.int64(128)  # type: ignore[assignment]
ADVANTAGE, LOG_PROB = 0, 2
"""Columns of a rollout's rows behind observation and action, as in ``clipped``."""

_ZERO, _ONE, _TWO, _HALF = (np.float32(x) for x in (0.0, 1.0, 2.0, 0.5))


@kernel()
def _run(
    theta: np.ndarray, plan: np.ndarray, rollout: np.ndarray, start: int, units: np.ndarray
) -> int:
    """Run the actor on a chunk of rows; where its outputs stand."""
    chosen = np.empty(min(len(rollout) - start, CHUNK), np.int64)
    for b in range(chosen.size):
        chosen[b] = start + b
    place(rollout, chosen, units, plan[1, N_IN], CHUNK)
    return forward(theta, plan, (np.int64(1), 1 + plan[0, N_ACTOR]), units, CHUNK)


@kernel()
def _collect(
    parameters: tuple, plan: np.ndarray, work: tuple, at: tuple, total: np.ndarray
) -> None:
    """Add the gradient of a chunk to a total; ``deltas`` hold that by the outputs of n samples."""
    gradient, deltas = parameters[1], work[1]
    out_at, n = at
    for j in range(plan[plan[0, N_ACTOR], N_OUT]):
        for b in range(n, CHUNK):
            deltas[out_at + j * CHUNK + b] = _ZERO
    backward(parameters, plan, (np.int64(1), 1 + plan[0, N_ACTOR]), work, CHUNK)
    for i in range(total.size):
        total[i] += gradient[i]


@entry(types.void(VECTOR, TABLE, MATRIX, VECTOR))
def ascent(theta: np.ndarray, plan: np.ndarray, rollout: np.ndarray, out: np.ndarray) -> None:
    """Gradient of the mean of ρ_t Â_t by the actor's numbers, with ρ_t as it stands.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters.
    plan : ndarray of int64
        The table.
    rollout : ndarray of float32, shape (N, n_in + parts + 4)
        Observation, action, advantage, return, log-probability and value of each step.
    out : ndarray of float32, shape (P_actor,)
        Becomes the gradient.
    """
    n_rows, n_in = len(rollout), plan[1, N_IN]
    notes = n_in + plan[0, N_PARTS]
    units, deltas, gradient = workspace(plan, CHUNK), workspace(plan, CHUNK), np.zeros_like(out)
    for i in range(out.size):
        out[i] = _ZERO
    for start in range(0, n_rows, CHUNK):
        n, at = min(CHUNK, n_rows - start), _run(theta, plan, rollout, start, units)
        ready(plan, units[at:], n, CHUNK)
        for k in range(plan[0, N_PARTS] * (plan[0, KIND] == GAUSSIAN)):
            gradient[k] = _ZERO
        for b in range(n):
            row = rollout[start + b]
            log_prob, _ = measure(theta, plan, units[at:], row[n_in:notes], (b, CHUNK))
            ratio = np.exp(log_prob - row[notes + LOG_PROB])
            weight = np.float32(ratio * row[notes + ADVANTAGE] / n_rows)
            where = (b, CHUNK, weight, _ZERO)
            slope((theta, gradient), plan, (units[at:], deltas[at:]), row[n_in:notes], where)
        _collect((theta, gradient), plan, (units, deltas), (at, n), out)


@kernel()
def _tangent(
    theta: np.ndarray, plan: np.ndarray, direction: np.ndarray, work: tuple, ld: int
) -> None:
    """Change of all units for a change of the parameters: forward mode, beside ``forward``."""
    units, changes = work
    x_at, one = np.int64(0), np.int64(1)
    for i in range(1, 1 + plan[0, N_ACTOR]):
        n_in, n_out, weight = plan[i, N_IN], plan[i, N_OUT], plan[i, WEIGHT]
        out_at = x_at + n_in * ld
        for r in range(n_out):
            for k in range(out_at + r * ld, out_at + (r + 1) * ld):
                changes[k] = direction[plan[i, BIAS] + r]
        shape = (n_out, n_in, one, n_in, ld)
        add_product(changes, direction, units, (out_at, weight, x_at), shape)
        if i > 1:
            add_product(changes, theta, changes, (out_at, weight, x_at), shape)
        end = out_at + n_out * ld
        kind, bend = plan[i, ACTIVATION], from_bits(plan[i, SLOPE])
        scale_by_derivative(changes[out_at:end], units[out_at:end], kind, bend)
        x_at = out_at


@kernel()
def _curve(
    theta: np.ndarray, plan: np.ndarray, outputs: np.ndarray, changes: np.ndarray, share: tuple
) -> None:
    """Turn changes of the outputs into the Fisher matrix of the distribution times them."""
    n, weight = share
    start = 0
    for k in range(plan[0, N_PARTS]):
        size = plan[1 + plan[0, N_LAYERS] + k, SIZE]
        for b in range(n):
            if plan[0, KIND] == CATEGORICAL:  # p (v - pᵀv); outputs are log p
                mean = _ZERO
                for j in range(start, start + size):
                    mean += np.exp(outputs[j * CHUNK + b]) * changes[j * CHUNK + b]
                for j in range(start, start + size):
                    p = np.exp(outputs[j * CHUNK + b])
                    changes[j * CHUNK + b] = weight * p * (changes[j * CHUNK + b] - mean)
            elif plan[0, KIND] == BERNOULLI:  # p (1 - p) v
                p = _ONE / (_ONE + np.exp(-outputs[start * CHUNK + b]))
                changes[start * CHUNK + b] *= weight * p * (_ONE - p)
            else:  # v / σ²
                changes[start * CHUNK + b] *= weight * np.exp(-_TWO * theta[k])
        start += size


@entry(types.void(VECTOR, TABLE, MATRIX, VECTOR, VECTOR))
def fisher_product(
    theta: np.ndarray, plan: np.ndarray, rollout: np.ndarray, direction: np.ndarray, out: np.ndarray
) -> None:
    """Mean Fisher matrix of the policy times a vector: Jᵀ M J v, one pass over the rollout.

    J is the derivative of the outputs by the actor's numbers, applied in forward mode, M the Fisher
    matrix of the distribution by its outputs in closed form, Jᵀ the backward pass ([1]_,
    appendix C.1).

    Parameters
    ----------
    theta : ndarray of float32
        The parameters.
    plan : ndarray of int64
        The table.
    rollout : ndarray of float32, shape (N, at least n_in)
        Observations in the first columns.
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
    units, changes, gradient = workspace(plan, CHUNK), workspace(plan, CHUNK), np.zeros_like(out)
    for i in range(out.size):
        out[i] = _ZERO
    for start in range(0, n_rows, CHUNK):
        n, at = min(CHUNK, n_rows - start), _run(theta, plan, rollout, start, units)
        _tangent(theta, plan, direction, (units, changes), CHUNK)
        ready(plan, units[at:], n, CHUNK)
        _curve(theta, plan, units[at:], changes[at:], (n, np.float32(1.0 / n_rows)))
        _collect((theta, gradient), plan, (units, changes), (at, n), out)
    for k in range(plan[0, N_PARTS] * (plan[0, KIND] == GAUSSIAN)):
        out[k] = _TWO * direction[k]  # of log σ: 2 per coordinate


@kernel()
def _divergence(
    theta: np.ndarray, plan: np.ndarray, outputs: np.ndarray, old: np.ndarray, b: int
) -> float:
    """KL(old || new) of one sample; ``old`` holds outputs made ready, then log σ."""
    total, start, n_out = 0.0, 0, old.size - plan[0, N_PARTS]
    for k in range(plan[0, N_PARTS]):
        size = plan[1 + plan[0, N_LAYERS] + k, SIZE]
        if plan[0, KIND] == CATEGORICAL:
            for j in range(start, start + size):
                total += np.exp(old[j]) * (old[j] - outputs[j * CHUNK + b])
        elif plan[0, KIND] == BERNOULLI:
            z, y = outputs[start * CHUNK + b], old[start]
            p = _ONE / (_ONE + np.exp(-y))
            softplus = max(z, _ZERO) + np.log1p(np.exp(-abs(z)))
            total += softplus - max(y, _ZERO) - np.log1p(np.exp(-abs(y))) + p * (y - z)
        else:
            before, now = old[n_out + k], theta[k]
            distance = (old[start] - outputs[start * CHUNK + b]) * np.exp(-now)
            spread = np.exp(_TWO * (before - now))
            total += now - before + _HALF * (spread + distance * distance - _ONE)
        start += size
    return total


@entry(types.UniTuple(types.float64, 2)(VECTOR, TABLE, MATRIX, MATRIX, types.boolean))
def weigh(
    theta: np.ndarray, plan: np.ndarray, rollout: np.ndarray, old: np.ndarray, is_old: bool
) -> tuple:
    """Mean of ρ_t Â_t, and mean divergence from the old policy.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters.
    plan : ndarray of int64
        The table.
    rollout : ndarray of float32, shape (N, n_in + parts + 4)
        Observation, action, advantage, return, log-probability and value of each step.
    old : ndarray of float32, shape (N, outputs + parts)
        What the old policy put out.
    is_old : bool
        Whether this is the old policy: ``old`` is written then.

    Returns
    -------
    tuple of (float, float)
        Objective and divergence, the latter 0 for the old policy.
    """
    n_rows, n_in = len(rollout), plan[1, N_IN]
    notes, n_out = n_in + plan[0, N_PARTS], old.shape[1] - plan[0, N_PARTS]
    units, objective, divergence = workspace(plan, CHUNK), 0.0, 0.0
    for start in range(0, n_rows, CHUNK):
        n, at = min(CHUNK, n_rows - start), _run(theta, plan, rollout, start, units)
        ready(plan, units[at:], n, CHUNK)
        for b in range(n):
            row = rollout[start + b]
            if is_old:
                for j in range(n_out):
                    old[start + b, j] = units[at + j * CHUNK + b]
                for k in range(plan[0, N_PARTS]):
                    old[start + b, n_out + k] = theta[k]
            log_prob, _ = measure(theta, plan, units[at:], row[n_in:notes], (b, CHUNK))
            objective += (
                np.exp(np.float64(log_prob - row[notes + LOG_PROB])) * row[notes + ADVANTAGE]
            )
            divergence += _divergence(theta, plan, units[at:], old[start + b], b)
    return objective / n_rows, divergence / n_rows
