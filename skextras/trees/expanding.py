"""Splitting a node: its rows are parted, its children summed, and their splits found."""

from skextras.trees import workspace as at
from skextras.trees.leaves import record_of
from skextras.trees.memory import call, inner, int64s, operation, word
from skextras.trees.nodes import (
    give_pair,
    may_split,
    place_of_next,
    take_pair,
)
from skextras.trees.parting import bear, part_node, unite
from skextras.trees.scans import scan_nodes
from skextras.trees.sums import (
    give_slot,
    state_of,
    sum_children,
    take_slot,
)
from skextras.trees.threads import run

LANE_ROWS = 16384  # of a node at most, for one thread to split it; beyond, all share its rows


@operation
def expand(table, node, thread):  # type: ignore[no-untyped-def]
    """Split a node, or find that its split leaves too few rows on a side."""
    record = record_of(table, node)
    n_left, n_rows = part_node(table, node), record[at.END] - record[at.START]
    if min(n_left, n_rows - n_left) < max(1, word(table, at.MIN_SAMPLES)):
        unite(table, node, n_left)
        record[at.TURN] = at.IS_UNEVEN
        return
    bear(table, node, n_left)
    if state_of(table)[at.N_KEPT] + 2 == word(table, at.MAX_LEAVES):
        return  # the last split: its children stay leaves
    left = record[at.LEFT]
    has_left, has_right = may_split(table, left), may_split(table, left + 1)
    if has_left or has_right:
        sum_children(table, node)
    if has_left and has_right:
        scan_nodes(table, left, left + 1)
    elif has_left or has_right:
        scan_nodes(table, left if has_left else left + 1, -1)


@operation
def expand_lane(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Split one of several nodes, with what each lane has of its own."""
    lane = word(table, at.LANES) + 8 * at.N_TABLE * chunk
    node = int64s(word(table, at.BATCH), chunk + 1)[chunk]
    call(word(table, at.OP_EXPAND), lane, node, 0)


@inner
def _prepare(table: int, node: int) -> None:
    """Give a node what splitting it takes."""
    record = record_of(table, node)
    record[at.LEFT], record[at.CHILD_SLOT] = take_pair(table), take_slot(table, 0)


@inner
def _settle(table: int, node: int) -> None:
    """Take back what it did not use."""
    record = record_of(table, node)
    left = record[at.LEFT]
    if record[at.TURN] == at.IS_UNEVEN:
        give_pair(table, left)
        give_slot(table, record[at.CHILD_SLOT])
        record[at.LEFT] = 0
    elif record_of(table, left)[at.SLOT] == record_of(table, left + 1)[at.SLOT]:  # both have none
        give_slot(table, record[at.CHILD_SLOT])
        give_slot(table, record[at.SLOT])


@inner
def _gather(table: int, node: int) -> int:
    """A node and others that are likely to follow it, each for a lane; how many."""
    state, batch = state_of(table), int64s(word(table, at.BATCH), word(table, at.N_LANES))
    waiting = int64s(word(table, at.OPEN), state[at.N_OPEN])
    record = record_of(table, node)
    # Each takes a slot, and is likely to get a turn while many are left.
    n_turns = word(table, at.MAX_LEAVES) - state[at.N_KEPT] - 1
    limit = min(word(table, at.N_LANES), 1 + n_turns // 4)
    limit = min(min(limit, state[at.N_FREE]), n_turns // 2 - state[at.N_AHEAD] + 1)
    is_large = record[at.END] - record[at.START] > LANE_ROWS
    if limit < 2 or is_large or record[at.SLOT] >= word(table, at.N_SLOTS):
        return 1
    batch[0], n = node, 1
    while n < limit:
        place = place_of_next(table, LANE_ROWS)
        if place < 0:
            break
        batch[n] = waiting[place]
        _prepare(table, batch[n])
        n += 1
    return n


@inner
def expand_some(table: int, node: int) -> None:
    """Split a node; while one thread does so, others may split what will follow."""
    _prepare(table, node)
    n = _gather(table, node)
    if n == 1:
        call(word(table, at.OP_EXPAND), table, node, 0)
    else:
        run(word(table, at.CONTROL), word(table, at.OP_LANE), table, n)
    _settle(table, node)
    for i in range(1, n):
        other = int64s(word(table, at.BATCH), n)[i]
        _settle(table, other)
        if record_of(table, other)[at.LEFT] > 0:
            state_of(table)[at.N_AHEAD] += 1
