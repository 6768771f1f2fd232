"""Numbers to bins: at most 255 a feature, found on a sample; bin 255 is a missing value.

Eight features of a row share one 64-bit word, so that a histogram reads one word for eight
additions. ``words[g, i]`` holds features 8g to 8g+7 of row i, the first in the lowest byte.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from skextras.trees.memory import (
    address_of,
    bytes_,
    compiled,
    float32s,
    float64s,
    int64s,
    operation,
    uint64s,
    word,
)
from skextras.trees.threads import Threads

MISSING = 255  # the bin of a missing value, for every feature
MAX_BINS = 255
GROUP = 8  # features in a word
SAMPLE = 200_000  # rows that the edges are found on
ROWS = 4096  # of a chunk
STRIP = 256  # rows that are binned column by column while they are in the cache
LARGEST = 1e300  # of an edge: above it stands +inf alone

# What an operation is told, by slot of its table.
X, ROW_STRIDE, COLUMN_STRIDE, N_ROWS, N_FEATURES, EDGES, N_EDGES, IS_CATEGORICAL, WORDS = range(9)
LENGTH, FIRST_ROW = 9, 10


@dataclass(frozen=True)
class BinMapper:
    """Where the bins of each feature begin.

    Attributes
    ----------
    edges : tuple of ndarray of float64
        Of a number: ascending edges, bin(x) = how many of them are below x, so that
        bin(x) <= b says x <= edges[b]. Of a category: the known codes, ascending, bin = place.
    is_categorical : ndarray of bool of shape (n_features,)
        Which is which.
    """

    edges: tuple[np.ndarray, ...]
    is_categorical: np.ndarray

    @property
    def n_features(self) -> int:
        """Columns of the data.

        Returns
        -------
        int
            How many.
        """
        return len(self.edges)

    @property
    def n_bins(self) -> np.ndarray:
        """Bins of each feature, without that of the missing values.

        Returns
        -------
        ndarray of int64 of shape (n_features,)
            1 to 255; 0 for a category of which nothing is known.
        """
        n_edges = np.array([len(edges) for edges in self.edges], np.int64)
        return np.where(self.is_categorical, n_edges, n_edges + 1)


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


def edges_of(values: np.ndarray, weights: np.ndarray | None, max_bins: int) -> np.ndarray:
    """Edges between the bins of one number.

    Midpoints between the distinct values when there are few, else quantiles (the averaged inverse
    of the distribution function, under which a weight is a repetition).

    Parameters
    ----------
    values : ndarray of shape (n,)
        A sample; NaN is missing.
    weights : ndarray of shape (n,) or None
        A row of weight 0 is not there.
    max_bins : int
        2 to 255.

    Returns
    -------
    ndarray of float64 of shape (at most max_bins - 1,)
        Ascending, all different.
    """
    is_there = ~np.isnan(values)
    if weights is not None:
        is_there &= weights != 0
        weights = weights[is_there]
    values = values[is_there]
    if weights is None:
        values = np.sort(values)
    else:
        order = np.argsort(values, kind="stable")
        values, weights = values[order], weights[order]
    last = np.flatnonzero(values[1:] != values[:-1])  # of each distinct value but the greatest
    if len(last) < max_bins:
        below, above = values[last].astype(np.float64), values[last + 1].astype(np.float64)
        with np.errstate(invalid="ignore"):
            middle = below / 2 + above / 2
        edges = np.where(np.isnan(middle), 0.0, middle)  # between -inf and +inf
    elif weights is None:
        share, rest = np.divmod(np.arange(1, max_bins) * len(values), max_bins)
        left = values[np.where(rest == 0, share - 1, share)].astype(np.float64)
        edges = left / 2 + values[share].astype(np.float64) / 2
    else:
        edges = _weighted_quantiles(values.astype(np.float64), weights, max_bins)
    return np.unique(np.minimum(edges, LARGEST))


def _weighted_quantiles(values: np.ndarray, weights: np.ndarray, max_bins: int) -> np.ndarray:
    total = np.cumsum(weights, dtype=np.float64)
    share = np.arange(1, max_bins) * (total[-1] / max_bins)
    # A sum that meets the share up to rounding ends exactly there: its value and the next share it.
    slack = 1e-12 * total[-1]
    left = np.searchsorted(total, share - slack)
    right = np.minimum(np.searchsorted(total, share + slack), len(values) - 1)
    return values[left] / 2 + values[right] / 2


class RowSample:
    """A uniform sample of rows that come in blocks, the same however they are cut into blocks.

    Each row draws a key, and the rows of the smallest keys stay. A weight is a repetition: the
    smallest of w keys, -log(u) / w, decides.

    Parameters
    ----------
    random : numpy.random.Generator
        The source of the keys.
    size : int, default=200_000
        Rows to keep.
    """

    def __init__(self, random: np.random.Generator, *, size: int = SAMPLE) -> None:
        self._random, self._size = random, size
        self._keys = np.empty(0)
        self._is_drawn = False
        self._rows: list[np.ndarray] = []
        self._weights: list[np.ndarray] = []

    def choose(self, n: int, weights: np.ndarray | None = None) -> np.ndarray:
        """Sample n rows that are all here.

        Parameters
        ----------
        n : int
            Rows there are.
        weights : ndarray of shape (n,) or None
            Repetitions of each.

        Returns
        -------
        ndarray of int64
            Ascending; all rows if they are few enough.
        """
        if n <= self._size:
            return np.arange(n)
        keys = self._draw(n, weights)
        return np.sort(np.argpartition(keys, self._size)[: self._size])

    def add(self, block: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Let a block's rows take part.

        Parameters
        ----------
        block : ndarray of shape (n, n_features)
            The rows.
        weights : ndarray of shape (n,) or None
            Repetitions of each.
        """
        keys = np.concatenate([self._keys, self._draw(len(block), weights)])
        self._rows.append(block)
        if weights is not None:
            self._weights.append(weights)
        kept = np.arange(len(keys))
        if len(keys) > self._size:
            self._is_drawn = True
            kept = np.sort(np.argpartition(keys, self._size)[: self._size])
            self._rows = [np.concatenate(self._rows)[kept]]
            self._weights = [np.concatenate(self._weights)[kept]] if self._weights else []
        self._keys = keys[kept]

    def result(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Rows that stayed.

        Returns
        -------
        rows : ndarray of shape (at most size, n_features)
            In the order they came.
        weights : ndarray or None
            Their weights; None where rows were left out, since they were drawn by their weights.
        """
        weights = None
        if self._weights and not self._is_drawn:
            weights = np.concatenate(self._weights)
        return np.concatenate(self._rows), weights

    def _draw(self, n: int, weights: np.ndarray | None) -> np.ndarray:
        keys = self._random.random(n)
        if weights is None:
            return keys
        with np.errstate(divide="ignore"):
            return -np.log1p(-keys) / weights


def fit_mapper(
    column: Callable[[int], np.ndarray],
    categories: Sequence[np.ndarray | None],
    *,
    weights: np.ndarray | None,
    max_bins: int,
    n_threads: int,
) -> BinMapper:
    """Find the bins of every feature.

    Parameters
    ----------
    column : callable
        Gives the sampled values of a feature, as an array of shape (n,).
    categories : sequence of (ndarray of float64 or None), one a feature
        Known codes of a categorical feature, ascending and at most ``max_bins``; None for a number.
    weights : ndarray of shape (n,) or None
        Repetitions of each row.
    max_bins : int
        2 to 255.
    n_threads : int
        NumPy sorts without holding the interpreter.

    Returns
    -------
    BinMapper
        The bins.
    """

    def edges(feature: int) -> np.ndarray:
        known = categories[feature]
        return edges_of(column(feature), weights, max_bins) if known is None else known

    features = range(len(categories))
    if n_threads == 1 or not features:
        found = tuple(map(edges, features))
    else:
        with ThreadPoolExecutor(n_threads) as executor:
            found = tuple(executor.map(edges, features))
    is_categorical = np.array([known is not None for known in categories], bool)
    return BinMapper(found, is_categorical)


def rounded_down(edges: np.ndarray) -> np.ndarray:
    """Nearest single-precision numbers not above: x <= edge keeps its truth for every float32 x.

    Parameters
    ----------
    edges : ndarray of float64
        Any numbers.

    Returns
    -------
    ndarray of float32
        The same, rounded down.
    """
    with np.errstate(over="ignore"):
        single = edges.astype(np.float32)
    return np.where(single > edges, np.nextafter(single, np.float32(-np.inf)), single)


def edge_table(mapper: BinMapper, dtype: Any) -> np.ndarray:
    """Edges of all features side by side, filled up with +inf.

    Parameters
    ----------
    mapper : BinMapper
        The bins.
    dtype : {numpy.float32, numpy.float64}
        That of the data.

    Returns
    -------
    ndarray of shape (n_features, 256)
        Edges of numbers are rounded down, codes of categories exact.
    """
    table = np.full((mapper.n_features, 256), np.inf, dtype)
    for row, edges, categorical in zip(table, mapper.edges, mapper.is_categorical, strict=True):
        exact = categorical or dtype == np.float64
        row[: len(edges)] = edges if exact else rounded_down(edges)
    return table


@compiled
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


@compiled
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
            _bin_column(column[:m], edges[j], n_edges[j], is_categorical[j], bins)
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
    edges = float32s(word(table, EDGES), f * 256).reshape((f, 256))
    _bin_rows(table, chunk, float32s(word(table, X), size + 1), edges)


@operation
def _bin_doubles(table, chunk, thread):  # type: ignore[no-untyped-def]
    f = word(table, N_FEATURES)
    size = (word(table, N_ROWS) - 1) * word(table, ROW_STRIDE) + (f - 1) * word(
        table, COLUMN_STRIDE
    )
    edges = float64s(word(table, EDGES), f * 256).reshape((f, 256))
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


def merged(mappers: Sequence[BinMapper]) -> BinMapper:
    """Bins of blocks of columns as those of the whole table.

    Parameters
    ----------
    mappers : sequence of BinMapper
        In the order of their columns.

    Returns
    -------
    BinMapper
        All columns.
    """
    edges = tuple(edge for mapper in mappers for edge in mapper.edges)
    return BinMapper(edges, np.concatenate([mapper.is_categorical for mapper in mappers]))


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
