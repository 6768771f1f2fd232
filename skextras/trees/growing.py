"""Growing one tree: split the most promising leaf, sum its smaller child, subtract for the larger.

The whole loop is compiled. Threads share the rows of a large leaf; of small leaves, those whose
turns are near are split side by side (``expanding``), one a thread.
"""

import numpy as np

from skextras.trees import splitting
from skextras.trees import workspace as at
from skextras.trees.binning import Binned
from skextras.trees.counting import look_again
from skextras.trees.expanding import expand, expand_lane, expand_some
from skextras.trees.grown import Grown
from skextras.trees.histogram import fixed_point, total_of
from skextras.trees.leaves import (
    BLOCK,
    add_leaf_values,
    gather_group,
    move_right,
    n_bins_of,
    pack,
    part_leaf,
    record_of,
    route,
    scan_group,
    slot,
    sum_part,
    sums_at,
)
from skextras.trees.memory import compiled, inner, int64s, word
from skextras.trees.nodes import may_split, next_node, open_node, set_node, take_turn, write_node
from skextras.trees.parting import unite
from skextras.trees.scans import scan_nodes
from skextras.trees.stepping import Stepper
from skextras.trees.sums import state_of, sum_places, take_slot
from skextras.trees.threads import Threads, run
from skextras.trees.workspace import Growth, Workspace


@inner
def _begin(table: int) -> None:
    """Sum the root and find its split."""
    state, n_root, n_slots = state_of(table), word(table, at.N_ROOT), word(table, at.N_SLOTS)
    free = int64s(word(table, at.FREE), n_slots)
    for i in range(n_slots):
        free[i] = n_slots - 1 - i
    state[at.N_FREE], state[at.N_OPEN], state[at.N_NODES] = n_slots, 0, 1
    state[at.N_KEPT], state[at.N_AHEAD], state[at.FREE_PAIR] = 0, 0, 0
    first = take_slot(table, 0)
    is_whole = n_root == word(table, at.N_ROWS)
    sum_places(table, first, 0, n_root, at.ALL_ROWS if is_whole else at.LEAF_ROWS)
    total = total_of(sums_at(table, slot(table, first)), n_bins_of(table))
    set_node(table, 0, 0, n_root, 0, total, -np.inf, np.inf)
    root = record_of(table, 0)
    root[at.SLOT], root[at.PATH] = first, word(table, at.SEED)
    if may_split(table, 0) and word(table, at.MAX_LEAVES) > 1:
        scan_nodes(table, 0, -1)
        open_node(table, 0, 0)


@inner
def _finish(table: int) -> int:
    """Number the nodes by turns, and unite the rows of those that had none; how many nodes."""
    n_turns = state_of(table)[at.N_KEPT]
    kept = int64s(word(table, at.KEPT), n_turns)
    waiting = int64s(word(table, at.OPEN), state_of(table)[at.N_OPEN])
    for place in range(state_of(table)[at.N_OPEN]):
        record = record_of(table, waiting[place])
        if record[at.LEFT] > 0:
            left = record_of(table, record[at.LEFT])
            unite(table, waiting[place], left[at.END] - left[at.START])
    write_node(table, 0)
    for turn in range(n_turns):
        left = record_of(table, kept[turn])[at.LEFT]
        write_node(table, left)
        write_node(table, left + 1)
    return 2 * n_turns + 1


@compiled
def grow(table: int) -> int:
    """Grow a tree from the gradients in the table; its number of nodes."""
    n_blocks = (word(table, at.N_ROWS) + BLOCK - 1) // BLOCK
    run(word(table, at.CONTROL), word(table, at.OP_PACK), table, n_blocks)
    _begin(table)
    state = state_of(table)
    while state[at.N_OPEN] > 0 and state[at.N_KEPT] + 1 < word(table, at.MAX_LEAVES):
        node = next_node(table)
        record = record_of(table, node)
        if record[at.LEFT] > 0:
            state[at.N_AHEAD] -= 1
        elif record[at.TURN] == at.WAITS:
            expand_some(table, node)
        if record[at.LEFT] > 0:
            take_turn(table, node)
        else:
            look_again(table, node)
    return _finish(table)


