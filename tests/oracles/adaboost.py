"""Slow and obvious twins of AdaBoost: one row and one stump at a time."""

import math
from itertools import pairwise


def class_sums(weight, label, leaf, n_leaves, n_classes):
    """Weight of each class in each leaf, a row at a time."""
    sums = [[0.0] * n_classes for _ in range(n_leaves)]
    for w, k, j in zip(weight, label, leaf, strict=True):
        sums[j][k] += float(w)
    return sums


def moments(weight, target, leaf, n_leaves):
    """Weights, weighted targets and their squares of each leaf, a row at a time."""
    sums = [[0.0] * 3 for _ in range(n_leaves)]
    for w, v, j in zip(weight, target, leaf, strict=True):
        for power in range(3):
            sums[j][power] += float(w) * float(v) ** power
    return sums


def weighted_median(values, weights):
    """Least value that, with those below it, has half of all weight."""
    total = sum(weights)
    for value in sorted(values):
        below = sum(w for v, w in zip(values, weights, strict=True) if v <= value)
        if below >= 0.5 * total:
            return value
    raise AssertionError


def best_stump(X, label, weight):
    """(feature, threshold, votes of both sides) of least Gini impurity; None if none gains."""
    found, best = None, gini_weight(label, weight, range(len(label)))
    for feature in range(len(X[0])):
        values = sorted({row[feature] for row in X})
        for low, high in pairwise(values):
            cut = (low + high) / 2
            left = [i for i, row in enumerate(X) if row[feature] <= cut]
            right = [i for i, row in enumerate(X) if row[feature] > cut]
            impurity = gini_weight(label, weight, left) + gini_weight(label, weight, right)
            if impurity < best - 1e-9:
                best = impurity
                found = (feature, cut, vote(label, weight, left), vote(label, weight, right))
    return found


def gini_weight(label, weight, rows):
    """Weight of some rows times the chance to take two of different classes."""
    ones = sum(weight[i] for i in rows if label[i] == 1)
    total = sum(weight[i] for i in rows)
    return 2 * ones * (total - ones) / total if total > 0 else 0.0


def vote(label, weight, rows):
    """1 if class 1 has more weight among the rows, else 0."""
    ones = sum(weight[i] for i in rows if label[i] == 1)
    return int(ones > sum(weight[i] for i in rows) - ones)


def discrete_adaboost(X, label, weight, n_rounds):
    """Freund and Schapire's: (stump, α, ε) of each round, until one is perfect or useless."""
    total = sum(weight)
    weight = [w / total for w in weight]
    rounds = []
    for _ in range(n_rounds):
        stump = best_stump(X, label, weight)
        said = [say(stump, row, label, weight) for row in X]
        error = sum(w for w, h, y in zip(weight, said, label, strict=True) if h != y)
        if error <= 0:
            return [*rounds, (stump, 1.0, 0.0)]
        if error >= 0.5:
            return rounds
        alpha = math.log((1 - error) / error)
        rounds.append((stump, alpha, error))
        grown = [
            w * math.exp(alpha) if h != y else w
            for w, h, y in zip(weight, said, label, strict=True)
        ]
        weight = [w / sum(grown) for w in grown]
    return rounds


def say(stump, row, label, weight):
    """What a stump says of a row; without a split, the class of more weight."""
    if stump is None:
        return vote(label, weight, range(len(label)))
    feature, cut, left, right = stump
    return left if row[feature] <= cut else right
