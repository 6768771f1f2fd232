"""Nodes of a tree that grows: found, opened, parted, and given children."""

import numpy as np

from skextras.trees import splitting
from skextras.trees import workspace as at
from skextras.trees.arrays import MISSING
from skextras.trees.choice import allow, restrict
from skextras.trees.leaves import codes_of, floats_of, place_of, record_of
from skextras.trees.memory import float64s, inner, int64s, uint32s, word
from skextras.trees.splitting import gradient_of, hessian_of, newton_value, reduction
from skextras.trees.sums import (
    PARALLEL,
    count_bins,
    facts_of,
    give_slot,
    job_of,
    state_of,
    sum_node,
    take_slot,
)
from skextras.trees.threads import run

PART_CHUNK = 1024  # rows, at least, that a thread parts at a time
EASE = 0.25  # of the share of the hessian that min_samples_leaf rows have on average
NEGLIGIBLE = 1e-10  # of a leaf's own reduction: a gain below it is rounding


@inner
def state_facts(table, node, child, min_count):  # type: ignore[no-untyped-def]
    """What a scan of the node is told."""
    record, floats, facts = record_of(table, node), floats_of(table, node), facts_of(table, child)
    n_rows = np.float64(record[at.END] - record[at.START])
    hessian = hessian_of(record[at.SUM], facts)
    # A leaf of few rows has about its share of the hessian: what has far less of it is left out at
    # once, and the rows of what remains are counted when the split is made (`look_again`).
    ease = 1.0 if hessian == n_rows else EASE  # hessians that are all 1 count the rows
    share = ease * np.float64(word(table, at.MIN_SAMPLES)) * hessian / n_rows
    least = float64s(word(table, at.OPTIONS), at.N_OPTIONS)[at.MIN_HESSIAN]
    if min_count > 0:
        share = 0.0
    facts[splitting.FLOOR] = max(max(least, share), 0.5 / facts[splitting.HESSIAN_SCALE])
    facts[splitting.LOWER] = floats[at.LOWER]
    facts[splitting.UPPER] = floats[at.UPPER]
    facts[splitting.N_ROWS], facts[splitting.MIN_COUNT] = n_rows, min_count


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
def _keep_best(table, node, child):  # type: ignore[no-untyped-def]
    """Of what the parts of a scan have found, the best goes into the node; the first on a tie."""
    n_parts, record, facts = word(table, at.N_PARTS), record_of(table, node), facts_of(table, child)
    best = 0.0
    for part in range(n_parts):
        address = word(table, at.FOUND) + 8 * splitting.N_FOUND * (child * n_parts + part)
        found = int64s(address, splitting.N_FOUND)
        gain = float64s(address, splitting.N_FOUND)[splitting.GAIN]
        if found[splitting.FEATURE] >= 0 and gain > best:
            best = gain
            for i in range(splitting.N_FOUND):
                record[i] = found[i]
    gradient, hessian = gradient_of(record[at.SUM], facts), hessian_of(record[at.SUM], facts)
    own = reduction(gradient, hessian, floats_of(table, node)[at.VALUE], facts)
    least = float64s(word(table, at.OPTIONS), at.N_OPTIONS)[at.MIN_GAIN]
    if best <= max(least, NEGLIGIBLE * abs(own)):
        record[splitting.FEATURE] = -1


@inner
def scan_nodes(table, first, second, min_count):  # type: ignore[no-untyped-def]
    """Find the splits of one node, or of two (second >= 0)."""
    job = job_of(table)
    n_children = 1 if second < 0 else 2
    for child in range(n_children):
        node = second if child else first
        job[at.SCANNED + child] = node
        job[at.SCANNED_SLOT + child] = record_of(table, node)[at.SLOT]
        state_facts(table, node, child, min_count)
        if word(table, at.IS_MASKED):
            allow(table, node, child)
    n_chunks = n_children * word(table, at.N_PARTS)
    run(word(table, at.CONTROL), word(table, at.OP_SCAN), table, n_chunks)
    for child in range(n_children):
        _keep_best(table, second if child else first, child)


@inner
def open_node(table: int, node: int) -> None:
    """A node that has a split waits for its turn; one that has none gives its histogram back."""
    record, state = record_of(table, node), state_of(table)
    if record[splitting.FEATURE] < 0:
        give_slot(table, record[at.SLOT])
        return
    if record[at.SLOT] >= word(table, at.N_SLOTS):
        record[at.SLOT] = word(table, at.N_SLOTS)  # in a borrowed slot: it will be summed again
    int64s(word(table, at.OPEN), state[at.N_OPEN] + 1)[state[at.N_OPEN]] = node
    state[at.N_OPEN] += 1


@inner
def next_node(table: int) -> int:
    """Take the node whose turn it is."""
    state, order = state_of(table), word(table, at.ORDER_OF_GROWTH)
    n = state[at.N_OPEN]
    waiting = int64s(word(table, at.OPEN), n)
    best = n - 1
    if order != at.ALL_OF_THEM:
        best = 0
        for i in range(1, n):
            if order == at.DEPTH_WISE:
                is_sooner = waiting[i] < waiting[best]
            else:
                gain = floats_of(table, waiting[i])[splitting.GAIN]
                top = floats_of(table, waiting[best])[splitting.GAIN]
                is_sooner = gain > top or (gain == top and waiting[i] < waiting[best])
            if is_sooner:
                best = i
    node = waiting[best]
    waiting[best] = waiting[n - 1]
    state[at.N_OPEN] -= 1
    return node


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
def bear(table: int, node: int, n_left: int) -> int:
    """Make the children of a node whose rows are parted; the number of the left one."""
    state, facts = state_of(table), facts_of(table, 0)
    record, floats = record_of(table, node), floats_of(table, node)
    left = state[at.N_NODES]
    state[at.N_NODES] += 2
    record[at.LEFT] = left
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
    if word(table, at.N_SETS) > 0:
        restrict(table, node, left)
        restrict(table, node, left + 1)
    return left


@inner
def may_split(table: int, node: int) -> bool:
    """Whether depth and rows leave room for two children."""
    record = record_of(table, node)
    n_rows = record[at.END] - record[at.START]
    is_shallow = record[at.DEPTH] < word(table, at.MAX_DEPTH)
    return is_shallow and n_rows >= max(2, 2 * word(table, at.MIN_SAMPLES))


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
    bins = codes_of(table, place_of(table, record[splitting.FEATURE]))
    greatest = np.uint8(0)
    for i in range(record[at.START], record[at.END]):
        greatest = max(greatest, bins[np.int64(order[i]) * 8])
    return greatest == MISSING


@inner
def look_again(table: int, node: int) -> None:
    """A split left too few rows on a side: find the best of those that do not, by exact counts."""
    record = record_of(table, node)
    if record[at.SLOT] >= word(table, at.N_SLOTS):
        sum_node(table, node, take_slot(table, 0))
    count_bins(table, node)
    record[splitting.FEATURE] = -1
    scan_nodes(table, node, -1, np.float64(max(1, word(table, at.MIN_SAMPLES))))
    open_node(table, node)
