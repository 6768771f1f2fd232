"""The fit of all mixture estimators: starts, ascents, what they leave."""

import time
import warnings
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from skextras.mixture.acceleration import accelerations
from skextras.mixture.components import Components, MixtureStep, Parameters
from skextras.mixture.em import ROUNDING, Ascent, best_of
from skextras.mixture.predicting import PredictingMixture
from skextras.mixture.reading import (
    BlockSource,
    Reader,
    Summary,
    arranged,
    is_block_source,
    summarise,
)
from skextras.mixture.starting import Starter, soft
from skextras.mixture.streaming import StreamingMixture


class BaseMixture(StreamingMixture, PredictingMixture):
    """Shell of the mixture estimators; abstract."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, labels: Any = None) -> Self:
        """Fit the model by EM.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or blocks
            Rows; NaN is a missing value. Blocks are a list of tables, or an object whose
            ``__iter__`` starts a new pass over tables or over tuples ``(X, sample_weight)``; each
            iteration is one pass, and one block at a time is in memory.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            Repetitions of each row; a row of weight 0 is not there.
        labels : array-like of shape (n_samples,), default=None
            Component of each row where it is known, -1 where it is not.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If an option is out of range, or the data do not fit it.
        """
        self._check_options()
        rng = check_random_state(self.random_state)
        reader = Reader(self, self.n_components)
        source: Any
        if is_block_source(X):
            self._check_alone(sample_weight=sample_weight, labels=labels)
            source = BlockSource(X, reader)
        else:
            source = [reader.rows(X, sample_weight, labels, reset=True)]
            self._check_size(len(source[0]))
        summary = summarise(source, rng)
        components = self._components(summary)
        summary.is_centred = components.is_centred
        step = MixtureStep(self._sweep(components, summary.origin, summary.dtype), source)
        starts = None if self._goes_on() else self._starts(summary, components, rng)
        self._climb(step, starts, summary)
        self._stream: Any = None
        return self

    def _goes_on(self) -> bool:
        """Whether EM starts from the last fit."""
        if not (self.warm_start and hasattr(self, "converged_")):
            return False
        self._check_still("the fit that warm_start goes on from", "Set warm_start=False")
        return True

    def _check_still(self, before: str, cure: str) -> None:
        """Refuse to go on where parameters would be of another shape."""
        own = self._shape()
        last = getattr(self, "_last_shape", own)
        for name, value in own.items():
            if value != last[name]:
                raise ValueError(
                    f"{type(self).__name__}: {name} must be {last[name]!r}, as in "
                    f"{before}, got {value!r}. {cure} to start anew."
                )

    def _shape(self) -> dict[str, Any]:
        """What the shapes of the parameters depend on."""
        options = {"n_components", "covariance_type", "n_factors"} & self.get_params().keys()
        own = {name: getattr(self, name) for name in sorted(options)}
        return own | {"the number of features": self.n_features_in_}

    def _climb(
        self, step: MixtureStep, starts: Iterator[Parameters] | None, summary: Summary
    ) -> None:
        if starts is None:
            starts = iter([self._own_parameters(summary.origin)])
            objective = float(self.lower_bound_)
        else:
            objective = -np.inf
        rounding = ROUNDING if summary.dtype == np.float64 else 1e-5
        ascents = [
            Ascent(
                step,
                start,
                self.tol,
                accelerations(self.acceleration),
                rounding,
                self._reporter(number),
                objective,
                _best=start,
            )
            for number, start in enumerate(starts)
        ]
        best = best_of(
            ascents,
            max_iter=self.max_iter,
            discard=self.discard_starts,
            n_threads=1 if step.sweep.n_threads > 1 else self._threads(),
        )
        self._finish(best, step.components, summary)

    def _finish(self, best: Ascent, components: Components, summary: Summary) -> None:
        result = best.result()
        self.weights_ = result.parameters[0].astype(summary.dtype)
        self._last_shape = self._shape()
        self._publish(result.parameters, summary.origin, summary.dtype)
        self.converged_ = result.converged
        self.n_iter_ = result.n_iter
        self.lower_bound_ = result.objective
        self.lower_bounds_ = result.objectives
        if not self.converged_ and self.max_iter > 0:
            warnings.warn(
                "Best performing initialization did not converge. Try different init parameters, "
                "or increase max_iter, tol, or check for degenerate data.",
                ConvergenceWarning,
                stacklevel=4,
            )
        self._warn_of_collapse(components)

    def _warn_of_collapse(self, components: Components) -> None:
        collapsed = sorted(getattr(components, "collapsed", ()))
        if collapsed:
            warnings.warn(
                f"{type(self).__name__}: components must have extent in every direction, got "
                f"{collapsed} collapsed onto too few distinct rows; their variances were raised "
                "to a millionth of the data's. Lower n_components, raise reg_covar, or set "
                "covariance_prior='auto'.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _starts(
        self, summary: Summary, components: Components, rng: np.random.RandomState
    ) -> Iterator[Parameters]:
        owner = type(self).__name__
        starter = Starter(summary.sample, summary.centre, self.n_components, owner)
        for _ in range(self.n_init):
            shares = starter.assign(self.init_params, rng)
            parameters = self._assigned(starter, shares, summary, components)
            yield self._with_initial(parameters, summary.origin)

    def _assigned(
        self, starter: Starter, shares: np.ndarray, summary: Summary, components: Components
    ) -> Parameters:
        """Maximise with given shares of the sample's rows."""
        if not np.all(components.is_centred):
            # A category that a component lacks would stay out for ever.
            shares = soft(shares)
        shares = shares * starter.weight[:, None]
        counts = shares.sum(axis=0)
        means = shares.T @ starter.values / np.maximum(counts, np.finfo(float).tiny)[:, None]
        own = self._first(summary, means)
        sweep = self._sweep(components, summary.origin, summary.dtype, n_threads=1)
        ready = components.prepare(own, summary.dtype)
        rows, order = arranged(starter.rows.values)
        shares = shares if order is None else shares[order]
        sums = sweep.assigned(ready, rows, shares)
        statistics = components.condense(ready, sums)
        weights = counts / max(counts.sum(), np.finfo(float).tiny)
        return (weights, *components.update(own, statistics))

    def _reporter(self, number: int) -> Any:
        if not self.verbose:
            return None
        started = time.perf_counter()

        def report(n_iter: int, objective: float, gain: float) -> None:
            if n_iter % self.verbose_interval == 0:
                seconds = time.perf_counter() - started
                more = f"  gain {gain:.5g}  {seconds:.2f} s" if self.verbose > 1 else ""
                head = f"[{type(self).__name__}] start {number}  iteration {n_iter}"
                print(f"{head}  objective {objective:.8g}{more}")  # noqa: T201  # asked for

        return report

    def _check_alone(self, **given: Any) -> None:
        for name, value in given.items():
            if value is not None:
                raise ValueError(
                    f"{type(self).__name__}: {name} must be None with blocks, got "
                    f"{type(value).__name__}. Let each block be a tuple (X, sample_weight)."
                )

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Fit, and say which component each row most likely is of.

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
        ndarray of shape (n_samples,)
            Components.
        """
        return self.fit(X, y, sample_weight).predict(X)
