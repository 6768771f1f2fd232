"""Small tables with clusters, for the tests of mixtures."""

import numpy as np

TYPES = ["full", "tied", "diag", "spherical", "factor"]
HOST_TYPES = TYPES[:4]


def clusters(n=240, d=3, k=3, *, seed=0, apart=4.0):
    """Rows around k centres, each with a covariance of its own."""
    rng = np.random.default_rng(seed)
    centres = apart * rng.standard_normal((k, d))
    mixing = np.eye(d) + 0.4 * rng.standard_normal((k, d, d))
    label = rng.integers(k, size=n)
    return centres[label] + np.einsum("nd,nde->ne", rng.standard_normal((n, d)), mixing[label])


def with_holes(X, share=0.2, seed=0):
    """The same rows with values missing at random; no row lacks all."""
    rng = np.random.default_rng(seed)
    holes = rng.random(X.shape) < share
    holes[np.arange(len(X)), rng.integers(X.shape[1], size=len(X))] = False
    return np.where(holes, np.nan, X)


def spread_init(X, k):
    """Means and weights to start from that depend on nothing random."""
    filled = np.where(np.isnan(X), np.nanmean(X, axis=0), X)
    order = np.argsort(filled[:, 0], kind="stable")
    return filled[order[:: len(X) // k][:k]]
