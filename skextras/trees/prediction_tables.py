"""What prediction needs of an ensemble: the thresholds in use, packed nodes.

A feature that no tree asks for is not looked at. The thresholds of a feature that the trees ask for
give its bins here, fewer than in training: the search is shorter and the tables are smaller.
"""

from dataclasses import dataclass

import numpy as np

from skextras.trees.arrays import MISSING, SET_WORDS, Nodes
from skextras.trees.edges import BinMapper
from skextras.trees.memory import compiled
from skextras.trees.prediction_bins import count_buckets
from skextras.trees.prediction_slots import (
    BUCKETS,
    CATEGORIES,
    CROWDED,
    CUTS,
    FEATURES,
    LOW,
    N_CUTS,
    SCALE,
    SPARSE,
    STARTS,
    WAY,
)

MAX_THRESHOLDS = 254  # bins 0 to 254 are real values


@dataclass(frozen=True, eq=False)
class Columns:
    """The features in use, and how to find their bins.

    Attributes
    ----------
    feature : int64 array of shape (n_columns,)
        Which feature a column is; at least one column.
    cuts : float64 array of shape (n_columns, 256)
        Thresholds in use, or known categories; +inf behind the last.
    n_cuts : int64 array of shape (n_columns,)
        How many.
    categorical : uint8 array of shape (n_columns,)
        Which columns are categories.
    """

    feature: np.ndarray
    cuts: np.ndarray
    n_cuts: np.ndarray
    categorical: np.ndarray

    @property
    def n_rows(self) -> np.ndarray:
        """Bins of each column, that of missing values included.

        Returns
        -------
        ndarray of int64 of shape (n_columns,)
            How many.
        """
        return self.n_cuts + 2 - self.categorical


@dataclass(frozen=True, eq=False)
class Searches:
    """How a number finds its bin.

    Attributes
    ----------
    way : int64 array of shape (n_columns,)
        Buckets, binary search, or known categories.
    low, scale : float64 arrays of shape (n_columns,)
        Bucket of x is (x - low) scale.
    starts : uint8 array of shape (n_columns, 1024)
        Cuts in earlier buckets.
    """

    way: np.ndarray
    low: np.ndarray
    scale: np.ndarray
    starts: np.ndarray


def columns_of(nodes: Nodes, bins: BinMapper) -> Columns:
    """Features and thresholds that the trees ask for.

    Parameters
    ----------
    nodes : Nodes
        Of all trees.
    bins : BinMapper
        Edges and known categories.

    Returns
    -------
    Columns
        At least one.
    """
    features = np.unique(nodes.feature[nodes.feature >= 0]).astype(np.int64)
    if not len(features):
        features = np.zeros(1, np.int64)
    is_real = (nodes.feature >= 0) & (nodes.category_set < 0) & (nodes.threshold < np.inf)
    feature, threshold = nodes.feature[is_real], nodes.threshold[is_real]
    order = np.lexsort([threshold, feature])
    feature, threshold = feature[order], threshold[order]
    is_new = np.ones(len(feature), bool)
    is_new[1:] = (feature[1:] != feature[:-1]) | (threshold[1:] != threshold[:-1])
    feature, threshold = feature[is_new], threshold[is_new]
    start, stop = (np.searchsorted(feature, features, side) for side in ("left", "right"))
    is_categorical = np.asarray(bins.is_categorical, bool)
    cuts = np.full((len(features), 256), np.inf)
    n_cuts = stop - start
    categorical = np.zeros(len(features), np.uint8)
    for column, own in enumerate(features):
        used = threshold[start[column] : stop[column]]
        if len(is_categorical) and is_categorical[own]:
            used, categorical[column] = np.asarray(bins.edges[own], np.float64), 1
        if len(used) > MAX_THRESHOLDS + categorical[column]:
            raise ValueError(
                f"Predictor: a feature must have at most {MAX_THRESHOLDS} thresholds, "
                f"got {len(used)} for feature {own}. Bin it into at most 255 bins."
            )
        n_cuts[column] = len(used)
        cuts[column, : len(used)] = used
    return Columns(features, cuts, n_cuts, categorical)


