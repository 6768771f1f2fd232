"""Prediction: the same sum, bit for bit, by whichever way is fastest.

Every prediction is the float64 sum start + tree 0 + tree 1 + ..., in that order (a forest's is
start + (tree 0 + tree 1 + ...) / number of trees). How a row finds its leaves, how the rows are cut
into blocks, and which thread takes a block, cannot change it; a prediction after i iterations is
that of the ensemble truncated there.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from skextras.trees import prediction_slots as slots
from skextras.trees.arrays import Ensemble
from skextras.trees.edges import BinMapper
from skextras.trees.marking import MarkTables, fits, mark_tables
from skextras.trees.memory import address_of
from skextras.trees.prediction_kernels import bin_all, mark, walk
from skextras.trees.prediction_tables import (
    Columns,
    PackedNodes,
    column_arrays,
    columns_of,
    pack,
)
from skextras.trees.threads import Threads, run

PARALLEL = 200_000  # rows times trees from which helpers are worth their start
# Rows from which marks are faster than the walk: 30 for trees of 31 leaves, 120 for 255.
MARKED = 64
# The walk wants many rows in a block: each one brings every tree from afar, and a tree of thirty
# thousand nodes weighs more than the bins.
WALK_ROOM, WALK_ROWS = 1 << 19, 8192  # bytes of bins, and rows, of a block, at most
LINE = 64  # bytes
ROWS_IN_CHUNK = 2048  # that a thread takes at once, or a block


class Predictor:
    """Predictions of an ensemble; its tables are made when first needed, and never pickled.

    Several threads may use one predictor.

    Parameters
    ----------
    ensemble : Ensemble
        The trees.
    bins : BinMapper
        Anything with ``edges`` and ``is_categorical``; only categories are looked up in it.
    """

    def __init__(self, ensemble: Ensemble, bins: BinMapper) -> None:
        self.ensemble = ensemble
        self.bins = bins

    def __reduce__(self) -> Any:
        return Predictor, (self.ensemble, self.bins)

    @cached_property
    def columns(self) -> Columns:
        """The features in use.

        Returns
        -------
        Columns
            And their cuts.
        """
        return columns_of(self.ensemble.joined(), self.bins)

    def is_short(self, n_rows: int) -> bool:
        """Whether one thread is enough.

        Parameters
        ----------
        n_rows : int
            Rows to predict.

        Returns
        -------
        bool
            True where handing over work costs more than it saves.
        """
        return n_rows * len(self.ensemble.trees) < PARALLEL

    @cached_property
    def has_marks(self) -> bool:
        """Whether the trees are small enough for marks.

        Returns
        -------
        bool
            False if only the walk finds their leaves.
        """
        return fits(self.ensemble)

    @cached_property
    def _packed(self) -> PackedNodes:
        return pack(self.ensemble.joined(), self.columns)

    @cached_property
    def _marks(self) -> MarkTables:
        return mark_tables(self.ensemble, self.columns)

    def raw_predict(
        self, X: np.ndarray, n_threads: int = 1, *, way: str | None = None
    ) -> np.ndarray:
        """Sum of the trees.

        Parameters
        ----------
        X : ndarray of float32 or float64 of shape (n, n_features)
            NaN is missing. Any strides; it is not copied.
        n_threads : int, default=1
            At most so many work.
        way : {None, "marks", "walk"}, default=None
            How leaves are found; None takes the fastest. The result is the same.

        Returns
        -------
        ndarray of float64 of shape (n, n_outputs)
            The predictions.
        """
        ensemble = self.ensemble
        out = np.empty((len(X), ensemble.n_outputs))
        out[:] = 0.0 if ensemble.average else ensemble.start
        if len(X) and len(ensemble.trees):
            if way is None:
                way = "marks" if len(X) >= MARKED and self.has_marks else "walk"
            if way == "marks":
                self._run(mark, X, out, self._mark_template, n_threads)
            else:
                self._run(walk, X, out, self._walk_template, n_threads)
        if ensemble.average:
            out /= max(len(ensemble.trees), 1)
            out += ensemble.start
        return out

    def apply(self, X: np.ndarray, n_threads: int = 1) -> np.ndarray:
        """Leaf of each row in each tree.

        Parameters
        ----------
        X : ndarray of float32 or float64 of shape (n, n_features)
            The rows.
        n_threads : int, default=1
            At most so many work.

        Returns
        -------
        ndarray of int32 of shape (n, n_trees)
            Numbers of the leaves' nodes.
        """
        out = np.zeros((len(X), len(self.ensemble.trees)), np.int32)
        if out.size:
            template = self._walk_template.copy()
            template[slots.TASK] = slots.APPLY
            self._run(walk, X, out, template, n_threads)
        return out

    def staged(self, X: np.ndarray, n_threads: int = 1) -> Iterator[np.ndarray]:
        """Predictions after each iteration.

        Parameters
        ----------
        X : ndarray of float32 or float64 of shape (n, n_features)
            The rows; their bins, two bytes for each feature in use, are kept meanwhile.
        n_threads : int, default=1
            At most so many work.

        Yields
        ------
        ndarray of float64 of shape (n, n_outputs)
            The sum so far, a new array each time.
        """
        ensemble = self.ensemble
        total = np.empty((len(X), ensemble.n_outputs))
        total[:] = 0.0 if ensemble.average else ensemble.start
        step = 1 if ensemble.is_joint else ensemble.n_outputs
        template = self._walk_template.copy()
        bins = self._padded_bins(X, n_threads)
        template[[slots.BINS, slots.HAS_BINS]] = address_of(bins), 1
        for first in range(0, len(ensemble.trees), step):
            last = min(first + step, len(ensemble.trees))
            template[[slots.FIRST_TREE, slots.LAST_TREE]] = first, last
            if len(X):
                self._run(walk, X, total, template, n_threads)
            yield total / last + ensemble.start if ensemble.average else total.copy()

    def bins_of(self, X: np.ndarray, n_threads: int = 1) -> np.ndarray:
        """Bins of the features in use: between their thresholds in use.

        Parameters
        ----------
        X : ndarray of float32 or float64 of shape (n, n_features)
            The rows.
        n_threads : int, default=1
            At most so many work.

        Returns
        -------
        ndarray of uint16 of shape (n, n_columns)
            255 is missing.
        """
        return self._padded_bins(X, n_threads)[: len(X)]

    def _padded_bins(self, X: np.ndarray, n_threads: int) -> np.ndarray:
        """Bins, and room for the walk's last eight rows."""
        bins = np.zeros((len(X) + 8, len(self.columns.feature)), np.uint16)
        template = self._walk_template.copy()
        template[[slots.BINS, slots.HAS_BINS]] = address_of(bins), 1
        if len(X):
            self._run(bin_all, X, bins, template, n_threads)
        return bins

    def _run(
        self, kernel: Any, X: np.ndarray, out: np.ndarray, template: np.ndarray, n_threads: int
    ) -> None:
        """Run an operation over chunks of rows."""
        table = template.copy()
        double = X.dtype == np.float64
        if not double and X.dtype != np.float32:
            raise TypeError(f"Predictor: X must be float32 or float64, got {X.dtype}. Convert it.")
        block, n = int(table[slots.BLOCK]), len(X)
        if self.is_short(n):
            n_threads = 1
        chunk = n
        if n_threads > 1:
            share = max(ROWS_IN_CHUNK, -(-n // (4 * n_threads)))  # a few for each
            block = min(block, -(-share // 8) * 8)
            chunk = -(-ROWS_IN_CHUNK // block) * block
        n_chunks = -(-n // chunk) if n else 1
        n_threads = min(n_threads, n_chunks)
        room = None  # kept alive until the kernel is done
        if not table[slots.HAS_BINS]:
            size = int(table[slots.ROOM]) or (min(block, n) + 8) * len(self.columns.feature) * 2
            size = -(-size // LINE) * LINE  # threads share no line
            room = np.empty(size * n_threads + LINE, np.uint8)
            address = address_of(room)
            table[slots.BINS], table[slots.ROOM] = address + -address % LINE, size
        table[slots.X] = X.__array_interface__["data"][0]
        table[slots.ROW_STRIDE], table[slots.COLUMN_STRIDE] = X.strides
        table[slots.N_ROWS], table[slots.CHUNK], table[slots.BLOCK] = n, chunk, block
        table[slots.IS_DOUBLE], table[slots.OUT] = double, address_of(out)
        if n_threads == 1:
            run(0, kernel.address, address_of(table), 1)
            return
        with Threads(n_threads) as threads:
            threads.run(kernel, table, n_chunks)

    def _template(self, block: int) -> np.ndarray:
        """The slots that no call changes; block: the rows that are gone through at once."""
        ensemble, columns = self.ensemble, self.columns
        table = np.zeros(slots.N_SLOTS, np.int64)
        self._keep(table, {**column_arrays(columns), slots.OUTPUT: ensemble.output})
        table[slots.N_COLUMNS] = len(columns.feature)
        table[slots.BLOCK] = block
        table[slots.LAST_TREE] = len(ensemble.trees)
        table[slots.N_OUTPUTS] = ensemble.n_outputs
        table[slots.N_VALUES] = ensemble.joined().value.shape[1]
        return table

    def _keep(self, table: np.ndarray, arrays: dict[int, np.ndarray]) -> None:
        """Write addresses, and hold on to what they point at."""
        self.__dict__.setdefault("_held", []).extend(arrays.values())
        for slot, array in arrays.items():
            table[slot] = address_of(array)

    @cached_property
    def _walk_template(self) -> np.ndarray:
        packed, n_columns = self._packed, len(self.columns.feature)
        table = self._template(int(np.clip(WALK_ROOM // (16 * n_columns) * 8, 16, WALK_ROWS)))
        kept = {
            slots.NODES: packed.words,
            slots.OFFSET: packed.offset,
            slots.DEPTH: packed.depth,
            slots.SETS: packed.sets,
            slots.SET_OFFSET: packed.set_offset,
            slots.VALUES: self.ensemble.joined().value,
        }
        self._keep(table, kept)
        return table

    @cached_property
    def _mark_template(self) -> np.ndarray:
        marks = self._marks
        table = self._template(slots.STRIP)
        kept = {
            slots.MARK_WORDS: marks.words,
            slots.MARK_OFFSET: marks.offset,
            slots.MARK_SET_OF: marks.set_of,
            slots.MARK_BITS: marks.sets,
            slots.MARK_HAS_SETS: marks.has_sets,
            slots.LEAF_VALUES: marks.values,
            slots.LEAF_OFFSET: marks.value_offset,
        }
        self._keep(table, kept)
        table[slots.ROOM] = 2 * slots.STRIP * len(self.columns.feature)
        return table
