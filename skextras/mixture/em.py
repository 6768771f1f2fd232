"""Expectation-maximisation: one loop for every model.

A model is a function ``step(parameters) -> (objective, next parameters)``: the expectation at the
parameters, whose by-product is their objective, and the maximisation after it. Everything else is
here: convergence, acceleration that never lowers the objective, restarts of which the bad ones are
given up early, and a base class for models of users.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np

from skextras.mixture.acceleration import Acceleration, accelerations

__all__ = [
    "Ascent",
    "EMModel",
    "EMResult",
    "InfeasibleError",
    "ascend",
    "best_of",
    "responsibilities",
]

Step = Callable[[Any], tuple[float, Any]]
ROUNDING = 1e-10  # relative fall of an objective that rounding alone can bring about
TRIAL = 10  # iterations after which the worse half of several starts is given up


class InfeasibleError(ValueError):
    """Parameters that the model cannot have, as an extrapolation may propose."""


@dataclass(frozen=True)
class EMResult:
    """Where EM ended.

    Attributes
    ----------
    parameters : object
        Of the model, after the last maximisation.
    objective : float
        Of the parameters before it.
    objectives : list of float
        One for each iteration; they never fall.
    n_iter : int
        Iterations.
    converged : bool
        Whether the last gain was below the tolerance.
    """

    parameters: Any
    objective: float
    objectives: list[float]
    n_iter: int
    converged: bool


@dataclass
class Ascent:
    """A climb from one start, in as many legs as one likes.

    Attributes
    ----------
    step : callable
        Parameters to their objective and the next parameters.
    parameters : object
        Where it stands: arrays, in tuples if there are several.
    tol : float
        A gain below it ends the climb.
    acceleration : Acceleration
        What to try in place of the next parameters.
    rounding : float
        Relative fall that is not taken for one.
    report : callable or None
        Called with (iteration, objective, gain) after each iteration.
    objective : float
        Of the last parameters that were accepted.
    """

    step: Step
    parameters: Any
    tol: float
    acceleration: Acceleration = field(default_factory=Acceleration)
    rounding: float = ROUNDING
    report: Callable[[int, float, float], None] | None = None
    objective: float = -np.inf
    objectives: list[float] = field(default_factory=list)
    n_iter: int = 0
    converged: bool = False
    _plain: Any = None  # the next parameters of EM itself, where an extrapolation stands instead
    _best: Any = None  # the last accepted parameters

    def advance(self, n_iter: int) -> None:
        """Climb on.

        Parameters
        ----------
        n_iter : int
            Iterations at most.
        """
        for _ in range(n_iter):
            if self.converged:
                return
            self.n_iter += 1
            self._iterate()

    def result(self) -> EMResult:
        """Where the climb stands.

        Returns
        -------
        EMResult
            The parameters are those of EM itself, never an extrapolation not yet tried.
        """
        parameters = self.parameters if self._plain is None else self._plain
        return EMResult(
            parameters, self.objective, list(self.objectives), self.n_iter, self.converged
        )

    def _iterate(self) -> None:
        is_trial, here = self._plain is not None, self.parameters
        try:
            value, following = self.step(here)
        except InfeasibleError:
            if not is_trial:
                raise
            value, following = -np.inf, None
        gain = value - self.objective
        if is_trial and not gain >= 0:
            self.parameters, self._plain = self._plain, None
            self.acceleration.restart()
            return
        if gain < -self.rounding * (1 + abs(self.objective)):  # the floor of a covariance binds
            self.parameters, self._plain, self.converged = self._best, None, True
            return
        self.objective, self._best = value, here
        self.objectives.append(value)
        self.converged = abs(gain) < self.tol
        if self.report is not None:
            self.report(self.n_iter, value, gain)
        proposal = None if self.converged else self.acceleration.propose(here, following)
        self.parameters = following if proposal is None else proposal
        self._plain = None if proposal is None else following


def ascend(
    step: Step,
    start: Any,
    *,
    tol: float = 1e-6,
    max_iter: int = 1000,
    acceleration: str | None = None,
    report: Callable[[int, float, float], None] | None = None,
) -> EMResult:
    """Iterate EM from one start until it gains less than a tolerance.

    Parameters
    ----------
    step : callable
        Parameters to (objective, next parameters).
    start : ndarray or tuple of ndarray
        First parameters.
    tol : float, default=1e-6
        In units of the objective.
    max_iter : int, default=1000
        Iterations at most.
    acceleration : {"squarem", "anderson"} or None, default=None
        Extrapolation, undone where it would lower the objective.
    report : callable, default=None
        Called with (iteration, objective, gain).

    Returns
    -------
    EMResult
        The end.
    """
    ascent = Ascent(step, start, tol, accelerations(acceleration), report=report)
    ascent.advance(max_iter)
    return ascent.result()


def best_of(
    ascents: Sequence[Ascent], *, max_iter: int, discard: bool, n_threads: int = 1
) -> Ascent:
    """Climb from several starts and keep the highest.

    Parameters
    ----------
    ascents : sequence of Ascent
        One for each start.
    max_iter : int
        Iterations at most, of each.
    discard : bool
        Whether to give up the lower half after 10 iterations, of the rest after 20, and so on
        (successive halving).
    n_threads : int, default=1
        Climbs at a time.

    Returns
    -------
    Ascent
        The best one; of equals the first.
    """
    racing, leg = list(ascents), TRIAL if discard and len(ascents) > 1 else max_iter
    done = 0
    with ThreadPoolExecutor(max(n_threads, 1)) as pool:
        while done < max_iter and not all(ascent.converged for ascent in racing):
            leg = max_iter if len(racing) == 1 else min(leg, max_iter - done)
            if n_threads > 1:
                list(pool.map(Ascent.advance, racing, repeat(leg)))
            else:
                for ascent in racing:
                    ascent.advance(leg)
            done += leg
            if discard and done < max_iter:
                racing = sorted(racing, key=lambda ascent: -ascent.objective)
                racing = racing[: (len(racing) + 1) // 2]
    return max(racing, key=lambda ascent: ascent.objective)


class EMModel(ABC):
    """Base class of your own models: write two methods, get the loop.

    ``e_step`` returns what the maximisation needs, and the log-likelihood of the parameters;
    ``m_step`` returns the next parameters. Acceleration and restarts need no more.

    References
    ----------
    .. [1] A. P. Dempster, N. M. Laird and D. B. Rubin, "Maximum Likelihood from Incomplete Data via
       the EM Algorithm", Journal of the Royal Statistical Society B 39(1), 1977.
    .. [2] C. B. Do and S. Batzoglou, "What is the expectation maximization algorithm?", Nature
       Biotechnology 26, 2008: the two coins below.

    Examples
    --------
    Five rounds of ten tosses, each with one of two coins; which one is not known.

    >>> import numpy as np
    >>> from scipy.stats import binom
    >>> from skextras.mixture import EMModel, responsibilities
    >>> class TwoCoins(EMModel):
    ...     def e_step(self, heads, bias):
    ...         return responsibilities(binom.logpmf(heads[:, None], 10, bias) + np.log(0.5))
    ...     def m_step(self, heads, coin):
    ...         return heads @ coin / (10 * coin.sum(axis=0))
    >>> TwoCoins().fit(np.array([5, 9, 8, 4, 7]), np.array([0.6, 0.5])).parameters.round(2)
    array([0.8 , 0.52])
    """

    @abstractmethod
    def e_step(self, data: Any, parameters: Any) -> tuple[Any, float]:
        """Expect.

        Parameters
        ----------
        data : object
            What ``fit`` was given.
        parameters : ndarray or tuple of ndarray
            Of the model. Raise ``InfeasibleError`` if the model cannot have them.

        Returns
        -------
        expectation : object
            For ``m_step``.
        log_likelihood : float
            Of the data at the parameters; with a log prior added, if there is one.
        """

    @abstractmethod
    def m_step(self, data: Any, expectation: Any) -> Any:
        """Maximise.

        Parameters
        ----------
        data : object
            What ``fit`` was given.
        expectation : object
            What ``e_step`` returned.

        Returns
        -------
        ndarray or tuple of ndarray
            The next parameters.
        """

    def fit(self, data: Any, *starts: Any, **options: Any) -> EMResult:
        """Run EM.

        Parameters
        ----------
        data : object
            Handed to both steps.
        *starts : ndarray or tuple of ndarray
            First parameters; of several starts the best end is returned.
        **options : object
            ``tol``, ``max_iter``, ``acceleration`` and ``report`` of ``ascend``.

        Returns
        -------
        EMResult
            With ``parameters``, ``objective``, ``objectives``, ``n_iter``, ``converged``.

        Raises
        ------
        ValueError
            If there is no start.
        """
        if not starts:
            raise ValueError(
                "EMModel: fit must be given at least one start, got none. Pass first parameters."
            )

        step = partial(self._step, data)
        results = [ascend(step, start, **options) for start in starts]
        return max(results, key=lambda result: result.objective)

    def _step(self, data: Any, parameters: Any) -> tuple[float, Any]:
        expectation, likelihood = self.e_step(data, parameters)
        return float(likelihood), self.m_step(data, expectation)


def responsibilities(log_joint: np.ndarray) -> tuple[np.ndarray, float]:
    """Posterior of the components from log p(x, component).

    Parameters
    ----------
    log_joint : ndarray of shape (n, k)
        Log density of each row in each component plus the component's log weight.

    Returns
    -------
    shares : ndarray of shape (n, k)
        Rows sum to 1.
    log_likelihood : float
        Of all rows.
    """
    top = log_joint.max(axis=1, keepdims=True)
    shares = np.exp(log_joint - top)
    total = shares.sum(axis=1, keepdims=True)
    return shares / total, float(np.sum(top + np.log(total)))
