"""Sums of a node's rows by the bins of one feature, and which bins hold any.

Most nodes of a deep tree hold few rows. A mask of 256 bits says which bins hold any, so that only
these are looked at, and cleared again; the histogram is zero between two calls.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from skextras.trees import forest_slots as at
from skextras.trees.memory import bytes_, float64s, inner, int32s, int64s, uint32s, word

U = np.uint64
CROWD = 256  # rows from which all bins are asked whether they are empty


@intrinsic
def _trailing_zeros(typingctx, x):  # type: ignore[no-untyped-def]
    def _emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.cttz(args[0], context.get_constant(types.boolean, True))

    return types.uint64(types.uint64), _emit


@inner
def _mark(b, o0, o1, o2, o3):  # type: ignore[no-untyped-def]
    bit, own = U(1) << (b & U(63)), b >> U(6)
    o0 |= bit & (U(0) - U(own == U(0)))
    o1 |= bit & (U(0) - U(own == U(1)))
    o2 |= bit & (U(0) - U(own == U(2)))
    o3 |= bit & (U(0) - U(own == U(3)))
    return o0, o1, o2, o3


@inner
def _bins_seen(seen, o0, o1, o2, o3):  # type: ignore[no-untyped-def]
    """Lists the bins of a mask, ascending; how many."""
    n = U(0)
    for own in range(4):
        left = o0
        left = o1 if own == 1 else left
        left = o2 if own == 2 else left
        left = o3 if own == 3 else left
        while left != U(0):
            seen[n] = U(64 * own) + _trailing_zeros(left)
            n += U(1)
            left &= left - U(1)
    return np.int64(n)


@inner
def _bins_filled(histogram, seen, stride):  # type: ignore[no-untyped-def]
    """Lists the bins that are not empty, by a look at all of them; how many."""
    n = U(0)
    for b in range(U(256)):
        seen[n] = b
        n += U(histogram[b * U(stride)] != 0)
    return np.int64(n)


@inner
def _add_packed(table, codes, start, n):  # type: ignore[no-untyped-def]
    """Sums of packed payloads by bin; the bins that hold rows."""
    rows = uint32s(word(table, at.ORDER) + 4 * start, n)
    payload = int64s(word(table, at.PAYLOADS), n)
    histogram = int64s(word(table, at.HISTOGRAM), 256)
    seen = int64s(word(table, at.SEEN), 257)
    if n >= CROWD:
        for i in range(U(n)):
            histogram[U(codes[U(rows[i])])] += payload[i]
        return _bins_filled(histogram, seen, 1)
    o0 = o1 = o2 = o3 = U(0)
    for i in range(U(n)):
        b = U(codes[U(rows[i])])
        histogram[b] += payload[i]
        o0, o1, o2, o3 = _mark(b, o0, o1, o2, o3)
    return _bins_seen(seen, o0, o1, o2, o3)


@inner
def _add_lanes(table, codes, start, n):  # type: ignore[no-untyped-def]
    """Sums of weights and of each lane by bin; the bins that hold rows."""
    rows = uint32s(word(table, at.ORDER) + 4 * start, n)
    weights = float64s(word(table, at.DIFFERENCES), n)
    n_lanes, n_outputs = word(table, at.N_LANES), word(table, at.N_OUTPUTS)
    stride = U(n_lanes + 1)
    histogram = float64s(word(table, at.LANES), 256 * (n_lanes + 1))
    is_class = word(table, at.KIND) == at.CLASSES
    n_rows = word(table, at.N_ROWS)
    labels = int32s(word(table, at.LABELS), n_rows * n_outputs)
    targets = float64s(word(table, at.TARGETS), n_rows * n_outputs)
    o0 = o1 = o2 = o3 = U(0)
    for i in range(U(n)):
        row = U(rows[i])
        b, w = U(codes[row]), weights[i]
        place, own = b * stride, row * U(n_outputs)
        histogram[place] += w
        if is_class:
            for v in range(U(n_outputs)):
                histogram[place + U(1) + U(labels[own + v])] += w
        else:
            for v in range(U(n_outputs)):
                histogram[place + U(1) + v] += w * targets[own + v]
        o0, o1, o2, o3 = _mark(b, o0, o1, o2, o3)
    return _bins_seen(int64s(word(table, at.SEEN), 257), o0, o1, o2, o3)


@inner
def _add_counts(table, codes, start, n):  # type: ignore[no-untyped-def]
    """Counts of rows by bin, where leaves must hold several."""
    rows = uint32s(word(table, at.ORDER) + 4 * start, n)
    counts = int32s(word(table, at.COUNTS), word(table, at.N_ROWS))
    sums = int64s(word(table, at.SUMS), 256)
    for i in range(U(n)):
        row = U(rows[i])
        sums[U(codes[row])] += counts[row]


@inner
def add_rows(table, feature, start, n):  # type: ignore[no-untyped-def]
    """Sums a node's rows by the feature's bins; how many bins hold any."""
    n_rows = word(table, at.N_ROWS)
    codes = bytes_(word(table, at.CODES) + feature * n_rows, n_rows)
    if word(table, at.MIN_LEAF) > 1:
        _add_counts(table, codes, start, n)
    if word(table, at.KIND) <= at.NUMBER:
        return _add_packed(table, codes, start, n)
    return _add_lanes(table, codes, start, n)


@inner
def clear(table, n):  # type: ignore[no-untyped-def]
    """Makes the sums of n bins zero again."""
    seen = int64s(word(table, at.SEEN), 257)
    counts = int64s(word(table, at.SUMS), 256)
    if word(table, at.KIND) <= at.NUMBER:
        histogram = int64s(word(table, at.HISTOGRAM), 256)
        for i in range(U(n)):
            histogram[U(seen[i])] = 0
    else:
        stride = word(table, at.N_LANES) + 1
        lanes = float64s(word(table, at.LANES), 256 * stride)
        for i in range(n):
            for v in range(stride):
                lanes[seen[i] * stride + v] = 0.0
    if word(table, at.MIN_LEAF) > 1:
        for i in range(n):
            counts[seen[i]] = 0
