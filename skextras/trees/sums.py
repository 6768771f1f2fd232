"""Histograms of nodes, and the slots of the pool that hold them.

A node that waits for its turn keeps its histogram, so that its larger child needs no pass over its
rows. When the pool is full, a node goes without, and its children are both summed.
"""

from typing import Any

from skextras.trees import splitting
from skextras.trees import workspace as at
from skextras.trees.histogram import CHUNK
from skextras.trees.leaves import record_of, slot
from skextras.trees.memory import call, float64s, inner, int64s, view, word
from skextras.trees.threads import run

PARALLEL = 1200  # rows of a leaf from which sharing pays


@view
def state_of(table: int) -> Any:
    return int64s(word(table, at.STATE), at.N_STATE)


@view
def job_of(table: int) -> Any:
    return int64s(word(table, at.JOB), at.N_JOB)


@view
def facts_of(table: int, child: int) -> Any:
    return float64s(word(table, at.FACTS) + 8 * splitting.N_FACTS * child, splitting.N_FACTS)


@inner
def take_slot(table: int, spare: int) -> int:
    """A free slot of the pool, or one of those beside it that hold nothing for long."""
    state, n_slots = state_of(table), word(table, at.N_SLOTS)
    if state[at.N_FREE] == 0:
        return n_slots + spare
    state[at.N_FREE] -= 1
    return int64s(word(table, at.FREE), n_slots)[state[at.N_FREE]]


@inner
def give_slot(table: int, number: int) -> None:
    """Let others have a slot of the pool; those beside it are nobody's."""
    state, n_slots = state_of(table), word(table, at.N_SLOTS)
    if 0 <= number < n_slots:
        int64s(word(table, at.FREE), n_slots)[state[at.N_FREE]] = number
        state[at.N_FREE] += 1


@inner
def sum_places(table, number, start, end, what):  # type: ignore[no-untyped-def]
    """Histogram of the rows at places start to end, into a slot."""
    job, target = job_of(table), slot(table, number)
    job[at.FROM], job[at.TO], job[at.WHAT], job[at.TARGET] = start, end, what, target
    if word(table, at.N_THREADS) == 1 or end - start <= PARALLEL:
        call(word(table, at.OP_SUM), table, 0, 0)
        return
    touched = int64s(word(table, at.TOUCHED), word(table, at.N_THREADS))
    for thread in range(touched.size):
        touched[thread] = 0
    job[at.TARGET] = 0
    n_chunks = (end - start + CHUNK - 1) // CHUNK
    run(word(table, at.CONTROL), word(table, at.OP_SUM), table, n_chunks)
    job[at.TARGET] = target
    run(word(table, at.CONTROL), word(table, at.OP_GATHER), table, word(table, at.N_GROUPS))


@inner
def sum_node(table, node, number):  # type: ignore[no-untyped-def]
    """Histogram of a node's rows, into a slot that is its own from now on."""
    record = record_of(table, node)
    record[at.SLOT] = number
    sum_places(table, number, record[at.START], record[at.END], at.LEAF_ROWS)


@inner
def sum_children(table, node):  # type: ignore[no-untyped-def]
    """Sum the smaller child; the scan that follows subtracts it from what the larger inherits."""
    record = record_of(table, node)
    left, inherited = record[at.LEFT], record[at.SLOT]
    n_left = record_of(table, left)[at.END] - record_of(table, left)[at.START]
    n_right = record_of(table, left + 1)[at.END] - record_of(table, left + 1)[at.START]
    small, large = (left + 1, left) if n_right < n_left else (left, left + 1)
    own = record[at.CHILD_SLOT]
    sum_node(table, small, own)
    if inherited < word(table, at.N_SLOTS):
        job = job_of(table)
        job[at.WHOLE], job[at.PART] = inherited, own
        record_of(table, large)[at.SLOT] = inherited
    else:
        sum_node(table, large, take_slot(table, 1))
