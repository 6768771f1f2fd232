"""Numbers into buckets."""

import numpy as np

from skextras.trees.compiling import compiled, inner

FEW = 48  # boundaries: up to here counting all of them, eight rows at a time, beats a search


@compiled
def bucketize(values: np.ndarray, boundaries: np.ndarray, codes: np.ndarray) -> bool:
    """Count the boundaries that are not above each value.

    Parameters
    ----------
    values : ndarray of number of shape (n,)
        NaN gets -1.
    boundaries : ndarray of float64 of shape (b,)
        Ascending.
    codes : ndarray of int32 of shape (n,)
        Gets the buckets, 0 ... b.

    Returns
    -------
    bool
        Whether no value was NaN.
    """
    n, tile, is_full = len(values), 512, True
    for start in range(0, n, tile):
        stop = min(n, start + tile)
        for row in range(start, stop):
            codes[row] = 0
        if len(boundaries) <= FEW:
            for boundary in boundaries:
                for row in range(start, stop):
                    codes[row] += np.int32(values[row] >= boundary)
        else:
            for row in range(start, stop):
                codes[row] = _upper(boundaries, values[row])
        for row in range(start, stop):
            if values[row] != values[row]:
                codes[row] = -1
                is_full = False
    return is_full


@inner
def _upper(boundaries: np.ndarray, value: float) -> int:
    """How many boundaries are not above a value, by halving."""
    low, n = 0, len(boundaries)
    while n > 0:
        half = n >> 1
        is_above = boundaries[low + half] <= value
        low = low + half + 1 if is_above else low
        n = n - half - 1 if is_above else half
    return low