class Grower:
    """Grows trees on the same rows, one after the other.

    Parameters
    ----------
    binned : Binned
        The rows.
    growth : Growth
        Options.
    threads : Threads
        Who works; entered by the caller.
    """

    def __init__(self, binned: Binned, growth: Growth, threads: Threads) -> None:
        self._space = space = Workspace(binned, growth, threads)
        self._stepper = Stepper(space)
        self._edges = binned.mapper.greatest()
        for place, function in _OPERATIONS.items():
            space.table[place] = function.address

    def grow(
        self,
        gradient: np.ndarray,
        hessian: np.ndarray,
        totals: tuple[float, float],
        *,
        rows: np.ndarray | None = None,
        has_constant_hessian: bool = False,
        seed: int = 0,
    ) -> Grown:
        """Grow a tree.

        Parameters
        ----------
        gradient, hessian : ndarray of float32 of shape (n_rows,)
            Of the loss; the hessian is not negative.
        totals : pair of float
            Sums of their absolute values over the rows that the tree sees, or more.
        rows : ndarray of uint32, optional
            Ascending; the tree sees these alone.
        has_constant_hessian : bool, default=False
            Whether each hessian is 1; sums of it then count rows.
        seed : int, default=0
            Decides which features the nodes choose from.

        Returns
        -------
        Grown
            The tree, and which rows are in its leaves.
        """
        space, n = self._space, self._space.binned.n_rows
        space.hold(at.GRADIENT, gradient)
        space.hold(at.HESSIAN, hessian)
        scale = fixed_point(totals[0], n, bits=31)
        h_scale = 1.0 if has_constant_hessian else fixed_point(totals[1], n, bits=31)
        space.facts[..., splitting.GRADIENT_SCALE] = scale
        space.facts[..., splitting.HESSIAN_SCALE] = h_scale
        order = space.order
        if rows is not None:
            is_out = np.ones(n, bool)
            is_out[rows] = False
            order[: len(rows)], order[len(rows) :] = rows, np.flatnonzero(is_out)
        space.table[at.N_ROOT] = n if rows is None else len(rows)
        space.table[at.SEED] = np.uint64(seed).view(np.int64)
        space.state[at.HAS_WEIGHTLESS] = 0
        if len(space.lanes):
            space.lanes[:, : at.N_SHARED] = space.table[: at.N_SHARED]
        n_nodes = grow(space.address)
        return Grown(space.nodes[:n_nodes].copy(), order, scale, h_scale, self._edges)

    def step(self, scores: np.ndarray, grown: Grown, rate: float) -> np.ndarray:
        """Take Newton's step on the leaves of a tree just grown, for the scores of all rows.

        Parameters
        ----------
        scores : ndarray of float32 of shape (n_rows,)
            Changed in place.
        grown : Grown
            The last tree of this grower, whose gradients are still what they were.
        rate : float
            ν, the share of the step that is taken.

        Returns
        -------
        ndarray of float64 of shape (n_nodes,)
            Values of its nodes.
        """
        space, n = self._space, self._space.binned.n_rows
        space.hold(at.SCORES, scores)
        values = self._stepper.step(len(grown.records), rate)
        n_root = int(space.table[at.N_ROOT])
        if n_root < n:
            self._route(grown.records, values, n - n_root)
        return values

    def add_to(self, scores: np.ndarray, grown: Grown, values: np.ndarray) -> None:
        """Add the values of a tree just grown to the scores of all rows.

        Parameters
        ----------
        scores : ndarray of float32 of shape (n_rows,)
            Changed in place.
        grown : Grown
            The last tree of this grower.
        values : ndarray of float64 of shape (n_nodes,)
            Of its nodes.
        """
        space, n = self._space, self._space.binned.n_rows
        leaves = grown.leaves
        space.hold(at.SCORES, scores)
        space.hold(at.LEAVES, np.ascontiguousarray(grown.records[leaves][:, [at.START, at.END]]))
        space.hold(at.LEAF_VALUES, values[leaves].astype(np.float32))
        space.table[at.N_LEAVES] = len(leaves)
        n_root = int(space.table[at.N_ROOT])
        space.threads.run(add_leaf_values, space.table, -(-n_root // BLOCK))
        if n_root < n:
            self._route(grown.records, values, n - n_root)

    def _route(self, records: np.ndarray, values: np.ndarray, n: int) -> None:
        space = self._space
        space.hold(at.LEAVES, records)
        space.hold(at.LEAF_VALUES, values.astype(np.float32))
        space.table[at.N_LEAVES] = len(records)
        space.threads.run(route, space.table, -(-n // BLOCK))


_OPERATIONS = {
    at.OP_SUM: sum_part,
    at.OP_GATHER: gather_group,
    at.OP_PARTITION: part_leaf,
    at.OP_MOVE: move_right,
    at.OP_SCAN: scan_group,
    at.OP_EXPAND: expand,
    at.OP_LANE: expand_lane,
    at.OP_PACK: pack,
}
