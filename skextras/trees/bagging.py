"""Forests: trees on samples of the same rows, grown side by side and kept in order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from skextras.trees.forest_building import ForestBuilder
from skextras.trees.forest_pruning import pruned
from skextras.trees.forest_rows import ForestRows
from skextras.trees.forest_store import Forest
from skextras.trees.whole_trees import TreeGrower, in_threads

GROWTH_STREAM = 0x5851F42D4C957F2D  # parts what nodes draw from what the sample draws


@dataclass(frozen=True, kw_only=True)
class Bagging:
    """What each tree of a forest sees.

    Attributes
    ----------
    rows : ForestRows
        All rows.
    n_draws : int or None
        Rows of a sample; None shows every tree all of them.
    strata : ndarray of int64 of shape (n_kept,) or None
        Classes that each get their share of a sample.
    balanced : ndarray of int64 of shape (n_merged, n_outputs) or None
        Classes whose weights are made equal within each sample.
    """

    rows: ForestRows
    n_draws: int | None
    strata: np.ndarray | None = None
    balanced: np.ndarray | None = None

    def drawn(self, seed: int) -> np.ndarray:
        """How often a tree's sample holds each row.

        Parameters
        ----------
        seed : int
            The tree's.

        Returns
        -------
        ndarray of int32 of shape (n_kept,)
            For the rows in ``rows.places``.
        """
        if self.n_draws is None:
            return np.ones(len(self.rows.places), np.int32)
        return self.rows.draw(seed, self.n_draws, self.strata)

    def weights(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """What a tree is given of each merged row.

        Parameters
        ----------
        seed : int
            The tree's.

        Returns
        -------
        weights : ndarray of float64 of shape (n_merged,)
            In its sums.
        counts : ndarray of int64 of shape (n_merged,)
            In limits of samples: how many different rows, at most as many as there are.
        """
        repetitions = self.rows.repetitions
        if self.n_draws is None:
            return self.rows.merged_weights, repetitions
        drawn = self.rows.merged(self.drawn(seed))
        weights = drawn.astype(np.float64)
        if self.balanced is not None:
            weights *= balanced_weights(self.balanced, drawn)
        return weights, np.minimum(drawn, repetitions)


def balanced_weights(labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Weights under which the classes of a sample weigh the same.

    Parameters
    ----------
    labels : ndarray of int64 of shape (n, n_outputs)
        Classes from 0 on.
    counts : ndarray of shape (n,)
        How often each row is in the sample.

    Returns
    -------
    ndarray of float64 of shape (n,)
        Product over the outputs of n / (classes there are times rows of the class).
    """
    weights = np.ones(len(labels))
    for own in labels.T:
        rows = np.bincount(own, counts)
        with np.errstate(divide="ignore"):
            each = counts.sum() / ((rows > 0).sum() * rows)
        weights *= np.where(rows > 0, each, 0.0)[own]
    return weights


def grow_forest(
    grower: TreeGrower,
    bagging: Bagging,
    seeds: Sequence[int],
    *,
    before: Forest | None = None,
    price: float = 0.0,
    n_threads: int = 1,
    after: Callable[[int], None] | None = None,
) -> Forest:
    """Grow trees, each by its seed alone.

    Parameters
    ----------
    grower : TreeGrower
        On the merged rows.
    bagging : Bagging
        Their samples.
    seeds : sequence of int
        One a tree.
    before : Forest, default=None
        Trees that are there already; the new ones stand behind them.
    price : float, default=0.0
        What a leaf must take away of the impurity, or be pruned.
    n_threads : int, default=1
        Trees that grow at a time.
    after : callable, default=None
        Called with the number of trees that are there.

    Returns
    -------
    Forest
        All of them, new ones in the order of the seeds.
    """
    n_before = before.n_trees if before else 0
    builder = ForestBuilder(
        n_before + len(seeds), len(grower.codes), has_classes=bool(grower.targets.labels.size)
    )
    if before:
        builder.add(before)

    def _grow(seed: int) -> Forest:
        weights, counts = bagging.weights(seed)
        tree = grower.grow(weights, seed=seed ^ GROWTH_STREAM, counts=counts)
        return builder.packed(pruned(tree, price))

    for n_done, tree in enumerate(in_threads(_grow, seeds, n_threads), 1):
        builder.add(tree)
        if after is not None:
            after(n_done)
    return builder.forest()
