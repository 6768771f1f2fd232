"""The batch algorithm: find the unit of every row, then let the neighbourhood act once.

Rows are summed by unit in float64, one after the other while other threads search, so that the map
is the same bit for bit for any number of threads. What a unit learns from all rows is
then a sum over units, not over rows (Kohonen, "Essentials of the self-organizing map", 2013).
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from skextras.som.grid import Grid
from skextras.som.passes import add_known, add_rows
from skextras.som.schedules import SIGNED, neighborhood
from skextras.som.search import Codebook, is_missing, stripes
from skextras.som.stored import StoredRows
from skextras.som.stored_passes import add_stored

SMALLEST = 1e-290  # a weight below has lost its digits
REPULSION = 0.1  # at a half, maps of iris, of digits and of a ball spread beyond the rows
Result = TypeVar("Result")


def in_stripes(task: Callable[[slice], Result], n_rows: int, n_threads: int) -> Iterator[Result]:
    """Do a task for each stripe of rows, on several threads.

    Parameters
    ----------
    task : callable
        What to do with a slice of the rows.
    n_rows : int
        Rows in total.
    n_threads : int
        How many threads.

    Yields
    ------
    object
        Results in the order of the stripes.
    """
    if n_threads == 1 or n_rows <= 1:
        yield from map(task, stripes(n_rows))
        return
    with ThreadPoolExecutor(n_threads) as pool:
        yield from pool.map(task, stripes(n_rows))


@dataclass
class Tally:
    """What rows leave behind at the units that they are nearest to.

    Attributes
    ----------
    sums : ndarray of shape (n_units, n_features)
        Weighted sums of the rows; missing values count as 0.
    counts : ndarray of shape (n_units, 1) or (n_units, n_features)
        Sums of their weights, by feature where values are missing.
    """

    sums: np.ndarray
    counts: np.ndarray

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.sums + other.sums, self.counts + other.counts)

    def take(self, X: np.ndarray | StoredRows, weights: np.ndarray, labels: np.ndarray) -> None:
        """Add rows to the sums of their units.

        Parameters
        ----------
        X : ndarray of shape (n, n_features) or StoredRows
            Rows of ``Codebook.part``.
        weights : ndarray of float64 of shape (n,)
            Of the rows.
        labels : ndarray of int32 of shape (n,)
            Their units.
        """
        if not isinstance(X, StoredRows) and is_missing(X):
            self.counts = np.array(np.broadcast_to(self.counts, self.sums.shape))
            add_known(X, weights, labels, self.sums, self.counts)
            return
        counts = np.zeros((len(self.counts), 1))
        if isinstance(X, StoredRows):
            add_stored(X.data, X.indices, X.indptr, weights, labels, self.sums, counts)
        else:
            add_rows(X, weights, labels, self.sums, counts)
        self.counts = self.counts + counts

    def scaled(self, factor: float) -> "Tally":
        """Make rows count less, or more.

        Parameters
        ----------
        factor : float
            By which each weight is multiplied.

        Returns
        -------
        Tally
            A new one.
        """
        return Tally(self.sums * factor, self.counts * factor)


def tally(codebook: Codebook, X: Any, weights: np.ndarray | None, n_threads: int = 1) -> Tally:
    """Sum all rows by their nearest unit.

    Parameters
    ----------
    codebook : Codebook
        The units.
    X : ndarray or CSR matrix of shape (n, n_features)
        Rows.
    weights : ndarray of float64 of shape (n,) or None
        Of the rows; None is 1 for all.
    n_threads : int, default=1
        How many threads; the sums are the same for any number.

    Returns
    -------
    Tally
        Sums and counts.
    """

    def _task(rows: slice) -> tuple[slice, np.ndarray | StoredRows, np.ndarray]:
        part = codebook.part(X, rows)
        return rows, part, codebook.nearest(part)[0][:, 0]

    total = Tally(
        np.zeros((codebook.n_units, codebook.n_features)), np.zeros((codebook.n_units, 1))
    )
    for rows, part, labels in in_stripes(_task, X.shape[0], n_threads):
        total.take(part, np.ones(len(part)) if weights is None else weights[rows], labels)
    return total


def smoothed(grid: Grid, h: Callable[[np.ndarray], np.ndarray], values: np.ndarray) -> np.ndarray:
    """Let the neighbourhood act on what lies at the units: H V, one row of the map at a time.

    Within two rows of units h depends on the difference of the columns alone, so that it is
    computed once for each difference and laid out as a matrix by strides.

    Parameters
    ----------
    grid : Grid
        Where units lie.
    h : callable
        The neighbourhood as a function of squared distances.
    values : ndarray of shape (n_units, n_values)
        V.

    Returns
    -------
    ndarray of shape (n_units, n_values)
        H V.
    """
    out = np.empty_like(values)
    for row in range(grid.n_rows):
        by_step = h(grid.squared_offsets(row))  # (n_rows, 2 n_cols - 1), by c' - c
        windows = np.lib.stride_tricks.sliding_window_view(by_step, grid.n_cols, axis=1)
        H = windows[:, ::-1].transpose(1, 0, 2).reshape(grid.n_cols, grid.n_units)
        out[row * grid.n_cols : (row + 1) * grid.n_cols] = H @ values
    return out


def smoothed_by_sides(
    grid: Grid, h: Callable[[np.ndarray], np.ndarray], values: np.ndarray
) -> np.ndarray:
    """The same for h(a + b) = h(a) h(b), the Gaussian: along the rows of the map, then across them.

    Parameters
    ----------
    grid : Grid
        Where units lie.
    h : callable
        The neighbourhood as a function of squared distances.
    values : ndarray of shape (n_units, n_values)
        V.

    Returns
    -------
    ndarray of shape (n_units, n_values)
        H V.
    """
    table = values.reshape(grid.n_rows, grid.n_cols, -1)
    out, moved = np.empty_like(table), np.empty_like(table)
    down, kinds = h(grid.squared_between_rows), grid.n_kinds
    for kind in range(kinds):
        for other in range(kinds):
            moved[other::kinds] = h(grid.squared_along_rows(kind, other)) @ table[other::kinds]
        out[kind::kinds] = np.tensordot(down[kind::kinds], moved, axes=1)
    return out.reshape(values.shape)


def learnt(weights: np.ndarray, tally: Tally, grid: Grid, shape: str, radius: float) -> np.ndarray:
    """Move each unit to the mean of the rows around it.

    Kohonen's rule: to Σ_k h_jk S_k / Σ_k h_jk c_k, with S_k the sum of the rows of unit k and c_k
    their number. Where h is negative (Mexican hat), see ``_repelled``.

    Parameters
    ----------
    weights : ndarray of shape (n_units, n_features)
        w, before.
    tally : Tally
        S and c.
    grid : Grid
        Where units lie.
    shape : str
        Name of the neighbourhood.
    radius : float
        Its radius.

    Returns
    -------
    ndarray of shape (n_units, n_features)
        w, after; a unit that no row reaches stays where it is.
    """

    def _pull(squared: np.ndarray) -> np.ndarray:
        return neighborhood(shape, squared, radius)

    values = np.hstack([tally.sums, tally.counts])
    if shape in SIGNED:
        near = smoothed(grid, lambda squared: np.maximum(_pull(squared), 0), values)
        far = smoothed(grid, lambda squared: np.maximum(-_pull(squared), 0), values)
        return _repelled(weights, near, far)
    smooth = smoothed_by_sides if shape == "gaussian" else smoothed
    sums, counts = np.hsplit(smooth(grid, _pull, values), [weights.shape[1]])
    return np.where(counts > SMALLEST, sums / np.maximum(counts, SMALLEST), weights)


def _repelled(weights: np.ndarray, near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Move units towards the rows around them, and away from those at a distance.

    The hat's brim outweighs its top, and would drive units off without end: here it counts at most
    ``REPULSION`` of what attracts a unit, so that the step is one to a point not far from the rows.
    """
    (sums, counts), (far_sums, far_counts) = (np.hsplit(t, [weights.shape[1]]) for t in (near, far))
    share = np.minimum(1, REPULSION * counts / np.maximum(far_counts, SMALLEST))
    pull = sums - counts * weights - share * (far_sums - far_counts * weights)
    return weights + pull / np.maximum(counts + share * far_counts, SMALLEST)
