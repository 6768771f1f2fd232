"""Compiled writing of records: sizes of all first, then every byte to its place.

A table holds a row for each column; its slots hold numbers and addresses of arrays (see
``skextras.trees.memory``). What a column holds for a row is a list of values, values[base[row]] to
values[base[row + 1]], or, for a feature list, a list of steps that are such lists.
"""

from typing import Any

import numpy as np

from skextras.features.tfrecord.bytes import copy_bytes, store8, store32, store64
from skextras.features.tfrecord.checksums import masked_crc
from skextras.features.tfrecord.framing import FOOTER, HEADER
from skextras.features.tfrecord.wire import BYTES, FIRST, INT64, SECOND
from skextras.trees.compiling import compiled, inner
from skextras.trees.memory import bytes_, int64s, uint32s

SLOTS = 10
(
    KIND,  # INT64, FLOAT or BYTES
    KEY,  # where the name begins in the text of all names
    KEY_END,
    IS_THERE,  # uint8 (n,): whether the row has the feature
    BASE,  # int64 (n or n_steps + 1,): number of the first value
    STEPS,  # int64 (n + 1,): number of the first step, 0 for a feature that is no feature list
    DATA,  # int64, float32 or bytes: the values
    OFFSETS,  # int64: where each string begins in the bytes
    N_VALUES,
    N_BYTES,  # of all strings
) = range(SLOTS)


@inner
def _size_of(value: int) -> int:
    """Bytes of a varint."""
    rest, n = np.uint64(value) >> np.uint64(7), 1
    while rest:
        rest >>= np.uint64(7)
        n += 1
    return n


@inner
def _put_varint(out: Any, pos: int, value: int) -> int:
    rest = np.uint64(value)
    while rest >= np.uint64(0x80):
        store8(out, pos, np.uint8((rest & np.uint64(0x7F)) | np.uint64(0x80)))
        rest >>= np.uint64(7)
        pos += 1
    store8(out, pos, np.uint8(rest))
    return pos + 1


@inner
def _put_head(out: Any, pos: int, tag: int, size: int) -> int:
    store8(out, pos, np.uint8(tag))
    return _put_varint(out, pos + 1, size)


@inner
def _delimited(size: int) -> int:
    """Bytes of a field of that many, its tag and length included."""
    return 1 + _size_of(size) + size


@inner
def _run_size(own: Any, first: int, last: int) -> int:
    """Bytes of the values first to last, packed or, for strings, each a field."""
    if own[KIND] == BYTES:
        offsets, size = int64s(own[OFFSETS], own[N_VALUES] + 1), 0
        for i in range(first, last):
            size += _delimited(offsets[i + 1] - offsets[i])
        return size
    if own[KIND] != INT64:
        return 4 * (last - first)
    ints, size = int64s(own[DATA], own[N_VALUES]), 0
    for i in range(first, last):
        size += _size_of(ints[i])
    return size


@inner
def _list_size(own: Any, first: int, last: int) -> int:
    run = _run_size(own, first, last)
    return run if first == last or own[KIND] == BYTES else _delimited(run)


@inner
def _put_feature(own: Any, first: int, last: int, size: int, out: Any, pos: int) -> int:
    """Write a feature whose list has ``size`` bytes."""
    kind = own[KIND]
    pos = _put_head(out, pos, (kind << 3) | 2, size)
    if kind == BYTES:
        offsets = int64s(own[OFFSETS], own[N_VALUES] + 1)
        data = bytes_(own[DATA], own[N_BYTES])
        for i in range(first, last):
            n = offsets[i + 1] - offsets[i]
            pos = _put_head(out, pos, FIRST, n)
            copy_bytes(data, offsets[i], out, pos, n)
            pos += n
        return pos
    if first == last:
        return pos
    pos = _put_head(out, pos, FIRST, _run_size(own, first, last))
    if kind == INT64:
        ints = int64s(own[DATA], own[N_VALUES])
        for i in range(first, last):
            pos = _put_varint(out, pos, ints[i])
        return pos
    floats = uint32s(own[DATA], own[N_VALUES])
    for i in range(first, last):
        store32(out, pos, floats[i])
        pos += 4
    return pos


