"""Compiled passes over rows: the search for the best units, all distances, and sums by unit.

Searches are decided as if every distance had been computed in float64, feature after feature, and
the lowest unit taken among equals. The scores of ``tiles`` are in float32; where the best score
leads by less than both can be wrong by, all units within that margin are compared anew.
"""

from typing import Any

import numpy as np

from skextras.som.lanes import HUGE, take
from skextras.som.tiles import LANES, PANEL, ROWS, tile
from skextras.trees.compiling import compiled, inner

EUCLIDEAN, COSINE, CORRELATION, MANHATTAN = range(4)
BLOCK = 40 * ROWS  # rows that one panel of units is compared with before the next panel
FAST = {"reassoc", "contract", "nsz"}  # sums in any order: for what only bounds and filters
DOUBLE, SINGLE = 2.0**-52, 2.0**-24
TINY, VANISHING = 1e-35, 1e-300  # products below vanish in float32, in float64


# ------------------------------------------------------------ one row
@inner
def standardize(x: Any, kind: int, row: Any) -> None:
    """Write a row as the metric sees it: of length 1 for cosines, centred too for correlation."""
    d = x.shape[0]
    for k in range(d):
        row[k] = x[k]
    if kind not in (COSINE, CORRELATION):
        return
    mean = 0.0
    if kind == CORRELATION:
        for k in range(d):
            mean += row[k]
        mean /= d
    top = 0.0
    for k in range(d):
        row[k] -= mean
        top = max(top, abs(row[k]))
    if kind == CORRELATION and top <= 8 * DOUBLE * abs(mean):
        top = 0.0  # a constant row, up to the rounding of its mean
    total = 0.0
    for k in range(d):
        row[k] = row[k] / top if top > 0 else 0.0
        total += row[k] * row[k]
    length = np.sqrt(total)
    for k in range(d):
        row[k] = row[k] / length if length > 0 else 0.0


@compiled
def standardize_rows(X: Any, kind: int, out: Any) -> None:
    """Write rows as the metric sees them."""
    for i in range(X.shape[0]):
        standardize(X[i], kind, out[i])


@inner
def exact(row: Any, w: Any, kind: int) -> Any:
    """Score of one unit in float64; values that are missing do not count."""
    total = 0.0
    for k in range(row.shape[0]):
        value = row[k]
        if value == value:
            if kind == EUCLIDEAN:
                total += (value - w[k]) * (value - w[k])
            elif kind == MANHATTAN:
                total += abs(value - w[k])
            else:
                total -= value * w[k]
    return total


@inner(fastmath=FAST)
def measured(row: Any, w: Any, kind: int) -> Any:
    """The same, added up in any order: for what nothing is decided by."""
    total = 0.0
    for k in range(row.shape[0]):
        gap = row[k] - w[k]
        if kind == EUCLIDEAN:
            term = gap * gap
        elif kind == MANHATTAN:
            term = abs(gap)
        else:
            term = -row[k] * w[k]
        total += term if row[k] == row[k] else 0.0
    return total


@inner
def as_distance(score: float, row: Any, kind: int) -> Any:
    """What users call the distance; missing values are taken to be as far off as the others."""
    if kind in (COSINE, CORRELATION):
        return max(1.0 + score, 0.0)
    known = 0
    for k in range(row.shape[0]):
        known += row[k] == row[k]
    score *= row.shape[0] / known
    return np.sqrt(score) if kind == EUCLIDEAN else score


# ------------------------------------------------------------ rows as the tiles want them
@inner(fastmath=FAST)
def _narrow(row: Any, centre: Any, scale: float, out: Any) -> Any:
    """Centred and scaled in float32; the squared length of what was written."""
    total = 0.0
    for k in range(row.shape[0]):
        value = (row[k] - centre[k]) * scale
        out[k] = np.float32(value)
        total += value * value
    return total


