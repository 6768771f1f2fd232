"""From a user's table to a course of boosting: split, bins, scores, progress."""

import time
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils import resample
from sklearn.utils.validation import _check_feature_names

from skextras.boosting.sources import (
    Binning,
    BlockSource,
    DenseSource,
    Source,
    SparseSource,
    rows_of,
)
from skextras.boosting.stopping import Patience
from skextras.boosting.training import Course, Plan, Rows, Training, Validation
from skextras.tables import Blocks, DenseTable, SparseTable, TableEncoder, encode
from skextras.trees.binning import BinMapper, Binned, RowSample
from skextras.trees.canonical import Canonical, row_keys, sample_of
from skextras.trees.sampling import SAMPLE
from skextras.trees.threads import Threads

# Of the table: beside fewer, handing over work costs more than it saves
VALUES_OF_A_THREAD = 1 << 17
MAX_SCORED = 10_000  # training rows that a scorer sees each round, as scikit-learn's


@dataclass(frozen=True)
class Data:
    """Rows of a fit.

    Attributes
    ----------
    source : Source
        Their features.
    y : ndarray of float64 or float32 of shape (n,)
        Their targets; labels are numbered, in single precision.
    weight : ndarray of float64 of shape (n,) or None
        Their repetitions.
    values : ndarray of shape (n, n_features) or None
        The features, where they are in memory as numbers.
    """

    source: Source
    y: np.ndarray
    weight: np.ndarray | None
    values: np.ndarray | None

    def weight_of(self, rows: np.ndarray) -> np.ndarray | None:
        """Weights of some rows.

        Parameters
        ----------
        rows : ndarray of int64
            Which.

        Returns
        -------
        ndarray or None
            None without weights.
        """
        return None if self.weight is None else self.weight[rows]


def source_of(table: DenseTable | SparseTable) -> Source:
    """Source of a table's features.

    Parameters
    ----------
    table : DenseTable or SparseTable
        Encoded.

    Returns
    -------
    Source
        Dense, or what a sparse one stores.
    """
    if isinstance(table, DenseTable):
        return DenseSource(table.values)
    return SparseSource(table.stored, table.shape[0])


def rows_for_bins(table: DenseTable | SparseTable, weight: np.ndarray) -> Canonical:
    """Rows on which bins are found, whatever the order of the rows: all, unless they are many.

    Parameters
    ----------
    table : DenseTable or SparseTable
        Encoded.
    weight : ndarray of float64 of shape (n,)
        Repetitions; a row of weight 0 is not there.

    Returns
    -------
    Canonical
        And their weights.
    """
    there = np.flatnonzero(weight > 0)
    if len(there) <= SAMPLE:
        return Canonical(there, weight[there])
    features = range(table.shape[1])
    columns: Iterator[tuple[Any, np.ndarray]]
    if isinstance(table, SparseTable):
        columns = (table.stored(feature) for feature in features)
    else:
        columns = ((slice(None), table.values[:, feature]) for feature in features)
    return sample_of(row_keys(columns, table.shape[0]), weight, SAMPLE)


class _EncodedBlocks:
    """Encoded features of blocks, from the start each time."""

    def __init__(self, encoder: TableEncoder, blocks: Blocks) -> None:
        self._encoder, self._blocks = encoder, blocks

    def __iter__(self) -> Iterator[np.ndarray]:
        for X, y, _ in self._blocks:
            yield self._encoder.transform(X).rows(0, len(y))