def searches(columns: Columns) -> Searches:
    """Choose how each column is searched.

    Parameters
    ----------
    columns : Columns
        The features in use.

    Returns
    -------
    Searches
        A way for each.
    """
    n = len(columns.feature)
    way, scale = np.zeros(n, np.int64), np.zeros(n)
    starts = np.zeros((n, BUCKETS), np.uint8)
    low = np.where(np.isfinite(columns.cuts[:, 0]), columns.cuts[:, 0], 0.0)
    for column, n_cuts in enumerate(columns.n_cuts):
        if columns.categorical[column]:
            way[column] = CATEGORIES
            continue
        cuts = columns.cuts[column, :n_cuts]
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            scale[column] = np.nan_to_num((BUCKETS - 1) / (cuts.max(initial=0) - low[column]))
        most = count_buckets(cuts, low[column], scale[column], starts[column])
        way[column] = SPARSE if most <= 4 else CROWDED
    return Searches(way, low, scale, starts)


def column_arrays(columns: Columns) -> dict[int, np.ndarray]:
    """What binning reads, by slot of its table.

    Parameters
    ----------
    columns : Columns
        The features in use.

    Returns
    -------
    dict of int to ndarray
        Slot to array.
    """
    search = searches(columns)
    return {
        FEATURES: columns.feature,
        CUTS: columns.cuts,
        N_CUTS: columns.n_cuts,
        WAY: search.way,
        LOW: search.low,
        SCALE: search.scale,
        STARTS: search.starts,
    }


@dataclass(frozen=True, eq=False)
class PackedNodes:
    """Nodes for the walk from the root.

    Attributes
    ----------
    words : uint64 array of shape (n_nodes,)
        rank : 8 | missing goes left : 1 | column : 23 | left child : 32. Right is where
        uint8(bin + missing_left) > rank + missing_left, since the missing bin 255 wraps to 0.
        A leaf is its own left child, and no bin is above 255.
    offset : int64 array of shape (n_trees + 1,)
        Where each tree begins.
    depth : int64 array of shape (n_trees,)
        Steps to the deepest leaf.
    sets : uint64 array of shape (n_rows, 4)
        Bins that go left, for each node of the trees with categories.
    set_offset : int64 array of shape (n_trees,)
        Where a tree's sets begin, -1 for a tree without categories.
    """

    words: np.ndarray
    offset: np.ndarray
    depth: np.ndarray
    sets: np.ndarray
    set_offset: np.ndarray


def ranks(nodes: Nodes, columns: Columns) -> np.ndarray:
    """Last bin that goes left, of each numeric split.

    Parameters
    ----------
    nodes : Nodes
        Of all trees.
    columns : Columns
        The features in use.

    Returns
    -------
    ndarray of uint8
        For each node; 0 where it says nothing.
    """
    rank = np.zeros(len(nodes.feature), np.uint8)
    numeric = np.flatnonzero((nodes.feature >= 0) & (nodes.category_set < 0))
    own = column_of_features(columns)[nodes.feature[numeric]]
    order = np.argsort(own, kind="stable")
    numeric, own = numeric[order], own[order]
    bounds = np.searchsorted(own, np.arange(len(columns.feature) + 1))
    for place in range(len(columns.feature)):
        some = numeric[bounds[place] : bounds[place + 1]]
        rank[some] = np.searchsorted(columns.cuts[place], nodes.threshold[some])
    return rank


