"""Attention of the nodes of a prefix tree to their ancestors and themselves, and its gradient.

Queries, keys and values of a node stand in one row, (3, heads, d). Positions turn pairs of numbers:
eq. 34 of J. Su et al., "RoFormer", 2021, arXiv:2104.09864.
"""

import math

import numpy as np

from rlextras.kernels.activations import exp
from rlextras.kernels.compiler import kernel
from rlextras.kernels.prefix_tree import PARENT, PLACE

_ZERO = np.float32(0.0)


@kernel()
def turn_rows(rows: np.ndarray, turn: np.ndarray, tree: np.ndarray, at: tuple) -> None:
    """Turn queries and keys by the places of their nodes, in place.

    Parameters
    ----------
    rows : ndarray of float32, one dimension
        Holds the rows.
    turn : ndarray of float32, one dimension
        Cosines (P, d / 2), then sines.
    tree : ndarray of int64, shape (5, room)
        The tree.
    at : tuple
        Offset of the first row, its node, how many rows, heads, d, and the sign of the angles.
    """
    start, first, n, n_heads, depth, sign = at
    half, width = depth // 2, n_heads * depth
    sine_at = turn.size // 2
    for i in range(n):
        angle = tree[PLACE, first + i] * half
        cosines, sines = turn[angle : angle + half], turn[sine_at + angle :][:half]
        for head in range(2 * n_heads):
            x = start + i * 3 * width + head * depth
            ones, others = rows[x : x + half], rows[x + half : x + depth]
            for k in range(half):
                one, other, sine = ones[k], others[k], sign * sines[k]
                ones[k] = one * cosines[k] - other * sine
                others[k] = other * cosines[k] + one * sine


@kernel(fastmath={"contract", "reassoc"})
def _dot(a: np.ndarray, b: np.ndarray) -> np.float32:
    """Product of two vectors, summed in any order."""
    total = _ZERO
    for k in range(a.size):
        total += a[k] * b[k]
    return total


@kernel()
def _add(to: np.ndarray, share: np.float32, x: np.ndarray) -> None:
    """Add a share of a vector to another."""
    for k in range(to.size):
        to[k] += share * x[k]


@kernel()
def attend(
    heads: np.ndarray, tree: np.ndarray, asked: np.ndarray, work: np.ndarray, at: tuple
) -> None:
    """What nodes find.

    Parameters
    ----------
    heads : ndarray of float32, one dimension
        Queries, keys and values of all nodes.
    tree : ndarray of int64, shape (5, room)
        The tree.
    asked : ndarray of int64, shape (K,)
        The nodes.
    work : ndarray of float32, one dimension
        Holds what they find (K, heads, d), and how much they look at each place (K, heads, P).
    at : tuple
        Offset of the heads of this layer; of what is found, and of how much; heads, d and P.
    """
    start, found_at, share_at, n_heads, depth, n_places = at
    width, scale = n_heads * depth, np.float32(1.0 / math.sqrt(depth))
    for k in range(len(asked)):
        n_seen = tree[PLACE, asked[k]] + 1
        for head in range(n_heads):
            here = start + head * depth
            query = heads[here + asked[k] * 3 * width :][:depth]
            found = work[found_at + k * width + head * depth :][:depth]
            shares = work[share_at + (k * n_heads + head) * n_places :][:n_seen]
            node, largest = asked[k], np.float32(-np.inf)
            for t in range(n_seen - 1, -1, -1):
                score = scale * _dot(query, heads[here + (node * 3 + 1) * width :][:depth])
                shares[t] = score
                largest = max(largest, score)
                node = tree[PARENT, node]
            total = _ZERO
            for t in range(n_seen):
                shares[t] = exp(shares[t] - largest)
                total += shares[t]
            for t in range(n_seen):
                shares[t] /= total
            found[:] = _ZERO
            node = asked[k]
            for t in range(n_seen - 1, -1, -1):
                _add(found, shares[t], heads[here + (node * 3 + 2) * width :][:depth])
                node = tree[PARENT, node]


@kernel()
def attend_back(
    heads: np.ndarray,
    tree: np.ndarray,
    asked: np.ndarray,
    work: np.ndarray,
    by: np.ndarray,
    at: tuple,
) -> None:
    """Gradient by queries, keys and values.

    Parameters
    ----------
    heads, tree, asked, work : ndarray
        As for ``attend``, which has been called.
    by : ndarray of float32, one dimension
        Holds the gradient by what was found, and that by the heads, to which it is added.
    at : tuple
        Offset of the heads of this layer; of how much nodes looked; of the gradient by what was
        found, and by heads; heads, d and P.
    """
    start, share_at, by_found, by_heads, n_heads, depth, n_places = at
    width, scale = n_heads * depth, np.float32(1.0 / math.sqrt(depth))
    for k in range(len(asked)):
        n_seen = tree[PLACE, asked[k]] + 1
        for head in range(n_heads):
            here, there = start + head * depth, by_heads + head * depth
            own = asked[k] * 3 * width
            query, by_query = heads[here + own :][:depth], by[there + own :][:depth]
            shares = work[share_at + (k * n_heads + head) * n_places :][:n_seen]
            by_own = by[by_found + k * width + head * depth :][:depth]
            node, mean = asked[k], _ZERO
            for t in range(n_seen - 1, -1, -1):
                value = (node * 3 + 2) * width
                mean += shares[t] * _dot(by_own, heads[here + value :][:depth])
                node = tree[PARENT, node]
            node = asked[k]
            for t in range(n_seen - 1, -1, -1):
                key, value = (node * 3 + 1) * width, (node * 3 + 2) * width
                away = _dot(by_own, heads[here + value :][:depth]) - mean
                pull = scale * shares[t] * away
                _add(by_query, pull, heads[here + key :][:depth])
                _add(by[there + key :][:depth], pull, query)
                _add(by[there + value :][:depth], shares[t], by_own)
                node = tree[PARENT, node]
