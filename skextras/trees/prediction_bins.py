"""Rows to the bins of the thresholds in use, a block of rows at a time."""

import numpy as np

from skextras.trees.arrays import MISSING
from skextras.trees.memory import bytes_, compiled, float32s, float64s, inner, word
from skextras.trees.prediction_slots import (
    BUCKETS,
    CATEGORIES,
    COLUMN_STRIDE,
    CROWDED,
    CUTS,
    FEATURES,
    IS_DOUBLE,
    LOW,
    N_COLUMNS,
    N_CUTS,
    ROW_STRIDE,
    SCALE,
    STARTS,
    STRIP,
    WAY,
    X,
    uint16s,
)

U = np.uint64
LAST_BUCKET = BUCKETS - 1.0


@compiled
def bucket(x, low, scale):  # type: ignore[no-untyped-def]
    """Which of BUCKETS a number is in; never falls as x grows, and 0 for NaN.

    Parameters
    ----------
    x : float
        The number.
    low : float
        Lowest cut.
    scale : float
        Buckets for each unit.

    Returns
    -------
    int
        0 to BUCKETS - 1.
    """
    place = (x - low) * scale
    place = place if place > 0.0 else 0.0
    place = place if place < LAST_BUCKET else LAST_BUCKET
    return U(np.int64(place))


@inner
def _numbers(values, bins, cuts, known, starts):  # type: ignore[no-untyped-def]
    """How many cuts are below each value: those of earlier buckets, then at most four of its own.

    known: row width of the bins, lowest cut, scale.
    """
    width, low, scale = known
    for i in range(U(len(values))):
        x = values[i]
        place = U(starts[bucket(x, low, scale)])
        place += U(x > cuts[place])
        place += U(x > cuts[place])
        place += U(x > cuts[place])
        place += U(x > cuts[place])
        bins[i * U(width)] = U(MISSING) if x != x else place


@inner
def _crowded_numbers(values, bins, cuts, known):  # type: ignore[no-untyped-def]
    """The same by binary search, where many cuts share a bucket."""
    width = known[0]
    for i in range(U(len(values))):
        x = values[i]
        # Shifts of comparisons: as branches they would be mispredicted half the time.
        place = U(x > cuts[127]) << U(7)
        place += U(x > cuts[place + U(63)]) << U(6)
        place += U(x > cuts[place + U(31)]) << U(5)
        place += U(x > cuts[place + U(15)]) << U(4)
        place += U(x > cuts[place + U(7)]) << U(3)
        place += U(x > cuts[place + U(3)]) << U(2)
        place += U(x > cuts[place + U(1)]) << U(1)
        place += U(x > cuts[place])
        bins[i * U(width)] = U(MISSING) if x != x else place


@inner
def _categories(values, bins, codes, known):  # type: ignore[no-untyped-def]
    """Place of each value among the known codes."""
    width = known[0]
    for i in range(len(values)):
        x = values[i]
        low, high = 0, len(codes)
        while low < high:
            middle = (low + high) // 2
            if codes[middle] < x:
                low = middle + 1
            else:
                high = middle
        is_known = low < len(codes) and codes[low] == x
        bins[i * width] = low if is_known else MISSING


@inner
def _bin_column(table, column, values, bins, width):  # type: ignore[no-untyped-def]
    """Bins of one column of a strip, every ``width`` numbers; what is missing gets its own."""
    known = (
        width,
        float64s(word(table, LOW) + column * 8, 1)[0],
        float64s(word(table, SCALE) + column * 8, 1)[0],
    )
    cuts = float64s(word(table, CUTS) + column * 2048, 256)
    way = word(word(table, WAY), column)
    if way == CATEGORIES:
        _categories(values, bins, cuts[: word(word(table, N_CUTS), column)], known)
    elif way == CROWDED:
        _crowded_numbers(values, bins, cuts, known)
    else:
        starts = bytes_(word(table, STARTS) + column * BUCKETS, BUCKETS)
        _numbers(values, bins, cuts, known, starts)


