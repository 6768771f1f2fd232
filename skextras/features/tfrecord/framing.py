"""Records in a stretch of a file: each is length (8 bytes), CRC of these, data, CRC of the data."""

from typing import Any

import numpy as np

from skextras.features.tfrecord.bytes import load32, load64
from skextras.features.tfrecord.checksums import masked_crc
from skextras.trees.compiling import compiled, inner

HEADER, FOOTER = 12, 4
LARGEST = 2**31 - 1 - HEADER - FOOTER  # bytes of a record; protobuf allows no longer message
FULL, INCOMPLETE, BAD_LENGTH, BAD_DATA, TOO_LONG = range(5)


@inner
def is_header(buffer: Any, pos: int) -> bool:
    """Whether the 12 bytes at ``pos`` are a length and its CRC."""
    return load32(buffer, pos + 8) == masked_crc(buffer, pos, pos + 8)


@compiled
def scan(buffer: Any, pos: Any, stop: int, is_checked: bool, bounds: Any, n: int) -> Any:
    """Find where records begin and end, and check them.

    Parameters
    ----------
    buffer : uint8 array of shape (size,)
        Part of a file.
    pos : int
        Where the next record begins.
    stop : int
        Up to where the buffer holds the file, <= size.
    is_checked : bool
        Whether CRCs are compared.
    bounds : int32 array of shape (2, n_max)
        Gets where the data of each record begin and end.
    n : int
        How many are there already.

    Returns
    -------
    n : int
        How many there are now.
    pos : int
        Where the record begins that stopped the search.
    code : int
        FULL where ``bounds`` is; INCOMPLETE where the buffer ends first; else what is wrong with
        that record.
    """
    n_max = bounds.shape[1]
    while n < n_max:
        if stop - pos < HEADER:
            return n, pos, INCOMPLETE
        if is_checked and not is_header(buffer, pos):
            return n, pos, BAD_LENGTH
        length = load64(buffer, pos)
        if length > np.uint64(LARGEST):
            return n, pos, TOO_LONG
        begin = pos + HEADER
        end = begin + np.int64(length)
        if end + FOOTER > stop:
            return n, pos, INCOMPLETE
        if is_checked and load32(buffer, end) != masked_crc(buffer, begin, end):
            return n, pos, BAD_DATA
        bounds[0, n] = begin
        bounds[1, n] = end
        n += 1
        pos = end + FOOTER
    return n, pos, FULL


@compiled
def next_header(buffer: Any, pos: int, stop: int) -> int:
    """First place from ``pos`` on where a length is followed by its CRC.

    Parameters
    ----------
    buffer : uint8 array of shape (size,)
        Part of a file.
    pos : int
        Where to begin.
    stop : int
        Up to where the buffer holds the file.

    Returns
    -------
    int
        The place, or the first that lacks bytes to tell.
    """
    while stop - pos >= HEADER and not (
        load64(buffer, pos) <= np.uint64(LARGEST) and is_header(buffer, pos)
    ):
        pos += 1
    return pos


@compiled
def header_length(buffer: Any, pos: int, is_checked: bool) -> Any:
    """Length that a header tells.

    Parameters
    ----------
    buffer : uint8 array of shape (size,)
        At least 12 bytes from ``pos`` on.
    pos : int
        Where the header begins.
    is_checked : bool
        Whether its CRC is compared.

    Returns
    -------
    int
        Bytes of data, -1 where the header is wrong.
    """
    length = load64(buffer, pos)
    if length > np.uint64(LARGEST) or (is_checked and not is_header(buffer, pos)):
        return -1
    return np.int64(length)