def read_blocks(
    estimator: Any, encoder: TableEncoder, blocks: Blocks, seed: int, *, reset: bool
) -> tuple[BlockSource, np.ndarray, np.ndarray | None]:
    """Go through blocks for the first time.

    Parameters
    ----------
    estimator : BaseEstimator
        Gets ``n_features_in_`` and the names.
    encoder : TableEncoder
        Learns the categories.
    blocks : Blocks
        The rows.
    seed : int
        Decides the sample on which the bins are found.
    reset : bool
        Whether names and categories are learnt, rather than compared.

    Returns
    -------
    source : BlockSource
        Goes through them once more.
    y : ndarray of shape (n,)
        All targets.
    weight : ndarray of shape (n,) or None
        All weights.
    """
    sample = RowSample(np.random.default_rng(seed))
    targets, weights = [], []
    for number, (X, y, weight) in enumerate(blocks):
        if number == 0 or not reset:
            table = encode(estimator, encoder, X, reset=reset)
        else:
            _check_feature_names(estimator, X, reset=False)
            encoder.observe(X)
            table = encode(estimator, encoder, X, reset=False)
        sample.add(table.rows(0, len(y)), weight)
        targets.append(y)
        if weight is not None:
            weights.append(weight)
    y = np.concatenate(targets)
    source = BlockSource(_EncodedBlocks(encoder, blocks), sample, len(y))
    return source, y, np.concatenate(weights) if weights else None


@dataclass(frozen=True)
class ReadyFit:
    """A fit whose rows are binned: their tables are needed no longer.

    Attributes
    ----------
    training : Training
        What is to be done.
    course : Course
        From where.
    mapper : BinMapper
        The bins.
    n_threads : int
        Who does it.
    """

    training: Training
    course: Course
    mapper: BinMapper
    n_threads: int

    def run(self, estimator: Any) -> None:
        """Boost, and leave the result in the estimator.

        Parameters
        ----------
        estimator : BaseGradientBoosting
            Options, and where the result goes.
        """
        growth, recipe = estimator._growth(), estimator._recipe()
        try:
            self.training.run(self.course, growth, recipe, self.n_threads)
        finally:  # an interrupted fit keeps the rounds that it has finished
            estimator._keep(self.course, self.mapper)


