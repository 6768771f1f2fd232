"""A grown forest in few bytes: what can be told from the leaves is kept for the leaves alone.

A node takes eleven bytes, a leaf its value, weight, count and impurity on top of it: whole numbers
in as few bytes as hold the greatest of them (``forest_building``). Weights, counts,
values and impurities of inner nodes follow from their children, thresholds from the bins. The
engine's ``Ensemble``, which holds all of them, is made when it is asked for.
"""

from dataclasses import dataclass

import numpy as np

from skextras.trees.arrays import DTYPES, Ensemble, Tree
from skextras.trees.edges import BinMapper
from skextras.trees.memory import compiled


@compiled
def _fill_up(left, weight, count, impurity, value, gain):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """Inner nodes from their children, which come after them; ``left`` counts over all trees."""
    for node in range(left.size - 1, -1, -1):
        child = left[node]
        if child > 0:
            total = weight[child] + weight[child + 1]
            weight[node], count[node] = total, count[child] + count[child + 1]
            inside = weight[child] * impurity[child] + weight[child + 1] * impurity[child + 1]
            impurity[node] = (inside + gain[node]) / total
            share = weight[child + 1] / total
            for v in range(value.shape[1]):
                step = value[child + 1, v] - value[child, v]
                value[node, v] = value[child, v] + share * step


