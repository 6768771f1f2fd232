"""Features that many halves of the rows agree upon."""

from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import _fit_context, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils._tags import get_tags
from threadpoolctl import threadpool_limits

from skextras.features.selection.base import BaseSelector, Rows, importances_of
from skextras.features.selection.error_bounds import BOUNDS, error_bound, largest_q
from skextras.features.selection.lasso import LogLoss, SquareLoss, lasso_path
from skextras.features.selection.scaled import scaled

SHARES = np.geomspace(1.0, 1e-3, 100)  # penalties of a path; it ends when enough came in


class StabilitySelector(BaseSelector):
    """Features that a model chooses on most halves of the rows, with a bound of the errors.

    A model picks the ``q`` features that come first, on each of many halves of the rows; those
    picked by at least ``threshold`` of the halves are selected (stability selection [1]_). Halves
    come in complementary pairs, which needs no assumption on the data for the bound of the number
    of features selected wrongly [2]_, and allows a sharper one. A feature counts as wrong if a half
    picks it with a chance of at most q / d.

    Missing values are refused, unless ``estimator`` takes them.

    Parameters
    ----------
    estimator : estimator or None, default=None
        Model that picks: the q features of greatest importance, none of 0. None takes the path of
        the lasso (of L1-penalised logistic regression for classes, each against the rest) on
        standardised columns, and the q features that come in first.
    threshold : float, default=0.75
        Share of the halves that must pick a feature, in (0.5, 1].
    max_false : float, default=1.0
        Bound of the expected number of features selected wrongly: q is as large as it allows.
    q : int or None, default=None
        How many features a half may pick. None derives it from ``max_false``, which is of no
        account otherwise.
    n_pairs : int, default=50
        Pairs of halves: twice as many fits.
    sampling : {"complementary", "independent"}, default="complementary"
        Whether two halves that share no row make a pair [2]_, or each half is drawn anew [1]_.
    error_bound : {"unimodal", "worst_case"}, default="unimodal"
        "unimodal" supposes that the share of pairs whose two halves pick a wrong feature has one
        mode ([2]_, section 3.2), and is for complementary pairs alone.
    importance_getter : "auto", str or callable, default="auto"
        Of ``estimator``: "auto" takes ``coef_`` or ``feature_importances_``.
    min_features_to_select : int, default=1
        Features of the highest scores that are kept in any case, so that a pipeline can go on; 0
        lets none be selected. The bound is of those that reach ``threshold``.
    task : {"auto", "classification", "regression"}, default="auto"
        "auto" takes whole numbers and strings for classes.
    n_jobs : int or None, default=None
        Threads, a half each.
    random_state : int, RandomState or None, default=None
        Draws the halves.
    verbose : int, default=0
        1 prints a line at the end.

    Attributes
    ----------
    support_ : ndarray of bool of shape (n_features,)
        Which features are selected.
    scores_ : ndarray of shape (n_features,)
        Share of the halves that pick each feature.
    q_ : int
        Features that a half may pick.
    mean_picked_ : float
        Features that a half picks on average; less than ``q_`` where the path is short.
    error_bound_ : float
        Bound of the expected number of features selected wrongly, for ``q_``.
    path_ : ndarray of shape (q, n_features)
        Share of the halves among whose first k picks each feature is, k from 1 to q.
    classes_ : ndarray or None
        Labels; None in regression.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if they are all strings.

    See Also
    --------
    BorutaSelector : All features that matter, redundant ones too.

    References
    ----------
    .. [1] N. Meinshausen and P. Bühlmann, "Stability Selection", Journal of the Royal Statistical
       Society B 72(4), 2010.
    .. [2] R. Shah and R. Samworth, "Variable Selection with Error Control: Another Look at
       Stability Selection", Journal of the Royal Statistical Society B 75(1), 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from skextras.features.selection import StabilitySelector
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 50))
    >>> y = X[:, 3] - X[:, 7] + rng.normal(size=200)
    >>> selector = StabilitySelector(max_false=0.2, random_state=0).fit(X, y)
    >>> selector.get_support(indices=True)
    array([3, 7])
    >>> selector.error_bound_ <= 0.2
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit"]), None],
        "threshold": [Interval(Real, 0.5, 1, closed="right")],
        "max_false": [Interval(Real, 0, None, closed="neither")],
        "q": [Interval(Integral, 1, None, closed="left"), None],
        "n_pairs": [Interval(Integral, 1, None, closed="left")],
        "sampling": [StrOptions({"complementary", "independent"})],
        "error_bound": [StrOptions(set(BOUNDS))],
        "min_features_to_select": [Interval(Integral, 0, None, closed="left")],
        "importance_getter": [str, callable],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    _score_name: ClassVar[str] = "share of the halves"
    _path_names: ClassVar[tuple[str, str]] = ("picks of a half", "share of the halves")

    def __init__(
        self,
        estimator: Any = None,
        *,
        threshold: float = 0.75,
        max_false: float = 1.0,
        q: int | None = None,
        n_pairs: int = 50,
        sampling: str = "complementary",
        error_bound: str = "unimodal",
        importance_getter: str | Callable[[Any], Any] = "auto",
        min_features_to_select: int = 1,
        task: str = "auto",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.threshold = threshold
        self.max_false = max_false
        self.q = q
        self.n_pairs = n_pairs
        self.sampling = sampling
        self.error_bound = error_bound
        self.importance_getter = importance_getter
        self.min_features_to_select = min_features_to_select
        self.task = task
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _takes_nan(self) -> bool:
        return self.estimator is not None and get_tags(self.estimator).input_tags.allow_nan

    def _takes_sparse(self) -> bool:
        return self.estimator is None or get_tags(self.estimator).input_tags.sparse

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Find the features.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Classes or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Repetitions of the rows. Equal rows are in the same half.

        Returns
        -------
        StabilitySelector
            Itself.

        Raises
        ------
        ValueError
            If ``max_false`` cannot be kept, or the bound is not one of the sampling.
        """
        rows = self._read(X, y, sample_weight)
        self.classes_ = rows.classes
        self.q_ = self._picks()
        self.error_bound_ = self._bound(self.q_)
        random = check_random_state(self.random_state)
        with threadpool_limits(1, user_api="blas"):
            picked = Parallel(n_jobs=self.n_jobs, prefer="threads")(
                delayed(self._pick)(rows.part(half), seed)
                for half, seed in self._halves(len(rows.y), random)
            )
        counts = np.zeros((self.q_, self.n_features_in_))
        for order in picked:
            counts[np.arange(len(order)), order] += 1
        self.path_ = np.cumsum(counts, axis=0) / len(picked)
        self.mean_picked_ = float(counts.sum() / len(picked))
        self.scores_ = self.path_[-1]
        is_stable = self.scores_ >= self.threshold - 1e-12
        self.support_ = self._keep_some(is_stable, self.scores_, self.min_features_to_select)
        if self.verbose:
            print(  # noqa: T201  # verbose asks for it
                f"[StabilitySelector] {self.support_.sum()} of {self.n_features_in_} features, "
                f"{self.error_bound_:.3g} of them wrong at most on average"
            )
        return self

    def _bound(self, q: float) -> float:
        return error_bound(
            q, self.n_features_in_, self.threshold, n_pairs=self.n_pairs, kind=self._kind()
        )

    def _kind(self) -> str:
        if self.sampling == "independent" and self.error_bound == "unimodal":
            raise ValueError(
                "StabilitySelector: error_bound must be 'worst_case' for sampling='independent', "
                "got 'unimodal'. It holds for complementary pairs alone."
            )
        return self.error_bound

    def _picks(self) -> int:
        """How many features a half may pick."""
        d = self.n_features_in_
        if self.q is not None:
            if self.q > d:
                raise ValueError(
                    f"StabilitySelector: q must be at most {d}, as many as X has, got {self.q}. "
                    "Leave it None."
                )
            return self.q
        q = largest_q(d, self.threshold, self.max_false, n_pairs=self.n_pairs, kind=self._kind())
        if q == 0:
            raise ValueError(
                f"StabilitySelector: max_false must be at least {self._bound(1):.3g} for {d} "
                f"features and threshold={self.threshold}, got {self.max_false}. Raise either."
            )
        return q

    def _halves(self, n: int, random: np.random.RandomState) -> Iterator[tuple[np.ndarray, int]]:
        """Rows of each half, ascending, and a seed for its model."""
        for _ in range(self.n_pairs):
            order, size = random.permutation(n), n // 2
            first, second = order[:size], order[size : 2 * size]
            if self.sampling == "independent":
                second = random.permutation(n)[:size]
            for half in (first, second):
                yield np.sort(half), int(random.randint(2**31 - 1))

    def _pick(self, rows: Rows, seed: int) -> np.ndarray:
        """Features of a half in the order in which they come, at most q."""
        d = self.n_features_in_
        if self.estimator is not None:
            model = clone(self.estimator)
            if "random_state" in model.get_params():
                model.set_params(random_state=seed)
            weight = rows.given_weight
            model.fit(rows.X, rows.labels, **({} if weight is None else {"sample_weight": weight}))
            size = importances_of(model, self.importance_getter, d, "StabilitySelector")
            order = np.argsort(-size, kind="stable")[: self.q_]
            return order[size[order] > 0]
        Z = scaled(rows.X, rows.share)
        step, size = np.full(d, len(SHARES)), np.zeros(d)
        for target in rows.targets():
            if (target == target[0]).all():
                continue  # a class that this half has no row of
            loss = (SquareLoss if rows.classes is None else LogLoss)(Z, target, rows.share)
            path = lasso_path(loss, SHARES, max_features=self.q_)
            own_step, own_size = path.entry()
            own_step[own_step == len(path.coef)] = len(SHARES)
            step, size = np.minimum(step, own_step), np.maximum(size, own_size)
        order = np.lexsort([-size, step])[: self.q_]
        return order[step[order] < len(SHARES)]
