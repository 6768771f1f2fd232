"""Protocol buffers' wire format, walked without leaving the bytes that it is said to fill.

A message is a sequence of fields: a tag (8 · number + wire type, a varint), then a varint, four or
eight bytes, or a length and as many bytes. Every function takes where its message ends and tells a
field that reaches beyond by a negative place. Groups, which no writer of examples makes, are
refused, as TensorFlow's parser refuses them.
"""

from typing import Any

import numpy as np

from skextras.features.tfrecord.bytes import load8, load32, load64, trailing_zeros
from skextras.trees.compiling import inner

VARINT, EIGHT_BYTES, DELIMITED, FOUR_BYTES = 0, 1, 2, 5  # wire types
FIRST, SECOND, THIRD = 0x0A, 0x12, 0x1A  # tags of delimited fields 1, 2 and 3
INT64, FLOAT, BYTES = 3, 2, 1  # fields of tf.train.Feature


@inner
def varint(buffer: Any, pos: int, stop: int) -> Any:
    """(number, where it ends): seven bits a byte, lowest first; the last byte is below 128."""
    value = np.uint64(0)
    shift = np.uint64(0)
    while pos < stop and shift < np.uint64(70):  # ten bytes at most; bits above 64 are dropped
        byte = np.uint64(load8(buffer, pos))
        value |= (byte & np.uint64(0x7F)) << shift
        pos += 1
        if byte < np.uint64(0x80):
            return value, pos
        shift += np.uint64(7)
    return value, -1


@inner
def number(buffer: Any, pos: int, stop: int) -> Any:
    """The same as ``varint``, up to eight bytes at once and without a branch on how many."""
    if pos + 8 <= buffer.shape[0]:
        word = load64(buffer, pos)
        ends = ~word & np.uint64(0x8080808080808080)  # the top bit of each byte that may be last
        if ends != 0:
            end = pos + 1 + np.int64(trailing_zeros(ends) >> np.uint64(3))
            word &= ends ^ (ends - np.uint64(1))  # nothing above the last byte
            word &= np.uint64(0x7F7F7F7F7F7F7F7F)
            low = word & np.uint64(0x007F007F007F007F)
            word = low | ((word ^ low) >> np.uint64(1))
            low = word & np.uint64(0x00003FFF00003FFF)
            word = low | ((word ^ low) >> np.uint64(2))
            low = word & np.uint64(0x000000000FFFFFFF)
            word = low | ((word ^ low) >> np.uint64(4))
            return word, end if end <= stop else np.int64(-1)
    return varint(buffer, pos, stop)


@inner
def _any_field(buffer: Any, pos: int, stop: int) -> Any:
    tag, begin = varint(buffer, pos, stop)
    if begin < 0 or tag < np.uint64(8) or tag > np.uint64(0xFFFFFFFF):
        return np.int64(0), np.int64(pos), np.int64(-1)
    kind = np.int64(tag & np.uint64(7))
    end = np.int64(-1)
    if kind == DELIMITED:
        length, begin = varint(buffer, begin, stop)
        if begin >= 0 and length <= np.uint64(stop - begin):
            end = begin + np.int64(length)
    elif kind == VARINT:
        _, end = varint(buffer, begin, stop)
    elif kind == FOUR_BYTES:
        end = begin + 4
    elif kind == EIGHT_BYTES:
        end = begin + 8
    if end > stop:
        end = np.int64(-1)
    return np.int64(tag), np.int64(begin), end


@inner
def field(buffer: Any, pos: int, stop: int) -> Any:
    """(tag, where its value begins, where it ends); the end is negative where it is malformed."""
    if stop - pos >= 2:
        tag, length = np.int64(load8(buffer, pos)), np.int64(load8(buffer, pos + 1))
        is_short = tag in (FIRST, SECOND, THIRD) and length < 0x80
        if is_short and length <= stop - pos - 2:
            return tag, np.int64(pos + 2), np.int64(pos + 2 + length)
    return _any_field(buffer, pos, stop)


@inner
def is_plain(buffer: Any, start: int, stop: int, kind: int) -> bool:
    """Whether a feature is one list of one packed run of numbers, or of one string: in 4 bytes.

    Its values are in buffer[start + 4 : stop]. Nearly all features are written so, if short.
    """
    size = stop - start
    if start < 0 or size < 4 or size >= 0x82:
        return False
    tag = (kind << 3) | DELIMITED
    head = tag | ((size - 2) << 8) | (FIRST << 16) | ((size - 4) << 24)
    return load32(buffer, start) == np.uint32(head)


@inner
def next_list(buffer: Any, pos: int, feature_stop: int, stop: int) -> Any:
    """Next list of values of a feature: (kind, begin, end, feature_stop).

    Kind is 0 when there are no more and -1 where the bytes are malformed. ``pos`` runs from the
    start of a map entry (then ``feature_stop`` starts as 0) or of a feature (``feature_stop`` is
    its end). Parts of a message that is sent in parts follow one another.
    """
    while pos < stop:
        is_inside = pos < feature_stop
        tag, begin, end = field(buffer, pos, feature_stop if is_inside else stop)
        if end < 0:
            return -1, pos, pos, feature_stop
        pos = end
        if is_inside:
            if tag in (FIRST, SECOND, THIRD):
                return tag >> 3, begin, end, feature_stop
        elif tag == SECOND:
            pos, feature_stop = begin, end
    return 0, pos, pos, feature_stop
