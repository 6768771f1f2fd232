"""What lies in a forest's leaves: training rows, for quantiles and importances out of the bag."""

from dataclasses import dataclass

import numpy as np

from skextras.trees.forest_store import Forest
from skextras.trees.memory import compiled


@compiled
def _sum_up(left, sums):  # type: ignore[no-untyped-def]
    """Adds what leaves hold to the nodes above them."""
    for node in range(left.size - 1, -1, -1):
        if left[node] > 0:
            for v in range(sums.shape[1]):
                sums[node, v] = sums[left[node], v] + sums[left[node] + 1, v]


@dataclass(frozen=True, eq=False)
class LeafRows:
    """Training rows by the leaf that they lie in, with their share of its weight.

    Attributes
    ----------
    begin : ndarray of int64 of shape (n_nodes + 1,)
        Where each node's rows begin, trees side by side; inner nodes have none.
    rows : ndarray of uint32 of shape (n,)
        Which.
    weights : ndarray of float32 of shape (n,)
        Their weights; those of a leaf sum to one.
    """

    begin: np.ndarray
    rows: np.ndarray
    weights: np.ndarray


def leaf_rows(n_nodes: np.ndarray, leaves: list[np.ndarray], counts: list[np.ndarray]) -> LeafRows:
    """Sort training rows by their leaves.

    Parameters
    ----------
    n_nodes : ndarray of int64 of shape (n_trees,)
        Of each tree.
    leaves : list of ndarray of int of shape (n,)
        Leaf of each row, a tree an array.
    counts : list of ndarray of shape (n,)
        How often each tree saw each row; 0 leaves it out.

    Returns
    -------
    LeafRows
        Of all trees.
    """
    begins, rows, weights, first = [np.zeros(1, np.int64)], [], [], 0
    for size, leaf, count in zip(n_nodes, leaves, counts, strict=True):
        seen = np.flatnonzero(count)
        order = seen[np.argsort(leaf[seen], kind="stable")]
        total = np.bincount(leaf[seen], count[seen], size)
        rows.append(order.astype(np.uint32))
        weights.append((count[order] / total[leaf[order]]).astype(np.float32))
        begins.append(first + np.cumsum(np.bincount(leaf[seen], minlength=size)))
        first += len(order)
    return LeafRows(np.concatenate(begins), np.concatenate(rows), np.concatenate(weights))


def quantiles_of(
    known: LeafRows, targets: np.ndarray, nodes: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    """Quantiles of the targets in the leaves that rows fall into.

    Each tree spreads a weight of one over the training rows in the leaf ([1]_, eq. 4); a quantile
    is the least target at which the trees' mean weight reaches it.

    Parameters
    ----------
    known : LeafRows
        Training rows.
    targets : ndarray of float64 of shape (n_training,)
        Theirs.
    nodes : ndarray of int64 of shape (n, n_trees)
        Leaf of each row in each tree, trees side by side.
    shares : ndarray of float64 of shape (n_quantiles,)
        Between 0 and 1.

    Returns
    -------
    ndarray of float64 of shape (n, n_quantiles)
        Targets that were seen in training.

    References
    ----------
    .. [1] N. Meinshausen, "Quantile Regression Forests", JMLR 7, 2006.
    """
    n, n_trees = nodes.shape
    start = known.begin[nodes].ravel()
    length = known.begin[nodes + 1].ravel() - start
    row = np.repeat(np.repeat(np.arange(n), n_trees), length)
    first = np.repeat(start - np.cumsum(length) + length, length)
    place = first + np.arange(len(first))
    value, weight = targets[known.rows[place]], known.weights[place].astype(np.float64)
    order = np.lexsort([value, row])
    row, value, weight = row[order], value[order], weight[order]
    total = np.cumsum(weight)
    begins = np.searchsorted(row, np.arange(n + 1))
    before = np.concatenate([[0.0], total])[begins]
    # (sums of single-precision weights: what is off by their rounding counts as reached)
    marks = before[:-1, None] + (before[1:] - before[:-1])[:, None] * (shares - 1e-6)
    found = np.searchsorted(total, marks)
    return value[np.clip(found, begins[:-1, None], begins[1:, None] - 1)]


def unbiased_gains(
    forest: Forest, value: np.ndarray, n_features: int, sums: np.ndarray
) -> np.ndarray:
    """What each feature's splits explain of rows that a tree did not see.

    Parameters
    ----------
    forest : Forest
        One tree.
    value : ndarray of float64 of shape (n_nodes, n_lanes)
        What each node says.
    n_features : int
        Of the table.
    sums : ndarray of float64 of shape (n_nodes, n_lanes + 1)
        Sums of the unseen rows' targets in each leaf, and how many these are; filled up in place.

    Returns
    -------
    ndarray of float64 of shape (n_features,)
        Σ over the splits of (child's value - node's value) times the child's sum ([1]_, eq. 7),
        targets counted from their mean in the node: or else a constant that is added to all would
        matter wherever unseen rows part in other shares than seen ones, as of rare categories.

    References
    ----------
    .. [1] X. Li, Y. Wang, S. Basu, K. Kumbier and B. Yu, "A Debiased MDI Feature Importance Measure
       for Random Forests", NeurIPS 2019.
    """
    _sum_up(forest.left, sums)
    split = np.flatnonzero(forest.left)
    gain = np.zeros(len(split))
    mean = sums[split, :-1] / np.maximum(sums[split, -1:], 1.0)  # of the unseen rows there
    for side in (0, 1):
        child = forest.left[split] + side
        centred = sums[child, :-1] - mean * sums[child, -1:]
        gain += ((value[child] - value[split]) * centred).sum(axis=1)
    return np.bincount(forest.feature[split], gain, n_features)
