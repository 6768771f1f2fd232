"""A grown forest in few bytes: what can be told from the leaves is kept for the leaves alone.

A node takes 12 bytes, a leaf its value, weight, count and impurity on top of it. Weights, counts,
values and impurities of inner nodes follow from their children, thresholds from the bins. The
engine's ``Ensemble``, which holds all of them, is made when it is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from skextras.trees import forest_slots as at
from skextras.trees.arrays import DTYPES, SET_WORDS, Ensemble, Tree
from skextras.trees.edges import BinMapper
from skextras.trees.memory import compiled
from skextras.trees.whole_trees import GrownTree

EXACT = 1 << 24  # whole numbers that single precision holds


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


def _small(numbers: np.ndarray) -> np.ndarray:
    """In single precision if that loses nothing."""
    is_exact = (np.abs(numbers) <= EXACT).all() and (numbers == np.rint(numbers)).all()
    return numbers.astype(np.float32) if is_exact else numbers


@dataclass(frozen=True, eq=False, kw_only=True)
class Forest:
    """Trees, nodes side by side; a tree's right child follows its left one.

    Attributes
    ----------
    offset : ndarray of int64 of shape (n_trees + 1,)
        Where each tree's nodes begin.
    feature : ndarray of int16 or int32 of shape (n_nodes,)
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
    count : ndarray of int32 of shape (n_leaves,)
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
        return value / self.weight[:, None] if self.has_classes else value

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


def _of_tree(grown: GrownTree, feature_type: Any, *, has_classes: bool) -> Forest:
    """The few bytes of one tree."""
    records, floats = grown.records, grown.records.view(np.float64)
    feature = records[:, at.R_FEATURE].astype(feature_type)
    leaves = np.flatnonzero(feature < 0)
    weight = floats[leaves, at.R_WEIGHT]
    value = grown.values[leaves]
    if has_classes:  # sums of whole weights again
        value = np.rint(value * weight[:, None]) * grown.unit
    set_node = np.flatnonzero((records[:, at.R_SET] != 0) & (feature >= 0))
    return Forest(
        offset=np.array([0, len(feature)]),
        feature=feature,
        bin=records[:, at.R_BIN].astype(np.uint8),
        missing_left=records[:, at.R_MISSING_LEFT] == 1,
        left=records[:, at.R_LEFT].astype(np.int32),
        gain=(floats[:, at.R_GAIN] * grown.unit).astype(np.float32),
        set_node=set_node,
        sets=grown.sets[set_node] if len(set_node) else np.empty((0, SET_WORDS), np.uint64),
        value=_small(value) if has_classes else value,
        weight=_small(weight * grown.unit),
        count=records[leaves, at.R_COUNT].astype(np.int32),
        impurity=floats[leaves, at.R_IMPURITY].astype(np.float32),
        has_classes=has_classes,
    )


def store(grown: Sequence[GrownTree], n_features: int, *, has_classes: bool) -> Forest:
    """Keep trees that were grown.

    Parameters
    ----------
    grown : sequence of GrownTree
        At least one.
    n_features : int
        Of the table.
    has_classes : bool
        Whether their values are shares of classes.

    Returns
    -------
    Forest
        All of them.
    """
    kind = np.int16 if n_features <= np.iinfo(np.int16).max else np.int32
    return joined([_of_tree(tree, kind, has_classes=has_classes) for tree in grown])


def joined(parts: Sequence[Forest]) -> Forest:
    """Trees side by side.

    Parameters
    ----------
    parts : sequence of Forest
        At least one.

    Returns
    -------
    Forest
        All of them.
    """
    starts = np.cumsum([0, *(part.offset[-1] for part in parts)])
    spans = [part.offset[1:] + start for part, start in zip(parts, starts, strict=False)]
    names = [item.name for item in fields(Forest)]
    simple = [name for name in names if name not in {"offset", "set_node", "has_classes"}]
    return Forest(
        offset=np.concatenate([[0], *spans]),
        set_node=np.concatenate(
            [part.set_node + start for part, start in zip(parts, starts, strict=False)]
        ),
        has_classes=parts[0].has_classes,
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in simple},
    )
