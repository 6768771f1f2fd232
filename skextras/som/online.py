"""Kohonen's own algorithm, sample by sample in the order given.

Units go the share α(t) h(c, j) of the way to each row, with c the nearest unit before the step and
α the learning rate (Kohonen, "Self-Organizing Maps", 2001, equation 3.6).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skextras.som.grid import Grid
from skextras.som.online_passes import BUBBLE, EPANECHNIKOV, GAUSSIAN, MEXICAN_HAT, learn_rows
from skextras.som.schedules import NARROW
from skextras.som.search import METRICS, rows_of, stripes
from skextras.som.tiles import SWEEP

SHAPES = {
    "gaussian": GAUSSIAN,
    "bubble": BUBBLE,
    "mexican_hat": MEXICAN_HAT,
    "epanechnikov": EPANECHNIKOV,
}


@dataclass(frozen=True)
class Steps:
    """What changes from row to row.

    Attributes
    ----------
    radii : ndarray of float64 of shape (n,)
        Radius of the neighbourhood.
    rates : ndarray of float64 of shape (n,)
        Learning rate.
    """

    radii: np.ndarray
    rates: np.ndarray


def learn_online(
    W: np.ndarray, grid: Grid, X: Any, weights: np.ndarray, steps: Steps, **names: str
) -> np.ndarray:
    """Move units by all rows, one after the other.

    Parameters
    ----------
    W : ndarray of float64 of shape (n_units, n_features)
        Units before.
    grid : Grid
        Where they lie.
    X : ndarray or CSR matrix of shape (n, n_features)
        Rows.
    weights : ndarray of float64 of shape (n,)
        Of the rows: one of weight 2 is gone to twice, one of 0 not at all.
    steps : Steps
        Radius and rate of each row.
    **names : str
        ``metric`` and ``neighborhood``.

    Returns
    -------
    ndarray of shape (n_units, n_features)
        Units after.
    """
    n_units, n_features = W.shape
    padded = np.zeros((-(-n_units // SWEEP) * SWEEP, n_features))
    padded[:n_units] = W
    panels = padded.reshape(-1, SWEEP, n_features).transpose(0, 2, 1).copy()
    map_form = (
        grid.n_rows,
        grid.n_cols,
        grid.topology == "hexagonal",
        grid.boundary != "planar",
        grid.boundary == "toroidal",
    )
    kind, shape = METRICS[names["metric"]], SHAPES[names["neighborhood"]]
    for rows in stripes(X.shape[0]):
        part, radii, rates = rows_of(X, rows), steps.radii[rows], steps.rates[rows]
        learn_rows(part, weights[rows], panels, kind, shape, map_form, radii, rates, NARROW)
    learnt: np.ndarray = panels.transpose(0, 2, 1).reshape(-1, n_features)[:n_units]
    return learnt