class Fit:
    """One call of ``fit``, after its data have been read.

    Parameters
    ----------
    estimator : BaseGradientBoosting
        Options, and where the result goes.
    data : Data
        All rows.
    validation : Data or None
        Rows to stop on that the user has brought.
    """

    def __init__(self, estimator: Any, data: Data, validation: Data | None) -> None:
        self.estimator, self.data, self.validation = estimator, data, validation

    def ready(self) -> ReadyFit:
        """Choose the rows and bin them.

        Returns
        -------
        ReadyFit
            It holds on to no row that is not binned, unless a scorer asks for it.
        """
        estimator, data = self.estimator, self.data
        train, held_out = self._split()
        y = data.y if len(train) == len(data.y) else data.y[train]
        rows = Rows(y, data.weight_of(train))
        n_values = len(train) * estimator.n_features_in_
        n_threads = min(estimator._n_threads(), 1 + n_values // VALUES_OF_A_THREAD)
        mapper = self._mapper(train, rows.weight, n_threads)
        with Threads(n_threads) as threads:
            binned = data.source.binned(mapper, threads)
            scored = self._validation(binned, held_out, mapper, threads)
        estimator._loss = loss = estimator._make_loss()
        course = estimator._resumed()
        if course is None:
            course = Course(start=loss.start(rows.y, rows.weight))
        plan = self._plan(rows, train, held_out)
        training = Training(rows_of(binned, train), rows, scored, loss, plan)
        return ReadyFit(training, course, mapper, n_threads)

    def _mapper(self, train: np.ndarray, weight: np.ndarray | None, n_threads: int) -> BinMapper:
        """The bins; a warm start keeps those that its trees were grown on."""
        estimator = self.estimator
        if estimator._goes_on:
            mapper: BinMapper = estimator._predictor.bins
            return mapper
        binning = Binning(
            categories=estimator._encoder.categories_,
            max_bins=estimator.max_bins,
            seed=estimator._random_seed,
        )
        return self.data.source.mapper(binning, train, weight, n_threads)

    def _split(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on, and rows to stop on; a row of weight 0 is not there."""
        estimator, y, weight = self.estimator, self.data.y, self.data.weight
        rows: np.ndarray = np.arange(len(y), dtype=np.uint32)  # of many rows, each byte counts
        if weight is not None:
            rows = np.flatnonzero(weight > 0)
        nothing = rows[:0]
        fraction = estimator.validation_fraction
        if not estimator.do_early_stopping_ or self.validation is not None or fraction is None:
            return rows, nothing
        train, held_out = train_test_split(
            rows,
            test_size=fraction,
            stratify=y[rows] if is_classifier(estimator) else None,
            random_state=estimator._random_seed % (1 << 32),
        )
        return np.sort(train), np.sort(held_out)

    def _validation(
        self, binned: Binned, held_out: np.ndarray, mapper: BinMapper, threads: Threads
    ) -> Validation | None:
        data = self.data
        if self.validation is not None:
            own = self.validation
            return Validation(own.y, own.weight, own.source.binned(mapper, threads))
        if len(held_out) == 0:
            return None
        return Validation(data.y[held_out], data.weight_of(held_out), rows_of(binned, held_out))

    # ------------------------------------------------------------ what happens on the way
    def _plan(self, rows: Rows, train: np.ndarray, held_out: np.ndarray) -> Plan:
        estimator = self.estimator
        patience = score = None
        if estimator.do_early_stopping_:
            patience = Patience(n_rounds=estimator.n_iter_no_change, tol=estimator.tol)
            if estimator.scoring != "loss":
                score = self._scorer(rows, train, held_out)
        return Plan(
            n_rounds=estimator.max_iter,
            patience=patience,
            score=score,
            after_round=partial(_after_round, estimator) if self._is_told else None,
        )

    @property
    def _is_told(self) -> bool:
        return bool(self.estimator.verbose >= 2 or self.estimator.callbacks)

    def _scorer(
        self, rows: Rows, train: np.ndarray, held_out: np.ndarray
    ) -> Callable[[np.ndarray, Rows, bool], float]:
        """The user's scorer, asked about raw scores that are known already."""
        estimator = self.estimator
        scorer = check_scoring(estimator, estimator.scoring)
        some = slice(None)
        if len(rows.y) > MAX_SCORED:
            some = resample(
                np.arange(len(rows.y)),
                n_samples=MAX_SCORED,
                replace=False,
                random_state=estimator._random_seed % (1 << 32),
                stratify=rows.y if is_classifier(estimator) else None,
            )
        values, own = self.data.values, self.validation
        shown = None if values is None else values[train][some]
        shown_validation = own.values if own is not None else None
        if own is None and values is not None:
            shown_validation = values[held_out]

        def score(raw: np.ndarray, rows: Rows, is_validation: bool) -> float:
            part = slice(None) if is_validation else some
            knowing = copy(estimator)
            knowing._known_raw = raw[:, part].T.astype(np.float64)
            y = estimator._decode_y(rows.y[part])
            options = {} if rows.weight is None else {"sample_weight": rows.weight[part]}
            X = shown_validation if is_validation else shown
            return float(scorer(knowing, X, y, **options))

        return score


def _after_round(estimator: Any, course: Course) -> bool:
    """Tell those who asked; whether one of them says stop."""
    if estimator.verbose >= 2:
        _print_round(course, estimator.max_iter, estimator.scoring == "loss")
    callbacks = estimator.callbacks or ()
    if callable(callbacks):
        callbacks = (callbacks,)
    # Each is asked, also when one before has said stop.
    wishes = [callback(estimator, course) for callback in callbacks]
    return any(wish is True for wish in wishes)


def _print_round(course: Course, n_rounds: int, is_loss: bool) -> None:
    """Print a line of progress, as the host does for ``verbose=2``."""
    line = f"[{course.n_rounds}/{n_rounds}] {time.strftime('%H:%M:%S')}"
    sign, word = (-1, "loss") if is_loss else (1, "score")
    if course.train_scores:
        line += f", train {word}: {sign * course.train_scores[-1]:.5f}"
    if course.validation_scores:
        line += f", val {word}: {sign * course.validation_scores[-1]:.5f}"
    print(line)  # noqa: T201, since verbose asks for it
