"""What a node is before it is split: value, weight and impurity, and what its rows add to sums."""

from math import log

import numpy as np

from skextras.trees import forest_slots as at
from skextras.trees.forest_medians import open_medians
from skextras.trees.forest_scores import LOWER_HALF, lanes_score, sums_score
from skextras.trees.memory import float64s, inner, int32s, int64s, word

U = np.uint64
ROOM = 1 << 30  # of the whole sums that are packed


@inner
def _open_classes(table, rows, values):  # type: ignore[no-untyped-def]
    """Payloads of the node's rows: weight of the second class, and weight."""
    n_rows = word(table, at.N_ROWS)
    weights, labels = (
        int64s(word(table, at.WEIGHTS), n_rows),
        int32s(word(table, at.LABELS), n_rows),
    )
    payload = int64s(word(table, at.PAYLOADS), rows.size)
    facts = float64s(word(table, at.FACTS), at.N_FACTS)
    total = np.int64(0)
    for i in range(U(rows.size)):
        row = U(rows[i])
        w = weights[row]
        p = w + ((w << 32) & -np.int64(labels[row]))
        payload[i] = p
        total += p
    g, h = np.float64(total >> 32), np.float64(total & LOWER_HALF)
    facts[at.MEAN], facts[at.UNIT], facts[at.TOTAL_WEIGHT] = 0.0, 1.0, h
    facts[at.BASE] = sums_score(table, g, h)
    values[0] = g / h
    if word(table, at.CRITERION) == at.SQUARES:
        facts[at.IMPURITY] = 2.0 * (g / h) * ((h - g) / h)
    else:
        facts[at.IMPURITY] = max(-facts[at.BASE] / h / log(2.0), 0.0)


@inner
def _open_number(table, rows, values):  # type: ignore[no-untyped-def]
    """Payloads of the node's rows: target less the node's mean, in units of its spread, and weight.

    The unit is the node's own, so that small nodes see small differences as large ones see theirs.
    """
    n_rows = word(table, at.N_ROWS)
    weights, targets = (
        int64s(word(table, at.WEIGHTS), n_rows),
        float64s(word(table, at.TARGETS), n_rows),
    )
    n = U(rows.size)
    payload = int64s(word(table, at.PAYLOADS), rows.size)
    gap = float64s(word(table, at.DIFFERENCES), rows.size)
    facts = float64s(word(table, at.FACTS), at.N_FACTS)
    origin, h, s = targets[U(rows[0])], np.int64(0), 0.0
    for i in range(n):
        row = U(rows[i])
        payload[i], gap[i] = weights[row], targets[row] - origin
        h += payload[i]
        s += np.float64(payload[i]) * gap[i]
    mean, spread, squares = s / np.float64(h), 0.0, 0.0
    for i in range(n):
        gap[i] -= mean
        spread += np.float64(payload[i]) * abs(gap[i])
        squares += np.float64(payload[i]) * gap[i] * gap[i]
    scale = np.float64(ROOM) / spread if spread > 0.0 else 0.0
    total = np.int64(0)
    for i in range(n):
        payload[i] += payload[i] * np.int64(np.rint(gap[i] * scale)) << 32
        total += payload[i]
    facts[at.MEAN], facts[at.UNIT] = origin + mean, spread / np.float64(ROOM)
    facts[at.TOTAL_WEIGHT] = np.float64(h)
    facts[at.IMPURITY] = squares / np.float64(h)
    # (of the rounded targets, as the sides' scores are; they add up to almost nothing)
    facts[at.BASE] = sums_score(table, np.float64(total >> 32), np.float64(h))
    values[0] = origin + mean


@inner
def _open_lanes(table, rows, values):  # type: ignore[no-untyped-def]
    """Weights of the node's rows, and sums of each lane."""
    n_rows, n_outputs = word(table, at.N_ROWS), word(table, at.N_OUTPUTS)
    n_lanes = word(table, at.N_LANES)
    weights = int64s(word(table, at.WEIGHTS), n_rows)
    labels = int32s(word(table, at.LABELS), n_rows * n_outputs)
    targets = float64s(word(table, at.TARGETS), n_rows * n_outputs)
    own = float64s(word(table, at.DIFFERENCES), rows.size)
    facts = float64s(word(table, at.FACTS), at.N_FACTS)
    is_class = word(table, at.KIND) == at.CLASSES
    h, squares = 0.0, 0.0
    for v in range(n_lanes):
        values[v] = 0.0
    for i in range(U(rows.size)):
        row = U(rows[i])
        w = np.float64(weights[row])
        own[i] = w
        h += w
        for v in range(U(n_outputs)):
            place = row * U(n_outputs) + v
            if is_class:
                values[U(labels[place])] += w
            else:
                values[v] += w * targets[place]
                squares += w * targets[place] * targets[place]
    facts[at.TOTAL_WEIGHT] = h
    facts[at.BASE] = base = lanes_score(table, values, n_lanes, h)
    if is_class and word(table, at.CRITERION) == at.SQUARES:
        facts[at.IMPURITY] = 1.0 - base / h / n_outputs
    elif is_class:
        facts[at.IMPURITY] = -base / h / log(2.0) / n_outputs
    else:
        facts[at.IMPURITY] = _impurity_of_numbers(table, rows, values, h)
    for v in range(n_lanes):
        values[v] /= h


@inner
def _impurity_of_numbers(table, rows, sums, h):  # type: ignore[no-untyped-def]
    """Variance, averaged over the outputs, around the means themselves."""
    n_rows, n_outputs = word(table, at.N_ROWS), word(table, at.N_OUTPUTS)
    targets = float64s(word(table, at.TARGETS), n_rows * n_outputs)
    weights = float64s(word(table, at.DIFFERENCES), rows.size)
    total = 0.0
    for i in range(U(rows.size)):
        for v in range(U(n_outputs)):
            gap = targets[U(rows[i]) * U(n_outputs) + v] - sums[v] / h
            total += weights[i] * gap * gap
    return total / h / n_outputs


@inner
def poisson_impurity(table, rows, values):  # type: ignore[no-untyped-def]
    """Half the mean deviance of a leaf, averaged over the outputs."""
    n_rows, n_outputs = word(table, at.N_ROWS), word(table, at.N_OUTPUTS)
    weights = int64s(word(table, at.WEIGHTS), n_rows)
    targets = float64s(word(table, at.TARGETS), n_rows * n_outputs)
    total, h = 0.0, 0.0
    for i in range(U(rows.size)):
        h += np.float64(weights[U(rows[i])])
        for v in range(U(n_outputs)):
            y = targets[U(rows[i]) * U(n_outputs) + v]
            if y > 0.0:
                total += np.float64(weights[U(rows[i])]) * y * log(y / values[v])
    return max(total / h / n_outputs, 0.0)


@inner
def count_rows(table, rows):  # type: ignore[no-untyped-def]
    """Rows of a node, repetitions included."""
    counts, n = int32s(word(table, at.COUNTS), word(table, at.N_ROWS)), np.int64(0)
    for i in range(U(rows.size)):
        n += counts[U(rows[i])]
    return n


@inner
def open_node(table, rows, values):  # type: ignore[no-untyped-def]
    """What is known of a node before it is split: its value, weight and impurity."""
    kind = word(table, at.KIND)
    if kind == at.CLASSES_2:
        _open_classes(table, rows, values)
    elif kind == at.NUMBER:
        _open_number(table, rows, values)
    elif kind == at.MEDIANS:
        open_medians(table, rows, values)
    else:
        _open_lanes(table, rows, values)
