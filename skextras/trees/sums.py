"""Histograms of nodes, and the slots of the pool that hold them.

A node that waits for its turn keeps its histogram, so that its larger child needs no pass over its
rows. When the pool is full, a node goes without, and its children are both summed.
"""

from typing import Any

from skextras.trees import splitting
from skextras.trees import workspace as at
from skextras.trees.histogram import CHUNK, add_some, clear, subtract
from skextras.trees.leaves import gather_sums, slot, sum_rows, words_of
from skextras.trees.memory import compiled, float64s, int64s, uint32s, word
from skextras.trees.threads import run

PARALLEL = 1200  # rows of a leaf from which sharing pays


@compiled
def nodes_of(table: int) -> Any:
    n = 2 * word(table, at.MAX_LEAVES)
    return int64s(word(table, at.NODES), n * at.N_RECORD).reshape((n, at.N_RECORD))


@compiled
def state_of(table: int) -> Any:
    return int64s(word(table, at.STATE), at.N_STATE)


@compiled
def job_of(table: int) -> Any:
    return int64s(word(table, at.JOB), at.N_JOB)


@compiled
def facts_of(table: int, child: int) -> Any:
    return float64s(word(table, at.FACTS) + 8 * splitting.N_FACTS * child, splitting.N_FACTS)


@compiled
def take_slot(table: int, spare: int) -> int:
    state, n_slots = state_of(table), word(table, at.N_SLOTS)
    if state[at.N_FREE] == 0:
        return n_slots + spare
    state[at.N_FREE] -= 1
    return int64s(word(table, at.FREE), n_slots)[state[at.N_FREE]]


@compiled
def give_slot(table: int, number: int) -> None:
    state, n_slots = state_of(table), word(table, at.N_SLOTS)
    if 0 <= number < n_slots:
        int64s(word(table, at.FREE), n_slots)[state[at.N_FREE]] = number
        state[at.N_FREE] += 1


@compiled
def sum_node(table, number, start, end, is_root):  # type: ignore[no-untyped-def]
    """Histogram of the rows at places start to end, into a slot."""
    sums = slot(table, number)
    if word(table, at.N_THREADS) == 1 or end - start <= PARALLEL:
        clear(sums)
        sum_rows(table, start, end, sums, is_root)
        return
    job = job_of(table)
    job[0], job[1] = start, end
    function = word(table, at.OP_ROOT) if is_root else word(table, at.OP_SUM)
    run(word(table, at.CONTROL), function, table, (end - start + CHUNK - 1) // CHUNK)
    gather_sums(table, sums)


@compiled
def sum_children(table, node, left, right):  # type: ignore[no-untyped-def]
    nodes, n_slots = nodes_of(table), word(table, at.N_SLOTS)
    small, large = left, right
    if nodes[right, at.END] - nodes[right, at.START] < nodes[left, at.END] - nodes[left, at.START]:
        small, large = right, left
    own = take_slot(table, 0)
    nodes[small, at.SLOT] = own
    sum_node(table, own, nodes[small, at.START], nodes[small, at.END], False)
    inherited = nodes[node, at.SLOT]
    if inherited < n_slots:
        subtract(slot(table, inherited), slot(table, own))
        nodes[large, at.SLOT] = inherited
    else:
        other = take_slot(table, 1)
        nodes[large, at.SLOT] = other
        sum_node(table, other, nodes[large, at.START], nodes[large, at.END], False)


@compiled
def count_bins(table: int, node: int) -> None:
    """Rows by bin of one leaf, into the last slot: its sums are counts."""
    nodes, n = nodes_of(table), word(table, at.N_ROWS)
    start, end = nodes[node, at.START], nodes[node, at.END]
    order, picked = uint32s(word(table, at.ORDER), n), int64s(word(table, at.PICKED), n)
    for i in range(start, end):
        picked[i] = 1
    counts = slot(table, word(table, at.N_SLOTS) + 2)
    clear(counts)
    n_features = word(table, at.N_FEATURES)
    add_some(words_of(table), order[start:end], picked[start:end], counts, n_features)
