"""Trees, as they come from their growth, into one forest that is never held twice.

Each column is one array for all trees, with room for those that are still to come: memory that was
asked for and not yet written to takes no place. Small arrays a tree, laid side by side in the end,
would be held twice at that moment.
"""

from typing import Any

import numpy as np

from skextras.trees import forest_slots as at
from skextras.trees.arrays import SET_WORDS
from skextras.trees.forest_store import LEAF_COLUMNS, NODE_COLUMNS, Forest
from skextras.trees.memory import compiled
from skextras.trees.whole_trees import GrownTree

SHELVED = (*NODE_COLUMNS, *LEAF_COLUMNS, "sets", "set_node")
WHOLE = ((np.uint8, 2**8), (np.uint16, 2**16), (np.uint32, 2**32))  # numbers below a limit
INDICES = ((np.int8, 2**7), (np.int16, 2**15), (np.int32, 2**31))


@compiled
def _split_columns(records, unit, feature, bins, missing_left, left, gain):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """What is kept of every node."""
    floats = records.view(np.float64)
    for node in range(len(records)):
        feature[node], left[node] = records[node, at.R_FEATURE], records[node, at.R_LEFT]
        bins[node] = records[node, at.R_BIN]
        missing_left[node] = records[node, at.R_MISSING_LEFT] == 1
        gain[node] = floats[node, at.R_GAIN] * unit


@compiled
def _leaf_columns(records, leaves, weight, count, impurity):  # type: ignore[no-untyped-def]
    """What is kept of leaves alone, and which nodes they are."""
    floats, n = records.view(np.float64), 0
    for node in range(len(records)):
        if records[node, at.R_FEATURE] < 0:
            leaves[n], weight[n] = node, floats[node, at.R_WEIGHT]
            count[n], impurity[n] = records[node, at.R_COUNT], floats[node, at.R_IMPURITY]
            n += 1


class _Column:
    """An array that grows at its end."""

    def __init__(self, first: np.ndarray, n_expected: int) -> None:
        self._held = np.empty((n_expected, *first.shape[1:]), first.dtype)
        self.size = 0

    def add(self, part: np.ndarray, n_expected: int) -> None:
        """Put some more behind; n_expected: how many there will be in the end."""
        kind = np.result_type(self._held, part)
        if kind != self._held.dtype:  # a tree of greater numbers than all before it
            wider = np.empty(self._held.shape, kind)
            wider[: self.size] = self._held[: self.size]
            self._held = wider
        start, self.size = self.size, self.size + len(part)
        if self.size > len(self._held):
            self._resize(max(self.size, n_expected))
        self._held[start : self.size] = part

    def whole(self) -> np.ndarray:
        """What was put in."""
        self._resize(self.size)
        return self._held

    def _resize(self, size: int) -> None:
        # (nobody has seen the array yet: large ones move without being copied)
        self._held.resize((size, *self._held.shape[1:]), refcheck=False)


class ForestBuilder:
    """Collects trees.

    Parameters
    ----------
    n_trees : int
        How many are to come.
    n_features : int
        Of the table.
    has_classes : bool
        Whether values are shares of classes.
    """

    def __init__(self, n_trees: int, n_features: int, *, has_classes: bool) -> None:
        self._n_trees, self._has_classes = n_trees, has_classes
        self._feature_type: Any = next(kind for kind, end in INDICES if n_features <= end)
        self._offset = np.zeros(1, np.int64)
        self._columns: dict[str, _Column] = {}

    def add(self, part: Forest) -> None:
        """Put trees behind those that are there.

        Parameters
        ----------
        part : Forest
            One or more.
        """
        start, n_before = self._offset[-1], len(self._offset) - 1
        n_after = n_before + part.n_trees
        self._offset = np.concatenate([self._offset, part.offset[1:] + start])
        n_further = max(self._n_trees - n_after, 0)
        for name in SHELVED:
            own = getattr(part, name) + start if name == "set_node" else getattr(part, name)
            # (a sixteenth more than if all that come are as large as these)
            more = -(-len(own) * n_further * 17 // (16 * part.n_trees))
            if name not in self._columns:
                self._columns[name] = _Column(own, len(own) + more)
            column = self._columns[name]
            column.add(own, column.size + len(own) + more)

    def packed(self, grown: GrownTree) -> Forest:
        """The few bytes of one tree.

        Parameters
        ----------
        grown : GrownTree
            As the kernel left it.

        Returns
        -------
        Forest
            Of one tree.
        """
        records, n = grown.records, len(grown.records)
        n_leaves = (n + 1) // 2  # of a tree whose splits part in two
        feature, left = np.empty(n, np.int32), np.empty(n, np.int32)
        bins, missing_left = np.empty(n, np.uint8), np.empty(n, np.bool_)
        gain, impurity = np.empty(n, np.float32), np.empty(n_leaves, np.float32)
        weight, count = np.empty(n_leaves), np.empty(n_leaves, np.int64)
        leaves = np.empty(n_leaves, np.int64)
        _split_columns(records, grown.unit, feature, bins, missing_left, left, gain)
        _leaf_columns(records, leaves, weight, count, impurity)
        value = grown.values[leaves]
        if self._has_classes:  # sums of whole weights again
            value = np.rint(value * weight[:, None]) * grown.unit
        has_sets = len(grown.sets) > 0
        set_node = np.flatnonzero(records[:, at.R_SET] != 0) if has_sets else np.empty(0, np.int64)
        return Forest(
            offset=np.array([0, n]),
            feature=feature.astype(self._feature_type),
            bin=bins,
            missing_left=missing_left,
            left=left,
            gain=gain,
            set_node=set_node,
            sets=grown.sets[set_node] if has_sets else np.empty((0, SET_WORDS), np.uint64),
            value=small(value) if self._has_classes else value,
            weight=small(weight * grown.unit),
            count=small(count),
            impurity=impurity,
            has_classes=self._has_classes,
        )

    def forest(self) -> Forest:
        """All trees; nothing can be added after it.

        Returns
        -------
        Forest
            In the order in which they came.
        """
        columns: dict[str, Any] = {name: own.whole() for name, own in self._columns.items()}
        return Forest(offset=self._offset, has_classes=self._has_classes, **columns)


def small(numbers: np.ndarray) -> np.ndarray:
    """Whole numbers in as few bytes as hold the greatest; others as they are.

    Parameters
    ----------
    numbers : ndarray
        Not negative.

    Returns
    -------
    ndarray
        Equal numbers.
    """
    most = float(numbers.max(initial=0))
    if most >= WHOLE[-1][1] or (numbers.dtype.kind == "f" and (numbers != np.rint(numbers)).any()):
        return numbers
    return numbers.astype(next(kind for kind, end in WHOLE if most < end))
