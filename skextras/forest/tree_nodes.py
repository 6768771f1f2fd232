"""The nodes of a fitted tree in scikit-learn's words."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from skextras.forest.paths import decision_path

if TYPE_CHECKING:
    from skextras.trees.forest_store import Forest


class TreeNodes:
    """Nodes of a fitted tree, as scikit-learn's ``Tree`` names them.

    Parameters
    ----------
    tree : ClassTree or NumberTree
        Fitted.
    """

    def __init__(self, tree: Any) -> None:
        self._tree = tree
        self.n_outputs, self.n_features = tree.n_outputs_, tree.n_features_in_

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        return self._tree._forest.columns(self._tree._mapper)

    @property
    def node_count(self) -> int:
        """Number of nodes.

        Returns
        -------
        int
            How many.
        """
        return len(self._tree._forest.feature)

    @property
    def n_leaves(self) -> int:
        """Number of leaves.

        Returns
        -------
        int
            How many.
        """
        return len(self._tree._forest.value)

    @property
    def capacity(self) -> int:
        """Room for nodes.

        Returns
        -------
        int
            As many as there are.
        """
        return self.node_count

    @cached_property
    def max_depth(self) -> int:
        """Splits above the deepest leaf.

        Returns
        -------
        int
            0 for a single leaf.
        """
        depth = np.zeros(self.node_count, np.int64)
        left = self._tree._forest.left
        for node in np.flatnonzero(left):  # parents come first
            depth[left[node] : left[node] + 2] = depth[node] + 1
        return int(depth.max())

    @property
    def children_left(self) -> np.ndarray:
        """Left child of each node.

        Returns
        -------
        ndarray of int64 of shape (node_count,)
            -1 for a leaf.
        """
        left = self._tree._forest.left.astype(np.int64)
        return np.where(left > 0, left, -1)

    @property
    def children_right(self) -> np.ndarray:
        """Right child of each node.

        Returns
        -------
        ndarray of int64 of shape (node_count,)
            -1 for a leaf.
        """
        left = self._tree._forest.left.astype(np.int64)
        return np.where(left > 0, left + 1, -1)

    @property
    def feature(self) -> np.ndarray:
        """Feature that each node splits on.

        Returns
        -------
        ndarray of int64 of shape (node_count,)
            -2 for a leaf.
        """
        feature = self._tree._forest.feature.astype(np.int64)
        return np.where(feature < 0, -2, feature)

    @property
    def threshold(self) -> np.ndarray:
        """Greatest value that goes left.

        Returns
        -------
        ndarray of float64 of shape (node_count,)
            -2 for a leaf, NaN for a set of categories.
        """
        threshold = self._tree._forest.thresholds(self._tree._mapper)
        return np.where(self._tree._forest.feature < 0, -2.0, threshold)

    @property
    def missing_go_to_left(self) -> np.ndarray:
        """Which way missing values go.

        Returns
        -------
        ndarray of uint8 of shape (node_count,)
            1 for left.
        """
        return self._tree._forest.missing_left.astype(np.uint8)

    @property
    def impurity(self) -> np.ndarray:
        """Impurity of each node.

        Returns
        -------
        ndarray of float64 of shape (node_count,)
            That of the criterion.
        """
        return self._columns["impurity"]

    @property
    def n_node_samples(self) -> np.ndarray:
        """Rows of each node.

        Returns
        -------
        ndarray of int64 of shape (node_count,)
            How many different ones.
        """
        return self._columns["count"]

    @property
    def weighted_n_node_samples(self) -> np.ndarray:
        """Weight of each node's rows.

        Returns
        -------
        ndarray of float64 of shape (node_count,)
            How often they were drawn, where no class weighs more.
        """
        return self._columns["weight"]

    @cached_property
    def value(self) -> np.ndarray:
        """What each node predicts.

        Returns
        -------
        ndarray of float64 of shape (node_count, n_outputs, n_classes)
            Shares of the classes, or means with a last axis of one.
        """
        lanes = self._columns["value"]
        if not hasattr(self._tree, "classes_"):
            return lanes[:, :, None]
        shares = self._tree._shares(lanes)
        value = np.zeros((len(lanes), len(shares), max(share.shape[1] for share in shares)))
        for output, share in enumerate(shares):
            value[:, output, : share.shape[1]] = share
        return value

    @property
    def n_classes(self) -> np.ndarray:
        """Number of classes of each output.

        Returns
        -------
        ndarray of int64 of shape (n_outputs,)
            1 for a number.
        """
        known = getattr(self._tree, "_all_classes", [[None]] * self.n_outputs)
        return np.array([len(classes) for classes in known], np.int64)

    @property
    def max_n_classes(self) -> int:
        """Most classes of an output.

        Returns
        -------
        int
            1 for numbers.
        """
        return int(self.n_classes.max())

    def compute_feature_importances(self, normalize: bool = True) -> np.ndarray:
        """Impurity that each feature takes away.

        Parameters
        ----------
        normalize : bool, default=True
            Whether they sum to one.

        Returns
        -------
        ndarray of shape (n_features,)
            Mean over the rows' weights.
        """
        forest = self._tree._forest
        gains = tree_gains(forest, self.n_features)[0]
        if normalize:
            return gains / gains.sum() if gains.sum() > 0 else gains
        return gains / forest.weight.sum(dtype=np.float64)

    def predict(self, X: Any) -> np.ndarray:
        """Values of the leaves that rows end in.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs, n_classes)
            Rows of ``value``; without the axis of outputs if there is one.
        """
        found = self.value[self.apply(X)]
        return found[:, 0] if self.n_outputs == 1 else found

    def apply(self, X: Any) -> np.ndarray:
        """Leaves that rows end in.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of int64 of shape (n_samples,)
            Node numbers.
        """
        return self._tree._apply(X)[:, 0].astype(np.int64)

    def decision_path(self, X: Any) -> sparse.csr_matrix:
        """Nodes that rows pass.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        csr_matrix of shape (n_samples, node_count)
            1 for a node that is passed.
        """
        return decision_path(self._tree._forest, self._tree._apply(X))[0]


def tree_gains(forest: "Forest", n_features: int) -> np.ndarray:
    """Sum of each tree's gains by feature.

    Parameters
    ----------
    forest : Forest
        The trees.
    n_features : int
        Of the table.

    Returns
    -------
    ndarray of float64 of shape (n_trees, n_features)
        In units of weight times impurity.
    """
    tree = np.repeat(np.arange(forest.n_trees), np.diff(forest.offset))
    is_split = forest.feature >= 0
    place = tree[is_split] * n_features + forest.feature[is_split]
    sums = np.bincount(place, forest.gain[is_split], forest.n_trees * n_features)
    return sums.reshape(forest.n_trees, n_features)
