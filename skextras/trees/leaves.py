"""What threads do to the rows of a leaf: sum, scan, part; and what a tree does to scores."""

from typing import Any

import numpy as np

from skextras.trees import splitting
from skextras.trees import workspace as at
from skextras.trees.columns import ALONE, COLUMN, N_CODES, N_PLACE, left_codes, unshare
from skextras.trees.histogram import (
    AHEAD,
    BOUND,
    CHUNK,
    GROUP_STRIDE,
    STRIDE,
    STRIP,
    add,
    add_all,
    add_some,
    clear,
    copy,
    subtract,
)
from skextras.trees.memory import (
    bytes_,
    float32s,
    float64s,
    inner,
    int64s,
    operation,
    prefetch,
    uint32s,
    uint64s,
    view,
    word,
)
from skextras.trees.splitting import scan_categories, scan_number

BLOCK = 16384  # rows of a chunk where each is touched once
DENSE = 6  # in a leaf of a sixth of the rows, they share cache lines of a group in one piece
U = np.uint64


@inner
def slot(table: int, number: int) -> int:
    """Address of a histogram in the pool."""
    return word(table, at.POOL) + 8 * number * word(table, at.N_GROUPS) * GROUP_STRIDE


@view
def bound_of(sums: int, column: int) -> Any:
    """What no gain by a column exceeds: a word between its bins and the next column's."""
    return float64s(sums + 8 * (STRIDE * column + BOUND), 1)


@view
def counts_of(table: int, column: int) -> Any:
    """Rows by bin of a column, where they are counted: in the last slot."""
    return int64s(slot(table, word(table, at.N_SLOTS) + 2) + 8 * STRIDE * column, 256)


@inner
def local(table: int, thread: int) -> int:
    """Address of a thread's own histogram."""
    return word(table, at.LOCAL) + 8 * thread * word(table, at.N_GROUPS) * GROUP_STRIDE


@view
def record_of(table: int, node: int) -> Any:
    """A node's record."""
    return int64s(word(table, at.NODES) + 8 * at.N_RECORD * node, at.N_RECORD)


@view
def floats_of(table: int, node: int) -> Any:
    """The same record's floating-point numbers."""
    return float64s(word(table, at.NODES) + 8 * at.N_RECORD * node, at.N_RECORD)


@view
def sums_at(table: int, address: int) -> Any:
    """A histogram, all groups in a row."""
    return int64s(address, word(table, at.N_GROUPS) * GROUP_STRIDE)


@view
def n_bins_of(table: int) -> Any:
    """Bins of each column, without that of missing values."""
    return int64s(word(table, at.N_BINS), word(table, at.N_COLUMNS))


@view
def place_of(table: int, feature: int) -> Any:
    """Where a feature is found."""
    return int64s(word(table, at.PLACES) + 8 * N_PLACE * feature, N_PLACE)


@view
def codes_of(table: int, column: int) -> Any:
    """Bytes of a column: that of row i is number 8 i."""
    n = word(table, at.N_ROWS)
    return bytes_(word(table, at.WORDS) + (column >> 3) * n * 8 + (column & 7), 8 * n)


