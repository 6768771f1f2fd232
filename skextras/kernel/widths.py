"""The coefficient gamma that "scale", "auto" and "median" stand for."""

from typing import Any, Literal

import numpy as np
from scipy import sparse
from sklearn.metrics.pairwise import euclidean_distances

from skextras.kernel.kernels import KernelName

__all__ = ["Width", "settled_gamma"]

Width = float | Literal["scale", "auto", "median"]
MEDIAN_ROWS = 1000  # of which all distances are computed


def settled_gamma(gamma: Width, X: Any, weights: np.ndarray, *, name: KernelName) -> float:
    """Find the number that a word stands for.

    Parameters
    ----------
    gamma : {"scale", "auto", "median"} or float
        As given by the user.
    X : ndarray or sparse matrix of shape (n, n_features)
        Training rows.
    weights : ndarray of shape (n,), positive
        Their weights.
    name : str or callable
        The kernel; "additive" looks at one feature at a time.

    Returns
    -------
    float
        1 / (n_features * variance) for "scale", 1 / n_features for "auto", 1 / (2 * median²) of
        the distance between two rows for "median"; the additive kernel counts one feature.
    """
    n_features = 1 if name == "additive" else X.shape[1]
    if gamma == "auto":
        return 1 / n_features
    if gamma == "scale":
        variance = _variance(X, weights)
        return 1 / (n_features * variance) if variance > 0 else 1.0
    if gamma == "median":
        square = _median_square(X, weights) * n_features / X.shape[1]
        return 0.5 / square if square > 0 else 1.0
    return float(gamma)


def _variance(X: Any, weights: np.ndarray) -> float:
    """Variance of all entries of X about their mean, each row counted by its weight."""
    n_features = X.shape[1]
    if not sparse.issparse(X):
        mean = np.average(X.mean(axis=1), weights=weights)
        return float(np.average(np.mean((X - mean) ** 2, axis=1), weights=weights))
    total = weights.sum() * n_features
    weight = np.repeat(weights, np.diff(X.indptr))  # of each stored entry
    mean = weight @ X.data / total
    stored = weight @ (X.data - mean) ** 2
    return float((stored + (total - weight.sum()) * mean**2) / total)


def _median_square(X: Any, weights: np.ndarray) -> float:
    """Square of the median distance between two rows drawn by weight, the same one included.

    Of more rows than MEDIAN_ROWS, those at even ranks of the distance from the mean are taken, so
    that their order does not matter.
    """
    if X.shape[0] > MEDIAN_ROWS:
        mean = np.asarray(X.mean(axis=0)).reshape(1, -1)
        ranks = np.argsort(euclidean_distances(X, mean)[:, 0], kind="stable")
        places = np.linspace(0, len(ranks) - 1, MEDIAN_ROWS).round().astype(int)
        X, weights = X[ranks[places]], weights[ranks[places]]
    if not sparse.issparse(X):
        X = X - X.mean(axis=0)
    squares = euclidean_distances(X, squared=True).ravel()
    order = np.argsort(squares)
    share = np.cumsum(np.outer(weights, weights).ravel()[order])
    return float(squares[order][np.searchsorted(share, 0.5 * share[-1])])
