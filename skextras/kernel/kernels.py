"""Kernels as scikit-learn computes them, with gamma settled on the training rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from scipy import sparse
from sklearn.metrics.pairwise import KERNEL_PARAMS, pairwise_kernels

__all__ = ["Kernel", "is_kernel_matrix", "settled_gamma", "takes_gamma"]

KernelName = str | Callable[..., float]


@dataclass(frozen=True)
class Kernel:
    """A kernel with all its options.

    Attributes
    ----------
    name : str or callable
        What :func:`sklearn.metrics.pairwise.pairwise_kernels` takes.
    options : mapping
        Its keywords; a named kernel takes those that it knows.
    """

    name: KernelName
    options: Mapping[str, Any] = field(default_factory=dict)

    def between(self, X: Any, Z: Any) -> np.ndarray:
        """Compute the kernel of rows with other rows.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n, n_features)
            Rows.
        Z : ndarray or sparse matrix of shape (m, n_features)
            Other rows.

        Returns
        -------
        ndarray of shape (n, m), float64
            k(x_i, z_j).
        """
        if callable(self.name):
            return pairwise_kernels(X, Z, metric=self.name, **self.options)
        if self.name == "rbf" and not sparse.issparse(X):
            # It is computed from x² - 2 x z + z², which has no digits left far from the origin.
            centre = Z.mean(axis=0)
            X, Z = X - centre, Z - centre
        return pairwise_kernels(X, Z, metric=self.name, filter_params=True, **self.options)


def takes_gamma(name: KernelName) -> bool:
    """Tell whether a kernel has a coefficient gamma.

    Parameters
    ----------
    name : str or callable
        The kernel.

    Returns
    -------
    bool
        False for a callable and for "precomputed".
    """
    return not callable(name) and "gamma" in KERNEL_PARAMS.get(name, ())


def settled_gamma(gamma: float | Literal["scale", "auto"], X: Any, weights: np.ndarray) -> float:
    """Find the number that "scale" and "auto" stand for.

    Parameters
    ----------
    gamma : {"scale", "auto"} or float
        As given by the user.
    X : ndarray or sparse matrix of shape (n, n_features)
        Training rows.
    weights : ndarray of shape (n,), positive
        Their weights.

    Returns
    -------
    float
        1 / (n_features * variance) for "scale", 1 / n_features for "auto".
    """
    if gamma == "auto":
        return 1 / X.shape[1]
    if gamma == "scale":
        variance = _variance(X, weights)
        return 1 / (X.shape[1] * variance) if variance > 0 else 1.0
    return gamma


def is_kernel_matrix(K: np.ndarray, *, is_trusted: bool) -> bool:
    """Tell whether a matrix can be the kernel of rows with themselves.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        The matrix.
    is_trusted : bool
        Whether it comes from a function known to be symmetric.

    Returns
    -------
    bool
        Whether it is finite and symmetric.
    """
    size = float(np.abs(K).max())
    if not np.isfinite(size):
        return False
    return is_trusted or bool(np.allclose(K, K.T, rtol=1e-6, atol=1e-10 * size))


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
