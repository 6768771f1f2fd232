"""Hidden Markov models that emit Gaussian rows."""

from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from skextras.mixture.components import Components, Parameters
from skextras.mixture.families import FAMILIES
from skextras.mixture.gaussian_components import Floor, GaussianComponents
from skextras.mixture.hmm import BaseHMM
from skextras.mixture.reading import Summary

__all__ = ["GaussianHMM"]


class GaussianHMM(BaseHMM):
    """Hidden Markov model with Gaussian emissions, by Baum-Welch [1]_.

    Several sequences stand one after the other in X; ``lengths`` says where they end. NaN is a
    missing value.

    Parameters
    ----------
    n_components : int, default=1
        States.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="diag"
        As in ``GaussianMixture``.
    reg_covar : float, default=1e-6
        Added to the variances after each iteration.
    tol : float, default=1e-4
        EM stops when the mean log-likelihood of a step gains less.
    max_iter : int, default=100
        Iterations at most; 0 leaves the start.
    n_init : int, default=1
        Starts; the best result is kept.
    random_state : int, RandomState or None, default=None
        Decides the starts, and ``sample``.
    acceleration : {"squarem", "anderson"} or None, default=None
        Extrapolation between iterations. What would lower the likelihood is undone.
    n_jobs : int, default=None
        Threads; None is all cores, or what OMP_NUM_THREADS allows.
    verbose : int, default=0
        Above 0, the objective is printed every ten iterations.

    Attributes
    ----------
    startprob_ : ndarray of shape (n_components,)
        Probabilities of a sequence's first state.
    transmat_ : ndarray of shape (n_components, n_components)
        Probabilities of the next state (column), given the present one (row).
    means_ : ndarray of shape (n_components, n_features)
        Means of the states.
    covariances_ : ndarray
        Their covariances, in the shape of ``GaussianMixture``.
    converged_ : bool
        Whether the last gain was below ``tol``.
    n_iter_ : int
        Iterations of the best start.
    lower_bound_ : float
        Mean log-likelihood of a step before the last maximisation.
    lower_bounds_ : list of float
        The same for each iteration; it never falls.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X had names that are all strings.

    Notes
    -----
    Messages are products, scaled, not logarithms. A state whose share falls below 1e-250 is taken
    for none; where a transition of probability 0 keeps all others from leading back to it, it is
    out of that sequence from there on, however well it would explain the rest.

    References
    ----------
    .. [1] L. R. Rabiner, "A Tutorial on Hidden Markov Models and Selected Applications in Speech
       Recognition", Proceedings of the IEEE 77(2), 1989.

    Examples
    --------
    >>> import numpy as np
    >>> from skextras.mixture import GaussianHMM
    >>> X = np.array([0.0, 0.1, 0.2, 5.0, 5.1, 5.2, 0.1, 0.0])[:, None]
    >>> model = GaussianHMM(n_components=2, random_state=0).fit(X)
    >>> np.sort(model.means_.ravel()).round(1)
    array([0.1, 5.1])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseHMM._parameter_constraints,
        "covariance_type": [StrOptions({*FAMILIES})],
        "reg_covar": [Interval(Real, 0.0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: Literal["full", "tied", "diag", "spherical"] = "diag",
        reg_covar: float = 1e-6,
        tol: float = 1e-4,
        max_iter: int = 100,
        n_init: int = 1,
        random_state: int | np.random.RandomState | None = None,
        acceleration: str | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.reg_covar = reg_covar
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.random_state = random_state
        self.acceleration = acceleration
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _components(self, summary: Summary | None) -> Components:
        family = FAMILIES[self.covariance_type]
        if summary is None:
            return GaussianComponents(family, Floor(0.0, np.ones(self.n_features_in_), 0.0))
        tolerance = 500 * float(np.finfo(summary.dtype).eps)
        return GaussianComponents(family, Floor(self.reg_covar, summary.spread, tolerance))

    def _first(self, summary: Summary, means: np.ndarray) -> Parameters:
        family, (k, d) = FAMILIES[self.covariance_type], means.shape
        spread = np.where(summary.spread > 0, summary.spread, 1.0)
        covariance = family.layout(np.broadcast_to(np.diag(spread), (k, d, d)))
        return means, family.estimate(covariance, np.ones(k), d, None)

    def _publish(self, emissions: Parameters, centre: np.ndarray, dtype: Any) -> None:
        self.means_ = (emissions[0] + centre).astype(dtype)
        self.covariances_ = emissions[1].astype(dtype)

    def _own_parameters(self, centre: np.ndarray) -> Parameters:
        means = np.asarray(self.means_, np.float64) - centre
        return means, np.asarray(self.covariances_, np.float64)

    def _centre(self) -> np.ndarray:
        return np.asarray(self.means_, np.float64).mean(axis=0)

    def _n_emission_parameters(self) -> int:
        return int(FAMILIES[self.covariance_type].count(*self.means_.shape) + self.means_.size)

    def _emit(self, states: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        k, d = self.means_.shape
        dense = FAMILIES[self.covariance_type].dense(self._own_parameters(np.zeros(d))[1], k, d)
        lower = np.linalg.cholesky(dense)
        noise = rng.standard_normal((len(states), d))
        return self.means_[states] + np.einsum("nde,ne->nd", lower[states], noise)
