"""The best split of one feature for the rows of a node: sums by bin, then a look at each gap."""

import numpy as np

from skextras.trees import forest_slots as at
from skextras.trees.forest_draws import random_below, random_word
from skextras.trees.forest_medians import add_by_median, look_by_median, sort_by_mean
from skextras.trees.forest_scores import (
    LOWER_HALF,
    WORST,
    is_allowed,
    lanes_score,
    sums_score,
    sums_value,
)
from skextras.trees.forest_sums import add_rows, clear
from skextras.trees.memory import bytes_, float64s, inner, int64s, uint64s, word

U = np.uint64


# ------------------------------------------------------------ categories in an order
@inner
def _key(table, b, direction):  # type: ignore[no-untyped-def]
    """What a category's place goes by: its mean, of a random half of the classes if many."""
    kind = word(table, at.KIND)
    if kind == at.CLASSES_2 or kind == at.NUMBER:
        p = int64s(word(table, at.HISTOGRAM), 256)[b]
        return np.float64(p >> 32) / np.float64(p & LOWER_HALF)
    n_lanes = word(table, at.N_LANES)
    lanes = float64s(word(table, at.LANES), 256 * (n_lanes + 1))
    first, total = b * (n_lanes + 1), 0.0
    for v in range(n_lanes):
        sign = U(v) * U(0x9E3779B97F4A7C15) + direction
        sign = (sign ^ (sign >> U(29))) * U(0xBF58476D1CE4E5B9)
        if kind != at.CLASSES or (sign >> U(63)) == U(1):
            total += lanes[first + 1 + v]
    return total / lanes[first]


@inner
def _sort_categories(table, n, random):  # type: ignore[no-untyped-def]
    """Puts the bins that were seen in the order of their means, in which the best set is a prefix.

    For two classes and for numbers that is exact (Fisher, 1958).
    """
    seen = int64s(word(table, at.SEEN), 257)
    keys = float64s(word(table, at.SIDES), 256)
    direction = random_word(random)
    for i in range(n):
        b = seen[i]
        key = _key(table, b, direction)
        place = i
        while place > 0 and keys[place - 1] > key:
            keys[place], seen[place] = keys[place - 1], seen[place - 1]
            place -= 1
        keys[place], seen[place] = key, b


@inner
def _random_gap(table, feature, n, random):  # type: ignore[no-untyped-def]
    """Place of the first right bin, of a cut that is uniform between the least and the greatest."""
    seen = int64s(word(table, at.SEEN), 257)
    if bytes_(word(table, at.CATEGORICAL), feature + 1)[feature]:
        for i in range(n - 1, 0, -1):
            j = random_below(random, i + 1)
            seen[i], seen[j] = seen[j], seen[i]
        return 1 + random_below(random, n - 1)
    first = int64s(word(table, at.CENTRE_STARTS), feature + 1)[feature]
    centres = float64s(word(table, at.CENTRES) + 8 * first, 256)
    share = np.float64(random_word(random) >> U(11)) * 2.0**-53
    low, high = centres[seen[0]], centres[seen[n - 1]]
    cut = low + share * (high - low)
    gap = 1
    while gap < n - 1 and centres[seen[gap]] <= cut:
        gap += 1
    return gap