@inner
def _narrow_known(row: Any, centre: Any, scale: float, out: Any) -> Any:
    """The same with a mask behind: missing values are 0, and take |w_k|²/2 out of the score."""
    d, total = row.shape[0], 0.0
    for k in range(d):
        is_known = row[k] == row[k]
        value = (row[k] - centre[k]) * scale if is_known else 0.0
        out[k] = np.float32(value)
        out[d + k] = np.float32(-1.0 if is_known else 0.0)
        total += value * value
    return total


@inner
def _margin(squared: float, reach: float, width: int, scale: float) -> Any:
    """By how much two scores may be wrong together (γ_n of Higham, with room to spare).

    The products of a score add up to at most |x||w| + |w|²/2, each rounded once when it is made
    narrow, and in as many additions as there are features. The last terms are those of
    float64, whose squares vanish near 1e-308.
    """
    length = np.sqrt(squared)
    products = length * reach + 0.5 * reach * reach
    single = (width + 8) * SINGLE * products + TINY
    double = (width + 8) * DOUBLE * (length + reach) ** 2 + width * VANISHING * scale * scale
    return 2.02 * (single + double)


# ------------------------------------------------------------ the decision
@inner(fastmath=FAST)
def _dot(x: Any, w: Any) -> Any:
    total = np.float32(0)
    for k in range(w.shape[0]):
        total += x[k] * w[k]
    return total


@inner
def _units_of(lanes: int, n_units: int, units: Any) -> Any:
    """Write the units of some lanes, given as bits, in their order; how many they are."""
    count = 0
    for begin in range(0, n_units, LANES):
        rest, j = lanes, begin
        while rest and j < n_units:
            if rest & 1:
                units[count] = j
                count += 1
            rest >>= 1
            j += 1
    return count


@inner
def _decide(
    row: Any, weights: Any, kind: int, units: Any, scores: Any, limit: float, found: Any
) -> None:
    """Best units (one or two) by exact distance, among those whose score is within the limit."""
    n_best = found.shape[0]
    first = second = np.inf
    for p in range(n_best):
        found[p] = -1
    for k in range(units.shape[0]):
        j = units[k]
        if scores[k] > limit:
            continue
        score = exact(row, weights[j], kind)
        if found[0] < 0 or score < first:
            if n_best == 2:
                second, found[1] = first, found[0]
            first, found[0] = score, j
        elif n_best == 2 and (found[1] < 0 or score < second):
            second, found[1] = score, j


# ------------------------------------------------------------ the search
@compiled
def narrow_rows(
    X: Any, kind: int, centre: Any, scale: float, reach: float, width: int, out: Any, margins: Any
) -> None:
    """Write rows as the tiles want them, and the margin of each row's scores."""
    d = X.shape[1]
    row = np.empty(d)
    for i in range(X.shape[0]):
        standardize(X[i], kind, row)
        narrow = out[i * width : (i + 1) * width]
        if width == d:
            squared = _narrow(row, centre, scale, narrow)
        else:
            squared = _narrow_known(row, centre, scale, narrow)
        margins[i] = _margin(squared, reach, width, scale)


