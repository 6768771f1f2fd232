"""Small trees by bit masks: no step of a row waits for the one before.

Each bin of each feature has a mask for each tree: the leaves that a row with that bin may still
reach. The conjunction over the features leaves the exit leaf as its lowest bit (QuickScorer [1]_,
whose scan over thresholds is a look-up here, since rows come as bins). A block is as many trees as
masks fit into 64 bytes; missing values and categories are bins like any other. A block keeps only
the rows of masks that differ, so that it stays in the nearest cache.

References
----------
.. [1] C. Lucchese, F. M. Nardini, S. Orlando, R. Perego, N. Tonellotto and R. Venturini (2015).
   QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees.
   SIGIR.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from skextras.trees.arrays import Ensemble
from skextras.trees.memory import address_of, compiled
from skextras.trees.prediction_tables import LANES, Columns, places

LINE = 64  # bytes of a row of masks


def _conjunction(bits: int, is_dense: bool) -> Any:
    """Make the intrinsic that finds the exit leaves of a row in a block of trees."""

    @intrinsic
    def exits(typingctx: Any, bins: Any, block: Any, leaves: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            word, half, lane = ir.IntType(64), ir.IntType(16), ir.IntType(bits)
            vector = ir.VectorType(lane, LANES[bits])

            def at(address: Any, kind: Any, index: Any) -> Any:
                return builder.gep(builder.inttoptr(address, kind.as_pointer()), [index])

            local, masks, columns, n_columns = (
                builder.load(at(args[1], word, word(slot))) for slot in range(4)
            )
            before = builder.block
            loop, done = (builder.append_basic_block(name) for name in ("features", "exits"))
            builder.branch(loop)
            builder.position_at_end(loop)
            place, mask = builder.phi(word), builder.phi(vector)
            place.add_incoming(word(0), before)
            mask.add_incoming(ir.Constant(vector, [-1] * LANES[bits]), before)
            column = place if is_dense else builder.load(at(columns, word, place))
            row = builder.zext(builder.load(at(args[0], half, column)), word)
            line = builder.zext(builder.load(at(local, half, row)), word)
            still = builder.and_(mask, builder.load(at(masks, vector, line), align=LINE))
            following = builder.add(place, word(1))
            place.add_incoming(following, loop)
            mask.add_incoming(still, loop)
            more = builder.icmp_unsigned("<", following, n_columns)
            builder.cbranch(more, loop, done)
            builder.position_at_end(done)
            kind = ir.FunctionType(vector, [vector, ir.IntType(1)])
            name = f"llvm.cttz.v{LANES[bits]}i{bits}"
            lowest = cgutils.get_or_insert_function(builder.module, kind, name)
            leaf = builder.call(lowest, [still, ir.IntType(1)(1)])
            builder.store(leaf, at(args[2], vector, word(0)), align=LINE)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 3), generate

    return exits


exits_32_dense = _conjunction(32, True)
exits_32 = _conjunction(32, False)
exits_64 = _conjunction(64, False)


# Numbers of a node: FIRST and LAST are the rows of the first bin that may go right, and of missing.
FEATURE, COLUMN, FIRST, LAST, MISSING_LEFT, SET, LEFT, FIRST_LEAF, N_LEAVES = range(9)


class Splits(NamedTuple):
    """What the tables are made from."""

    blocks: np.ndarray
    offset: np.ndarray
    numbers: np.ndarray
    sets: np.ndarray
    base: np.ndarray


@dataclass(frozen=True, eq=False)
class MaskTables:
    """Blocks of trees as masks.

    Attributes
    ----------
    bits : int
        32 or 64, of a mask.
    is_dense : bool
        Whether every block looks at every column, with masks of 32 bits.
    tree : int64 array of shape (n_blocks, lanes)
        Which trees a block holds, in their order; -1 for none.
    output : int64 array of shape (n_blocks,)
        Column of the prediction that all trees of a block add to.
    base : int64 array of shape (n_columns,)
        Row of a column's bin 0; the bin of missing values is its last.
    local : uint16 array of shape (n_blocks, n_rows)
        Row of each bin in the block's masks.
    masks : uint8 array of shape (n, 64)
        The masks, block after block.
    offset : int64 array of shape (n_blocks + 1,)
        Where each block begins in ``masks``.
    columns : int64 array of shape (n_blocks, n_columns)
        Columns that a block looks at, first.
    addresses : int64 array of shape (n_blocks, 4)
        What the intrinsic reads: addresses of a block's row in ``local``, of its masks and its
        columns, and the number of these.
    values : float64 array of shape (n_blocks, lanes, bits, V)
        What each leaf adds; -0.0, which changes no number, where there is no leaf.
    """

    bits: int
    is_dense: bool
    tree: np.ndarray
    output: np.ndarray
    base: np.ndarray
    local: np.ndarray
    masks: np.ndarray
    offset: np.ndarray
    columns: np.ndarray
    addresses: np.ndarray
    values: np.ndarray


def fits(ensemble: Ensemble, columns: Columns) -> bool:
    """Whether masks of 64 bits and row numbers of 16 bits hold the ensemble.

    Parameters
    ----------
    ensemble : Ensemble
        The trees.
    columns : Columns
        The features in use.

    Returns
    -------
    bool
        False: walk.
    """
    n_rows = int(columns.n_rows.sum())
    return (
        bool(len(ensemble.trees))
        and int(ensemble.n_leaves.max()) <= 64
        and n_rows < 2**16
        and ensemble.joined().value.shape[1] * len(ensemble.trees) <= 2**16
    )


def blocks_of(ensemble: Ensemble, lanes: int) -> tuple[np.ndarray, np.ndarray]:
    """Trees of each block, all of the same output, in the order in which they are added.

    Parameters
    ----------
    ensemble : Ensemble
        The trees.
    lanes : int
        Trees of a block.

    Returns
    -------
    tuple of ndarray
        Trees of each block, -1 for none, and the output of each block.
    """
    output = np.zeros_like(ensemble.output) if ensemble.is_joint else ensemble.output
    rows, outputs = [], []
    for column in np.unique(output):
        own = np.flatnonzero(output == column)
        for first in range(0, len(own), lanes):
            some = own[first : first + lanes]
            rows.append(np.pad(some, (0, lanes - len(some)), constant_values=-1))
            outputs.append(column)
    return np.array(rows, np.int64), np.array(outputs, np.int64)


def aligned(n_rows: int) -> np.ndarray:
    """Rows of 64 bytes, none of which lies in two cache lines.

    Parameters
    ----------
    n_rows : int
        How many.

    Returns
    -------
    ndarray of uint8 of shape (n_rows, 64)
        Zeros.
    """
    room = np.zeros((n_rows + 1) * LINE, np.uint8)
    skip = -room.__array_interface__["data"][0] % LINE
    return room[skip : skip + n_rows * LINE].reshape(n_rows, LINE)


def mask_tables(ensemble: Ensemble, columns: Columns) -> MaskTables:
    """Tables of an ensemble that ``fits``.

    Parameters
    ----------
    ensemble : Ensemble
        The trees.
    columns : Columns
        The features in use.

    Returns
    -------
    MaskTables
        The tables.
    """
    nodes = ensemble.joined()
    bits = 32 if ensemble.n_leaves.max() <= 32 else 64
    tree, output = blocks_of(ensemble, LANES[bits])
    column, rank = places(nodes, columns)
    n_rows = columns.n_rows
    base = np.cumsum(n_rows) - n_rows
    first_leaf = np.zeros(len(column), np.int64)
    n_leaves = np.zeros(len(column), np.int64)
    _number_leaves(nodes.left, nodes.offset, first_leaf, n_leaves)
    local = np.empty((len(tree), int(n_rows.sum())), np.uint16)
    used = np.zeros((len(tree), len(n_rows)), np.bool_)
    numeric = nodes.category_set < 0
    numbers = [
        nodes.feature,
        column,
        base[column] + np.where(numeric, rank + np.int64(1), 0),
        base[column] + n_rows[column] - 1,
        nodes.missing_left,
        nodes.category_set,
        nodes.left,
        first_leaf,
        n_leaves,
    ]
    stacked = np.stack(numbers, axis=1).astype(np.int64)
    splits = Splits(tree, nodes.offset, stacked, nodes.left_categories, base)
    sizes = np.empty(len(tree), np.int64)
    _number_rows(splits, local, used, sizes)
    offset = np.concatenate([[0], np.cumsum(sizes)])
    masks = aligned(int(offset[-1]))
    masks[:] = 255
    _fill_masks(splits, local, offset, masks.view(f"u{bits // 8}"))
    values = np.full((len(tree), LANES[bits], bits, nodes.value.shape[1]), -0.0)
    _fill_values(splits, nodes.value, values)
    order = np.argsort(~used, axis=1, kind="stable").astype(np.int64)
    is_dense = bool(used.all()) and bits == 32
    addresses = np.stack(
        [
            address_of(local) + np.arange(len(tree)) * local.strides[0],
            address_of(masks) + offset[:-1] * LINE,
            address_of(order) + np.arange(len(tree)) * order.strides[0],
            np.maximum(used.sum(1), 1),
        ],
        axis=1,
    ).astype(np.int64)
    return MaskTables(
        bits, is_dense, tree, output, base, local, masks, offset, order, addresses, values
    )


@compiled
def _number_leaves(left, offset, first_leaf, n_leaves):  # type: ignore[no-untyped-def]
    """Leaves from left to right: how many below each node, and the number of the first."""
    for tree in range(len(offset) - 1):
        first = offset[tree]
        for node in range(offset[tree + 1] - 1, first - 1, -1):
            child = first + left[node]
            n_leaves[node] = 1 if left[node] == 0 else n_leaves[child] + n_leaves[child + 1]
        for node in range(first, offset[tree + 1]):
            if left[node] > 0:
                child = first + left[node]
                first_leaf[child] = first_leaf[node]
                first_leaf[child + 1] = first_leaf[node] + n_leaves[child]


@compiled
def _number_rows(splits, local, used, sizes):  # type: ignore[no-untyped-def]
    """Bins that no split of a block tells apart share a row."""
    n_rows = local.shape[1]
    for block in range(len(splits.blocks)):
        new = np.zeros(n_rows, np.uint8)
        new[splits.base] = 1
        for tree in splits.blocks[block]:
            if tree < 0:
                continue
            for node in splits.numbers[splits.offset[tree] : splits.offset[tree + 1]]:
                if node[FEATURE] < 0:
                    continue
                used[block, node[COLUMN]] = True
                new[node[LAST]] = 1
                new[min(node[FIRST], node[LAST])] = 1
                if node[SET] >= 0:
                    new[node[FIRST] : node[LAST]] = 1
        row = -1
        for place in range(n_rows):
            row += new[place]
            local[block, place] = row
        sizes[block] = row + 1


@compiled
def _goes_left(node, row, sets):  # type: ignore[no-untyped-def]
    """Whether a bin, at or behind the first that may go right, goes left after all."""
    if row == node[LAST]:
        return node[MISSING_LEFT] != 0
    if node[SET] < 0:
        return False
    code = np.uint64(row - node[FIRST])
    bit = sets[node[SET], code >> np.uint64(6)] >> (code & np.uint64(63))
    return bit & np.uint64(1) != 0


@compiled
def _fill_masks(splits, local, start, masks):  # type: ignore[no-untyped-def]
    """A bin that goes right cannot reach the leaves on the left; masks: one word a tree."""
    one = masks.dtype.type(1)
    for block in range(len(splits.blocks)):
        for lane in range(splits.blocks.shape[1]):
            tree = splits.blocks[block, lane]
            if tree < 0:
                continue
            first = splits.offset[tree]
            for node in splits.numbers[first : splits.offset[tree + 1]]:
                if node[FEATURE] < 0:
                    continue
                child = splits.numbers[first + node[LEFT]]
                left = (one << masks.dtype.type(child[N_LEAVES])) - one
                keep = ~(left << masks.dtype.type(child[FIRST_LEAF]))
                for row in range(node[FIRST], node[LAST] + 1):
                    if not _goes_left(node, row, splits.sets):
                        masks[start[block] + local[block, row], lane] &= keep


@compiled
def _fill_values(splits, value, values):  # type: ignore[no-untyped-def]
    for block in range(len(splits.blocks)):
        for lane in range(splits.blocks.shape[1]):
            tree = splits.blocks[block, lane]
            if tree < 0:
                continue
            for place in range(splits.offset[tree], splits.offset[tree + 1]):
                node = splits.numbers[place]
                if node[FEATURE] < 0:
                    for k in range(value.shape[1]):
                        values[block, lane, node[FIRST_LEAF], k] = value[place, k]
