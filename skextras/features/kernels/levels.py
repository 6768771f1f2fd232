"""Columns as codes and distinct values: an open-addressed table of what was seen.

Each value has a 64-bit key. For text of at most 7 bytes the key is the text and its length, so that
equal keys are equal text; for longer text it is the fingerprint, and equal keys are compared byte
by byte. For numbers the key is the number.
"""

from collections.abc import Callable

import numpy as np

from skextras.features.kernels.farmhash import fingerprint
from skextras.features.kernels.words import word64
from skextras.trees.compiling import compiled, inner

U = np.uint64
SPREAD = U(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: Fibonacci hashing
LONG = U(1) << U(63)  # marks the keys of long text, which no short one has
START = 64  # places of the first table
EACH = U(0x0101010101010101)  # the lowest bit of each byte
HIGHEST = U(0x8080808080808080)


@inner
def _key(data: np.ndarray, at: int, n: int) -> np.uint64:
    """Key of n bytes."""
    if n > 7:
        return fingerprint(data, at, n) | LONG
    if at + 8 <= len(data):
        return (word64(data, at) & ((U(1) << U(8 * n)) - U(1))) | (U(n) << U(56))
    word = U(n) << U(56)
    for byte in range(n):
        word |= U(data[at + byte]) << U(8 * byte)
    return word


@inner
def _is_same(data: np.ndarray, at: int, others: np.ndarray, other: int, n: int) -> bool:
    for byte in range(n):  # noqa: SIM110  # Numba compiles no generators
        if data[at + byte] != others[other + byte]:
            return False
    return True


@inner
def _home(key: np.uint64, mask: int) -> int:
    """Where the search for a key starts."""
    word = key * SPREAD
    return int(word >> U(32)) & mask


@inner
def _place(places: np.ndarray, keys: np.ndarray, key: np.uint64) -> int:
    """A key's place in a table that does not hold it."""
    mask = len(places) - 1
    place = _home(key, mask)
    while places[place] >= 0:
        place = (place + 1) & mask
    return place


@inner
def _fill(places: np.ndarray, keys: np.ndarray, n_levels: int) -> None:
    """Write the first levels into an empty table."""
    places[:] = -1
    for level in range(n_levels):
        places[_place(places, keys, keys[level])] = level


@inner
def _text_level(
    data: np.ndarray,
    at: int,
    n: int,
    key: np.uint64,
    starts: np.ndarray,
    known: np.ndarray,
    members: np.ndarray,
    places: np.ndarray,
    keys: np.ndarray,
) -> tuple[int, int]:
    """(level or -1, its place in the table) of n bytes; levels are members of a vocabulary."""
    mask = len(places) - 1
    place = _home(key, mask)
    level = places[place]
    while level >= 0:
        if keys[level] == key:
            if n <= 7:
                break
            member = members[level]
            start = starts[member]
            if starts[member + 1] - start == n and _is_same(data, at, known, start, n):
                break
        place = (place + 1) & mask
        level = places[place]
    return level, place


@compiled
def text_codes(
    strings: tuple[np.ndarray, np.ndarray, np.ndarray],
    table: tuple[np.ndarray, np.ndarray, np.ndarray],
    reached: tuple[int, int],
    codes: np.ndarray,
) -> tuple[int, int]:
    """Number distinct strings by their first appearance, until the table is half full.

    Parameters
    ----------
    strings : tuple of ndarray
        Offsets of int64 (n + 1), bytes, and rows without a string (or an empty array).
    table : tuple of ndarray
        Places of int32 (a power of two), keys of uint64 and first rows of int64 of the levels.
    reached : tuple of int
        Rows and levels done.
    codes : ndarray of int32 of shape (n,)
        Gets the level of each row, -1 if it is missing.

    Returns
    -------
    tuple of int
        Rows and levels done.
    """
    offsets, data, missing = strings
    places, keys, firsts = table
    start, n_levels = reached
    has_missing, room = len(missing) > 0, len(places) // 2
    for row in range(start, len(codes)):
        if has_missing and missing[row]:
            codes[row] = -1
            continue
        at = offsets[row]
        n = offsets[row + 1] - at
        key = _key(data, at, n)
        level, place = _text_level(data, at, n, key, offsets, data, firsts, places, keys)
        if level < 0:
            if n_levels == room:
                return row, n_levels
            level = n_levels
            places[place], keys[level], firsts[level] = level, key, row
            n_levels += 1
        codes[row] = level
    return len(codes), n_levels


@compiled
def word_codes(
    strings: tuple[np.ndarray, np.ndarray],
    table: tuple[np.ndarray, np.ndarray, np.ndarray],
    reached: tuple[int, int],
    codes: np.ndarray,
) -> tuple[int, int]:
    """Number distinct words by their first appearance, until the table is half full.

    Parameters
    ----------
    strings : tuple of ndarray
        Words of uint64, and rows without one (or an empty array).
    table : tuple of ndarray
        Places of int32 (a power of two), keys of uint64 and first rows of int64 of the levels.
    reached : tuple of int
        Rows and levels done.
    codes : ndarray of int32 of shape (n,)
        Gets the level of each row, -1 if it is missing.

    Returns
    -------
    tuple of int
        Rows and levels done.
    """
    words, missing = strings
    places, keys, firsts = table
    start, n_levels = reached
    has_missing, room, mask = len(missing) > 0, len(places) // 2, len(places) - 1
    for row in range(start, len(codes)):
        if has_missing and missing[row]:
            codes[row] = -1
            continue
        key = words[row]
        place = _home(key, mask)
        level = places[place]
        while level >= 0 and keys[level] != key:
            place = (place + 1) & mask
            level = places[place]
        if level < 0:
            if n_levels == room:
                return row, n_levels
            level = n_levels
            places[place], keys[level], firsts[level] = level, key, row
            n_levels += 1
        codes[row] = level
    return len(codes), n_levels


@compiled
def fill(places: np.ndarray, keys: np.ndarray, n_levels: int) -> None:
    """Write the keys of the first levels into a table that is larger than the last one.

    Parameters
    ----------
    places : ndarray of int32
        Gets the levels.
    keys : ndarray of uint64
        All different.
    n_levels : int
        How many.
    """
    _fill(places, keys, n_levels)


def distinct(
    step: Callable[..., tuple[int, int]], values: tuple[np.ndarray, ...], n_rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Number the distinct values of a column by their first appearance.

    Parameters
    ----------
    step : callable
        ``text_codes`` or ``word_codes``.
    values : tuple of ndarray
        What it takes.
    n_rows : int
        Rows of the column.

    Returns
    -------
    codes : ndarray of int32 of shape (n_rows,)
        The level of each row, -1 if it is missing.
    firsts : ndarray of int64 of shape (n_levels,)
        The first row of each level.
    """
    codes, size = np.empty(n_rows, np.int32), START
    places = np.full(size, -1, np.int32)
    keys, firsts = np.empty(size, np.uint64), np.empty(size, np.int64)
    reached = step(values, (places, keys, firsts), (0, 0), codes)
    while reached[0] < n_rows:
        size *= 4
        keys, firsts = np.resize(keys, size), np.resize(firsts, size)
        places = np.empty(size, np.int32)
        fill(places, keys, reached[1])
        reached = step(values, (places, keys, firsts), reached, codes)
    return codes, firsts[: reached[1]].copy()


@compiled
def text_table(offsets: np.ndarray, data: np.ndarray, places: np.ndarray, keys: np.ndarray) -> None:
    """Fill a table with a vocabulary whose members are all different.

    Parameters
    ----------
    offsets : ndarray of int64 of shape (n_levels + 1,)
        Where each string starts; the last one's end.
    data : ndarray of uint8
        Their bytes.
    places : ndarray of int32, its length a power of two above n_levels
        Gets the levels, -1 where none is.
    keys : ndarray of uint64 of shape (n_levels,)
        Gets their keys.
    """
    for level in range(len(keys)):
        keys[level] = _key(data, offsets[level], offsets[level + 1] - offsets[level])
    _fill(places, keys, len(keys))


@compiled
def text_lookup(
    strings: tuple[np.ndarray, np.ndarray, np.ndarray],
    vocabulary: tuple[np.ndarray, np.ndarray, np.ndarray],
    table: tuple[np.ndarray, np.ndarray],
    codes: np.ndarray,
) -> None:
    """Find each string in a vocabulary.

    Parameters
    ----------
    strings : tuple of ndarray
        Offsets, bytes, and rows that are missing (or an empty array).
    vocabulary : tuple of ndarray
        Offsets, bytes, and 0, 1, 2, ... of int64.
    table : tuple of ndarray
        Places and keys, as ``text_table`` fills them.
    codes : ndarray of int32 of shape (n,)
        Gets the place in the vocabulary, -1 if missing, -2 if unknown.
    """
    offsets, data, missing = strings
    starts, known, members = vocabulary
    places, keys = table
    has_missing = len(missing) > 0
    for row in range(len(codes)):
        if has_missing and missing[row]:
            codes[row] = -1
            continue
        at = offsets[row]
        n = offsets[row + 1] - at
        key = _key(data, at, n)
        level, _ = _text_level(data, at, n, key, starts, known, members, places, keys)
        codes[row] = level if level >= 0 else -2


@compiled
def split_text(joined: np.ndarray, offsets: np.ndarray, data: np.ndarray, end: int) -> int:
    """Take text apart where its bytes are zero, eight bytes at a time.

    Parameters
    ----------
    joined : ndarray of uint8
        n strings, with a zero between each two and nowhere else.
    offsets : ndarray of int64 of shape (n + 1,)
        Gets where each string starts, and the last one's end.
    data : ndarray of uint8
        Gets the bytes of the strings, without the zeros; up to eight after them lose their values.
    end : int
        Where the first string starts.

    Returns
    -------
    int
        Where the last one ends.
    """
    row, at, to = np.uint64(0), np.uint64(0), np.uint64(end)
    n, eight = np.uint64(len(joined)), np.uint64(8)
    offsets[row] = to
    while at + eight <= n:
        word = word64(joined, np.int64(at))
        for byte in range(eight):
            data[to + byte] = np.uint8(word >> (eight * byte))
        zeros = (word - EACH) & ~word & HIGHEST  # of its lowest zero byte, and none below
        if not zeros:
            at, to = at + eight, to + eight
            continue
        below = (zeros & (~zeros + U(1))) - U(1)
        n_own = ((below & EACH) * EACH) >> U(56)  # bytes up to that one
        at, to, row = at + n_own, to + n_own - U(1), row + U(1)
        offsets[row] = to
    while at < n:
        data[to] = joined[at]
        is_end = U(joined[at] == 0)
        at, to, row = at + U(1), to + U(1) - is_end, row + is_end
        if is_end:
            offsets[row] = to
    offsets[row + U(1)] = to
    return int(to)


@compiled
def gather_text(
    offsets: np.ndarray, data: np.ndarray, rows: np.ndarray, starts: np.ndarray, out: np.ndarray
) -> None:
    """Copy some strings into a buffer of their own.

    Parameters
    ----------
    offsets : ndarray of int64 of shape (n + 1,)
        Where each string starts; the last one's end.
    data : ndarray of uint8
        Their bytes.
    rows : ndarray of int64 of shape (m,)
        Which strings.
    starts : ndarray of int64 of shape (m + 1,)
        Where each goes.
    out : ndarray of uint8 of shape (starts[-1],)
        The bytes.
    """
    for i in range(len(rows)):
        at, to = offsets[rows[i]], starts[i]
        for byte in range(starts[i + 1] - to):
            out[to + byte] = data[at + byte]
