"""A small causal transformer on the nodes of a prefix tree: forward, and backward by hand.

Every prefix is computed once, whoever shares it. Parameters are one vector: embeddings of tokens
and of places; for each block its two norms, the projection to queries, keys and values, the layer
behind attention, and the two wide ones; the last norm; the head. Weights stand before biases.
"""

from typing import Any

import numpy as np
from numba import types

from rlextras.kernels.attention import attend, attend_back, turn_rows
from rlextras.kernels.compiler import INDICES, TABLE, VECTOR, entry, kernel
from rlextras.kernels.prefix_tree import PLACE, TOKEN
from rlextras.kernels.row_layers import (
    linear,
    linear_back,
    norm,
    norm_back,
    silu,
    silu_back,
)
from rlextras.kernels.row_products import add_product, cut_to_strips, turn_to_strips
from rlextras.kernels.tiles import LANES, move, padded

N_TOKENS, N_PLACES, WIDTH, N_LAYERS, N_HEADS, N_ACTIONS = range(6)
"""Places in a shape."""

_ZERO, _ONE, _MINUS = np.float32(0.0), np.float32(1.0), np.float32(-1.0)


def n_turned(shape: np.ndarray) -> int:
    """Numbers of the transposed weights: as many as there are parameters, and a padded head.

    Parameters
    ----------
    shape : ndarray of int64
        The places named above.

    Returns
    -------
    int
        A count.
    """
    _, head = _places(shape, int(shape[N_LAYERS]))
    return int(head + 2 * shape[WIDTH] + shape[WIDTH] * padded(int(shape[N_ACTIONS])))


def room(shape: np.ndarray, n_nodes: int, n_asked: int) -> int:
    """Numbers that ``forward`` works with.

    Parameters
    ----------
    shape : ndarray of int64
        The places named above.
    n_nodes, n_asked : int
        M and K.

    Returns
    -------
    int
        A count.
    """
    last = int(shape[N_LAYERS])
    return int(_rooms(shape, n_nodes, n_asked, last)[-1])


def room_back(shape: np.ndarray, n_nodes: int, n_asked: int) -> int:
    """Numbers that ``backward`` works with.

    Parameters
    ----------
    shape : ndarray of int64
        The places named above.
    n_nodes, n_asked : int
        M and K.

    Returns
    -------
    int
        A count.
    """
    width, n_actions = int(shape[WIDTH]), int(shape[N_ACTIONS])
    strips = 4 * width * max(n_nodes, width, n_actions)
    strips = max(strips, 4 * width * width, width * n_actions)
    return n_asked * padded(n_actions) + 9 * n_nodes * width + strips


@kernel()
def _parts(shape: np.ndarray, layer: int) -> tuple:
    """Where a block's norms, projection, and three layers stand; and what follows the last."""
    width = shape[WIDTH]
    first = (shape[N_TOKENS] + shape[N_PLACES]) * width
    first += layer * (12 * width * width + 13 * width)
    project = first + 4 * width
    gather = project + 3 * width * (width + 1)
    widen = gather + width * (width + 1)
    narrow = widen + 4 * width * (width + 1)
    return first, first + 2 * width, project, gather, widen, narrow


def _places(shape: np.ndarray, layer: int) -> tuple:
    """For callers in Python: the embeddings' end, and where the block of that number stands."""
    width = int(shape[WIDTH])
    first = int(shape[N_TOKENS] + shape[N_PLACES]) * width
    return first, first + layer * (12 * width * width + 13 * width)


