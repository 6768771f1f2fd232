"""Hidden Markov models that emit categories."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from skextras.mixture.coding import CodedMixin
from skextras.mixture.components import Components, Parameters
from skextras.mixture.discrete_components import CategoricalComponents
from skextras.mixture.hmm import BaseHMM
from skextras.mixture.reading import Summary

__all__ = ["CategoricalHMM"]


class CategoricalHMM(CodedMixin, BaseHMM):
    """Hidden Markov model with categorical emissions, by Baum-Welch [1]_.

    Several sequences stand one after the other in X; ``lengths`` says where they end. Categories
    are numbers or strings; NaN and None are missing values, and so is a category that ``fit`` did
    not see. Several features are independent, given the state.

    Parameters
    ----------
    n_components : int, default=1
        States.
    categories : {"auto"} or list of array-like, default="auto"
        Categories of each feature; "auto" takes those of the rows.
    alpha : float, default=0.0
        Steps that a Dirichlet prior adds to each category of each state.
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
    categories_ : list of ndarray
        Categories of each feature.
    probabilities_ : list of ndarray of shape (n_components, n_categories)
        Their probabilities in each state, for each feature.
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
    >>> from skextras.mixture import CategoricalHMM
    >>> X = np.array(list("aaabbbaaabbb"))[:, None]
    >>> model = CategoricalHMM(n_components=2, random_state=0).fit(X)
    >>> len(set(model.predict(X)[:3]))
    1
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseHMM._parameter_constraints,
        "categories": [list, tuple, str],
        "alpha": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        categories: Any = "auto",
        alpha: float = 0.0,
        tol: float = 1e-4,
        max_iter: int = 100,
        n_init: int = 1,
        random_state: int | np.random.RandomState | None = None,
        acceleration: str | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.categories = categories
        self.alpha = alpha
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.random_state = random_state
        self.acceleration = acceleration
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _components(self, summary: Summary | None) -> Components:
        return CategoricalComponents(self._sizes(), self.alpha)

    def _first(self, summary: Summary, means: np.ndarray) -> Parameters:
        return self._uniform(len(means))

    def _publish(self, emissions: Parameters, centre: np.ndarray, dtype: Any) -> None:
        self._split(emissions[0])

    def _own_parameters(self, centre: np.ndarray) -> Parameters:
        return (self._joined(),)

    def _n_emission_parameters(self) -> int:
        return int(len(self.startprob_) * sum(size - 1 for size in self._sizes()))

    def _emit(self, states: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        columns = []
        for own, p in zip(self.categories_, self.probabilities_, strict=True):
            ends = np.cumsum(p, axis=1)[states]
            codes = (rng.uniform(size=(len(states), 1)) * ends[:, -1:] > ends[:, :-1]).sum(axis=1)
            columns.append(own[codes])
        return np.column_stack(columns)
