"""Prediction with a forest that is kept in few bytes.

Its splits are bins of the training table, so that thresholds in use are marks in a table of
features times bins, and need no sorting.
"""

from functools import cached_property
from typing import Any

import numpy as np

from skextras.trees.edges import BinMapper
from skextras.trees.forest_store import Forest
from skextras.trees.marking import MarkTables, mark_tables
from skextras.trees.memory import compiled
from skextras.trees.prediction import Predictor
from skextras.trees.prediction_tables import Columns, PackedNodes, pack

N_CODES = 256


@compiled
def _mark_cuts(feature, bins, is_used):  # type: ignore[no-untyped-def]
    """Notes which bins of each feature nodes split behind."""
    for node in range(feature.size):
        if feature[node] >= 0:
            is_used[feature[node], bins[node]] = 1


@compiled
def _look_up(feature, bins, table, found):  # type: ignore[no-untyped-def]
    """Entry of each split's feature and bin; 0 for leaves."""
    for node in range(feature.size):
        if feature[node] >= 0:
            found[node] = table[feature[node], bins[node]]


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


class ForestPredictor(Predictor):
    """A predictor that knows the bins behind which a forest's nodes split.

    Parameters
    ----------
    forest : Forest
        The trees.
    mapper : BinMapper
        What their bins mean.
    """

    def __init__(self, forest: Forest, mapper: BinMapper) -> None:
        trees: Any = _Trees(forest, mapper)
        super().__init__(trees, mapper)
        self._forest = forest

    @cached_property
    def _is_used(self) -> np.ndarray:
        """Whether there is a split behind a feature's bin, (n_features, 256)."""
        is_used = np.zeros((self.bins.n_features, N_CODES), np.uint8)
        _mark_cuts(self._forest.feature.astype(np.int32), self._forest.bin, is_used)
        return is_used.astype(bool)

    @cached_property
    def columns(self) -> Columns:
        """The features in use.

        Returns
        -------
        Columns
            And their cuts.
        """
        features = np.flatnonzero(self._is_used.any(axis=1))
        features = features if len(features) else np.zeros(1, np.int64)
        cuts = np.full((len(features), N_CODES), np.inf)
        n_cuts = np.zeros(len(features), np.int64)
        categorical = self.bins.is_categorical[features]
        for column, feature in enumerate(features):
            edges = self.bins.edges[feature]
            if not categorical[column]:  # (behind the last edge only missing values are)
                edges = edges[self._is_used[feature, : len(edges)]]
            cuts[column, : len(edges)], n_cuts[column] = edges, len(edges)
        return Columns(features, cuts, n_cuts, categorical.astype(np.uint8))

    @cached_property
    def _packed(self) -> PackedNodes:
        return pack(self.ensemble.joined(), self.columns, self._rank)

    @cached_property
    def _marks(self) -> MarkTables:
        return mark_tables(self.ensemble, self.columns, self._rank)

    @property
    def _rank(self) -> np.ndarray:
        """Last bin of those in use that goes left, for each node."""
        # (behind the last edge, and behind a set of categories, there is no cut)
        n_edges = np.where(self.bins.is_categorical, 0, self.bins.n_bins - 1)
        is_used = self._is_used & (np.arange(N_CODES) < n_edges[:, None])
        rank_of: np.ndarray = (np.cumsum(is_used, axis=1) - is_used).astype(np.uint8)
        rank = np.zeros(len(self._forest.feature), np.uint8)
        _look_up(self._forest.feature.astype(np.int32), self._forest.bin, rank_of, rank)
        return rank
