"""A costly smooth function on a grid, evaluated at as few of its points as tell the others."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

__all__ = ["Curve"]

COARSE = 4  # the grid is first taken at every so many points
NEAREST = 4  # points of an interpolation: a cubic
FINER = 10.0  # what an error falls by as points come twice as near: 2⁴ = 16 far from the ends


class Curve:
    """Values of a function, each with a vector from which one nearby is computed faster.

    Parameters
    ----------
    function : callable
        Takes a place and a vector like that of the place; gives the value and the vector.
    start : ndarray
        The vector to begin with.
    """

    def __init__(
        self, function: Callable[[float, np.ndarray], tuple[float, np.ndarray]], start: np.ndarray
    ) -> None:
        self.function, self.start = function, start
        self.known: dict[int, tuple[float, np.ndarray]] = {}

    def over(self, grid: np.ndarray, accuracy: float) -> np.ndarray:
        """Evaluate the function on a grid.

        The grid is refined next to each point whose value its neighbours, twice as far from one
        another, did not tell well enough.

        Parameters
        ----------
        grid : ndarray of shape (n,), rising
            Places.
        accuracy : float
            How far a value may be off.

        Returns
        -------
        ndarray of shape (n,)
            Values.
        """
        last = len(grid) - 1
        new = np.unique(np.linspace(0, last, 1 + -(-last // COARSE)).round().astype(int)).tolist()
        while new:
            for i in new:
                self._evaluate(grid, i)
            points = sorted(self.known)
            rough = {i for i in points if self._surprise(grid, i) > FINER * accuracy}
            gaps = pairwise(points)
            new = [(a + b) // 2 for a, b in gaps if b > a + 1 and (a in rough or b in rough)]
        values = [
            self.known[i][0] if i in self.known else self._interpolated(grid, i)[0]
            for i in range(len(grid))
        ]
        return np.array(values)

    def near(self, grid: np.ndarray, i: int) -> np.ndarray:
        """Give the vector at a place, or what those nearby say of it.

        Parameters
        ----------
        grid : ndarray of shape (n,), rising
            Places, of which :meth:`over` has evaluated some.
        i : int
            One of them.

        Returns
        -------
        ndarray
            The vector.
        """
        return self.known[i][1] if i in self.known else self._interpolated(grid, i)[1]

    def _evaluate(self, grid: np.ndarray, i: int) -> None:
        start = self._interpolated(grid, i)[1] if self.known else self.start
        self.known[i] = self.function(float(grid[i]), start)

    def _surprise(self, grid: np.ndarray, i: int) -> float:
        """How far a value is from what the others tell; points at the ends are not told well."""
        if len(self.known) <= NEAREST:
            return np.inf
        if i in (min(self.known), max(self.known)):
            return 0.0
        return abs(self._interpolated(grid, i)[0] - self.known[i][0])

    def _interpolated(self, grid: np.ndarray, i: int) -> tuple[float, np.ndarray]:
        """Value and vector at a place, from the nearest others (Lagrange)."""
        others = sorted((j for j in self.known if j != i), key=lambda j: abs(grid[j] - grid[i]))
        near = others[:NEAREST]
        x = grid[near]
        shares = [
            np.prod((grid[i] - np.delete(x, p)) / (x[p] - np.delete(x, p))) for p in range(len(x))
        ]
        value = sum(share * self.known[j][0] for share, j in zip(shares, near, strict=True))
        vector = sum(share * self.known[j][1] for share, j in zip(shares, near, strict=True))
        return float(value), np.asarray(vector)
