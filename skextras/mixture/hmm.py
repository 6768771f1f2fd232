"""What both hidden Markov models share with their host: sequences, fit, predictions."""

import warnings
from abc import ABC, abstractmethod
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skextras.mixture.acceleration import accelerations
from skextras.mixture.chain import Chain, ChainStep
from skextras.mixture.components import Components, Parameters
from skextras.mixture.em import Ascent, best_of
from skextras.mixture.reading import Summary, check_numbers, has_missing, summarise
from skextras.mixture.sequences import Sequences
from skextras.mixture.starting import Starter, soft
from skextras.mixture.sweeping import EMPTY, Rows, Sweep


class BaseHMM(BaseEstimator, ABC):
    """Shell of the hidden Markov models; abstract."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "acceleration": [StrOptions({"squarem", "anderson"}), None],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    n_components: int
    tol: float
    max_iter: int
    n_init: int
    random_state: Any
    acceleration: str | None
    n_jobs: int | None
    verbose: int
    n_features_in_: int

    def __sklearn_tags__(self) -> Tags:
        """Values may be missing."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    # ------------------------------------------------------------ what a member adds
    @abstractmethod
    def _components(self, summary: Summary | None) -> Components:
        """The emissions; without a summary, for predictions by the fitted parameters."""

    @abstractmethod
    def _first(self, summary: Summary, means: np.ndarray) -> Parameters:
        """Emissions of any kind with these means."""

    @abstractmethod
    def _publish(self, emissions: Parameters, centre: np.ndarray, dtype: Any) -> None:
        """Set the fitted attributes."""

    @abstractmethod
    def _own_parameters(self, centre: np.ndarray) -> Parameters:
        """Emissions from the fitted attributes."""

    @abstractmethod
    def _n_emission_parameters(self) -> int:
        """Number of free parameters of the emissions."""

    @abstractmethod
    def _emit(self, states: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        """One row for each state."""

    def _centre(self) -> np.ndarray:
        return np.zeros(self.n_features_in_)

    def _numbers(self, X: Any, *, reset: bool) -> np.ndarray:
        return check_numbers(self, X, reset=reset)

    # ------------------------------------------------------------ fit
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, lengths: Any = None, sequence_weight: Any = None) -> Self:
        """Fit the model by EM (Baum-Welch).

        Parameters
        ----------
        X : array-like of shape (n_steps, n_features)
            Sequences, one after the other; NaN is a missing value.
        y : Ignored
            Not used, present for API consistency by convention.
        lengths : array-like of int of shape (n_sequences,), default=None
            Steps of each sequence; None is one sequence.
        sequence_weight : array-like of shape (n_sequences,), default=None
            Repetitions of each whole sequence; one of weight 0 is not there. A step alone cannot
            be repeated without changing the chain, so that there is no ``sample_weight``.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the lengths do not sum to the number of steps, there are fewer steps than states, no
            step has a value, or the weights are not one for each sequence.
        """
        values = self._numbers(X, reset=True)
        sequences = Sequences(type(self).__name__, len(values), lengths, sequence_weight)
        if not np.all(sequences.weight > 0):
            values, sequences = values[sequences.is_counted], sequences.counted()
        self._check_values(values)
        rng = check_random_state(self.random_state)
        rows = _sequenced(values, EMPTY if sequence_weight is None else sequences.step_weight)
        summary = summarise([rows], rng)
        components = self._components(summary)
        summary.is_centred = components.is_centred
        threads = self._threads()
        sweep = Sweep(components, self.n_components, summary.origin, values.dtype, threads)
        step = ChainStep(Chain(sweep, rows, sequences.ends, sequences.weight))
        accelerated = partial(accelerations, self.acceleration)
        ascents = [
            Ascent(step, start, self.tol, accelerated(), report=self._reporter(), _best=start)
            for start in (self._start(summary, sweep, rng) for _ in range(self.n_init))
        ]
        result = best_of(ascents, max_iter=self.max_iter, discard=False).result()
        self.startprob_, self.transmat_ = result.parameters[:2]
        self._publish(result.parameters[2:], summary.origin, values.dtype)
        self.converged_, self.n_iter_ = result.converged, result.n_iter
        self.lower_bound_, self.lower_bounds_ = result.objective, result.objectives
        if not self.converged_:
            warnings.warn(
                f"{type(self).__name__}: max_iter must be enough to converge, got "
                f"{self.max_iter}. Increase max_iter or tol.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _start(self, summary: Summary, sweep: Sweep, rng: np.random.RandomState) -> Parameters:
        """Emissions from k-means on the rows, transitions that stay more often than not."""
        k, owner = self.n_components, type(self).__name__
        starter = Starter(summary.sample, summary.centre, k, owner)
        shares = starter.assign("kmeans", rng)
        shares = shares if np.all(summary.is_centred) else soft(shares)
        shares = shares * starter.weight[:, None]
        counts = np.maximum(shares.sum(axis=0), np.finfo(float).tiny)
        own = self._first(summary, shares.T @ starter.values / counts[:, None])
        ready = sweep.components.prepare(own, sweep.dtype)
        rows = _sequenced(starter.rows.values)
        statistics = sweep.components.condense(ready, sweep.assigned(ready, rows, shares))
        moves = np.full((k, k), 0.5 / k) + 0.5 * np.eye(k)
        return (np.full(k, 1 / k), moves, *sweep.components.update(own, statistics))

    def _threads(self) -> int:
        is_free = self.n_jobs is None
        return int(_openmp_effective_n_threads() if is_free else effective_n_jobs(self.n_jobs))

    def _check_values(self, values: np.ndarray) -> None:
        n = len(values)
        if np.isnan(values).all():
            raise ValueError(
                f"{type(self).__name__}: X must have a step with a value, got none. Check the "
                "missing values."
            )
        if n < self.n_components:
            raise ValueError(
                f"{type(self).__name__}: n_components must be at most the number of steps, "
                f"n_samples = {n}, got {self.n_components}. Lower it."
            )

    def _reporter(self) -> Any:
        if not self.verbose:
            return None

        def report(n_iter: int, objective: float, gain: float) -> None:
            if n_iter % 10 == 0:
                line = f"[{type(self).__name__}] iteration {n_iter}  objective {objective:.8g}"
                print(f"{line}  gain {gain:.5g}")  # noqa: T201  # asked for

        return report

    # ------------------------------------------------------------ predictions
    def _chain(self, X: Any, lengths: Any, sequence_weight: Any = None) -> tuple[Chain, Parameters]:
        """Chain of checked rows, and the parameters of its emissions."""
        check_is_fitted(self)
        values = self._numbers(X, reset=False)
        sequences = Sequences(type(self).__name__, len(values), lengths, sequence_weight)
        centre, components = self._centre(), self._components(None)
        k, threads = len(self.startprob_), self._threads()
        sweep = Sweep(components, k, centre, values.dtype, threads)
        chain = Chain(sweep, _sequenced(values), sequences.ends, sequences.weight)
        return chain, self._own_parameters(centre)

    def decode(self, X: Any, lengths: Any = None) -> tuple[float, np.ndarray]:
        """Most probable states (Viterbi).

        Parameters
        ----------
        X : array-like of shape (n_steps, n_features)
            Sequences, one after the other.
        lengths : array-like of int of shape (n_sequences,), default=None
            Steps of each sequence.

        Returns
        -------
        log_probability : float
            Of the states and the steps together.
        states : ndarray of shape (n_steps,)
            One for each step.
        """
        chain, emissions = self._chain(X, lengths)
        return chain.decode(emissions, self.startprob_, self.transmat_)

    def predict(self, X: Any, lengths: Any = None) -> np.ndarray:
        """Most probable states (Viterbi).

        Parameters
        ----------
        X : array-like of shape (n_steps, n_features)
            Sequences, one after the other.
        lengths : array-like of int of shape (n_sequences,), default=None
            Steps of each sequence.

        Returns
        -------
        ndarray of shape (n_steps,)
            States.
        """
        return self.decode(X, lengths)[1]

    def predict_proba(self, X: Any, lengths: Any = None) -> np.ndarray:
        """Probability of each state at each step, given the whole sequence.

        Parameters
        ----------
        X : array-like of shape (n_steps, n_features)
            Sequences, one after the other.
        lengths : array-like of int of shape (n_sequences,), default=None
            Steps of each sequence.

        Returns
        -------
        ndarray of shape (n_steps, n_components)
            Rows sum to 1.
        """
        chain, emissions = self._chain(X, lengths)
        chain.prepare(emissions)
        return chain.posterior(self.startprob_, self.transmat_)

    def score(
        self, X: Any, y: Any = None, lengths: Any = None, sequence_weight: Any = None
    ) -> float:
        """Log-likelihood of the sequences.

        Parameters
        ----------
        X : array-like of shape (n_steps, n_features)
            Sequences, one after the other.
        y : Ignored
            Not used, present for API consistency by convention.
        lengths : array-like of int of shape (n_sequences,), default=None
            Steps of each sequence.
        sequence_weight : array-like of shape (n_sequences,), default=None
            Repetitions of each whole sequence.

        Returns
        -------
        float
            Sum over all steps, nats.
        """
        chain, emissions = self._chain(X, lengths, sequence_weight)
        chain.prepare(emissions)
        likelihoods = chain.likelihoods(self.startprob_, self.transmat_)
        is_counted = chain.weight > 0
        return float(chain.weight[is_counted] @ likelihoods[is_counted])

    def bic(self, X: Any, lengths: Any = None, sequence_weight: Any = None) -> float:
        """Bayesian information criterion; the lower the better.

        Parameters
        ----------
        X : array-like of shape (n_steps, n_features)
            Sequences, one after the other.
        lengths : array-like of int of shape (n_sequences,), default=None
            Steps of each sequence.
        sequence_weight : array-like of shape (n_sequences,), default=None
            Repetitions of each whole sequence.

        Returns
        -------
        float
            -2 log-likelihood + log(n_steps) parameters.
        """
        k = len(self.startprob_)
        n_parameters = self._n_emission_parameters() + k - 1 + k * (k - 1)
        likelihood = self.score(X, lengths=lengths, sequence_weight=sequence_weight)
        n_steps = Sequences(type(self).__name__, len(X), lengths, sequence_weight).n_weighted_steps
        return -2 * likelihood + float(np.log(n_steps)) * n_parameters

    def sample(self, n_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Draw one sequence from the fitted model.

        Parameters
        ----------
        n_samples : int, default=1
            Its steps.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Steps.
        states : ndarray of shape (n_samples,)
            Their states.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(
                f"{type(self).__name__}: n_samples must be a positive integer, got {n_samples!r}. "
                "Draw at least one step."
            )
        rng = check_random_state(self.random_state)
        ends = np.cumsum(np.vstack([self.transmat_, self.startprob_]), axis=1)
        states, state = np.empty(n_samples, np.int64), len(self.transmat_)
        for t, u in enumerate(rng.uniform(size=n_samples)):
            state = states[t] = int(np.searchsorted(ends[state][:-1], u * ends[state][-1]))
        return self._emit(states, rng), states


def _sequenced(values: np.ndarray, weight: np.ndarray = EMPTY) -> Rows:
    """Rows in their order; where one is incomplete all are taken for it."""
    return Rows(values, weight, n_complete=0 if has_missing(values) else -1)
