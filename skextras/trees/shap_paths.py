"""The paths to the leaves, with each feature once: what SHAP needs of a tree.

A leaf is reached if each feature of its path lies in a set of bins. Splits on the same feature
merge into one set, and the shares of the training weight that take the same turns multiply into
the chance z that a row without the feature's value stays on the path ([1]_, section 4).

References
----------
.. [1] S. M. Lundberg et al. (2020). From local explanations to global understanding with
   explainable AI for trees. Nature Machine Intelligence 2.
"""

from typing import NamedTuple

import numpy as np

from skextras.trees.arrays import MISSING, SET_WORDS
from skextras.trees.memory import compiled
from skextras.trees.prediction import Predictor
from skextras.trees.prediction_tables import places


class Paths(NamedTuple):
    """Leaves of all trees, and the features of their paths.

    Attributes
    ----------
    start : int64 array of shape (n_leaves + 1,)
        Where a leaf's features begin.
    column : int64 array of shape (n_steps,)
        Column of the predictor.
    chance : float64 array of shape (n_steps,)
        z, share of the weight that stays on the path.
    bounds : int64 array of shape (n_steps, 3)
        First and last real bin on the path, and whether missing values are.
    set : int64 array of shape (n_steps,)
        Row of ``sets``, or -1 for a number.
    sets : uint64 array of shape (n_sets, 4)
        Categories on the path.
    value : float64 array of shape (n_leaves, V)
        What a leaf adds.
    output : int64 array of shape (n_leaves,)
        Column of the prediction, for V = 1.
    """

    start: np.ndarray
    column: np.ndarray
    chance: np.ndarray
    bounds: np.ndarray
    set: np.ndarray
    sets: np.ndarray
    value: np.ndarray
    output: np.ndarray


class Splits(NamedTuple):
    """Nodes as the builder reads them."""

    offset: np.ndarray
    parent: np.ndarray
    column: np.ndarray
    rank: np.ndarray
    missing_left: np.ndarray
    category_set: np.ndarray
    sets: np.ndarray
    left: np.ndarray
    weight: np.ndarray
    leaf: np.ndarray


@compiled
def _parents(left, offset):  # type: ignore[no-untyped-def]
    parent = np.full(len(left), -1, np.int64)
    for tree in range(len(offset) - 1):
        for node in range(offset[tree], offset[tree + 1]):
            if left[node] > 0:
                parent[offset[tree] + left[node]] = parent[offset[tree] + left[node] + 1] = node
    return parent


@compiled
def _narrow(paths, step, splits, node, is_left):  # type: ignore[no-untyped-def]
    """Take a turn at a node: fewer bins of its feature stay on the path."""
    bounds = paths.bounds[step]
    bounds[2] &= np.int64(splits.missing_left[node] != 0) ^ np.int64(not is_left)
    if splits.category_set[node] >= 0:
        own = paths.sets[paths.set[step]]
        for k in range(SET_WORDS):
            word = splits.sets[splits.category_set[node], k]
            own[k] &= word if is_left else ~word
    elif is_left:
        bounds[1] = min(bounds[1], np.int64(splits.rank[node]))
    else:
        bounds[0] = max(bounds[0], np.int64(splits.rank[node]) + 1)


@compiled
def _fill(paths, splits, roots):  # type: ignore[no-untyped-def]
    """Walk up from each leaf; returns how many steps and sets there are."""
    n_steps = n_sets = 0
    for place in range(len(splits.leaf)):
        node = splits.leaf[place]
        paths.start[place] = n_steps
        first = n_steps
        while splits.parent[node] >= 0:
            parent = splits.parent[node]
            is_left = node == roots[place] + splits.left[parent]
            step = first
            while step < n_steps and paths.column[step] != splits.column[parent]:
                step += 1
            if step == n_steps:
                n_steps += 1
                paths.column[step] = splits.column[parent]
                paths.chance[step] = 1.0
                paths.bounds[step] = np.array([0, MISSING - 1, 1])
                paths.set[step] = -1
                if splits.category_set[parent] >= 0:
                    paths.set[step] = n_sets
                    paths.sets[n_sets] = ~np.uint64(0)
                    n_sets += 1
            _narrow(paths, step, splits, parent, is_left)
            total = splits.weight[parent]
            paths.chance[step] *= splits.weight[node] / total if total > 0 else 0.5
            node = parent
    paths.start[len(splits.leaf)] = n_steps
    return n_steps, n_sets


def paths_of(predictor: Predictor) -> Paths:
    """Paths to all leaves.

    Parameters
    ----------
    predictor : Predictor
        Knows the ensemble and its columns.

    Returns
    -------
    Paths
        In the order of the trees.
    """
    ensemble, columns = predictor.ensemble, predictor.columns
    nodes = ensemble.joined()
    column, rank = places(nodes, columns)
    [leaf] = np.nonzero(nodes.feature < 0)
    tree = np.searchsorted(nodes.offset, leaf, side="right") - 1
    n_most = int(sum(own.depth[own.is_leaf].sum() for own in ensemble.trees))
    n_most_sets = n_most if len(nodes.left_categories) else 0
    value = nodes.value[leaf]
    paths = Paths(
        start=np.zeros(len(leaf) + 1, np.int64),
        column=np.empty(n_most, np.int64),
        chance=np.empty(n_most),
        bounds=np.empty((n_most, 3), np.int64),
        set=np.empty(n_most, np.int64),
        sets=np.empty((n_most_sets, SET_WORDS), np.uint64),
        value=value / len(ensemble.trees) if ensemble.average else value,
        output=ensemble.output[tree].astype(np.int64),
    )
    splits = Splits(
        offset=nodes.offset,
        parent=_parents(nodes.left, nodes.offset),
        column=column,
        rank=rank,
        missing_left=nodes.missing_left,
        category_set=nodes.category_set,
        sets=nodes.left_categories,
        left=nodes.left,
        weight=nodes.weight,
        leaf=leaf,
    )
    n_steps, n_sets = _fill(paths, splits, nodes.offset[tree])
    return paths._replace(
        column=paths.column[:n_steps].copy(),
        chance=paths.chance[:n_steps].copy(),
        bounds=paths.bounds[:n_steps].copy(),
        set=paths.set[:n_steps].copy(),
        sets=paths.sets[:n_sets].copy(),
    )
