"""Multistep solvers of any order as rows: polynomials through what earlier rows left, integrated.

Each solver interpolates one quantity h in one variable v and integrates it against a weight that is
known in closed form. The weights W of the nodes solve the moment conditions Σ_j W_j s_j^m = M_m for
m < order, one small linear system a row, so orders 1 to 4 and uneven grids are one formula.

* Exponential integrators: h = D, v = λ = log(a/b). x' = (b'/b) x + a' ∫ e^{-(λ'-λ)} D dλ; the SDE
  doubles the rate (DPM-Solver++, arXiv:2211.01095, section 4 and appendix).
* Adams: with τ = b/(a + κb) and y = x/(a + κb), dy/dτ = ε - κD is interpolated in τ. κ = 0 is LMS
  in σ, κ = 1 the time of rectified flow.
"""

import numpy as np

from genextras.core.predictions import solve
from genextras.core.steps import Levels, Rows, make_rows


def node_weights(nodes: np.ndarray, moments: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Weights W with Σ_j W_j s_j^m = M_m for m < order, zero from the order on.

    Parameters
    ----------
    nodes, moments : array of shape (n, k)
        Nodes s_j, and moments M_m of the weight function, of n rows.
    orders : int array of shape (n,)
        Nodes used in each row, from 1 to k.

    Returns
    -------
    array of shape (n, k)
        The weights.
    """
    k = nodes.shape[1]
    used = np.arange(k) < orders[:, None]  # (n, k)
    nodes = np.where(used, nodes, 0.0)
    powers = nodes[:, None, :] ** np.arange(k)[None, :, None]  # (n, m, j)
    systems = np.where(used[:, :, None], powers * used[:, None, :], np.eye(k))
    right = np.where(used, moments, 0.0)
    return np.asarray(np.linalg.solve(systems, right[:, :, None])[:, :, 0])


def _back(values: np.ndarray, k: int) -> np.ndarray:
    """Column j holds the value j rows before; shape (n, k), the first value where there is none."""
    n = len(values)
    return np.asarray(values[np.maximum(np.arange(n)[:, None] - np.arange(k), 0)])


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

    Returns
    -------
    Rows
        That keep D.
    """
    a, b, a_next, b_next = levels
    k = int(orders.max())
    with np.errstate(divide="ignore"):
        log_snr, ahead = np.log(a / b), np.log(a_next / b_next)
    stride = ahead - log_snr
    final = ~np.isfinite(stride)
    stride[final] = 1.0  # any; a step to clean data is D alone
    orders = np.where(final, 1, orders)
    moments = np.empty((len(a), k))
    moments[:, 0] = -np.expm1(-rate * stride)
    for m in range(1, k):  # M_m = 1 - m/(rate h) M_{m-1}, by parts
        moments[:, m] = 1 - m / (rate * stride) * moments[:, m - 1]
    if is_midpoint:
        moments[:, 1:2] = np.where(orders[:, None] == 2, moments[:, :1] / 2, moments[:, 1:2])
    if is_halved:
        moments[:, 2:] /= 2
    nodes = (_back(log_snr, k) - log_snr[:, None]) / stride[:, None]
    weights = a_next[:, None] * node_weights(nodes, moments, orders)
    sample = b_next / b * np.exp((1 - rate) * stride)
    noise = b_next * np.sqrt(-np.expm1(-2 * stride)) if rate > 1 else 0 * b
    weights[final] = np.where(np.arange(k) == 0, a_next[final, None], 0.0)
    past, ones = tuple(weights[:, 1:].T), np.ones_like(a)
    solution = solve(prediction, a, b)
    return make_rows(solution, weights[:, 0], sample, noise=noise, keep_data=ones, past=past)


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
        That keep the slope ε - κD.
    """
    a, b, a_next, b_next = levels
    scale, scale_next = a + kappa * b, a_next + kappa * b_next
    tau, ahead = b / scale, b_next / scale_next
    k = max(int(orders.max()) + (corrector > 1), corrector)
    slopes = np.zeros((len(a), k))
    used = int(orders.max())
    slopes[:, :used] = _integrals(_back(tau, used), tau, ahead, orders)
    if corrector > 1:
        before = _back(tau, k)[:, 1:2]  # where the last step started
        again = np.flatnonzero((orders > 1) & (tau != before[:, 0]))
        start, here = before[again, 0], tau[again]
        redone = np.minimum(orders[again] + 1, corrector)
        redone = np.minimum(redone, again + 1)
        nodes = _back(tau, corrector)[again]
        slopes[again, :corrector] += _integrals(nodes, start, here, redone)
        nodes = _back(tau, used)[again - 1]
        slopes[again, 1 : used + 1] -= _integrals(nodes, start, here, orders[again - 1])
    sample = scale_next / scale + scale_next * slopes[:, 0] / b  # slope = x/b - scale D/b
    data = -scale_next * slopes[:, 0] * scale / b
    past = tuple((scale_next[:, None] * slopes[:, 1:]).T)
    solution = solve(prediction, a, b)
    return make_rows(solution, data, sample, keep_sample=1 / b, keep_data=-scale / b, past=past)


def _integrals(
    nodes: np.ndarray, start: np.ndarray, stop: np.ndarray, orders: np.ndarray
) -> np.ndarray:
    """Integrals of the Lagrange polynomials of the nodes from start to stop; shape (n, k)."""
    stride = (stop - start)[:, None]
    moments = stride / np.arange(1, nodes.shape[1] + 1)
    return node_weights((nodes - start[:, None]) / stride, moments, orders)
