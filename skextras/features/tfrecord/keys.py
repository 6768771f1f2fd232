"""Where each wanted feature lies in each record: keys are matched once, values are read later."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from skextras.features.tfrecord.bytes import is_same, load8, load16
from skextras.features.tfrecord.wire import FIRST, SECOND, field
from skextras.trees.compiling import compiled, inner

FEATURES, FEATURE_LISTS = FIRST, SECOND  # fields of Example and SequenceExample
N_EXPECTED = 1024  # places of a message whose last key is remembered
OFFSET, PRIME = 0x811C9DC5, 0x01000193  # of the hash FNV-1a


@dataclass(frozen=True, eq=False)
class Keys:
    """Names of features, laid out for comparison byte by byte.

    Attributes
    ----------
    text : uint8 array
        All names one after another, UTF-8.
    offsets : int64 array of shape (n_features + 1,)
        Where each begins.
    slots : int32 array of shape (a power of two,)
        Hash table with open addressing: number of the name, or -1.
    expected : int32 array of shape (N_EXPECTED,)
        The name that stood last at each place of a message, -1 at first; changed while reading.
    """

    text: np.ndarray
    offsets: np.ndarray
    slots: np.ndarray
    expected: np.ndarray

    @classmethod
    def of(cls, names: Sequence[str]) -> Self:
        """Lay out names.

        Parameters
        ----------
        names : sequence of str
            All different.

        Returns
        -------
        Keys
            For ``locate``.
        """
        encoded = [name.encode() for name in names]
        text = np.frombuffer(bytearray(b"".join(encoded)), np.uint8)
        offsets = np.cumsum([0, *map(len, encoded)])
        slots = np.full(1 << (2 * len(encoded) + 1).bit_length(), -1, np.int32)
        _enter(text, offsets, slots)
        return cls(text, offsets, slots, np.full(N_EXPECTED, -1, np.int32))

    @property
    def columns(self) -> tuple[np.ndarray, ...]:
        """All four, as compiled code takes them.

        Returns
        -------
        tuple of ndarray
            In their order.
        """
        return self.text, self.offsets, self.slots, self.expected


@inner
def _hash(text: Any, start: int, stop: int) -> Any:
    state = np.uint32(OFFSET)
    for i in range(start, stop):
        state = np.uint32((state ^ np.uint32(load8(text, i))) * np.uint32(PRIME))
    return np.int64(state)


@compiled
def _enter(text: Any, offsets: Any, slots: Any) -> None:
    mask = slots.shape[0] - 1
    for k in range(offsets.shape[0] - 1):
        slot = _hash(text, offsets[k], offsets[k + 1]) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = k


@inner
def _is_key(buffer: Any, start: int, stop: int, text: Any, first: int, last: int) -> bool:
    return stop - start == last - first and is_same(buffer, start, text, first, stop - start)


@inner
def _number_of(buffer: Any, start: int, stop: int, text: Any, offsets: Any, slots: Any) -> int:
    """Number of the name that equals these bytes, or -1."""
    mask = slots.shape[0] - 1
    slot = _hash(buffer, start, stop) & mask
    while slots[slot] >= 0:
        k = slots[slot]
        if _is_key(buffer, start, stop, text, offsets[k], offsets[k + 1]):
            return k
        slot = (slot + 1) & mask
    return -1


@inner
def _any_entry(buffer: Any, start: int, stop: int) -> Any:
    key, key_end, value, value_end, n_values = start, start, start, start, 0
    pos = start
    while pos < stop:
        tag, begin, end = field(buffer, pos, stop)
        if end < 0:
            return key, key_end, value, -1
        if tag == FIRST:
            key, key_end = begin, end
        elif tag == SECOND:
            value, value_end = begin, end
            n_values += 1
        pos = end
    if n_values > 1:
        return key, key_end, ~start, stop
    return key, key_end, value, value_end


@inner
def _entry(buffer: Any, start: int, stop: int) -> Any:
    """(key begins, ends, value begins, ends) of an entry of a map; the last is -1 for an error.

    A value that comes in parts is told by ~start, the complement of where the entry begins.
    """
    if stop - start >= 4 and load8(buffer, start) == FIRST:  # as nearly all are written
        key = start + 2
        key_end = key + np.int64(load8(buffer, start + 1))
        value = key_end + 2
        is_short = key_end - key < 0x80 and value <= stop and stop - value < 0x80
        if is_short and load16(buffer, key_end) == SECOND | ((stop - value) << 8):
            return key, key_end, value, stop
    return _any_entry(buffer, start, stop)


@inner
def _locate_in_map(  # parts of one loop
    buffer: Any, pos: int, stop: int, place: int, keys: Any, row: int, spans: Any
) -> int:
    """Note the entries of a map; tell how many there were, or -1."""
    text, offsets, slots, expected = keys
    while pos < stop:
        tag, begin, end = field(buffer, pos, stop)
        if end < 0:
            return -1
        pos = end
        if tag != FIRST:
            continue
        key, key_end, value, value_end = _entry(buffer, begin, end)
        if value_end < 0:
            return -1
        k = np.int64(expected[place & (N_EXPECTED - 1)])
        if k < 0 or not _is_key(buffer, key, key_end, text, offsets[k], offsets[k + 1]):
            k = _number_of(buffer, key, key_end, text, offsets, slots)
            expected[place & (N_EXPECTED - 1)] = k
        if k >= 0:  # a later entry of the same key replaces an earlier one
            spans[row, k, 0] = value
            spans[row, k, 1] = value_end
        place += 1
    return place


@inner
def locate(
    buffer: Any,
    bounds: Any,
    container: int,
    keys: Any,
    spans: Any,
    is_bad: Any,
    first: int,
    last: int,
) -> int:
    """Find the wanted features of records first to last; tell how many are no such message.

    ``spans`` of shape (n_records, n_features, 2) gets where the value of each feature begins and
    ends, equal where there is none; for a value in parts, the complement of where its entry begins.
    ``is_bad`` gets 1 for a record that is no such message, otherwise 0.
    """
    n_bad = 0
    for row in range(first, last):
        pos, stop, place = np.int64(bounds[0, row]), np.int64(bounds[1, row]), 0
        for k in range(spans.shape[1]):
            spans[row, k, 0] = 0
            spans[row, k, 1] = 0
        is_bad[row] = 0
        while pos < stop:
            tag, begin, end = field(buffer, pos, stop)
            if end >= 0 and tag == container:
                place = _locate_in_map(buffer, begin, end, place, keys, row, spans)
            if end < 0 or place < 0:
                is_bad[row] = 1
                n_bad += 1
                break
            pos = end
    return n_bad


@compiled
def list_keys(buffer: Any, bounds: Any, container: int, places: Any) -> int:
    """Note where the key of every entry of every record lies.

    Parameters
    ----------
    buffer : uint8 array
        Holds the records.
    bounds : int32 array of shape (2, n_records)
        Where each begins and ends.
    container : int
        FEATURES or FEATURE_LISTS.
    places : int32 array of shape (room, 2)
        Gets where each key begins and ends, as far as there is room.

    Returns
    -------
    int
        Number of entries, or ~row for a record that is no such message.
    """
    n = 0
    for row in range(bounds.shape[1]):
        pos, stop = np.int64(bounds[0, row]), np.int64(bounds[1, row])
        while pos < stop:
            tag, entry, map_end = field(buffer, pos, stop)
            if map_end < 0:
                return ~row
            pos = map_end
            while tag == container and entry < map_end:
                own, begin, end = field(buffer, entry, map_end)
                if end < 0:
                    return ~row
                entry = end
                if own == FIRST:
                    key, key_end, _, value_end = _entry(buffer, begin, end)
                    if value_end < 0:
                        return ~row
                    if n < places.shape[0]:
                        places[n, 0] = key
                        places[n, 1] = key_end
                    n += 1
    return n
