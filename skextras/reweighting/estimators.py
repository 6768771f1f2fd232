"""SHELL: any scikit-learn estimator as a weak learner."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble._base import _set_random_states
from sklearn.utils import _safe_indexing

from skextras.reweighting.learners import Answer, Learner, RowAnswer

Ask = Callable[[Any, Any], np.ndarray]


def _votes(estimator: Any, X: Any, *, classes: np.ndarray) -> np.ndarray:
    """1 at the class that is predicted."""
    return (np.asarray(estimator.predict(X))[:, None] == classes).astype(np.float64)


def _shares(estimator: Any, X: Any, *, classes: np.ndarray) -> np.ndarray:
    """Probabilities; 0 for classes that the estimator has not seen."""
    found = estimator.predict_proba(X)
    result = np.zeros((len(found), len(classes)))
    result[:, np.searchsorted(classes, estimator.classes_)] = found
    return result


def _numbers(estimator: Any, X: Any) -> np.ndarray:
    return np.asarray(estimator.predict(X), np.float64).reshape(-1)


def ask_of(algorithm: str, classes: np.ndarray | None) -> Ask:
    """How an estimator is asked.

    Parameters
    ----------
    algorithm : {"SAMME", "SAMME.R", "LogitBoost", "gentle", "R2"}
        Votes and probabilities are asked of classifiers, numbers of regressors.
    classes : ndarray or None
        All labels.

    Returns
    -------
    callable
        (estimator, X) -> what it says, (n, n_classes) or (n,).
    """
    if classes is None:
        return _numbers
    if algorithm == "SAMME":
        return partial(_votes, classes=classes)
    if algorithm == "SAMME.R":
        return partial(_shares, classes=classes)
    return _numbers


class EstimatorLearner(Learner):
    """Fits clones of an estimator.

    Parameters
    ----------
    estimator : estimator
        Not fitted.
    X : array or sparse matrix
        Training rows.
    ask : callable
        (estimator, X) -> what it says.
    classes : ndarray or None
        Labels by number.
    validation : array, sparse matrix or None
        Rows that are only looked at.
    random : RandomState
        Gives each clone its seeds.
    is_count : bool
        Whether weights count repetitions: rows are then repeated, and the estimator need not take
        weights.
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        ask: Ask,
        *,
        classes: np.ndarray | None,
        validation: Any,
        random: np.random.RandomState,
        is_count: bool,
    ) -> None:
        self._estimator, self._X, self._ask, self._classes = estimator, X, ask, classes
        self._validation, self._random, self._is_count = validation, random, is_count

    def classify(self, weight: np.ndarray, label: np.ndarray) -> Answer:
        """Fit a classifier."""
        if self._classes is None:
            raise ValueError("EstimatorLearner: classes must be given, got None. Name the labels.")
        return self._fit(weight, self._classes[label])

    def regress(self, weight: np.ndarray, target: np.ndarray) -> Answer:
        """Fit a regressor."""
        return self._fit(weight, target)

    def on_validation(self, kept: Any) -> np.ndarray:
        """What an estimator says of the validation rows."""
        return self._ask(kept, self._validation)

    def _fit(self, weight: np.ndarray, y: np.ndarray) -> Answer:
        estimator = clone(self._estimator)
        _set_random_states(estimator, self._random)
        if self._is_count:
            rows = np.repeat(np.arange(len(y)), weight.astype(np.int64))
            estimator.fit(_safe_indexing(self._X, rows), y[rows])
        else:
            estimator.fit(self._X, y, sample_weight=weight)
        return RowAnswer(estimator, self._ask(estimator, self._X))
