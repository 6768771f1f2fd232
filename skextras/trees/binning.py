"""Numbers to bins: at most 255 a feature; bin 255 is a missing value.

Eight features of a row share one 64-bit word, so that a histogram reads one word for eight
additions. ``words[g, i]`` holds features 8g to 8g+7 of row i, the first in the lowest byte.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

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

MISSING = 255  # the bin of a missing value, for every feature
GROUP = 8  # features in a word
ROWS = 4096  # of a chunk
STRIP = 256  # rows that are binned column by column while they are in the cache

# What an operation is told, by slot of its table.
X, ROW_STRIDE, COLUMN_STRIDE, N_ROWS, N_FEATURES, EDGES, N_EDGES, IS_CATEGORICAL, WORDS = range(9)
LENGTH, FIRST_ROW = 9, 10


@dataclass(frozen=True)
class Binned:
    """A table as bins.

    Attributes
    ----------
    words : ndarray of uint64 of shape (n_groups, n_rows)
        Eight features of a row in a word.
    mapper : BinMapper
        What the bins mean.
    """

    words: np.ndarray
    mapper: BinMapper

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
def _bin_column(values, edges, n_edges, is_categorical, bins):  # type: ignore[no-untyped-def]
    """Place of each value among the edges by a search of eight steps without a branch."""
    one = np.uint64(1)
    for i in range(values.size):
        v = values[i]
        b = np.uint64(v > edges[np.uint64(127)]) << np.uint64(7)
        b += np.uint64(v > edges[b + np.uint64(63)]) << np.uint64(6)
        b += np.uint64(v > edges[b + np.uint64(31)]) << np.uint64(5)
        b += np.uint64(v > edges[b + np.uint64(15)]) << np.uint64(4)
        b += np.uint64(v > edges[b + np.uint64(7)]) << np.uint64(3)
        b += np.uint64(v > edges[b + np.uint64(3)]) << np.uint64(2)
        b += np.uint64(v > edges[b + one]) << one
        b += np.uint64(v > edges[b])
        bins[i] = b | ((np.uint64(0) - np.uint64(v != v)) & np.uint64(MISSING))
    if is_categorical:
        for i in range(values.size):
            b = bins[i]
            if b >= n_edges or edges[b] != values[i]:
                bins[i] = np.uint64(MISSING)


@inner
def _bin_rows(table, chunk, values, edges):  # type: ignore[no-untyped-def]
    n, f = word(table, N_ROWS), word(table, N_FEATURES)
    n_edges, is_categorical = (
        int64s(word(table, N_EDGES), f),
        bytes_(word(table, IS_CATEGORICAL), f),
    )
    length, first = word(table, LENGTH), word(table, FIRST_ROW)
    down, right = word(table, ROW_STRIDE), word(table, COLUMN_STRIDE)
    words = uint64s(word(table, WORDS), ((f + 7) // 8) * length)
    column, bins = np.empty(STRIP, values.dtype), np.empty(STRIP, np.uint64)
    for start in range(chunk * ROWS, min(n, (chunk + 1) * ROWS), STRIP):
        m = min(n, start + STRIP) - start
        for j in range(f):
            for i in range(m):
                column[i] = values[(start + i) * down + j * right]
            own = edges[256 * j : 256 * (j + 1)]
            _bin_column(column[:m], own, n_edges[j], is_categorical[j], bins)
            place, shift = (j >> 3) * length + first + start, np.uint64(8 * (j & 7))
            if j & 7 == 0:
                for i in range(m):
                    words[place + i] = bins[i]
            else:
                for i in range(m):
                    words[place + i] |= bins[i] << shift


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
    """

    def __init__(self, mapper: BinMapper, n_rows: int) -> None:
        n_groups = -(-mapper.n_features // GROUP)
        self.mapper = mapper
        self.words = np.zeros((n_groups, n_rows), np.uint64)
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
            Where the columns belong; a multiple of 8.
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
        n_edges = np.array([len(edges) for edges in self.mapper.edges[own]], np.int64)
        categorical = self.mapper.is_categorical[own].astype(np.uint8)
        words = self.words[first_feature // GROUP :]
        strides = [stride // block.itemsize for stride in block.strides]
        table = np.array(
            [
                block.__array_interface__["data"][0],
                *strides,
                n,
                f,
                address_of(edges),
                address_of(n_edges),
                address_of(categorical),
                address_of(words),
                self.words.shape[1],
                first_row,
            ],
            np.int64,
        )
        kernel = _bin_singles if dtype == np.float32 else _bin_doubles
        threads.run(kernel, table, -(-n // ROWS))

    def result(self) -> Binned:
        """What was written.

        Returns
        -------
        Binned
            The whole table.
        """
        return Binned(self.words, self.mapper)


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
    columns: Sequence[np.ndarray] = np.ascontiguousarray(rows.T)
    return columns.__getitem__
