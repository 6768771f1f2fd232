"""Numbers to bins: at most 255 a feature; bin 255 is a missing value.

Eight columns of a row share one 64-bit word, so that a histogram reads one word for eight
additions. ``words[g, i]`` holds columns 8g to 8g+7 of row i, the first in the lowest byte. A column
is a feature, or several that are never away from the bin of 0 on the same row (``columns``).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from skextras.trees.arrays import MISSING
from skextras.trees.columns import (
    ALONE,
    COLUMN,
    DEFAULT,
    N_CODES,
    N_PLACE,
    Columns,
    code_of,
    columns_of,
)
from skextras.trees.edges import BinMapper, edge_table
from skextras.trees.memory import (
    address_of,
    bytes_,
    float32s,
    float64s,
    inner,
    int64s,
    operation,
    uint64s,
    word,
)
from skextras.trees.sampling import RowSample
from skextras.trees.threads import Threads

__all__ = [
    "BinMapper",
    "Binned",
    "Binner",
    "RowSample",
    "as_column",
    "bin_table",
    "column_blocks",
]

GROUP = 8  # columns in a word
ROWS = 4096  # of a chunk
STRIP = 256  # rows that are binned column by column while they are in the cache
TRANSPOSED = 1024  # rows of a sample that are turned into columns at a time

# What an operation is told, by slot of its table.
X, ROW_STRIDE, COLUMN_STRIDE, N_ROWS, N_FEATURES, EDGES, IS_CATEGORICAL, WORDS = range(8)
LENGTH, FIRST_ROW, PLACES, CLASHES = range(8, 12)

U = np.uint64


@dataclass(frozen=True)
class Binned:
    """A table as bins.

    Attributes
    ----------
    words : ndarray of uint64 of shape (n_groups, n_rows)
        Eight columns of a row in a word.
    mapper : BinMapper
        What the bins mean.
    sharing : Columns or None
        Which features share a column; None gives each its own.
    """

    words: np.ndarray
    mapper: BinMapper
    sharing: Columns | None = None

    @cached_property
    def columns(self) -> Columns:
        """Where each feature is found.

        Returns
        -------
        Columns
            Those that were given, or a feature a column.
        """
        return columns_of(self.mapper) if self.sharing is None else self.sharing

    @property
    def n_rows(self) -> int:
        """Rows of the table.

        Returns
        -------
        int
            How many.
        """
        return self.words.shape[1]


@inner
def _place_among(v, edges, own):  # type: ignore[no-untyped-def]
    """Place of a value among a feature's edges, by a search of eight steps without a branch."""
    place, step = own, U(128)
    while step > U(0):
        place += step * U(v > edges[place + step - U(1)])
        step >>= U(1)
    return place - own


@inner
def _bin_column(values, edges, where, words, shift):  # type: ignore[no-untyped-def]
    """Bins of a feature that has a column of its own.

    where: the first value, from value to value, and the first edge.
    """
    first, down, own = where
    for i in range(U(words.size)):
        v = values[U(first) + i * U(down)]
        words[i] |= (_place_among(v, edges, U(own)) | ((U(0) - U(v != v)) & U(MISSING))) << shift


@inner
def _bin_sharer(values, edges, where, words, shift, place):  # type: ignore[no-untyped-def]  # noqa: PLR0917
    """Codes of a feature that shares its column; whether a value is missing or finds it taken."""
    first, down, own = where
    default, clash = U(place[DEFAULT]), U(0)
    for i in range(U(words.size)):
        v = values[U(first) + i * U(down)]
        b = _place_among(v, edges, U(own))
        is_other = U(b != default)
        clash |= (is_other & U(((words[i] >> shift) & U(255)) != U(0))) | U(v != v)
        words[i] |= (is_other * code_of(b, place) & U(255)) << shift
    return clash != U(0)


@inner
def _forget_strangers(values, edges, where, words, shift):  # type: ignore[no-untyped-def]
    """A code that is not known is missing, wherever among the known ones it would be."""
    first, down, own = where
    for i in range(U(words.size)):
        b = (words[i] >> shift) & U(MISSING)
        if edges[U(own) + b] != values[U(first) + i * U(down)]:
            words[i] |= U(MISSING) << shift


@inner
def _bin_rows(table, chunk, values, edges):  # type: ignore[no-untyped-def]
    n, length = word(table, N_ROWS), word(table, LENGTH)
    down, right = word(table, ROW_STRIDE), word(table, COLUMN_STRIDE)
    n_features = word(table, N_FEATURES)
    is_categorical = bytes_(word(table, IS_CATEGORICAL), n_features)
    clashes = bytes_(word(table, CLASHES), n_features)
    for start in range(chunk * ROWS, min(n, (chunk + 1) * ROWS), STRIP):
        for j in range(n_features):
            place = int64s(word(table, PLACES) + 8 * N_PLACE * j, N_PLACE)
            column = place[COLUMN]
            first, shift = (
                (column >> 3) * length + word(table, FIRST_ROW) + start,
                U(8 * (column & 7)),
            )
            words = uint64s(word(table, WORDS) + 8 * first, min(STRIP, n - start))
            where = (start * down + j * right, down, 256 * j)
            if place[N_CODES] == ALONE:
                _bin_column(values, edges, where, words, shift)
            elif _bin_sharer(values, edges, where, words, shift, place):
                clashes[j] = 1
            if is_categorical[j]:
                _forget_strangers(values, edges, where, words, shift)


@operation
def _bin_singles(table, chunk, thread):  # type: ignore[no-untyped-def]
    f = word(table, N_FEATURES)
    size = (word(table, N_ROWS) - 1) * word(table, ROW_STRIDE) + (f - 1) * word(
        table, COLUMN_STRIDE
    )
    edges = float32s(word(table, EDGES), f * 256)
    _bin_rows(table, chunk, float32s(word(table, X), size + 1), edges)


