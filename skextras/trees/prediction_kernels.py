"""The operations of prediction: bins, leaves and sums of a chunk of rows."""

import numpy as np

from skextras.trees.marking import mark_tree
from skextras.trees.memory import bytes_, float64s, inner, int32s, operation, word
from skextras.trees.prediction_bins import bin_block, bin_tile, pad_rows
from skextras.trees.prediction_slots import (
    APPLY,
    AT_ONCE,
    BINS,
    BLOCK,
    CHUNK,
    FIRST_TREE,
    HAS_BINS,
    LAST_TREE,
    LEAF_OFFSET,
    LEAF_VALUES,
    N_COLUMNS,
    N_OUTPUTS,
    N_ROWS,
    N_VALUES,
    OFFSET,
    OUT,
    OUTPUT,
    ROOM,
    STRIP,
    TASK,
    VALUES,
)
from skextras.trees.traversal import exit_leaves

U = np.uint64


@inner
def _add(values, leaves, out, shape):  # type: ignore[no-untyped-def]
    """Add one tree to a block of rows; shape: rows, values a node, outputs, output of the tree."""
    n, n_values, n_outputs, output = shape
    if n_values == 1:
        for i in range(U(n)):
            out[i * U(n_outputs) + U(output)] += values[leaves[i]]
        return
    for i in range(n):
        for k in range(n_outputs):
            out[i * n_outputs + k] += values[np.int64(leaves[i]) * n_values + k]


@inner
def _walk_tree(table, tree, first, rows, at, leaves):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """One tree, a block of rows whose bins stand at an address."""
    exit_leaves(table, tree, rows, at, leaves)
    n = rows[0]
    first_tree, last_tree = word(table, FIRST_TREE), word(table, LAST_TREE)
    if word(table, TASK) == APPLY:
        width = last_tree - first_tree
        out = int32s(word(table, OUT) + (first * width + tree - first_tree) * 4, n * width)
        for i in range(n):
            out[i * width] = leaves[i]
        return
    n_outputs, n_values = word(table, N_OUTPUTS), word(table, N_VALUES)
    offset, end = word(word(table, OFFSET), tree), word(word(table, OFFSET), tree + 1)
    values = float64s(word(table, VALUES) + offset * n_values * 8, (end - offset) * n_values)
    out = float64s(word(table, OUT) + first * n_outputs * 8, n * n_outputs)
    _add(values, leaves, out, (n, n_values, n_outputs, word(word(table, OUTPUT), tree)))


@operation
def walk(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Bin rows, send them down each tree, and add the leaves' values or write their numbers.

    Parameters
    ----------
    table : int
        Address of the table of slots.
    chunk : int
        Which rows.
    thread : int
        Whose room.
    """
    stop = min(word(table, N_ROWS), (chunk + 1) * word(table, CHUNK))
    leaves = np.empty(word(table, BLOCK), np.uint32)
    for first in range(chunk * word(table, CHUNK), stop, word(table, BLOCK)):
        n = min(stop - first, word(table, BLOCK))
        is_whole = False
        if word(table, HAS_BINS):
            at = word(table, BINS) + first * word(table, N_COLUMNS) * 2
        else:
            at = word(table, BINS) + thread * word(table, ROOM)
            is_whole = not bin_block(table, first, n, at)
            pad_rows(n, word(table, N_COLUMNS), at)
        for tree in range(word(table, FIRST_TREE), word(table, LAST_TREE)):
            _walk_tree(table, tree, first, (n, is_whole), at, leaves)


@operation
def bin_all(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Bins of all rows, to keep.

    Parameters
    ----------
    table : int
        Address of the table of slots.
    chunk : int
        Which rows.
    thread : int
        Whose room.
    """
    first = chunk * word(table, CHUNK)
    n = min(word(table, N_ROWS) - first, word(table, CHUNK))
    bin_block(table, first, n, word(table, BINS) + first * word(table, N_COLUMNS) * 2)


@inner
def _add_leaves(table, tree, first, n, marks):  # type: ignore[no-untyped-def]
    """Add one tree to a tile of rows, whose marks are its leaves from left to right."""
    n_outputs, n_values = word(table, N_OUTPUTS), word(table, N_VALUES)
    offset, end = word(word(table, LEAF_OFFSET), tree), word(word(table, LEAF_OFFSET), tree + 1)
    values = float64s(word(table, LEAF_VALUES) + offset * n_values * 8, (end - offset) * n_values)
    out = float64s(word(table, OUT) + first * n_outputs * 8, n * n_outputs)
    _add(values, marks, out, (n, n_values, n_outputs, word(word(table, OUTPUT), tree)))


@operation
def mark(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Bin rows, find their leaves by marks, and add the values.

    Parameters
    ----------
    table : int
        Address of the table of slots.
    chunk : int
        Which rows.
    thread : int
        Whose room.
    """
    stop = min(word(table, N_ROWS), (chunk + 1) * word(table, CHUNK))
    at, n_columns = word(table, BINS) + thread * word(table, ROOM), word(table, N_COLUMNS)
    bins, room = bytes_(at, 2 * n_columns * STRIP), np.empty(STRIP, np.uint8)
    for first in range(chunk * word(table, CHUNK), stop, STRIP):
        n = min(stop - first, STRIP)
        n_shifted = n_columns if bin_tile(table, first, n, at) else 0
        marks = room[: -(-n // AT_ONCE) * AT_ONCE]
        for tree in range(word(table, LAST_TREE)):
            mark_tree(table, tree, bins, n_shifted, marks)
            _add_leaves(table, tree, first, n, marks)
