"""All features that matter: those that beat shuffled copies of features, again and again."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from scipy.stats import binom, false_discovery_control
from sklearn.base import _fit_context, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils._tags import get_tags

from skextras.features.selection.base import BaseSelector, Rows, importances_of
from skextras.random_forest import RandomForestClassifier, RandomForestRegressor

N_TREES = 50
MIN_SHADOWS = 5


def adjusted(p_values: np.ndarray, correction: str) -> np.ndarray:
    """P-values of several tests at once.

    Parameters
    ----------
    p_values : ndarray of shape (d,)
        One a test.
    correction : {"bonferroni", "fdr_bh", "none"}
        How: for the chance of any error, for the expected share of errors, or not at all.

    Returns
    -------
    ndarray of shape (d,)
        At most 1.
    """
    if correction == "bonferroni":
        return np.minimum(p_values * len(p_values), 1.0)
    if correction == "fdr_bh" and len(p_values):
        return np.asarray(false_discovery_control(p_values))
    return p_values


def _shadows(X: np.ndarray, n_shadows: int, random: np.random.RandomState) -> np.ndarray:
    """Columns, and shuffled copies of them in turn."""
    n, m = X.shape
    table = np.empty((n, m + n_shadows))
    table[:, :m] = X
    for place in range(n_shadows):
        table[:, m + place] = X[random.permutation(n), place % m]
    return table


def _sparse_shadows(X: Any, n_shadows: int, random: np.random.RandomState) -> sparse.csr_array:
    """The same of a sparse table: what is stored goes to other rows."""
    n, m = X.shape
    own = sparse.csc_array(X)
    sources = np.arange(n_shadows) % m
    copies = own[:, sources]
    for place in range(n_shadows):
        goal = np.empty(n, copies.indices.dtype)
        goal[random.permutation(n)] = np.arange(n)
        stored = slice(copies.indptr[place], copies.indptr[place + 1])
        copies.indices[stored] = goal[copies.indices[stored]]
    copies.has_sorted_indices = False
    return sparse.csr_array(sparse.hstack([own, copies]))


class BorutaSelector(BaseSelector):
    """Features that beat the best of shuffled copies of features (Boruta [1]_).

    Each trial shuffles a copy of every feature (a shadow), fits a model on both, and counts a hit
    for each feature that is more important than all shadows. A feature with more hits than heads of
    a coin would be, by a one-sided binomial test corrected for the number of features, is
    confirmed; one with fewer is rejected and left out from then on. So are found all features that
    matter, redundant ones too. Those that the trials do not decide are tentative.

    Missing values go to the model: the default takes them.

    Parameters
    ----------
    estimator : estimator or None, default=None
        Model with importances; cloned for each trial. None takes a random forest of 50 trees.
    max_trials : int, default=100
        Trials at most; they end when nothing is tentative.
    significance : float, default=0.05
        Of both tests.
    correction : {"bonferroni", "fdr_bh", "none"}, default="bonferroni"
        For the number of features: Bonferroni's, Benjamini and Hochberg's, or none.
    shadow_quantile : float, default=1.0
        Which quantile of the shadows' importances is to be beaten; 1 is their greatest. Less finds
        weaker features, and more wrong ones.
    resolve_tentative : bool, default=True
        Whether a tentative feature is selected if its median importance is above the median of what
        was to be beaten (the rough fix of [1]_); otherwise none is.
    importance_getter : "auto", str or callable, default="auto"
        "auto" takes ``coef_`` or ``feature_importances_``.
    min_features_to_select : int, default=1
        Features of the highest scores that are kept in any case, so that a pipeline can go on; 0
        lets none be selected. ``confirmed_`` says what the test does.
    task : {"auto", "classification", "regression"}, default="auto"
        "auto" takes whole numbers and strings for classes; decides which forest.
    n_jobs : int or None, default=None
        Threads of the forest; another ``estimator`` has its own.
    random_state : int, RandomState or None, default=None
        Shuffles, and seeds the models.
    verbose : int, default=0
        1 prints a line at the end, 2 one a trial.

    Attributes
    ----------
    support_ : ndarray of bool of shape (n_features,)
        Which features are selected.
    confirmed_ : ndarray of bool of shape (n_features,)
        Confirmed by the test.
    tentative_ : ndarray of bool of shape (n_features,)
        Not decided by the test.
    scores_ : ndarray of shape (n_features,)
        Hits by trials.
    pvalues_ : ndarray of shape (n_features,)
        Chance of as many hits of a coin; not corrected.
    n_trials_ : int
        Trials.
    importances_ : ndarray of shape (n_trials, n_features)
        Importance in each trial; NaN after a feature is rejected.
    shadow_importances_ : ndarray of shape (n_trials,)
        What was to be beaten.
    path_ : ndarray of shape (n_trials, n_features)
        Hits by trials, so far; after a rejection as it was.
    classes_ : ndarray or None
        Labels; None in regression.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if they are all strings.

    See Also
    --------
    MRMRSelector : Few features, no redundant ones.

    Notes
    -----
    Weights are repetitions: equal rows are merged, and a merged row is shuffled as one.

    The tests are about trials on these rows, not about other rows: a feature that by chance goes
    with the target in this table goes with it in every trial. Where nothing depends on anything, a
    feature is above the median of the greatest of d shadows with a chance of 1 - 2^(-1/d), so that
    up to ln 2 = 0.7 of all features are confirmed wrongly on average, however many there are.
    ``StabilitySelector`` bounds that.

    References
    ----------
    .. [1] M. Kursa and W. Rudnicki, "Feature Selection with the Boruta Package", Journal of
       Statistical Software 36(11), 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from skextras.features.selection import BorutaSelector
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 8))
    >>> y = X[:, 2] + X[:, 5] > 0
    >>> BorutaSelector(max_trials=20, random_state=0).fit(X, y).get_support(indices=True)
    array([2, 5])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit"]), None],
        "max_trials": [Interval(Integral, 1, None, closed="left")],
        "significance": [Interval(Real, 0, 1, closed="neither")],
        "correction": [StrOptions({"bonferroni", "fdr_bh", "none"})],
        "shadow_quantile": [Interval(Real, 0, 1, closed="both")],
        "resolve_tentative": ["boolean"],
        "min_features_to_select": [Interval(Integral, 0, None, closed="left")],
        "importance_getter": [str, callable],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    _score_name: ClassVar[str] = "hits by trials"
    _path_names: ClassVar[tuple[str, str]] = ("trials", "hits by trials")

    def __init__(
        self,
        estimator: Any = None,
        *,
        max_trials: int = 100,
        significance: float = 0.05,
        correction: str = "bonferroni",
        shadow_quantile: float = 1.0,
        resolve_tentative: bool = True,
        importance_getter: str | Callable[[Any], Any] = "auto",
        min_features_to_select: int = 1,
        task: str = "auto",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.max_trials = max_trials
        self.significance = significance
        self.correction = correction
        self.shadow_quantile = shadow_quantile
        self.resolve_tentative = resolve_tentative
        self.importance_getter = importance_getter
        self.min_features_to_select = min_features_to_select
        self.task = task
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _takes_nan(self) -> bool:
        return self.estimator is None or get_tags(self.estimator).input_tags.allow_nan

    def _takes_sparse(self) -> bool:
        return self.estimator is None or get_tags(self.estimator).input_tags.sparse

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Find the features.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows; missing values if the model takes them.
        y : array-like of shape (n_samples,)
            Classes or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Repetitions of the rows.

        Returns
        -------
        BorutaSelector
            Itself.
        """
        rows = self._read(X, y, sample_weight)
        self.classes_ = rows.classes
        model, random = self._model(), check_random_state(self.random_state)
        d = self.n_features_in_
        hits, trials = np.zeros(d, np.int64), np.zeros(d, np.int64)
        self.confirmed_, is_rejected = np.zeros(d, bool), np.zeros(d, bool)
        importances, beaten = list[np.ndarray](), list[float]()
        path = list[np.ndarray]()
        while len(path) < self.max_trials and not (self.confirmed_ | is_rejected).all():
            there = np.flatnonzero(~is_rejected)
            own, shadow = self._trial(model, rows, there, random)
            importances.append(np.full(d, np.nan))
            importances[-1][there] = own
            beaten.append(shadow)
            hits[there] += own > shadow
            trials[there] += 1
            path.append(hits / np.maximum(trials, 1))
            self._decide(hits, trials, is_rejected)
            if self.verbose > 1:
                self._say(len(path), is_rejected)
        self.n_trials_, self.path_ = len(path), np.array(path)
        self.importances_, self.shadow_importances_ = np.array(importances), np.array(beaten)
        self.scores_ = self.path_[-1]
        self.pvalues_ = binom.sf(hits - 1, trials, 0.5)
        self.tentative_ = ~(self.confirmed_ | is_rejected)
        found = self.confirmed_ | (self.tentative_ & self._is_resolved())
        self.support_ = self._keep_some(found, self.scores_, self.min_features_to_select)
        if self.verbose:
            self._say(self.n_trials_, is_rejected)
        return self

    def _model(self) -> Any:
        if self.estimator is not None:
            return self.estimator
        kind = RandomForestRegressor if self.classes_ is None else RandomForestClassifier
        return kind(N_TREES, n_jobs=self.n_jobs)

    def _trial(
        self, model: Any, rows: Rows, there: np.ndarray, random: np.random.RandomState
    ) -> tuple[np.ndarray, float]:
        """Importances of the features that are left, and what they have to beat."""
        m = len(there)
        n_shadows = max(m, MIN_SHADOWS)
        join = _sparse_shadows if sparse.issparse(rows.X) else _shadows
        table = join(rows.X[:, there], n_shadows, random)
        model = clone(model)
        if "random_state" in model.get_params():
            model.set_params(random_state=random.randint(2**31 - 1))
        weight = rows.given_weight
        model.fit(table, rows.labels, **({} if weight is None else {"sample_weight": weight}))
        found = importances_of(model, self.importance_getter, m + n_shadows, "BorutaSelector")
        return found[:m], float(np.quantile(found[m:], self.shadow_quantile))

    def _decide(self, hits: np.ndarray, trials: np.ndarray, is_rejected: np.ndarray) -> None:
        """Confirm and reject what is tentative, by the tests of all that is not rejected."""
        there = np.flatnonzero(~is_rejected)
        is_open = ~self.confirmed_[there]
        above = binom.sf(hits[there] - 1, trials[there], 0.5)
        below = binom.cdf(hits[there], trials[there], 0.5)
        is_more = adjusted(above, self.correction) <= self.significance
        is_fewer = adjusted(below, self.correction) <= self.significance
        self.confirmed_[there[is_open & is_more]] = True
        is_rejected[there[is_open & is_fewer]] = True

    def _is_resolved(self) -> np.ndarray:
        """Which features have a median importance above that of what was to be beaten."""
        if not self.resolve_tentative:
            return np.zeros(self.n_features_in_, bool)
        known = np.where(self.tentative_, self.importances_, 0.0)  # rejected ones hold NaN
        is_above: np.ndarray = np.median(known, axis=0) > np.median(self.shadow_importances_)
        return is_above

    def _say(self, n_trials: int, is_rejected: np.ndarray) -> None:
        n_confirmed, n_rejected = int(self.confirmed_.sum()), int(is_rejected.sum())
        n_tentative = self.n_features_in_ - n_confirmed - n_rejected
        print(  # noqa: T201  # verbose asks for it
            f"[BorutaSelector] trial {n_trials}: {n_confirmed} confirmed, {n_rejected} rejected, "
            f"{n_tentative} tentative"
        )
