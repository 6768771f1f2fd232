"""Slow and obvious twins of SHAP: the game of each tree, played over all subsets of features."""

from itertools import combinations
from math import factorial

import numpy as np

from tests.oracles.trees_prediction import goes_left, leaf_of


def value_by_weights(tree, row, known, bins, node=0):
    """Expected leaf when only some features are known, by the training weights."""
    feature = tree.feature[node]
    if feature < 0:
        return tree.value[node]
    left = tree.left[node]
    if feature in known:
        turn = left if goes_left(tree, node, float(row[feature]), bins) else left + 1
        return value_by_weights(tree, row, known, bins, turn)
    return sum(
        tree.weight[child] / tree.weight[node] * value_by_weights(tree, row, known, bins, child)
        for child in (left, left + 1)
    )


def value_by_background(tree, row, known, bins, background):
    """Mean leaf when unknown features have the values of background rows."""
    mixed = background.copy()
    mixed[:, list(known)] = row[list(known)]
    return np.mean([tree.value[leaf_of(tree, other, bins)] for other in mixed], axis=0)


def games(ensemble, row, bins, background=None):
    """Value of each subset of all features (n_subsets as a dict), for each output."""
    n_features = len(row)
    values = {}
    for size in range(n_features + 1):
        for known in combinations(range(n_features), size):
            total = np.zeros(ensemble.n_outputs)
            for tree, output in zip(ensemble.trees, ensemble.output, strict=True):
                if background is None:
                    value = value_by_weights(tree, row, known, bins)
                else:
                    value = value_by_background(tree, row, known, bins, background)
                if ensemble.is_joint:
                    total += value
                else:
                    total[output] += value[0]
            values[frozenset(known)] = total / (len(ensemble.trees) if ensemble.average else 1)
    return values


def shapley(values, n_features):
    """Shapley values (n_features, n_outputs) by their definition."""
    result = []
    for feature in range(n_features):
        rest = [other for other in range(n_features) if other != feature]
        result.append(
            sum(
                factorial(size)
                * factorial(n_features - size - 1)
                / factorial(n_features)
                * (values[frozenset(known) | {feature}] - values[frozenset(known)])
                for size in range(n_features)
                for known in combinations(rest, size)
            )
        )
    return np.array(result)


def interaction(values, n_features, one, two):
    """Shapley interaction index of two features, halved as SHAP does."""
    rest = [other for other in range(n_features) if other not in {one, two}]
    return sum(
        factorial(size)
        * factorial(n_features - size - 2)
        / (2 * factorial(n_features - 1))
        * (
            values[frozenset(known) | {one, two}]
            - values[frozenset(known) | {one}]
            - values[frozenset(known) | {two}]
            + values[frozenset(known)]
        )
        for size in range(n_features - 1)
        for known in combinations(rest, size)
    )
