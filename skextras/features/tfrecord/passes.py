"""Compiled passes over the records of a batch: locate and count, then copy, tile by tile.

A tile of records stays in the nearest caches while all its columns are read. What is known of the
columns stands in a table with a row for each; its slots hold numbers and the addresses of arrays
(see ``skextras.trees.memory``).
"""

from typing import Any

import numpy as np

from skextras.features.tfrecord.keys import locate
from skextras.features.tfrecord.values import (
    MALFORMED,
    copy_numbers,
    copy_strings,
    count_values,
    opened,
)
from skextras.features.tfrecord.wire import BYTES, INT64, next_list
from skextras.trees.compiling import compiled, inner
from skextras.trees.memory import bytes_, int32s, int64s, uint32s

TILE = 128  # records
SLOTS = 9
(
    KIND,  # INT64, FLOAT or BYTES
    WIDTH,  # values of a record, negative for any number
    N_ODD,  # gets how many records are malformed, lack the feature, or hold another number
    COUNTS,  # int32 (n,): gets the number of values of each record, negative where it lacks them
    IS_BAD,  # uint8 (n,): gets MALFORMED, OTHER_KIND or 0
    BASE,  # int64 (n + 1,): gets the number of values of all records before
    PLACES,  # int64 (n + 1,): gets the number of bytes of all strings of all records before
    DATA,  # int64, float32 or bytes: gets the values
    ENDS,  # int32: gets where each string ends
) = range(SLOTS)
_EMPTY = 0  # an address that is not looked at


@inner
def _count_column(buffer: Any, spans: Any, k: int, own: Any, begin: int, end: int) -> None:
    """Count the values of a column that is ragged or holds strings."""
    n, kind, width = spans.shape[0], own[KIND], own[WIDTH]
    counts, is_bad = int32s(own[COUNTS], n), bytes_(own[IS_BAD], n)
    base, places = int64s(own[BASE], n + 1), int64s(own[PLACES], n + 1)
    n_odd, n_values, n_bytes = 0, base[begin], places[begin]
    for row in range(begin, end):
        count, size, fault = count_values(buffer, spans[row, k], kind)
        n_values += max(count, 0)
        n_bytes += size
        base[row + 1], places[row + 1] = n_values, n_bytes
        counts[row], is_bad[row] = count, fault
        n_odd += fault != 0 or count < 0 or (width >= 0 and count != width)
    own[N_ODD] += n_odd


@inner
def _copy_column(buffer: Any, spans: Any, k: int, own: Any, begin: int, end: int) -> None:
    """Copy the numbers of a column, to places that follow from its width or from counts."""
    n, kind, width = spans.shape[0], own[KIND], own[WIDTH]
    counts, is_bad = int32s(own[COUNTS], n), bytes_(own[IS_BAD], n)
    base = int64s(own[BASE], n + 1)
    size = n * width if width >= 0 else base[n]
    ints, floats = int64s(own[DATA], size), uint32s(own[DATA], size)
    n_odd = 0
    for row in range(begin, end):
        first, room = row * width, (row + 1) * width
        if width < 0:
            first, room = base[row], base[row + 1]
        count, fault = copy_numbers(buffer, spans[row, k], kind, ints, floats, first, room)
        counts[row], is_bad[row] = count, fault
        n_odd += fault != 0 or count != room - first
        for missing in range(first + max(count, 0), room):  # shows no old memory
            if kind == INT64:
                ints[missing] = 0
            else:
                floats[missing] = 0
    if width >= 0:
        own[N_ODD] += n_odd


@inner
def _copy_string_column(buffer: Any, spans: Any, k: int, own: Any, begin: int, end: int) -> None:
    """Copy the strings of a column; those that are missing are empty."""
    n, width = spans.shape[0], own[WIDTH]
    base, places = int64s(own[BASE], n + 1), int64s(own[PLACES], n + 1)
    size = n * width if width >= 0 else base[n]
    ends, data = int32s(own[ENDS], size), bytes_(own[DATA], places[n])
    for row in range(begin, end):
        first, room = row * width, (row + 1) * width
        if width < 0:
            first, room = base[row], base[row + 1]
        place, last = places[row], places[row + 1]
        done, to = copy_strings(buffer, spans[row, k], ends, data, first, room, place, last)
        for missing in range(done, room):
            ends[missing] = to


