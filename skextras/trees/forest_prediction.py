"""Prediction with a forest that is kept in few bytes."""

from functools import cached_property
from typing import Any

import numpy as np

from skextras.trees.edges import BinMapper
from skextras.trees.forest_store import Forest
from skextras.trees.prediction import Predictor


class _Nodes:
    """Columns of the nodes as the predictor asks for them; only the values stay."""

    def __init__(self, forest: Forest, mapper: BinMapper) -> None:
        self._forest, self._mapper = forest, mapper
        self.offset = forest.offset
        self.left_categories = forest.sets
        self.left, self.missing_left = forest.left, forest.missing_left

    @cached_property
    def value(self) -> np.ndarray:
        value = np.zeros((len(self._forest.feature), self._forest.n_lanes))
        value[self._forest.feature < 0] = self._forest.leaf_value
        return value

    @property
    def feature(self) -> np.ndarray:
        return self._forest.feature.astype(np.int32)

    @property
    def threshold(self) -> np.ndarray:
        return self._forest.thresholds(self._mapper)

    @property
    def category_set(self) -> np.ndarray:
        category_set = np.full(len(self._forest.feature), -1, np.int32)
        category_set[self._forest.set_node] = np.arange(len(self._forest.set_node))
        return category_set


class _Trees:
    """What the predictor asks of an ensemble."""

    average, is_joint = True, True

    def __init__(self, forest: Forest, mapper: BinMapper) -> None:
        self.trees = range(forest.n_trees)
        self.output = np.zeros(forest.n_trees, np.int64)
        self.n_outputs, self.start = forest.n_lanes, np.zeros(forest.n_lanes)
        self._nodes = _Nodes(forest, mapper)
        self._forest = forest

    @cached_property
    def n_leaves(self) -> np.ndarray:
        is_leaf = self._forest.feature < 0
        return np.add.reduceat(is_leaf, self._forest.offset[:-1], dtype=np.int64)

    def joined(self) -> Any:
        return self._nodes


def forest_predictor(forest: Forest, mapper: BinMapper) -> Predictor:
    """A predictor of means over the trees.

    Parameters
    ----------
    forest : Forest
        The trees.
    mapper : BinMapper
        What their bins mean.

    Returns
    -------
    Predictor
        Its tables are not to be pickled: keep the forest instead.
    """
    trees: Any = _Trees(forest, mapper)
    return Predictor(trees, mapper)
