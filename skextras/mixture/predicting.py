"""What a fitted mixture says of rows, and the criteria made of it."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skextras.mixture.components import log_weights_of
from skextras.mixture.reading import arranged
from skextras.mixture.shell import MixtureShell
from skextras.mixture.sweeping import Block, Sweep


class PredictingMixture(MixtureShell):
    """Predictions, criteria and samples; abstract."""

    def _posterior(
        self, values: np.ndarray
    ) -> Iterator[tuple[np.ndarray | slice, Block, np.ndarray, np.ndarray]]:
        """Blocks of checked rows: their places, the block, its table, its log-likelihoods."""
        rows, order = arranged(values)
        centre, components = self._centre(), self._components(None)
        parameters = self._own_parameters(centre)
        sweep = Sweep(components, len(parameters[0]), centre, rows.values.dtype, 1)
        ready = components.prepare(parameters[1:], rows.values.dtype)
        for place, block, table, likelihood in sweep.posterior(
            ready, log_weights_of(parameters[0]), rows
        ):
            yield (place if order is None else order[place]), block, table, likelihood

    def _checked(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self._numbers(X, reset=False)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each component, given the row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; NaN is a missing value.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Rows sum to 1.
        """
        values = self._checked(X)
        out = np.empty((len(values), len(self.weights_)), _floating(values.dtype))
        for place, block, table, _ in self._posterior(values):
            out[place] = table[: out.shape[1], : len(block)].T
        return out

    def predict(self, X: Any) -> np.ndarray:
        """Most probable component of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; NaN is a missing value.

        Returns
        -------
        ndarray of shape (n_samples,)
            Components.
        """
        values = self._checked(X)
        out = np.empty(len(values), np.int64)
        for place, block, table, _ in self._posterior(values):
            out[place] = table[: len(self.weights_), : len(block)].argmax(axis=0)
        return out

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-likelihood of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; of NaN the density of the known values is given.

        Returns
        -------
        ndarray of shape (n_samples,)
            Log density, nats.
        """
        values = self._checked(X)
        out = np.empty(len(values), _floating(values.dtype))
        for place, block, _, likelihood in self._posterior(values):
            out[place] = likelihood[: len(block)]
        return out

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Mean log-likelihood of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            Repetitions of each row.

        Returns
        -------
        float
            Nats a row.
        """
        return np.average(self.score_samples(X), weights=sample_weight)

    # ------------------------------------------------------------ criteria
    def _criterion(self, X: Any, sample_weight: Any, price: float | None) -> float:
        n = len(X) if sample_weight is None else float(np.sum(sample_weight))
        price = np.log(n) if price is None else price
        return float(-2 * n * self.score(X, sample_weight=sample_weight)) + price * (
            self._n_parameters()
        )

    def bic(self, X: Any, sample_weight: Any = None) -> float:
        """Bayesian information criterion; the lower the better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Repetitions of each row.

        Returns
        -------
        float
            -2 log-likelihood + log(n) parameters.
        """
        return self._criterion(X, sample_weight, None)

    def aic(self, X: Any, sample_weight: Any = None) -> float:
        """Akaike's information criterion; the lower the better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Repetitions of each row.

        Returns
        -------
        float
            -2 log-likelihood + 2 parameters.
        """
        return self._criterion(X, sample_weight, 2.0)

    def icl(self, X: Any, sample_weight: Any = None) -> float:
        """Integrated completed likelihood [1]_ as a criterion; the lower the better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Repetitions of each row.

        Returns
        -------
        float
            BIC plus twice the entropy of the assignments: it prefers components apart.

        References
        ----------
        .. [1] C. Biernacki, G. Celeux and G. Govaert, "Assessing a Mixture Model for Clustering
           with the Integrated Completed Likelihood", IEEE PAMI 22(7), 2000.
        """
        shares = self.predict_proba(X)
        entropy = -np.sum(shares * np.log(np.maximum(shares, np.finfo(float).tiny)), axis=1)
        weight = np.ones(len(shares)) if sample_weight is None else np.asarray(sample_weight)
        return self.bic(X, sample_weight) + 2 * float(weight @ entropy)

    def sample(self, n_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Draw rows from the fitted model.

        Parameters
        ----------
        n_samples : int, default=1
            How many.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Rows, those of one component together.
        y : ndarray of shape (n_samples,)
            Their components.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(
                f"Invalid value for 'n_samples': {type(self).__name__}: n_samples must be a "
                f"positive integer, got {n_samples!r}. Draw at least one row."
            )
        rng = check_random_state(self.random_state)
        weights = self.weights_.astype(np.float64)
        counts = rng.multinomial(n_samples, weights / weights.sum())
        return self._draw(counts, rng), np.repeat(np.arange(len(counts)), counts)


def _floating(dtype: Any) -> Any:
    return dtype if np.dtype(dtype).kind == "f" else np.float64
