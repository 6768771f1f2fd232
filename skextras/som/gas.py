"""Neural gas: units without a map, where rank among the units takes the place of distance.

Each row pulls its k-th nearest unit with exp(-k / λ), k counted from 0 (Martinetz and Schulten, "A
neural-gas network learns topologies", 1991); an epoch moves each unit to the mean of all rows so
weighted (Cottrell et al., "Batch and median neural gas", Neural Networks 19, 2006).
"""

from typing import Any

import numpy as np

from skextras.som.batch import SMALLEST, Tally, in_stripes
from skextras.som.schedules import NARROW
from skextras.som.search import Codebook, rows_of

ROWS_AT_A_TIME = 256  # of which all ranks are held


def pulls(distances: np.ndarray, radius: float) -> np.ndarray:
    """How much each row pulls each unit.

    Parameters
    ----------
    distances : ndarray of shape (n, n_units)
        Of rows and units; among equals the lower unit comes first.
    radius : float
        λ; at 0 the nearest unit is pulled alone.

    Returns
    -------
    ndarray of shape (n, n_units)
        From 0 to 1.
    """
    ranks = np.empty(distances.shape)
    order = np.argsort(distances, axis=1, kind="stable")
    np.put_along_axis(ranks, order, np.arange(distances.shape[1], dtype=np.float64), axis=1)
    if radius < NARROW:
        return (ranks == 0).astype(np.float64)
    pull: np.ndarray = np.exp(-ranks / radius)
    return pull


def gas_epoch(
    codebook: Codebook, X: Any, weights: np.ndarray, radius: float, n_threads: int
) -> np.ndarray:
    """Move units to the means of all rows, weighted by rank.

    Parameters
    ----------
    codebook : Codebook
        The units.
    X : ndarray or CSR matrix of shape (n, n_features)
        Rows.
    weights : ndarray of float64 of shape (n,)
        Of the rows.
    radius : float
        λ.
    n_threads : int
        How many threads; the result is the same for any number.

    Returns
    -------
    ndarray of shape (n_units, n_features)
        Units after.
    """

    def _task(rows: slice) -> Tally:
        total = Tally(np.zeros(shape), np.zeros(shape))
        for start in range(rows.start, rows.stop, ROWS_AT_A_TIME):
            some = slice(start, min(start + ROWS_AT_A_TIME, rows.stop))
            part = rows_of(X, some)
            pull = pulls(codebook.distances(part), radius) * weights[some, None]
            is_known = ~np.isnan(part)
            total += Tally(pull.T @ np.where(is_known, part, 0.0), pull.T @ is_known)
        return total

    shape, before = codebook.weights.shape, codebook.given
    total = Tally(np.zeros(shape), np.zeros(shape))
    for part in in_stripes(_task, X.shape[0], n_threads):
        total += part
    means = total.sums / np.maximum(total.counts, SMALLEST)
    return np.where(total.counts > SMALLEST, means, before)
