"""What the threads do to the rows of a leaf: sum, scan, part; and what a finished tree does to scores."""

from typing import Any

import numpy as np

from skextras.trees import splitting
from skextras.trees import workspace as at
from skextras.trees.histogram import (
    CHUNK,
    GROUP_STRIDE,
    STRIDE,
    accumulate,
    add_all,
    add_some,
    clear,
)
from skextras.trees.memory import (
    bytes_,
    compiled,
    float32s,
    float64s,
    int64s,
    operation,
    uint32s,
    uint64s,
    word,
)
from skextras.trees.splitting import scan_categories, scan_number

BLOCK = 16384  # rows of a chunk where each is touched once
STRIP = 8192  # rows whose payloads are gathered at a time
U = np.uint64


@compiled
def slot(table: int, number: int) -> Any:
    """Histogram in a slot of the pool."""
    size = word(table, at.N_GROUPS) * GROUP_STRIDE
    return int64s(word(table, at.POOL) + 8 * number * size, size)


@compiled
def local(table: int, thread: int) -> Any:
    """A thread's own histogram."""
    size = word(table, at.N_GROUPS) * GROUP_STRIDE
    return int64s(word(table, at.LOCAL) + 8 * thread * size, size)


@compiled
def words_of(table: int) -> Any:
    """Bins of all rows, (n_groups, n_rows)."""
    n_groups, n = word(table, at.N_GROUPS), word(table, at.N_ROWS)
    return uint64s(word(table, at.WORDS), n_groups * n).reshape((n_groups, n))


