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
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg import cho_solve, cholesky
from scipy.linalg.blas import dgemm
from scipy.linalg.lapack import dpotri
from scipy.special import expit, log_expit, logsumexp, softmax

__all__ = ["Solution", "solve_newton"]

SUFFICIENT_DECREASE = 1e-4  # Armijo's constant
MAX_HALVINGS = 30
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Solution:
    """Where the solver stopped.

    Attributes
    ----------
    dual_coef : ndarray of shape (n, k)
        A. Its columns sum to zero where an intercept was fitted, its rows where k > 1.
    intercept : ndarray of shape (k,)
        b; sums to zero where k > 1.
    n_iter : int
        Newton steps taken.
    residual : float
        Largest entry of |A - G| relative to the largest c; zero at the exact solution.
    objectives : tuple of float
        J before the first step and after each one; it never rises.
    """

    dual_coef: np.ndarray
    intercept: np.ndarray
    n_iter: int
    residual: float
    objectives: tuple[float, ...]


def solve_newton(
    K: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    *,
    fit_intercept: bool = True,
    max_iter: int = 100,
    tol: float = 1e-8,
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
    report : callable, default=None
        Called with (steps taken, objective, residual) before each step.

    Returns
    -------
    Solution
        The minimiser; the last iterate, with ``residual > tol``, if steps or digits ran out.

    Raises
    ------
    numpy.linalg.LinAlgError
        If K was found not to be positive semi-definite.
    """
    given, K = K, _double_centred(K) if fit_intercept else K
    loss = _LOSSES[targets.shape[1] > 1](targets, weights[:, None])
    n, k = targets.shape
    point = _Point(np.zeros((n, k)), np.zeros(k), np.zeros((n, k)))
    objectives, residual = [loss.value(point.F)], np.inf
    for n_iter in range(max_iter + 1):
        G = loss.descent(point.F)
        residual, last = float(np.max(np.abs(point.A - G)) / np.max(weights)), residual
        if report is not None:
            report(n_iter, objectives[-1], residual)
        if residual <= tol or n_iter == max_iter:
            break
        if residual > 0.5 * last and objectives[-2] - objectives[-1] <= _rounding(objectives[-1]):
            break  # no digits left
        target = _newton_target(K, point.F, G, loss.curvature(point.F), fit_intercept=fit_intercept)
        found = _line_search(point, target, loss, G, objectives[-1])
        if found is None:
            break  # no digits left
        point, objective = found
        objectives.append(objective)
    moved = np.mean(_product(given, point.A), axis=0) if fit_intercept else 0.0
    return Solution(point.A, point.b - moved, n_iter, residual, tuple(objectives))


@dataclass(frozen=True)
class _Point:
    """An iterate (A, b) with the product K A, which is all that is needed of K along a line."""

    A: np.ndarray  # (n, k)
    b: np.ndarray  # (k,)
    KA: np.ndarray  # (n, k)

    @property
    def F(self) -> np.ndarray:
        return self.KA + self.b

    @property
    def penalty(self) -> float:
        return 0.5 * float(np.vdot(self.A, self.KA))

    def toward(self, other: "_Point", t: float) -> "_Point":
        """The point at the share t of the way to another."""
        return _Point(
            self.A + t * (other.A - self.A),
            self.b + t * (other.b - self.b),
            self.KA + t * (other.KA - self.KA),
        )


class _Curvature(Protocol):
    """Hessian W of the loss as an operator on (n, k) matrices."""

    def times(self, V: np.ndarray) -> np.ndarray:
        """W V."""

    def factor(self, K: np.ndarray) -> "_Solver":
        """S = (K + W⁻¹)⁻¹."""


class _Solver(Protocol):
    def __call__(self, V: np.ndarray) -> np.ndarray:
        """S V."""


class _Loss(Protocol):
    """Σ_i c_i ℓ(F_i, y_i) and its derivatives in F of shape (n, k)."""

    def value(self, F: np.ndarray) -> float: ...
    def descent(self, F: np.ndarray) -> np.ndarray: ...
    def curvature(self, F: np.ndarray) -> _Curvature: ...


@dataclass(frozen=True)
class _Binomial:
    """ℓ = log(1 + exp(-s f)) with s = ±1: two classes, one column."""

    targets: np.ndarray  # (n, 1)
    weights: np.ndarray  # (n, 1)

    @property
    def signs(self) -> np.ndarray:
        return 2.0 * self.targets - 1.0

    def value(self, F: np.ndarray) -> float:
        return -float(np.vdot(self.weights, log_expit(self.signs * F)))

    def descent(self, F: np.ndarray) -> np.ndarray:
        return self.weights * self.signs * expit(-self.signs * F)  # c (y - p), no cancellation

    def curvature(self, F: np.ndarray) -> _Curvature:
        return _DiagonalCurvature(self.weights * expit(F) * expit(-F))  # c p (1 - p)


@dataclass(frozen=True)
class _Multinomial:
    """ℓ = log Σ_j exp(f_j) - f_y: k classes, k columns."""

    targets: np.ndarray  # (n, k)
    weights: np.ndarray  # (n, 1)

    def value(self, F: np.ndarray) -> float:
        log_likelihood = np.sum(self.targets * F, axis=1) - logsumexp(F, axis=1)
        return -float(self.weights[:, 0] @ log_likelihood)

    def descent(self, F: np.ndarray) -> np.ndarray:
        return self.weights * (self.targets - softmax(F, axis=1))  # c (y - p)

    def curvature(self, F: np.ndarray) -> _Curvature:
        return _SoftmaxCurvature(softmax(F, axis=1), self.weights)


_LossType = Callable[[np.ndarray, np.ndarray], _Loss]
_LOSSES: dict[bool, _LossType] = {False: _Binomial, True: _Multinomial}  # by "several columns"


@dataclass(frozen=True)
class _DiagonalCurvature:
    """W = diag(w), for one column."""

    w: np.ndarray  # (n, 1)

    def times(self, V: np.ndarray) -> np.ndarray:
        return self.w * V

    def factor(self, K: np.ndarray) -> _Solver:
        """S = w½ B⁻¹ w½ with B = I + w½ K w½, whose eigenvalues are at least 1."""
        root = np.sqrt(self.w)
        B = _cholesky_of_shifted(K, root)
        return lambda V: root * cho_solve((B, True), root * V, check_finite=False)


@dataclass(frozen=True)
class _SoftmaxCurvature:
    """W_i = c_i (diag(p_i) - p_i p_iᵀ), one k x k block a row."""

    p: np.ndarray  # (n, k)
    weights: np.ndarray  # (n, 1)

    def times(self, V: np.ndarray) -> np.ndarray:
        mean = np.sum(self.p * V, axis=1, keepdims=True)
        return self.weights * self.p * (V - mean)

    def factor(self, K: np.ndarray) -> _Solver:
        """S = E - E R (Σ_j E_j)⁻¹ Rᵀ E, E_j = w_j½ B_j⁻¹ w_j½ with w_j = c p_j, R = (I ... I)ᵀ."""
        E = [_shifted_inverse(K, np.sqrt(w)[:, None]) for w in (self.weights * self.p).T]
        total = cholesky(sum(E), lower=True, overwrite_a=True, check_finite=False)

        def solve(V: np.ndarray) -> np.ndarray:
            EV = np.hstack([_product(E_j, v[:, None]) for E_j, v in zip(E, V.T, strict=True)])
            shared = cho_solve((total, True), EV.sum(axis=1, keepdims=True), check_finite=False)
            return EV - np.hstack([_product(E_j, shared) for E_j in E])

        return solve


def _product(K: np.ndarray, V: np.ndarray) -> np.ndarray:
    """K V by the BLAS that factors K, too.

    That is SciPy's. NumPy brings one of its own, whose threads spin for a while after a product and
    make the next factorisation take twice as long.
    """
    return dgemm(1.0, K.T, V, trans_a=True)  # Kᵀ is in the order of columns that BLAS wants


def _double_centred(K: np.ndarray) -> np.ndarray:
    """H K H with H = I - 1 1ᵀ/n: the same on columns that sum to zero, with less cancellation."""
    rows = K.mean(axis=1, keepdims=True)
    return K - rows - rows.T + rows.mean()


def _cholesky_of_shifted(K: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Lower factor of I + r K r, for a column r."""
    B = root * K
    B *= root.T
    B.flat[:: len(B) + 1] += 1.0
    return cholesky(B, lower=True, overwrite_a=True, check_finite=False)


def _shifted_inverse(K: np.ndarray, root: np.ndarray) -> np.ndarray:
    """The matrix r (I + r K r)⁻¹ r, for a column r."""
    inverse, _ = dpotri(_cholesky_of_shifted(K, root), lower=1)
    strict_lower = np.tril(inverse, -1)
    return root * (strict_lower + strict_lower.T + np.diag(np.diag(inverse))) * root.T


def _newton_target(
    K: np.ndarray, F: np.ndarray, G: np.ndarray, W: _Curvature, *, fit_intercept: bool
) -> _Point:
    """Minimiser of the quadratic model of J at F."""
    S = W.factor(K)

    def shrunk(V: np.ndarray) -> np.ndarray:
        return V - S(_product(K, V))  # (I - S K) V

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
    target = _Point(A, b, _product(K, A))
    rounding = 10 * EPS * np.abs(K).max() * np.abs(A).sum() ** 2
    if target.penalty < -rounding:
        raise np.linalg.LinAlgError("K is not positive semi-definite")
    return target


def _rounding(objective: float) -> float:
    """Difference of two values of J that means nothing."""
    return 10 * EPS * abs(objective)


def _line_search(
    point: _Point, target: _Point, loss: _Loss, G: np.ndarray, objective: float
) -> tuple[_Point, float] | None:
    """First of the steps 1, ½, ¼, ... that lowers J enough, or None if there is none."""
    slope = float(np.vdot(point.KA, target.A - point.A) - np.vdot(G, target.F - point.F))
    noise = _rounding(objective)
    for halvings in range(MAX_HALVINGS):
        t = 0.5**halvings
        candidate = point.toward(target, t)
        value = loss.value(candidate.F) + candidate.penalty
        if value <= objective + SUFFICIENT_DECREASE * t * slope + noise:
            return candidate, value
    return None
