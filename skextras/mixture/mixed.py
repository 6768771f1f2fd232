"""Mixtures whose columns are of several families."""

from collections.abc import Iterator
from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from skextras.mixture.base import BaseMixture
from skextras.mixture.bernoulli import BernoulliMixture
from skextras.mixture.categorical import CategoricalMixture
from skextras.mixture.coding import TableMixin, known_values
from skextras.mixture.components import Parameters
from skextras.mixture.gaussian import GaussianMixture
from skextras.mixture.mixed_components import MixedComponents, Part
from skextras.mixture.poisson import PoissonMixture
from skextras.mixture.reading import Summary

__all__ = ["MixedMixture"]

FAMILIES = ("gaussian", "bernoulli", "categorical", "poisson")


class MixedMixture(TableMixin, BaseMixture):
    r"""Mixture of columns of several families by EM: numbers, bits, categories and counts together.

    Columns are independent given the component. A component is a product of a Gaussian with a
    variance for each column, of Bernoulli, categorical and Poisson distributions.

    .. math:: p(x) = \sum_j \pi_j \prod_i f_i(x_i \mid \theta_{ji})

    Values may be missing in every column (NaN; None among objects), and rows may be weighted. The
    k-means of a start takes columns as they are, categories as codes: bring columns to like scales.

    Parameters
    ----------
    n_components : int, default=1
        Components.
    families : str, list or dict, default="auto"
        "gaussian", "bernoulli", "categorical", "poisson" or "auto" for all columns, a list with one
        for each column, or a dict from the names or numbers of some columns, the others "auto".
        "auto" goes by the known values of ``fit``, of blocks those of the first: strings are
        categorical, 0 and 1 alone are Bernoulli, all other numbers are Gaussian. Counts and
        categories that are numbers have to be named.
    binarize : float or None, default=0.0
        Threshold of a 1 in Bernoulli columns; None takes bits alone, and refuses other numbers.
    alpha : float, default=0.0
        Rows that the priors of Bernoulli and categorical columns add to each category.
    reg_covar : float, default=1e-6
        Added to the variances of Gaussian columns after each iteration.
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
        Whether ``fit`` goes on from the last fit, with its families.
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
    families_ : list of str
        Family of each column.
    columns_ : dict of str to ndarray of int
        Columns of each family that occurs.
    mixtures_ : dict of str to estimator
        The marginal mixture of the columns of each family that occurs: a fitted
        ``GaussianMixture``, ``BernoulliMixture``, ``CategoricalMixture`` or ``PoissonMixture``,
        with their ``means_``, ``probabilities_``, ``categories_``, ``rates_`` and so on.
    converged_ : bool
        Whether the last gain was below ``tol``.
    n_iter_ : int
        Iterations of the best start.
    lower_bound_ : float
        Mean log-likelihood of a row before the last maximisation, a log prior included.
    lower_bounds_ : list of float
        The same for each iteration; without ``reg_covar`` it never falls.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X had names that are all strings.

    References
    ----------
    .. [1] L. Hunt and M. Jorgensen, "Mixture model clustering for mixed data with missing
       information", Computational Statistics & Data Analysis 41, 2003.

    Examples
    --------
    >>> import numpy as np
    >>> from skextras import MixedMixture
    >>> X = np.array([[1.6, "cat", 2], [1.7, "cat", None], [9.1, "dog", 30]] * 9, dtype=object)
    >>> model = MixedMixture(n_components=2, families={2: "poisson"}, random_state=0).fit(X)
    >>> model.families_
    ['gaussian', 'categorical', 'poisson']
    >>> np.sort(model.mixtures_["poisson"].rates_.ravel()).round(3)
    array([ 2., 30.])
    """

    families_: list[str]
    columns_: dict[str, np.ndarray]
    mixtures_: dict[str, BaseMixture]

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMixture._parameter_constraints,
        "families": [str, list, tuple, dict],
        "binarize": [Interval(Real, None, None, closed="neither"), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "reg_covar": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        families: Any = "auto",
        binarize: float | None = 0.0,
        alpha: float = 0.0,
        reg_covar: float = 1e-6,
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
        self.families = families
        self.binarize = binarize
        self.alpha = alpha
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

    # ------------------------------------------------------------ columns
    def _numbers(self, X: Any, *, reset: bool) -> np.ndarray:
        values = self._table(X, reset=reset)
        if reset:
            self._set_members(values)
        is_kept = values.dtype in {np.dtype(np.float32), np.dtype(np.float64)}
        numbers = np.empty(values.shape, values.dtype if is_kept else np.float64)
        for columns, member in self._members():
            numbers[:, columns] = member._numbers(values[:, columns], reset=reset)
        return numbers

    def _set_members(self, values: np.ndarray) -> None:
        if self.warm_start and hasattr(self, "mixtures_"):
            for family, member in self.mixtures_.items():
                member.set_params(**self._member(family).get_params())
            return
        self.families_ = self._found(values)
        found = np.array(self.families_)
        self.columns_ = {own: np.flatnonzero(found == own) for own in FAMILIES if own in found}
        self.mixtures_ = {own: self._member(own) for own in self.columns_}

    def _found(self, values: np.ndarray) -> list[str]:
        """Family of each column."""
        named = zip(self._named(values.shape[1]), values.T, strict=True)
        return [_inferred(column) if own == "auto" else own for own, column in named]

    def _named(self, d: int) -> list[str]:
        """Families as the user says them."""
        if isinstance(self.families, dict):
            names = getattr(self, "feature_names_in_", np.arange(d)).tolist()
            place = {**{i: i for i in range(d)}, **{name: i for i, name in enumerate(names)}}
            own = ["auto"] * d
            for key, family in self.families.items():
                self._check_named(key in place, f"name columns of X, got {key!r}")
                own[place[key]] = family
        else:
            own = [self.families] * d if isinstance(self.families, str) else list(self.families)
            self._check_named(len(own) == d, f"be one for each of the {d} columns, got {own!r}")
        for family in own:
            allowed = ", ".join(map(repr, ("auto", *FAMILIES)))
            self._check_named(family in ("auto", *FAMILIES), f"be one of {allowed}, got {family!r}")
        return own

    def _check_named(self, is_good: bool, message: str) -> None:
        if not is_good:
            raise ValueError(
                f"MixedMixture: families must {message}. 'auto' finds them by the values."
            )

    def _member(self, family: str) -> BaseMixture:
        k = self.n_components
        if family == "gaussian":
            return GaussianMixture(k, covariance_type="diag", reg_covar=self.reg_covar)
        if family == "bernoulli":
            return BernoulliMixture(k, binarize=self.binarize, alpha=self.alpha)
        if family == "categorical":
            return CategoricalMixture(k, alpha=self.alpha)
        return PoissonMixture(k)

    def _members(self) -> Iterator[tuple[np.ndarray, BaseMixture]]:
        return zip(self.columns_.values(), self.mixtures_.values(), strict=True)

    # ------------------------------------------------------------ parameters, family by family
    def _components(self, summary: Summary | None) -> MixedComponents:
        parts = [
            Part(columns, member._components(summary and _of_columns(summary, columns)))
            for columns, member in self._members()
        ]
        return MixedComponents(parts)

    def _first(self, summary: Summary, means: np.ndarray) -> Parameters:
        each = (
            member._first(_of_columns(summary, columns), means[:, columns])
            for columns, member in self._members()
        )
        return tuple(array for part in each for array in part)

    def _publish(self, parameters: Parameters, centre: np.ndarray, dtype: Any) -> None:
        parts = self._components(None).split(parameters[1:])
        for (columns, member), part in zip(self._members(), parts, strict=True):
            member.weights_ = self.weights_
            member._publish((parameters[0], *part), centre[columns], dtype)

    def _own_parameters(self, centre: np.ndarray) -> Parameters:
        each = (member._own_parameters(centre[columns])[1:] for columns, member in self._members())
        weights = np.asarray(self.weights_, np.float64)
        return weights, *(array for part in each for array in part)

    def _centre(self) -> np.ndarray:
        centre = np.empty(self.n_features_in_)
        for columns, member in self._members():
            centre[columns] = member._centre()
        return centre

    def _n_parameters(self) -> int:
        shared = len(self.weights_) - 1
        return shared + sum(member._n_parameters() - shared for _, member in self._members())

    def _draw(self, counts: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        drawn = [(columns, member._draw(counts, rng)) for columns, member in self._members()]
        is_plain = all(own.dtype.kind in "biuf" for _, own in drawn)
        X = np.empty((int(counts.sum()), self.n_features_in_), np.float64 if is_plain else object)
        for columns, own in drawn:
            X[:, columns] = own
        return X


def _of_columns(summary: Summary, columns: np.ndarray) -> Summary:
    sample = replace(summary.sample, values=np.take(summary.sample.values, columns, axis=1))
    centre, spread = summary.centre[columns], summary.spread[columns]
    return replace(summary, centre=centre, spread=spread, sample=sample)


def _inferred(column: np.ndarray) -> str:
    """Family of a column by its known values."""
    known = known_values(column)
    is_object = known.dtype == object
    if known.dtype.kind == "U" or (is_object and any(isinstance(own, str) for own in known)):
        return "categorical"
    return "bernoulli" if np.all((known == 0) | (known == 1)) else "gaussian"