def _rooms(shape: Any, n_nodes: Any, n_asked: Any, layer: Any) -> Any:
    """Where a layer's numbers stand in the room; those behind the last are for what is said.

    Plain, out and spread of the first norm; shares and what is found; plain, out and spread of the
    second; the wide layer before and after its unit. Each layer has room for all nodes.
    """
    width, n = shape[WIDTH], n_nodes
    each = 12 * n * width + 2 * n + n * shape[N_HEADS] * shape[N_PLACES] + 2 * n * width
    plain = n * width + layer * each  # x comes first
    out = plain + n * width
    spread = out + n * width
    shares = spread + n
    found = shares + n * shape[N_HEADS] * shape[N_PLACES]
    plain_2 = found + n * width
    out_2 = plain_2 + n * width
    spread_2 = out_2 + n * width
    wide = spread_2 + n
    unit = wide + 4 * n * width
    logits = plain + 2 * n_asked * width + n_asked  # of the place behind the last layer
    end = logits + n_asked * ((shape[N_ACTIONS] + LANES - 1) // LANES * LANES)
    return (plain, out, spread, shares, found, plain_2, out_2, spread_2, wide, unit, logits, end)


_rooms_here = kernel()(_rooms)


@entry(types.void(VECTOR, INDICES, VECTOR))
def turn_all(theta: np.ndarray, shape: np.ndarray, turned: np.ndarray) -> None:
    """Transpose all weights, and put them into strips: products read them by vectors.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters.
    shape : ndarray of int64
        The places named above.
    turned : ndarray of float32, shape (n_turned,)
        Filled in.
    """
    width, n_actions = shape[WIDTH], shape[N_ACTIONS]
    for layer in range(shape[N_LAYERS]):
        _, _, project, gather, widen, narrow = _parts(shape, layer)
        turn_to_strips(turned, theta, (project, project), 3 * width, width)
        turn_to_strips(turned, theta, (gather, gather), width, width)
        turn_to_strips(turned, theta, (widen, widen), 4 * width, width)
        turn_to_strips(turned, theta, (narrow, narrow), width, 4 * width)
    head = _parts(shape, shape[N_LAYERS])[0] + 2 * width
    n_columns = (n_actions + LANES - 1) // LANES * LANES
    for j in range(n_columns):
        strip, lane = j // LANES * LANES * width, j % LANES
        for k in range(width):
            number = theta[head + j * width + k] if j < n_actions else _ZERO
            turned[head + strip + k * LANES + lane] = number


@kernel()
def _shared(shape: np.ndarray, n: int, asked: np.ndarray, everyone: np.ndarray, layer: int) -> Any:
    """Whom a layer computes behind its attention: in the last one those that are asked."""
    return asked if layer == shape[N_LAYERS] - 1 else everyone[:n]


@kernel()
def _project(theta: np.ndarray, turned: np.ndarray, both: tuple, at: tuple, shape: tuple) -> None:
    """Queries, keys and values of some nodes, not yet turned."""
    (work, heads), (own, project, out), (n, width) = both, at, shape
    biases, one = project + 3 * width * width, np.int64(1)
    for i in range(n):
        for k in range(0, 3 * width, LANES):
            move(heads, theta, (own + i * 3 * width + k, biases + k))
    add_product(heads, work, turned, (own, out, project), (n, width, one, width, 3 * width))


@kernel()
def _say(
    theta: np.ndarray, turned: np.ndarray, shape: np.ndarray, work: np.ndarray, counts: tuple
) -> None:
    """Logits of those that are asked."""
    n, n_asked = counts
    width, one, none = shape[WIDTH], np.int64(1), np.int64(0)
    at = _rooms_here(shape, n, n_asked, shape[N_LAYERS])
    plain, logits, end = at[0], at[10], at[11]
    out, spread = plain + n_asked * width, plain + 2 * n_asked * width
    last = _parts(shape, shape[N_LAYERS])[0]
    norm(theta, work, (last, none, out, plain, spread), n_asked, width)
    work[logits:end] = _ZERO
    n_columns = (shape[N_ACTIONS] + LANES - 1) // LANES * LANES
    where = (logits, out, last + 2 * width)
    add_product(work, work, turned, where, (n_asked, width, one, width, n_columns))


@kernel()
def _spread(by: np.ndarray, who: np.ndarray, x: int, n: int, width: int) -> None:
    """Move rows to the nodes that they belong to, the last one first; zero elsewhere."""
    end = n
    for i in range(len(who) - 1, -1, -1):
        for k in range(0, width, LANES):
            move(by, by, (x + who[i] * width + k, x + i * width + k))
        by[x + (who[i] + 1) * width : x + end * width] = _ZERO
        end = who[i]
    by[x : x + end * width] = _ZERO


@entry(
    types.void(
        *(VECTOR, VECTOR, INDICES, VECTOR, TABLE, INDICES, INDICES, VECTOR, VECTOR),
        *(types.int64, types.int64),
    )
)
def forward(
    theta: np.ndarray,
    turned: np.ndarray,
    shape: np.ndarray,
    turn: np.ndarray,
    tree: np.ndarray,
    everyone: np.ndarray,
    asked: np.ndarray,
    heads: np.ndarray,
    work: np.ndarray,
    first: int,
    capacity: int,
) -> None:
    """Read nodes whose ancestors have been read, or are among them.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters.
    turned : ndarray of float32
        Their weights transposed, in strips.
    shape : ndarray of int64
        The places named above.
    turn : ndarray of float32
        Cosines and sines, (2, P, d / 2).
    tree : ndarray of int64, shape (5, room)
        The tree.
    everyone : ndarray of int64, shape (M,)
        The nodes: first, first + 1, ...
    asked : ndarray of int64, shape (K,)
        Those of them whose logits are asked, in rising order.
    heads : ndarray of float32, shape (N_LAYERS * capacity * 3 * WIDTH,)
        Queries, keys and values of all nodes; grows.
    work : ndarray of float32, shape (room,)
        Its last numbers become logits (K, padded N_ACTIONS).
    first : int
        The first node.
    capacity : int
        Nodes that ``heads`` has room for.
    """
    n, n_asked, width, n_heads = len(everyone), len(asked), shape[WIDTH], shape[N_HEADS]
    depth, none = width // n_heads, np.int64(0)
    for i in range(n):
        token, place = tree[TOKEN, first + i], shape[N_TOKENS] + tree[PLACE, first + i]
        x, own = work[i * width :][:width], theta[token * width :][:width]
        shift = theta[place * width :][:width]
        for k in range(width):
            x[k] = own[k] + shift[k]
    for layer in range(shape[N_LAYERS]):
        norm_1, norm_2, project, gather, widen, narrow = _parts(shape, layer)
        at = _rooms_here(shape, n, n_asked, layer)
        plain, out, spread, shares, found, plain_2, out_2, spread_2, wide, unit, _, _ = at
        norm(theta, work, (norm_1, none, out, plain, spread), n, width)
        start = layer * capacity * 3 * width
        own = start + first * 3 * width
        _project(theta, turned, (work, heads), (own, project, out), (n, width))
        turn_rows(heads, turn, tree, (own, first, n, n_heads, depth, _ONE))
        who = _shared(shape, n, asked, everyone, layer)
        n_here = len(who)
        where = (start, found, shares, n_heads, depth, shape[N_PLACES])
        attend(heads, tree, who, work, where)
        if layer == shape[N_LAYERS] - 1:
            for i in range(n_here):  # rising, so that none is overwritten before it has moved
                for k in range(0, width, LANES):
                    move(work, work, (i * width + k, (who[i] - first) * width + k))
        linear(theta, turned, work, (none, gather, found), (n_here, width, width, True))
        norm(theta, work, (norm_2, none, out_2, plain_2, spread_2), n_here, width)
        linear(theta, turned, work, (wide, widen, out_2), (n_here, 4 * width, width, False))
        silu(work, wide, unit, n_here * 4 * width)
        linear(theta, turned, work, (none, narrow, unit), (n_here, width, 4 * width, True))
    _say(theta, turned, shape, work, (n, n_asked))


@entry(
    types.void(
        *(VECTOR, INDICES, VECTOR, TABLE, INDICES, INDICES, VECTOR, VECTOR, VECTOR, VECTOR),
    )
)
def backward(
    theta: np.ndarray,
    shape: np.ndarray,
    turn: np.ndarray,
    tree: np.ndarray,
    everyone: np.ndarray,
    asked: np.ndarray,
    heads: np.ndarray,
    work: np.ndarray,
    by: np.ndarray,
    gradient: np.ndarray,
) -> None:
    """Gradient of what ``forward`` computed from the first node on.

    Parameters
    ----------
    theta, shape, turn, tree, everyone, asked, heads, work : ndarray
        As for ``forward``, which has been called with first = 0 and capacity = M.
    by : ndarray of float32, shape (room_back,)
        Its first numbers are the gradient by the logits (K, padded N_ACTIONS); the rest is room.
    gradient : ndarray of float32
        Zero; becomes that by the parameters.
    """
    n, n_asked, width, n_heads = len(everyone), len(asked), shape[WIDTH], shape[N_HEADS]
    depth, none, one = width // n_heads, np.int64(0), np.int64(1)
    n_columns = (shape[N_ACTIONS] + LANES - 1) // LANES * LANES
    x = n_asked * n_columns  # by the residual stream; then come a row, heads and the wide layer
    row, by_heads = x + n * width, x + 2 * n * width
    wide = by_heads + 3 * n * width
    strips = wide + 4 * n * width
    at = _rooms_here(shape, n, n_asked, shape[N_LAYERS])
    plain, out = at[0], at[0] + n_asked * width
    spread = out + n_asked * width
    last = _parts(shape, shape[N_LAYERS])[0]
    head = last + 2 * width
    by[x:by_heads] = _ZERO
    cut_to_strips(by, theta, (strips, head), shape[N_ACTIONS], width)
    products = (n_asked, n_columns, one, shape[N_ACTIONS], width)
    add_product(by, by, by, (row, none, strips), products)
    cut_to_strips(by, work, (strips, out), n_asked, width)
    products = (shape[N_ACTIONS], one, n_columns, n_asked, width)
    add_product(gradient, by, by, (head, none, strips), products)
    norm_back(theta, by, work, gradient, (last, row, x, plain, spread, n_asked, width))
    for layer in range(shape[N_LAYERS] - 1, -1, -1):
        norm_1, norm_2, project, gather, widen, narrow = _parts(shape, layer)
        at = _rooms_here(shape, n, n_asked, layer)
        plain, out, spread, shares, found, plain_2, out_2, spread_2, before, unit, _, _ = at
        who = _shared(shape, n, asked, everyone, layer)
        n_here = len(who)
        where = (x, wide, narrow, unit, n_here, width, 4 * width, strips)
        linear_back(theta, by, work, gradient, where)
        silu_back(by, work, wide, before, n_here * 4 * width)
        where = (wide, row, widen, out_2, n_here, 4 * width, width, strips)
        linear_back(theta, by, work, gradient, where)
        norm_back(theta, by, work, gradient, (norm_2, row, x, plain_2, spread_2, n_here, width))
        where = (x, row, gather, found, n_here, width, width, strips)
        linear_back(theta, by, work, gradient, where)
        by[by_heads:wide] = _ZERO
        places = (layer * n * 3 * width, shares, row, by_heads, n_heads, depth, shape[N_PLACES])
        attend_back(heads, tree, who, work, by, places)
        turn_rows(by, turn, tree, (by_heads, none, n, n_heads, depth, _MINUS))
        if layer == shape[N_LAYERS] - 1:
            _spread(by, who, x, n, width)
        where = (by_heads, row, project, out, n, 3 * width, width, strips)
        linear_back(theta, by, work, gradient, where)
        norm_back(theta, by, work, gradient, (norm_1, row, x, plain, spread, n, width))
    for i in range(n):
        by_token = gradient[tree[TOKEN, i] * width :][:width]
        by_place = gradient[(shape[N_TOKENS] + tree[PLACE, i]) * width :][:width]
        own = by[x + i * width :][:width]
        for k in range(width):
            by_token[k] += own[k]
            by_place[k] += own[k]
