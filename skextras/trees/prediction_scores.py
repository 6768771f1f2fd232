"""Scores of a validation set while trees are grown: bins once, then one tree at a time."""

import numpy as np

from skextras.trees import prediction_slots as slots
from skextras.trees.arrays import MISSING, Tree
from skextras.trees.memory import address_of, compiled
from skextras.trees.prediction_kernels import bin_all
from skextras.trees.prediction_tables import Bins, Columns, column_arrays
from skextras.trees.threads import run

CHUNK = 8192  # rows that are binned in one go


def bin_rows(mapper: Bins, X: np.ndarray) -> np.ndarray:
    """Bins of all features, as in training, row by row.

    Parameters
    ----------
    mapper : BinMapper
        Edges and known categories.
    X : ndarray of float32 or float64 of shape (n, n_features)
        NaN is missing.

    Returns
    -------
    ndarray of uint8 of shape (n, n_features rounded up to a multiple of 4)
        255 is missing; what is behind the last feature is 0.
    """
    n, n_features = X.shape
    result = np.zeros((n, -(-n_features // 4) * 4), np.uint8)
    columns = _all_columns(mapper)
    arrays = column_arrays(columns)
    arrays |= {
        slots.FIRST_BIN: np.zeros(n_features, np.int64),
        slots.MISSING_BIN: np.full(n_features, MISSING, np.int64),
    }
    table = np.zeros(slots.N_SLOTS, np.int64)
    for slot, array in arrays.items():
        table[slot] = address_of(array)
    bins = np.empty((min(n, CHUNK), n_features), np.uint16)
    table[[slots.BINS, slots.N_COLUMNS, slots.CHUNK]] = address_of(bins), n_features, CHUNK
    table[[slots.ROW_STRIDE, slots.COLUMN_STRIDE]] = X.strides
    table[slots.IS_DOUBLE] = X.dtype == np.float64
    for first in range(0, n, CHUNK):
        block = X[first : first + CHUNK]
        table[[slots.X, slots.N_ROWS]] = block.__array_interface__["data"][0], len(block)
        run(0, bin_all.address, address_of(table), 1)
        result[first : first + CHUNK, :n_features] = bins[: len(block)]
    return result


def _all_columns(mapper: Bins) -> Columns:
    """Every feature with all its edges."""
    n_cuts = np.array([len(edges) for edges in mapper.edges], np.int64)
    cuts = np.full((len(n_cuts), 256), np.inf)
    for feature, edges in enumerate(mapper.edges):
        cuts[feature, : len(edges)] = edges
    categorical = np.asarray(mapper.is_categorical).astype(np.uint8)
    return Columns(np.arange(len(n_cuts)), cuts, n_cuts, categorical)


@compiled
def _leaf(bins, tree):  # type: ignore[no-untyped-def]
    """Node of the leaf that a row of bins ends in."""
    feature, rank, missing_left, category_set, sets, left = tree
    node = 0
    while feature[node] >= 0:
        bin_ = np.uint64(bins[feature[node]])
        if category_set[node] >= 0:
            word = sets[category_set[node], bin_ >> np.uint64(6)]
            goes_left = word >> (bin_ & np.uint64(63)) & np.uint64(1) != 0
        else:
            goes_left = bin_ <= np.uint64(rank[node])
        if bin_ == np.uint64(MISSING):
            goes_left = missing_left[node]
        node = left[node] + np.int64(not goes_left)
    return node


@compiled
def _add(bins, tree, value, out):  # type: ignore[no-untyped-def]
    for i in range(len(bins)):
        out[i] += value[_leaf(bins[i], tree)]


def add_tree(bins: np.ndarray, tree: Tree, out: np.ndarray) -> None:
    """Add a tree's values to scores, in place.

    Parameters
    ----------
    bins : ndarray of uint8 of shape (n, at least n_features)
        From ``bin_rows``.
    tree : Tree
        With one value a node.
    out : ndarray of float32 or float64 of shape (n,)
        The scores.
    """
    columns = (
        tree.feature,
        tree.bin,
        tree.missing_left,
        tree.category_set,
        tree.left_categories,
        tree.left,
    )
    _add(bins, columns, tree.value[:, 0].astype(out.dtype), out)
