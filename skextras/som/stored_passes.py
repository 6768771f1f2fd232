"""Compiled passes over sparse rows, of which only the stored values are looked at.

With c the centre of the units and u = w - c, units are ordered by ½|u|² + c·u - x·u: what does not
depend on the row is a number a unit, and a value that is not stored adds nothing. Rows that the
scores in float32 do not decide are left to the passes over dense rows.
"""

from typing import Any

import numpy as np

from skextras.som.lanes import take
from skextras.som.passes import (
    BLOCK,
    COSINE,
    DOUBLE,
    EUCLIDEAN,
    SINGLE,
    TINY,
    VANISHING,
    as_distance,
    exact,
    measured,
)
from skextras.som.tiles import LANES, PANEL, gather
from skextras.trees.compiling import compiled, inner

NEAR = 2.0**-6  # share of |x|² + |w|² below which |x - w|² is summed anew: it lost 6 bits at most


# ------------------------------------------------------------ one row
@inner
def _length(data: Any, start: int, stop: int, kind: int) -> Any:
    """What the values are divided by, in two steps, so that the metric sees them as it wants."""
    if kind != COSINE:
        return 1.0, 1.0
    top, total = 0.0, 0.0
    for s in range(start, stop):
        top = max(top, abs(np.float64(data[s])))
    if not top > 0:
        return 1.0, 1.0
    for s in range(start, stop):
        value = np.float64(data[s]) / top
        total += value * value
    return top, np.sqrt(total)


@inner
def _seen(value: float, kind: int, top: float, length: float) -> Any:
    return value / top / length if kind == COSINE else value


@inner
def _spread(data: Any, indices: Any, start: int, stop: int, kind: int, row: Any) -> None:
    """Put the values, as the metric sees them, into a row of zeros."""
    top, length = _length(data, start, stop, kind)
    for s in range(start, stop):
        row[indices[s]] = _seen(np.float64(data[s]), kind, top, length)


@inner
def _clear(indices: Any, start: int, stop: int, row: Any) -> None:
    for s in range(start, stop):
        row[indices[s]] = 0.0