@operation
def _bin_doubles(table, chunk, thread):  # type: ignore[no-untyped-def]
    f = word(table, N_FEATURES)
    size = (word(table, N_ROWS) - 1) * word(table, ROW_STRIDE) + (f - 1) * word(
        table, COLUMN_STRIDE
    )
    edges = float64s(word(table, EDGES), f * 256)
    _bin_rows(table, chunk, float64s(word(table, X), size + 1), edges)


def _walkable(block: np.ndarray) -> np.ndarray:
    """The block, or a copy that compiled code can walk: positive strides of whole elements."""
    fits = all(stride > 0 and stride % block.itemsize == 0 for stride in block.strides)
    return block if fits and block.dtype.isnative else np.ascontiguousarray(block)


class Binner:
    """Writes a table's bins, block by block of rows or of columns.

    Parameters
    ----------
    mapper : BinMapper
        The bins.
    n_rows : int
        Of the whole table.
    sharing : Columns, optional
        Which features share a column; None gives each its own.

    Attributes
    ----------
    clashes : ndarray of uint8 of shape (n_features,)
        Features that may not share: on some row they are missing, or away from their default as one
        before them is. Where there are some, the table is of no use.
    """

    def __init__(self, mapper: BinMapper, n_rows: int, sharing: Columns | None = None) -> None:
        self._columns = columns_of(mapper) if sharing is None else sharing
        n_groups = -(-len(self._columns.n_bins) // GROUP)
        self.mapper, self._sharing = mapper, sharing
        self.words = np.zeros((n_groups, n_rows), np.uint64)
        self.clashes = np.zeros(mapper.n_features, np.uint8)
        self._tables: dict[Any, np.ndarray] = {}

    def add(
        self, block: np.ndarray, threads: Threads, *, first_row: int = 0, first_feature: int = 0
    ) -> None:
        """Bin a block.

        Parameters
        ----------
        block : ndarray of float32 or float64 of shape (n, f)
            Rows from ``first_row``, columns from ``first_feature``.
        threads : Threads
            Who does it.
        first_row : int, default=0
            Where the rows belong.
        first_feature : int, default=0
            Where the columns belong.
        """
        n, f = block.shape
        if n == 0 or f == 0:
            return
        dtype = np.dtype(np.float32 if block.dtype == np.float32 else np.float64)
        block = _walkable(block.astype(dtype, copy=False))
        if dtype not in self._tables:
            self._tables[dtype] = edge_table(self.mapper, dtype)
        own = slice(first_feature, first_feature + f)
        edges = self._tables[dtype][own]
        categorical = self.mapper.is_categorical[own].astype(np.uint8)
        places, clashes = self._columns.places[own], self.clashes[own]
        strides = [stride // block.itemsize for stride in block.strides]
        table = np.array(
            [
                block.__array_interface__["data"][0],
                *strides,
                n,
                f,
                address_of(edges),
                address_of(categorical),
                address_of(self.words),
                self.words.shape[1],
                first_row,
                address_of(places),
                address_of(clashes),
            ],
            np.int64,
        )
        kernel = _bin_singles if dtype == np.float32 else _bin_doubles
        threads.run(kernel, table, -(-n // ROWS))

    def add_stored(self, feature: int, rows: np.ndarray, bins: np.ndarray, rest: int) -> None:
        """Write what a sparse table holds of a feature.

        Parameters
        ----------
        feature : int
            Which; once.
        rows : ndarray of int of shape (n,)
            Where something is stored; all different.
        bins : ndarray of uint8 of shape (n,)
            Bins there.
        rest : int
            Bin of all other rows, that of 0.
        """
        column, first, n_codes, default = self._columns.places[feature].tolist()
        codes = self.words[column // GROUP].view(np.uint8)[column % GROUP :: GROUP]
        if n_codes == ALONE:
            if rest:
                codes[:] = rest
            codes[rows] = bins
            return
        is_other = bins != default
        rows, bins = rows[is_other], bins[is_other]
        self.clashes[feature] = (bins == MISSING).any() or codes[rows].any()
        codes[rows] = first + bins.astype(np.int64) - (bins > default) & MISSING

    def result(self) -> Binned:
        """What was written.

        Returns
        -------
        Binned
            The whole table.
        """
        return Binned(self.words, self.mapper, self._sharing)


def bin_table(
    X: np.ndarray,
    mapper: BinMapper,
    threads: Threads,
) -> Binned:
    """Bin a whole table.

    Parameters
    ----------
    X : ndarray of float32 or float64 of shape (n_rows, n_features)
        NaN is missing.
    mapper : BinMapper
        The bins.
    threads : Threads
        Who does it.

    Returns
    -------
    Binned
        The table.
    """
    binner = Binner(mapper, len(X))
    binner.add(X, threads)
    return binner.result()


def column_blocks(n_features: int) -> Iterator[slice]:
    """Columns that share a word.

    Parameters
    ----------
    n_features : int
        Of the table.

    Yields
    ------
    slice
        At most eight columns.
    """
    for first in range(0, n_features, GROUP):
        yield slice(first, min(first + GROUP, n_features))


def as_column(rows: np.ndarray) -> Callable[[int], np.ndarray]:
    """Columns of a sample, each contiguous.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        The sample.

    Returns
    -------
    callable
        Gives a column.
    """
    columns = np.empty(rows.shape[::-1], rows.dtype)
    for first in range(0, len(rows), TRANSPOSED):  # a few rows at a time stay in the cache
        columns[:, first : first + TRANSPOSED] = rows[first : first + TRANSPOSED].T
    return columns.__getitem__
