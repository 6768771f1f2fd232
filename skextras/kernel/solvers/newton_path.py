"""Newton's method from good starts, whose last factors serve what is asked of the mode as well."""

import numpy as np

from skextras.kernel.solvers.exact import newton_target, solve_newton
from skextras.kernel.solvers.laplace import Laplace
from skextras.kernel.solvers.likelihood import Likelihood
from skextras.kernel.solvers.line_search import Iterate, Start

__all__ = ["Newton"]

STEPS = 10  # whole steps from a start; one that needs more is not good, and steps are searched
CLOSE = 0.5  # nats that scores may have moved since the factors were made
SLOW = 0.2  # of the residual: factors that leave more of it are made anew
SATURATED = (
    12.0  # score, or lead of one class, beyond which a row's curvature is kept as it is there
)


class Newton:
    """Fits with one kernel.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        The kernel, double centred with an intercept.
    fit_intercept : bool
        Whether b is free.
    tol : float
        Residual to stop at, relative to the largest c.
    """

    def __init__(self, K: np.ndarray, *, fit_intercept: bool, tol: float) -> None:
        self.K, self.fit_intercept, self.tol = K, fit_intercept, tol

    def near_mode(self, loss: Likelihood, start: np.ndarray) -> tuple[Iterate, Laplace]:
        """Find the mode; the posterior is that of the iterate before it.

        Parameters
        ----------
        loss : Likelihood
            The loss.
        start : ndarray of shape (n, k)
            Scores near those of the mode.

        Returns
        -------
        tuple of Iterate and Laplace
            The mode, and the posterior near it, whose curvature is bounded below.
        """
        found, posterior = self._whole_steps(loss, start)
        if posterior is None:
            found = self._searched(loss, found)
            posterior = self._posterior(loss, _bounded(found.F))
        return found, posterior

    def mode(self, loss: Likelihood, start: np.ndarray) -> tuple[Iterate, Laplace]:
        """Find the mode and the posterior there.

        Parameters
        ----------
        loss : Likelihood
            The loss.
        start : ndarray of shape (n, k)
            Scores near those of the mode.

        Returns
        -------
        tuple of Iterate and Laplace
            The mode and the posterior there.
        """
        found, posterior = self._whole_steps(loss, start)
        found = found if posterior is not None else self._searched(loss, found)
        return found, self._posterior(loss, found.F)

    def _whole_steps(self, loss: Likelihood, start: np.ndarray) -> tuple[Iterate, Laplace | None]:
        """The last iterate, and the factors that led there if it is the mode."""
        F, origin, last, posterior, is_new = start, start, np.inf, None, False
        for _ in range(STEPS):
            if posterior is None:
                posterior, is_new, origin = self._posterior(loss, _bounded(F)), True, F
            curvature = posterior.W, posterior.times
            found = newton_target(
                self.K, F, loss.descent(F), curvature, fit_intercept=self.fit_intercept
            )
            residual = found.distance(loss.descent(found.F)) / loss.size
            if residual <= self.tol:
                return found, posterior if np.abs(found.F - origin).max() <= CLOSE else None
            if residual > SLOW * last:
                if is_new:
                    break
                posterior = None
            if residual < last:
                F, last, is_new = found.F, residual, False
        return found, None

    def _searched(self, loss: Likelihood, start: Iterate) -> Iterate:
        """Newton's method with a search along each step."""
        found = solve_newton(
            self.K,
            loss.targets,
            loss.weights[:, 0],
            fit_intercept=self.fit_intercept,
            tol=self.tol,
            start=Start(start.A, start.b),
        )
        KA = self.K @ found.dual_coef
        return Iterate(found.dual_coef, found.intercept, KA, KA)

    def _posterior(self, loss: Likelihood, F: np.ndarray) -> Laplace:
        return Laplace(self.K, loss, F, fit_intercept=self.fit_intercept)


def _bounded(F: np.ndarray) -> np.ndarray:
    """Scores at which no curvature vanishes."""
    if F.shape[1] == 1:
        return np.clip(F, -SATURATED, SATURATED)
    return np.maximum(F - F.max(axis=1, keepdims=True), -SATURATED)
