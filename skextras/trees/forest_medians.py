"""Splits that make the absolute error small: medians on both sides of each gap.

Rows come in the order of a feature's bins; a Fenwick tree over their targets' ranks [1]_ holds the
weight and the weighted sum below any rank, so that the median of what has come, and what all of it
is away from that, take a logarithm of the rows.

References
----------
.. [1] P. Fenwick, "A New Data Structure for Cumulative Frequency Tables", Software: Practice and
   Experience 24(3), 1994.
"""

import numpy as np

from skextras.trees import forest_slots as at
from skextras.trees.forest_scores import WORST, is_allowed
from skextras.trees.forest_sums import place_of_codes
from skextras.trees.memory import bytes_, float64s, inner, int32s, int64s, uint32s, word

U = np.uint64


@inner
def _sift(order, targets, root, n):  # type: ignore[no-untyped-def]
    """Lets an item sink until no item below it is greater."""
    item = order[root]
    child = 2 * root + 1
    while child < n:
        if child + 1 < n and targets[order[child + 1]] > targets[order[child]]:
            child += 1
        if targets[order[child]] <= targets[item]:
            break
        order[root] = order[child]
        root, child = child, 2 * child + 1
    order[root] = item


@inner
def _sort(order, targets, n):  # type: ignore[no-untyped-def]
    """Sorts places by their targets: by a heap, which needs no memory (Williams, 1964)."""
    for root in range(n // 2 - 1, -1, -1):
        _sift(order, targets, root, n)
    for last in range(n - 1, 0, -1):
        order[0], order[last] = order[last], order[0]
        _sift(order, targets, 0, last)


@inner
def _middle(table, n, h):  # type: ignore[no-untyped-def]
    """Median of a node's sorted targets; the mean of two that part the weight in halves."""
    sorted_ = int64s(word(table, at.SORTED), n)
    targets = float64s(word(table, at.LOCAL_TARGETS), n)
    weights = float64s(word(table, at.DIFFERENCES), n)
    below, i = 0.0, 0
    while below + weights[sorted_[i]] < 0.5 * h:
        below += weights[sorted_[i]]
        i += 1
    found = targets[sorted_[i]]
    if below + weights[sorted_[i]] == 0.5 * h and i + 1 < n:
        found = 0.5 * (found + targets[sorted_[i + 1]])
    return found


@inner
def open_medians(table, rows, values):  # type: ignore[no-untyped-def]
    """Medians of the node's rows, and the ranks of their targets."""
    n_rows, n_outputs = word(table, at.N_ROWS), word(table, at.N_OUTPUTS)
    weights = int64s(word(table, at.WEIGHTS), n_rows)
    all_targets = float64s(word(table, at.TARGETS), n_rows * n_outputs)
    own = float64s(word(table, at.DIFFERENCES), rows.size)
    facts = float64s(word(table, at.FACTS), at.N_FACTS)
    n, h, cost = rows.size, 0.0, 0.0
    sorted_ = int64s(word(table, at.SORTED), n)
    local = float64s(word(table, at.LOCAL_TARGETS), n)
    for i in range(n):
        own[i] = np.float64(weights[U(rows[i])])
        h += own[i]
    for v in range(n_outputs):
        ranks = int32s(word(table, at.RANKS) + 4 * v * n_rows, n)
        origin = all_targets[U(rows[0]) * U(n_outputs) + U(v)]
        for i in range(n):
            local[i] = all_targets[U(rows[i]) * U(n_outputs) + U(v)] - origin
            sorted_[i] = i
        _sort(sorted_, local, n)
        middle = _middle(table, n, h)
        for i in range(n):
            ranks[sorted_[i]] = i
            cost += own[i] * abs(local[i] - middle)
        values[v] = origin + middle
    facts[at.TOTAL_WEIGHT], facts[at.BASE] = h, -cost
    facts[at.IMPURITY] = cost / h / n_outputs


@inner
def _arrange(table, codes, step, start, n):  # type: ignore[no-untyped-def]
    """Puts a node's rows in the order of their bins; lists the bins, and where each begins."""
    rows = uint32s(word(table, at.ORDER) + 4 * start, n)
    begins = int64s(word(table, at.HISTOGRAM), 257)
    seen = int64s(word(table, at.SEEN), 257)
    arranged = int64s(word(table, at.SORTED), n)
    for b in range(257):
        begins[b] = 0
    for i in range(U(n)):
        begins[U(codes[U(rows[i]) * step]) + U(1)] += 1
    n_seen = 0
    for b in range(256):
        if begins[b + 1] > 0:
            seen[n_seen] = b
            n_seen += 1
        begins[b + 1] += begins[b]
    for i in range(U(n)):
        own = U(codes[U(rows[i]) * step])
        arranged[U(begins[own])] = np.int64(i)
        begins[own] += 1
    for b in range(256, 0, -1):  # they moved on to where the next bin begins
        begins[b] = begins[b - 1]
    begins[0] = 0
    return n_seen


@inner
def _insert(table, ranks, targets, i, n):  # type: ignore[no-untyped-def]
    """Adds a row to the Fenwick tree: weights, and weighted targets."""
    weights = float64s(word(table, at.DIFFERENCES), n)
    tree = float64s(word(table, at.FENWICK), 2 * (n + 1))
    w, place = weights[i], np.int64(ranks[i]) + 1
    while place <= n:
        tree[2 * place] += w
        tree[2 * place + 1] += w * targets[i]
        place += place & -place


@inner
def _cost(table, n, sums):  # type: ignore[no-untyped-def]
    """What the rows of the tree are away from their median; sums: their weight, and their sum."""
    tree = float64s(word(table, at.FENWICK), 2 * (n + 1))
    sorted_targets = float64s(word(table, at.SORTED_TARGETS), n)
    h, s = sums
    place, step, below, s_below = 0, 1, 0.0, 0.0
    while 2 * step <= n:
        step *= 2
    while step > 0:
        further = place + step
        if further <= n and below + tree[2 * further] < 0.5 * h:
            place = further
            below += tree[2 * place]
            s_below += tree[2 * place + 1]
        step //= 2
    middle = sorted_targets[min(place, n - 1)]
    return middle * below - s_below + (s - s_below) - middle * (h - below)


@inner
def _rank_before(tree, n, mark, may_meet):  # type: ignore[no-untyped-def]
    """Rank up to which the rows of the tree weigh less than the mark, or meet it at most."""
    place, step, below = 0, 1, 0.0
    while 2 * step <= n:
        step *= 2
    while step > 0:
        further = place + step
        if further <= n:
            reached = below + tree[2 * further]
            if reached < mark or (may_meet and reached == mark):
                place, below = further, reached
        step //= 2
    return min(place, n - 1)


@inner
def _median(table, n, h):  # type: ignore[no-untyped-def]
    """Median of the rows of the tree; the mean of two that part the weight in halves."""
    tree = float64s(word(table, at.FENWICK), 2 * (n + 1))
    sorted_targets = float64s(word(table, at.SORTED_TARGETS), n)
    lower = sorted_targets[_rank_before(tree, n, 0.5 * h, False)]
    return 0.5 * (lower + sorted_targets[_rank_before(tree, n, 0.5 * h, True)])


@inner
def _pass(table, n, v, is_left, n_seen):  # type: ignore[no-untyped-def]
    """Adds to the costs of all gaps those of one side, bin by bin in the order that was seen."""
    n_rows = word(table, at.N_ROWS)
    begins = int64s(word(table, at.HISTOGRAM), 257)
    seen = int64s(word(table, at.SEEN), 257)
    arranged = int64s(word(table, at.SORTED), n)
    weights = float64s(word(table, at.DIFFERENCES), n)
    ranks = int32s(word(table, at.RANKS) + 4 * v * n_rows, n)
    targets = float64s(word(table, at.LOCAL_TARGETS), n)
    tree = float64s(word(table, at.FENWICK), 2 * (n + 1))
    costs = float64s(word(table, at.SIDES), 257)
    is_bound = word(table, at.IS_MONOTONIC) != 0
    medians = float64s(word(table, at.SIDE_MEDIANS), 2 * at.MAX_GAPS)
    for i in range(2 * (n + 1)):
        tree[i] = 0.0
    h, s = 0.0, 0.0
    for step in range(n_seen - 1):
        own = step if is_left else n_seen - 1 - step
        b = seen[own]
        for place in range(begins[b], begins[b + 1]):
            i = arranged[place]
            _insert(table, ranks, targets, i, n)
            h += weights[i]
            s += weights[i] * targets[i]
        costs[own + 1 if is_left else own] += _cost(table, n, (h, s))
        if is_bound:
            medians[own + 1 if is_left else at.MAX_GAPS + own] = _median(table, n, h)


@inner
def _sum_costs(table, start, n, n_seen):  # type: ignore[no-untyped-def]
    """Absolute errors of both sides of each gap, over all outputs."""
    n_rows, n_outputs = word(table, at.N_ROWS), word(table, at.N_OUTPUTS)
    rows = uint32s(word(table, at.ORDER) + 4 * start, n)
    all_targets = float64s(word(table, at.TARGETS), n_rows * n_outputs)
    local = float64s(word(table, at.LOCAL_TARGETS), n)
    sorted_targets = float64s(word(table, at.SORTED_TARGETS), n)
    costs = float64s(word(table, at.SIDES), 257)
    for gap in range(257):
        costs[gap] = 0.0
    for v in range(n_outputs):
        ranks = int32s(word(table, at.RANKS) + 4 * v * n_rows, n)
        origin = all_targets[U(rows[0]) * U(n_outputs) + U(v)]
        for i in range(n):
            local[i] = all_targets[U(rows[i]) * U(n_outputs) + U(v)] - origin
            sorted_targets[ranks[i]] = local[i]
        _pass(table, n, v, True, n_seen)
        _pass(table, n, v, False, n_seen)
        if word(table, at.IS_MONOTONIC) != 0:
            medians = float64s(word(table, at.SIDE_MEDIANS), 2 * at.MAX_GAPS)
            for i in range(2 * at.MAX_GAPS):
                medians[i] += origin


@inner
def _may_part(table, gap):  # type: ignore[no-untyped-def]
    """Whether the medians beside a gap keep to the monotonic constraints."""
    if word(table, at.IS_MONOTONIC) == 0:
        return True
    medians = float64s(word(table, at.SIDE_MEDIANS), 2 * at.MAX_GAPS)
    return is_allowed(table, medians[gap], medians[at.MAX_GAPS + gap])


@inner
def _note_middle(table, gap):  # type: ignore[no-untyped-def]
    """Notes the middle between the medians beside a gap, which bounds all below them."""
    if word(table, at.IS_MONOTONIC) != 0:
        medians = float64s(word(table, at.SIDE_MEDIANS), 2 * at.MAX_GAPS)
        facts = float64s(word(table, at.FACTS), at.N_FACTS)
        facts[at.MIDDLE_SEEN] = 0.5 * (medians[gap] + medians[at.MAX_GAPS + gap])


@inner
def add_by_median(table, feature, start, n):  # type: ignore[no-untyped-def]
    """Puts the rows in the order of the feature's bins; how many bins hold any."""
    address, apart = place_of_codes(table, feature, n)
    codes = bytes_(address, word(table, at.N_ROWS) * apart)
    return _arrange(table, codes, U(apart), start, n)


@inner
def _place_missing(seen, n_real, has_missing, shift):  # type: ignore[no-untyped-def]
    """Lists the missing bin behind the others, or before them."""
    if has_missing > 0:
        seen[n_real] = at.MISSING
    if shift > 0:
        for i in range(n_real, 0, -1):
            seen[i] = seen[i - 1]
        seen[0] = at.MISSING


@inner
def look_by_median(table, span, gaps, is_left):  # type: ignore[no-untyped-def]
    """Best gap by absolute error; span: the rows; gaps: first, after the last, bins seen.

    The missing bin, where there is one, is the last of those that were seen or, if it is to go
    left, the first. Returns the score, and the place of the first right bin among the others.
    """
    start, n = span
    first, last, n_real, has_missing = gaps
    seen = int64s(word(table, at.SEEN), 257)
    begins = int64s(word(table, at.HISTOGRAM), 257)
    arranged = int64s(word(table, at.SORTED), n)
    weights = float64s(word(table, at.DIFFERENCES), n)
    rows = uint32s(word(table, at.ORDER) + 4 * start, n)
    counts = int32s(word(table, at.COUNTS), word(table, at.N_ROWS))
    costs = float64s(word(table, at.SIDES), 257)
    shift = has_missing if is_left else np.int64(0)
    _place_missing(seen, n_real, has_missing, shift)
    n_seen = n_real + has_missing
    _sum_costs(table, start, n, n_seen)
    total = float64s(word(table, at.FACTS), at.N_FACTS)[at.TOTAL_WEIGHT]
    min_weight = float64s(word(table, at.OPTIONS), at.N_OPTIONS)[at.MIN_WEIGHT]
    min_leaf, n_total = word(table, at.MIN_LEAF), np.int64(0)
    for i in range(n):
        n_total += counts[U(rows[i])]
    h, n_left, best, found = 0.0, np.int64(0), WORST, np.int64(0)
    for gap in range(1, n_seen):
        b = seen[gap - 1]
        for place in range(begins[b], begins[b + 1]):
            h += weights[arranged[place]]
            n_left += counts[U(rows[arranged[place]])]
        is_asked = first <= gap - shift < last
        is_small = h < min_weight or total - h < min_weight
        if not is_asked or is_small or n_left < min_leaf or n_total - n_left < min_leaf:
            continue
        if -costs[gap] > best and _may_part(table, gap):
            best, found = -costs[gap], gap - shift
    _note_middle(table, found + shift)
    for i in range(n_real):
        seen[i] = seen[i + shift]
    return best, found


@inner
def sort_by_mean(table, start, n, n_real):  # type: ignore[no-untyped-def]
    """Puts categories in the order of the means of their first targets."""
    rows = uint32s(word(table, at.ORDER) + 4 * start, n)
    n_outputs = word(table, at.N_OUTPUTS)
    targets = float64s(word(table, at.TARGETS), word(table, at.N_ROWS) * n_outputs)
    weights = float64s(word(table, at.DIFFERENCES), n)
    begins = int64s(word(table, at.HISTOGRAM), 257)
    arranged = int64s(word(table, at.SORTED), n)
    seen = int64s(word(table, at.SEEN), 257)
    keys = float64s(word(table, at.SIDES), 257)
    for i in range(n_real):
        b, h, s = seen[i], 0.0, 0.0
        for place in range(begins[b], begins[b + 1]):
            own = arranged[place]
            h += weights[own]
            s += weights[own] * targets[U(rows[own]) * U(n_outputs)]
        place = i
        while place > 0 and keys[place - 1] > s / h:
            keys[place], seen[place] = keys[place - 1], seen[place - 1]
            place -= 1
        keys[place], seen[place] = s / h, b
