"""The first pass over records: where features lie, and how many values they hold."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from skextras.features.tfrecord import passes
from skextras.features.tfrecord.passes import copy_steps, count_steps
from skextras.features.tfrecord.schema import RAGGED, Column, Values
from skextras.features.tfrecord.wire import BYTES, FLOAT, INT64
from skextras.trees.memory import address_of

SIZES = {INT64: 8, FLOAT: 4}  # bytes of a number


class MalformedError(Exception):
    """Some records are no messages of the expected form.

    Parameters
    ----------
    rows : ndarray of int
        Their places among the records that were decoded.
    """

    def __init__(self, rows: np.ndarray) -> None:
        super().__init__(rows)
        self.rows = rows


class Scratch:
    """Working memory that is used again: fresh memory costs more than what is done in it."""

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Array that holds anything.

        Parameters
        ----------
        name : str
            What it is for.
        shape : tuple of int
            Its shape.
        dtype : dtype
            Of the numbers; the same for the same name.

        Returns
        -------
        ndarray of shape ``shape``
            Good until it is asked for again.
        """
        there, size = self._arrays.get(name), math.prod(shape)
        if there is None or len(there) < size:
            there = self._arrays[name] = np.empty(size, dtype)
        return there[:size].reshape(shape)


@dataclass(frozen=True, eq=False)
class Search:
    """What has to be done before it is known where features lie.

    Attributes
    ----------
    bounds : int32 array of shape (2, n)
        Where each record begins and ends; of shape (2, 0) if nothing has to be done.
    container : int
        FEATURES or FEATURE_LISTS.
    names : tuple of ndarray
        Of ``Keys``.
    """

    bounds: np.ndarray
    container: int
    names: tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class Located:
    """The features of some records, or of the steps of a sequence.

    Attributes
    ----------
    buffer : uint8 array
        Holds the records.
    spans : int32 array of shape (n, n_features, 2)
        Where features lie.
    scratch : Scratch
        Working memory.
    owner : int64 array of shape (n,) or None
        For steps: the record of each.
    """

    buffer: np.ndarray
    spans: np.ndarray
    scratch: Scratch
    owner: np.ndarray | None

    def record(self, row: int) -> int:
        """Record that a row belongs to.

        Parameters
        ----------
        row : int
            A record or a step.

        Returns
        -------
        int
            Its place.
        """
        return int(row if self.owner is None else self.owner[row])


@dataclass(frozen=True, eq=False)
class Survey:
    """What ``survey`` found: a row for each column.

    Attributes
    ----------
    table : int64 array of shape (n_columns, SLOTS)
        See ``passes``.
    counts : int32 array of shape (n_columns, n)
        Number of values; negative where there is no feature.
    is_bad : uint8 array of shape (n_columns, n)
        MALFORMED, OTHER_KIND or 0.
    base : int64 array of shape (n_columns, n + 1)
        Number of values of all records before, of ragged columns.
    places : int64 array of shape (n_columns, n + 1)
        Number of bytes of all strings of all records before.
    memory : list of Buffer or None
        Numbers of columns that are not ragged.
    """

    table: np.ndarray
    counts: np.ndarray
    is_bad: np.ndarray
    base: np.ndarray
    places: np.ndarray
    memory: list[pa.Buffer | None]


def surveyed(located: Located, columns: Sequence[Column], search: Search) -> Survey:
    """Run the first pass over records.

    Parameters
    ----------
    located : Located
        The records; its spans are filled if they are to be searched for.
    columns : sequence of Column
        What to count, one for each feature; none if features are only to be found.
    search : Search
        How features are found.

    Returns
    -------
    Survey
        What was found; its arrays belong to the scratch memory.

    Raises
    ------
    MalformedError
        If some records are no such messages.
    """
    n, array, n_columns = len(located.spans), located.scratch.array, len(columns)
    found = Survey(
        array("table", (n_columns, passes.SLOTS), np.int64),
        array("counts", (n_columns, n), np.int32),
        array("is_bad", (n_columns, n), np.uint8),
        array("base", (n_columns, n + 1), np.int64),
        array("places", (n_columns, n + 1), np.int64),
        [_fixed_memory(column.values, n) for column in columns],
    )
    table = found.table
    table[:, passes.KIND] = [column.values.kind for column in columns]
    table[:, passes.WIDTH] = [column.values.width for column in columns]
    for slot, rows in (
        (passes.COUNTS, found.counts),
        (passes.IS_BAD, found.is_bad),
        (passes.BASE, found.base),
        (passes.PLACES, found.places),
    ):
        table[:, slot] = address_of(rows) + rows.strides[0] * np.arange(n_columns)
    table[:, passes.DATA] = [memory.address if memory else 0 for memory in found.memory]
    is_bad = array("no_message", (n,), np.uint8)
    where = (search.bounds, search.container, search.names)
    if passes.survey(located.buffer, *where, located.spans, is_bad, table):
        raise MalformedError(np.flatnonzero(is_bad))
    return found


def _fixed_memory(values: Values, n: int) -> pa.Buffer | None:
    """Memory for numbers of which each record has as many."""
    if values.width == RAGGED or values.kind == BYTES:
        return None
    return pa.allocate_buffer(n * values.width * SIZES[values.kind])


def steps_of(buffer: np.ndarray, spans: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the steps of a sequence lie.

    Parameters
    ----------
    buffer : uint8 array
        Holds the records.
    spans : int32 array of shape (n, n_features, 2)
        Where lists of features lie.
    k : int
        Which one.

    Returns
    -------
    base : int64 array of shape (n + 1,)
        Steps of record r are numbered base[r] to base[r + 1].
    steps : int32 array of shape (n_steps, 1, 2)
        The span of each.

    Raises
    ------
    MalformedError
        If some are no lists of features.
    """
    base, is_bad = np.empty(len(spans) + 1, np.int64), np.empty(len(spans), np.uint8)
    if count_steps(buffer, spans, k, base, is_bad):
        raise MalformedError(np.flatnonzero(is_bad))
    steps: np.ndarray = np.empty((int(base[-1]), 1, 2), np.int32)
    copy_steps(buffer, spans, k, base, steps)
    return base, steps
