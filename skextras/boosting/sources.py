"""Where rows come from: a dense table, a sparse one, or blocks that are read twice."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from skextras.trees.binning import Binned, Binner, as_column
from skextras.trees.bundling import candidates, dense_columns, find_bundles
from skextras.trees.columns import Columns, columns_of
from skextras.trees.edges import BinMapper, bins_of, edges_of, fit_mapper, mapper_by
from skextras.trees.sampling import SAMPLE, RowSample
from skextras.trees.threads import Threads

FEW = 4096  # rows on which features look for others to share a byte with


@dataclass(frozen=True, kw_only=True)
class Binning:
    """How values become bins.

    Attributes
    ----------
    categories : tuple of (ndarray of float64 or None), one a feature
        Known codes of a categorical feature; None for a number.
    max_bins : int
        2 to 255.
    seed : int
        Decides which rows the bins are found on.
    """

    categories: tuple[np.ndarray | None, ...]
    max_bins: int
    seed: int


class Source(ABC):
    """Rows of a table, not yet binned."""

    def mapper(
        self, options: Binning, rows: np.ndarray, weight: np.ndarray | None, n_threads: int
    ) -> BinMapper:
        """Find the bins.

        Parameters
        ----------
        options : Binning
            How.
        rows : ndarray of int64
            Training rows.
        weight : ndarray of shape (len(rows),) or None
            Their weights.
        n_threads : int
            Threads to sort with.

        Returns
        -------
        BinMapper
            The bins.
        """
        return self._mapper(options, rows, weight, n_threads)

    def binned(self, mapper: BinMapper, threads: Threads, *, may_share: bool = True) -> Binned:
        """Bin all rows.

        Parameters
        ----------
        mapper : BinMapper
            The bins.
        threads : Threads
            Who does it.
        may_share : bool, default=True
            Whether features that are never away from their default on the same row share a byte;
            it takes less time and memory, and changes no tree.

        Returns
        -------
        Binned
            The table.
        """
        sharing = None
        if may_share and (bundles := self._bundles(mapper, candidates(mapper), threads)):
            sharing = columns_of(mapper, bundles)
        binner = self._binner(mapper, sharing, threads)
        if binner.clashes.any():  # the bundles were found on a part of the rows
            kept = [[j for j in bundle if not binner.clashes[j]] for bundle in bundles]
            binner = self._binner(mapper, columns_of(mapper, kept), threads)
        return binner.result()

    @abstractmethod
    def _mapper(
        self, options: Binning, rows: np.ndarray, weight: np.ndarray | None, n_threads: int
    ) -> BinMapper:
        """What ``mapper`` returns."""

    @abstractmethod
    def _bundles(
        self, mapper: BinMapper, features: np.ndarray, threads: Threads
    ) -> list[list[int]]:
        """Bundles of some features that hold on all rows, or on many."""

    @abstractmethod
    def _binner(self, mapper: BinMapper, sharing: Columns | None, threads: Threads) -> Binner:
        """One that has binned all rows."""


@dataclass(frozen=True)
class DenseSource(Source):
    """A table in memory, or mapped to it.

    Attributes
    ----------
    values : ndarray of float32 or float64 of shape (n_rows, n_features)
        NaN is missing.
    """

    values: np.ndarray

    def _mapper(
        self, options: Binning, rows: np.ndarray, weight: np.ndarray | None, n_threads: int
    ) -> BinMapper:
        chosen, weight = _choose(options, len(rows), weight)
        sample = self.values if len(chosen) == len(self.values) else self.values[rows[chosen]]
        return _fit(as_column(sample), options, weight, n_threads)

    def _bundles(
        self, mapper: BinMapper, features: np.ndarray, threads: Threads
    ) -> list[list[int]]:
        bundles: list[list[int]] = []
        for n_looked_at in (FEW, SAMPLE):  # who finds nobody among few rows is not asked again
            some = self.values[:: max(1, len(self.values) // n_looked_at)]
            bundles = find_bundles(mapper, dense_columns(some, mapper, features, threads))
            features = np.sort(np.array([j for own in bundles for j in own], np.int64))
        return bundles

    def _binner(self, mapper: BinMapper, sharing: Columns | None, threads: Threads) -> Binner:
        binner = Binner(mapper, len(self.values), sharing)
        binner.add(self.values, threads)
        return binner


@dataclass(frozen=True)
class SparseSource(Source):
    """A table most of which is 0, feature by feature.

    Attributes
    ----------
    stored : callable
        Gives the rows on which a feature is not 0, all different, and its values there.
    n_rows : int
        Rows.
    """

    stored: Callable[[int], tuple[np.ndarray, np.ndarray]]
    n_rows: int

    def _mapper(
        self, options: Binning, rows: np.ndarray, weight: np.ndarray | None, n_threads: int
    ) -> BinMapper:
        chosen, weight = _choose(options, len(rows), weight)
        kept = rows[chosen]
        is_kept = np.zeros(self.n_rows, bool)
        is_kept[kept] = True

        def find(feature: int) -> np.ndarray:
            own, values = self.stored(feature)
            there = values[is_kept[own]]
            distinct = np.unique(there)
            if len(there) < len(kept):
                distinct = np.append(distinct, values.dtype.type(0))
            if len(distinct) <= options.max_bins:  # how often each stands there does not matter
                return edges_of(distinct, None, options.max_bins)
            column = np.zeros(self.n_rows, values.dtype)
            column[own] = values
            return edges_of(column[kept], weight, options.max_bins)

        return mapper_by(find, options.categories, n_threads=n_threads)

    def _bundles(
        self, mapper: BinMapper, features: np.ndarray, threads: Threads
    ) -> list[list[int]]:
        return find_bundles(mapper, self._columns(mapper, features))

    def _columns(self, mapper: BinMapper, features: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        for feature in features.tolist():
            rows, values = self.stored(feature)
            if not np.isnan(values).any():
                default = bins_of(values.dtype.type([0]), mapper, feature)
                is_other = np.zeros(self.n_rows, bool)
                is_other[rows] = bins_of(values, mapper, feature) != default
                yield feature, is_other

    def _binner(self, mapper: BinMapper, sharing: Columns | None, threads: Threads) -> Binner:
        binner = Binner(mapper, self.n_rows, sharing)
        for feature in range(mapper.n_features):
            rows, values = self.stored(feature)
            bins = bins_of(np.append(values, values.dtype.type(0)), mapper, feature)
            binner.add_stored(feature, rows, bins[:-1], int(bins[-1]))
        return binner


@dataclass(frozen=True)
class BlockSource(Source):
    """Blocks of rows, gone through before for the sample, and now for the bins.

    Attributes
    ----------
    blocks : iterable of ndarray of shape (n, n_features)
        Values.
    sample : RowSample
        Of all rows.
    n_rows : int
        In all blocks together.
    """

    blocks: Iterable[np.ndarray]
    sample: RowSample
    n_rows: int

    def _mapper(
        self, options: Binning, rows: np.ndarray, weight: np.ndarray | None, n_threads: int
    ) -> BinMapper:
        # Rows that are held out for validation took part in the sample too.
        values, kept = self.sample.result()
        return _fit(as_column(values), options, kept, n_threads)

    def _bundles(
        self, mapper: BinMapper, features: np.ndarray, threads: Threads
    ) -> list[list[int]]:
        values, _ = self.sample.result()
        return find_bundles(mapper, dense_columns(values, mapper, features, threads))

    def _binner(self, mapper: BinMapper, sharing: Columns | None, threads: Threads) -> Binner:
        binner, first = Binner(mapper, self.n_rows, sharing), 0
        for block in self.blocks:
            binner.add(block, threads, first_row=first)
            first += len(block)
        return binner


def _choose(
    options: Binning, n: int, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows of the sample, and the weights that they still need: drawn by weight, they need none."""
    chosen = RowSample(np.random.default_rng(options.seed)).choose(n, weight)
    return chosen, weight if len(chosen) == n else None


def _fit(
    column: Callable[[int], np.ndarray],
    options: Binning,
    weight: np.ndarray | None,
    n_threads: int,
) -> BinMapper:
    return fit_mapper(
        column,
        options.categories,
        weights=weight,
        max_bins=options.max_bins,
        n_threads=n_threads,
    )


def rows_of(binned: Binned, rows: np.ndarray) -> Binned:
    """Some rows of a table.

    Parameters
    ----------
    binned : Binned
        All rows.
    rows : ndarray of int64
        Which.

    Returns
    -------
    Binned
        A copy, unless all rows are wanted in their order.
    """
    if len(rows) == binned.n_rows:
        return binned
    return replace(binned, words=np.ascontiguousarray(binned.words[:, rows]))
