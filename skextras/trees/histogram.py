"""Sums of gradients and hessians by bin: the inner loop of every tree.

A row's gradient and hessian are one 64-bit integer, ``(g << 32) + h`` with h >= 0, in fixed point.
One addition adds both, and sums of integers do not depend on their order: the same trees for any
number of threads, and a child's histogram is exactly its parent's minus its sibling's. Scales are
powers of two such that no sum of any rows leaves its 32 bits (``fixed_point``).

A feature's histogram takes 264 words rather than 256: equal bins of neighbouring features would
otherwise lie 2 KiB apart, where the processor mistakes a store to one for a store to the other. A
word between them is what ``leaves.bound_of`` reads.
"""

import math
from typing import Any

import numpy as np

from skextras.trees.arrays import MISSING
from skextras.trees.memory import inner, prefetch

STRIDE = 264  # words of a feature
BOUND = 256  # place of the word behind its bins
GROUP_STRIDE = 8 * STRIDE
CHUNK = 2048  # rows
STRIP = 512  # rows whose payloads are gathered at a time; their bins stay in the first cache
AHEAD = 24  # rows between asking for a word and using it
EXPONENTS = -149, 126  # of scales: they are applied in single precision
LOW = 0xFFFFFFFF  # the hessian's half of a sum

U = np.uint64


def fixed_point(total: float, n: int, *, bits: int) -> float:
    """Scale under which the sum of any of n rounded terms stays within its bits.

    Every term is off by at most one (adding one half in single precision rounds, too), so that
    scale * total + n < 2^bits suffices.

    Parameters
    ----------
    total : float
        Sum of the absolute values.
    n : int
        Terms.
    bits : int
        Of the sum, without its sign.

    Returns
    -------
    float
        A power of two.
    """
    room = 2.0**bits - n
    if total <= 0:
        return 1.0
    # 0.999 covers the rounding of `total` itself, which comes from sums in single precision.
    low, high = EXPONENTS
    ratio = min(max(0.999 * room / total, 2.0**low), 2.0**high)
    return float(2.0 ** math.floor(math.log2(ratio)))


@inner
def _add_eight(sums: Any, bins: Any, payload: Any) -> None:
    sums[bins & U(255)] += payload
    sums[U(STRIDE) + ((bins >> U(8)) & U(255))] += payload
    sums[U(2 * STRIDE) + ((bins >> U(16)) & U(255))] += payload
    sums[U(3 * STRIDE) + ((bins >> U(24)) & U(255))] += payload
    sums[U(4 * STRIDE) + ((bins >> U(32)) & U(255))] += payload
    sums[U(5 * STRIDE) + ((bins >> U(40)) & U(255))] += payload
    sums[U(6 * STRIDE) + ((bins >> U(48)) & U(255))] += payload
    sums[U(7 * STRIDE) + (bins >> U(56))] += payload


@inner
def _add_four(sums: Any, bins: Any, payload: Any) -> None:
    sums[bins & U(255)] += payload
    sums[U(STRIDE) + ((bins >> U(8)) & U(255))] += payload
    sums[U(2 * STRIDE) + ((bins >> U(16)) & U(255))] += payload
    sums[U(3 * STRIDE) + ((bins >> U(24)) & U(255))] += payload


@inner
def add_all(bins: Any, payload: Any, sums: Any, rows: Any, is_wide: bool) -> None:
    """Add rows[0] to rows[1] of a group, in the order in which they lie."""
    if is_wide:
        for i in range(rows[0], rows[1]):
            _add_eight(sums, bins[i], payload[i])
    else:
        for i in range(rows[0], rows[1]):
            _add_four(sums, bins[i], payload[i])


@inner
def add_some(bins, order, picked, sums, step, is_wide):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """Add rows of ``order``, whose payloads are ``picked`` already; it looks AHEAD beyond them.

    The bins of a row are ``step`` words after those of the row before.
    """
    wide = U(step)
    if is_wide:
        for i in range(U(picked.size)):
            prefetch(bins, np.int64(order[i + U(AHEAD)]) * step)
            _add_eight(sums, bins[U(order[i]) * wide], picked[i])
    else:
        for i in range(U(picked.size)):
            prefetch(bins, np.int64(order[i + U(AHEAD)]) * step)
            _add_four(sums, bins[U(order[i]) * wide], picked[i])


# A feature's bins are 0 to n_bins - 1 and that of missing values; nobody looks between. (Unsigned
# places: LLVM cannot tell that signed ones are not below 0, and would go bin by bin.)
@inner
def clear(sums: Any, n_bins: Any) -> None:
    """Set sums to zero."""
    for feature in range(U(n_bins.size)):
        first = U(STRIDE) * feature
        for i in range(first, first + U(n_bins[feature])):
            sums[i] = 0
        sums[first + U(MISSING)] = 0


@inner
def copy(total: Any, part: Any, n_bins: Any) -> None:
    """Begin a total with a thread's sums."""
    for feature in range(U(n_bins.size)):
        first = U(STRIDE) * feature
        for i in range(first, first + U(n_bins[feature])):
            total[i] = part[i]
        total[first + U(MISSING)] = part[first + U(MISSING)]


@inner
def add(total: Any, part: Any, n_bins: Any) -> None:
    """Add a thread's sums to the total."""
    for feature in range(U(n_bins.size)):
        first = U(STRIDE) * feature
        for i in range(first, first + U(n_bins[feature])):
            total[i] += part[i]
        total[first + U(MISSING)] += part[first + U(MISSING)]


@inner
def subtract(total: Any, part: Any, n_bins: Any) -> None:
    """What the sibling has: total - part, in place."""
    for feature in range(U(n_bins.size)):
        first = U(STRIDE) * feature
        for i in range(first, first + U(n_bins[feature])):
            total[i] -= part[i]
        total[first + U(MISSING)] -= part[first + U(MISSING)]


@inner
def total_of(sums: Any, n_bins: Any) -> Any:
    """Sum over the bins of the first feature: every row is in one of them."""
    total = sums[MISSING]
    for b in range(n_bins[0]):
        total += sums[b]
    return total
