"""Partial dependence by one weighted walk through each tree, without any data.

At a split on a chosen feature a grid point takes its turn; at any other it takes both, weighed by
the training weights ([1]_, section 8.2).

References
----------
.. [1] J. H. Friedman (2001). Greedy function approximation: a gradient boosting machine. Annals of
   Statistics 29 (5).
"""

from collections.abc import Sequence

import numpy as np

from skextras.trees.arrays import Nodes
from skextras.trees.memory import compiled
from skextras.trees.prediction import Predictor
from skextras.trees.prediction_tables import pack, places


def partial_dependence(
    predictor: Predictor, grid: np.ndarray, features: Sequence[int]
) -> np.ndarray:
    """Mean raw prediction as a function of some features.

    Parameters
    ----------
    predictor : Predictor
        Of the ensemble.
    grid : ndarray of shape (n, n_chosen)
        Values of the chosen features; NaN is missing.
    features : sequence of int
        Which features these are.

    Returns
    -------
    ndarray of float64 of shape (n, n_outputs)
        Start value included.
    """
    ensemble, columns = predictor.ensemble, predictor.columns
    nodes: Nodes = ensemble.joined()
    n_features = max(int(columns.feature.max()), *map(int, features)) + 1
    X = np.full((len(grid), n_features), np.nan)
    X[:, list(features)] = grid
    column, _ = places(nodes, columns)
    is_chosen = np.isin(nodes.feature, list(features))
    packed = pack(nodes, columns)
    total = np.zeros((len(grid), ensemble.n_outputs))
    _walk(
        (nodes.offset, nodes.left, nodes.weight, is_chosen, column, packed.words),
        (packed.sets, packed.set_offset),
        predictor.bins_of(X),
        (nodes.value, ensemble.output),
        total,
    )
    if ensemble.average:
        total /= max(len(ensemble.trees), 1)
    return total + ensemble.start


@compiled
def _goes_left(bin_, word, sets, place):  # type: ignore[no-untyped-def]
    """Whether a bin goes left at a node; place: row of its set, or -1."""
    if place >= 0:
        return sets[place, bin_ >> np.uint64(6)] >> (bin_ & np.uint64(63)) & np.uint64(1) != 0
    wrap = word >> np.uint64(8) & np.uint64(1)
    return (bin_ + wrap) & np.uint64(255) <= (word & np.uint64(255)) + wrap


@compiled
def _walk(nodes, categories, bins, values, total):  # type: ignore[no-untyped-def]
    """Weights of all nodes for each grid point, parents first; leaves add theirs."""
    offset, left, weight, is_chosen, column, words = nodes
    sets, set_offset = categories
    value, output = values
    share = np.empty(len(left))
    for i in range(len(bins)):
        for tree in range(len(offset) - 1):
            first = offset[tree]
            share[first] = 1.0
            for node in range(first, offset[tree + 1]):
                if left[node] > 0:
                    child = first + left[node]
                    part = weight[child] / weight[node] if weight[node] > 0 else 0.5
                    if is_chosen[node]:
                        place = set_offset[tree] + node - first if set_offset[tree] >= 0 else -1
                        bin_ = np.uint64(bins[i, column[node]])
                        part = np.float64(_goes_left(bin_, words[node], sets, place))
                    share[child] = share[node] * part
                    share[child + 1] = share[node] * (1.0 - part)
                elif value.shape[1] == 1:
                    own = output[tree] if total.shape[1] > 1 else 0
                    total[i, own] += share[node] * value[node, 0]
                else:
                    total[i] += share[node] * value[node]