# ------------------------------------------------------------ gaps between bins
@inner
def _look_packed(table, gaps, side):  # type: ignore[no-untyped-def]
    """Best gap of packed sums; gaps: first, after the last, bins seen; side: missing, on the left?

    Returns the score, and the place of the first right bin.
    """
    first, last, n = gaps
    missing, missing_count, is_left = side
    histogram = int64s(word(table, at.HISTOGRAM), 256)
    counts = int64s(word(table, at.SUMS), 256)
    seen = int64s(word(table, at.SEEN), 257)
    min_leaf = word(table, at.MIN_LEAF)
    min_weight = float64s(word(table, at.OPTIONS), at.N_OPTIONS)[at.MIN_WEIGHT]
    is_limited = min_leaf > 1
    is_bound = word(table, at.IS_MONOTONIC) != 0
    is_plain = word(table, at.CRITERION) == at.SQUARES and not is_bound
    facts = float64s(word(table, at.FACTS), at.N_FACTS)
    total, n_total = missing, missing_count
    for i in range(U(n)):
        total += histogram[U(seen[i])]
        n_total += counts[U(seen[i])]
    left = missing if is_left else np.int64(0)
    n_left = missing_count if is_left else np.int64(0)
    best, place = WORST, np.int64(0)
    for i in range(U(0), U(last - 1)):
        left += histogram[U(seen[i])]
        n_left += counts[U(seen[i])]
        if i + U(1) < U(first):
            continue
        h, hr = np.float64(left & LOWER_HALF), np.float64((total - left) & LOWER_HALF)
        if h < min_weight or hr < min_weight:
            continue
        if is_limited and (n_left < min_leaf or n_total - n_left < min_leaf):
            continue
        g, gr = np.float64(left >> 32), np.float64((total - left) >> 32)
        if is_plain:
            score = (g * g * hr + gr * gr * h) / (h * hr)
        else:
            score = sums_score(table, g, h) + sums_score(table, gr, hr)
            if is_bound and not is_allowed(
                table, sums_value(table, g, h), sums_value(table, gr, hr)
            ):
                continue
        if score > best:
            best, place = score, np.int64(i) + 1
            if is_bound:
                facts[at.MIDDLE_SEEN] = (sums_value(table, g, h) + sums_value(table, gr, hr)) / 2.0
    return best, place


@inner
def _look_lanes(table, gaps, side):  # type: ignore[no-untyped-def]
    """The same for sums of several lanes."""
    first, last, n = gaps
    missing_count, is_left = side
    n_lanes = word(table, at.N_LANES)
    lanes = float64s(word(table, at.LANES), 257 * (n_lanes + 1))
    left = float64s(word(table, at.SIDES), n_lanes + 1)
    right = float64s(word(table, at.SIDES) + 8 * (n_lanes + 1), n_lanes + 1)
    left_lanes = float64s(word(table, at.SIDES) + 8, n_lanes)
    right_lanes = float64s(word(table, at.SIDES) + 8 * (n_lanes + 2), n_lanes)
    counts = int64s(word(table, at.SUMS), 256)
    seen = int64s(word(table, at.SEEN), 257)
    min_leaf = word(table, at.MIN_LEAF)
    min_weight = float64s(word(table, at.OPTIONS), at.N_OPTIONS)[at.MIN_WEIGHT]
    n_left, n_total = np.int64(0), missing_count
    for v in range(n_lanes + 1):
        gone = lanes[at.MISSING * (n_lanes + 1) + v]
        left[v] = gone if is_left else 0.0
        right[v] = 0.0 if is_left else gone
    for i in range(n):
        n_total += counts[seen[i]]
        for v in range(n_lanes + 1):
            right[v] += lanes[seen[i] * (n_lanes + 1) + v]
    if is_left:
        n_left = missing_count
    best, place = WORST, np.int64(0)
    for i in range(last - 1):
        own = seen[i] * (n_lanes + 1)
        n_left += counts[seen[i]]
        for v in range(n_lanes + 1):
            left[v] += lanes[own + v]
            right[v] -= lanes[own + v]
        is_small = left[0] < min_weight or right[0] < min_weight
        if i + 1 < first or is_small or n_left < min_leaf or n_total - n_left < min_leaf:
            continue
        score = lanes_score(table, left_lanes, n_lanes, left[0])
        score += lanes_score(table, right_lanes, n_lanes, right[0])
        if score > best:
            best, place = score, np.int64(i) + 1
    return best, place


# ------------------------------------------------------------ a feature
@inner
def _add(table, feature, start, n):  # type: ignore[no-untyped-def]
    if word(table, at.KIND) == at.MEDIANS:
        return add_by_median(table, feature, start, n)
    return add_rows(table, feature, start, n)


@inner
def _clear(table, n_seen):  # type: ignore[no-untyped-def]
    if word(table, at.KIND) != at.MEDIANS:
        clear(table, n_seen)


