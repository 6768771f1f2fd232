"""Rows of a matrix from the blocks of its columns, in one pass over the rows.

A slot is what a block brings to a row: a number, the 1 of a code, or a bag of weighted codes. The
slots stand in the order of the output's columns, so that the indices of a row come out sorted. A
table of slots holds, for each: its kind, the first column of the output, and up to three addresses
of arrays, which the caller keeps alive.
"""

import numpy as np

from skextras.trees.memory import compiled, float32s, float64s, inner, int32s, int64s

TILE = 1024  # rows that are written at once: what is read and written of them stays in the cache
ONE = np.uint64(1)
CODES, FLOAT64, FLOAT32, BAGS = 0, 1, 2, 3  # kinds of slots
KIND, FIRST, ADDRESS, ITEMS, WEIGHTS = 0, 1, 2, 3, 4  # columns of the table


@inner
def _add_lengths(slot: np.ndarray, lengths: np.ndarray) -> None:
    """Add the entries of one slot to the lengths of all rows."""
    n = len(lengths)
    if slot[KIND] == CODES:
        codes = int32s(slot[ADDRESS], n)
        for row in range(n):
            lengths[row] += codes[row] >= 0
    elif slot[KIND] == BAGS:
        offsets = int64s(slot[ADDRESS], n + 1)
        for row in range(n):
            lengths[row] += offsets[row + 1] - offsets[row]
    else:
        for row in range(n):
            lengths[row] += 1


@compiled
def row_lengths(slots: np.ndarray, lengths: np.ndarray) -> None:
    """Entries of each row.

    Parameters
    ----------
    slots : ndarray of int64 of shape (n_slots, 5)
        The table.
    lengths : ndarray of int64 of shape (n,)
        Zeros; gets the lengths.
    """
    for i in range(len(slots)):
        _add_lengths(slots[i], lengths)


@inner
def _write_codes(
    codes: np.ndarray, first: int, start: int, places: np.ndarray, indices: np.ndarray
) -> None:
    """Write columns; the data hold 1 already."""
    own, base = codes[start:], np.int32(first)
    for i in range(len(places)):
        code = own[i]
        if code >= 0:
            place = places[i]
            indices[place] = base + code
            places[i] = place + ONE


@inner
def _write_numbers(
    values: np.ndarray,
    column: int,
    start: int,
    places: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
) -> None:
    own = values[start:]
    for i in range(len(places)):
        indices[places[i]] = column
        data[places[i]] = own[i]
        places[i] += ONE


@inner
def _write_bags(
    slot: np.ndarray,
    n: int,
    start: int,
    places: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
) -> None:
    first, offsets = slot[FIRST], int64s(slot[ADDRESS], n + 1)
    codes, weights = int32s(slot[ITEMS], offsets[n]), float64s(slot[WEIGHTS], offsets[n])
    for i in range(len(places)):
        for item in range(offsets[start + i], offsets[start + i + 1]):
            indices[places[i]] = first + codes[item]
            data[places[i]] = weights[item]
            places[i] += ONE


@compiled
def write_rows(
    slots: np.ndarray, starts: np.ndarray, indices: np.ndarray, data: np.ndarray
) -> None:
    """Write the rows of a CSR matrix.

    Parameters
    ----------
    slots : ndarray of int64 of shape (n_slots, 5)
        The table.
    starts : ndarray of int32 or int64 of shape (n + 1,)
        Where each row starts.
    indices : ndarray of int32 or int64
        Gets the columns.
    data : ndarray of float32 or float64
        Gets the values.
    """
    n = len(starts) - 1
    places = np.empty(TILE, np.uint64)  # unsigned: no index is asked whether it is negative
    for start in range(0, n, TILE):
        tile = min(n - start, TILE)
        for i in range(tile):
            places[i] = np.uint64(starts[start + i])
        data[starts[start] : starts[start + tile]] = 1
        own = places[:tile]
        for s in range(len(slots)):
            slot = slots[s]
            kind, first, address = slot[KIND], slot[FIRST], slot[ADDRESS]
            if kind == CODES:
                _write_codes(int32s(address, n), first, start, own, indices)
            elif kind == FLOAT64:
                _write_numbers(float64s(address, n), first, start, own, indices, data)
            elif kind == FLOAT32:
                _write_numbers(float32s(address, n), first, start, own, indices, data)
            else:
                _write_bags(slot, n, start, own, indices, data)


@compiled
def add_codes(codes: np.ndarray, out: np.ndarray) -> None:
    """Write the 1s of codes into a matrix of zeros.

    Parameters
    ----------
    codes : ndarray of int32 of shape (n,)
        Negative for none.
    out : ndarray of float of shape (n, width)
        What is written.
    """
    for row in range(len(codes)):
        if codes[row] >= 0:
            out[row, codes[row]] = 1


@compiled
def add_bags(offsets: np.ndarray, codes: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
    """Add the weights of bags to a matrix of zeros.

    Parameters
    ----------
    offsets : ndarray of int64 of shape (n + 1,)
        Where each row's codes start.
    codes : ndarray of int32
        None negative.
    weights : ndarray of float64
        Of the codes.
    out : ndarray of float of shape (n, width)
        What is written.
    """
    for row in range(len(out)):
        for item in range(offsets[row], offsets[row + 1]):
            out[row, codes[item]] += weights[item]
