"""The best split of a leaf, from its histogram.

The gain of a split is how much the second-order loss falls: with G and H the sums of gradients and
hessians, a leaf of value v changes it by G v + (H + λ) v² / 2 + α |v|; twice the fall at the best
v is G² / (H + λ) when α = 0 (Chen and Guestrin 2016, eq. 6; gains here leave out its factor ½, as
LightGBM's and scikit-learn's do).

Numbers are scanned in loops that LLVM turns into vector code: cumulate, score, and the maximum over
the gains' bit patterns, which order as the gains do where these are not negative. Plain gains are
scored in single precision first, and again in double where they are about the greatest: what is
found is the greatest in double precision, for half the time.
Categories are sorted by gradient per hessian, where the best two-way partition is a prefix (Fisher
1958), and scanned from both ends.
"""

from typing import Any

import numpy as np

from skextras.trees.arrays import MISSING
from skextras.trees.histogram import LOW
from skextras.trees.memory import float32s, float64s, inner, int32s, int64s

# What a scan is told (float64), by place.
L2, L1, FLOOR, LOWER, UPPER, GRADIENT_SCALE, HESSIAN_SCALE, N_ROWS, MIN_COUNT, IS_PLAIN = range(10)
N_FACTS = 10
# What it finds (int64), by place; the gain is a float64 in the same bits.
GAIN, FEATURE, BIN, MISSING_LEFT, NONE_MISSING, LEFT_SUM, IS_CATEGORICAL, LEFT_SET = range(8)
N_FOUND = LEFT_SET + 4
# Rows of scratch, 256 words each.
GAINS, SUMS, COUNTS, ORDER, KEYS, N_SCRATCH = range(6)
ROW = 8 * 256  # bytes

SUPPORT = 10.0  # rows that a category needs to be told apart, and weight of the mean in its key
NOT_ALLOWED = -1.0
NEAR = 64  # last digits of a single-precision gain within which a greater one may hide
SLACK = 1.0 + 2.0**-16  # by more than which a single-precision gain is never too small
MOST_L2 = 2.0**60  # in fixed-point units: beyond it, 32 bits of hessian do not change the order
POSITIVE = {"nnan", "ninf", "nsz", "contract", "arcp"}  # sums and products of what is not negative

U = np.uint64


@inner
def newton_value(gradient: float, hessian: float, facts: Any) -> float:
    """Value of a leaf: the minimiser of G v + (H + λ) v² / 2 + α |v| within its bounds."""
    size = abs(gradient) - facts[L1]
    if size <= 0:
        value = 0.0
    else:
        # (the floor on the hessian keeps the quotient finite where every hessian rounds to 0)
        value = size / max(hessian + facts[L2], 1e-300)
        if gradient > 0:
            value = -value
    return min(max(value, facts[LOWER]), facts[UPPER])


@inner
def reduction(gradient: float, hessian: float, value: float, facts: Any) -> float:
    """Twice the fall of the loss when a leaf takes a value."""
    rise = 2 * gradient * value + (hessian + facts[L2]) * value * value
    return -(rise + 2 * facts[L1] * abs(value))


@inner
def gradient_of(total: int, facts: Any) -> float:
    """G of a sum."""
    return np.float64(total >> 32) / facts[GRADIENT_SCALE]


@inner
def hessian_of(total: int, facts: Any) -> float:
    """H of a sum."""
    return np.float64(total & LOW) / facts[HESSIAN_SCALE]


@inner
def _cumulate(sums: Any, n_bins: int, start: int, cumulated: Any) -> None:
    total = start
    for b in range(n_bins):
        total += sums[b]
        cumulated[b] = total


@inner(fastmath=POSITIVE)
def _plain_gain(left: int, total: int, facts: Any) -> Any:
    """G_l²/(H_l + λ) + G_r²/(H_r + λ) in fixed-point units, without penalties but λ."""
    l2, right = facts[L2] * facts[HESSIAN_SCALE], total - left
    g_left, g_right = np.float64(left >> 32), np.float64(right >> 32)
    a, c = np.float64(left & LOW) + l2, np.float64(right & LOW) + l2
    return (g_left * g_left * c + g_right * g_right * a) / (a * c)


@inner
def _whole(total: int, facts: Any) -> float:
    """G²/(H + λ) of the leaf itself, in the same units."""
    gradient, hessian = np.float64(total >> 32), np.float64(total & LOW)
    return gradient * gradient / (hessian + facts[L2] * facts[HESSIAN_SCALE])


@inner
def _unit(facts: Any) -> float:
    """One of them in the loss's own units."""
    return facts[HESSIAN_SCALE] / (facts[GRADIENT_SCALE] * facts[GRADIENT_SCALE])