@inner
def _order(table, span, n_real, random):  # type: ignore[no-untyped-def]
    if word(table, at.KIND) == at.MEDIANS:
        sort_by_mean(table, span[0], span[1], n_real)
    else:
        _sort_categories(table, n_real, random)


@inner
def _look(table, span, gaps, is_left):  # type: ignore[no-untyped-def]
    if word(table, at.KIND) == at.MEDIANS:
        return look_by_median(table, span, gaps, is_left)
    first, last, n_real, _ = gaps
    count = int64s(word(table, at.SUMS), 256)[at.MISSING]
    if word(table, at.KIND) <= at.NUMBER:
        missing = int64s(word(table, at.HISTOGRAM), 256)[at.MISSING]
        return _look_packed(table, (first, last, n_real), (missing, count, is_left))
    return _look_lanes(table, (first, last, n_real), (count, is_left))


@inner
def _keep(table, feature, place, n_real, is_left):  # type: ignore[no-untyped-def]
    """Writes a split down: the first bins of those that were seen go left, up to a place."""
    seen = int64s(word(table, at.SEEN), 257)
    is_set = bytes_(word(table, at.CATEGORICAL), feature + 1)[feature] != 0
    record = int64s(word(table, at.FOUND), at.N_OPEN)
    record[at.FEATURE], record[at.MISSING_LEFT] = feature, is_left
    record[at.IS_SET] = is_set
    floats = float64s(word(table, at.FOUND), at.N_OPEN)
    floats[at.MIDDLE] = float64s(word(table, at.FACTS), at.N_FACTS)[at.MIDDLE_SEEN]
    if is_set:
        words = uint64s(word(table, at.FOUND) + 8 * at.SET, 4)
        for i in range(4):
            words[i] = U(0)
        for i in range(place):
            words[seen[i] >> 6] |= U(1) << U(seen[i] & 63)
    elif place == n_real:  # all real values go left, the missing ones right
        record[at.BIN] = at.MISSING - 1
    else:  # midway through the empty bins between both sides
        record[at.BIN] = (seen[place - 1] + seen[place]) >> 1


@inner
def search_feature(table, feature, random):  # type: ignore[no-untyped-def]
    """Compares the best split of a feature with the best one so far; False for a constant.

    Parameters
    ----------
    table : int
        Address of the table; the record of the node at hand holds the best split so far.
    feature : int
        Which.
    random : ndarray of uint64 of shape (1,)
        Stream of the node.

    Returns
    -------
    bool
        Whether the node's rows differ in the feature.
    """
    record = int64s(word(table, at.FOUND), at.N_OPEN)
    start, n = record[at.START], record[at.END] - record[at.START]
    facts = float64s(word(table, at.FACTS), at.N_FACTS)
    facts[at.RISES] = np.float64(int64s(word(table, at.MONOTONIC), feature + 1)[feature])
    n_seen = _add(table, feature, start, n)
    seen = int64s(word(table, at.SEEN), 257)
    has_missing = np.int64(seen[n_seen - 1] == at.MISSING)
    n_real = n_seen - has_missing
    if n_seen < 2:
        _clear(table, n_seen)
        return False
    if bytes_(word(table, at.CATEGORICAL), feature + 1)[feature]:
        _order(table, (start, n), n_real, random)
    first, last, way = 1, n_real, -1  # missing values go either way
    last_right = last + has_missing  # they may go alone
    if word(table, at.IS_RANDOM) != 0 and n_real > 1:
        first = _random_gap(table, feature, n_real, random)
        last = last_right = first + 1
        way = random_below(random, 2)
    if way != 1 or has_missing == 0:
        score, place = _look(table, (start, n), (first, last_right, n_real, has_missing), False)
        if place > 0 and score > facts[at.BEST]:
            facts[at.BEST] = score
            _keep(table, feature, place, n_real, has_missing - 1)
    if has_missing != 0 and way != 0:
        score, place = _look(table, (start, n), (first, last, n_real, has_missing), True)
        if place > 0 and score > facts[at.BEST]:
            facts[at.BEST] = score
            _keep(table, feature, place, n_real, np.int64(1))
    if has_missing != 0:
        seen[n_real] = at.MISSING
    _clear(table, n_seen)
    return True