@inner
def _copy_strip(table, first, feature, strip):  # type: ignore[no-untyped-def]
    """Values of a feature, as float64: a float32 is compared with the same cuts.

    Returns whether one is missing.
    """
    row = word(table, ROW_STRIDE)
    place = word(table, X) + first * row + feature * word(table, COLUMN_STRIDE)
    if word(table, IS_DOUBLE):
        for i in range(len(strip)):
            strip[i] = float64s(place + i * row, 1)[0]
    else:
        for i in range(len(strip)):
            strip[i] = float32s(place + i * row, 1)[0]
    n_missing = 0
    for x in strip:
        n_missing += x != x
    return n_missing > 0


@compiled
def bin_block(table, first, n, at):  # type: ignore[no-untyped-def]
    """Bins of some rows, row by row, from address ``at``.

    Parameters
    ----------
    table : int
        Address of the table of slots.
    first : int
        First row.
    n : int
        How many rows.
    at : int
        Address of the bins of the first row.

    Returns
    -------
    bool
        Whether a value is missing.
    """
    n_columns, room = word(table, N_COLUMNS), np.empty(STRIP, np.float64)
    has_missing = False
    for start in range(0, n, STRIP):
        strip = room[: min(STRIP, n - start)]
        for column in range(n_columns):
            feature = word(word(table, FEATURES), column)
            has_missing |= _copy_strip(table, first + start, feature, strip)
            bins = uint16s(at + (start * n_columns + column) * 2, len(strip) * n_columns)
            _bin_column(table, column, strip, bins, n_columns)
    return has_missing


@compiled
def bin_tile(table, first, n, at):  # type: ignore[no-untyped-def]
    """Bins of the rows of a tile column by column, as signed bytes; where a value is missing, too,
    those with 1 added.

    Parameters
    ----------
    table : int
        Address of the table of slots.
    first : int
        First row.
    n : int
        How many rows, at most STRIP.
    at : int
        Address of the bins: STRIP bytes a column, twice.

    Returns
    -------
    bool
        Whether a value is missing.
    """
    n_columns, strip = word(table, N_COLUMNS), np.empty(STRIP, np.float64)[:n]
    found, bins = np.empty(STRIP, np.uint16), bytes_(at, 2 * n_columns * STRIP)
    has_missing = False
    for column in range(n_columns):
        has_missing |= _copy_strip(table, first, word(word(table, FEATURES), column), strip)
        _bin_column(table, column, strip, found, 1)
        own = bins[column * STRIP : (column + 1) * STRIP]
        for i in range(n):
            own[i] = np.uint8(found[i]) ^ np.uint8(128)
    if has_missing:
        for place in range(n_columns * STRIP):
            bins[n_columns * STRIP + place] = bins[place] + np.uint8(1)
    return has_missing


@compiled
def count_buckets(cuts, low, scale, starts):  # type: ignore[no-untyped-def]
    """How many cuts are in earlier buckets, for each; returns the most that share one.

    Parameters
    ----------
    cuts : ndarray of float64
        Ascending.
    low : float
        Lowest cut.
    scale : float
        Buckets for each unit.
    starts : ndarray of uint8
        Filled.

    Returns
    -------
    int
        The most that share a bucket.
    """
    counts = np.zeros(BUCKETS, np.int64)
    for cut in cuts:
        counts[bucket(cut, low, scale)] += 1
    before = 0
    for place in range(BUCKETS):
        starts[place] = before
        before += counts[place]
    most = counts[0]
    for count in counts:
        most = max(most, count)
    return most


@inner
def pad_rows(n, width, at):  # type: ignore[no-untyped-def]
    """Repeat the last of n rows of bins up to a multiple of eight, so that no cache line is new.

    Parameters
    ----------
    n : int
        How many rows.
    width : int
        Columns.
    at : int
        Address of the bins of the first row.
    """
    padded = (n + 7) // 8 * 8
    bins = uint16s(at, padded * width)
    for i in range(n * width, padded * width):
        bins[i] = bins[i - width]
