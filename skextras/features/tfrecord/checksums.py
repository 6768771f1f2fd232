"""CRC-32C (Castagnoli) of bytes, masked as TFRecord stores it.

By the processor's crc32 instruction where the code is compiled for one that has it (x86 with
SSE 4.2), otherwise by eight tables, eight bytes a step ("slicing-by-8", Kounavis and Berry, "Novel
Table Lookup-Based Algorithms for High-Performance CRC Generation", IEEE Transactions on Computers
57(11), 2008).
"""

from typing import Any

import numpy as np

from skextras.features.tfrecord.bytes import (
    HAS_CRC_INSTRUCTION,
    crc_byte,
    crc_word,
    load8,
    load32,
    load64,
)
from skextras.trees.compiling import compiled, inner

POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed
MASK_DELTA = 0xA282EAD8  # of TFRecord: a CRC of bytes that hold CRCs is weak, so it is rotated
ONES = 0xFFFFFFFF


def _tables() -> np.ndarray:
    """CRC of each byte followed by 0 to 7 zero bytes, shape (8, 256)."""
    table: np.ndarray = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> 1) ^ np.where(table & 1, np.uint32(POLYNOMIAL), np.uint32(0))
    rows = [table]
    for _ in range(7):
        rows.append((rows[-1] >> 8) ^ table[rows[-1] & 0xFF])
    return np.stack(rows)


TABLES = _tables()


@inner
def crc_by_tables(array: Any, start: int, stop: int) -> Any:
    """CRC-32C of array[start:stop], on any machine."""
    crc = np.uint32(ONES)
    i = start
    while i + 8 <= stop:
        low, high = load32(array, i) ^ crc, load32(array, i + 4)
        crc = (
            TABLES[7, low & 0xFF]
            ^ TABLES[6, (low >> 8) & 0xFF]
            ^ TABLES[5, (low >> 16) & 0xFF]
            ^ TABLES[4, low >> 24]
            ^ TABLES[3, high & 0xFF]
            ^ TABLES[2, (high >> 8) & 0xFF]
            ^ TABLES[1, (high >> 16) & 0xFF]
            ^ TABLES[0, high >> 24]
        )
        i += 8
    while i < stop:
        crc = np.uint32(crc >> 8) ^ TABLES[0, (crc ^ load8(array, i)) & 0xFF]
        i += 1
    return np.uint32(crc ^ ONES)


@inner
def crc_by_instruction(array: Any, start: int, stop: int) -> Any:
    """CRC-32C of array[start:stop], where the processor computes it."""
    crc = np.uint64(ONES)
    i = start
    while i + 8 <= stop:
        crc = crc_word(crc, load64(array, i))
        i += 8
    rest = np.uint32(crc)
    while i < stop:
        rest = crc_byte(rest, load8(array, i))
        i += 1
    return np.uint32(rest ^ ONES)


_crc = crc_by_instruction if HAS_CRC_INSTRUCTION else crc_by_tables


@inner
def masked_crc(array: Any, start: int, stop: int) -> Any:
    """CRC-32C of array[start:stop], rotated right by 15 bits, plus a constant."""
    crc = np.uint32(_crc(array, start, stop))
    return np.uint32(((crc >> 15) | (crc << 17)) + MASK_DELTA)


@compiled
def crc32c(array: Any) -> int:
    """CRC-32C of all bytes.

    Parameters
    ----------
    array : uint8 array of shape (n,)
        The bytes.

    Returns
    -------
    int
        From 0 to 2³² - 1.
    """
    return _crc(array, 0, array.shape[0])


@compiled
def crc32c_by_tables(array: Any) -> int:
    """CRC-32C of all bytes, without the processor's instruction.

    Parameters
    ----------
    array : uint8 array of shape (n,)
        The bytes.

    Returns
    -------
    int
        From 0 to 2³² - 1.
    """
    return crc_by_tables(array, 0, array.shape[0])


@compiled
def masked_crc32c(array: Any) -> int:
    """CRC-32C of all bytes, as TFRecord stores it.

    Parameters
    ----------
    array : uint8 array of shape (n,)
        The bytes.

    Returns
    -------
    int
        From 0 to 2³² - 1.
    """
    return masked_crc(array, 0, array.shape[0])