def places(nodes: Nodes, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    """Column of each node's feature, and the last bin that goes left (numeric splits).

    Parameters
    ----------
    nodes : Nodes
        Of all trees.
    columns : Columns
        The features in use.

    Returns
    -------
    tuple of ndarray
        For each node; 0 where it says nothing.
    """
    column = column_of_features(columns)[np.maximum(nodes.feature, columns.feature[0])]
    return column, ranks(nodes, columns)


def column_of_features(columns: Columns) -> np.ndarray:
    """Column of each feature that is in use.

    Parameters
    ----------
    columns : Columns
        The features in use.

    Returns
    -------
    ndarray of int64 of shape (greatest feature + 1,)
        0 for those that are not.
    """
    column_of = np.zeros(columns.feature[-1] + 1, np.int64)
    column_of[columns.feature] = np.arange(len(columns.feature))
    return column_of


@compiled
def _pack_words(feature, rank, missing_left, left, offset, column_of, words):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """Words of the nodes, tree by tree."""
    for tree in range(len(offset) - 1):
        first = offset[tree]
        for node in range(first, offset[tree + 1]):
            if feature[node] < 0:
                word, child = np.uint64(MISSING), np.uint64(node - first)
            else:
                word, child = np.uint64(rank[node]), np.uint64(left[node])
                word |= np.uint64(missing_left[node]) << np.uint64(8)
                word |= np.uint64(column_of[feature[node]]) << np.uint64(9)
            words[node] = word | (child << np.uint64(32))


def pack(nodes: Nodes, columns: Columns, rank: np.ndarray | None = None) -> PackedNodes:
    """Nodes for the walk, of all trees.

    Parameters
    ----------
    nodes : Nodes
        Of all trees.
    columns : Columns
        The features in use.
    rank : ndarray of uint8 of shape (n_nodes,), default=None
        Last bin that goes left, where that is known.

    Returns
    -------
    PackedNodes
        In the order of the trees.
    """
    rank = ranks(nodes, columns) if rank is None else rank
    feature, offset = nodes.feature, nodes.offset
    column_of = column_of_features(columns)
    words = np.empty(len(feature), np.uint64)
    _pack_words(feature, rank, nodes.missing_left, nodes.left, offset, column_of, words)
    has_set = nodes.category_set >= 0
    n_categorical = np.add.reduceat(has_set, offset[:-1], dtype=np.int64)
    lengths = np.diff(offset)
    sized = np.where(n_categorical > 0, lengths, 0)
    set_offset = np.where(n_categorical > 0, np.cumsum(sized) - sized, -1)
    own = np.flatnonzero(np.repeat(n_categorical > 0, lengths))
    sets = left_sets(nodes, rank, own)
    return PackedNodes(words, offset, _depths(nodes), sets, set_offset)


def left_sets(nodes: Nodes, rank: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Which of 256 bins go left; everything at a leaf.

    Parameters
    ----------
    nodes : Nodes
        Of all trees.
    rank : ndarray of uint8 of shape (n_nodes,)
        Last bin that goes left by numbers.
    own : ndarray of int64 of shape (n,)
        Which nodes are wanted.

    Returns
    -------
    ndarray of uint64 of shape (n, 4)
        A bit for each bin.
    """
    bits = np.arange(256) <= rank[own, None]
    bits |= (nodes.feature[own] < 0)[:, None]
    sets = nodes.category_set[own]
    words = nodes.left_categories[sets[sets >= 0]].astype("<u8")
    bits[sets >= 0] = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little").astype(bool)
    bits[:, MISSING] = nodes.missing_left[own] | (nodes.feature[own] < 0)
    packed = np.packbits(bits, axis=1, bitorder="little")
    return packed.view("<u8").astype(np.uint64).reshape(-1, SET_WORDS)


def _depths(nodes: Nodes) -> np.ndarray:
    depth = np.zeros(len(nodes.feature), np.int32)
    result = np.zeros(len(nodes.offset) - 1, np.int64)
    _fill_depths(nodes.left, nodes.offset, depth, result)
    return result


@compiled
def _fill_depths(left, offset, depth, result):  # type: ignore[no-untyped-def]
    for tree in range(len(offset) - 1):
        first = offset[tree]
        for node in range(first, offset[tree + 1]):
            result[tree] = max(result[tree], depth[node])
            if left[node] > 0:
                depth[first + left[node]] = depth[first + left[node] + 1] = depth[node] + 1
