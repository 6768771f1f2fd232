"""Mixtures with heavy tails."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from skextras.mixture.base import BaseMixture
from skextras.mixture.components import Components, Parameters
from skextras.mixture.families import FAMILIES
from skextras.mixture.gaussian_components import Floor
from skextras.mixture.reading import Summary
from skextras.mixture.student_components import StudentComponents

__all__ = ["StudentMixture"]


class StudentMixture(BaseMixture):
    r"""Mixture of Student distributions by EM: outliers pull less the farther they are.

    Each component has a mean, a scale matrix and degrees of freedom, which are found with them
    unless given. NaN is a missing value.

    Parameters
    ----------
    n_components : int, default=1
        Components.
    degrees_of_freedom : float, default=None
        Of all components; None finds those of each, from 0.5 to 500.
    reg_covar : float, default=1e-6
        Added to the diagonal of the scale matrices after each iteration.
    tol : float, default=1e-3
        EM stops when the mean log-likelihood of a row gains less.
    max_iter : int, default=100
        Iterations at most.
    n_init : int, default=1
        Starts; the best result is kept.
    init_params : {"kmeans", "k-means++", "random", "random_from_data"}, default="kmeans"
        How a start assigns rows to components. It looks at 25,000 rows at most.
    random_state : int, RandomState or None, default=None
        Decides the starts, and ``sample``.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last fit.
    verbose : int, default=0
        1 prints the objective as it goes, 2 also gain and time.
    verbose_interval : int, default=10
        Iterations between lines.
    acceleration : {"squarem", "anderson"} or None, default=None
        Extrapolation between iterations. What would lower the likelihood is undone.
    discard_starts : bool, default=False
        Whether the worse half of several starts is given up after 10 iterations, of the rest after
        20, and so on. Faster; now and then the start given up would have ended highest.
    learning_decay : float, default=0.7
        Of ``partial_fit``: in (0.5, 1], small forgets sooner.
    n_jobs : int, default=None
        Threads; None is all cores, or what OMP_NUM_THREADS allows.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
        Weights of the components; they sum to 1.
    means_ : ndarray of shape (n_components, n_features)
        Centres; the means, where there are more than 1 degrees of freedom.
    scales_ : ndarray of shape (n_components, n_features, n_features)
        Scale matrices; the covariance is ν / (ν - 2) times them.
    degrees_of_freedom_ : ndarray of shape (n_components,)
        ν.
    converged_ : bool
        Whether the last gain was below ``tol``.
    n_iter_ : int
        Iterations of the best start.
    lower_bound_ : float
        Mean log-likelihood of a row before the last maximisation, a log prior included.
    lower_bounds_ : list of float
        The same for each iteration; it never falls.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X had names that are all strings.

    References
    ----------
    .. [1] D. Peel and G. J. McLachlan, "Robust mixture modelling using the t distribution",
       Statistics and Computing 10, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from skextras import StudentMixture
    >>> X = np.array([[-1.0], [-0.5], [0.0], [0.5], [1.0], [1000.0]])
    >>> StudentMixture(degrees_of_freedom=2).fit(X).means_.round(1)
    array([[0.]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMixture._parameter_constraints,
        "degrees_of_freedom": [Interval(Real, 0, None, closed="neither"), None],
        "reg_covar": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        degrees_of_freedom: float | None = None,
        reg_covar: float = 1e-6,
        tol: float = 1e-3,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str = "kmeans",
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        acceleration: str | None = None,
        discard_starts: bool = False,
        learning_decay: float = 0.7,
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.degrees_of_freedom = degrees_of_freedom
        self.reg_covar = reg_covar
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.acceleration = acceleration
        self.discard_starts = discard_starts
        self.learning_decay = learning_decay
        self.n_jobs = n_jobs

    def _components(self, summary: Summary | None) -> Components:
        if summary is None:
            return StudentComponents(Floor(0.0, np.ones(self.n_features_in_), 0.0), None)
        tolerance = 500 * float(np.finfo(summary.dtype).eps)
        floor = Floor(self.reg_covar, summary.spread, tolerance)
        return StudentComponents(floor, self.degrees_of_freedom)

    def _first(self, summary: Summary, means: np.ndarray) -> Parameters:
        k, d = means.shape
        spread = np.where(summary.spread > 0, summary.spread, 1.0)
        # From many degrees of freedom, nearly Gaussian, the first assignment is not yet weighted.
        freedom = np.full(k, self.degrees_of_freedom or 30.0)
        return means, np.broadcast_to(np.diag(spread), (k, d, d)).copy(), freedom

    def _publish(self, parameters: Parameters, centre: np.ndarray, dtype: Any) -> None:
        _, means, scales, freedom = parameters
        self.means_ = (means + centre).astype(dtype)
        self.scales_ = scales.astype(dtype)
        self.degrees_of_freedom_ = freedom.astype(dtype)

    def _own_parameters(self, centre: np.ndarray) -> Parameters:
        weights = np.asarray(self.weights_, np.float64)
        means = np.asarray(self.means_, np.float64) - centre
        scales = np.asarray(self.scales_, np.float64)
        return weights, means, scales, np.asarray(self.degrees_of_freedom_, np.float64)

    def _centre(self) -> np.ndarray:
        return np.asarray(self.means_, np.float64).mean(axis=0)

    def _n_parameters(self) -> int:
        k, d = self.means_.shape
        own = FAMILIES["full"].count(k, d) + k * (self.degrees_of_freedom is None)
        return int(own + k * d + k - 1)

    def _draw(self, counts: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        parts = []
        for mean, scale, nu, n in zip(
            self.means_, self.scales_, self.degrees_of_freedom_, counts, strict=True
        ):
            normal = rng.multivariate_normal(np.zeros(len(mean)), scale, int(n))
            parts.append(mean + normal * np.sqrt(nu / rng.chisquare(nu, size=(int(n), 1))))
        return np.vstack(parts)
