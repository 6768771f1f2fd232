"""Learners that were boosted, and what they say together: trees of the engine, or estimators."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from skextras.reweighting.contributions import Contribution
from skextras.trees.arrays import Ensemble

if TYPE_CHECKING:
    from skextras.reweighting.growing import GrownTree
    from skextras.trees.edges import BinMapper
    from skextras.trees.prediction import Predictor


FEW_TREES = 3  # that are walked by raw values: bins would cost more than they save
FEW_STEPS = 10_000  # rows times trees that are, rather than make tables of bins for them


class Committee(ABC):
    """Boosted learners."""

    @abstractmethod
    def raw(self, X: Any, n_threads: int) -> np.ndarray:
        """Sum of contributions.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Rows.
        n_threads : int
            Who works, where it is the engine.

        Returns
        -------
        ndarray of shape (n, n_outputs)
            Of all rounds.
        """

    @abstractmethod
    def staged_raw(self, X: Any, n_threads: int) -> Iterator[np.ndarray]:
        """Sum of contributions after each round.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Rows.
        n_threads : int
            Who works, where it is the engine.

        Yields
        ------
        ndarray of shape (n, n_outputs)
            Of one round, of two, and so on.
        """

    @abstractmethod
    def median(self, X: Any, n_threads: int) -> np.ndarray:
        """Weighted median of what the learners say.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Rows.
        n_threads : int
            Who works, where it is the engine.

        Returns
        -------
        ndarray of shape (n,)
            One a row.
        """

    @abstractmethod
    def staged_median(self, X: Any, n_threads: int) -> Iterator[np.ndarray]:
        """Weighted median after each round.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Rows.
        n_threads : int
            Who works, where it is the engine.

        Yields
        ------
        ndarray of shape (n,)
            Of one round, of two, and so on.
        """


@dataclass(frozen=True)
class TreeCommittee(Committee):
    """Trees of the engine.

    Attributes
    ----------
    ensemble : Ensemble
        Trees whose values are their contributions.
    said : ndarray of shape (n_nodes, ...)
        What each node of each tree says, one tree after another.
    impurity : ndarray of shape (n_nodes,)
        Of the nodes.
    seeds : ndarray of int64 of shape (n_trees,)
        Of the trees.
    weights : ndarray of float64 of shape (n_rounds,)
        α of each round.
    mapper : BinMapper
        The bins that the trees were grown on.
    """

    ensemble: Ensemble
    said: np.ndarray
    impurity: np.ndarray
    seeds: np.ndarray
    weights: np.ndarray
    mapper: "BinMapper"

    @classmethod
    def of(
        cls,
        learners: "list[GrownTree]",
        weights: list[float],
        mapper: "BinMapper",
        contribution: Contribution,
        *,
        n_answers: int,
        n_outputs: int,
    ) -> "TreeCommittee":
        """Make one of what a course has kept.

        Parameters
        ----------
        learners : list of GrownTree
            A round after another.
        weights : list of float
            α of each round.
        mapper : BinMapper
            The bins.
        contribution : callable
            What a learner adds.
        n_answers, n_outputs : int
            Learners a round, and columns of the score.

        Returns
        -------
        TreeCommittee
            It predicts.
        """
        trees = [
            replace(one.tree, value=contribution(one.said, weights[number // n_answers]))
            for number, one in enumerate(learners)
        ]
        ensemble = Ensemble(
            trees=tuple(trees),
            output=np.arange(len(trees)) % n_answers,
            n_outputs=n_outputs,
            start=np.zeros(n_outputs),
        )
        return cls(
            ensemble,
            np.concatenate([one.said for one in learners]),
            np.concatenate([one.impurity for one in learners]),
            np.array([one.seed for one in learners]),
            np.array(weights),
            mapper,
        )

    @cached_property
    def _predictor(self) -> "Predictor":
        from skextras.trees.prediction import Predictor

        return Predictor(self.ensemble, self.mapper)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_predictor"}

    def raw(self, X: np.ndarray, n_threads: int) -> np.ndarray:
        """Sum of contributions, (n, n_outputs); the same whichever way."""
        n_trees = len(self.ensemble.trees)
        is_first = "_predictor" not in self.__dict__
        if n_trees <= FEW_TREES or (is_first and len(X) * n_trees <= FEW_STEPS):
            from skextras.trees.raw_walk import raw_sum

            return raw_sum(self.ensemble, X, n_threads)
        return self._predictor.raw_predict(X, n_threads)

    def staged_raw(self, X: np.ndarray, n_threads: int) -> Iterator[np.ndarray]:
        """The same after each round."""
        return self._predictor.staged(X, n_threads)

    def median(self, X: np.ndarray, n_threads: int) -> np.ndarray:
        """Weighted median of what the trees say, (n,)."""
        from skextras.reweighting.median import median_predict

        return median_predict(self._predictor, self.weights, X, n_threads)

    def staged_median(self, X: np.ndarray, n_threads: int) -> Iterator[np.ndarray]:
        """The same after each round."""
        from skextras.reweighting.median import staged_median

        return staged_median(self._predictor, self.weights, X, n_threads)

    def importances(self, n_features: int) -> np.ndarray:
        """Mean of the trees' importances, each of which sums to 1, weighted as the rounds.

        Parameters
        ----------
        n_features : int
            Of the table.

        Returns
        -------
        ndarray of shape (n_features,)
            Shares of the gain.
        """
        nodes = self.ensemble.joined()
        n_trees = len(self.ensemble.trees)
        tree = np.repeat(np.arange(n_trees), np.diff(nodes.offset))
        totals = np.bincount(tree, nodes.gain, n_trees)
        weights = np.repeat(self.weights, n_trees // len(self.weights))
        share = weights / np.where(totals > 0, totals, np.inf)
        splits = nodes.feature >= 0
        found = np.bincount(nodes.feature[splits], (share[tree] * nodes.gain)[splits], n_features)
        return found / weights.sum()


@dataclass(frozen=True)
class EstimatorCommittee(Committee):
    """Estimators of any kind.

    Attributes
    ----------
    estimators : list of estimator
        Fitted, a round after another.
    weights : ndarray of float64 of shape (n_rounds,)
        α of each round.
    ask : callable
        (estimator, X) -> what it says.
    contribution : callable
        What a learner adds.
    n_answers : int
        Learners a round.
    """

    estimators: list[Any]
    weights: np.ndarray
    ask: Callable[[Any, Any], np.ndarray]
    contribution: Contribution
    n_answers: int

    def raw(self, X: Any, n_threads: int) -> np.ndarray:
        """Sum of contributions, (n, n_outputs)."""
        *_, total = self.staged_raw(X, n_threads)
        return total

    def staged_raw(self, X: Any, n_threads: int) -> Iterator[np.ndarray]:
        """The same after each round."""
        total = None
        for number, weight in enumerate(self.weights):
            own = self.estimators[number * self.n_answers : (number + 1) * self.n_answers]
            parts = [self.contribution(self.ask(one, X), weight) for one in own]
            part = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
            total = part if total is None else total + part
            yield total

    def median(self, X: Any, n_threads: int) -> np.ndarray:
        """Weighted median of what the estimators say, (n,)."""
        return weighted_median(self._said(X), self.weights)

    def staged_median(self, X: Any, n_threads: int) -> Iterator[np.ndarray]:
        """The same after each round."""
        said = self._said(X)
        for n in range(1, len(self.weights) + 1):
            yield weighted_median(said[:, :n], self.weights[:n])

    def _said(self, X: Any) -> np.ndarray:
        return np.stack([self.ask(one, X) for one in self.estimators], axis=1)


def weighted_median(said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Least answer that, with those below it, has half of all weight.

    Parameters
    ----------
    said : ndarray of shape (n, n_learners)
        Answers for each row.
    weights : ndarray of shape (n_learners,)
        Of the learners.

    Returns
    -------
    ndarray of shape (n,)
        One a row.
    """
    order = np.argsort(said, axis=1, kind="stable")
    total = np.cumsum(weights[order], axis=1)
    place = (total >= 0.5 * total[:, -1:]).argmax(axis=1)
    rows = np.arange(len(said))
    return said[rows, order[rows, place]]
