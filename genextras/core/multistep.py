"""Multistep solvers of any order as rows: polynomials through what earlier rows left, integrated.

Each solver interpolates one quantity h in one variable v and integrates it against a weight that is
known in closed form. The weights W of the nodes solve the moment conditions Σ_j W_j s_j^m = M_m for
m < order, so orders 1 to 4 and uneven grids are one formula: in Newton's basis an order is where
the series stops (Björck and Pereyra 1970, Solution of Vandermonde systems of equations).

* Exponential integrators: h = D, v = λ = log(a/b). x' = (b'/b) x + a' ∫ e^{-(λ'-λ)} D dλ; the SDE
  doubles the rate (DPM-Solver++, arXiv:2211.01095, section 4 and appendix).
* Adams: with τ = b/(a + κb) and y = x/(a + κb), dy/dτ = ε - κD is interpolated in τ. κ = 0 is LMS
  in σ, κ = 1 the time of rectified flow.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from genextras.core.predictions import solve
from genextras.core.steps import Levels, Rows, make_rows

TINY = 1e-9  # weight of x in h, relative to that of F, below which it is left alone


def node_weights(nodes: np.ndarray, moments: Sequence[Any], orders: np.ndarray) -> np.ndarray:
    """Weights W with Σ_j W_j s_j^m = M_m for m < order, zero from the order on.

    Parameters
    ----------
    nodes : array of shape (k, n)
        Nodes s_j of n rows.
    moments : sequence of k arrays of shape (n,)
        Moments M_m of the weight function.
    orders : int array of shape (n,)
        Nodes used in each row, from 1 to k.

    Returns
    -------
    array of shape (k, n)
        The weights.
    """
    k, c = len(nodes), list(moments)
    for j in range(k - 1):  # c_m = the moment of (s - s_0) ... (s - s_{m-1})
        for i in range(k - 1, j, -1):
            c[i] = c[i] - nodes[j] * c[i - 1]
    c[1:] = [np.where(orders > m, c[m], 0.0) for m in range(1, k)]
    for j in range(k - 2, -1, -1):  # c_m times the divided difference of s_0 ... s_m
        for i in range(j + 1, k):
            gap = nodes[i] - nodes[i - j - 1]
            c[i] = c[i] / np.where(gap == 0, 1.0, gap)  # nodes that are not used may coincide
        for i in range(j, k - 1):
            c[i] = c[i] - c[i + 1]
    return np.array(c)


def _back(values: np.ndarray, k: int) -> np.ndarray:
    """Row j holds the value j steps before; shape (k, n), the first value where there is none."""
    return np.asarray(values[np.maximum(np.arange(len(values)) - np.arange(k)[:, None], 0)])


def _kept_cheaply(rows: Rows) -> Rows:
    """The same table with every h scaled to x + g F, which is one operation to keep."""
    gain = rows.keep_data * rows.q
    scale = rows.keep_sample + rows.keep_data * rows.p
    scale = np.where(np.abs(scale) > TINY * np.abs(gain), scale, 1.0)
    before = _back(scale, len(rows.past) + 1)[1:]
    past = tuple(weight * size for weight, size in zip(rows.past, before, strict=True))
    kept = {"keep_sample": rows.keep_sample / scale, "keep_data": rows.keep_data / scale}
    return rows._replace(past=past, **kept)


def exponential_rows(
    levels: Levels,
    prediction: str,
    *,
    orders: np.ndarray,
    rate: float = 1.0,
    is_midpoint: bool = False,
    is_halved: bool = False,
) -> Rows:
    """Rows of an exponential integrator of the data prediction, DPM-Solver++ of any order.

    Parameters
    ----------
    levels : Levels
        Of n steps, of which only the last may arrive at b = 0.
    prediction : str
        What the network predicts.
    orders : int array of shape (n,)
        Order of each row, at most one more than the rows before it.
    rate : {1.0, 2.0}, default=1.0
        2 adds the noise of the reverse SDE.
    is_midpoint : bool, default=False
        In rows of order 2, hold D at its extrapolated midpoint, as DPM-Solver++(2M) does.
    is_halved : bool, default=False
        Take half of the curvature, as diffusers does at order 3: such rows converge with order 2.
        In the SDE that half has another sign there, which is one less.

    Returns
    -------
    Rows
        That keep D, scaled.
    """
    a, b, a_next, b_next = levels
    with np.errstate(divide="ignore"):  # a step to clean data has no end
        log_snr, ahead = np.log(a / b), np.log(a_next / b_next)
    stride = ahead - log_snr
    orders = np.where((b_next == 0) | (stride == 0), 1, orders)  # D alone, or no step at all
    length = np.where(stride == 0, 1.0, stride)
    moments = [-np.expm1(-rate * stride)]
    for m in range(1, int(orders.max())):  # M_m = 1 - m/(rate h) M_{m-1}, by parts
        moments.append(1 - m / (rate * length) * moments[-1])
    if is_midpoint:
        moments[1:2] = [np.where(orders == 2, moments[0] / 2, each) for each in moments[1:2]]
    if is_halved:
        moments[2:] = [each / 2 - (rate > 1) for each in moments[2:]]
    nodes = (_back(log_snr, len(moments)) - log_snr) / length
    data, *past = a_next * node_weights(nodes, moments, orders)
    sample, noise = b_next / b, 0 * b
    if rate > 1:
        share = np.maximum(-np.expm1(-2 * stride), 0)  # < 0 by rounding alone
        sample, noise = sample * np.exp(-stride), b_next * np.sqrt(share)
    kept = {"keep_data": np.ones_like(a), "past": past}
    return _kept_cheaply(make_rows(solve(prediction, a, b), data, sample, noise=noise, **kept))


def adams_rows(
    levels: Levels, prediction: str, *, orders: np.ndarray, kappa: float, corrector: int = 0
) -> Rows:
    """Rows of Adams-Bashforth in τ = b/(a + κb), with a free Adams-Moulton corrector.

    A corrector of order k redoes the last step with the newest slope among its nodes, at no call of
    the network: it is one more linear combination of the same slopes.

    Parameters
    ----------
    levels : Levels
        Of n steps.
    prediction : str
        What the network predicts.
    orders : int array of shape (n,)
        Order of each row, at most one more than the rows before it.
    kappa : float
        κ of the coordinate.
    corrector : int, default=0
        Order of the corrector; below 2 there is none.

    Returns
    -------
    Rows
        That keep the slope ε - κD, scaled.
    """
    a, b, a_next, b_next = levels
    scale, scale_next = a + kappa * b, a_next + kappa * b_next
    tau, ahead = b / scale, b_next / scale_next
    used = int(orders.max())
    back = _back(tau, max(used + 1, corrector))
    slopes = np.zeros((max(used + (corrector > 1), corrector), len(a)))
    slopes[:used] = _integrals(back[:used], tau, ahead, orders)
    if corrector > 1:
        again = (orders > 1) & (tau != back[1])
        start = np.where(again, back[1], tau - 1)  # of the last step, or any other number
        redone = np.minimum(np.minimum(orders, np.arange(len(a))) + 1, corrector)
        slopes[:corrector] += again * _integrals(back[:corrector], start, tau, redone)
        undone = np.append(1, orders[:-1])
        slopes[1 : used + 1] -= again * _integrals(back[1 : used + 1], start, tau, undone)
    sample = scale_next / scale + scale_next * slopes[0] / b  # slope = x/b - scale D/b
    data = -scale_next * slopes[0] * scale / b
    kept = {"keep_sample": 1 / b, "keep_data": -scale / b, "past": scale_next * slopes[1:]}
    return _kept_cheaply(make_rows(solve(prediction, a, b), data, sample, **kept))


def _integrals(
    nodes: np.ndarray, start: np.ndarray, stop: np.ndarray, orders: np.ndarray
) -> np.ndarray:
    """Integrals of the Lagrange polynomials of the nodes from start to stop; shape (k, n)."""
    stride = stop - start
    moments = [stride / (m + 1) for m in range(len(nodes))]
    return node_weights((nodes - start) / stride, moments, orders)
