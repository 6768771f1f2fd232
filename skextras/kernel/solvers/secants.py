"""Directions of a quasi-Newton method from a preconditioner and what the last steps showed.

References
----------
.. [1] Nocedal and Wright, *Numerical Optimization*, Springer, 2006, algorithm 7.4.
"""

from collections.abc import Callable

import numpy as np

__all__ = ["Secants"]

MEMORY = 40  # pairs; on a quadratic so many steps are conjugate


class Secants:
    """The last steps and how the gradient changed on each."""

    def __init__(self) -> None:
        self.pairs: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, step: np.ndarray, change: np.ndarray) -> None:
        """Remember a step, if the gradient grew along it beyond rounding.

        Parameters
        ----------
        step : ndarray of shape (p,)
            What was added to the variables.
        change : ndarray of shape (p,)
            What that added to the gradient.
        """
        curvature = float(step @ change)
        if curvature > 1e-12 * float(np.linalg.norm(step) * np.linalg.norm(change)):
            self.pairs = [*self.pairs[1 - MEMORY :], (step, change)]

    def times(
        self, gradient: np.ndarray, precondition: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """Apply the inverse Hessian that has all these secants, and is the preconditioner beyond.

        Parameters
        ----------
        gradient : ndarray of shape (p,)
            What to apply it to.
        precondition : callable
            A positive definite approximation of the inverse Hessian.

        Returns
        -------
        ndarray of shape (p,)
            Minus this is where to go.
        """
        rest, shares = gradient.copy(), []
        for step, change in reversed(self.pairs):
            shares.append(float(step @ rest) / float(step @ change))
            rest -= shares[-1] * change
        found = precondition(rest)
        for (step, change), share in zip(self.pairs, reversed(shares), strict=True):
            found = found + (share - float(change @ found) / float(step @ change)) * step
        return found
