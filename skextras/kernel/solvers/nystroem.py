"""Kernel logistic regression on m centres, in few passes over the rows.

The decision function is kept in the span of m kernel functions, F = K_nm A + 1 bᵀ, with penalty
½ tr(Aᵀ K_mm A) (Nyström's approximation). With K_mm = Rᵀ R and A = R⁻¹ Θ it is a problem in Θ,

    J(Θ, b) = Σ_i c_i ℓ(F_i, y_i) + ½ |Θ|²,      F = K_nm R⁻¹ Θ + 1 bᵀ.

A pass over K_nm costs more than all else, and it gives the scores at a point and the gradient
there. So each pass is a step of a quasi-Newton method: the secants of the last steps correct a
preconditioner, which is the inverse Hessian summed over a sample of the rows and scaled up (after
[1]_, section 3, and [2]_, which sum over the centres alone). It is factored anew only when the
curvature of the sample's losses has moved. Where the sample is much smaller than the rows, two
Newton steps on the sample alone show where to start. Neither K_nn nor the Hessian is formed.

References
----------
.. [1] Marteau-Ferey, Bach and Rudi, "Globally Convergent Newton Methods for Ill-conditioned
   Generalized Self-concordant Losses", NeurIPS 2019.
.. [2] Rudi, Carratino and Rosasco, "FALKON: An Optimal Large Scale Kernel Method", NeurIPS 2017.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from skextras.kernel.solvers.kernel_rows import KernelRows
from skextras.kernel.solvers.likelihood import Likelihood, likelihood
from skextras.kernel.solvers.line_search import (
    SUFFICIENT_DECREASE,
    Iterate,
    Solution,
    Start,
    line_search,
    rounding,
)
from skextras.kernel.solvers.products import times, transposed_times
from skextras.kernel.solvers.progress import Report
from skextras.kernel.solvers.secants import Secants
from skextras.kernel.solvers.whitening import Whitening, inverse_hessian

__all__ = ["solve_nystroem"]

JITTER = {np.float64: 1e-12, np.float32: 1e-6}  # of K_mm, at least, by the precision of K_nm
PROMISE = 1e-6  # share of J that a step must promise where K_nm is in float32
ROUGH = 1e-3  # relative gradient that is all rounding there, where C and the kernel are large
MOVED = 0.25  # share by which the curvature may move before it is factored anew
NEAR = 1e-3  # relative gradient where halving it proves a step as well as a fall of J does
GUESSES = 2  # Newton steps on the sample: the first rough ones; more would fit its noise


def solve_nystroem(
    K_nm: KernelRows,
    K_mm: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    *,
    sample: np.ndarray,
    start: Start | None = None,
    fit_intercept: bool = True,
    max_iter: int = 100,
    tol: float = 1e-8,
    report: Report | None = None,
) -> Solution:
    """Minimise J by preconditioned quasi-Newton steps, one pass over the rows each.

    Parameters
    ----------
    K_nm : KernelRows
        Kernel of the rows with the centres.
    K_mm : ndarray of shape (m, m), float64, C order
        Kernel of the centres with one another; positive semi-definite. Overwritten.
    targets : ndarray of shape (n, k), of 0 and 1
        Membership of the second of two classes (k = 1), or one-hot rows (k > 2).
    weights : ndarray of shape (n,), positive
        c: the inverse regularisation C times the weight of each row.
    sample : ndarray of shape (s,), int
        Rows that stand for all of them in the preconditioner; a few thousand drawn at random, at
        least m. They decide how fast the solver is, not what it finds.
    start : Start, default=None
        Where to start; None is zero, or a guess from the sample if it is less than half the rows.
    fit_intercept : bool, default=True
        Whether b is free; it is zero otherwise.
    max_iter : int, default=100
        Steps at most.
    tol : float, default=1e-8
        Stop when the gradient in Θ and b, relative to that at zero as the sample shows it, is at or
        below it; where K_nm is in float32 also after a step that promised to lower J by less than
        1e-6 of itself.
    report : callable, default=None
        Called with (steps taken, objective, residual) before each step.

    Returns
    -------
    Solution
        The minimiser on these centres. The residual is the relative gradient.

    Raises
    ------
    numpy.linalg.LinAlgError
        If K_mm is not positive semi-definite.
    FloatingPointError
        If K_nm is not finite.
    """
    whitening = Whitening.of(K_mm, JITTER[K_nm.dtype])
    features = whitening.features(K_nm.at(sample))
    model = _Model(K_nm, whitening, likelihood(targets, weights), fit_intercept)
    sampled = _Sample(features, sample, fit_intercept)
    if start is not None:
        x = np.vstack([whitening.whitened(start.dual_coef), start.intercept])
    elif len(sample) <= K_nm.n_rows // 2:
        x = sampled.guess(model.loss)
    else:
        x = np.zeros((K_nm.n_centres + 1, targets.shape[1]))
    run = _Run(model, sampled, model.at(x), sampled.gradient_at_zero(model.loss))
    n_iter = run.go(max_iter, tol, report)
    A, b = whitening.coefficients(run.point.x[:-1]), run.point.x[-1]
    centred = b - b.mean() * (len(b) > 1)
    return Solution(A, centred, n_iter, run.residual, tuple(run.objectives), run.is_settled)


@dataclass(frozen=True)
class _Point:
    """A place, and what a pass over the rows told there."""

    x: np.ndarray  # (m + 1, k): Θ, and b in the last row
    span: np.ndarray  # (n, k): scores without intercepts
    objective: float
    gradient: np.ndarray  # (m + 1, k)

    @property
    def scores(self) -> np.ndarray:
        return self.span + self.x[-1]

    @property
    def size(self) -> float:
        return float(np.linalg.norm(self.gradient))

    @property
    def iterate(self) -> Iterate:
        return Iterate(self.x[:-1], self.x[-1], self.x[:-1], self.span)


@dataclass(frozen=True)
class _Model:
    """The problem in Θ."""

    K_nm: KernelRows
    whitening: Whitening
    loss: Likelihood
    fit_intercept: bool

    def at(self, x: np.ndarray) -> _Point:
        """Objective and gradient, in one pass."""
        theta, b = x[:-1], x[-1]
        span, pull = self.K_nm.visit(self.whitening.coefficients(theta), b, self.loss)
        iterate = Iterate(theta, b, theta, span)
        G = self.loss.descent(iterate.F)
        inner = theta - self.whitening.pulled(pull)
        gradient = np.vstack([inner, -G.sum(axis=0) * self.fit_intercept])
        return _Point(x, span, self.loss.value(iterate.F) + iterate.penalty, gradient)


@dataclass(frozen=True)
class _Sample:
    """Some rows that stand for all."""

    features: np.ndarray  # (s, m), C order: Φ
    rows: np.ndarray  # (s,)
    fit_intercept: bool

    def curvature(self, loss: Likelihood, scores: np.ndarray) -> np.ndarray:
        """Diagonal of W on the sample, so scaled that each class weighs as on all rows."""
        every, few = (
            each.diagonal()
            for each in (
                loss.curvature(scores),
                loss.rows(self.rows).curvature(scores[self.rows]),
            )
        )
        return few * (every.sum(axis=0) / np.maximum(few.sum(axis=0), np.finfo(float).tiny))

    def inverse(self, scales: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        return inverse_hessian(self.features, scales, fit_intercept=self.fit_intercept)

    def gradient(self, x: np.ndarray, G: np.ndarray) -> np.ndarray:
        sums = G.sum(axis=0) * self.fit_intercept
        return np.vstack([x[:-1] - transposed_times(self.features, G), -sums])

    def gradient_at_zero(self, loss: Likelihood) -> float:
        """Length of the gradient of J at zero, as far as the sample shows."""
        nothing = np.zeros((len(loss.weights), loss.targets.shape[1]))
        G, share = loss.descent(nothing), loss.weights.sum() / loss.weights[self.rows].sum()
        x = np.zeros((self.features.shape[1] + 1, G.shape[1]))
        gradient = self.gradient(x, share * G[self.rows])
        gradient[-1] = G.sum(axis=0) * self.fit_intercept
        return float(np.linalg.norm(gradient))

    def guess(self, loss: Likelihood) -> np.ndarray:
        """Where two Newton steps on the sample lead.

        Its weights are raised half the way, as a ratio, to those of all rows: with all of them it
        would fit the sample's noise, with its own it would be held back too much.
        """
        few = loss.rows(self.rows, factor=(len(loss.weights) / len(self.rows)) ** 0.5)
        k = loss.targets.shape[1]
        x, span = np.zeros((self.features.shape[1] + 1, k)), np.zeros((len(self.rows), k))
        for _ in range(GUESSES):
            here = Iterate(x[:-1], x[-1], x[:-1], span)
            G = few.descent(here.F)
            step = self.inverse(few.curvature(here.F).diagonal())(self.gradient(x, G))
            theta, b = x[:-1] - step[:-1], x[-1] - step[-1]
            there = Iterate(theta, b, theta, times(self.features, theta).astype(np.float64))
            found = line_search(here, there, few, G, few.value(here.F) + here.penalty)
            if found is None:
                break
            x, span = np.vstack([found[0].A, found[0].b]), found[0].span
        return x


@dataclass
class _Run:
    """Where the solver stands."""

    model: _Model
    sample: _Sample
    point: _Point
    first: float  # length of the gradient at zero
    objectives: list[float] = field(default_factory=list)
    is_settled: bool = False  # whether a step promised too little to matter
    residual: float = np.inf

    @property
    def is_rough(self) -> bool:
        return self.model.K_nm.dtype == np.float32

    def go(self, max_iter: int, tol: float, report: Report | None) -> int:
        """Step until there is no reason to; how many steps it took."""
        secants, factored = Secants(), np.zeros((len(self.sample.rows), self.point.x.shape[1]))
        self.objectives.append(self.point.objective)
        for n_iter in range(max_iter + 1):
            self.residual = self.point.size / self.first if self.first else 0.0
            if report is not None:
                report(n_iter, self.objectives[-1], self.residual)
            if self.residual <= tol or self.is_settled or n_iter == max_iter:
                break
            scales = self.sample.curvature(self.model.loss, self.point.scores)
            if np.abs(scales - factored).sum() > MOVED * factored.sum():
                inverse, factored = self.sample.inverse(scales), scales
            direction = _along(secants, inverse, self.point.gradient)
            found = self._step(direction)
            if found is None:  # no digits left
                self.is_settled = self.is_rough and self.residual <= ROUGH
                break
            step, change = found.x - self.point.x, found.gradient - self.point.gradient
            secants.add(step.ravel(), change.ravel())
            self.point = found
            self.objectives.append(found.objective)
        return n_iter

    def _step(self, direction: np.ndarray) -> _Point | None:
        """The whole step if it is good, or as much of it as lowers the objective."""
        here = self.point
        slope = float(np.vdot(here.gradient, direction))
        whole = self.model.at(here.x + direction)
        if self.is_rough:
            self.is_settled = -0.5 * slope <= PROMISE * abs(here.objective)
        if whole.objective <= here.objective + SUFFICIENT_DECREASE * slope:
            return whole
        if here.size <= NEAR * self.first and whole.size <= 0.5 * here.size:
            return whole  # hardly a digit of J moves here
        G = self.model.loss.descent(here.scores)
        found = line_search(here.iterate, whole.iterate, self.model.loss, G, here.objective)
        if found is None or here.objective - found[1] <= rounding(here.objective):
            return None
        return self.model.at(np.vstack([found[0].A, found[0].b]))


def _along(
    secants: Secants, inverse: Callable[[np.ndarray], np.ndarray], gradient: np.ndarray
) -> np.ndarray:
    """A direction of descent."""
    shape = gradient.shape
    return -secants.times(gradient.ravel(), lambda v: inverse(v.reshape(shape)).ravel()).reshape(
        shape
    )
