"""Slow twin of trees that are grown whole: every split of every feature, judged by its impurity."""

from itertools import combinations

import numpy as np

MISSING = 255


def _shares(labels, weights):
    return np.array([weights[labels == k].sum() for k in np.unique(labels)]) / weights.sum()


def _gini(y, weights):
    return 1 - (_shares(y, weights) ** 2).sum()


def _entropy(y, weights):
    shares = _shares(y, weights)
    shares = shares[shares > 0]
    return -(shares * np.log2(shares)).sum()


def _squared_error(y, weights):
    mean = (weights * y).sum() / weights.sum()
    return (weights * (y - mean) ** 2).sum() / weights.sum()


def _poisson(y, weights):
    mean = (weights * y).sum() / weights.sum()
    deviance = [w * v * np.log(v / mean) for v, w in zip(y, weights, strict=True) if v > 0]
    return sum(deviance) / weights.sum()


def median(y, weights):
    """Where half the weight is reached; the middle of two where it is met exactly."""
    order = np.argsort(y)
    y, total = y[order], np.cumsum(weights[order])
    first = np.searchsorted(total, total[-1] / 2)
    if total[first] == total[-1] / 2:
        return (y[first] + y[first + 1]) / 2
    return y[first]


def _absolute_error(y, weights):
    return (weights * np.abs(y - median(y, weights))).sum() / weights.sum()


IMPURITIES = {
    "gini": _gini,
    "entropy": _entropy,
    "squared_error": _squared_error,
    "poisson": _poisson,
    "absolute_error": _absolute_error,
}


def impurity(criterion, y, weights):
    """Mean over the outputs; y of shape (n, n_outputs)."""
    return np.mean([IMPURITIES[criterion](column, weights) for column in y.T])


def left_sides(column, is_categorical):
    """Every way to part the rows by one feature, missing values on either side."""
    real = sorted(set(column.tolist()) - {MISSING})
    if is_categorical:
        sets = [set(some) for size in range(len(real) + 1) for some in combinations(real, size)]
    else:
        sets = [set(real[:size]) for size in range(len(real) + 1)]
    for own in sets:
        for with_missing in (set(), {MISSING}):
            is_left = np.isin(column, list(own | with_missing))
            if is_left.any() and not is_left.all():
                yield is_left


def gain(criterion, y, weights, is_left):
    """Weight times impurity that a split takes away."""
    parts = (np.ones(len(y), bool), is_left, ~is_left)
    whole, left, right = (
        weights[part].sum() * impurity(criterion, y[part], weights[part]) for part in parts
    )
    return whole - left - right


def may_part(weights, counts, is_left, growth):
    """Whether both sides are large enough."""
    return all(
        counts[side].sum() >= growth.min_samples_leaf
        and weights[side].sum() >= growth.min_weight_leaf
        for side in (is_left, ~is_left)
    )


def best_gain(bins, is_categorical, y, weights, counts, growth):
    """The greatest gain of any split, None if there is none."""
    gains = [
        gain(growth.criterion, y, weights, is_left)
        for column, categorical in zip(bins.T, is_categorical, strict=True)
        for is_left in left_sides(column, categorical)
        if may_part(weights, counts, is_left, growth)
    ]
    return max(gains, default=None)


CENTRES = {"absolute_error": median, "squared_error": lambda y, w: (w * y).sum() / w.sum()}


def keeps_order(criterion, y, weights, is_left, way):
    """Whether what the sides say, of one output, rises (way 1), falls (-1) or may do either (0)."""
    left, right = (CENTRES[criterion](y[side, 0], weights[side]) for side in (is_left, ~is_left))
    return (right - left) * way >= 0


def best_ordered_gain(bins, y, weights, growth):
    """The greatest gain of any split of numbers that keeps to the constraints; None for none.

    Missing values alone count as those above all others, as in scikit-learn.
    """
    gains = [
        gain(growth.criterion, y, weights, is_left)
        for column, way in zip(bins.T, growth.monotonic, strict=True)
        for is_left in left_sides(column, False)
        if (column[is_left] != MISSING).any()
        and keeps_order(growth.criterion, y, weights, is_left, way)
    ]
    return max(gains, default=None)