@compiled
def survey(
    buffer: Any, bounds: Any, container: int, keys: Any, spans: Any, is_bad: Any, table: Any
) -> int:
    """Find all features; copy numbers where each record has as many, count everything else.

    Parameters
    ----------
    buffer : uint8 array
        Holds the records.
    bounds : int32 array of shape (2, n)
        Where each record begins and ends; of shape (2, 0) where ``spans`` is filled already.
    container : int
        FEATURES or FEATURE_LISTS.
    keys : tuple of ndarray
        Of ``Keys``.
    spans : int32 array of shape (n, n_features, 2)
        Gets where features lie.
    is_bad : uint8 array of shape (n,)
        Gets 1 for a record that is no such message.
    table : int64 array of shape (n_columns, SLOTS)
        The columns.

    Returns
    -------
    int
        How many records are no such message.
    """
    n, n_bad = spans.shape[0], 0
    for own in table:
        own[N_ODD] = 0
        if own[WIDTH] < 0 or own[KIND] == BYTES:
            int64s(own[BASE], 1)[0] = 0
            int64s(own[PLACES], 1)[0] = 0
    for begin in range(0, n, TILE):
        end = min(begin + TILE, n)
        if bounds.shape[1]:
            n_bad += locate(buffer, bounds, container, keys, spans, is_bad, begin, end)
        for k in range(table.shape[0]):
            if table[k, WIDTH] < 0 or table[k, KIND] == BYTES:
                _count_column(buffer, spans, k, table[k], begin, end)
            else:
                _copy_column(buffer, spans, k, table[k], begin, end)
    return n_bad


@compiled
def collect(buffer: Any, spans: Any, table: Any) -> None:
    """Copy what ``survey`` counted.

    Parameters
    ----------
    buffer : uint8 array
        Holds the records.
    spans : int32 array of shape (n, n_features, 2)
        Where features lie.
    table : int64 array of shape (n_columns, SLOTS)
        The columns, with memory for what was counted.
    """
    n = spans.shape[0]
    for begin in range(0, n, TILE):
        end = min(begin + TILE, n)
        for k in range(table.shape[0]):
            if table[k, KIND] == BYTES:
                _copy_string_column(buffer, spans, k, table[k], begin, end)
            elif table[k, WIDTH] < 0:
                _copy_column(buffer, spans, k, table[k], begin, end)


@compiled
def count_steps(buffer: Any, spans: Any, k: int, base: Any, is_bad: Any) -> int:
    """Count the steps of a sequence feature.

    Parameters
    ----------
    buffer : uint8 array
        Holds the records.
    spans : int32 array of shape (n, n_features, 2)
        Where lists of features lie.
    k : int
        Which one.
    base : int64 array of shape (n + 1,)
        Gets the number of steps of all records before.
    is_bad : uint8 array of shape (n,)
        Gets MALFORMED or 0.

    Returns
    -------
    int
        How many records are malformed.
    """
    n, n_bad = 0, 0
    base[0] = 0
    for row in range(spans.shape[0]):
        stop = np.int64(spans[row, k, 1])
        pos, feature_stop = opened(spans[row, k, 0], stop)
        found = 1
        while found > 0:
            found, _, pos, feature_stop = next_list(buffer, pos, feature_stop, stop)
            n += found == 1
        base[row + 1] = n
        is_bad[row] = MALFORMED if found < 0 else 0
        n_bad += found < 0
    return n_bad


@compiled
def copy_steps(buffer: Any, spans: Any, k: int, base: Any, steps: Any) -> None:
    """Note where each step of a sequence feature lies.

    Parameters
    ----------
    buffer : uint8 array
        Holds the records.
    spans : int32 array of shape (n, n_features, 2)
        Where lists of features lie.
    k : int
        Which one.
    base : int64 array of shape (n + 1,)
        Steps of record r are numbered base[r] to base[r + 1].
    steps : int32 array of shape (base[n], 1, 2)
        Gets the span of each step.
    """
    for row in range(spans.shape[0]):
        stop = np.int64(spans[row, k, 1])
        pos, feature_stop = opened(spans[row, k, 0], stop)
        n = base[row]
        while n < base[row + 1]:
            found, begin, pos, feature_stop = next_list(buffer, pos, feature_stop, stop)
            if found <= 0:
                break
            if found == 1:
                steps[n, 0, 0] = begin
                steps[n, 0, 1] = pos
                n += 1