# ------------------------------------------------------------ the search
@inner
def _margin(squared: float, n_stored: int, width: int, bounds: Any, scale: float) -> Any:
    """By how much two scores may be wrong together, as in ``passes``.

    A score adds up to at most |x||u| + |bias|; each product goes through half as many additions as
    there are stored values, since even and odd ones are added apart, and three more. In float64
    the bias and the distances of brute force are off by what their squares and products, at most
    (|x| + |c| + |u|)², are rounded by.
    """
    reach, top, offset = bounds
    length = np.sqrt(squared)
    single = (n_stored // 2 + 10) * SINGLE * (length * reach + top) + TINY
    double = (width + 10) * DOUBLE * (length + offset + reach) ** 2
    return 2.02 * (single + double + width * VANISHING * scale * scale)


@inner
def _narrow(
    data: Any, indices: Any, start: int, stop: int, kind: int, scale: float, to: int, out: Any
) -> Any:
    """Write the values of a row in float32, an even number of them; their squared length."""
    values, places = out
    top, length = _length(data, start, stop, kind)
    total = 0.0
    for s in range(start, stop):
        value = _seen(np.float64(data[s]), kind, top, length) * scale
        values[to + s - start] = np.float32(value)
        places[to + s - start] = indices[s]
        total += value * value
    if (stop - start) % 2:
        values[to + stop - start] = np.float32(0.0)
        places[to + stop - start] = 0
    return total


@inner
def _longest(indptr: Any) -> Any:
    """Most values that a block of rows can hold, with one more a row."""
    n, most = indptr.shape[0] - 1, 0
    for begin in range(0, n, BLOCK):
        most = max(most, indptr[min(begin + BLOCK, n)] - indptr[begin])
    return most + BLOCK


@compiled
def search_stored(
    data: Any,
    indices: Any,
    indptr: Any,
    kind: int,
    scale: float,
    bounds: Any,
    width: int,
    packed: Any,
    bias: Any,
    found: Any,
    doubts: Any,
) -> None:
    """Find the best units of rows, and the lanes among which float32 does not decide."""
    n, block, longest = found.shape[0], BLOCK, _longest(indptr)
    out = np.empty(longest, np.float32), np.empty(longest, np.int32)
    starts, margins = np.zeros(block + 1, np.int64), np.empty(block)
    best, second = np.empty(block * LANES, np.float32), np.empty(block * LANES, np.float32)
    place = np.empty(block * LANES, np.int32)
    for begin in range(0, n, block):
        count = min(block, n - begin)
        for i in range(count):
            start, stop = indptr[begin + i], indptr[begin + i + 1]
            squared = _narrow(data, indices, start, stop, kind, scale, starts[i], out)
            margins[i] = _margin(squared, stop - start, width, bounds, scale)
            starts[i + 1] = starts[i] + (stop - start) + (stop - start) % 2
        best[:] = np.inf
        second[:] = np.inf
        place[:] = 0
        for panel in range(bias.shape[0] // PANEL):
            for i in range(count):
                gather(
                    out[0],
                    out[1],
                    starts[i],
                    starts[i + 1],
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
        take(lanes, margins[:count], found[begin:end], doubts[begin:end])


# ------------------------------------------------------------ distances
@compiled
def measure_found_stored(
    data: Any, indices: Any, indptr: Any, kind: int, weights: Any, labels: Any, out: Any
) -> None:
    """Distance of each row to one unit."""
    row = np.zeros(weights.shape[1])
    for i in range(labels.shape[0]):
        start, stop = indptr[i], indptr[i + 1]
        _spread(data, indices, start, stop, kind, row)
        out[i] = as_distance(measured(row, weights[labels[i]], kind), row, kind)
        _clear(indices, start, stop, row)


@inner
def _add_value(value: float, w: Any, kind: int, out: Any) -> None:
    if kind == EUCLIDEAN:
        for j in range(w.shape[0]):
            out[j] += value * (value - 2 * w[j])
    else:
        for j in range(w.shape[0]):
            out[j] -= value * w[j]


@compiled
def measure_stored(
    data: Any,
    indices: Any,
    indptr: Any,
    kind: int,
    columns: Any,
    weights: Any,
    squares: Any,
    out: Any,
) -> None:
    """Distances of rows to all units.

    |x - w|² is |w|², of all features, plus x (x - 2 w), of the stored ones; where little of it is
    left it is summed as it is written.
    """
    row, scores = np.zeros(columns.shape[0]), np.empty(columns.shape[1])
    for i in range(out.shape[0]):
        start, stop = indptr[i], indptr[i + 1]
        _spread(data, indices, start, stop, kind, row)
        total = 0.0
        scores[:] = 0.0
        for s in range(start, stop):
            value = row[indices[s]]
            total += value * value
            _add_value(value, columns[indices[s]], kind, scores)
        for j in range(scores.shape[0]):
            score = scores[j]
            if kind == EUCLIDEAN:
                score += squares[j]
                if not score > NEAR * (total + squares[j]):
                    score = exact(row, weights[j], kind)
            out[i, j] = as_distance(score, row, kind)
        _clear(indices, start, stop, row)


# ------------------------------------------------------------ sums by unit
@compiled
def add_stored(
    data: Any, indices: Any, indptr: Any, weights: Any, labels: Any, sums: Any, counts: Any
) -> None:
    """Add each row to the sum of its unit, and its weight to the unit's count."""
    for i in range(labels.shape[0]):
        weight, total = weights[i], sums[labels[i]]
        counts[labels[i], 0] += weight
        for s in range(indptr[i], indptr[i + 1]):
            total[indices[s]] += weight * data[s]
