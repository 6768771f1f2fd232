"""Slow and obvious twins of the self-organising maps."""

import math
from itertools import product

import numpy as np

NEIGHBORHOODS = {
    "gaussian": lambda d, r: math.exp(-d * d / (2 * r * r)),
    "bubble": lambda d, r: float(d <= r + 1e-9),
    "mexican_hat": lambda d, r: round(1 - d * d / (r * r), 12) * math.exp(-d * d / (2 * r * r)),
    "epanechnikov": lambda d, r: max(round(1 - d * d / (r * r), 12), 0.0),  # √3/2 is rounded
}


def place(grid, unit):
    """Where a unit lies: row by row, every second row of hexagons half a unit to the right."""
    row, column = divmod(unit, grid.n_cols)
    if grid.topology == "hexagonal":
        return column + 0.5 * (row % 2), row * math.sqrt(3) / 2
    return float(column), float(row)


def map_distance(grid, first, second):
    """The shortest way between two units, over all copies of the map that its edges lead to."""
    width, height = grid.n_cols, grid.n_rows * (0.75**0.5 if grid.topology == "hexagonal" else 1)
    turns_x = (0,) if grid.boundary == "planar" else (-1, 0, 1)
    turns_y = (-1, 0, 1) if grid.boundary == "toroidal" else (0,)
    (x, y), (u, v) = place(grid, first), place(grid, second)
    return min(
        math.hypot(x - u + a * width, y - v + b * height) for a, b in product(turns_x, turns_y)
    )


def neighborhood(grid, name, radius, first, second):
    distance = map_distance(grid, first, second)
    if radius < 1e-3:
        return float(first == second)
    return NEIGHBORHOODS[name](distance, radius)


def score(x, w, metric):
    """Exact distance, feature after feature, up to what does not depend on the unit."""
    if metric in ("cosine", "correlation"):
        x, w = np.asarray(x, float), np.asarray(w, float)
        if metric == "correlation":
            x, w = x - x.mean(), w - w.mean()
        lengths = np.linalg.norm(x) * np.linalg.norm(w)
        return 1 - float(x @ w) / lengths if lengths else 1.0
    power = 2 if metric == "euclidean" else 1
    total = 0.0
    for a, b in zip(np.asarray(x, float).tolist(), np.asarray(w, float).tolist(), strict=True):
        if a == a:
            total += abs(a - b) ** power
    return total


def nearest(X, W, metric="euclidean", n_best=1):
    """Units by brute force, ties to the lowest: a stable sort."""
    return np.array(
        [np.argsort([score(x, w, metric) for w in W], kind="stable")[:n_best] for x in X]
    )


def batch_epoch(X, W, grid, name, radius, weights=None, metric="euclidean"):
    """Kohonen's batch rule as it is written, a row and a unit at a time."""
    weights = np.ones(len(X)) if weights is None else weights
    best, out = nearest(X, W, metric)[:, 0], W.copy()
    for j in range(len(W)):
        h = np.array([neighborhood(grid, name, radius, int(c), j) for c in best]) * weights
        for k in range(X.shape[1]):
            known = ~np.isnan(X[:, k])
            pulls = bounded(h[known])
            mass = np.abs(pulls).sum()
            if mass > 1e-250:
                out[j, k] += pulls @ (X[known, k] - W[j, k]) / mass
    return out


def bounded(h):
    """What repels a unit weighs at most a tenth of what attracts it."""
    near, far = h[h > 0].sum(), -h[h < 0].sum()
    return np.where(h < 0, h * min(1, 0.1 * near / far), h) if far > 0 else h


def online_epoch(X, W, grid, name, steps, weights, metric):
    """Kohonen's rule as it is written; a row of weight 2 is gone to twice."""
    W = W.copy()
    for x, radius, rate, weight in zip(X, steps.radii, steps.rates, weights, strict=True):
        [[best]] = nearest(x[None], W, metric)
        for _ in range(int(weight)):
            for j in range(len(W)):
                h = neighborhood(grid, name, radius, int(best), j)
                known = ~np.isnan(x)
                W[j, known] += rate * h * (x[known] - W[j, known])
    return W


def topographic_product(grid, W):
    """Bauer and Pawelzik's P, a unit and an order at a time."""
    n, total = len(W), 0.0
    for j in range(n):
        others = [i for i in range(n) if i != j]
        by_map = sorted(others, key=lambda i: (round(map_distance(grid, i, j), 9), i))
        by_weight = sorted(others, key=lambda i: np.linalg.norm(W[i] - W[j]))
        for k in range(1, n):
            product = 1.0
            for near, like in zip(by_map[:k], by_weight[:k], strict=True):
                product *= np.linalg.norm(W[j] - W[near]) / np.linalg.norm(W[j] - W[like])
                product *= map_distance(grid, j, near) / map_distance(grid, j, like)
            total += math.log(product) / (2 * k)
    return total / (n * (n - 1))


def gas_epoch(X, W, radius, weights):
    """The mean of all rows by rank, a unit and a feature at a time."""
    ranks = np.argsort(nearest(X, W, n_best=len(W)), axis=1)  # the inverse of an order
    out = W.copy()
    for j in range(len(W)):
        h = np.array([math.exp(-r / radius) if radius > 0 else float(r == 0) for r in ranks[:, j]])
        for k in range(X.shape[1]):
            known = ~np.isnan(X[:, k])
            mass = (h * weights)[known].sum()
            if mass > 0:
                out[j, k] = (h * weights)[known] @ X[known, k] / mass
    return out
