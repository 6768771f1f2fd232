"""Gaussian mixtures in the words of scikit-learn, for weighted, incomplete and streamed data."""

from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from skextras.mixture.base import BaseMixture
from skextras.mixture.components import Components, Parameters
from skextras.mixture.conditioning import ConditionalMixture
from skextras.mixture.covariance import Covariance, precision_root
from skextras.mixture.em import InfeasibleError
from skextras.mixture.factor import FactorCovariance
from skextras.mixture.families import FAMILIES
from skextras.mixture.gaussian_components import Floor, GaussianComponents, WishartPrior
from skextras.mixture.reading import Summary

__all__ = ["GaussianMixture"]

EPSILONS = 500  # of the dtype: share of a variance below which a component has collapsed


class GaussianMixture(ConditionalMixture):
    r"""Gaussian mixture by EM: scikit-learn's words, faster, for data as they are.

    .. math:: p(x) = \sum_j \pi_j \, N(x; \mu_j, \Sigma_j)

    Each iteration is one pass over the rows: densities, responsibilities and moments of a block
    are computed while it is in the cache, on all cores, and responsibilities are never stored.
    Rows are centred on each component's mean before anything is squared, so that an offset of 1e8
    costs no digit. Missing values are integrated out exactly [2]_. The result is the same bit for
    bit for any number of threads.

    Parameters
    ----------
    n_components : int, default=1
        Components.
    covariance_type : {"full", "tied", "diag", "spherical", "factor"}, default="full"
        A matrix each; one matrix for all; variances of the axes; one variance each; or
        :math:`\Lambda_j \Lambda_j^T + \Psi_j` with ``n_factors`` columns and a diagonal (mixture
        of factor analysers [3]_), for many features.
    tol : float, default=1e-3
        EM stops when the mean log-likelihood of a row gains less.
    reg_covar : float, default=1e-6
        Added to the variances after each iteration. It has the unit of the data squared; a prior
        ("auto" below) has none.
    max_iter : int, default=100
        Iterations at most.
    n_init : int, default=1
        Starts; the best result is kept.
    init_params : {"kmeans", "k-means++", "random", "random_from_data"}, default="kmeans"
        How a start assigns rows to components. It looks at 25,000 rows at most.
    weights_init : array-like of shape (n_components,), default=None
        Weights to start from, in place of found ones.
    means_init : array-like of shape (n_components, n_features), default=None
        Means to start from.
    precisions_init : array-like, default=None
        Precisions (inverse covariances) to start from, in the shape of ``precisions_``.
    random_state : int, RandomState or None, default=None
        Decides the starts, and ``sample``.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last fit.
    verbose : int, default=0
        1 prints the objective as it goes, 2 also gain and time.
    verbose_interval : int, default=10
        Iterations between lines.
    n_factors : int, default=1
        Columns of the loadings of "factor".
    covariance_prior : {"auto"}, float, array-like or None, default=None
        Scale of an inverse-Wishart prior of each covariance: a number times the identity, or a
        matrix (n_features, n_features). The fit is then the mode of the posterior, and no
        component collapses. "auto" is the variances of the data over
        n_components ** (2 / n_features) [4]_.
    degrees_of_freedom_prior : float, default=None
        Of that prior; None is n_features + 2.
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
        Means.
    covariances_ : ndarray
        Covariances: (k, d, d) for "full" and "factor", (d, d) for "tied", (k, d) for "diag", (k,)
        for "spherical".
    precisions_ : ndarray
        Their inverses.
    precisions_cholesky_ : ndarray
        Upper triangular roots of the precisions.
    loadings_ : ndarray of shape (n_components, n_features, n_factors)
        Λ of "factor" alone.
    noise_variances_ : ndarray of shape (n_components, n_features)
        Diagonal of Ψ, of "factor" alone.
    converged_ : bool
        Whether the last gain was below ``tol``.
    n_iter_ : int
        Iterations of the best start.
    lower_bound_ : float
        Mean log-likelihood of a row before the last maximisation, the log prior included.
    lower_bounds_ : list of float
        The same for each iteration; it never falls.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X had names that are all strings.

    See Also
    --------
    StudentMixture : The same with heavy tails.
    select_mixture : Choose the number and the kind of components.

    References
    ----------
    .. [1] A. P. Dempster, N. M. Laird and D. B. Rubin, "Maximum Likelihood from Incomplete Data via
       the EM Algorithm", Journal of the Royal Statistical Society B 39(1), 1977.
    .. [2] Z. Ghahramani and M. I. Jordan, "Supervised learning from incomplete data via an EM
       approach", NIPS 1993.
    .. [3] Z. Ghahramani and G. E. Hinton, "The EM Algorithm for Mixtures of Factor Analyzers",
       University of Toronto CRG-TR-96-1, 1996.
    .. [4] C. Fraley and A. E. Raftery, "Bayesian Regularization for Normal Mixture Estimation and
       Model-Based Clustering", Journal of Classification 24, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from skextras import GaussianMixture
    >>> X = np.array([[1.0, 2], [1, 4], [1, np.nan], [10, 2], [10, 4], [10, 0]])
    >>> model = GaussianMixture(n_components=2, covariance_type="diag", random_state=0).fit(X)
    >>> np.sort(model.means_[:, 0])
    array([ 1., 10.])
    >>> model.impute([[1.0, np.nan]]).round(1)
    array([[1., 3.]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMixture._parameter_constraints,
        "covariance_type": [StrOptions({*FAMILIES, "factor"})],
        "reg_covar": [Interval(Real, 0.0, None, closed="left")],
        "weights_init": ["array-like", None],
        "means_init": ["array-like", None],
        "precisions_init": ["array-like", None],
        "n_factors": [Interval(Integral, 1, None, closed="left")],
        "covariance_prior": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="neither"),
            "array-like",
            None,
        ],
        "degrees_of_freedom_prior": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: Literal["full", "tied", "diag", "spherical", "factor"] = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str = "kmeans",
        weights_init: Any = None,
        means_init: Any = None,
        precisions_init: Any = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        n_factors: int = 1,
        covariance_prior: Any = None,
        degrees_of_freedom_prior: float | None = None,
        acceleration: str | None = None,
        discard_starts: bool = False,
        learning_decay: float = 0.7,
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.n_factors = n_factors
        self.covariance_prior = covariance_prior
        self.degrees_of_freedom_prior = degrees_of_freedom_prior
        self.acceleration = acceleration
        self.discard_starts = discard_starts
        self.learning_decay = learning_decay
        self.n_jobs = n_jobs

    @property
    def precisions_(self) -> np.ndarray:
        """Inverses of the covariances.

        Returns
        -------
        ndarray
            In the shape of ``covariances_``.
        """
        return self._family().precision(self.precisions_cholesky_)

    def _family(self) -> Covariance:
        if self.covariance_type == "factor":
            return FactorCovariance(self.n_factors)
        return FAMILIES[self.covariance_type]

    # ------------------------------------------------------------ engine
    def _components(self, summary: Summary | None) -> Components:
        if summary is None:
            return GaussianComponents(self._family(), Floor(0.0, np.ones(self.n_features_in_), 0.0))
        tolerance = EPSILONS * float(np.finfo(summary.dtype).eps)
        floor = Floor(self.reg_covar, summary.spread, tolerance)
        return GaussianComponents(self._family(), floor, self._prior(summary))

    def _prior(self, summary: Summary) -> WishartPrior | None:
        if self.covariance_prior is None:
            return None
        d = len(summary.spread)
        freedom = self.degrees_of_freedom_prior or d + 2
        if isinstance(self.covariance_prior, str):
            spread = np.where(summary.spread > 0, summary.spread, 1.0)
            return WishartPrior(np.diag(spread) / self.n_components ** (2 / d), freedom)
        scale = np.asarray(self.covariance_prior, np.float64)
        scale = scale * np.eye(d) if scale.ndim == 0 else scale
        self._check_shape("covariance_prior", scale, (d, d))
        self._check_definite("covariance_prior", scale)
        return WishartPrior(scale, freedom)

    def _first(self, summary: Summary, means: np.ndarray) -> Parameters:
        k, d = means.shape
        spread = np.where(summary.spread > 0, summary.spread, 1.0)
        if isinstance(family := self._family(), FactorCovariance):
            values = summary.sample.values.astype(np.float64) - summary.centre
            weight = summary.sample.weight if len(summary.sample.weight) else np.ones(len(values))
            values = np.sqrt(weight / weight.sum())[:, None] * values
            return means, family.first(np.where(np.isnan(values), 0.0, values), spread, k)
        covariance = family.layout(np.broadcast_to(np.diag(spread), (k, d, d)))
        return means, family.estimate(covariance, np.ones(k), d, None)

    def _with_initial(self, parameters: Parameters, centre: np.ndarray) -> Parameters:
        weights, means, covariance = parameters
        k, d = means.shape
        if self.weights_init is not None:
            weights = np.asarray(self.weights_init, np.float64)
            self._check_shape("weights_init", weights, (k,))
            if np.any(weights < 0) or abs(weights.sum() - 1) > 1e-6:
                raise ValueError(
                    "GaussianMixture: weights_init must be nonnegative and sum to 1, got "
                    f"{weights.tolist()}. Divide them by their sum."
                )
        if self.means_init is not None:
            given = np.asarray(self.means_init, np.float64)
            self._check_shape("means_init", given, (k, d))
            means = given - centre
        if self.precisions_init is not None:
            covariance = self._given_covariance(covariance)
        return weights, means, covariance

    def _given_covariance(self, like: np.ndarray) -> np.ndarray:
        precision = np.asarray(self.precisions_init, np.float64)
        if self.covariance_type == "factor":
            raise ValueError(
                "GaussianMixture: precisions_init must be None for covariance_type='factor', got "
                "an array. Start from means_init."
            )
        self._check_shape("precisions_init", precision, like.shape)
        if not self._family().is_matrix:
            if not np.all(precision > 0):
                raise ValueError(
                    "GaussianMixture: precisions_init must be positive, got "
                    f"{float(precision.min())!r} among them. Give inverse variances."
                )
            return 1 / precision
        for each in precision.reshape(-1, *precision.shape[-2:]):
            self._check_definite("precisions_init", each)
        return np.linalg.inv(precision)

    def _check_shape(self, name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
        if array.shape != shape or not np.all(np.isfinite(array)):
            raise ValueError(
                f"GaussianMixture: {name} must be finite numbers of shape {shape}, got shape "
                f"{array.shape}. Components come first, then features."
            )

    def _check_definite(self, name: str, matrix: np.ndarray) -> None:
        try:
            is_good = np.allclose(matrix, matrix.T, rtol=1e-6, atol=0) and precision_root(matrix)
        except InfeasibleError:
            is_good = False
        if is_good is False:
            raise ValueError(
                f"GaussianMixture: {name} must be symmetric and positive definite, got "
                f"{matrix.tolist()}. Check its eigenvalues."
            )

    def _publish(self, parameters: Parameters, centre: np.ndarray, dtype: Any) -> None:
        family, (_, means, covariance) = self._family(), parameters
        self.means_ = (means + centre).astype(dtype)
        self.precisions_cholesky_ = family.root(covariance).astype(dtype)
        if isinstance(family, FactorCovariance):
            self.loadings_ = covariance[:, :, :-1].astype(dtype)
            self.noise_variances_ = covariance[:, :, -1].astype(dtype)
            covariance = family.dense(covariance, *means.shape)
        self.covariances_ = covariance.astype(dtype)

    def _own_parameters(self, centre: np.ndarray) -> Parameters:
        weights = np.asarray(self.weights_, np.float64)
        means = np.asarray(self.means_, np.float64) - centre
        if self.covariance_type == "factor":
            noise = self.noise_variances_[:, :, None]
            return weights, means, np.concatenate([self.loadings_, noise], 2).astype(np.float64)
        return weights, means, self._family().covariance(self.precisions_cholesky_)

    def _centre(self) -> np.ndarray:
        return np.asarray(self.means_, np.float64).mean(axis=0)

    def _n_parameters(self) -> int:
        k, d = self.means_.shape
        return int(self._family().count(k, d) + k * d + k - 1)

    def _draw(self, counts: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        k, d = self.means_.shape
        dense = self._family().dense(self._own_parameters(np.zeros(d))[2], k, d)
        means = self.means_.astype(np.float64)
        parts = [
            rng.multivariate_normal(mean, C, int(n))
            for mean, C, n in zip(means, dense, counts, strict=True)
        ]
        return np.vstack(parts)
