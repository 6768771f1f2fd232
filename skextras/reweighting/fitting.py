"""From a user's table to a course of boosting: canonical rows, validation rows, weak learners."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_consistent_length

from skextras.boosting.fitting import VALUES_OF_A_THREAD, rows_for_bins, source_of
from skextras.boosting.sources import Binning
from skextras.boosting.stopping import Patience
from skextras.reweighting.algorithm import draws
from skextras.reweighting.committees import Committee, EstimatorCommittee, TreeCommittee
from skextras.reweighting.contributions import contribution_of
from skextras.reweighting.estimators import EstimatorLearner, ask_of
from skextras.reweighting.growing import TreeLearner
from skextras.reweighting.learners import Learner
from skextras.reweighting.rounds import Course, Watch, boost
from skextras.reweighting.trees import counts_rows, growth_of, is_plain, whole_growth_of
from skextras.reweighting.whole import WholeTreeLearner
from skextras.tables import SparseTable, row_weights
from skextras.trees.binning import Binned
from skextras.trees.canonical import Canonical, bits_of, canonical, row_keys
from skextras.trees.threads import Threads


class BaseFit(ABC):
    """One call of ``fit``.

    Parameters
    ----------
    estimator : BaseAdaBoost
        Options.
    X : table
        Rows that are checked.
    y : ndarray of shape (n,)
        Targets; labels are numbered.
    sample_weight : array-like or None
        What the user gave.
    """

    def __init__(self, estimator: Any, X: Any, y: np.ndarray, sample_weight: Any) -> None:
        check_consistent_length(X, y)
        self.estimator, self.X, self.y = estimator, X, y
        weight = row_weights(sample_weight, len(y))
        self.weight = np.ones(len(y)) if weight is None else weight
        self.n_classes = max(2, getattr(estimator, "n_classes_", 2))
        self.rule = estimator._rule()
        self.contribution = contribution_of(self.rule, self.n_classes, estimator.learning_rate)

    @abstractmethod
    def run(self, random: np.random.RandomState) -> Course:
        """Boost.

        Parameters
        ----------
        random : RandomState
            Decides all that is random.

        Returns
        -------
        Course
            What came of it.
        """

    @abstractmethod
    def committee(self, course: Course) -> Committee:
        """Who predicts.

        Parameters
        ----------
        course : Course
            That of ``run``.

        Returns
        -------
        Committee
            All learners.
        """

    def _split(
        self, rows: Canonical, random: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """Places of the canonical rows to train on, and of those to stop on."""
        estimator, places = self.estimator, np.arange(len(rows.rows))
        if not estimator.early_stopping:
            return places, places[:0]
        train, held_out = train_test_split(
            places,
            test_size=estimator.validation_fraction,
            stratify=self.y[rows.rows] if is_classifier(estimator) else None,
            random_state=random,
        )
        return np.sort(train), np.sort(held_out)

    def _boost(
        self,
        learner: Learner,
        data: tuple[np.ndarray, np.ndarray],
        random: np.random.RandomState,
        watch: Watch | None,
    ) -> Course:
        estimator, (y, weight) = self.estimator, data
        draw = draws(random, self.n_drawn(weight)) if estimator.resample else None
        algorithm = estimator._algorithm(y, weight, draw)
        return boost(algorithm, learner, estimator.n_estimators, watch)

    @staticmethod
    def n_drawn(weight: np.ndarray) -> int:
        """Rows that a learner sees: as many as there are, where a weight is a repetition.

        Parameters
        ----------
        weight : ndarray of shape (n,)
            Of the training rows.

        Returns
        -------
        int
            How many are drawn.
        """
        total = float(weight.sum())
        is_whole = total < 1e9 and not np.mod(weight, 1).any()
        return int(total) if is_whole else len(weight)

    def _watch(self, X: Any, y: np.ndarray, weight: np.ndarray, n_answers: int) -> Watch | None:
        if not self.estimator.early_stopping:
            return None
        return ValidationWatch(self, X, y, weight, n_answers)

    @property
    def n_answers(self) -> int:
        """Learners a round.

        Returns
        -------
        int
            One a class for additive algorithms on more than two classes, else one.
        """
        is_additive = self.rule in {"LogitBoost", "gentle"} and self.n_classes > 2
        return self.n_classes if is_additive else 1


class ValidationWatch:
    """Scores the validation rows after each round.

    Parameters
    ----------
    fit : BaseFit
        The fit.
    X : table
        Validation rows.
    y : ndarray of shape (n,)
        Their targets, as numbers.
    weight : ndarray of shape (n,)
        Their weights.
    n_answers : int
        Learners a round.
    """

    def __init__(
        self, fit: BaseFit, X: Any, y: np.ndarray, weight: np.ndarray, n_answers: int
    ) -> None:
        estimator = fit.estimator
        self._estimator, self._X, self._weight = estimator, X, weight
        self._y, self._contribution = estimator._decode_y(y), fit.contribution
        self._patience = Patience(n_rounds=estimator.n_iter_no_change, tol=estimator.tol)
        self._scorer: Callable[..., float] = check_scoring(estimator, estimator.scoring)
        self._weights: list[float] = []
        self._said: list[np.ndarray] = []
        self._total: Any = 0.0

    def score(self, said: list[np.ndarray], weight: float) -> float:
        """Score after a round."""
        parts = [self._contribution(one, weight) for one in said]
        self._weights.append(weight)
        knowing = copy(self._estimator)
        knowing.estimator_weights_ = np.array(self._weights)
        if is_classifier(knowing):
            self._total = self._total + np.concatenate(parts, axis=1)
            knowing._known = self._total
        else:
            self._said.append(parts[0][:, 0])
            knowing._known = np.stack(self._said, axis=1)
        return float(self._scorer(knowing, self._X, self._y, sample_weight=self._weight))

    def is_over(self, scores: list[float]) -> bool:
        """Whether none of the last rounds was better than the one before them."""
        return self._patience.is_over(scores)


class TreeFit(BaseFit):
    """A fit whose trees the engine grows."""

    def run(self, random: np.random.RandomState) -> Course:
        """Bin, boost."""
        estimator, table, y = self.estimator, self.X, self.y
        n, n_features = table.shape
        n_threads = min(estimator._n_threads(), 1 + n * n_features // VALUES_OF_A_THREAD)
        source = source_of(table)
        binning = Binning(categories=(None,) * n_features, max_bins=estimator.max_bins, seed=0)
        looked_at = rows_for_bins(table, self.weight)
        is_even = bool((looked_at.weight == 1).all())
        weight = None if is_even else looked_at.weight
        self._mapper = source.mapper(binning, looked_at.rows, weight, n_threads)
        with Threads(n_threads) as threads:
            binned = source.binned(self._mapper, threads, may_share=False)
            rows = canonical(
                [*binned.words, bits_of(y)],
                self.weight,
                may_merge=not counts_rows(estimator.estimator_),
            )
            train, held_out = self._split(rows, random)
            kept = rows.rows[train]
            n_drawn = self.n_drawn(rows.weight[train]) if estimator.resample else None
            watched = rows.rows[held_out]
            parts = (_taken(binned, kept), _taken(binned, watched) if len(watched) else None)
            del binned  # each row is in one of the parts
            learner = self._learner(parts, threads, random, n_drawn)
            shown = None if table.values is None else table.values[watched]
            watch = self._watch(shown, y[watched], rows.weight[held_out], self.n_answers)
            return self._boost(learner, (y[kept], rows.weight[train]), random, watch)

    def _learner(
        self,
        parts: tuple[Binned, Binned | None],
        threads: Threads,
        random: np.random.RandomState,
        n_drawn: int | None,
    ) -> Learner:
        estimator, sizes = self.estimator, (parts[0].n_rows, self.X.shape[1], n_drawn)
        options = {"random": random, "is_count": estimator.resample}
        is_for_two = self.n_classes == 2 or self.rule not in {"SAMME", "SAMME.R"}
        if is_for_two and is_plain(estimator.estimator_):
            return TreeLearner(*parts, growth_of(estimator.estimator_, *sizes), threads, **options)
        growth = whole_growth_of(estimator.estimator_, *sizes)
        return WholeTreeLearner(*parts, growth, threads, n_classes=self.n_classes, **options)

    def committee(self, course: Course) -> TreeCommittee:
        """The trees."""
        is_joint = self.rule in {"SAMME", "SAMME.R"} and self.n_classes > 2
        return TreeCommittee.of(
            course.learners,
            course.weights,
            self._mapper,
            self.contribution,
            n_answers=self.n_answers,
            n_outputs=self.n_classes if is_joint else self.n_answers,
        )


class EstimatorFit(BaseFit):
    """A fit of any estimator."""

    def run(self, random: np.random.RandomState) -> Course:
        """Boost."""
        estimator, X, y = self.estimator, self.X, self.y
        rows = self._canonical()
        train, held_out = self._split(rows, random)
        kept, looked_at = rows.rows[train], rows.rows[held_out]
        classes = getattr(estimator, "classes_", None)
        self._ask = ask_of(self.rule, classes)
        shown = _safe_indexing(X, looked_at) if len(looked_at) else None
        learner = EstimatorLearner(
            estimator.estimator_,
            _safe_indexing(X, kept),
            self._ask,
            classes=classes,
            validation=shown,
            random=random,
            is_count=estimator.resample,
        )
        watch = self._watch(shown, y[looked_at], rows.weight[held_out], self.n_answers)
        return self._boost(learner, (y[kept], rows.weight[train]), random, watch)

    def committee(self, course: Course) -> EstimatorCommittee:
        """The estimators."""
        return EstimatorCommittee(
            course.learners, np.array(course.weights), self._ask, self.contribution, self.n_answers
        )

    def _canonical(self) -> Canonical:
        """The same for a sparse table and a dense one that hold the same."""
        X, y, weight = self.X, self.y, self.weight
        columns: Iterable[tuple[Any, np.ndarray]]
        if sparse.issparse(X):
            columns = map(SparseTable(X).stored, range(X.shape[1]))
        else:
            values = np.asarray(X).reshape(len(y), -1)
            if values.dtype.kind not in "fiub":
                there = np.flatnonzero(weight > 0)
                return Canonical(there, weight[there])
            columns = ((slice(None), column) for column in values.T)
        return canonical([row_keys(columns, len(y)), bits_of(y)], weight)


def _taken(binned: Binned, rows: np.ndarray) -> Binned:
    """Some rows, in the order given."""
    return replace(binned, words=np.ascontiguousarray(binned.words[:, rows]))
