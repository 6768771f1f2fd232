"""The walk from the root to a leaf: eight rows at a time, so that one row's wait for memory is
another's work.
"""

import numpy as np

from skextras.trees.memory import bytes_, inner, uint64s, word
from skextras.trees.prediction_slots import (
    DEPTH,
    N_COLUMNS,
    NODES,
    OFFSET,
    SET_OFFSET,
    SETS,
    uint16s,
)

U = np.uint64


@inner
def _by_number(nodes, sets, bins, node, row):  # type: ignore[no-untyped-def]
    """Child of a node of a tree without categories."""
    w = nodes[node]
    wrap = (w >> U(8)) & U(1)
    bin_ = U(bins[row + ((w >> U(9)) & U(0x7FFFFF))])
    return (w >> U(32)) + U((bin_ + wrap) & U(255) > (w & U(255)) + wrap)


@inner
def _by_order(nodes, sets, bins, node, row):  # type: ignore[no-untyped-def]
    """The same for rows without missing values, by the low bytes of the bins: less to compute."""
    w = nodes[node]
    bin_ = U(bins[row + ((w >> U(8)) & U(0xFFFFFE))])
    return (w >> U(32)) + U(bin_ > (w & U(255)))


@inner
def _by_set(nodes, sets, bins, node, row):  # type: ignore[no-untyped-def]
    """Child of a node: a bit of its set for each bin."""
    w = nodes[node]
    bin_ = U(bins[row + ((w >> U(9)) & U(0x7FFFFF))]) & U(255)
    bit = (sets[(node << U(2)) + (bin_ >> U(6))] >> (bin_ & U(63))) & U(1)
    return (w >> U(32)) + (U(1) - bit)


def _walk_with(child):  # type: ignore[no-untyped-def]
    @inner
    def walk(nodes, sets, bins, shape, leaves):  # type: ignore[no-untyped-def]
        """Leaf of each row; shape: rows (a multiple of eight), columns, depth of the tree."""
        n, width, depth = U(shape[0]), U(shape[1]), shape[2]
        for i in range(U(0), n, U(8)):
            r0 = i * width
            r1 = r0 + width
            r2 = r1 + width
            r3 = r2 + width
            r4 = r3 + width
            r5 = r4 + width
            r6 = r5 + width
            r7 = r6 + width
            a = b = c = d = e = f = g = h = U(0)
            level = 0
            while level < depth:
                before = a + b + c + d + e + f + g + h  # grows with every step of any row
                for _ in range(2):
                    a = child(nodes, sets, bins, a, r0)
                    b = child(nodes, sets, bins, b, r1)
                    c = child(nodes, sets, bins, c, r2)
                    d = child(nodes, sets, bins, d, r3)
                    e = child(nodes, sets, bins, e, r4)
                    f = child(nodes, sets, bins, f, r5)
                    g = child(nodes, sets, bins, g, r6)
                    h = child(nodes, sets, bins, h, r7)
                if a + b + c + d + e + f + g + h == before:
                    break
                level += 2
            leaves[i] = a
            leaves[i + U(1)] = b
            leaves[i + U(2)] = c
            leaves[i + U(3)] = d
            leaves[i + U(4)] = e
            leaves[i + U(5)] = f
            leaves[i + U(6)] = g
            leaves[i + U(7)] = h

    return walk


_walk_numbers = _walk_with(_by_number)
_walk_whole = _walk_with(_by_order)
_walk_sets = _walk_with(_by_set)


@inner
def exit_leaves(table, tree, rows, at, leaves):  # type: ignore[no-untyped-def]
    """Node of the leaf that each row of bins ends in, for one tree.

    Parameters
    ----------
    table : int
        Address of the table of slots.
    tree : int
        Which tree.
    rows : tuple of (int, bool)
        How many rows, and whether none of their values is missing.
    at : int
        Address of the bins of the first row.
    leaves : ndarray of uint32
        Filled, up to a multiple of eight rows.
    """
    n, is_whole = rows
    offset = word(word(table, OFFSET), tree)
    n_nodes = word(word(table, OFFSET), tree + 1) - offset
    width = word(table, N_COLUMNS)
    padded = (n + 7) // 8 * 8  # whatever bins follow the last row, they lead to some leaf
    nodes = uint64s(word(table, NODES) + offset * 8, n_nodes)
    bins = uint16s(at, padded * width)
    shape = (padded, width, word(word(table, DEPTH), tree))
    set_offset = word(word(table, SET_OFFSET), tree)
    sets = uint64s(word(table, SETS) + max(set_offset, 0) * 32, 4 * n_nodes)
    if set_offset < 0 and is_whole:
        shape = (padded, 2 * width, word(word(table, DEPTH), tree))
        _walk_whole(nodes, sets, bytes_(at, 2 * padded * width), shape, leaves)
    elif set_offset < 0:
        _walk_numbers(nodes, sets, bins, shape, leaves)
    else:
        _walk_sets(nodes, sets, bins, shape, leaves)
