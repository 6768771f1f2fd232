"""Values of one feature of one record, counted and copied into a column.

A span says where the record's value of the feature lies (see ``keys.locate``). Lists of the same
kind that come one after another are one list; a list of another kind replaces what came before it.
"""

from typing import Any

import numpy as np

from skextras.features.tfrecord.bytes import copy_bytes, load32
from skextras.features.tfrecord.wire import (
    BYTES,
    FIRST,
    FLOAT,
    INT64,
    field,
    is_plain,
    next_list,
    number,
)
from skextras.trees.compiling import inner

NUMBER, FOUR = 0x08, 0x0D  # tags of field 1 as a varint and as four bytes
_SINGLE = (0, FIRST, FOUR, NUMBER)  # by kind: the tag of one value that is not packed
MALFORMED, OTHER_KIND = 1, 2  # what ``is_bad`` gets
ABSENT = -1  # instead of a count


@inner
def opened(start: int, stop: int) -> Any:
    """(pos, feature_stop) that ``next_list`` starts from."""
    if start < 0:
        return np.int64(~start), np.int64(0)
    return np.int64(start), np.int64(stop)


@inner
def _count_varints(buffer: Any, pos: int, stop: int) -> int:
    """Number of varints in a packed list, -1 if it is malformed."""
    n = 0
    while pos < stop:
        _, pos = number(buffer, pos, stop)
        if pos < 0:
            return -1
        n += 1
    return n


@inner
def _copy_varints(buffer: Any, pos: int, stop: int, out: Any, n: int, room: int) -> int:
    """Copy a packed list behind out[:n] as far as there is room; tell the new length, or -1."""
    while pos < stop:
        value, pos = number(buffer, pos, stop)
        if pos < 0:
            return -1
        if n < room:
            out[n] = np.int64(value)
        n += 1
    return n


@inner
def _copy_floats(buffer: Any, pos: int, stop: int, out: Any, n: int, room: int) -> int:
    if (stop - pos) & 3:
        return -1
    while pos < stop:
        if n < room:
            out[n] = load32(buffer, pos)
        n += 1
        pos += 4
    return n


@inner
def _copy_run(  # numbers of either kind
    buffer: Any, pos: int, stop: int, kind: int, ints: Any, floats: Any, n: int, room: int
) -> int:
    if kind == INT64:
        return _copy_varints(buffer, pos, stop, ints, n, room)
    return _copy_floats(buffer, pos, stop, floats, n, room)


@inner
def _copy_list(  # one list of either kind
    buffer: Any, pos: int, stop: int, kind: int, ints: Any, floats: Any, n: int, room: int
) -> int:
    while pos < stop:
        tag, begin, end = field(buffer, pos, stop)
        if end < 0:
            return -1
        if tag in (FIRST, NUMBER if kind == INT64 else FOUR):
            n = _copy_run(buffer, begin, end, kind, ints, floats, n, room)
        if n < 0:
            return -1
        pos = end
    return n


@inner
def _count_run(buffer: Any, pos: int, stop: int, kind: int) -> Any:
    """(values in a run of packed numbers, 0), (1, length) of a string, (-1, 0) if malformed."""
    if kind == BYTES:
        return 1, stop - pos
    if kind == FLOAT:
        return -1 if (stop - pos) & 3 else (stop - pos) >> 2, 0
    return _count_varints(buffer, pos, stop), 0


@inner
def _count_list(buffer: Any, pos: int, stop: int, kind: int) -> Any:
    """(number of values, of their bytes); the first is negative where they are malformed."""
    n, size = 0, 0
    while pos < stop:
        tag, begin, end = field(buffer, pos, stop)
        if end < 0:
            return -1, size
        if tag in (FIRST, _SINGLE[kind]):
            more, longer = _count_run(buffer, begin, end, kind)
            if more < 0:
                return -1, size
            n += more
            size += longer
        pos = end
    return n, size


@inner
def copy_numbers(
    buffer: Any, span: Any, kind: int, ints: Any, floats: Any, first: int, room: int
) -> Any:
    """Copy to out[first:room]: (how many there are, MALFORMED or OTHER_KIND or 0)."""
    start, stop = np.int64(span[0]), np.int64(span[1])
    if is_plain(buffer, start, stop, kind):
        n = _copy_run(buffer, start + 4, stop, kind, ints, floats, first, room)
        return n - first, np.int64(n < 0)
    pos, feature_stop = opened(start, stop)
    n, last = first, 0
    while True:
        found, begin, pos, feature_stop = next_list(buffer, pos, feature_stop, stop)
        if found <= 0:
            break
        if found != last:
            n, last = first, found
        if found == kind:
            n = _copy_list(buffer, begin, pos, kind, ints, floats, n, room)
        if n < 0:
            return ABSENT, MALFORMED
    if found < 0:
        return ABSENT, MALFORMED
    return n - first if last else ABSENT, OTHER_KIND if last not in (0, kind) else 0


@inner
def count_values(buffer: Any, span: Any, kind: int) -> Any:
    """(how many values, their bytes, MALFORMED or OTHER_KIND or 0)"""
    start, stop = np.int64(span[0]), np.int64(span[1])
    if is_plain(buffer, start, stop, kind):
        n, size = _count_run(buffer, start + 4, stop, kind)
        return n, size, np.int64(n < 0)
    pos, feature_stop = opened(start, stop)
    n, size, last = 0, 0, 0
    while True:
        found, begin, pos, feature_stop = next_list(buffer, pos, feature_stop, stop)
        if found <= 0:
            break
        if found != last:
            n, size, last = 0, 0, found
        if found == kind:
            more, longer = _count_list(buffer, begin, pos, kind)
            if more < 0:
                return ABSENT, 0, MALFORMED
            n += more
            size += longer
    if found < 0:
        return ABSENT, 0, MALFORMED
    return n if last else ABSENT, size, OTHER_KIND if last not in (0, kind) else 0


@inner
def copy_strings(
    buffer: Any, span: Any, ends: Any, data: Any, first: int, room: int, place: int, last: int
) -> Any:
    """Copy to data[place:last], ends to ends[first:room]; (behind the last string, and byte)."""
    start, stop = np.int64(span[0]), np.int64(span[1])
    size = stop - start - 4
    if is_plain(buffer, start, stop, BYTES) and first < room and place + size <= last:
        copy_bytes(buffer, start + 4, data, place, size)
        ends[first] = place + size
        return first + 1, place + size
    pos, feature_stop = opened(start, stop)
    n, to, before = first, place, 0
    while True:
        found, begin, pos, feature_stop = next_list(buffer, pos, feature_stop, stop)
        if found <= 0:
            return n, to
        if found != before:
            n, to, before = first, place, found
        while found == BYTES and begin < pos:
            tag, begin_string, begin = field(buffer, begin, pos)
            if begin < 0:
                return n, to
            size = begin - begin_string
            if tag == FIRST and n < room and to + size <= last:
                copy_bytes(buffer, begin_string, data, to, size)
                to += size
                ends[n] = to
                n += 1