@compiled
def search_narrow(
    narrow: Any, margins: Any, width: int, packed: Any, bias: Any, found: Any, doubts: Any
) -> None:
    """Find the best units of rows, and the lanes among which float32 does not decide."""
    n, block = found.shape[0], BLOCK
    best, second = np.empty(block * LANES, np.float32), np.empty(block * LANES, np.float32)
    place = np.empty(block * LANES, np.int32)
    for begin in range(0, n, block):
        count = min(block, n - begin)
        best[:] = np.inf
        second[:] = np.inf
        place[:] = 0
        for panel in range(bias.shape[0] // PANEL):
            for i in range(0, count, ROWS):
                tile(
                    narrow,
                    (begin + i) * width,
                    width,
                    packed,
                    panel * width * PANEL,
                    bias,
                    panel * PANEL,
                    best,
                    second,
                    place,
                    i * LANES,
                    panel,
                )
        end = begin + count
        lanes = best, second, place
        take(lanes, margins[begin:end], found[begin:end], doubts[begin:end])


@compiled
def settle_rows(
    X: Any,
    kind: int,
    narrow: Any,
    margins: Any,
    doubts: Any,
    narrow_weights: Any,
    bias: Any,
    weights: Any,
    found: Any,
) -> None:
    """Find the best units by exact distances to those that the margin leaves in question."""
    n_units, width = narrow_weights.shape
    row, scores = np.empty(X.shape[1]), np.empty(n_units, np.float32)
    units = np.empty(n_units, np.int32)
    for i in range(X.shape[0]):
        standardize(X[i], kind, row)
        x = narrow[i * width : (i + 1) * width]  # (from 0: an index that is a sum stops vectors)
        count = _units_of(doubts[i], n_units, units)
        limit = np.inf
        if margins[i] < HUGE:
            first = second = np.float32(np.inf)
            for k in range(count):
                score = bias[units[k]] + _dot(x, narrow_weights[units[k]])
                scores[k] = score
                if score < first:
                    first, second = score, first
                elif score < second:
                    second = score
            limit = np.float64(second if found.shape[1] == 2 else first) + margins[i]
        if not limit < HUGE:
            scores[:] = 0  # everything is compared
            limit = np.inf
        _decide(row, weights, kind, units[:count], scores, limit, found[i])


@compiled
def measure_found(X: Any, kind: int, weights: Any, labels: Any, out: Any) -> None:
    """Distance of each row to one unit."""
    row = np.empty(X.shape[1])
    for i in range(X.shape[0]):
        standardize(X[i], kind, row)
        out[i] = as_distance(measured(row, weights[labels[i]], kind), row, kind)


# ------------------------------------------------------------ every distance
@inner
def _add_feature(value: float, w: Any, kind: int, out: Any) -> None:
    if kind == EUCLIDEAN:
        for j in range(w.shape[0]):
            out[j] += (value - w[j]) * (value - w[j])
    elif kind == MANHATTAN:
        for j in range(w.shape[0]):
            out[j] += abs(value - w[j])
    else:
        for j in range(w.shape[0]):
            out[j] -= value * w[j]


@compiled
def measure_rows(X: Any, kind: int, columns: Any, is_score: bool, out: Any) -> None:
    """Distances of rows to all units; ``columns`` are the weights (n_features, n_units).

    As scores they are not rounded a second time, by which two could become equal.
    """
    row, scores = np.empty(X.shape[1]), np.empty(columns.shape[1])
    for i in range(X.shape[0]):
        standardize(X[i], kind, row)
        scores[:] = 0.0
        for k in range(row.shape[0]):
            if row[k] == row[k]:
                _add_feature(row[k], columns[k], kind, scores)
        for j in range(scores.shape[0]):
            out[i, j] = scores[j] if is_score else as_distance(scores[j], row, kind)


@compiled
def pick_rows(distances: Any, found: Any) -> None:
    """The nearest units (one or two) by their distances or scores, the lowest among equals."""
    for i in range(distances.shape[0]):
        for p in range(found.shape[1]):
            best = -1
            for j in range(distances.shape[1]):
                is_free = p == 0 or j != found[i, 0]
                if is_free and (best < 0 or distances[i, j] < distances[i, best]):
                    best = j
            found[i, p] = best


# ------------------------------------------------------------ sums by unit
@compiled
def add_rows(X: Any, weights: Any, labels: Any, sums: Any, counts: Any) -> None:
    """Add each row to the sum of its unit, and its weight to the unit's count."""
    for i in range(X.shape[0]):
        weight, total = weights[i], sums[labels[i]]
        counts[labels[i], 0] += weight
        for k in range(X.shape[1]):
            total[k] += weight * X[i, k]


@compiled
def add_known(X: Any, weights: Any, labels: Any, sums: Any, counts: Any) -> None:
    """The same where values are missing: counts are by feature."""
    for i in range(X.shape[0]):
        weight, unit = weights[i], labels[i]
        for k in range(X.shape[1]):
            if X[i, k] == X[i, k]:
                sums[unit, k] += weight * X[i, k]
                counts[unit, k] += weight
