"""Tables of random numbers, and trees grown on them, for the tests of the engine."""

import numpy as np

from skextras.trees import workspace as at
from skextras.trees.binning import bin_table
from skextras.trees.edges import fit_mapper
from skextras.trees.growing import Grower
from skextras.trees.threads import Threads

FIELDS = ("feature", "bin", "threshold", "missing_left", "category_set", "left_categories")
MORE = ("left", "value", "gain", "weight", "count")


def as_table(X, categorical=(), *, max_bins=255, threads=None):
    """A table's bins."""
    known = [np.unique(x[~np.isnan(x)]) if j in categorical else None for j, x in enumerate(X.T)]
    mapper = fit_mapper(lambda j: X[:, j], known, weights=None, max_bins=max_bins, n_threads=1)
    if threads is not None:
        return bin_table(X, mapper, threads)
    with Threads(1) as one:
        return bin_table(X, mapper, one)


def totals_of(g, h):
    return float(np.abs(g).sum(dtype=np.float64)), float(h.sum(dtype=np.float64))


def hessians_of(result):
    """Sums of the hessians of all nodes, as the grower has them in fixed point."""
    return (result.records[:, at.SUM] & 0xFFFFFFFF) / result.hessian_scale


def grown(binned, g, h, growth, *, n_threads=1, rows=None, seed=0, constant=False):
    """A tree that is weighed by its hessians, and the scores that the grower leaves on all rows."""
    scores = np.zeros(len(g), np.float32)
    g, h = g.astype(np.float32), h.astype(np.float32)
    with Threads(n_threads) as threads:
        grower = Grower(binned, growth, threads)
        totals = totals_of(g, h)
        options = {"rows": rows, "seed": seed, "has_constant_hessian": constant}
        result = grower.grow(g, h, totals, **options)
        grower.add_to(scores, result, result.values)
        return result.tree(result.values, hessians_of(result)), scores


def assert_same(a, b):
    for name in FIELDS + MORE:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def table(random, n, n_features, *, n_categorical=0, missing=0.1):
    """Numbers with ties and missing values; the first features are categories."""
    X = np.round(random.standard_normal((n, n_features)) * 4) / 2
    X[:, :n_categorical] = random.integers(0, 12, (n, n_categorical))
    X[random.random(X.shape) < missing] = np.nan
    return X


def sums(random, n, *, top=5):
    """Gradients and hessians that are small integers: every sum of them is exact."""
    hessian = random.integers(1, top + 1, n)
    return random.integers(-1000, 1001, n).astype(float), hessian.astype(float)
