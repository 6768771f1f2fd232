"""Numbers: their range, their counts, their buckets; codes by way of other codes."""

import numpy as np

from skextras.trees.compiling import compiled, inner

TILE = 1024  # rows at a time: their codes stay in the cache
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
    n_nan = 0
    for start in range(0, len(values), TILE):
        # slices start at 0, which spares each index the question whether it is negative
        own, out = values[start : start + TILE], codes[start : start + TILE]
        if len(boundaries) <= FEW:
            _count(own, boundaries, out)
        else:
            for i in range(len(own)):
                out[i] = _upper(boundaries, own[i])
        for i in range(len(own)):
            is_nan = own[i] != own[i]
            n_nan += is_nan
            out[i] = np.int32(-1) if is_nan else out[i]
    return n_nan == 0


@inner
def _count(values: np.ndarray, boundaries: np.ndarray, codes: np.ndarray) -> None:
    for i in range(len(codes)):
        codes[i] = 0
    for boundary in boundaries:
        for i in range(len(codes)):
            codes[i] += np.int32(values[i] >= boundary)


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


@compiled
def whole_range(values: np.ndarray) -> tuple[float, float, int, bool]:
    """Look whether a column holds whole numbers.

    Parameters
    ----------
    values : ndarray of float or int of shape (n,)
        NaN is missing.

    Returns
    -------
    low, high : float
        Of the numbers; infinite if there is none.
    n_missing : int
        Rows that are NaN.
    is_whole : bool
        Whether all others are whole.
    """
    low, high, n_missing, n_fractions = np.inf, -np.inf, 0, 0
    for i in range(len(values)):
        value = np.float64(values[i])
        is_nan = value != value
        n_missing += is_nan
        low = value if value < low else low
        high = value if value > high else high
        n_fractions += (np.floor(value) != value) & ~is_nan
    return low, high, n_missing, n_fractions == 0


@compiled
def count_whole(values: np.ndarray, low: float, counts: np.ndarray) -> None:
    """Count whole numbers.

    Parameters
    ----------
    values : ndarray of float or int of shape (n,)
        NaN is left out.
    low : float
        The number of the first count.
    counts : ndarray of int64
        Grow in place.
    """
    for i in range(len(values)):
        value = np.float64(values[i])
        if value == value:
            counts[np.uint64(value - low)] += 1


@compiled
def count_codes(codes: np.ndarray, counts: np.ndarray) -> None:
    """Count codes.

    Parameters
    ----------
    codes : ndarray of int32 of shape (n,)
        Negative ones are left out.
    counts : ndarray of int64
        Zeros; one a code.
    """
    for i in range(len(codes)):
        code = codes[i]
        if code >= 0:
            counts[np.uint32(code)] += 1


@compiled
def recoded(codes: np.ndarray, new: np.ndarray, out: np.ndarray) -> int:
    """Replace codes by those of another list.

    Parameters
    ----------
    codes : ndarray of int32 of shape (n,)
        Negative ones stay.
    new : ndarray of int32
        Of each code.
    out : ndarray of int32 of shape (n,)
        The new codes.

    Returns
    -------
    int
        The least of them, or 0 if that is less.
    """
    least = np.int32(0)
    for i in range(len(codes)):
        code = codes[i]
        if code >= 0:
            code = new[np.uint32(code)]
        least = min(least, code)
        out[i] = code
    return int(least)
