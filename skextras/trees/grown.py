"""A tree just grown: records of its nodes, and the rows that lie in its leaves."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from skextras.trees import splitting
from skextras.trees import workspace as at
from skextras.trees.arrays import DTYPES, SET_WORDS, Tree
from skextras.trees.memory import compiled


@dataclass(frozen=True)
class Grown:
    """Records of a tree's nodes as the grower left them.

    Attributes
    ----------
    records : ndarray of int64 of shape (n_nodes, n_fields)
        A node a row.
    order : ndarray of uint32 of shape (n_rows,)
        Rows, those of a leaf side by side; the grower's own until its next tree.
    gradient_scale, hessian_scale : float
        Of the fixed-point sums in the records.
    edges : tuple of (ndarray of float64, ndarray of int64)
        Greatest value of each bin, those of a feature side by side, and where each feature begins.
    """

    records: np.ndarray
    order: np.ndarray
    gradient_scale: float
    hessian_scale: float
    edges: tuple[np.ndarray, np.ndarray]

    @cached_property
    def leaves(self) -> np.ndarray:
        """Nodes without children, in the order in which their rows lie.

        Returns
        -------
        ndarray of int64
            Node numbers.
        """
        leaves = np.flatnonzero(self.records[:, at.LEFT] == 0)
        return leaves[np.argsort(self.records[leaves, at.START])]

    @cached_property
    def starts(self) -> np.ndarray:
        """First place of each leaf's rows in the order.

        Returns
        -------
        ndarray of int64
            One a leaf.
        """
        return np.ascontiguousarray(self.records[self.leaves, at.START])

    @cached_property
    def ends(self) -> np.ndarray:
        """Place after each leaf's rows.

        Returns
        -------
        ndarray of int64
            One a leaf.
        """
        return np.ascontiguousarray(self.records[self.leaves, at.END])

    @property
    def values(self) -> np.ndarray:
        """Newton values of all nodes.

        Returns
        -------
        ndarray of float64 of shape (n_nodes,)
            A copy.
        """
        return self.records[:, at.VALUE].copy().view(np.float64)

    def bounded(self, values: np.ndarray) -> np.ndarray:
        """Values within the bounds that monotonic constraints set.

        Parameters
        ----------
        values : ndarray of shape (n_nodes,)
            Any values of the nodes.

        Returns
        -------
        ndarray of shape (n_nodes,)
            The nearest allowed.
        """
        if self._bounds is None:
            return values
        return np.clip(values, *self._bounds)

    @cached_property
    def _bounds(self) -> np.ndarray | None:
        """Lower and upper bounds of the nodes, where there are any."""
        bounds = self.records[:, [at.LOWER, at.UPPER]].view(np.float64).T
        return bounds if np.isfinite(bounds).any() else None

    @property
    def splits(self) -> list[tuple[int, int]]:
        """Nodes that have children.

        Returns
        -------
        list of (int, int)
            The node, and its left child; ascending.
        """
        nodes = np.flatnonzero(self.records[:, at.LEFT])
        return list(zip(nodes.tolist(), self.records[nodes, at.LEFT].tolist(), strict=True))

    def tree(self, values: np.ndarray, weights: np.ndarray | None = None) -> Tree:
        """The tree to keep.

        Parameters
        ----------
        values : ndarray of float64 of shape (n_nodes,)
            What its nodes say.
        weights : ndarray of float64 of shape (n_nodes,), default=None
            Weight of the rows in each node; None counts them.

        Returns
        -------
        Tree
            Arrays of their own.
        """
        n = len(self.records)
        columns: dict[str, Any] = {name: np.empty(n, DTYPES[name]) for name in _WRITTEN}
        sets = np.empty((n // 2, SET_WORDS), np.uint64)
        floats = self.records.view(np.float64)
        n_sets = _write(self.records, floats, self.edges, sets, tuple(columns.values()))
        columns["left_categories"] = sets[:n_sets].copy()
        columns["value"] = np.array(values, np.float64).reshape(-1, 1)
        columns["weight"] = np.array(columns["count"] if weights is None else weights, np.float64)
        return Tree.of(columns)


_WRITTEN = (
    "feature",
    "bin",
    "threshold",
    "missing_left",
    "category_set",
    "left",
    "gain",
    "count",
)


@compiled
def _write(records, floats, edges, sets, columns):  # type: ignore[no-untyped-def]
    """Write a tree's columns; how many of its splits are by categories."""
    feature, bins, threshold, missing_left, category_set, left, gain, count = columns
    greatest, first = edges
    n_sets = 0
    for node in range(len(records)):
        record = records[node]
        left[node], count[node] = record[at.LEFT], record[at.END] - record[at.START]
        feature[node], bins[node], threshold[node] = -1, 0, np.nan
        missing_left[node], category_set[node], gain[node] = False, -1, 0.0
        if record[at.LEFT] == 0:
            continue
        feature[node], bins[node] = record[splitting.FEATURE], record[splitting.BIN]
        missing_left[node] = record[splitting.MISSING_LEFT] != 0
        gain[node] = floats[node, splitting.GAIN]
        if record[splitting.IS_CATEGORICAL] == 0:
            threshold[node] = greatest[first[feature[node]] + record[splitting.BIN]]
            continue
        category_set[node] = n_sets
        for word in range(SET_WORDS):
            sets[n_sets, word] = record[splitting.LEFT_SET + word]
        n_sets += 1
    return n_sets


def records_of(tree: Tree) -> np.ndarray:
    """Records that lead rows through a kept tree.

    Parameters
    ----------
    tree : Tree
        Of the same bins.

    Returns
    -------
    ndarray of int64 of shape (n_nodes, n_fields)
        What ``leaves.leaf_of`` reads.
    """
    records = np.zeros((len(tree.feature), at.N_RECORD), np.int64)
    records[:, splitting.FEATURE] = tree.feature
    records[:, splitting.BIN] = tree.bin
    records[:, splitting.MISSING_LEFT] = tree.missing_left
    records[:, at.LEFT] = tree.left
    is_category = tree.category_set >= 0
    records[:, splitting.IS_CATEGORICAL] = is_category
    sets = tree.left_categories[tree.category_set[is_category]].view(np.int64)
    records[is_category, splitting.LEFT_SET : splitting.LEFT_SET + 4] = sets
    return records
