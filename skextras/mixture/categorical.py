"""Mixtures of independent categories."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from skextras.mixture.base import BaseMixture
from skextras.mixture.coding import CodedMixin
from skextras.mixture.components import Components, Parameters
from skextras.mixture.discrete_components import CategoricalComponents
from skextras.mixture.reading import Summary

__all__ = ["CategoricalMixture"]


class CategoricalMixture(CodedMixin, BaseMixture):
    r"""Mixture of independent categories by EM (latent class analysis).

    Categories are numbers or strings; NaN and None are missing values, and so is a category that
    ``fit`` did not see.

    Parameters
    ----------
    n_components : int, default=1
        Components.
    categories : {"auto"} or list of array-like, default="auto"
        Categories of each feature; "auto" takes those of the rows, of blocks those of the first.
    alpha : float, default=0.0
        Rows that a Dirichlet prior adds to each category.
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
    categories_ : list of ndarray
        Categories of each feature.
    probabilities_ : list of ndarray of shape (n_components, n_categories)
        Probabilities of the categories, for each feature.
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
    .. [1] G. J. McLachlan and D. Peel, *Finite Mixture Models*, Wiley, 2000, section 5.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skextras import CategoricalMixture
    >>> X = np.array([["red", "round"], ["red", "round"], ["blue", "flat"]] * 9, dtype=object)
    >>> model = CategoricalMixture(n_components=2, random_state=0).fit(X)
    >>> np.sort(model.weights_).round(3)
    array([0.333, 0.667])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMixture._parameter_constraints,
        "categories": [list, tuple, str],
        "alpha": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        categories: Any = "auto",
        alpha: float = 0.0,
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
        self.categories = categories
        self.alpha = alpha
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
        return CategoricalComponents(self._sizes(), self.alpha)

    def _first(self, summary: Summary, means: np.ndarray) -> Parameters:
        return self._uniform(len(means))

    def _centre(self) -> np.ndarray:
        return np.zeros(len(self.categories_))

    def _publish(self, parameters: Parameters, centre: np.ndarray, dtype: Any) -> None:
        self._split(parameters[1])

    def _own_parameters(self, centre: np.ndarray) -> Parameters:
        return np.asarray(self.weights_, np.float64), self._joined()

    def _n_parameters(self) -> int:
        k = len(self.weights_)
        return int(k * sum(size - 1 for size in self._sizes()) + k - 1)

    def _draw(self, counts: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        columns = []
        for own, p in zip(self.categories_, self.probabilities_, strict=True):
            parts = [
                rng.choice(own, n, p=row / row.sum()) for row, n in zip(p, counts, strict=True)
            ]
            columns.append(np.concatenate(parts))
        return np.column_stack(columns)