@dataclass(frozen=True, eq=False, kw_only=True)
class Forest:
    """Trees, nodes side by side; a tree's right child follows its left one.

    Attributes
    ----------
    offset : ndarray of int64 of shape (n_trees + 1,)
        Where each tree's nodes begin.
    feature : ndarray of int8, int16 or int32 of shape (n_nodes,)
        -1 for a leaf.
    bin : ndarray of uint8 of shape (n_nodes,)
        Bins up to this one go left.
    missing_left : ndarray of bool of shape (n_nodes,)
        Which way missing values go.
    left : ndarray of int32 of shape (n_nodes,)
        Left child, counted in its tree; 0 for a leaf.
    gain : ndarray of float32 of shape (n_nodes,)
        Weight times impurity that the split takes away.
    set_node : ndarray of int64 of shape (n_sets,)
        Nodes that split categories, ascending, counted over all trees.
    sets : ndarray of uint64 of shape (n_sets, 4)
        Bins that go left there.
    value : ndarray of shape (n_leaves, n_lanes)
        Of classes, their weights in the leaf; of numbers, means.
    weight : ndarray of shape (n_leaves,)
        Of the leaf's rows.
    count : ndarray of whole numbers of shape (n_leaves,)
        Rows in it.
    impurity : ndarray of float32 of shape (n_leaves,)
        What is left of it.
    has_classes : bool
        What a value is.
    """

    offset: np.ndarray
    feature: np.ndarray
    bin: np.ndarray
    missing_left: np.ndarray
    left: np.ndarray
    gain: np.ndarray
    set_node: np.ndarray
    sets: np.ndarray
    value: np.ndarray
    weight: np.ndarray
    count: np.ndarray
    impurity: np.ndarray
    has_classes: bool

    @property
    def n_trees(self) -> int:
        """Number of trees.

        Returns
        -------
        int
            How many.
        """
        return len(self.offset) - 1

    @property
    def n_lanes(self) -> int:
        """Values of a node.

        Returns
        -------
        int
            How many.
        """
        return self.value.shape[1]

    @property
    def leaf_value(self) -> np.ndarray:
        """What each leaf predicts.

        Returns
        -------
        ndarray of float64 of shape (n_leaves, n_lanes)
            Shares of the classes, or means.
        """
        value = self.value.astype(np.float64)
        if self.has_classes:
            value /= self.weight[:, None]
        return value

    def tree(self, number: int) -> "Forest":
        """One tree alone.

        Parameters
        ----------
        number : int
            Which.

        Returns
        -------
        Forest
            Of one tree; its arrays are views.
        """
        return self.part(number, number + 1)

    def part(self, first: int, last: int) -> "Forest":
        """Some trees.

        Parameters
        ----------
        first, last : int
            From the first to the one before the last.

        Returns
        -------
        Forest
            Its arrays are views.
        """
        start, stop = self.offset[first], self.offset[last]
        own = slice(start, stop)
        n_before = int((self.feature[:start] < 0).sum())
        n_leaves = int((self.feature[own] < 0).sum())
        leaves = slice(n_before, n_before + n_leaves)
        sets = slice(*np.searchsorted(self.set_node, [start, stop]))
        return Forest(
            offset=self.offset[first : last + 1] - start,
            set_node=self.set_node[sets] - start,
            sets=self.sets[sets],
            has_classes=self.has_classes,
            **{name: getattr(self, name)[own] for name in NODE_COLUMNS},
            **{name: getattr(self, name)[leaves] for name in LEAF_COLUMNS},
        )

    def columns(self, mapper: BinMapper) -> dict[str, np.ndarray]:
        """All that is known of each node, in the engine's columns.

        Parameters
        ----------
        mapper : BinMapper
            What the bins mean.

        Returns
        -------
        dict of str to ndarray
            The columns of ``arrays.Tree``, and ``impurity``.
        """
        n, leaves = len(self.feature), self.feature < 0
        found: dict[str, np.ndarray] = {"value": np.empty((n, self.n_lanes))}
        found["value"][leaves] = self.leaf_value
        for name in ("weight", "count", "impurity"):
            found[name] = np.zeros(n, np.int64 if name == "count" else np.float64)
            found[name][leaves] = getattr(self, name)
        gain = self.gain.astype(np.float64)
        start = np.repeat(self.offset[:-1], np.diff(self.offset))
        left = np.where(leaves, 0, self.left + start)
        kept = [found[name] for name in ("weight", "count", "impurity", "value")]
        _fill_up(left, *kept, gain)
        category_set = np.full(n, -1, np.int32)
        category_set[self.set_node] = np.arange(len(self.set_node))
        return found | {
            "feature": self.feature.astype(np.int32),
            "bin": self.bin,
            "threshold": self.thresholds(mapper),
            "missing_left": self.missing_left,
            "category_set": category_set,
            "left_categories": self.sets,
            "left": self.left,
            "gain": gain,
        }

    def thresholds(self, mapper: BinMapper) -> np.ndarray:
        """Greatest value that goes left.

        Parameters
        ----------
        mapper : BinMapper
            What the bins mean.

        Returns
        -------
        ndarray of float64 of shape (n_nodes,)
            +inf where only missing values go right; NaN for leaves and sets.
        """
        edges, first = mapper.greatest()
        feature = np.maximum(self.feature, 0).astype(np.int64)
        n_last = np.array([len(own) for own in mapper.edges], np.int64)
        place = first[feature] + np.minimum(self.bin, n_last[feature])
        threshold = edges[place]
        threshold[self.feature < 0] = np.nan
        threshold[self.set_node] = np.nan
        return threshold

    def ensemble(self, mapper: BinMapper) -> Ensemble:
        """The same trees with everything that is known of each node.

        Parameters
        ----------
        mapper : BinMapper
            What the bins mean.

        Returns
        -------
        Ensemble
            Averaged.
        """
        trees = []
        for number in range(self.n_trees):
            found = self.tree(number).columns(mapper)
            trees.append(Tree(**{name: found[name] for name in DTYPES}))
        return Ensemble(
            trees=tuple(trees),
            output=np.zeros(self.n_trees, np.int64),
            n_outputs=self.n_lanes,
            start=np.zeros(self.n_lanes),
            average=True,
        )


NODE_COLUMNS = ("feature", "bin", "missing_left", "left", "gain")
LEAF_COLUMNS = ("value", "weight", "count", "impurity")
