"""Exact SHAP values of an ensemble, by the training weights or against background rows."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from skextras.trees.prediction import Predictor
from skextras.trees.shap_background import MOST_FEATURES, Background, background_patterns
from skextras.trees.shap_kernels import interactions
from skextras.trees.shap_paths import paths_of
from skextras.trees.shap_rows import Knowledge, shap_rows

SPAN = 4096  # rows of a span at most


class TreeShap:
    """Explains predictions: values of the features that sum to the prediction.

    Without a background, a feature that is left out takes both ways of a split, weighed by the
    training weights ([1]_, tree path dependent); with one, it takes the values of the background
    rows (interventional).

    Parameters
    ----------
    predictor : Predictor
        Of the ensemble.
    background : ndarray of float32 or float64 of shape (n, n_features), optional
        Rows that stand for the data; a hundred are usual.

    References
    ----------
    .. [1] S. M. Lundberg et al. (2020). From local explanations to global understanding with
       explainable AI for trees. Nature Machine Intelligence 2.
    """

    def __init__(self, predictor: Predictor, background: np.ndarray | None = None) -> None:
        self.predictor = predictor
        self._paths = paths_of(predictor)
        lengths = np.diff(self._paths.start)
        self._rules = _rules(int(lengths.max(initial=1)))
        if lengths.max(initial=0) > MOST_FEATURES:
            raise ValueError(
                f"TreeShap: a path must have at most {MOST_FEATURES} different features, "
                f"got {lengths.max()}. Grow shallower trees."
            )
        no_words, no_numbers = np.empty(0, np.uint64), np.empty(0)
        seen = Background(np.zeros(1, np.int64), no_words, no_numbers, np.empty((0, 0)))
        if background is None:
            chances = np.append(self._paths.chance, 1.0)
            reach = np.multiply.reduceat(chances, self._paths.start[:-1])
            self.expected_value = self._sum(np.where(lengths > 0, reach, 1.0))
        elif len(background):
            bins = predictor.bins_of(background)
            seen = background_patterns(self._paths, bins, _beta())
            self.expected_value = predictor.raw_predict(background).mean(0)
        else:
            raise ValueError("TreeShap: background must have rows, got none. Pass about 100.")
        self._knowledge = Knowledge(self._rules, seen, background is not None)

    def values(self, X: np.ndarray, n_threads: int = 1) -> np.ndarray:
        """SHAP values; with ``expected_value`` they sum to the raw prediction.

        Parameters
        ----------
        X : ndarray of float32 or float64 of shape (n, n_features)
            Rows to explain.
        n_threads : int, default=1
            At most so many work.

        Returns
        -------
        ndarray of float64 of shape (n, n_features, n_outputs)
            Share of each feature in each output.
        """
        bins = self.predictor.bins_of(X, n_threads)
        out = np.empty((*bins.shape, self.predictor.ensemble.n_outputs))
        self._spread(shap_rows, bins, self._knowledge, out, n_threads)
        result = np.zeros((len(X), X.shape[1], out.shape[2]))
        result[:, self.predictor.columns.feature] = out
        return result

    def interaction_values(self, X: np.ndarray, n_threads: int = 1) -> np.ndarray:
        """SHAP interaction values, by the training weights; row sums are the SHAP values.

        Parameters
        ----------
        X : ndarray of float32 or float64 of shape (n, n_features)
            Rows to explain.
        n_threads : int, default=1
            At most so many work.

        Returns
        -------
        ndarray of float64 of shape (n, n_features, n_features, n_outputs)
            Symmetric; a feature's own effect is on the diagonal.
        """
        if self._knowledge.has_background:
            raise ValueError(
                "TreeShap: interactions need training weights, got a background. Leave it out."
            )
        bins = self.predictor.bins_of(X, n_threads)
        n, n_columns, n_outputs = *bins.shape, self.predictor.ensemble.n_outputs
        pairs = np.empty((n, n_columns, n_columns, n_outputs))
        self._spread(interactions, bins, self._rules, pairs, n_threads)
        pairs += pairs.transpose(0, 2, 1, 3).copy()
        features = self.predictor.columns.feature
        own = self.values(X, n_threads)[:, features] - pairs.sum(2)
        pairs[:, np.arange(n_columns), np.arange(n_columns)] = own
        result = np.zeros((n, X.shape[1], X.shape[1], n_outputs))
        result[np.ix_(np.arange(n), features, features)] = pairs
        return result

    def _sum(self, reach: np.ndarray) -> np.ndarray:
        """Start plus each leaf's value times its chance."""
        ensemble, paths = self.predictor.ensemble, self._paths
        shares = paths.value * reach[:, None]
        if ensemble.is_joint:
            return np.asarray(ensemble.start + shares.sum(0))
        return ensemble.start + np.bincount(paths.output, shares[:, 0], ensemble.n_outputs)

    def _spread(
        self,
        kernel: Callable[..., Any],
        bins: np.ndarray,
        knowledge: Any,
        out: np.ndarray,
        n_threads: int,
    ) -> None:
        """Run a kernel over spans of rows."""
        n = len(bins)
        # Tables of leaves are made for each span: few spans, but the sums stay in the cache.
        n_spans = max(n_threads, -(-n // (SPAN * n_threads)) * n_threads)
        size = -(-max(n, 1) // n_spans)
        spans = [(first, min(first + size, n)) for first in range(0, n, size)]

        def explain(span: tuple[int, int]) -> None:
            kernel(self._paths, bins, knowledge, span, out)

        if n_threads == 1 or len(spans) < 2:
            for span in spans:
                explain(span)
            return
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(explain, spans))


def _rules(most: int) -> np.ndarray:
    """Gauss-Legendre nodes and weights on [0, 1]; row d-1 is exact to degree d-1."""
    rules = np.zeros((most, (most + 1) // 2, 2))
    for degree in range(most):
        n = degree // 2 + 1
        nodes, weights = np.polynomial.legendre.leggauss(n)
        rules[degree, :n, 0] = (nodes + 1) / 2
        rules[degree, :n, 1] = weights / 2
    return rules


def _beta() -> np.ndarray:
    """(a-1)! (b-1)! / (a+b-1)!, 0 where a or b is 0."""
    size = MOST_FEATURES + 2
    beta = np.zeros((size, size))
    for a in range(1, size):
        for b in range(1, size):
            beta[a, b] = 1 / (a * math.comb(a + b - 1, a))
    return beta
