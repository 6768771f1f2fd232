"""Where units begin: on the plane of the greatest variance, on rows, or anywhere in the box."""

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, eigsh

from skextras.som.grid import Grid
from skextras.som.search import is_missing, rows_of, stripes

MAX_ROWS = 20_000  # the plane is that of at most so many rows, evenly spaced
MAX_DENSE = 500  # features beyond which no covariance matrix is made
SPAN = 3**0.5  # a uniform spread from -√3 to √3 has variance 1


def mean_of(X: Any, weights: np.ndarray) -> np.ndarray:
    """Mean of the values that are there.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, n_features)
        Rows.
    weights : ndarray of float64 of shape (n,)
        Of the rows.

    Returns
    -------
    ndarray of shape (n_features,)
        NaN where all values are missing.
    """
    total, count = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for rows in stripes(X.shape[0]):
        part, weight = X[rows], weights[rows]
        has_gaps = is_missing(part.data if sparse.issparse(X) else part)
        if has_gaps or not sparse.issparse(X):
            part = rows_of(X, rows)
        if has_gaps:
            is_known = ~np.isnan(part)
            total += weight @ np.where(is_known, part, 0.0)
            count += weight @ is_known
        else:
            total += weight @ part
            count += weight.sum()
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def box_of(X: Any, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Range of the values that are there, of rows of some weight.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, n_features)
        Rows.
    weights : ndarray of float64 of shape (n,)
        Of the rows.

    Returns
    -------
    tuple of two ndarrays of shape (n_features,)
        Smallest and greatest values; infinite where all are missing.
    """
    low, high = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
    for rows in stripes(X.shape[0]):
        part = rows_of(X, rows)[weights[rows] > 0]
        low = np.fmin(low, np.fmin.reduce(part, axis=0, initial=np.inf))
        high = np.fmax(high, np.fmax.reduce(part, axis=0, initial=-np.inf))
    return low, high


def random_start(X: Any, weights: np.ndarray, grid: Grid, random: Any) -> np.ndarray:
    """Draw units uniformly from the box around the rows.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, n_features)
        Rows.
    weights : ndarray of float64 of shape (n,)
        Of the rows.
    grid : Grid
        Where units lie.
    random : RandomState
        Source of randomness.

    Returns
    -------
    ndarray of shape (n_units, n_features)
        Weights of the units.
    """
    low, high = box_of(X, weights)
    width = np.subtract(high, low, out=np.full_like(low, np.nan), where=high >= low)
    return low + width * random.random_sample((grid.n_units, X.shape[1]))


def sample_start(X: Any, weights: np.ndarray, grid: Grid, random: Any) -> np.ndarray:
    """Draw rows; each once, as long as there are enough. Missing values become the mean.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, n_features)
        Rows.
    weights : ndarray of float64 of shape (n,)
        Chances of the rows.
    grid : Grid
        Where units lie.
    random : RandomState
        Source of randomness.

    Returns
    -------
    ndarray of shape (n_units, n_features)
        Weights of the units.
    """
    enough = np.count_nonzero(weights) >= grid.n_units
    chosen = random.choice(X.shape[0], grid.n_units, replace=not enough, p=weights / weights.sum())
    rows = X[chosen].toarray() if sparse.issparse(X) else np.asarray(X[chosen])
    mean = mean_of(X, weights)
    return np.where(np.isnan(rows), mean, rows).astype(np.float64)


def plane_start(X: Any, weights: np.ndarray, grid: Grid, random: Any) -> np.ndarray:
    """Spread units over the plane of the two greatest principal components.

    The longer side of the map lies along the first. No chance is involved.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, n_features)
        Rows.
    weights : ndarray of float64 of shape (n,)
        Of the rows.
    grid : Grid
        Where units lie.
    random : RandomState
        Not used.

    Returns
    -------
    ndarray of shape (n_units, n_features)
        Weights of the units.
    """
    mean = mean_of(X, weights)
    if X.shape[0] > MAX_ROWS:
        chosen = np.linspace(0, X.shape[0] - 1, MAX_ROWS).astype(np.intp)
        X, weights = X[chosen], weights[chosen]
    axes = _two_axes(X, weights / max(weights.sum(), np.finfo(float).tiny), mean)
    x, y = (_spread(values) for values in grid.coordinates.T)
    if np.ptp(grid.coordinates[:, 1]) > np.ptp(grid.coordinates[:, 0]):
        x, y = y, x
    return mean + np.column_stack([x, y]) @ axes


def _spread(values: np.ndarray) -> np.ndarray:
    """The same places, from -√3 to √3."""
    width = np.ptp(values)
    return SPAN * (2 * (values - values.min()) / width - 1) if width else np.zeros_like(values)


def _two_axes(X: Any, weights: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Two greatest principal components times their deviation, shape (2, n_features)."""
    n_features = len(mean)
    axes = np.zeros((2, n_features))
    if n_features > MAX_DENSE:
        variances, vectors = _implicit(X, weights, mean)
    else:
        covariance = np.zeros((n_features, n_features))
        for rows in stripes(X.shape[0]):
            part = _centred(rows_of(X, rows), mean)
            covariance += (part * weights[rows][:, None]).T @ part
        if not np.isfinite(covariance).all():
            return np.full_like(axes, np.nan)
        variances, vectors = np.linalg.eigh(covariance)
    for axis, place in zip(axes, np.argsort(variances)[::-1], strict=False):
        vector = vectors[:, place]
        sign = np.sign(vector[np.argmax(np.abs(vector))])  # an eigenvector has no sign of its own
        axis[:] = sign * np.sqrt(max(variances[place], 0.0)) * vector
    return axes


def _centred(rows: np.ndarray, mean: np.ndarray) -> np.ndarray:
    centred: np.ndarray = rows - mean
    return np.nan_to_num(centred, copy=False, nan=0.0)


def _implicit(X: Any, weights: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two greatest eigenvalues and vectors of a covariance matrix that is never formed."""
    n_features = len(mean)

    def product(vector: np.ndarray) -> np.ndarray:
        total = np.zeros(n_features)
        for rows in stripes(X.shape[0]):
            if sparse.issparse(X):
                part = X[rows]
                scores = weights[rows] * (part @ vector - mean @ vector)
                total += part.T @ scores - mean * scores.sum()
            else:
                part = _centred(rows_of(X, rows), mean)
                total += part.T @ (weights[rows] * (part @ vector))
        return total

    operator = LinearOperator((n_features, n_features), matvec=product, dtype=np.float64)
    v0 = np.cos(np.arange(n_features))  # any direction that is not special
    moved = product(v0)
    if not np.any(moved) or not np.isfinite(moved).all():  # all rows are equal, or too large
        return np.full(2, moved.sum() * 0), np.eye(n_features, 2)
    return eigsh(operator, k=2, v0=v0, tol=1e-4)


STARTS = {"pca": plane_start, "sample": sample_start, "random": random_start}
