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
from skextras.trees.whole_trees import GrownTree

SHELVED = (*NODE_COLUMNS, *LEAF_COLUMNS, "sets", "set_node")
WHOLE = (np.uint8, np.uint16, np.uint32)
INDICES = (np.int8, np.int16, np.int32)


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
        self._feature_type: Any = next(k for k in INDICES if n_features <= np.iinfo(k).max)
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
        records, floats = grown.records, grown.records.view(np.float64)
        feature = records[:, at.R_FEATURE].astype(self._feature_type)
        leaves = np.flatnonzero(feature < 0)
        weight = floats[leaves, at.R_WEIGHT]
        value = grown.values[leaves]
        if self._has_classes:  # sums of whole weights again
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
            value=small(value) if self._has_classes else value,
            weight=small(weight * grown.unit),
            count=small(records[leaves, at.R_COUNT]),
            impurity=floats[leaves, at.R_IMPURITY].astype(np.float32),
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
    if most > np.iinfo(WHOLE[-1]).max or (numbers != np.rint(numbers)).any():
        return numbers
    return numbers.astype(next(kind for kind in WHOLE if most <= np.iinfo(kind).max))
