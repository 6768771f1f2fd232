"""Slow twin of MDI+: the columns of a tree's splits written out, and their ridge regression."""

import numpy as np
from sklearn.metrics import r2_score


def columns_of(tree, path, counts):
    """A column for each split, and its feature; path: rows by nodes; counts: of the sample."""
    weight = counts @ path
    columns, features = [], []
    for node in np.flatnonzero(tree.children_left >= 0):
        left, right = tree.children_left[node], tree.children_right[node]
        ratio = np.sqrt(weight[right] / weight[left])
        columns.append(ratio * path[:, left] - path[:, right] / ratio)
        features.append(tree.feature[node])
    return np.array(columns).reshape(-1, len(path)).T, np.array(features, int)


def ridge(columns, y, counts, penalty):
    """Intercept and coefficients."""
    mean = counts @ y / counts.sum()
    gram = columns.T @ (counts[:, None] * columns) + penalty * np.eye(columns.shape[1])
    return mean, np.linalg.lstsq(gram, columns.T @ (counts * (y - mean)), rcond=None)[0]


def mdi_plus(tree, path, y, counts, *, n_features, penalties):
    """R² out of the bag of each feature's own columns."""
    columns, features = columns_of(tree, path, counts)
    unseen = counts == 0
    models = [ridge(columns, y, counts, penalty) for penalty in penalties]
    errors = [((y - mean - columns @ theta)[unseen] ** 2).sum() for mean, theta in models]
    mean, theta = models[int(np.argmin(errors))]
    return [
        r2_score(y[unseen], mean + (columns * theta)[:, features == own].sum(axis=1)[unseen])
        for own in range(n_features)
    ]