@operation
def pack(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Gradient and hessian of each row to one integer in fixed point; rows to their order."""
    n = word(table, at.N_ROWS)
    facts = float64s(word(table, at.FACTS), splitting.N_FACTS)
    g_scale = np.float32(facts[splitting.GRADIENT_SCALE])
    h_scale = np.float32(facts[splitting.HESSIAN_SCALE])
    gradient, hessian = float32s(word(table, at.GRADIENT), n), float32s(word(table, at.HESSIAN), n)
    payload = int64s(word(table, at.PAYLOAD), n)
    half, least = np.float32(0.5), np.int64(1)
    if word(table, at.N_ROOT) == n:
        order = uint32s(word(table, at.ORDER), n)
        for i in range(U(chunk * BLOCK), U(min(n, (chunk + 1) * BLOCK))):
            order[i] = i
    for i in range(U(chunk * BLOCK), U(min(n, (chunk + 1) * BLOCK))):
        g = np.int64(np.floor(gradient[i] * g_scale + half))
        h = np.int64(np.floor(hessian[i] * h_scale + half))
        payload[i] = (g << 32) + h
        least = min(least, h)
    if least == 0:
        int64s(word(table, at.STATE), at.N_STATE)[at.HAS_WEIGHTLESS] = 1


@inner
def _sum_all(table, start, end, sums):  # type: ignore[no-untyped-def]
    n, n_columns = word(table, at.N_ROWS), word(table, at.N_COLUMNS)
    payload = int64s(word(table, at.PAYLOAD), n)
    for group in range(word(table, at.N_GROUPS)):
        bins = uint64s(word(table, at.WORDS) + 8 * n * group, n)
        own = int64s(sums + 8 * GROUP_STRIDE * group, GROUP_STRIDE)
        add_all(bins, payload, own, (start, end), n_columns - 8 * group > 4)


@inner
def _sum_places(table, start, end, sums, thread):  # type: ignore[no-untyped-def]
    """Add the rows at places start to end of the order."""
    n, n_columns = word(table, at.N_ROWS), word(table, at.N_COLUMNS)
    job = int64s(word(table, at.JOB), at.N_JOB)
    words, step, to_group = word(table, at.WORDS), 1, n
    if DENSE * (job[at.TO] - job[at.FROM]) < n:
        words, step = word(table, at.ROW_WORDS), word(table, at.TO_NEXT_ROW)
        to_group = word(table, at.TO_NEXT_GROUP)
    payload = int64s(word(table, at.PAYLOAD), n)
    for first in range(start, end, STRIP):
        m = min(end - first, STRIP)
        order = uint32s(word(table, at.ORDER) + 4 * first, m + AHEAD)
        picked = int64s(word(table, at.PICKED) + 8 * STRIP * thread, m)
        for i in range(U(m)):
            picked[i] = payload[U(order[i])]
        for group in range(word(table, at.N_GROUPS)):
            bins = uint64s(words + 8 * to_group * group, n * step)
            own = int64s(sums + 8 * GROUP_STRIDE * group, GROUP_STRIDE)
            add_some(bins, order, picked, own, step, n_columns - 8 * group > 4)


@operation
def sum_part(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Histogram of rows: of all of them into the target, or of a chunk into the thread's own."""
    job = int64s(word(table, at.JOB), at.N_JOB)
    start, end, sums = job[at.FROM], job[at.TO], job[at.TARGET]
    is_first = True
    if sums == 0:
        touched = int64s(word(table, at.TOUCHED), thread + 1)
        is_first, touched[thread] = touched[thread] == 0, 1
        sums = local(table, thread)
        start += chunk * CHUNK
        end = min(end, start + CHUNK)
    if is_first:
        clear(sums_at(table, sums), n_bins_of(table))
    if job[at.WHAT] == at.ALL_ROWS:
        _sum_all(table, start, end, sums)
    else:
        _sum_places(table, start, end, sums, thread)


@view
def _bins_of_group(table, group):  # type: ignore[no-untyped-def]
    """Bins of each column of a group."""
    n = min(8, word(table, at.N_COLUMNS) - 8 * group)
    return int64s(word(table, at.N_BINS) + 64 * group, n)


@view
def _sums_of_group(histogram, group):  # type: ignore[no-untyped-def]
    """A group's part of the histogram at an address."""
    return int64s(histogram + 8 * GROUP_STRIDE * group, GROUP_STRIDE)


@operation
def gather_group(table, group, thread):  # type: ignore[no-untyped-def]
    """Add up what the threads have summed of a group."""
    n_threads, n_bins = word(table, at.N_THREADS), _bins_of_group(table, group)
    total = _sums_of_group(int64s(word(table, at.JOB), at.N_JOB)[at.TARGET], group)
    touched = int64s(word(table, at.TOUCHED), n_threads)
    is_first = True
    for one in range(n_threads):
        if touched[one]:
            part = _sums_of_group(local(table, one), group)
            if is_first:
                copy(total, part, n_bins)
            else:
                add(total, part, n_bins)
            is_first = False


@inner
def _part_rows(table, record, start, end):  # type: ignore[no-untyped-def]
    """Stable partition without a branch: left rows stay in order, right ones go to the spare."""
    n = word(table, at.N_ROWS)
    order, spare = uint32s(word(table, at.ORDER), n + AHEAD), uint32s(word(table, at.SPARE), n)
    place = place_of(table, record[splitting.FEATURE])
    bins = codes_of(table, place[COLUMN])
    left, right = U(start), U(start)
    if record[splitting.IS_CATEGORICAL]:
        for i in range(U(start), U(end)):
            row = order[i]
            prefetch(bins, np.int64(order[i + U(AHEAD)]) << 3)
            b = U(bins[U(row) << U(3)])
            goes = (U(record[U(splitting.LEFT_SET) + (b >> U(6))]) >> (b & U(63))) & U(1)
            order[left], spare[right] = row, row
            left += goes
            right += U(1) - goes
        return np.int64(left - U(start))
    shift, limit = left_codes(record[splitting.BIN], record[splitting.MISSING_LEFT], place)
    for i in range(U(start), U(end)):
        row = order[i]
        prefetch(bins, np.int64(order[i + U(AHEAD)]) << 3)
        goes = U(np.uint8(bins[U(row) << U(3)] + shift) <= limit)
        order[left], spare[right] = row, row
        left += goes
        right += U(1) - goes
    return np.int64(left - U(start))


@operation
def part_leaf(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Part a chunk of a leaf's rows, and tell how many went left."""
    job = int64s(word(table, at.JOB), at.N_JOB)
    start = job[at.FROM] + chunk * job[at.SIZE]
    counts = int64s(word(table, at.LEFT_COUNTS), chunk + 1)
    record = record_of(table, job[at.PARTED])
    counts[chunk] = _part_rows(table, record, start, min(job[at.TO], start + job[at.SIZE]))


@operation
def move_right(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Bring a chunk's right rows back from the spare."""
    n = word(table, at.N_ROWS)
    job = int64s(word(table, at.JOB), at.N_JOB)
    counts = int64s(word(table, at.LEFT_COUNTS), chunk + 1)
    order, spare = uint32s(word(table, at.ORDER), n), uint32s(word(table, at.SPARE), n)
    start, place = job[at.FROM] + chunk * job[at.SIZE], job[at.PLACE]
    for earlier in range(chunk):
        place += job[at.SIZE] - counts[earlier]
    for i in range(min(job[at.TO], start + job[at.SIZE]) - start - counts[chunk]):
        order[place + i] = spare[start + i]


@inner
def scan_features(table, group, child, column):  # type: ignore[no-untyped-def]
    """Best split of a leaf over the features of a group, or over those of one column (>= 0).

    Beside each column's sums stands what none of its gains exceeds.
    """
    n_features, n_groups = word(table, at.N_FEATURES), word(table, at.N_GROUPS)
    job = int64s(word(table, at.JOB), at.N_JOB)
    total = record_of(table, job[at.SCANNED + child])[at.SUM]
    facts = float64s(word(table, at.FACTS) + 8 * splitting.N_FACTS * child, splitting.N_FACTS)
    scratch = word(table, at.SCRATCH) + splitting.N_SCRATCH * splitting.ROW * group
    address = word(table, at.FOUND) + 8 * splitting.N_FOUND * (child * n_groups + group)
    found, best = int64s(address, splitting.N_FOUND), float64s(address + 8 * splitting.GAIN, 1)
    allowed = bytes_(word(table, at.ALLOWED) + n_features * child, n_features)
    monotonic = int64s(word(table, at.MONOTONIC), n_features)
    n_bins = int64s(word(table, at.FEATURE_BINS), n_features)
    is_category = bytes_(word(table, at.CATEGORICAL), n_features)
    sums = slot(table, job[at.SCANNED_SLOT + child])
    best[0] = 0.0
    found[splitting.FEATURE] = -1
    starts = int64s(word(table, at.MEMBER_STARTS), n_groups + 1)
    members = int64s(word(table, at.MEMBERS), n_features)
    if column < 0:
        for one in range(8 * group, min(8 * group + 8, word(table, at.N_COLUMNS))):
            bound_of(sums, one)[0] = 0.0
    for member in range(starts[group], starts[group + 1]):
        feature = members[member]
        place = place_of(table, feature)
        if not allowed[feature] or (column >= 0 and place[COLUMN] != column):
            continue
        bound, before = bound_of(sums, place[COLUMN]), best[0]
        own = int64s(sums + 8 * STRIDE * place[COLUMN], 256)
        count = counts_of(table, place[COLUMN])
        if place[N_CODES] != ALONE:
            spare = int64s(scratch + splitting.ROW * splitting.ORDER, 256)
            unshare(own, place, total, spare)
            own = spare
            if facts[splitting.MIN_COUNT] > 0:
                spare = int64s(scratch + splitting.ROW * splitting.KEYS, 256)
                unshare(count, place, np.int64(facts[splitting.N_ROWS]), spare)
                count = spare
        if is_category[feature]:
            most = scan_categories(own, count, n_bins[feature], total, facts, scratch, address)
        else:
            most = scan_number(
                own, count, n_bins[feature], total, facts, monotonic[feature], scratch, address
            )
        bound[0] = max(bound[0], most)
        if best[0] > before:
            found[splitting.FEATURE] = feature


@operation
def scan_group(table, group, thread):  # type: ignore[no-untyped-def]
    """Over a group of features: what the larger child inherits, and the best splits of leaves."""
    job = int64s(word(table, at.JOB), at.N_JOB)
    if job[at.WHOLE] >= 0:
        whole = _sums_of_group(slot(table, job[at.WHOLE]), group)
        part = _sums_of_group(slot(table, job[at.PART]), group)
        subtract(whole, part, _bins_of_group(table, group))
    for child in range(job[at.N_SCANNED]):
        scan_features(table, group, child, -1)


@operation
def add_leaf_values(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Add each leaf's value to the scores of its rows."""
    n, n_leaves = word(table, at.N_ROWS), word(table, at.N_LEAVES)
    scores, order = float32s(word(table, at.SCORES), n), uint32s(word(table, at.ORDER), n)
    leaves = int64s(word(table, at.LEAVES), 2 * n_leaves)
    values = float32s(word(table, at.LEAF_VALUES), n_leaves)
    first, last = chunk * BLOCK, (chunk + 1) * BLOCK
    for leaf in range(n_leaves):
        value = values[leaf]
        for i in range(max(first, leaves[2 * leaf]), min(last, leaves[2 * leaf + 1])):
            scores[U(order[i])] += value


@inner
def leaf_of(table, row):  # type: ignore[no-untyped-def]
    """Leaf of the records in LEAVES that a row's bins lead to."""
    node = 0
    while True:
        record = int64s(word(table, at.LEAVES) + 8 * at.N_RECORD * node, at.N_RECORD)
        if record[at.LEFT] == 0:
            return node
        place = place_of(table, record[splitting.FEATURE])
        b = codes_of(table, place[COLUMN])[8 * row]
        if record[splitting.IS_CATEGORICAL]:
            goes = (record[splitting.LEFT_SET + (b >> 6)] >> (b & 63)) & 1
        else:
            is_left = record[splitting.MISSING_LEFT]
            shift, limit = left_codes(record[splitting.BIN], is_left, place)
            goes = np.int64(np.uint8(b + shift) <= limit)
        node = record[at.LEFT] + 1 - goes


@operation
def route(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Add a tree's values to the scores of rows that did not grow it, from place N_ROOT on."""
    n, first = word(table, at.N_ROWS), word(table, at.N_ROOT)
    scores, order = float32s(word(table, at.SCORES), n), uint32s(word(table, at.ORDER), n)
    values = float32s(word(table, at.LEAF_VALUES), word(table, at.N_LEAVES))
    for i in range(first + chunk * BLOCK, min(n, first + (chunk + 1) * BLOCK)):
        row = np.int64(order[i])
        scores[row] += values[leaf_of(table, row)]
