"""Small tables on which boosting is tried."""

import numpy as np


def numbers(n=600, n_features=5, seed=0, n_missing=0):
    """Standard normal features, the first two of which tell something; some values missing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_features))
    score = 2 * X[:, 0] + X[:, 1] ** 2 + 0.3 * rng.normal(size=n)
    if n_missing:
        X[rng.integers(0, n, n_missing), rng.integers(0, n_features, n_missing)] = np.nan
    return X, score


def labels(n=600, n_classes=2, seed=0, **options):
    """The same, cut into classes at quantiles."""
    X, score = numbers(n, seed=seed, **options)
    cuts = np.quantile(score, np.linspace(0, 1, n_classes + 1)[1:-1])
    return X, np.searchsorted(cuts, score)
