"""How good a map is: does it keep neighbours, and where does it fold?"""

import numpy as np
from scipy.spatial.distance import cdist

from skextras.som.grid import Grid
from skextras.som.training import Fate


def topographic_error(grid: Grid, fate: Fate, weights: np.ndarray | None) -> float:
    """Share of the rows whose two nearest units do not touch.

    Parameters
    ----------
    grid : Grid
        Where units lie.
    fate : Fate
        Nearest units of the rows.
    weights : ndarray of float64 of shape (n,) or None
        Of the rows.

    Returns
    -------
    float
        From 0 to 1; 0 on a map of one unit, NaN for a gas.
    """
    if grid.topology == "gas":
        return float("nan")
    if grid.n_units == 1:
        return 0.0
    torn = ~grid.are_touching(fate.labels, fate.runners_up)
    return float(np.average(torn, weights=weights))


def topographic_product(grid: Grid, weights: np.ndarray) -> float:
    """Compare neighbours on the map with neighbours among the weights, unit by unit.

    With n_k(j) the k-th nearest unit of j on the map (V) or among the weights (W), d distances
    there (Bauer and Pawelzik, "Quantifying the neighborhood preservation of self-organizing
    feature maps", IEEE Transactions on Neural Networks 3, 1992, equation 10):

    P = mean over j, k of log(Π_{l≤k} d_W(j, n_l^V) d_V(j, n_l^V) / (d_W(j, n_l^W) d_V(j, n_l^W)))
    / 2k.

    Parameters
    ----------
    grid : Grid
        Where units lie.
    weights : ndarray of shape (n_units, n_features)
        Of the units.

    Returns
    -------
    float
        About 0 for a map of the dimension of the data; below if the map folds to fill more
        dimensions than it has, above if it has more than the data. NaN for fewer than 3 units, or
        if two units are equal.
    """
    if grid.n_units < 3:
        return float("nan")
    on_map = np.sqrt(grid.squared_distances(np.arange(grid.n_units)))
    by_weight = cdist(weights, weights)
    order_map, order_weight = (_others(distances) for distances in (on_map, by_weight))
    ratios = np.ones_like(order_map, dtype=np.float64)
    for distances in (on_map, by_weight):
        ratios *= np.take_along_axis(distances, order_map, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios /= np.take_along_axis(distances, order_weight, axis=1)
    if not np.all((ratios > 0) & np.isfinite(ratios)):
        return float("nan")
    k = np.arange(1, grid.n_units)
    return float(np.mean(np.cumsum(np.log(ratios), axis=1) / (2 * k)))


def _others(distances: np.ndarray) -> np.ndarray:
    """All other units from the nearest to the farthest, shape (n, n - 1)."""
    apart = distances.copy()
    np.fill_diagonal(apart, -1.0)
    return np.argsort(apart, axis=1, kind="stable")[:, 1:]


def trustworthiness(X: np.ndarray, places: np.ndarray, n_neighbors: int) -> float:
    """How many neighbours on the map are neighbours among the rows.

    T = 1 - 2 / (n k (2n - 3k - 1)) Σ_i Σ_{j ∈ U_k(i)} (r(i, j) - k), with U_k(i) the rows among the
    k nearest of i on the map that are not so in the data, and r their rank there (Venna and Kaski,
    "Neighborhood preservation in nonlinear projection methods", ICANN 2001). Rows of equal distance
    on the map share the mean of the ranks that their order could give.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Rows.
    places : ndarray of shape (n, n)
        Their squared distances on the map.
    n_neighbors : int
        k, less than n / 2.

    Returns
    -------
    float
        From 0 to 1.
    """
    n, k = len(X), n_neighbors
    ranks = np.empty((n, n), dtype=np.intp)
    np.put_along_axis(ranks, np.argsort(_first_itself(cdist(X, X)), axis=1), np.arange(n), axis=1)
    penalty = np.maximum(ranks - k, 0).astype(np.float64)
    on_map = places.astype(np.float64)
    np.fill_diagonal(on_map, np.inf)
    edge = np.partition(on_map, k - 1, axis=1)[:, [k - 1]]
    inside, tied = on_map < edge, on_map == edge
    share = (k - inside.sum(axis=1)) / tied.sum(axis=1)  # of the ties, the chance to be among the k
    total = (penalty * inside).sum() + (share * (penalty * tied).sum(axis=1)).sum()
    return float(1 - 2 * total / (n * k * (2 * n - 3 * k - 1)))


def _first_itself(distances: np.ndarray) -> np.ndarray:
    np.fill_diagonal(distances, -1.0)
    return distances


def u_matrix(grid: Grid, weights: np.ndarray) -> np.ndarray:
    """Mean distance of each unit's weights to those of its direct neighbours.

    Parameters
    ----------
    grid : Grid
        Where units lie.
    weights : ndarray of shape (n_units, n_features)
        Of the units.

    Returns
    -------
    ndarray of shape (n_units,)
        0 for a unit without neighbours.
    """
    first, second = grid.edges.T
    heights = np.linalg.norm(weights[first].astype(np.float64) - weights[second], axis=1)
    ends = np.concatenate([first, second])
    totals = np.bincount(ends, np.tile(heights, 2), minlength=grid.n_units)
    n_edges = np.bincount(ends, minlength=grid.n_units)
    heights_of_units: np.ndarray = totals / np.maximum(n_edges, 1)
    return heights_of_units
