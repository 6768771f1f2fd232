"""The exact solution for thousands of rows: a low-rank model preconditions the kernel's steps."""

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from skextras.kernel.solvers.iterative import newton_cg
from skextras.kernel.solvers.likelihood import Likelihood, likelihood
from skextras.kernel.solvers.line_search import Iterate, Solution, Start
from skextras.kernel.solvers.low_rank import pivoted_factor
from skextras.kernel.solvers.operators import LowRankKernel, SquareKernel
from skextras.kernel.solvers.progress import Report

__all__ = ["low_rank_model", "solve_large"]

RANK_PER_ROOT = 5  # columns of the low-rank model, times the root of n


def solve_large(
    K: SquareKernel,
    targets: np.ndarray,
    weights: np.ndarray,
    *,
    fit_intercept: bool = True,
    max_iter: int = 100,
    tol: float = 1e-8,
    start: Start | None = None,
    report: Report | None = None,
    model: LowRankKernel | None = None,
) -> Solution:
    """Minimise J of :mod:`skextras.kernel.solvers.exact` without factoring an n x n matrix.

    Parameters
    ----------
    K : SquareKernel
        Kernel of the rows.
    targets : ndarray of shape (n, k), of 0 and 1
        Membership of the second of two classes (k = 1), or one-hot rows (k > 2).
    weights : ndarray of shape (n,), positive
        c: the inverse regularisation C times the weight of each row.
    fit_intercept : bool, default=True
        Whether b is free; it is zero otherwise.
    max_iter : int, default=100
        Newton steps at most.
    tol : float, default=1e-8
        Stop when the residual is at or below it.
    start : Start, default=None
        Where to start; None is zero.
    report : callable, default=None
        Called with (steps taken, objective, residual) before each step.
    model : LowRankKernel, default=None
        What :func:`low_rank_model` gave for K; None makes it.

    Returns
    -------
    Solution
        As :func:`solve_newton` gives it.

    Raises
    ------
    numpy.linalg.LinAlgError
        If K was found not to be positive semi-definite.
    """
    loss, (n, k) = likelihood(targets, weights), targets.shape
    options: dict[str, Any] = {"fit_intercept": fit_intercept, "max_iter": max_iter}
    model = model or low_rank_model(K)
    if start is None:
        nothing = np.zeros((n, k))
        point = Iterate(nothing, np.zeros(k), nothing, nothing)
    else:
        A, b = start.dual_coef, start.intercept + K.offsets @ start.dual_coef
        A = A - A.mean(axis=0) * fit_intercept
        KA = K.times(A)
        point = _shortened(Iterate(A, b, KA, KA), loss)
    found = newton_cg(K, model, loss, point, tol=tol, report=report, **options)
    b = found.point.b - K.offsets @ found.point.A
    b -= b.mean() * (k > 1)
    objectives = tuple(found.objectives)
    misfit = float(np.abs(found.point.A / loss.weights).max())  # A = G
    return Solution(found.point.A, b, found.n_iter, found.residual, objectives, misfit)


def _shortened(point: Iterate, loss: Likelihood) -> Iterate:
    """The multiple of the coefficients, up to all of them, where J is lowest."""
    A, b, KA = point.A, point.b, point.KA
    penalty = point.penalty
    found = minimize_scalar(
        lambda t: loss.value(t * KA + b) + t * t * penalty, bounds=(0.0, 1.0), method="bounded"
    )
    return Iterate(found.x * A, b, found.x * KA, found.x * KA)


def low_rank_model(K: SquareKernel) -> LowRankKernel:
    """Make the model of a rank that suits the number of rows.

    Parameters
    ----------
    K : SquareKernel
        The kernel.

    Returns
    -------
    LowRankKernel
        The model.
    """
    return pivoted_factor(K, min(K.n_rows, round(RANK_PER_ROOT * K.n_rows**0.5)))