@inner(fastmath=POSITIVE)
def _rough_gains(halves: Any, n: int, total: int, facts: Any, rough: Any) -> None:
    """The same of all places in single precision, off by less than NEAR / 2 of its last digits.

    halves: hessian and gradient of the sums on the left, in turn; both are within 31 bits, since
    only signed numbers become single precision by one instruction.
    """
    scale = facts[HESSIAN_SCALE]
    l2, least = np.float32(min(facts[L2] * scale, MOST_L2)), np.int64(np.ceil(facts[FLOOR] * scale))
    gradient, hessian, room = np.int32(total >> 32), np.int32(total), (total & LOW) - 2 * least
    for b in range(U(n)):
        h_left, g_left = halves[U(2) * b], halves[U(2) * b + U(1)]
        h_right, g_right = np.int32(hessian - h_left), np.int32(gradient - g_left)
        is_allowed = np.uint32(h_left - least) <= np.uint32(room)
        g, r = np.float32(g_left), np.float32(g_right)
        a, c = np.float32(h_left) + l2, np.float32(h_right) + l2
        gain = (g * g * c + r * r * a) / (a * c)
        rough[b] = gain if is_allowed else np.float32(NOT_ALLOWED)


@inner
def _place_of_plain(n: int, total: int, facts: Any, found: float, scratch: int) -> Any:
    """First place of the greatest plain gain, or -1, and what no gain exceeds.

    Most features are far from the best gain ``found`` so far, and done with in single precision;
    places of about the greatest gain are compared.
    """
    if 2 * facts[FLOOR] * facts[HESSIAN_SCALE] > total & LOW:
        return np.int64(-1), 0.0
    cumulated, halves = int64s(scratch + ROW * SUMS, 256), int32s(scratch + ROW * SUMS, 512)
    rough, patterns = float32s(scratch + ROW * GAINS, 512), int32s(scratch + ROW * GAINS, 512)
    _rough_gains(halves, n, total, facts, rough)
    _forbid_small(scratch, n, facts, rough)
    greatest: Any = np.int32(0)
    for b in range(n):
        greatest = max(greatest, patterns[b])
    patterns[256] = greatest  # beside the gains, where it is read as the number that it stands for
    most = (rough[256] * SLACK - _whole(total, facts)) * _unit(facts)
    if most <= found:
        return np.int64(-1), most
    least, first, last = np.int32(max(greatest - NEAR, 1)), np.int32(n), np.int32(-1)
    for b in range(np.int32(n)):
        is_near = patterns[b] >= least
        first = min(first, np.int32(b) if is_near else np.int32(256))
        last = max(last, np.int32(b) if is_near else np.int32(-1))
    place: Any = np.int64(-1)
    best = 0.0
    for b in range(np.int64(first), np.int64(last) + 1):
        if patterns[b] >= least:
            gain = _plain_gain(cumulated[b], total, facts)
            if gain > best:
                place, best = b, gain
    return place, most


@inner
def two_sided_gain(left: int, total: int, facts: Any, monotonic: int) -> float:
    """Gain of a split under every penalty and bound, or -1 if it is not allowed."""
    h_left, h_right = hessian_of(left, facts), hessian_of(total - left, facts)
    if h_left < facts[FLOOR] or h_right < facts[FLOOR]:
        return NOT_ALLOWED
    g_left, g_right = gradient_of(left, facts), gradient_of(total - left, facts)
    v_left, v_right = newton_value(g_left, h_left, facts), newton_value(g_right, h_right, facts)
    if (v_right - v_left) * monotonic < 0:
        return NOT_ALLOWED
    gradient, hessian = gradient_of(total, facts), hessian_of(total, facts)
    gain = reduction(g_left, h_left, v_left, facts) + reduction(g_right, h_right, v_right, facts)
    return gain - reduction(gradient, hessian, newton_value(gradient, hessian, facts), facts)


@inner
def _place_of_penalised(n: int, total: int, facts: Any, monotonic: int, scratch: int) -> Any:
    """First place of the greatest gain under every penalty and bound, or -1, and that gain."""
    cumulated = int64s(scratch + ROW * SUMS, 256)
    gains, patterns = float64s(scratch + ROW * GAINS, 256), int64s(scratch + ROW * GAINS, 256)
    for b in range(n):
        gain = two_sided_gain(cumulated[b], total, facts, monotonic)
        gains[b] = gain if gain > 0 else NOT_ALLOWED
    _forbid_small(scratch, n, facts, gains)
    greatest = np.int64(0)
    for b in range(n):
        greatest = max(greatest, patterns[b])
    if greatest == 0:
        return np.int64(-1), 0.0
    b = 0
    while patterns[b] != greatest:
        b += 1
    return b, gains[b]


@inner
def _forbid_small(scratch: int, n: int, facts: Any, gains: Any) -> None:
    """Where rows are counted, no side may have too few."""
    min_count, n_rows = facts[MIN_COUNT], facts[N_ROWS]
    if min_count == 0:
        return
    counts = int64s(scratch + ROW * COUNTS, 256)
    for b in range(n):
        if counts[b] < min_count or n_rows - counts[b] < min_count:
            gains[b] = NOT_ALLOWED


