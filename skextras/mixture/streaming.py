"""Mixtures that learn batch after batch."""

import warnings
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from skextras.mixture.components import MixtureStep, Parameters
from skextras.mixture.reading import Reader, summarise
from skextras.mixture.shell import MixtureShell


class StreamingMixture(MixtureShell):
    """Stepwise EM; abstract."""

    lower_bound_: float
    n_iter_: int

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from a batch by a step of stepwise EM [1]_.

        The first batch is fitted by EM as it is. Each later one, number t, moves the mean
        statistics of a row by the share (t + 1) ** -learning_decay to those of the batch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; NaN is a missing value.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            Repetitions of each row.

        Returns
        -------
        self : object
            The estimator itself.

        References
        ----------
        .. [1] O. Cappé and E. Moulines, "On-line expectation-maximization algorithm for latent
           data models", Journal of the Royal Statistical Society B 71(3), 2009.
        """
        self._check_options()
        is_first = getattr(self, "_stream", None) is None
        if is_first and not hasattr(self, "weights_"):
            self._check_batch(X)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                self.fit(X, sample_weight=sample_weight)
            self._stream = (*self._stream_start(X, sample_weight), 1)
            return self
        self._check_still("the batches before", "Call fit")
        rows = Reader(self, self.n_components).rows(X, sample_weight)
        if is_first:
            self._stream = (*self._stream_start(X, sample_weight), 1)
        parameters, average, summary, components, t = self._stream
        step = MixtureStep(self._sweep(components, summary.origin, summary.dtype), [rows])
        statistics, likelihood = step.expect(parameters, [rows])
        rate = (t + 1) ** -self.learning_decay
        total = max(statistics[0].sum(), np.finfo(float).tiny)
        mixed = tuple(
            (1 - rate) * old + rate * new / total
            for old, new in zip(average, statistics, strict=True)
        )
        following = components.update(parameters[1:], self._scaled(mixed, summary.total + total))
        average = components.recentre(parameters[1:], mixed)
        parameters = (mixed[0] / mixed[0].sum(), *following)
        summary.total += total
        self._stream = (parameters, average, summary, components, t + 1)
        self.weights_ = parameters[0].astype(summary.dtype)
        self._publish(parameters, summary.origin, summary.dtype)
        self.lower_bound_ = likelihood / total
        self.n_iter_ = t + 1
        return self

    def _check_batch(self, X: Any) -> None:
        if np.ndim(X) == 2 and len(X) < self.n_components:
            self._check_size(len(X))

    def _scaled(self, statistics: Parameters, total: float) -> Parameters:
        """Mean statistics as if of all rows seen, so that a prior weighs what it should."""
        return tuple(total * part for part in statistics)

    def _stream_start(self, X: Any, sample_weight: Any) -> tuple[Any, ...]:
        """Parameters, mean statistics about them, and what they are counted from."""
        self._check_still("the batches before", "Call fit")
        rows = Reader(self, self.n_components).rows(X, sample_weight)
        summary = summarise([rows], check_random_state(self.random_state))
        components = self._components(summary)
        summary.is_centred = components.is_centred
        parameters = self._own_parameters(summary.origin)
        step = MixtureStep(self._sweep(components, summary.origin, summary.dtype), [rows])
        statistics, _ = step.expect(parameters, [rows])
        average = tuple(part / max(statistics[0].sum(), 1e-300) for part in statistics)
        return parameters, average, summary, components
