"""Mixtures of independent counts."""

from typing import Any, ClassVar

import numpy as np
from sklearn.utils import Tags

from skextras.mixture.base import BaseMixture
from skextras.mixture.components import Components, Parameters
from skextras.mixture.discrete_components import PoissonComponents
from skextras.mixture.reading import Summary, check_numbers

__all__ = ["PoissonMixture"]


class PoissonMixture(BaseMixture):
    r"""Mixture of independent Poisson counts by EM.

    .. math:: p(x) = \sum_j \pi_j \prod_i \lambda_{ji}^{x_i} e^{-\lambda_{ji}} / x_i!

    Counts need not be whole (x! is then the gamma function); NaN is a missing value.

    Parameters
    ----------
    n_components : int, default=1
        Components.
    tol : float, default=1e-5
        EM stops when the mean log-likelihood of a row gains less.
    max_iter : int, default=300
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
    rates_ : ndarray of shape (n_components, n_features)
        Mean counts.
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
    .. [1] G. J. McLachlan and D. Peel, *Finite Mixture Models*, Wiley, 2000, chapter 5.

    Examples
    --------
    >>> import numpy as np
    >>> from skextras import PoissonMixture
    >>> X = np.array([[1.0], [2], [0], [20], [22], [21]])
    >>> np.sort(PoissonMixture(n_components=2, random_state=0).fit(X).rates_.ravel()).round(3)
    array([ 1., 21.])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMixture._parameter_constraints,
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        tol: float = 1e-5,
        max_iter: int = 300,
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

    def __sklearn_tags__(self) -> Tags:
        """Counts are not negative."""
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    def _numbers(self, X: Any, *, reset: bool) -> np.ndarray:
        values = check_numbers(self, X, reset=reset)
        if values.size and np.nanmin(values, initial=0) < 0:
            raise ValueError(
                "PoissonMixture: X must be nonnegative, got Negative values in data passed to "
                f"PoissonMixture, {float(np.nanmin(values))!r} among them. Counts start at 0."
            )
        return values

    def _components(self, summary: Summary | None) -> Components:
        return PoissonComponents()

    def _first(self, summary: Summary, means: np.ndarray) -> Parameters:
        return (np.ones(means.shape),)

    def _publish(self, parameters: Parameters, centre: np.ndarray, dtype: Any) -> None:
        self.rates_ = parameters[1].astype(dtype)

    def _own_parameters(self, centre: np.ndarray) -> Parameters:
        return np.asarray(self.weights_, np.float64), np.asarray(self.rates_, np.float64)

    def _n_parameters(self) -> int:
        return int(self.rates_.size + len(self.weights_) - 1)

    def _draw(self, counts: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        return rng.poisson(np.repeat(self.rates_, counts, axis=0)).astype(np.float64)
