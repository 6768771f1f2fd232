"""The different beginnings of sequences, as a tree: each of its nodes is one of them."""

import numpy as np
from numba import types

from rlextras.kernels.compiler import INDICES, TABLE, entry

TOKEN, PLACE, PARENT, CHILD, SIBLING = range(5)
"""Rows of a tree: the last token, where it stands, the prefix before, and a list of those after."""
N_NODES, FIRST = range(2)
"""What is counted: nodes, and the first of those that begin a sequence, NOBODY if there is none."""
NOBODY = -1


@entry(types.void(TABLE, INDICES, TABLE, INDICES, INDICES))
def grow(
    tokens: np.ndarray, lengths: np.ndarray, tree: np.ndarray, counts: np.ndarray, ends: np.ndarray
) -> None:
    """Add sequences to a tree.

    Parameters
    ----------
    tokens : ndarray of int64, shape (n, T)
        They stand on the left.
    lengths : ndarray of int64, shape (n,)
        Of each.
    tree : ndarray of int64, shape (5, room)
        With room for as many nodes as all of them have tokens.
    counts : ndarray of int64, shape (2,)
        Grows; zero and NOBODY at first.
    ends : ndarray of int64, shape (n,)
        Becomes the node of each whole sequence.
    """
    for i in range(len(tokens)):
        node = np.int64(NOBODY)
        for t in range(lengths[i]):
            child = counts[FIRST] if node == NOBODY else tree[CHILD, node]
            while child != NOBODY and tree[TOKEN, child] != tokens[i, t]:
                child = tree[SIBLING, child]
            if child == NOBODY:
                child = counts[N_NODES]
                counts[N_NODES] += 1
                tree[TOKEN, child], tree[PLACE, child] = tokens[i, t], t
                tree[PARENT, child], tree[CHILD, child] = node, NOBODY
                if node == NOBODY:
                    tree[SIBLING, child], counts[FIRST] = counts[FIRST], child
                else:
                    tree[SIBLING, child], tree[CHILD, node] = tree[CHILD, node], child
            node = child
        ends[i] = node


@entry(types.void(TABLE, INDICES, INDICES, INDICES, INDICES))
def locate(
    tree: np.ndarray, ends: np.ndarray, rows: np.ndarray, places: np.ndarray, nodes: np.ndarray
) -> None:
    """Find prefixes of sequences.

    Parameters
    ----------
    tree : ndarray of int64, shape (5, room)
        The tree.
    ends : ndarray of int64, shape (n,)
        The node of each whole sequence.
    rows, places : ndarray of int64, shape (B,)
        Which sequence, and where the last token of its prefix stands.
    nodes : ndarray of int64, shape (B,)
        Becomes the node of each.
    """
    for b in range(len(rows)):
        node = ends[rows[b]]
        while tree[PLACE, node] > places[b]:
            node = tree[PARENT, node]
        nodes[b] = node
