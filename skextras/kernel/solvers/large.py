"""The exact solution for thousands of rows: a low-rank model first, then the kernel itself."""

from typing import Any

import numpy as np

from skextras.kernel.solvers.iterative import newton_cg
from skextras.kernel.solvers.likelihood import likelihood
from skextras.kernel.solvers.line_search import Iterate, Solution, Start
from skextras.kernel.solvers.low_rank import pivoted_factor
from skextras.kernel.solvers.operators import LowRankKernel, SquareKernel
from skextras.kernel.solvers.progress import Report

__all__ = ["low_rank_model", "solve_large"]

RANK_PER_ROOT = 6  # columns of the low-rank model, times the root of n
MODEL_TOL = 3e-3  # how far the low-rank model is solved; beyond, it says little about the kernel


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
        Where to start; None solves the low-rank model for it.
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
        point = newton_cg(model, model, loss, point, tol=MODEL_TOL, **options).point
        A, b = point.A, point.b
    else:
        A, b = start.dual_coef, start.intercept + K.offsets @ start.dual_coef
        A = A - A.mean(axis=0) * fit_intercept
    KA = K.times(A)
    found = newton_cg(K, model, loss, Iterate(A, b, KA, KA), tol=tol, report=report, **options)
    b = found.point.b - K.offsets @ found.point.A
    b -= b.mean() * (k > 1)
    objectives = tuple(found.objectives)
    misfit = float(np.abs(found.point.A / loss.weights).max())  # A = G
    return Solution(found.point.A, b, found.n_iter, found.residual, objectives, misfit)


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
    n = len(K.square)
    return pivoted_factor(K, min(n, round(RANK_PER_ROOT * n**0.5)))
