"""Exact Newton solver for kernel logistic regression, binary and multinomial.

The model is F = K A + 1 bᵀ, one column a class (a single column for two classes). It minimises

    J(A, b) = Σ_i c_i ℓ(F_i, y_i) + ½ tr(Aᵀ K A)

with b free of penalty. Each Newton step is one weighted least-squares problem whose solution is
A = S (Z - 1 bᵀ), with S = (K + W⁻¹)⁻¹, W the Hessian of the loss, G its negative gradient and
Z = F + W⁻¹ G the working response. W⁻¹ is never formed, since W may underflow:
S Z = (I - S K)(W F + G). At the solution A = G, whatever the rank of K.

References
----------
.. [1] Rasmussen and Williams, *Gaussian Processes for Machine Learning*, MIT Press, 2006,
   sections 3.4 (two classes) and 3.5 (several, algorithm 3.3).
"""

from collections.abc import Callable
from functools import singledispatch
from operator import itemgetter

import numpy as np
from scipy.linalg import cho_solve, cholesky
from scipy.linalg.lapack import dpotri, get_lapack_funcs

from skextras.kernel.solvers.likelihood import (
    Curvature,
    _DiagonalCurvature,
    _SoftmaxCurvature,
    likelihood,
)
from skextras.kernel.solvers.line_search import EPS, ROUNDINGS, Iterate, Solution, Start
from skextras.kernel.solvers.products import times
from skextras.kernel.solvers.progress import Progress
from skextras.kernel.solvers.symmetric import mirror_scaled, set_shifted

__all__ = ["double_centred", "newton_target", "shifted_inverse_matrix", "solve_newton"]

Solver = Callable[[np.ndarray], np.ndarray]  # V -> S V, both (n, k)


def solve_newton(
    K: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    *,
    fit_intercept: bool = True,
    max_iter: int = 100,
    tol: float = 1e-8,
    start: Start | None = None,
    report: Callable[[int, float, float], None] | None = None,
) -> Solution:
    """Minimise J by damped Newton steps.

    Parameters
    ----------
    K : ndarray of shape (n, n), float64
        Kernel of the rows. Positive semi-definite; with an intercept it is enough that zᵀ K z ≥ 0
        where z sums to zero, since adding u 1ᵀ + 1 uᵀ to K then only moves b.
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
        Where to start, if J is lower there than at zero.
    report : callable, default=None
        Called with (steps taken, objective, residual) before each step.

    Returns
    -------
    Solution
        The minimiser; the last iterate, with ``residual > tol``, if steps or digits ran out. The
        residual is the largest entry of |A - G| relative to the largest c.

    Raises
    ------
    numpy.linalg.LinAlgError
        If K was found not to be positive semi-definite.
    """
    given, K = K, double_centred(K) if fit_intercept else K
    loss = likelihood(targets, weights)
    n, k = targets.shape
    nothing = np.zeros((n, k))
    points = [Iterate(nothing, np.zeros(k), nothing, nothing)]
    if start is not None:
        points.append(_started(start, given, K, fit_intercept=fit_intercept))
    objective, point = min(
        ((loss.value(point.F) + point.penalty, point) for point in points), key=itemgetter(0)
    )
    progress = Progress(point, 0, np.inf, [objective])
    for progress.n_iter in range(max_iter + 1):
        point, last = progress.point, progress.residual
        G = loss.descent(point.F)
        progress.residual = point.distance(G) / loss.size
        if report is not None:
            report(progress.n_iter, progress.objectives[-1], progress.residual)
        if progress.residual <= tol or progress.n_iter == max_iter or progress.stalls(last):
            break
        W = loss.curvature(point.F)
        target = newton_target(K, point.F, G, (W, _factored(W, K)), fit_intercept=fit_intercept)
        if not progress.step(target, loss, G):
            break  # no digits left
    point = progress.point
    moved = np.mean(times(given, point.A), axis=0) if fit_intercept else 0.0
    objectives = tuple(progress.objectives)
    misfit = float(np.abs(G / loss.weights).max())
    return Solution(
        point.A, point.b - moved, progress.n_iter, progress.residual, objectives, misfit
    )


def _started(start: Start, given: np.ndarray, K: np.ndarray, *, fit_intercept: bool) -> Iterate:
    """Coefficients as an iterate for K, which is the given kernel or that double centred."""
    A, b = start.dual_coef, start.intercept
    if fit_intercept:
        A = A - A.mean(axis=0)
        b = b + np.mean(times(given, A), axis=0)
    KA = times(K, A)
    return Iterate(A, b, KA, KA)


@singledispatch
def _factored(W: Curvature, K: np.ndarray) -> Solver:
    """S = (K + W⁻¹)⁻¹ as an operator."""
    raise TypeError(f"no factorisation is known for a {type(W).__name__}")


