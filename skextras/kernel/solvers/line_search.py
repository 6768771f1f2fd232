"""An iterate of a Newton method, and the search along the line to the next one."""

from dataclasses import dataclass

import numpy as np

from skextras.kernel.solvers.likelihood import Likelihood

__all__ = ["Iterate", "Solution", "Start", "line_search", "rounding"]

SUFFICIENT_DECREASE = 1e-4  # Armijo's constant
MAX_HALVINGS = 30
EPS = float(np.finfo(np.float64).eps)
ROUNDINGS = 10.0  # that may fall the same way


@dataclass(frozen=True)
class Solution:
    """Where a solver stopped.

    Attributes
    ----------
    dual_coef : ndarray of shape (m, k)
        A, the coefficients of the m kernel functions.
    intercept : ndarray of shape (k,)
        b; sums to zero where k > 1.
    n_iter : int
        Newton steps taken.
    residual : float
        How far from a minimum, as the solver measures it; zero at the exact solution.
    objectives : tuple of float
        J before the first step and after each one; it never rises but by rounding.
    misfit : float
        Largest |y - p| of a row.
    is_settled : bool
        Whether what is left is too little to matter, whatever the residual.
    """

    dual_coef: np.ndarray
    intercept: np.ndarray
    n_iter: int
    residual: float
    objectives: tuple[float, ...]
    misfit: float
    is_settled: bool = False


@dataclass(frozen=True)
class Start:
    """Coefficients to start from.

    Attributes
    ----------
    dual_coef : ndarray of shape (n, k)
        A.
    intercept : ndarray of shape (k,)
        b.
    """

    dual_coef: np.ndarray
    intercept: np.ndarray


@dataclass(frozen=True)
class Iterate:
    """Coefficients with the two products that suffice along a line: no kernel is needed there.

    Attributes
    ----------
    A : ndarray of shape (m, k)
        Coefficients of the kernel functions.
    b : ndarray of shape (k,)
        Intercepts.
    KA : ndarray of shape (m, k)
        Kernel of the m functions with one another, times A: ½ <A, K A> is the penalty.
    span : ndarray of shape (n, k)
        Kernel of the rows with the m functions, times A: scores without their intercepts.
    """

    A: np.ndarray
    b: np.ndarray
    KA: np.ndarray
    span: np.ndarray

    @property
    def F(self) -> np.ndarray:
        """Scores of the rows.

        Returns
        -------
        ndarray of shape (n, k)
            F = K_nm A + 1 bᵀ.
        """
        return self.span + self.b

    @property
    def penalty(self) -> float:
        """Half the squared norm of the decision function.

        Returns
        -------
        float
            ½ tr(Aᵀ K A).
        """
        return 0.5 * float(np.vdot(self.A, self.KA))

    def distance(self, G: np.ndarray) -> float:
        """Distance from the solution, where A = G.

        Parameters
        ----------
        G : ndarray of shape (m, k)
            Negative gradient of the loss at these scores.

        Returns
        -------
        float
            The largest entry of |A - G|.
        """
        return float(np.abs(self.A - G).max())

    def toward(self, other: "Iterate", t: float) -> "Iterate":
        """Go some of the way to another iterate.

        Parameters
        ----------
        other : Iterate
            Where to.
        t : float
            The share of the way.

        Returns
        -------
        Iterate
            (1 - t) of this one and t of the other.
        """
        return Iterate(
            self.A + t * (other.A - self.A),
            self.b + t * (other.b - self.b),
            self.KA + t * (other.KA - self.KA),
            self.span + t * (other.span - self.span),
        )


def rounding(objective: float) -> float:
    """Bound a difference of two values of J that means nothing.

    Parameters
    ----------
    objective : float
        J.

    Returns
    -------
    float
        Some units in its last place.
    """
    return ROUNDINGS * EPS * abs(objective)


def line_search(
    point: Iterate, target: Iterate, loss: Likelihood, G: np.ndarray, objective: float
) -> tuple[Iterate, float] | None:
    """Take the first of the steps 1, ½, ¼, ... that lowers J enough (Armijo's rule).

    Parameters
    ----------
    point, target : Iterate
        From here towards there.
    loss : Likelihood
        The loss.
    G : ndarray of shape (n, k)
        Its negative gradient at ``point``.
    objective : float
        J at ``point``.

    Returns
    -------
    tuple of Iterate and float, or None
        Where the step ends and J there; None if no step lowers J.
    """
    slope = float(np.vdot(point.KA, target.A - point.A) - np.vdot(G, target.F - point.F))
    for halvings in range(MAX_HALVINGS):
        t = 0.5**halvings
        candidate = point.toward(target, t)
        value = loss.value(candidate.F) + candidate.penalty
        if value <= objective + SUFFICIENT_DECREASE * t * slope + rounding(objective):
            return candidate, value
    return None