@inner
def scan_number(sums, counts, n_bins, total, facts, monotonic, scratch, found):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """Best threshold of a feature, with missing values on either side, if better than ``found``.

    Returns what no gain of the feature exceeds.
    """
    cumulated, counted = int64s(scratch + ROW * SUMS, 256), int64s(scratch + ROW * COUNTS, 256)
    record, best = int64s(found, N_FOUND), float64s(found + 8 * GAIN, 1)
    has_missing = sums[MISSING] != 0
    bound = 0.0
    for missing_left in range(2 if has_missing else 1):
        # All real values left, missing ones right, is a split too.
        n = n_bins if has_missing and not missing_left else n_bins - 1
        if n < 1:
            continue
        _cumulate(sums, n, sums[MISSING] if missing_left else np.int64(0), cumulated)
        if facts[MIN_COUNT] > 0:
            start = counts[MISSING] if missing_left else np.int64(0)
            _cumulate(counts, n, start, counted)
        if facts[IS_PLAIN] > 0:
            b, most = _place_of_plain(n, total, facts, best[0], scratch)
        else:
            b, most = _place_of_penalised(n, total, facts, monotonic, scratch)
        bound = max(bound, most)
        if b < 0:
            continue
        gain = _gain_of(cumulated[b], total, facts, monotonic)
        if gain > best[0]:
            best[0] = gain
            record[BIN], record[MISSING_LEFT], record[LEFT_SUM] = b, missing_left, cumulated[b]
            record[IS_CATEGORICAL], record[NONE_MISSING] = 0, not has_missing
    return bound


@inner
def _gain_of(left: int, total: int, facts: Any, monotonic: int) -> Any:
    """Gain of a split in the loss's own units."""
    if facts[IS_PLAIN] == 0:
        return two_sided_gain(left, total, facts, monotonic)
    return (_plain_gain(left, total, facts) - _whole(total, facts)) * _unit(facts)


@inner
def _sort_by_key(order: Any, keys: Any, n: int) -> None:
    """Shell sort, stable enough: equal keys fall back on the bin."""
    gap = 109
    while gap > 0:
        for i in range(gap, n):
            item, j = order[i], i
            key = keys[item]
            while j >= gap and (
                keys[order[j - gap]] > key
                or (keys[order[j - gap]] == key and order[j - gap] > item)
            ):
                order[j] = order[j - gap]
                j -= gap
            order[j] = item
        gap = gap * 4 // 10 if gap > 2 else gap - 1


@inner
def _sorted_categories(sums, n_bins, total, facts, scratch):  # type: ignore[no-untyped-def]
    order, keys = int64s(scratch + ROW * ORDER, 256), float64s(scratch + ROW * KEYS, 256)
    hessian = hessian_of(total, facts)
    rows_per_hessian = facts[N_ROWS] / max(hessian, 1e-300)
    n = 0
    for b in range(256):
        own = sums[b]
        if own == 0 or (b >= n_bins and b != MISSING):
            continue
        h = hessian_of(own, facts) * rows_per_hessian
        if h < SUPPORT:
            continue
        keys[b] = gradient_of(own, facts) * rows_per_hessian / (h + SUPPORT)
        order[n] = b
        n += 1
    _sort_by_key(order, keys, n)
    return n


@inner
def scan_categories(sums, counts, n_bins, total, facts, scratch, found):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """Best two-way partition of a feature's categories, if better than ``found``.

    Returns what no gain of the feature exceeds.
    """
    n = _sorted_categories(sums, n_bins, total, facts, scratch)
    order, record = int64s(scratch + ROW * ORDER, 256), int64s(found, N_FOUND)
    best, best_n, best_end = float64s(found + 8 * GAIN, 1), 0, 0
    bound = 0.0
    for from_end in range(2):
        left, count = np.int64(0), np.int64(0)
        for k in range(1, (n + 1) // 2 + 1):
            b = order[n - k] if from_end else order[k - 1]
            left += sums[b]
            if facts[MIN_COUNT] > 0:
                count += counts[b]
                few = facts[MIN_COUNT]
                if count < few or facts[N_ROWS] - count < few:
                    continue
            gain = two_sided_gain(left, total, facts, 0)
            bound = max(bound, gain)
            if gain > best[0] and gain > 0:
                best[0], best_n, best_end = gain, k, from_end
                record[LEFT_SUM] = left
    if best_n == 0:
        return bound
    record[IS_CATEGORICAL], record[BIN], record[NONE_MISSING] = 1, 0, sums[MISSING] == 0
    for i in range(4):
        record[LEFT_SET + i] = 0
    for k in range(best_n):
        b = order[n - 1 - k] if best_end else order[k]
        record[LEFT_SET + (b >> 6)] |= np.int64(1) << (b & 63)
    record[MISSING_LEFT] = (record[LEFT_SET + 3] >> 63) & 1
    return bound
