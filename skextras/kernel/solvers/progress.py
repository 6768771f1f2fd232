"""Where a Newton method stands, and whether it goes on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skextras.kernel.solvers.likelihood import Likelihood
from skextras.kernel.solvers.line_search import Iterate, line_search, rounding

__all__ = ["Progress", "Report"]

NEAR = 1e-3  # a residual at which Newton's method converges without a search
Report = Callable[[int, float, float], None]


@dataclass
class Progress:
    """Where a run stands.

    Attributes
    ----------
    point : Iterate
        The last iterate.
    n_iter : int
        Newton steps taken.
    residual : float
        Largest entry of |A - G|, relative to the largest c.
    objectives : list of float
        J before the first step and after each one.
    """

    point: Iterate
    n_iter: int
    residual: float
    objectives: list[float]

    def stalls(self, last: float) -> bool:
        """Tell whether no digits are left.

        Parameters
        ----------
        last : float
            The residual before the last step.

        Returns
        -------
        bool
            Whether that step gained nothing.
        """
        if len(self.objectives) < 2 or self.residual <= 0.5 * last:
            return False
        return self.objectives[-2] - self.objectives[-1] <= rounding(self.objectives[-1])

    def rescored(self, KA: np.ndarray, loss: Likelihood) -> None:
        """Replace the scores, a sum of many products, by better ones.

        Parameters
        ----------
        KA : ndarray of shape (n, k)
            Kernel times the coefficients.
        loss : Likelihood
            The loss.
        """
        self.point = Iterate(self.point.A, self.point.b, KA, KA)
        self.objectives[-1] = loss.value(self.point.F) + self.point.penalty

    def step(self, target: Iterate, loss: Likelihood, G: np.ndarray) -> bool:
        """Go towards the target as far as lowers the objective.

        Near the solution that has no digits left to tell one point from another, and it is enough
        that the whole step halves the residual.

        Parameters
        ----------
        target : Iterate
            Where the Newton step leads.
        loss : Likelihood
            The loss.
        G : ndarray of shape (n, k)
            Its negative gradient at ``point``.

        Returns
        -------
        bool
            False if no step was found.
        """
        found: tuple[Iterate, float] | None = target, loss.value(target.F) + target.penalty
        here, there = self.point.distance(G), target.distance(loss.descent(target.F))
        if here > NEAR * loss.size or there > 0.5 * here:
            found = line_search(self.point, target, loss, G, self.objectives[-1])
        if found is None:
            return False
        self.point = found[0]
        self.objectives.append(found[1])
        return True
