"""Newton's method for kernel logistic regression whose steps are solved by conjugate gradients.

The model and its objective are those of :mod:`skextras.kernel.solvers.exact`. With W = H Hᵀ, the
Hessian of the loss, and R = G - A, the Newton step is ΔA = R + H V, where

    (I + Hᵀ K H) V = -Hᵀ (K R + 1 δᵀ),      1ᵀ H V = -1ᵀ G,

a system whose eigenvalues are at least 1 and which needs no inverse of W or K. One product with K
starts it and each step of conjugate gradients takes one; K ΔA is a sum of these. A low-rank model
L Lᵀ + d of K preconditions it: (I + Hᵀ (L Lᵀ + d) H)⁻¹, block by block for several classes.

References
----------
.. [1] Nocedal and Wright, *Numerical Optimization*, Springer, 2006, chapter 7: inexact Newton.
.. [2] Gould, Hribar and Nocedal, "On the solution of equality constrained quadratic programming
   problems arising in optimization", SIAM J. Sci. Comput. 23(4), 2001: projected gradients.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skextras.kernel.solvers.likelihood import Curvature, Likelihood
from skextras.kernel.solvers.line_search import Iterate
from skextras.kernel.solvers.low_rank import ShiftedInverse, shifted_inverse
from skextras.kernel.solvers.operators import LowRankKernel, SquareKernel
from skextras.kernel.solvers.progress import Progress, Report

__all__ = ["newton_cg"]

MAX_CG_STEPS = 200
STALE = 8  # steps of conjugate gradients after which the preconditioner is made anew
LOOSE = 0.1  # of a Newton step's length that its error may be, in the norm of the Hessian
SHARE = 0.5  # of what the step leaves of the residual however well it is solved
ENOUGH = 0.3  # of the residual to stop at
ROUGH = 1e-4  # residual down to which products in single precision are good enough
BLUR = 0.5  # of a row's score, the most that its share of the residual is off, and twice that
SETTLED = 1e-3  # a residual below which the curvature hardly changes any more
Enough = Callable[[np.ndarray, np.ndarray], bool]


def newton_cg(
    K: SquareKernel,
    model: LowRankKernel,
    loss: Likelihood,
    point: Iterate,
    *,
    fit_intercept: bool,
    max_iter: int,
    tol: float,
    report: Report | None = None,
) -> Progress:
    """Minimise J from a given point.

    Parameters
    ----------
    K : SquareKernel
        The kernel, n rows.
    model : LowRankKernel
        What stands for it in the preconditioner.
    loss : Likelihood
        Of n rows.
    point : Iterate
        Where to start; its ``KA`` is that of K, its columns sum to zero with an intercept.
    fit_intercept : bool
        Whether b is free; it is zero otherwise.
    max_iter : int
        Newton steps at most.
    tol : float
        Stop when the residual is at or below it.
    report : callable, default=None
        Called with (steps taken, objective, residual) before each step.

    Returns
    -------
    Progress
        With ``residual > tol`` if steps or digits ran out.

    Raises
    ------
    numpy.linalg.LinAlgError
        If K is found not to be positive semi-definite.
    """
    system: _System | None = None
    progress = Progress(point, 0, np.inf, [loss.value(point.F) + point.penalty])
    is_sharp, goal = K.is_exact, tol if K.is_exact else max(tol, ROUGH)
    for progress.n_iter in range(max_iter + 1):
        G, last = loss.descent(progress.point.F), progress.residual
        progress.residual = progress.point.distance(G) / loss.size
        is_near = progress.residual <= goal or progress.stalls(last)
        if is_near and not is_sharp and BLUR * K.error(progress.point) > ENOUGH * tol:
            progress.rescored(K.exact_times(progress.point.A), loss)
            G, is_sharp, goal, last = loss.descent(progress.point.F), True, tol, np.inf
            progress.residual = progress.point.distance(G) / loss.size
        if report is not None:
            report(progress.n_iter, progress.objectives[-1], progress.residual)
        if progress.residual <= tol or progress.n_iter == max_iter or progress.stalls(last):
            break
        W = loss.curvature(progress.point.F)
        if system is None or progress.residual > SETTLED or system.n_steps > STALE:
            system = _System(K, W, _inverses(model, W), fit_intercept)
        system.W = W
        target = system.target(progress.point, loss, G, ENOUGH * tol)
        if progress.step(target, loss, G):
            is_sharp = K.is_exact
        elif is_sharp or goal == np.inf:
            break  # no digits left
        else:
            goal = np.inf  # those of single precision are not the last
    return progress


def _inverses(model: LowRankKernel, W: Curvature) -> list[ShiftedInverse]:
    """One preconditioner a class."""
    return [shifted_inverse(model, np.sqrt(w)) for w in W.diagonal().T]


@dataclass
class _System:
    """The linear system of a Newton step."""

    K: SquareKernel
    W: Curvature
    inverses: list[ShiftedInverse]
    fit_intercept: bool
    n_steps: int = 0  # that the last solution took

    def precondition(self, V: np.ndarray) -> np.ndarray:
        columns = [P.times(v) for P, v in zip(self.inverses, V.T, strict=True)]
        return self.W.projected(np.column_stack(columns))

    def target(self, point: Iterate, loss: Likelihood, G: np.ndarray, goal: float) -> Iterate:
        """Where the Newton step leads, as far as it leads to the solution."""
        R = G - point.A
        border = _Border(self, G) if self.fit_intercept else None

        def is_enough(change: np.ndarray, left: np.ndarray) -> bool:
            """Whether what is left open is little beside what a linear system leaves out."""
            open_ = float(
                np.abs(self.W.root_times(left)).max()
            )  # A - G at the end, were W constant
            bend = loss.descent(point.F + change) - G + self.W.times(change)
            return open_ <= max(goal * loss.size, SHARE * float(np.abs(bend).max()))

        V, moved, slack = self._solved(R, border, is_enough)
        A, KA = G + self.W.root_times(V), point.KA + moved
        b = point.b if border is None else point.b + border.multiplier(slack)
        return Iterate(A, b, KA, KA)

    def _solved(
        self, R: np.ndarray, border: "_Border | None", is_enough: Enough
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """V, K ΔA and the residual of the system without 1 δᵀ."""
        W, K = self.W, self.K
        V = np.zeros_like(R) if border is None else border.start
        moved = K.times(R + W.root_times(V))
        slack = -W.root_transposed_times(moved) - V
        Z = self._free(slack, border)
        P, rz = Z, float(np.vdot(slack, Z))
        for self.n_steps in range(1, MAX_CG_STEPS + 1):
            KHP = K.times(W.root_times(P))
            MP = P + W.root_transposed_times(KHP)
            curvature = float(np.vdot(P, MP))
            if rz <= 0.0 or curvature <= 0.0:
                break
            step = rz / curvature
            V, moved, slack = V + step * P, moved + step * KHP, slack - step * MP
            # The square of the Newton decrement, and a bound of the error's in the same norm
            decrement = float(np.vdot(R, moved))
            change, left = moved, slack
            if border is not None:
                delta = border.multiplier(slack)
                change, left = moved + delta, slack - border.weighed(delta)
            if np.vdot(left, left) <= LOOSE**2 * decrement and is_enough(change, left):
                break
            Z = self._free(slack, border)
            rz, last = float(np.vdot(slack, Z)), rz
            P = Z + (rz / last) * P
        if curvature < 0.5 * float(np.vdot(P, P)) - K.rounding(W.root_times(P)):
            raise np.linalg.LinAlgError("K is not positive semi-definite")
        return V, moved, slack

    def _free(self, slack: np.ndarray, border: "_Border | None") -> np.ndarray:
        """The preconditioned residual, along which 1ᵀ H V stays as it is."""
        Z = self.precondition(slack)
        return Z if border is None else Z - border.along(Z)


class _Border:
    """The constraint of the intercepts: 1ᵀ H V = Eᵀ V with E_j = Hᵀ 1_j for each column j."""

    def __init__(self, system: _System, G: np.ndarray) -> None:
        n, k = G.shape
        units = [np.tile(unit, (n, 1)) for unit in np.eye(k)]
        self.E = np.stack([system.W.root_transposed_times(unit) for unit in units])  # (k, n, k)
        self.PE = np.stack([system.precondition(E_j) for E_j in self.E])
        # For k > 1 a constant common to all classes is left open; the pseudo-inverse takes zero.
        self.inner = np.linalg.pinv(
            np.tensordot(self.E, self.PE, axes=([1, 2], [1, 2])), rcond=1e-9
        )
        self.start = np.tensordot(self.inner @ -G.sum(axis=0), self.PE, axes=1)

    def along(self, Z: np.ndarray) -> np.ndarray:
        sums = np.tensordot(self.E, Z, axes=([1, 2], [0, 1]))
        return np.tensordot(self.inner @ sums, self.PE, axes=1)

    def multiplier(self, slack: np.ndarray) -> np.ndarray:
        """The change of the intercepts, δ."""
        return self.inner @ np.tensordot(self.PE, slack, axes=([1, 2], [0, 1]))

    def weighed(self, delta: np.ndarray) -> np.ndarray:
        """Hᵀ 1 δᵀ."""
        return np.tensordot(delta, self.E, axes=1)
