"""Predictions of a classifier whose decision function is on the logit scale."""

from typing import Any

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax

__all__ = ["LogitMixin"]


class LogitMixin:
    """Class, probability and log probability from ``decision_function`` and ``classes_``.

    The decision function gives the log odds of the second of two classes, or one score a class
    whose softmax is the probability.
    """

    classes_: np.ndarray

    def decision_function(self, X: Any) -> np.ndarray:
        """Score each row; an estimator replaces this.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Scores, dimensionless (nats).
        """
        raise TypeError(f"{type(self).__name__} has no decision function")

    def predict(self, X: Any) -> np.ndarray:
        """Most probable class of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows, as in :meth:`decision_function`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Class labels.
        """
        scores = self.decision_function(X)
        codes = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[codes]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows, as in :meth:`decision_function`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of ``classes_``; each row sums to one.
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.column_stack([expit(-scores), expit(scores)])
        return softmax(scores, axis=1)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of the probability of each class, exact where the probability underflows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows, as in :meth:`decision_function`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log probabilities, in nats.
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.column_stack([log_expit(-scores), log_expit(scores)])
        return log_softmax(scores, axis=1)
