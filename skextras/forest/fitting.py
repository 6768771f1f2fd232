"""From an encoded table to a forest: bins, rows, samples, trees, and what is out of the bag."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from warnings import warn

import numpy as np

from skextras.boosting.fitting import source_of
from skextras.boosting.sources import Binning
from skextras.forest.options import growth_of, n_draws, sample_size
from skextras.tables import DenseTable, SparseTable, value_blocks
from skextras.trees.bagging import Bagging, grow_forest
from skextras.trees.edges import BinMapper
from skextras.trees.forest_rows import ForestRows, forest_rows
from skextras.trees.forest_targets import Targets
from skextras.trees.threads import Threads
from skextras.trees.whole_trees import TreeGrower, codes_of

BLOCK = 2048  # rows at a time, a multiple of eight


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """What it takes to draw the samples of a forest's trees again.

    Attributes
    ----------
    rows : ForestRows
        Training rows.
    n_rows : int
        Of the training table.
    n_draws : int or None
        Rows of a sample; None where every tree saw all.
    strata : ndarray of int64 or None
        Classes of the kept rows, of a stratified sample.
    """

    rows: ForestRows
    n_rows: int
    n_draws: int | None
    strata: np.ndarray | None

    def counts(self, seed: int) -> np.ndarray:
        """How often a tree's sample holds each row of the table.

        Parameters
        ----------
        seed : int
            The tree's.

        Returns
        -------
        ndarray of int32 of shape (n_rows,)
            0 is out of the bag.
        """
        bagging = Bagging(rows=self.rows, n_draws=self.n_draws, strata=self.strata)
        counts = np.zeros(self.n_rows, np.int32)
        counts[self.rows.places] = bagging.drawn(seed)
        return counts


class Fit:
    """One call of ``fit``, after its data have been read.

    Parameters
    ----------
    estimator : BaseForest
        Options, and where the result goes.
    table : DenseTable or SparseTable
        All rows.
    y : ndarray of shape (n, n_outputs)
        Targets as they were given.
    targets : Targets
        The same for the engine.
    """

    def __init__(
        self, estimator: Any, table: DenseTable | SparseTable, y: np.ndarray, targets: Targets
    ) -> None:
        self.estimator, self.table, self.y, self.targets = estimator, table, y, targets

    def run(self, weight: np.ndarray | None, seeds: list[int]) -> None:
        """Bin, grow, and leave the result in the estimator.

        Parameters
        ----------
        weight : ndarray of float64 of shape (n,) or None
            Of the rows, as the user gave it.
        seeds : list of int
            Of the trees to grow.
        """
        estimator, source = self.estimator, source_of(self.table)
        n_threads = estimator._n_threads()
        mapper = self._mapper(weight, n_threads)
        with Threads(n_threads) as threads:
            binned = source.binned(mapper, threads, may_share=False)
        rows = forest_rows(binned.words, self._numbers(), estimator._weigh(weight, self.y))
        merged = rows.places[rows.firsts]
        bagging = self._bagging(rows, merged, sample_size(weight, len(self.y)))
        growth = growth_of(estimator, bagging, estimator._monotonic())
        codes = codes_of(binned, merged)
        del binned  # the bins feature by feature are enough
        grower = TreeGrower(codes, mapper, self.targets.rows(merged), growth)
        forest = grow_forest(
            grower,
            bagging,
            seeds,
            before=estimator._forest if estimator._goes_on else None,
            price=estimator.ccp_alpha,
            n_threads=n_threads,
            after=self._progress(len(seeds)),
        )
        sampled = Sampled(
            rows=rows, n_rows=len(self.y), n_draws=bagging.n_draws, strata=bagging.strata
        )
        if estimator._goes_on:
            seeds = [*estimator._seeds, *seeds]
        estimator._keep(forest, mapper, sampled, seeds)
        if estimator.keep_samples:
            parts = [estimator._predictor.apply(X, n_threads) for X in value_blocks(self.table)]
            estimator._keep_leaves(np.concatenate(parts), self.y)

    def _mapper(self, weight: np.ndarray | None, n_threads: int) -> BinMapper:
        """The bins; a warm start keeps those that its trees were grown on."""
        estimator = self.estimator
        if estimator._goes_on:
            kept: BinMapper = estimator._mapper
            return kept
        binning = Binning(
            categories=estimator._encoder.categories_, max_bins=estimator.max_bins, seed=0
        )
        kept_rows = np.arange(len(self.y)) if weight is None else np.flatnonzero(weight > 0)
        kept_weight = None if weight is None else weight[kept_rows]
        return source_of(self.table).mapper(binning, kept_rows, kept_weight, n_threads)

    def _numbers(self) -> np.ndarray:
        """Targets that tell rows apart."""
        targets = self.targets
        labels = targets.labels.astype(np.float64)
        return labels if targets.labels.size else targets.numbers

    def _bagging(self, rows: ForestRows, merged: np.ndarray, n_rows: int) -> Bagging:
        estimator = self.estimator
        if not estimator.bootstrap:
            return Bagging(rows=rows, n_draws=None)
        strata = balanced = None
        if estimator.bootstrap == "stratified":
            labels = self.targets.labels[rows.places]
            strata = np.unique(labels, axis=0, return_inverse=True)[1].ravel()
        if estimator.class_weight == "balanced_subsample":
            labels = self.targets.labels[merged].astype(np.int64)
            balanced = labels - labels.min(axis=0)
        size = n_draws(estimator.max_samples, n_rows)
        return Bagging(rows=rows, n_draws=size, strata=strata, balanced=balanced)

    def _progress(self, n_trees: int) -> Callable[[int], None] | None:
        if self.estimator.verbose < 2:
            return None
        return lambda n_done: _print_tree(n_done, n_trees)

    def score_out_of_bag(self) -> None:
        """Score the rows by the trees that did not see them."""
        estimator, y = self.estimator, self.y
        predictions, n_unseen = out_of_bag(estimator, self.table)
        if (n_unseen == 0).any():
            warn(
                "Some inputs do not have OOB scores. This probably means too few trees were used "
                "to compute any reliable OOB estimates.",
                UserWarning,
                stacklevel=4,
            )
        predictions /= np.maximum(n_unseen, 1)[:, None]
        score = estimator.oob_score if callable(estimator.oob_score) else None
        estimator._set_oob_score_and_attributes(predictions, y, score)


def out_of_bag(estimator: Any, table: DenseTable | SparseTable) -> tuple[np.ndarray, np.ndarray]:
    """Sums of what trees say of the training rows that were not in their samples.

    Parameters
    ----------
    estimator : BaseForest
        Fitted.
    table : DenseTable or SparseTable
        Its training rows.

    Returns
    -------
    sums : ndarray of float64 of shape (n, n_lanes)
        Over the trees in their order.
    n_unseen : ndarray of int64 of shape (n,)
        How many trees that were.
    """
    forest, sampled = estimator._forest, estimator._sampled
    predictor, n_threads = estimator._predictor, estimator._n_threads()
    unseen = [np.packbits(sampled.counts(seed) == 0) for seed in estimator._seeds]
    values, start = predictor.ensemble.joined().value, forest.offset[:-1]
    parts, counts, first = [], [], 0
    for block in value_blocks(table, n_rows=BLOCK):
        leaves = predictor.apply(block, n_threads)
        own = slice(first // 8, -(-(first + len(block)) // 8))
        is_unseen = np.unpackbits(
            np.array([bits[own] for bits in unseen]), axis=1, count=len(block)
        ).T.astype(bool)
        found = values[leaves + start]  # (n, n_trees, n_lanes)
        parts.append(np.where(is_unseen[..., None], found, 0.0).sum(axis=1))
        counts.append(is_unseen.sum(axis=1))
        first += len(block)
    return np.concatenate(parts), np.concatenate(counts)


def _print_tree(number: int, n_trees: int) -> None:
    """Print a line of progress, as the host does for ``verbose=2``."""
    print(f"building tree {number} of {n_trees}")  # noqa: T201, since verbose asks for it
