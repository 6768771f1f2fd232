"""The map as a place: where units lie, how far apart, and who neighbours whom.

Nearest neighbours are one unit of length apart. A hexagonal map is rows of units, √3/2 below one
another, of which every second one is moved to the right by a half. Distances go through the
edges that are glued together: left and right for a cylinder, top and bottom too for a torus.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

TOPOLOGIES = ("rectangular", "hexagonal", "gas")
BOUNDARIES = ("planar", "cylindrical", "toroidal")
SQUARED_SPACING = {"rectangular": 1.0, "hexagonal": 0.75, "gas": 1.0}  # of rows
TOUCHING = 1.0  # squared; the next nearest are √2 or √3 apart


@dataclass(frozen=True)
class Grid:
    """Rows and columns of units.

    Attributes
    ----------
    n_rows : int
        Rows.
    n_cols : int
        Columns.
    topology : {"rectangular", "hexagonal", "gas"}
        Four or six neighbours; units of a gas lie nowhere, and have none.
    boundary : {"planar", "cylindrical", "toroidal"}
        Which edges are glued together.
    """

    n_rows: int
    n_cols: int
    topology: str = "rectangular"
    boundary: str = "planar"

    @property
    def n_units(self) -> int:
        """Units of the map.

        Returns
        -------
        int
            Rows times columns.
        """
        return self.n_rows * self.n_cols

    @cached_property
    def coordinates(self) -> np.ndarray:
        """Where units lie.

        Returns
        -------
        ndarray of shape (n_units, 2)
            Across and down, row by row.
        """
        across, rows = self._places
        return np.column_stack([across, rows * SQUARED_SPACING[self.topology] ** 0.5])

    @cached_property
    def _places(self) -> np.ndarray:
        """Across, and the row, of each unit; shape (2, n_units)."""
        rows, columns = np.divmod(np.arange(self.n_units), self.n_cols)
        return np.stack([columns + self._shifts[rows], rows])

    def _squared(self, across: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Squared distance, without rounding: a neighbourhood that ends there shall not leak."""
        if self.boundary != "planar":
            across = np.minimum(across % self.n_cols, -across % self.n_cols)
        if self.boundary == "toroidal":
            rows = np.minimum(rows % self.n_rows, -rows % self.n_rows)
        squared: np.ndarray = across**2 + SQUARED_SPACING[self.topology] * rows**2
        return squared

    @cached_property
    def _shifts(self) -> np.ndarray:
        """By how much each row is moved to the right."""
        odd = np.arange(self.n_rows) % 2
        return odd * (0.5 if self.topology == "hexagonal" else 0.0)

    @property
    def n_kinds(self) -> int:
        """After how many rows they lie as before.

        Returns
        -------
        int
            2 where every second one is moved to the right.
        """
        return 2 if self.topology == "hexagonal" else 1

    @cached_property
    def squared_between_rows(self) -> np.ndarray:
        """How far rows are from one another.

        Returns
        -------
        ndarray of shape (n_rows, n_rows)
            Squared.
        """
        rows = np.arange(self.n_rows)
        return self._squared(np.zeros(1), rows[:, None] - rows)

    def squared_along_rows(self, kind: int, other: int) -> np.ndarray:
        """How far the columns of a row are from those of another, along the rows.

        Parameters
        ----------
        kind, other : int
            Remainders of the two rows' numbers by ``n_kinds``.

        Returns
        -------
        ndarray of shape (n_cols, n_cols)
            Squared.
        """
        columns = np.arange(self.n_cols)
        shift = 0.5 * (other - kind)
        return self._squared(columns - columns[:, None] + shift, np.zeros(1))

    def squared_offsets(self, row: int) -> np.ndarray:
        """Squared distances from one row of units, by row and by difference of columns.

        Parameters
        ----------
        row : int
            From which.

        Returns
        -------
        ndarray of shape (n_rows, 2 * n_cols - 1)
            To each row; the difference of columns goes from 1 - n_cols to n_cols - 1.
        """
        steps = np.arange(1 - self.n_cols, self.n_cols)
        shifts = self._shifts - self._shifts[row]
        return self._squared(steps + shifts[:, None], np.arange(self.n_rows)[:, None] - row)

    def squared_distances(self, units: np.ndarray) -> np.ndarray:
        """Squared distances from some units to all.

        Parameters
        ----------
        units : ndarray of int of shape (n,)
            From which.

        Returns
        -------
        ndarray of shape (n, n_units)
            Squared lengths.
        """
        return self._squared(*(self._places[:, units, None] - self._places[:, None]))

    def are_touching(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Tell which pairs of units are direct neighbours.

        Parameters
        ----------
        first : ndarray of int of shape (n,)
            One of each pair.
        second : ndarray of int of shape (n,)
            The other.

        Returns
        -------
        ndarray of bool of shape (n,)
            Diagonal neighbours on a rectangular map do not touch.
        """
        return self._squared(*(self._places[:, first] - self._places[:, second])) <= TOUCHING

    @cached_property
    def edges(self) -> np.ndarray:
        """All pairs of neighbouring units.

        Returns
        -------
        ndarray of int of shape (n_edges, 2)
            Each pair once, the lower number first.
        """
        pairs = []
        for unit in range(self.n_units):
            near = self.squared_distances(np.array([unit]))[0] <= TOUCHING
            near[: unit + 1] = False
            pairs += [(unit, int(other)) for other in np.flatnonzero(near)]
        return np.array(pairs, dtype=np.intp).reshape(-1, 2)
