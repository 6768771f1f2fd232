"""A whole tree in one call: nodes are opened, searched, parted, until none is left to split.

A node's split is found as soon as it is there; then it waits. Without a limit of leaves the last
one that came is split first, else the one of the greatest gain. Which features a node may choose
from depends on the tree's seed and the node's path alone, so that both give the same splits.
"""

import numpy as np

from skextras.trees import forest_slots as at
from skextras.trees.forest_draws import random_below
from skextras.trees.forest_nodes import count_rows, open_node, poisson_impurity
from skextras.trees.forest_scores import WORST
from skextras.trees.forest_search import search_feature
from skextras.trees.memory import (
    bytes_,
    compiled,
    float64s,
    inner,
    int32s,
    int64s,
    uint32s,
    uint64s,
    word,
)

U = np.uint64
EPSILON = 2.220446049250313e-16  # impurity that is none, as in scikit-learn


# ------------------------------------------------------------ search
@inner
def _draw(table, random, n_drawn):  # type: ignore[no-untyped-def]
    """Another feature that was not drawn yet; where it was is noted, to be undone."""
    permutation = int32s(word(table, at.PERMUTATION), word(table, at.N_FEATURES))
    swaps = int32s(word(table, at.SWAPS), word(table, at.N_FEATURES))
    place = n_drawn + random_below(random, permutation.size - n_drawn)
    swaps[n_drawn] = place
    permutation[n_drawn], permutation[place] = permutation[place], permutation[n_drawn]
    return np.int64(permutation[n_drawn])


@inner
def _undo(table, n_drawn):  # type: ignore[no-untyped-def]
    """Puts the features back: a node's choice does not depend on those before it."""
    permutation = int32s(word(table, at.PERMUTATION), word(table, at.N_FEATURES))
    swaps = int32s(word(table, at.SWAPS), word(table, at.N_FEATURES))
    for i in range(n_drawn - 1, -1, -1):
        place = swaps[i]
        permutation[i], permutation[place] = permutation[place], permutation[i]


@inner
def _gain(table):  # type: ignore[no-untyped-def]
    """What the best split takes from the impurity, times weight."""
    facts = float64s(word(table, at.FACTS), at.N_FACTS)
    gain = (facts[at.BEST] - facts[at.BASE]) * float64s(word(table, at.OPTIONS), at.N_OPTIONS)[
        at.GAIN_UNIT
    ]
    if word(table, at.KIND) == at.NUMBER and word(table, at.CRITERION) == at.SQUARES:
        gain *= facts[at.UNIT] * facts[at.UNIT]
    return max(gain, 0.0)


@inner
def _search(table):  # type: ignore[no-untyped-def]
    """Find the split of the node at hand; whether there is one that gains enough."""
    record = int64s(word(table, at.FOUND), at.N_OPEN)
    floats = float64s(word(table, at.FOUND), at.N_OPEN)
    facts = float64s(word(table, at.FACTS), at.N_FACTS)
    random = uint64s(word(table, at.FOUND) + 8 * at.PATH, 1)
    record[at.FEATURE] = -1
    facts[at.BEST], facts[at.LOW], facts[at.HIGH] = WORST, floats[at.LOWER], floats[at.UPPER]
    n_features, n_chosen = word(table, at.N_FEATURES), word(table, at.N_CHOSEN)
    n_drawn, n_constant = 0, 0
    while n_drawn < n_features and (n_drawn < n_chosen or n_drawn <= n_constant):
        feature = _draw(table, random, n_drawn)
        n_drawn += 1
        if not search_feature(table, feature, random):
            n_constant += 1
    _undo(table, n_drawn)
    if record[at.FEATURE] < 0:
        return False
    floats[at.GAIN] = _gain(table)
    return floats[at.GAIN] + EPSILON >= float64s(word(table, at.OPTIONS), at.N_OPTIONS)[at.MIN_GAIN]


@inner
def _may_split(table, rows, depth):  # type: ignore[no-untyped-def]
    facts = float64s(word(table, at.FACTS), at.N_FACTS)
    options = float64s(word(table, at.OPTIONS), at.N_OPTIONS)
    if depth >= word(table, at.MAX_DEPTH) or rows.size < 2:
        return False
    is_light = facts[at.TOTAL_WEIGHT] < 2.0 * options[at.MIN_WEIGHT]
    if is_light or facts[at.IMPURITY] <= options[at.PURE]:
        return False
    min_split = max(word(table, at.MIN_SPLIT), 2 * word(table, at.MIN_LEAF))
    return min_split <= 2 or count_rows(table, rows) >= min_split