@operation
def pack(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Gradient and hessian of each row to one integer in fixed point."""
    n = word(table, at.N_ROWS)
    facts = float64s(word(table, at.FACTS), splitting.N_FACTS)
    g_scale = np.float32(facts[splitting.GRADIENT_SCALE])
    h_scale = np.float32(facts[splitting.HESSIAN_SCALE])
    gradient, hessian = float32s(word(table, at.GRADIENT), n), float32s(word(table, at.HESSIAN), n)
    payload = int64s(word(table, at.PAYLOAD), n)
    half = np.float32(0.5)
    for i in range(U(chunk * BLOCK), U(min(n, (chunk + 1) * BLOCK))):
        g = np.int64(np.floor(gradient[i] * g_scale + half))
        payload[i] = (g << 32) + np.int64(np.floor(hessian[i] * h_scale + half))


@compiled
def sum_rows(table, start, end, sums, is_root):  # type: ignore[no-untyped-def]
    """Add the rows at places start to end of the order."""
    n, n_features = word(table, at.N_ROWS), word(table, at.N_FEATURES)
    payload, words = int64s(word(table, at.PAYLOAD), n), words_of(table)
    if is_root:
        add_all(words, payload, sums, n_features, (start, end))
        return
    order, picked = uint32s(word(table, at.ORDER), n), int64s(word(table, at.PICKED), n)
    for first in range(start, end, STRIP):
        last = min(end, first + STRIP)
        for i in range(first, last):
            picked[i] = payload[U(order[i])]
        add_some(words, order[first:last], picked[first:last], sums, n_features)


@compiled
def _sum_chunk(table, chunk, thread, is_root):  # type: ignore[no-untyped-def]
    job, touched = (
        int64s(word(table, at.JOB), at.N_JOB),
        int64s(word(table, at.TOUCHED), thread + 1),
    )
    sums = local(table, thread)
    if touched[thread] == 0:
        touched[thread] = 1
        clear(sums)
    start = job[0] + chunk * CHUNK
    sum_rows(table, start, min(job[1], start + CHUNK), sums, is_root)


@operation
def sum_root(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Histogram of all rows, as they lie."""
    _sum_chunk(table, chunk, thread, True)


@operation
def sum_leaf(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Histogram of a leaf's rows."""
    _sum_chunk(table, chunk, thread, False)


@compiled
def gather_sums(table, sums):  # type: ignore[no-untyped-def]
    """Add up what the threads have summed."""
    n_threads = word(table, at.N_THREADS)
    touched = int64s(word(table, at.TOUCHED), n_threads)
    is_first = True
    for thread in range(n_threads):
        if touched[thread]:
            touched[thread] = 0
            accumulate(sums, local(table, thread), is_first)
            is_first = False


@compiled
def part_rows(table, record, start, end):  # type: ignore[no-untyped-def]
    """Stable partition without a branch: left rows stay in the order, right ones go to the spare."""
    n = word(table, at.N_ROWS)
    order, spare = uint32s(word(table, at.ORDER), n), uint32s(word(table, at.SPARE), n)
    feature = record[splitting.FEATURE]
    bins = bytes_(word(table, at.WORDS) + (feature >> 3) * n * 8 + (feature & 7), 8 * n)
    left, right = U(start), U(start)
    if record[splitting.IS_CATEGORICAL]:
        left_set = record[splitting.LEFT_SET : splitting.LEFT_SET + 4].view(np.uint64)
        for i in range(U(start), U(end)):
            row = order[i]
            b = U(bins[U(row) << U(3)])
            goes = (left_set[b >> U(6)] >> (b & U(63))) & U(1)
            order[left], spare[right] = row, row
            left += goes
            right += U(1) - goes
        return np.int64(left - U(start))
    # Shifted by one, the missing bin 255 becomes 0 and goes left with the smallest.
    shift = np.uint8(record[splitting.MISSING_LEFT])
    last = np.int64(record[splitting.BIN]) + np.int64(shift)
    limit = np.uint8(last)
    for i in range(U(start), U(end)):
        row = order[i]
        goes = U(np.uint8(bins[U(row) << U(3)] + shift) <= limit)
        order[left], spare[right] = row, row
        left += goes
        right += U(1) - goes
    return np.int64(left - U(start))


@operation
def part_leaf(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Part a chunk of a leaf's rows, and tell how many went left."""
    job = int64s(word(table, at.JOB), at.N_JOB)
    node = int64s(word(table, at.NODES) + 8 * at.N_RECORD * job[2], at.N_RECORD)
    start = job[0] + chunk * job[3]
    counts = int64s(word(table, at.LEFT_COUNTS), chunk + 1)
    counts[chunk] = part_rows(table, node, start, min(job[1], start + job[3]))


@operation
def move_right(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Bring a chunk's right rows back from the spare."""
    n = word(table, at.N_ROWS)
    job = int64s(word(table, at.JOB), at.N_JOB)
    counts = int64s(word(table, at.LEFT_COUNTS), chunk + 1)
    order, spare = uint32s(word(table, at.ORDER), n), uint32s(word(table, at.SPARE), n)
    start, place = job[0] + chunk * job[3], job[4]
    for earlier in range(chunk):
        place += job[3] - counts[earlier]
    for i in range(min(job[1], start + job[3]) - start - counts[chunk]):
        order[place + i] = spare[start + i]


@operation
def scan_leaf(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Best split of a leaf over a part of the features."""
    n_features, n_parts = word(table, at.N_FEATURES), word(table, at.N_PARTS)
    child, part = chunk // n_parts, chunk % n_parts
    job = int64s(word(table, at.JOB), at.N_JOB)
    node = int64s(word(table, at.NODES) + 8 * at.N_RECORD * job[5 + child], at.N_RECORD)
    facts = float64s(word(table, at.FACTS) + 8 * splitting.N_FACTS * child, splitting.N_FACTS)
    size = splitting.N_SCRATCH * 256
    scratch = int64s(word(table, at.SCRATCH) + 8 * size * chunk, size)
    scratch = scratch.reshape((splitting.N_SCRATCH, 256))
    found = int64s(word(table, at.FOUND) + 8 * splitting.N_FOUND * chunk, splitting.N_FOUND)
    allowed = bytes_(word(table, at.ALLOWED) + n_features * child, n_features)
    monotonic = int64s(word(table, at.MONOTONIC), n_features)
    n_bins, is_category = int64s(word(table, at.N_BINS), n_features), word(table, at.CATEGORICAL)
    is_category = bytes_(is_category, n_features)
    sums, counts = slot(table, job[7 + child]), slot(table, word(table, at.N_SLOTS) + 2)
    found.view(np.float64)[splitting.GAIN] = 0.0
    found[splitting.FEATURE] = -1
    for feature in range(n_features * part // n_parts, n_features * (part + 1) // n_parts):
        if not allowed[feature]:
            continue
        own = sums[feature * STRIDE : feature * STRIDE + 256]
        count = counts[feature * STRIDE : feature * STRIDE + 256]
        if is_category[feature]:
            is_better = scan_categories(
                own, count, n_bins[feature], node[at.SUM], facts, scratch, found
            )
        else:
            is_better = scan_number(
                own, count, n_bins[feature], node[at.SUM], facts, monotonic[feature], scratch, found
            )
        if is_better:
            found[splitting.FEATURE] = feature


@operation
def add_leaf_values(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Add each leaf's value to the scores of its rows."""
    n, n_leaves = word(table, at.N_ROWS), word(table, at.N_LEAVES)
    scores, order = float32s(word(table, at.SCORES), n), uint32s(word(table, at.ORDER), n)
    leaves = int64s(word(table, at.LEAVES), 2 * n_leaves).reshape((n_leaves, 2))
    values = float32s(word(table, at.LEAF_VALUES), n_leaves)
    first, last = chunk * BLOCK, (chunk + 1) * BLOCK
    for leaf in range(n_leaves):
        value = values[leaf]
        for i in range(max(first, leaves[leaf, 0]), min(last, leaves[leaf, 1])):
            scores[U(order[i])] += value


@compiled
def leaf_of(nodes, words, row):  # type: ignore[no-untyped-def]
    """Leaf that a row's bins lead to."""
    node = 0
    while nodes[node, at.LEFT] > 0:
        record = nodes[node]
        feature = record[splitting.FEATURE]
        b = (words[feature >> 3, row] >> U(8 * (feature & 7))) & U(255)
        if record[splitting.IS_CATEGORICAL]:
            bits = np.uint64(record[splitting.LEFT_SET + np.int64(b >> U(6))])
            goes = (bits >> (b & U(63))) & U(1) == U(1)
        elif b == U(splitting.MISSING):
            goes = record[splitting.MISSING_LEFT] != 0
        else:
            goes = np.int64(b) <= record[splitting.BIN]
        node = record[at.LEFT] + (0 if goes else 1)
    return node


@operation
def route(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Add a tree's values to the scores of rows that did not grow it: places N_ROOT.. of the order."""
    n, first = word(table, at.N_ROWS), word(table, at.N_ROOT)
    n_nodes = word(table, at.N_LEAVES)
    scores, order = float32s(word(table, at.SCORES), n), uint32s(word(table, at.ORDER), n)
    nodes = int64s(word(table, at.LEAVES), n_nodes * at.N_RECORD).reshape((n_nodes, at.N_RECORD))
    values, words = float32s(word(table, at.LEAF_VALUES), n_nodes), words_of(table)
    for i in range(first + chunk * BLOCK, min(n, first + (chunk + 1) * BLOCK)):
        row = order[i]
        scores[row] += values[leaf_of(nodes, words, row)]
