"""Features that say much about the target and little about one another."""

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from skextras.features.selection.base import BaseSelector
from skextras.features.selection.dependence import Dependence, Information, LinearDependence

MAX_CLASSES = 256  # codes of a byte
TINY = 1e-12  # least entropy: a constant feature has none
FLOOR = 1e-3  # of the redundancy that relevance is divided by


class MRMRSelector(BaseSelector):
    """Features of most relevance and least redundancy (mRMR [1]_ [2]_).

    They are chosen one by one: next comes the feature whose relevance to the target exceeds its
    mean redundancy with those chosen by most. Each choice is compared with the rest once, so that
    k of d features take k·d comparisons.

    Missing values are a value of their own for mutual information, and refused for F statistics.

    Parameters
    ----------
    n_features_to_select : "auto", int or float, default="auto"
        How many, or which share of all. "auto" stops where no feature is left that is relevant at
        ``significance`` and more relevant than redundant, each as a share of what can be said at
        most (the lesser entropy of the two). F statistics have no unit in common with correlations:
        there "auto" stops where no feature is left that is relevant.
    relevance : {"mutual_info", "f"}, default="mutual_info"
        Mutual information of bins with the target and with one another, or F statistic with the
        target and size of the correlation with one another.
    scheme : {"difference", "quotient"}, default="difference"
        Relevance minus, or divided by, redundancy (MID and MIQ, FCD and FCQ of [1]_). A redundancy
        below 0.001 counts as that when it divides.
    n_bins : int, default=10
        Bins of equal weight of a feature, and of a target that is a number; 2 to 254. A feature of
        fewer values has one for each. For mutual information alone.
    significance : float, default=0.05
        "auto" leaves out features whose relevance has a p-value above this, over the number of
        features.
    task : {"auto", "classification", "regression"}, default="auto"
        "auto" takes whole numbers and strings for classes.
    n_jobs : int or None, default=None
        Threads; the choice is the same.
    verbose : int, default=0
        1 prints a line a choice.

    Attributes
    ----------
    support_ : ndarray of bool of shape (n_features,)
        Which features are selected.
    ranking_ : ndarray of int64 of shape (n_selected,)
        Features in the order of their choice.
    scores_ : ndarray of shape (n_features,)
        Score at the choice; of those not chosen, at the end.
    relevance_ : ndarray of shape (n_features,)
        Relevance, in nats or F.
    redundancy_ : ndarray of shape (n_features,)
        Mean redundancy with those chosen before; 0 of the first.
    pvalues_ : ndarray of shape (n_features,)
        Chance of as much relevance without dependence: by the G-test, or by the F-test. Not
        corrected.
    path_ : ndarray of shape (n_selected, n_features)
        Scores at each choice; NaN of those chosen before.
    classes_ : ndarray or None
        Labels; None in regression.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if they are all strings.

    See Also
    --------
    sklearn.feature_selection.SelectKBest : Relevance alone.

    References
    ----------
    .. [1] C. Ding and H. Peng, "Minimum Redundancy Feature Selection from Microarray Gene
       Expression Data", Journal of Bioinformatics and Computational Biology 3(2), 2005.
    .. [2] H. Peng, F. Long and C. Ding, "Feature Selection Based on Mutual Information", IEEE
       Transactions on Pattern Analysis and Machine Intelligence 27(8), 2005, equation 6.

    Examples
    --------
    >>> import numpy as np
    >>> from skextras.features.selection import MRMRSelector
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 5))
    >>> X[:, 1] = X[:, 0]  # says nothing new
    >>> y = X[:, 0] + 0.7 * X[:, 2] > 0
    >>> MRMRSelector(2).fit(X, y).ranking_
    array([0, 2])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_features_to_select": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
        ],
        "relevance": [StrOptions({"mutual_info", "f"})],
        "scheme": [StrOptions({"difference", "quotient"})],
        "n_bins": [Interval(Integral, 2, 254, closed="both")],
        "significance": [Interval(Real, 0, 1, closed="right")],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }
    _score_name: ClassVar[str] = "score at the choice"
    _path_names: ClassVar[tuple[str, str]] = ("choices", "score")

    def __init__(
        self,
        n_features_to_select: str | int | float = "auto",
        *,
        relevance: str = "mutual_info",
        scheme: str = "difference",
        n_bins: int = 10,
        significance: float = 0.05,
        task: str = "auto",
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.relevance = relevance
        self.scheme = scheme
        self.n_bins = n_bins
        self.significance = significance
        self.task = task
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _takes_nan(self) -> bool:
        return self.relevance == "mutual_info"

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Choose features.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Classes or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Repetitions of the rows.

        Returns
        -------
        MRMRSelector
            Itself.

        Raises
        ------
        ValueError
            If more features are asked for than there are, or classes than a byte tells apart.
        """
        rows = self._read(X, y, sample_weight)
        self.classes_ = rows.classes
        n_wanted = self._n_wanted()
        if self.relevance == "f":
            dependence: Dependence = LinearDependence(rows)
        else:
            if rows.classes is not None and len(rows.classes) > MAX_CLASSES:
                raise ValueError(
                    f"MRMRSelector: y must hold at most {MAX_CLASSES} classes, got "
                    f"{len(rows.classes)}. Pass task='regression' if they are numbers."
                )
            n_threads = int(effective_n_jobs(self.n_jobs))
            dependence = Information(rows, n_bins=self.n_bins, n_threads=n_threads)
        self.relevance_, self.pvalues_ = dependence.relevance, dependence.p_values
        self._choose(dependence, n_wanted)
        self.support_ = np.zeros(self.n_features_in_, bool)
        self.support_[self.ranking_] = True
        return self

    def _n_wanted(self) -> int:
        """How many features at most."""
        d, asked = self.n_features_in_, self.n_features_to_select
        if isinstance(asked, str):
            return d
        n_wanted = int(asked) if isinstance(asked, Integral) else max(1, round(asked * d))
        if n_wanted > d:
            raise ValueError(
                f"MRMRSelector: n_features_to_select must be at most {d}, as many as X has, got "
                f"{n_wanted}. Pass a share such as 0.5, or 'auto'."
            )
        return n_wanted

    def _choose(self, dependence: Dependence, n_wanted: int) -> None:
        """The greedy choice: one comparison with the last chosen for each feature that is left."""
        d, is_auto = self.n_features_in_, self.n_features_to_select == "auto"
        is_left = np.ones(d, bool)
        total, excess = np.zeros(d), _Excess(dependence)
        self.redundancy_, self.scores_ = np.zeros(d), self._score(self.relevance_, 0 * total)
        ranking, path = list[int](), list[np.ndarray]()
        may_come = self.pvalues_ <= self.significance / d
        while len(ranking) < n_wanted:
            allowed = is_left & may_come & excess.is_worth() if is_auto else is_left
            if not allowed.any():
                if ranking:
                    break
                allowed = is_left  # the first comes in any case
            path.append(np.where(is_left, self.scores_, np.nan))
            best = int(np.argmax(np.where(allowed, self.scores_, -np.inf)))
            ranking.append(best)
            is_left[best] = False
            if self.verbose:
                print(f"[MRMRSelector] {len(ranking)}: x[{best}] {self.scores_[best]:.4g}")  # noqa: T201  # asked for
            others = np.flatnonzero(is_left)
            redundancy = dependence.redundancy(best, others)
            excess.add(best, others, redundancy)
            total[others] += redundancy
            self.redundancy_[others] = total[others] / len(ranking)
            self.scores_[others] = self._score(self.relevance_, self.redundancy_)[others]
        self.ranking_, self.path_ = np.array(ranking), np.array(path)

    def _score(self, relevance: np.ndarray, redundancy: np.ndarray) -> np.ndarray:
        if self.scheme == "difference":
            return relevance - redundancy
        return relevance / np.maximum(redundancy, FLOOR)


class _Excess:
    """By how much features are more relevant than redundant, in shares of what can be said."""

    def __init__(self, dependence: Dependence) -> None:
        self._dependence, self._n_chosen = dependence, 0
        self._redundant = np.zeros(len(dependence.relevance))

    def is_worth(self) -> np.ndarray:
        """Which features are; all, where relevance and redundancy have different units."""
        own = self._dependence
        if own.entropy is None or self._n_chosen == 0:
            return np.ones(len(own.relevance), bool)
        relevant = own.relevance / np.maximum(np.minimum(own.entropy, own.target_entropy), TINY)
        is_worth: np.ndarray = relevant > self._redundant / self._n_chosen
        return is_worth

    def add(self, chosen: int, others: np.ndarray, redundancy: np.ndarray) -> None:
        """Count what a chosen feature says of others."""
        self._n_chosen += 1
        entropy = self._dependence.entropy
        if entropy is not None:
            most = np.maximum(np.minimum(entropy[others], entropy[chosen]), TINY)
            self._redundant[others] += redundancy / most
