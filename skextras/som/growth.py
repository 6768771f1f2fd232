"""A map that grows where it fits worst: a row or a column of units at a time.

The unit whose rows are farthest from it, in sum, and its most distant neighbour get new units
between them (Fritzke, "Growing grid", Neural Processing Letters 2, 1995). It stops when the mean
distance of a row to its unit is a given share of that to the mean of all rows (Rauber, Merkl,
Dittenbach, "The growing hierarchical self-organizing map", IEEE Transactions on Neural Networks 13,
2002, equation 5).
"""

from dataclasses import replace
from typing import Any

import numpy as np

from skextras.som.grid import Grid
from skextras.som.search import Codebook
from skextras.som.training import Course, Plan, fates, train


def widest_edge(grid: Grid, weights: np.ndarray, errors: np.ndarray) -> tuple[int, int]:
    """Find where new units are needed most.

    Parameters
    ----------
    grid : Grid
        Where units lie.
    weights : ndarray of shape (n_units, n_features)
        Of the units.
    errors : ndarray of shape (n_units,)
        Summed distances of their rows.

    Returns
    -------
    tuple of int
        The worst unit, and its neighbour of the most different weights.
    """
    worst = int(np.argmax(errors))
    edges = grid.edges[(grid.edges == worst).any(axis=1)]
    others = edges.sum(axis=1) - worst
    apart = np.linalg.norm(weights[others] - weights[worst], axis=1)
    return worst, int(others[np.argmax(apart)])


def inserted(grid: Grid, weights: np.ndarray, first: int, second: int) -> tuple[Grid, np.ndarray]:
    """Put a row or a column of units between two neighbours.

    Parameters
    ----------
    grid : Grid
        Where units lie.
    weights : ndarray of shape (n_units, n_features)
        Of the units.
    first : int
        A unit.
    second : int
        Its neighbour.

    Returns
    -------
    Grid
        The larger map.
    ndarray of shape (n_units, n_features)
        Weights on it; new units are midway between those beside them.
    """
    table = weights.reshape(grid.n_rows, grid.n_cols, -1)
    rows, columns = np.divmod([first, second], grid.n_cols)
    axis = 0 if rows[0] != rows[1] else 1
    place = int(min(rows if axis == 0 else columns)) + 1
    between = table.take([place - 1, place], axis=axis).mean(axis=axis)
    table = np.insert(table, place, between, axis=axis)
    larger = replace(grid, n_rows=table.shape[0], n_cols=table.shape[1])
    return larger, table.reshape(larger.n_units, -1)


def grow(course: Course, plan: Plan, X: Any, weights: np.ndarray | None, share: float) -> None:
    """Let a map that has learnt grow until it fits.

    Parameters
    ----------
    course : Course
        The map, which is changed.
    plan : Plan
        How it learns; after each insertion for a fifth of the epochs, with the last radius.
    X : ndarray or CSR matrix of shape (n, n_features)
        Rows.
    weights : ndarray of float64 of shape (n,) or None
        Of the rows; None is 1 for all.
    share : float
        Mean distance to a unit at which the map is done, in shares of that to the mean of all rows.
        It also is done before it has more units than there are rows.
    """
    weights = np.ones(X.shape[0]) if weights is None else weights
    calm = replace(plan, radius=(plan.radius[1],) * 2)
    n_rows, n_epochs = np.count_nonzero(weights), max(plan.n_epochs // 5, 1)
    centre = np.average(course.weights, axis=0)[None]
    alone = Course(centre, Grid(1, 1))
    train(alone, replace(plan, algorithm="batch"), X, weights, 1)
    goal = share * _errors(alone, plan, X, weights).sum()
    while True:
        errors = _errors(course, plan, X, weights)
        added = max(course.grid.n_rows, course.grid.n_cols)
        if errors.sum() <= goal or course.grid.n_units + added > n_rows:
            return
        first, second = widest_edge(course.grid, course.weights, errors)
        course.grid, course.weights = inserted(course.grid, course.weights, first, second)
        course.memory = None  # of units that were others
        train(course, calm, X, weights, n_epochs)


def _errors(course: Course, plan: Plan, X: Any, weights: np.ndarray) -> np.ndarray:
    """Summed distance of the rows of each unit."""
    codebook = Codebook(course.weights, plan.metric)
    fate = fates(codebook, X, plan.n_threads, with_distance=True)
    return np.bincount(fate.labels, weights * fate.distances, minlength=course.grid.n_units)
