"""Slow and obvious twins of prediction by trees: one row, one node at a time."""

import numpy as np


def goes_left(tree, node, x, bins):
    """Whether a value x goes left at a node, by the contract's words."""
    if np.isnan(x):
        return bool(tree.missing_left[node])
    if tree.category_set[node] < 0:
        return x <= tree.threshold[node]
    codes = list(bins.edges[tree.feature[node]])
    if x not in codes:
        return bool(tree.missing_left[node])
    code = codes.index(x)
    words = tree.left_categories[tree.category_set[node]]
    return bool(int(words[code // 64]) >> (code % 64) & 1)


def leaf_of(tree, row, bins):
    """Node of the leaf that a row ends in."""
    node = 0
    while tree.feature[node] >= 0:
        left = goes_left(tree, node, float(row[tree.feature[node]]), bins)
        node = tree.left[node] + (0 if left else 1)
    return node


def leaves_of(ensemble, X, bins):
    """Leaf of each row in each tree."""
    return np.array([[leaf_of(tree, row, bins) for tree in ensemble.trees] for row in X])


def raw_predict(ensemble, X, bins):
    """The documented sum: start, then the trees in their order, in float64."""
    out = np.zeros((len(X), ensemble.n_outputs))
    if not ensemble.average:
        out += ensemble.start
    for row, total in zip(X, out, strict=True):
        for tree, output in zip(ensemble.trees, ensemble.output, strict=True):
            value = tree.value[leaf_of(tree, row, bins)]
            if ensemble.is_joint:
                total += value
            else:
                total[output] += value[0]
    return out / len(ensemble.trees) + ensemble.start if ensemble.average else out
