"""Parting the rows of a node between its children, and undoing it."""

import numpy as np

from skextras.trees import splitting
from skextras.trees import workspace as at
from skextras.trees.arrays import MISSING
from skextras.trees.choice import restrict, seed_children
from skextras.trees.columns import COLUMN
from skextras.trees.leaves import codes_of, floats_of, place_of, record_of
from skextras.trees.memory import inner, int64s, uint32s, word
from skextras.trees.nodes import set_node
from skextras.trees.sums import PARALLEL, facts_of, job_of, state_of
from skextras.trees.threads import run

PART_CHUNK = 1024  # rows, at least, that a thread parts at a time


@inner
def part_node(table: int, node: int) -> int:
    """Part a node's rows; how many went left."""
    record, job, n = record_of(table, node), job_of(table), word(table, at.N_ROWS)
    start, end, n_threads = record[at.START], record[at.END], word(table, at.N_THREADS)
    order = uint32s(word(table, at.ORDER), n)
    size, n_chunks = end - start, 1
    if n_threads > 1 and size > 8 * PARALLEL:
        size = max(PART_CHUNK, (size + 4 * n_threads - 1) // (4 * n_threads))
        n_chunks = (end - start + size - 1) // size
    job[at.FROM], job[at.TO], job[at.PARTED], job[at.SIZE] = start, end, node, size
    run(word(table, at.CONTROL), word(table, at.OP_PARTITION), table, n_chunks)
    counts = int64s(word(table, at.LEFT_COUNTS), n_chunks)
    n_left = counts[0]
    for chunk in range(1, n_chunks):
        for i in range(counts[chunk]):
            order[start + n_left + i] = order[start + chunk * size + i]
        n_left += counts[chunk]
    job[at.PLACE] = start + n_left
    run(word(table, at.CONTROL), word(table, at.OP_MOVE), table, n_chunks)
    return n_left


@inner
def unite(table: int, node: int, n_left: int) -> None:
    """Undo it: the rows of both sides ascend, and so do they all again."""
    record, n = record_of(table, node), word(table, at.N_ROWS)
    order, spare = uint32s(word(table, at.ORDER), n), uint32s(word(table, at.SPARE), n)
    start, end = record[at.START], record[at.END]
    for i in range(start, start + n_left):
        spare[i] = order[i]
    left, right, place = start, start + n_left, start
    while left < start + n_left:
        if right == end or spare[left] < order[right]:
            order[place] = spare[left]
            left += 1
        else:
            order[place] = order[right]
            right += 1
        place += 1


@inner
def bear(table: int, node: int, n_left: int) -> None:
    """Make the children of a node whose rows are parted."""
    facts = facts_of(table, 0)
    record, floats = record_of(table, node), floats_of(table, node)
    left = record[at.LEFT]
    _send_missing(table, node, n_left)
    start, end, middle = record[at.START], record[at.END], record[at.START] + n_left
    lower, upper, depth = floats[at.LOWER], floats[at.UPPER], record[at.DEPTH] + 1
    left_sum, right_sum = record[splitting.LEFT_SUM], record[at.SUM] - record[splitting.LEFT_SUM]
    set_node(table, left, start, middle, depth, left_sum, lower, upper)
    set_node(table, left + 1, middle, end, depth, right_sum, lower, upper)
    direction = 0
    if facts[splitting.IS_PLAIN] == 0 and record[splitting.IS_CATEGORICAL] == 0:
        monotonic = int64s(word(table, at.MONOTONIC), word(table, at.N_FEATURES))
        direction = monotonic[record[splitting.FEATURE]]
    if direction != 0:  # all that grows left stays on its side of the middle
        between = (floats_of(table, left)[at.VALUE] + floats_of(table, left + 1)[at.VALUE]) / 2
        falling = 0 if direction > 0 else 1  # which child lies below
        floats_of(table, left + falling)[at.UPPER] = between
        floats_of(table, left + 1 - falling)[at.LOWER] = between
    if word(table, at.IS_MASKED):
        restrict(table, node, left)
        restrict(table, node, left + 1)
        seed_children(record, record_of(table, left), record_of(table, left + 1))


@inner
def _send_missing(table: int, node: int, n_left: int) -> None:
    """Where none of a node's rows lacks the feature, missing ones go to the larger child."""
    record = record_of(table, node)
    is_left = 2 * n_left > record[at.END] - record[at.START]
    if not (record[splitting.NONE_MISSING] and is_left):
        return
    # Rows whose payload is 0 do not show in the sums; one that lacks the feature has gone right.
    if state_of(table)[at.HAS_WEIGHTLESS] and _lacks_feature(table, node):
        return
    record[splitting.MISSING_LEFT] = 1
    if record[splitting.IS_CATEGORICAL]:
        record[splitting.LEFT_SET + 3] |= np.int64(1) << 63


@inner
def _lacks_feature(table: int, node: int) -> bool:
    record, n = record_of(table, node), word(table, at.N_ROWS)
    order = uint32s(word(table, at.ORDER), n)
    bins = codes_of(table, place_of(table, record[splitting.FEATURE])[COLUMN])
    greatest = np.uint8(0)
    for i in range(record[at.START], record[at.END]):
        greatest = max(greatest, bins[np.int64(order[i]) * 8])
    return greatest == MISSING
