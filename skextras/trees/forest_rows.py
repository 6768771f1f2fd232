"""Rows of a forest in an order that is theirs, not the table's, and samples of them.

Rows of the same bins and targets are one row to the engine; a weight is a repetition. Rows stand in
canonical order (``canonical``), equal ones are merged, rows of weight 0 are not there. A sample
is drawn from what is left, so that a forest depends neither on the order of its rows nor on whether
a row is repeated or weighted.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from skextras.trees.canonical import bits_of, in_order
from skextras.trees.forest_draws import random_word
from skextras.trees.memory import compiled

U = np.uint64
ROOM = 1 << 30  # of whole weights together
N_GUIDES = 1 << 16


@compiled
def _draw_equal(state, counts, first, n, n_draws):  # type: ignore[no-untyped-def]
    """Draw rows of equal chances among n from a first one on."""
    for _ in range(n_draws):
        share = np.float64(random_word(state) >> U(11)) * 2.0**-53
        counts[first + np.int64(share * n)] += 1


@compiled
def _draw_weighted(state, counts, bounds, guides, n_draws):  # type: ignore[no-untyped-def]
    """Draw rows with chances by weight; bounds: sums of weights up to each row."""
    total, n_guides = bounds[-1], guides.size
    for _ in range(n_draws):
        share = np.float64(random_word(state) >> U(11)) * 2.0**-53
        place, mark = guides[np.int64(share * n_guides)], share * total
        while place < bounds.size - 1 and bounds[place] <= mark:
            place += 1
        counts[place] += 1


def whole_weights(weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights as whole numbers that add up without rounding.

    Parameters
    ----------
    weights : ndarray of float64 of shape (n,)
        Not negative.

    Returns
    -------
    whole : ndarray of int64 of shape (n,)
        The same where they are whole and not too large, else multiples of a unit; a weight above 0
        is 1 at least.
    unit : float
        What 1 stands for.
    """
    total = weights.sum()
    if total <= ROOM and (weights == np.rint(weights)).all():
        return weights.astype(np.int64), 1.0
    unit = total / (ROOM - len(weights))
    return np.maximum(np.rint(weights / unit), weights > 0).astype(np.int64), unit


@dataclass(frozen=True, kw_only=True)
class ForestRows:
    """Rows that a forest is grown on.

    Attributes
    ----------
    places : ndarray of int32 or int64 of shape (n_kept,)
        Rows of the table that have a weight, in canonical order.
    firsts : ndarray of int32 or int64 of shape (n_merged,)
        Where among them each merged row begins.
    weights : ndarray of float64 of shape (n_kept,) or None
        Their weights; None where each is 1.
    """

    places: np.ndarray
    firsts: np.ndarray
    weights: np.ndarray | None

    def __getstate__(self) -> dict[str, Any]:
        """The rows alone, not what was found out about them."""
        return {name: self.__dict__[name] for name in ("places", "firsts", "weights")}

    @property
    def n_merged(self) -> int:
        """Rows that differ.

        Returns
        -------
        int
            How many.
        """
        return len(self.firsts)

    @cached_property
    def are_whole(self) -> bool:
        """Whether each weight counts repetitions.

        Returns
        -------
        bool
            True without weights.
        """
        return self.weights is None or bool((self.weights == np.rint(self.weights)).all())

    @cached_property
    def size(self) -> int:
        """Rows, repetitions included where weights count them.

        Returns
        -------
        int
            The size of a usual sample.
        """
        if self.weights is None or not self.are_whole:
            return len(self.places)
        return int(self.weights.sum())

    def merged(self, sums: np.ndarray) -> np.ndarray:
        """Numbers of kept rows added up to those of merged rows.

        Parameters
        ----------
        sums : ndarray of shape (n_kept,)
            Of the rows in ``places``.

        Returns
        -------
        ndarray of shape (n_merged,)
            The same array where no row is merged.
        """
        if self.n_merged == len(self.places):
            return sums
        return np.add.reduceat(sums, self.firsts)

    @cached_property
    def merged_weights(self) -> np.ndarray:
        """Weight of each merged row.

        Returns
        -------
        ndarray of float64 of shape (n_merged,)
            Sums.
        """
        weights = np.ones(len(self.places)) if self.weights is None else self.weights
        return self.merged(weights)

    @cached_property
    def repetitions(self) -> np.ndarray:
        """How many rows each merged row stands for.

        Returns
        -------
        ndarray of int64 of shape (n_merged,)
            Its weight where weights count repetitions.
        """
        if self.are_whole:
            return self.merged_weights.astype(np.int64)
        return self.merged(np.ones(len(self.places), np.int64))

    @cached_property
    def _bounds(self) -> np.ndarray:
        return np.cumsum(np.ones(len(self.places)) if self.weights is None else self.weights)

    @cached_property
    def _guides(self) -> np.ndarray:
        marks = np.arange(N_GUIDES) * (self._bounds[-1] / N_GUIDES)
        return np.searchsorted(self._bounds, marks, side="right")

    def draw(self, seed: int, n_draws: int, strata: np.ndarray | None = None) -> np.ndarray:
        """Draw rows with replacement, with chances by their weights.

        Parameters
        ----------
        seed : int
            Decides the sample, of the same rows with the same weights.
        n_draws : int
            How many.
        strata : ndarray of int64 of shape (n_kept,), default=None
            Classes, 0 and up, each of which gets its share of the draws.

        Returns
        -------
        ndarray of int32 of shape (n_kept,)
            How often each row in ``places`` was drawn.
        """
        state = np.array([seed], np.uint64)
        counts = np.zeros(len(self.places), np.int32)
        if strata is not None:
            self._draw_strata(state, counts, n_draws, strata)
        elif self.weights is None:
            _draw_equal(state, counts, 0, len(counts), n_draws)
        else:
            _draw_weighted(state, counts, self._bounds, self._guides, n_draws)
        return counts

    def _draw_strata(
        self, state: np.ndarray, counts: np.ndarray, n_draws: int, strata: np.ndarray
    ) -> None:
        weights = np.ones(len(counts)) if self.weights is None else self.weights
        exact = np.bincount(strata, weights) / weights.sum() * n_draws
        shares = np.floor(exact).astype(np.int64)
        rest = np.argsort(shares - exact, kind="stable")[: n_draws - shares.sum()]
        shares[rest] += 1
        for stratum, share in enumerate(shares):
            own = np.flatnonzero(strata == stratum)
            part = ForestRows(
                places=own,
                firsts=own,
                weights=None if self.weights is None else self.weights[own],
            )
            seed = int(state[0]) + stratum + 1
            counts[own] = part.draw(seed & (2**64 - 1), int(share)) if share else 0


def forest_rows(words: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> ForestRows:
    """Put rows in their own order, and find those that are equal.

    Parameters
    ----------
    words : ndarray of uint64 of shape (n_groups, n)
        Bins, as in ``Binned``.
    targets : ndarray of float64 of shape (n, n_outputs)
        Targets.
    weights : ndarray of float64 of shape (n,) or None
        Repetitions.

    Returns
    -------
    ForestRows
        Without those of weight 0.
    """
    n = len(targets)
    everywhere = np.ones(n) if weights is None else weights
    places, firsts = in_order([*words, *bits_of(targets).T], everywhere)
    own = None if weights is None else weights[places]
    if own is not None and (own == 1).all():
        own = None
    kind = np.int32 if n <= np.iinfo(np.int32).max else np.int64
    return ForestRows(places=places.astype(kind), firsts=firsts.astype(kind), weights=own)
