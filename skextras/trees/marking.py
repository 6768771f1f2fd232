"""Trees of up to 256 leaves, a tile of rows at a time and no step of a row: marks.

Leaves are numbered from left to right, and a row's mark is the first leaf that it may still reach:
0 at the root. A node that holds the leaves from ``first`` on, ``step`` of them on its left, adds
``step`` to the marks that are ``first`` where the row goes right. Parents come before their
children, so that a mark of ``first`` says that the row is in this very node. In the end the mark is
the leaf. Every node asks all rows of the tile, by instructions that compare 32 bytes at once: 254
comparisons of a byte take half as long as the ten steps that a row would walk, each of which waits
for the one before.

The bins of a tile stand column by column, less 128, as signed bytes; below them those with 1 added,
in which what is missing (255) is the lowest: a node whose left child takes missing values asks
those.
"""

from dataclasses import dataclass

import numpy as np

from skextras.trees.arrays import Ensemble
from skextras.trees.memory import compiled, inner, int64s, uint64s, word
from skextras.trees.prediction_slots import (
    MARK_BITS,
    MARK_HAS_SETS,
    MARK_OFFSET,
    MARK_SET_OF,
    MARK_WORDS,
    STRIP,
)
from skextras.trees.prediction_tables import Columns, column_of_features, left_sets, ranks

U = np.uint64
MOST_LEAVES = 256


@dataclass(frozen=True, eq=False)
class MarkTables:
    """The nodes of all trees, in the order in which they are asked.

    Attributes
    ----------
    words : uint64 array of shape (n_words,)
        rank : 8 | first : 8 | step : 8 | missing goes left : 1 | column : 39. A tree has an even
        number of them; one that is none has a step of 0.
    offset : int64 array of shape (n_trees + 1,)
        Where each tree begins.
    set_of : int64 array of shape (n_words,)
        Row of ``sets`` of a split by categories, or -1.
    sets : uint64 array of shape (n_sets, 4)
        Bins that go left.
    has_sets : int64 array of shape (n_trees,)
        Whether a tree has such splits.
    values : float64 array of shape (n_leaves, V)
        What the leaves add, from left to right, tree after tree.
    value_offset : int64 array of shape (n_trees + 1,)
        Where each tree's begin.
    """

    words: np.ndarray
    offset: np.ndarray
    set_of: np.ndarray
    sets: np.ndarray
    has_sets: np.ndarray
    values: np.ndarray
    value_offset: np.ndarray


def fits(ensemble: Ensemble) -> bool:
    """Whether a byte counts the leaves of every tree.

    Parameters
    ----------
    ensemble : Ensemble
        The trees.

    Returns
    -------
    bool
        Whether they have marks.
    """
    return bool((ensemble.n_leaves <= MOST_LEAVES).all())


@compiled
def _number(left, offset, n_below, first):  # type: ignore[no-untyped-def]
    """Leaves below each node, and the first of them."""
    for tree in range(len(offset) - 1):
        root, end = offset[tree], offset[tree + 1]
        for node in range(end - 1, root - 1, -1):
            child = root + left[node]
            n_below[node] = 1 if left[node] == 0 else n_below[child] + n_below[child + 1]
        for node in range(root, end):
            if left[node] > 0:
                child = root + left[node]
                first[child] = first[node]
                first[child + 1] = first[node] + n_below[child]


def mark_tables(ensemble: Ensemble, columns: Columns, rank: np.ndarray | None = None) -> MarkTables:
    """What the nodes ask, and what the leaves add.

    Parameters
    ----------
    ensemble : Ensemble
        Trees of at most 256 leaves.
    columns : Columns
        The features in use.
    rank : ndarray of uint8 of shape (n_nodes,), default=None
        Last bin that goes left, where that is known.

    Returns
    -------
    MarkTables
        In the order of the trees.
    """
    nodes = ensemble.joined()
    rank = ranks(nodes, columns) if rank is None else rank
    offset, left = nodes.offset, nodes.left
    n_below, first = np.zeros(len(left), np.int64), np.zeros(len(left), np.int64)
    _number(left, offset, n_below, first)
    tree = np.repeat(np.arange(len(offset) - 1), np.diff(offset))
    inner_nodes, leaves = np.flatnonzero(left > 0), np.flatnonzero(left == 0)
    step = n_below[offset[tree[inner_nodes]] + left[inner_nodes]]
    own = rank[inner_nodes].astype(U) | first[inner_nodes].astype(U) << U(8)
    own |= step.astype(U) << U(16) | nodes.missing_left[inner_nodes].astype(U) << U(24)
    own |= column_of_features(columns)[nodes.feature[inner_nodes]].astype(U) << U(25)
    n_own = np.bincount(tree[inner_nodes], minlength=len(offset) - 1)
    word_offset = np.concatenate([[0], np.cumsum(n_own + n_own % 2)])
    start_of_own = np.cumsum(n_own) - n_own
    place = np.arange(len(own)) + np.repeat(word_offset[:-1] - start_of_own, n_own)
    words = np.zeros(max(word_offset[-1], 1), U)
    words[place] = own
    set_of = np.full(len(words), -1)
    by_set = np.flatnonzero(nodes.category_set[inner_nodes] >= 0)
    set_of[place[by_set]] = np.arange(len(by_set))
    value_offset = np.concatenate([[0], np.cumsum(n_below[offset[:-1]])])
    values = np.empty((len(leaves), nodes.value.shape[1]))
    values[value_offset[tree[leaves]] + first[leaves]] = nodes.value[leaves]
    return MarkTables(
        words=words,
        offset=word_offset,
        set_of=set_of,
        sets=left_sets(nodes, rank, inner_nodes[by_set]),
        has_sets=np.bincount(tree[inner_nodes[by_set]], minlength=len(offset) - 1),
        values=values,
        value_offset=value_offset,
    )