@_factored.register
def _(W: _DiagonalCurvature, K: np.ndarray) -> Solver:
    """S = w½ B⁻¹ w½ with B = I + w½ K w½, whose eigenvalues are at least 1."""
    root = np.sqrt(W.w)
    B = _cholesky_of_shifted(K, root)
    return lambda V: root * cho_solve((B, True), root * V, check_finite=False)


@_factored.register
def _(W: _SoftmaxCurvature, K: np.ndarray) -> Solver:
    """S = E - E R (Σ_j E_j)⁻¹ Rᵀ E, E_j = w_j½ B_j⁻¹ w_j½ with w_j = c p_j, R = (I ... I)ᵀ."""
    E = [shifted_inverse_matrix(K, np.sqrt(w)[:, None])[0] for w in (W.weights * W.p).T]
    total = cholesky(sum(E), lower=True, overwrite_a=True, check_finite=False)

    def solve(V: np.ndarray) -> np.ndarray:
        EV = np.hstack([times(E_j, v[:, None]) for E_j, v in zip(E, V.T, strict=True)])
        shared = cho_solve((total, True), EV.sum(axis=1, keepdims=True), check_finite=False)
        return EV - np.hstack([times(E_j, shared) for E_j in E])

    return solve


def double_centred(K: np.ndarray) -> np.ndarray:
    """Compute H K H with H = I - 1 1ᵀ/n: the same on columns that sum to zero, with less rounding.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Symmetric.

    Returns
    -------
    ndarray of shape (n, n)
        Rows and columns that sum to zero.
    """
    rows = K.mean(axis=1, keepdims=True)
    return K - rows - rows.T + rows.mean()


def _cholesky_of_shifted(K: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Lower factor of I + r K r, for a column r; what stands above its diagonal means nothing."""
    B, n = np.empty(K.shape), len(K)
    (potrf,) = get_lapack_funcs(("potrf",), dtype=B.dtype)
    for lift in (
        1.0,
        1.0 + ROUNDINGS * n * EPS,
    ):  # the second time, above what rounding may have done
        set_shifted(K, root[:, 0], B)
        B.flat[:: n + 1] *= lift
        lower, info = potrf(B.T, lower=1, clean=0, overwrite_a=1)  # symmetric, in LAPACK's order
        if info == 0:
            return np.asarray(lower)
    raise np.linalg.LinAlgError("K is not positive semi-definite")


def shifted_inverse_matrix(K: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, float]:
    """Compute r (I + r K r)⁻¹ r and the logarithm of the determinant of I + r K r.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Positive semi-definite.
    root : ndarray of shape (n, 1)
        r.

    Returns
    -------
    tuple of ndarray of shape (n, n) and float
        Both.
    """
    lower = _cholesky_of_shifted(K, root)
    log_det = 2 * float(np.log(np.diag(lower)).sum())
    inverse, _ = dpotri(lower, lower=1, overwrite_c=1)
    upper = inverse.T  # in C order
    mirror_scaled(upper, root[:, 0])
    return upper, log_det


def newton_target(
    K: np.ndarray,
    F: np.ndarray,
    G: np.ndarray,
    curvature: tuple[Curvature, Solver],
    *,
    fit_intercept: bool,
) -> Iterate:
    """Minimiser of the quadratic model of J at F.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Kernel of the rows, double centred with an intercept.
    F, G : ndarray of shape (n, k)
        Scores, of a model or not, and the negative gradient of the loss there.
    curvature : tuple of Curvature and callable
        W and V -> S V.
    fit_intercept : bool
        Whether b is free.

    Returns
    -------
    Iterate
        Where a whole step ends.

    Raises
    ------
    numpy.linalg.LinAlgError
        If K is found not to be positive semi-definite.
    """
    W, S = curvature

    def shrunk(V: np.ndarray) -> np.ndarray:  # numpydoc ignore=GL08
        return V - S(times(K, V))  # (I - S K) V

    A = shrunk(W.times(F) + G)
    b = np.zeros(F.shape[1])
    if fit_intercept:
        # The columns of A - Σ_j b_j A_j, with A_j = S 1_j, sum to zero: k equations for b. For
        # k > 1 they leave a common constant open, and one more equation lets b sum to zero.
        units = [shrunk(W.times(np.tile(unit, (len(K), 1)))) for unit in np.eye(len(b))]
        sums = np.column_stack([unit.sum(axis=0) for unit in units])
        gauge = np.full((1, len(b)), np.linalg.norm(sums) * (len(b) > 1))
        sides = np.append(A.sum(axis=0), 0.0)
        b = np.linalg.lstsq(np.vstack([sums, gauge]), sides, rcond=None)[0]
        A = A - sum(b_j * unit for b_j, unit in zip(b, units, strict=True))
    KA = times(K, A)
    target = Iterate(A, b, KA, KA)
    noise = ROUNDINGS * EPS * np.abs(K).max() * np.abs(A).sum() ** 2
    if target.penalty < -noise:
        raise np.linalg.LinAlgError("K is not positive semi-definite")
    return target
