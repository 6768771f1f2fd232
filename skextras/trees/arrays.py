"""A grown tree and an ensemble of trees: plain arrays, so that pickles are small and stable.

Nothing compiled and no table for prediction is kept here; ``Predictor`` makes those when asked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

# How a tree's column is stored.
DTYPES = {
    "feature": np.int32,
    "bin": np.uint8,
    "threshold": np.float64,
    "missing_left": np.bool_,
    "category_set": np.int32,
    "left_categories": np.uint64,
    "left": np.int32,
    "value": np.float64,
    "gain": np.float64,
    "weight": np.float64,
    "count": np.int64,
}
MISSING = 255  # the bin of NaN and of unseen categories
SET_WORDS = 4  # 64-bit words of a set of categories


@dataclass(frozen=True, eq=False, kw_only=True)
class Tree:
    """One tree of N nodes; node 0 is the root, children come after their parent, side by side.

    Arrays of another type are converted, and all are made read-only.

    Attributes
    ----------
    feature : int32 array of shape (N,)
        Feature of the split, -1 for a leaf.
    bin : uint8 array of shape (N,)
        Numeric split: bins up to this one go left; the missing bin goes by ``missing_left``.
    threshold : float64 array of shape (N,)
        The same on raw values: x <= threshold goes left. +inf parts real from missing values;
        NaN for leaves and categorical splits.
    missing_left : bool array of shape (N,)
        Whether missing values go left.
    category_set : int32 array of shape (N,)
        Row of ``left_categories``, or -1.
    left_categories : uint64 array of shape (n_categorical_splits, 4)
        Bit b of the 256: bin b goes left.
    left : int32 array of shape (N,)
        Left child, 0 for a leaf; the right child is the next one.
    value : float64 array of shape (N, V)
        What a leaf adds to the prediction; an inner node holds its own value too.
    gain : float64 array of shape (N,)
        Gain of the split, 0 for leaves.
    weight : float64 array of shape (N,)
        Sum of hessians or sample weights.
    count : int64 array of shape (N,)
        Rows seen in training.
    """

    feature: np.ndarray
    bin: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    category_set: np.ndarray
    left_categories: np.ndarray
    left: np.ndarray
    value: np.ndarray
    gain: np.ndarray
    weight: np.ndarray
    count: np.ndarray

    def __post_init__(self) -> None:
        for name, dtype in DTYPES.items():
            array: np.ndarray = np.ascontiguousarray(getattr(self, name), dtype).view()
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        n = len(self.feature)
        for name in ("feature", "left", "threshold", "value", "left_categories"):
            ndim = 2 if name in {"value", "left_categories"} else 1
            shape = getattr(self, name).shape
            if len(shape) != ndim or (name != "left_categories" and shape[0] != n):
                raise ValueError(
                    f"Tree: {name} must have {ndim} axes and a row for each of the {n} nodes, "
                    f"got shape {shape}."
                )

    @classmethod
    def of(cls, columns: dict[str, np.ndarray]) -> "Tree":
        """Make one of arrays that are as they should be: of few rows, looking at them takes long.

        Parameters
        ----------
        columns : dict of str to ndarray
            All attributes, of their types and shapes, C-contiguous; they become read-only.

        Returns
        -------
        Tree
            With these very arrays.
        """
        tree = object.__new__(cls)
        for array in columns.values():
            array.setflags(write=False)
        tree.__dict__.update(columns)
        return tree

    @property
    def n_nodes(self) -> int:
        """Number of nodes.

        Returns
        -------
        int
            How many.
        """
        return len(self.feature)

    @property
    def is_leaf(self) -> np.ndarray:
        """Which nodes are leaves.

        Returns
        -------
        ndarray of bool of shape (N,)
            True for a leaf.
        """
        return self.feature < 0

    @property
    def n_leaves(self) -> int:
        """Number of leaves.

        Returns
        -------
        int
            How many.
        """
        return int(self.is_leaf.sum())

    @property
    def depth(self) -> np.ndarray:
        """Number of splits above each node.

        Returns
        -------
        ndarray of int64 of shape (N,)
            0 for the root.
        """
        depth = np.zeros(self.n_nodes, np.int64)
        [splits] = np.nonzero(~self.is_leaf)
        for node, left in zip(splits, self.left[splits], strict=True):  # parents come first
            depth[left : left + 2] = depth[node] + 1
        return depth

    def scaled(self, factor: float) -> "Tree":
        """The same tree with its values times a factor (DART).

        Parameters
        ----------
        factor : float
            What each value is multiplied with.

        Returns
        -------
        Tree
            A new tree.
        """
        return replace(self, value=self.value * factor)


@dataclass(frozen=True, eq=False, kw_only=True)
class Nodes:
    """The nodes of many trees in one struct of arrays.

    Attributes
    ----------
    offset : int64 array of shape (n_trees + 1,)
        Where each tree's nodes begin; ``left`` counts from there.
    set_offset : int64 array of shape (n_trees + 1,)
        Where each tree's sets of categories begin.
    columns : dict of str to ndarray
        The columns of ``Tree``, one tree after another; ``category_set`` counts over all trees.
    """

    offset: np.ndarray
    set_offset: np.ndarray
    columns: dict[str, np.ndarray]

    def __getattr__(self, name: str) -> np.ndarray:
        if name in DTYPES:
            return self.columns[name]
        raise AttributeError(name)


@dataclass(frozen=True, eq=False, kw_only=True)
class Ensemble:
    """Trees whose values are added to a start value.

    Attributes
    ----------
    trees : tuple of Tree
        In the order in which they are added.
    output : int64 array of shape (n_trees,)
        Column of the prediction that a tree with V = 1 adds to; not looked at for V = n_outputs.
    n_outputs : int
        Columns of the prediction.
    start : float64 array of shape (n_outputs,)
        Prediction of no tree at all.
    average : bool
        Whether the sum of the trees is divided by their number (forests).
    """

    trees: tuple[Tree, ...]
    output: np.ndarray
    n_outputs: int
    start: np.ndarray
    average: bool = False
    _joined: list[Nodes] = field(default_factory=list, repr=False, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trees", tuple(self.trees))
        object.__setattr__(self, "output", np.asarray(self.output, np.int64))
        object.__setattr__(self, "start", np.asarray(self.start, np.float64))
        if self.start.shape != (self.n_outputs,):
            raise ValueError(
                f"Ensemble: start must have {self.n_outputs} numbers, got shape {self.start.shape}."
            )
        if self.output.shape != (len(self.trees),):
            raise ValueError(
                f"Ensemble: output must have {len(self.trees)} numbers, "
                f"got shape {self.output.shape}."
            )
        widths = {tree.value.shape[1] for tree in self.trees}
        if len(widths) > 1 or not widths <= {1, self.n_outputs}:
            raise ValueError(
                f"Ensemble: all trees must have 1 or n_outputs={self.n_outputs} values a node, "
                f"got {sorted(widths)}."
            )

    @property
    def is_joint(self) -> bool:
        """Whether each tree has a value for every output.

        Returns
        -------
        bool
            False where a tree adds to one column.
        """
        return bool(self.trees) and self.trees[0].value.shape[1] == self.n_outputs

    @property
    def n_leaves(self) -> np.ndarray:
        """Number of leaves of each tree.

        Returns
        -------
        ndarray of int64 of shape (n_trees,)
            How many.
        """
        return np.array([tree.n_leaves for tree in self.trees], np.int64)

    @property
    def max_depth(self) -> int:
        """Splits above the deepest leaf.

        Returns
        -------
        int
            0 for an ensemble without splits.
        """
        return max((int(tree.depth.max()) for tree in self.trees), default=0)

    def truncated(self, n_trees: int) -> "Ensemble":
        """The first trees only.

        Parameters
        ----------
        n_trees : int
            How many.

        Returns
        -------
        Ensemble
            A new ensemble.
        """
        return replace(self, trees=self.trees[:n_trees], output=self.output[:n_trees])

    def extended(self, trees: Sequence[Tree], output: Sequence[int] | np.ndarray) -> "Ensemble":
        """These trees, then more.

        Parameters
        ----------
        trees : sequence of Tree
            The new ones.
        output : sequence of int
            Column of each new tree.

        Returns
        -------
        Ensemble
            A new ensemble.
        """
        return replace(
            self,
            trees=(*self.trees, *trees),
            output=np.concatenate([self.output, np.asarray(output, np.int64)]),
        )

    def joined(self) -> Nodes:
        """All trees in one struct, made once.

        Returns
        -------
        Nodes
            The struct.
        """
        if not self._joined:
            self._joined.append(joined(self.trees, self.n_outputs if self.is_joint else 1))
        return self._joined[0]

    def importances(
        self, n_features: int, kind: Literal["gain", "split"] = "gain", *, normalize: bool = True
    ) -> np.ndarray:
        """How much each feature was split on.

        Parameters
        ----------
        n_features : int
            Length of the result.
        kind : {"gain", "split"}, default="gain"
            Sum of the gains of the splits, or their number.
        normalize : bool, default=True
            Whether the result sums to one (if any tree has a split).

        Returns
        -------
        ndarray of shape (n_features,)
            The importances.
        """
        nodes = self.joined()
        splits = nodes.feature >= 0
        weights = nodes.gain[splits] if kind == "gain" else None
        result = np.bincount(nodes.feature[splits], weights, n_features).astype(np.float64)
        total = result.sum()
        return result / total if normalize and total > 0 else result

    def __getstate__(self) -> dict[str, Any]:
        """One array a column: a hundred trees pickle as thirteen arrays."""
        nodes = self.joined()
        parts = {item.name: getattr(nodes, item.name) for item in fields(Nodes)}
        return parts | {item.name: getattr(self, item.name) for item in _simple_fields()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for item in _simple_fields():
            object.__setattr__(self, item.name, state[item.name])
        parts = {item.name: state[item.name] for item in fields(Nodes)}
        object.__setattr__(self, "trees", tuple(parted(Nodes(**parts))))
        object.__setattr__(self, "_joined", [])


def _simple_fields() -> list[Any]:
    return [item for item in fields(Ensemble) if item.name not in {"trees", "_joined"}]


def joined(trees: Sequence[Tree], n_values: int = 1) -> Nodes:
    """Lay the nodes of trees side by side.

    Parameters
    ----------
    trees : sequence of Tree
        All with as many values a node.
    n_values : int, default=1
        Values a node, should there be no tree.

    Returns
    -------
    Nodes
        The struct.
    """
    offset = np.cumsum([0, *(tree.n_nodes for tree in trees)])
    set_offset = np.cumsum([0, *(len(tree.left_categories) for tree in trees)])
    columns: dict[str, np.ndarray] = {}
    for name, dtype in DTYPES.items():
        width = {"value": (n_values,), "left_categories": (SET_WORDS,)}.get(name, ())
        parts = [getattr(tree, name) for tree in trees]
        columns[name] = np.concatenate([np.empty((0, *width), dtype), *parts], dtype=dtype)
    sets = columns["category_set"]
    sets += np.where(sets < 0, 0, np.repeat(set_offset[:-1], np.diff(offset))).astype(np.int32)
    return Nodes(offset=offset, set_offset=set_offset, columns=columns)


def parted(nodes: Nodes) -> Iterator[Tree]:
    """The trees that were joined.

    Parameters
    ----------
    nodes : Nodes
        Many trees.

    Yields
    ------
    Tree
        One tree after another.
    """
    spans = zip(pairwise(nodes.offset), pairwise(nodes.set_offset), strict=True)
    for (start, stop), (first_set, last_set) in spans:
        part = {name: column[start:stop] for name, column in nodes.columns.items()}
        part["left_categories"] = nodes.left_categories[first_set:last_set]
        part["category_set"] = part["category_set"] - np.int32(first_set) * (
            part["category_set"] >= 0
        )
        yield Tree(**part)
