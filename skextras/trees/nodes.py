"""Nodes of a tree that grows: they are opened, wait for their turn, and are numbered at the end.

A node may be parted before its turn, beside others; what it becomes depends on its rows alone, so
that turns, numbers and the tree are those of one node after the other.
"""

import numpy as np

from skextras.trees import splitting
from skextras.trees import workspace as at
from skextras.trees.leaves import floats_of, record_of
from skextras.trees.memory import inner, int64s, view, word
from skextras.trees.splitting import gradient_of, hessian_of, newton_value
from skextras.trees.sums import facts_of, give_slot, state_of

ANY = np.int64(2**62)  # rows


@inner
def set_node(table, node, start, end, depth, total, lower, upper):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """Begin a node: its rows, what they sum to, its own value and the bounds upon it."""
    record, floats, facts = record_of(table, node), floats_of(table, node), facts_of(table, 0)
    for i in range(at.N_RECORD):
        record[i] = 0
    record[splitting.FEATURE] = -1
    record[at.START], record[at.END], record[at.DEPTH] = start, end, depth
    record[at.SUM], record[at.SLOT] = total, word(table, at.N_SLOTS)
    floats[at.LOWER], floats[at.UPPER] = lower, upper
    facts[splitting.LOWER], facts[splitting.UPPER] = lower, upper
    gradient, hessian = gradient_of(total, facts), hessian_of(total, facts)
    floats[at.VALUE] = newton_value(gradient, hessian, facts)


@inner
def may_split(table: int, node: int) -> bool:
    """Whether depth and rows leave room for two children."""
    record = record_of(table, node)
    n_rows = record[at.END] - record[at.START]
    is_shallow = record[at.DEPTH] < word(table, at.MAX_DEPTH)
    return is_shallow and n_rows >= max(2, 2 * word(table, at.MIN_SAMPLES))


@inner
def take_pair(table: int) -> int:
    """Number of the first of two records for children."""
    state = state_of(table)
    pair = state[at.FREE_PAIR]
    if pair > 0:
        state[at.FREE_PAIR] = record_of(table, pair)[at.LEFT]
    else:
        pair = state[at.N_NODES]
        state[at.N_NODES] += 2
    return pair


@inner
def give_pair(table: int, pair: int) -> None:
    """Let others have them; pairs that are free are a chain."""
    state = state_of(table)
    record_of(table, pair)[at.LEFT] = state[at.FREE_PAIR]
    state[at.FREE_PAIR] = pair


@inner
def open_node(table: int, node: int, number: int) -> None:
    """A node that has a split waits for its turn; one that has none gives its histogram back."""
    record, state = record_of(table, node), state_of(table)
    record[at.NUMBER] = number
    if record[splitting.FEATURE] < 0:
        give_slot(table, record[at.SLOT])
        return
    if record[at.SLOT] >= word(table, at.N_SLOTS):
        record[at.SLOT] = word(table, at.N_SLOTS)  # in a borrowed slot: it will be summed again
    int64s(word(table, at.OPEN), state[at.N_OPEN] + 1)[state[at.N_OPEN]] = node
    state[at.N_OPEN] += 1


@inner
def _is_sooner(table: int, node: int, other: int) -> bool:
    """Whether a node is to be split before another."""
    is_older = record_of(table, node)[at.NUMBER] < record_of(table, other)[at.NUMBER]
    if word(table, at.ORDER_OF_GROWTH) == at.DEPTH_WISE:
        return is_older
    gain = floats_of(table, node)[splitting.GAIN]
    top = floats_of(table, other)[splitting.GAIN]
    return gain > top or (gain == top and is_older)


@inner
def place_of_next(table: int, max_rows: int) -> int:
    """Place of the next in turn among all that wait (max_rows = ANY), or among those that a lane
    may take: not parted yet, of at most so many rows, their histogram at hand. -1 if there is none.
    """
    n, best = state_of(table)[at.N_OPEN], -1
    waiting = int64s(word(table, at.OPEN), n)
    for i in range(n - 1, -1, -1):
        record = record_of(table, waiting[i])
        if max_rows < ANY:
            is_new = record[at.LEFT] == 0 and record[at.TURN] == at.WAITS
            has_sums = record[at.SLOT] < word(table, at.N_SLOTS)
            if not (is_new and has_sums and record[at.END] - record[at.START] <= max_rows):
                continue
        if best < 0 or _is_sooner(table, waiting[i], waiting[best]):
            best = i
        if word(table, at.ORDER_OF_GROWTH) == at.ALL_OF_THEM:
            break
    return best


@inner
def next_node(table: int) -> int:
    """Take the node whose turn it is."""
    state = state_of(table)
    waiting = int64s(word(table, at.OPEN), state[at.N_OPEN])
    place = place_of_next(table, ANY)
    node = waiting[place]
    state[at.N_OPEN] -= 1
    waiting[place] = waiting[state[at.N_OPEN]]
    return node


@inner
def take_turn(table: int, node: int) -> None:
    """A node is split for good: its children wait."""
    state, record = state_of(table), record_of(table, node)
    int64s(word(table, at.KEPT), state[at.N_KEPT] + 1)[state[at.N_KEPT]] = node
    state[at.N_KEPT] += 1
    record[at.TURN] = state[at.N_KEPT]
    open_node(table, record[at.LEFT], 2 * state[at.N_KEPT] - 1)
    open_node(table, record[at.LEFT] + 1, 2 * state[at.N_KEPT])


@view
def _written(table, number):  # type: ignore[no-untyped-def]
    return int64s(word(table, at.GROWN) + 8 * at.N_RECORD * number, at.N_RECORD)


@inner
def write_node(table: int, node: int) -> None:
    """Copy a record to where its number says, with its children's numbers."""
    record = record_of(table, node)
    written = _written(table, record[at.NUMBER])
    for i in range(at.N_RECORD):
        written[i] = record[i]
    written[at.LEFT] = max(0, 2 * record[at.TURN] - 1)
