"""A tree just grown: records of its nodes, and the rows that lie in its leaves."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skextras.trees import splitting
from skextras.trees import workspace as at
from skextras.trees.arrays import Tree


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
    def counts(self) -> np.ndarray:
        """Rows of each node.

        Returns
        -------
        ndarray of int64 of shape (n_nodes,)
            How many.
        """
        return self.records[:, at.END] - self.records[:, at.START]

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
        records = self.records
        is_split = records[:, at.LEFT] > 0
        is_category = is_split & (records[:, splitting.IS_CATEGORICAL] != 0)
        feature = np.where(is_split, records[:, splitting.FEATURE], -1)
        bins = np.where(is_split, records[:, splitting.BIN], 0)
        threshold = np.full(len(records), np.nan)
        numeric = np.flatnonzero(is_split & ~is_category)
        edges, first = self.edges
        threshold[numeric] = edges[first[feature[numeric]] + bins[numeric]]
        gain = records[:, splitting.GAIN].copy().view(np.float64)
        sets = records[is_category, splitting.LEFT_SET : splitting.LEFT_SET + 4]
        return Tree(
            feature=feature.astype(np.int32),
            bin=bins.astype(np.uint8),
            threshold=threshold,
            missing_left=is_split & (records[:, splitting.MISSING_LEFT] != 0),
            category_set=np.where(is_category, np.cumsum(is_category) - 1, -1).astype(np.int32),
            left_categories=np.ascontiguousarray(sets).view(np.uint64).reshape(-1, 4),
            left=records[:, at.LEFT].astype(np.int32),
            value=np.array(values, np.float64).reshape(-1, 1),
            gain=np.where(is_split, gain, 0.0),
            weight=self.counts if weights is None else weights,
            count=self.counts,
        )


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