@inner
def _span(own: Any, row: int, n: int) -> Any:
    """First and last value of a row, or step of a feature list."""
    base = int64s(own[STEPS] if own[STEPS] else own[BASE], n + 1)
    return base[row], base[row + 1]


@inner
def _value_size(own: Any, row: int, n: int) -> int:
    """Bytes of a Feature or FeatureList."""
    first, last = _span(own, row, n)
    if not own[STEPS]:
        return _delimited(_list_size(own, first, last))
    size, base = 0, int64s(own[BASE], last + 1)
    for step in range(first, last):
        size += _delimited(_delimited(_list_size(own, base[step], base[step + 1])))
    return size


@inner
def _put_value(own: Any, row: int, n: int, out: Any, pos: int) -> int:
    first, last = _span(own, row, n)
    if not own[STEPS]:
        return _put_feature(own, first, last, _list_size(own, first, last), out, pos)
    base = int64s(own[BASE], last + 1)
    for step in range(first, last):
        size = _list_size(own, base[step], base[step + 1])
        pos = _put_head(out, pos, FIRST, _delimited(size))
        pos = _put_feature(own, base[step], base[step + 1], size, out, pos)
    return pos


@inner
def _entry_size(own: Any, value_size: int) -> int:
    return _delimited(own[KEY_END] - own[KEY]) + _delimited(value_size)


@compiled
def measure(table: Any, n: int, maps: Any, sizes: Any, ends: Any) -> None:
    """Find how long records get.

    Parameters
    ----------
    table : int64 array of shape (n_columns, SLOTS)
        The columns; features first, feature lists last.
    n : int
        Number of records.
    maps : int64 array of shape (n, 2)
        Gets the bytes of all features, and of all feature lists, of each record.
    sizes : int64 array of shape (n, n_columns)
        Gets the bytes of each feature or feature list.
    ends : int64 array of shape (n + 1,)
        Gets the bytes of all records before, with their lengths and CRCs.
    """
    ends[0] = 0
    for row in range(n):
        maps[row, 0], maps[row, 1] = 0, 0
        for k in range(table.shape[0]):
            own = table[k]
            if bytes_(own[IS_THERE], n)[row]:
                sizes[row, k] = _value_size(own, row, n)
                size = _delimited(_entry_size(own, sizes[row, k]))
                maps[row, 1 if own[STEPS] else 0] += size
        size = HEADER + FOOTER
        for kind in range(2):
            if maps[row, kind]:
                size += _delimited(maps[row, kind])
        ends[row + 1] = ends[row] + size


@compiled
def write(table: Any, text: Any, maps: Any, sizes: Any, ends: Any, out: Any) -> None:
    """Write records.

    Parameters
    ----------
    table : int64 array of shape (n_columns, SLOTS)
        The columns; features first, feature lists last.
    text : uint8 array
        Names of the columns.
    maps, sizes, ends : int64 arrays
        What ``measure`` found.
    out : uint8 array of shape (ends[n],)
        Gets the records with their lengths and CRCs.
    """
    n = maps.shape[0]
    for row in range(n):
        pos = ends[row] + HEADER
        container = 0
        for k in range(table.shape[0]):
            own = table[k]
            if not bytes_(own[IS_THERE], n)[row]:
                continue
            tag = SECOND if own[STEPS] else FIRST
            if tag != container:
                pos = _put_head(out, pos, tag, maps[row, 1 if own[STEPS] else 0])
                container = tag
            pos = _put_head(out, pos, FIRST, _entry_size(own, sizes[row, k]))
            key_size = own[KEY_END] - own[KEY]
            pos = _put_head(out, pos, FIRST, key_size)
            copy_bytes(text, own[KEY], out, pos, key_size)
            pos = _put_head(out, pos + key_size, SECOND, sizes[row, k])
            pos = _put_value(own, row, n, out, pos)
        begin, end = ends[row] + HEADER, ends[row + 1] - FOOTER
        store64(out, ends[row], np.uint64(end - begin))
        store32(out, ends[row] + 8, np.uint32(masked_crc(out, ends[row], ends[row] + 8)))
        store32(out, end, np.uint32(masked_crc(out, begin, end)))