@inner
def _begin(table, node):  # type: ignore[no-untyped-def]
    """Opens and searches a node, the rows of which stand in the record at hand; may it split?"""
    record = int64s(word(table, at.FOUND), at.N_OPEN)
    floats = float64s(word(table, at.FOUND), at.N_OPEN)
    facts = float64s(word(table, at.FACTS), at.N_FACTS)
    n_lanes, start = word(table, at.N_LANES), record[at.START]
    rows = uint32s(word(table, at.ORDER) + 4 * start, record[at.END] - start)
    values = float64s(word(table, at.VALUES) + 8 * node * n_lanes, n_lanes)
    kept = int64s(word(table, at.NODES) + 8 * at.N_RECORD * node, at.N_RECORD)
    kept_floats = float64s(word(table, at.NODES) + 8 * at.N_RECORD * node, at.N_RECORD)
    record[at.NODE] = node
    open_node(table, rows, values)
    if word(table, at.IS_MONOTONIC) != 0:
        values[0] = min(max(values[0], floats[at.LOWER]), floats[at.UPPER])
    splits = _may_split(table, rows, record[at.DEPTH]) and _search(table)
    for i in range(at.N_RECORD):
        kept[i] = 0
    kept[at.R_FEATURE] = -1
    kept_floats[at.R_WEIGHT], kept_floats[at.R_IMPURITY] = (
        facts[at.TOTAL_WEIGHT],
        facts[at.IMPURITY],
    )
    return splits


@inner
def _close(table, node):  # type: ignore[no-untyped-def]
    """What only leaves need: how many rows, and the deviance."""
    record = int64s(word(table, at.FOUND), at.N_OPEN)
    start, n_lanes = record[at.START], word(table, at.N_LANES)
    rows = uint32s(word(table, at.ORDER) + 4 * start, record[at.END] - start)
    values = float64s(word(table, at.VALUES) + 8 * node * n_lanes, n_lanes)
    kept = int64s(word(table, at.NODES) + 8 * at.N_RECORD * node, at.N_RECORD)
    kept_floats = float64s(word(table, at.NODES) + 8 * at.N_RECORD * node, at.N_RECORD)
    kept[at.R_COUNT] = count_rows(table, rows)
    if word(table, at.CRITERION) == at.POISSON and kept_floats[at.R_IMPURITY] > 0.0:
        kept_floats[at.R_IMPURITY] = poisson_impurity(table, rows, values)


# ------------------------------------------------------------ parting
@inner
def _ways(table, record):  # type: ignore[no-untyped-def]
    """Which of 256 bins go left."""
    goes_left = bytes_(word(table, at.GOES_LEFT), at.MAX_CODES)
    if record[at.IS_SET]:
        words = uint64s(word(table, at.SPLIT) + 8 * at.SET, 4)
        for b in range(U(at.MAX_CODES)):
            goes_left[b] = (words[b >> U(6)] >> (b & U(63))) & U(1)
    else:
        for b in range(U(at.MAX_CODES)):
            goes_left[b] = b <= U(record[at.BIN])
    goes_left[at.MISSING] = record[at.MISSING_LEFT] == 1


@inner
def _part(table, record):  # type: ignore[no-untyped-def]
    """Left rows first, both sides in their order; place of the first right one."""
    n_rows, start, end = word(table, at.N_ROWS), record[at.START], record[at.END]
    codes = bytes_(word(table, at.CODES) + record[at.FEATURE] * n_rows, n_rows)
    goes_left = bytes_(word(table, at.GOES_LEFT), at.MAX_CODES)
    rows = uint32s(word(table, at.ORDER) + 4 * start, end - start)
    spare = uint32s(word(table, at.SPARE), end - start)
    left = right = U(0)
    for i in range(U(end - start)):
        row = rows[i]
        way = U(goes_left[U(codes[U(row)])])
        rows[left], spare[right] = row, row
        left += way
        right += U(1) - way
    for i in range(right):
        rows[left + i] = spare[i]
    return start + np.int64(left)


@inner
def _take(table, n_open):  # type: ignore[no-untyped-def]
    """Takes the node that is split next out of those that wait: the last, or the best."""
    size, chosen = at.N_OPEN, n_open - 1
    if word(table, at.MAX_LEAVES) > 0:
        floats = float64s(word(table, at.OPEN), size * n_open)
        for i in range(n_open):
            is_better = floats[i * size + at.GAIN] > floats[chosen * size + at.GAIN]
            if is_better or (
                floats[i * size + at.GAIN] == floats[chosen * size + at.GAIN] and i < chosen
            ):
                chosen = i
    waiting = int64s(word(table, at.OPEN), size * n_open)
    split = int64s(word(table, at.SPLIT), size)
    for i in range(size):
        split[i] = waiting[chosen * size + i]
    for i in range(chosen * size, (n_open - 1) * size):  # the others keep their order
        waiting[i] = waiting[i + size]


