"""The operations of prediction: bins, leaves and sums of a chunk of rows."""

import numpy as np

from skextras.trees.memory import (
    float64s,
    inner,
    int32s,
    operation,
    uint32s,
    uint64s,
    word,
)
from skextras.trees.prediction_bins import bin_block, pad_rows
from skextras.trees.prediction_slots import (
    APPLY,
    BINS,
    BLOCK,
    BLOCK_OUTPUT,
    BLOCK_VALUES,
    BLOCKS,
    CHUNK,
    DENSE_32,
    FIRST_TREE,
    HAS_BINS,
    KIND,
    LAST_TREE,
    LEAF_ROOM,
    LISTED_64,
    N_BLOCKS,
    N_COLUMNS,
    N_OUTPUTS,
    N_ROWS,
    N_VALUES,
    OFFSET,
    OUT,
    OUTPUT,
    ROOM,
    STRIDE,
    TASK,
    VALUES,
)
from skextras.trees.quick_scorer import exits_32, exits_32_dense, exits_64
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
            at = word(table, BINS) + thread * word(table, ROOM) + LEAF_ROOM
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
def _exits(table, block, at, n, leaves):  # type: ignore[no-untyped-def]
    """Exit leaves of a strip of rows in a block of trees, 64 bytes a row."""
    kind, width = word(table, KIND), word(table, N_COLUMNS) * 2
    if kind == DENSE_32:
        for i in range(n):
            exits_32_dense(at + i * width, block, leaves + i * 64)
    elif kind == LISTED_64:
        for i in range(n):
            exits_64(at + i * width, block, leaves + i * 64)
    else:
        for i in range(n):
            exits_32(at + i * width, block, leaves + i * 64)


@inner
def _add_16(values, leaves, out, n, n_outputs):  # type: ignore[no-untyped-def]
    for i in range(U(n)):
        total = out[i * U(n_outputs)]
        for lane in range(U(16)):  # in the order of the trees
            total += values[lane * U(32) + U(leaves[i * U(16) + lane])]
        out[i * U(n_outputs)] = total


@inner
def _add_8(values, leaves, out, n, n_outputs):  # type: ignore[no-untyped-def]
    for i in range(U(n)):
        total = out[i * U(n_outputs)]
        for lane in range(U(8)):
            total += values[lane * U(64) + leaves[i * U(8) + lane]]
        out[i * U(n_outputs)] = total


@inner
def _add_rows(values, leaves, out, shape):  # type: ignore[no-untyped-def]
    """Many values a leaf; shape: rows, trees of a block, leaves of a tree, values of a leaf."""
    n, lanes, bits, n_values = shape
    for i in range(n):
        for lane in range(lanes):
            place = (lane * bits + np.int64(leaves[i * lanes + lane])) * n_values
            for k in range(n_values):
                out[i * n_values + k] += values[place + k]


@inner
def _add_strip(table, block, first, n, leaves):  # type: ignore[no-untyped-def]
    """Add a block of trees to a strip of rows."""
    n_outputs, n_values = word(table, N_OUTPUTS), word(table, N_VALUES)
    values = float64s(word(table, BLOCK_VALUES) + block * 4096 * n_values, 512 * n_values)
    place = first * n_outputs + (0 if n_values > 1 else word(word(table, BLOCK_OUTPUT), block))
    out = float64s(word(table, OUT) + place * 8, n * n_outputs)
    if word(table, KIND) == LISTED_64:
        if n_values == 1:
            _add_8(values, uint64s(leaves, n * 8), out, n, n_outputs)
        else:
            _add_rows(values, uint64s(leaves, n * 8), out, (n, 8, 64, n_values))
    elif n_values == 1:
        _add_16(values, uint32s(leaves, n * 16), out, n, n_outputs)
    else:
        _add_rows(values, uint32s(leaves, n * 16), out, (n, 16, 32, n_values))


@operation
def quick(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Bin rows, find their leaves by masks, and add the values.

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
    leaves = word(table, BINS) + thread * word(table, ROOM)
    at = leaves + LEAF_ROOM
    width = word(table, N_COLUMNS) * 2
    for first in range(chunk * word(table, CHUNK), stop, word(table, BLOCK)):
        n = min(stop - first, word(table, BLOCK))
        bin_block(table, first, n, at)
        for block in range(word(table, N_BLOCKS)):
            entry = word(table, BLOCKS) + block * 32
            for start in range(0, n, STRIDE):
                m = min(STRIDE, n - start)
                _exits(table, entry, at + start * width, m, leaves)
                _add_strip(table, block, first + start, m, leaves)
