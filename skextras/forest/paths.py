"""Which nodes rows pass on their way to the leaves."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from skextras.trees.forest_store import Forest


def decision_path(forest: "Forest", leaves: np.ndarray) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Nodes above the leaves of rows, and these themselves.

    Parameters
    ----------
    forest : Forest
        The trees.
    leaves : ndarray of int of shape (n, n_trees)
        Leaf of each row in each tree.

    Returns
    -------
    indicator : csr_matrix of shape (n, n_nodes)
        1 for a node that a row passes; trees side by side.
    offset : ndarray of int64 of shape (n_trees + 1,)
        Where each tree's nodes begin.
    """
    n, n_trees = leaves.shape
    start = np.repeat(forest.offset[:-1], np.diff(forest.offset))
    parent = np.full(len(forest.left), -1, np.int64)
    split = np.flatnonzero(forest.left)
    for side in (0, 1):
        parent[forest.left[split] + start[split] + side] = split
    node = (leaves + forest.offset[:-1]).ravel()
    row = np.repeat(np.arange(n), n_trees)
    rows, nodes = [row], [node]
    while len(node):
        node = parent[node]
        row, node = row[node >= 0], node[node >= 0]
        rows.append(row)
        nodes.append(node)
    row, node = np.concatenate(rows), np.concatenate(nodes)
    ones = np.ones(len(row), np.int64)
    indicator = sparse.csr_matrix((ones, (row, node)), shape=(n, len(parent)))
    return indicator, forest.offset