@inner
def _start_child(table, split, side, middle):  # type: ignore[no-untyped-def]
    """Writes a child's rows, path and bounds into the record at hand."""
    record = int64s(word(table, at.FOUND), at.N_OPEN)
    floats = float64s(word(table, at.FOUND), at.N_OPEN)
    bounds = float64s(word(table, at.SPLIT), at.N_OPEN)
    record[at.DEPTH] = split[at.DEPTH] + 1
    # A step of a hash apart: both children's streams, and those of all paths, differ.
    path = (U(split[at.PATH]) ^ (U(side) + U(0x9E3779B97F4A7C15))) * U(0xFF51AFD7ED558CCD)
    record[at.PATH] = np.int64(path ^ (path >> U(32)))
    floats[at.LOWER], floats[at.UPPER] = bounds[at.LOWER], bounds[at.UPPER]
    rises = int64s(word(table, at.MONOTONIC), word(table, at.N_FEATURES))[split[at.FEATURE]]
    if rises != 0:
        if (rises > 0) == (side == 0):
            floats[at.UPPER] = middle
        else:
            floats[at.LOWER] = middle


@inner
def _wait(table, n_open):  # type: ignore[no-untyped-def]
    record = int64s(word(table, at.FOUND), at.N_OPEN)
    waiting = int64s(word(table, at.OPEN), at.N_OPEN * (n_open + 1))
    for i in range(at.N_OPEN):
        waiting[n_open * at.N_OPEN + i] = record[i]


@inner
def _split(table, n_nodes, n_open):  # type: ignore[no-untyped-def]
    """Parts a node's rows and begins both children; how many nodes wait then."""
    split = int64s(word(table, at.SPLIT), at.N_OPEN)
    node = split[at.NODE]
    kept = int64s(word(table, at.NODES) + 8 * at.N_RECORD * node, at.N_RECORD)
    kept_floats = float64s(word(table, at.NODES) + 8 * at.N_RECORD * node, at.N_RECORD)
    floats = float64s(word(table, at.SPLIT), at.N_OPEN)
    _ways(table, split)
    middle_row = _part(table, split)
    left_size, right_size = middle_row - split[at.START], split[at.END] - middle_row
    if split[at.MISSING_LEFT] < 0:  # none was missing here: later ones go where most rows went
        split[at.MISSING_LEFT] = left_size > right_size
    kept[at.R_FEATURE], kept[at.R_BIN] = split[at.FEATURE], split[at.BIN]
    kept[at.R_MISSING_LEFT], kept[at.R_LEFT] = split[at.MISSING_LEFT], n_nodes
    kept[at.R_SET] = split[at.IS_SET]
    kept_floats[at.R_GAIN] = floats[at.GAIN]
    if split[at.IS_SET]:
        sets = int64s(word(table, at.SETS) + 32 * node, 4)
        for i in range(4):
            sets[i] = split[at.SET + i]
    record = int64s(word(table, at.FOUND), at.N_OPEN)
    for side in range(1, -1, -1):  # the left child waits on top
        _start_child(table, split, side, floats[at.MIDDLE])
        record[at.START] = middle_row if side else split[at.START]
        record[at.END] = split[at.END] if side else middle_row
        if _begin(table, n_nodes + side):
            _wait(table, n_open)
            n_open += 1
        else:
            _close(table, n_nodes + side)
    return n_open


@compiled
def grow_tree(table: int, n_rows: int) -> int:
    """Grow the tree that the table describes, on the first rows of its order; how many nodes."""
    record = int64s(word(table, at.FOUND), at.N_OPEN)
    floats = float64s(word(table, at.FOUND), at.N_OPEN)
    record[at.START], record[at.END], record[at.DEPTH] = 0, n_rows, 0
    record[at.PATH] = word(table, at.SEED)
    floats[at.LOWER], floats[at.UPPER] = WORST, -WORST
    n_nodes, n_open, n_leaves = 1, 0, 1
    if _begin(table, 0):
        _wait(table, 0)
        n_open = 1
    else:
        _close(table, 0)
    max_leaves = word(table, at.MAX_LEAVES)
    while n_open > 0 and (max_leaves <= 0 or n_leaves < max_leaves):
        _take(table, n_open)
        n_open = _split(table, n_nodes, n_open - 1)
        n_nodes += 2
        n_leaves += 1
    for i in range(n_open):  # there was no leaf left for them
        waiting = int64s(word(table, at.OPEN) + 8 * at.N_OPEN * i, at.N_OPEN)
        record[at.START], record[at.END] = waiting[at.START], waiting[at.END]
        _close(table, waiting[at.NODE])
    for node in range(n_nodes - 1, -1, -1):
        kept = int64s(word(table, at.NODES) + 8 * at.N_RECORD * node, at.N_RECORD)
        left = kept[at.R_LEFT]
        if left > 0:
            below = int64s(word(table, at.NODES) + 8 * at.N_RECORD * left, 2 * at.N_RECORD)
            kept[at.R_COUNT] = below[at.R_COUNT] + below[at.N_RECORD + at.R_COUNT]
    return n_nodes