@inner
def _asked(w, n_shifted):  # type: ignore[no-untyped-def]
    """Of a node: first leaf, step, rank as a signed byte, and where its column's bins begin."""
    is_shifted = np.int64((w >> U(24)) & U(1)) if n_shifted > 0 else 0
    rank = np.int8(np.int64(w & U(255)) + is_shifted - 128)
    first, step = np.uint8((w >> U(8)) & U(255)), np.uint8((w >> U(16)) & U(255))
    return first, step, rank, (np.int64(w >> U(25)) + is_shifted * n_shifted) * STRIP


@inner
def _mark_number(w, bins, n_shifted, marks):  # type: ignore[no-untyped-def]
    first, step, rank, start = _asked(w, n_shifted)
    own = bins[start : start + STRIP]
    for i in range(U(len(marks))):
        is_right = (marks[i] == first) & (np.int8(own[i]) > rank)
        marks[i] += step if is_right else np.uint8(0)


@inner
def _mark_numbers(words, bins, n_shifted, marks):  # type: ignore[no-untyped-def]
    """Two nodes at a time: marks are read and written half as often."""
    n = U(len(marks))
    for pair in range(0, len(words), 2):
        first, step, rank, start = _asked(words[pair], n_shifted)
        first_2, step_2, rank_2, start_2 = _asked(words[pair + 1], n_shifted)
        own, own_2 = bins[start : start + STRIP], bins[start_2 : start_2 + STRIP]
        for i in range(n):
            is_right = (marks[i] == first) & (np.int8(own[i]) > rank)
            mark = np.uint8(marks[i] + (step if is_right else np.uint8(0)))
            is_right = (mark == first_2) & (np.int8(own_2[i]) > rank_2)
            marks[i] = mark + (step_2 if is_right else np.uint8(0))


@inner
def _mark_categories(w, sets, bins, marks):  # type: ignore[no-untyped-def]
    """A split by categories, bin by bin."""
    first, step, _, start = _asked(w, 0)
    for i in range(U(len(marks))):
        bin_ = U(bins[U(start) + i]) ^ U(128)
        is_left = (sets[bin_ >> U(6)] >> (bin_ & U(63))) & U(1)
        marks[i] += step if (marks[i] == first) & (is_left == 0) else np.uint8(0)


@inner
def mark_tree(table, tree, bins, n_shifted, marks):  # type: ignore[no-untyped-def]
    """Leaf of each row of a tile, in one tree.

    Parameters
    ----------
    table : int
        Address of the table of slots.
    tree : int
        Which tree.
    bins : ndarray of uint8
        Of the tile, column by column.
    n_shifted : int
        Columns before the shifted ones; 0 where no value is missing, and none are needed.
    marks : ndarray of uint8 of shape (n_rows,)
        Filled; a multiple of 32 rows takes no longer than one less.
    """
    begin = word(word(table, MARK_OFFSET), tree)
    n_words = word(word(table, MARK_OFFSET), tree + 1) - begin
    words = uint64s(word(table, MARK_WORDS) + 8 * begin, n_words)
    for i in range(U(len(marks))):
        marks[i] = 0
    if word(word(table, MARK_HAS_SETS), tree) == 0:
        _mark_numbers(words, bins, n_shifted, marks)
        return
    set_of = int64s(word(table, MARK_SET_OF) + 8 * begin, n_words)
    for node in range(n_words):
        if set_of[node] < 0:
            _mark_number(words[node], bins, n_shifted, marks)
        else:
            sets = uint64s(word(table, MARK_BITS) + 32 * set_of[node], 4)
            _mark_categories(words[node], sets, bins, marks)
