"""What the lasso chooses, with the correlated partners that it left out."""

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import _fit_context
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils._param_validation import Interval
from threadpoolctl import threadpool_limits

from skextras.features.selection.base import BaseSelector, Rows
from skextras.features.selection.lasso import LogLoss, Path, SquareLoss, lasso_path
from skextras.features.selection.scaled import ScaledColumns, scaled

N_STEPS = 30  # of a path, from the penalty that leaves nothing to the one that is asked for


class L1L2Selector(BaseSelector):
    """Features that the L1 penalty chooses, and their partners by the L2 penalty.

    Of features that say the same the L1 penalty [1]_ keeps one, at random as it were; the L2
    penalty keeps all and gives them like coefficients (the grouping effect, [2]_). So two models
    are fitted. A feature k with a coefficient of 0 under L1 is a partner of a chosen feature j if
    their L2 coefficients are close, ``|βⱼ - βₖ| ≤ closeness |βⱼ|``, and the features correlate,
    ``|corr(xⱼ, xₖ)| ≥ min_correlation`` (a negative correlation reverses the sign of βₖ). The L1
    coefficient of j is then shared equally between j and its partners. Features with a share of at
    least ``threshold`` times the largest are selected.

    All is about columns scaled to mean 0 and variance 1. Missing values are refused.

    Parameters
    ----------
    alpha : float, default=0.1
        L1 penalty, as a share of the least one that leaves no feature; in (0, 1).
    l2_alpha : float or None, default=None
        L2 penalty on the same scale; None takes ``alpha``.
    closeness : float, default=0.5
        How far the L2 coefficient of a partner may be from that of the chosen feature, as a share
        of the latter.
    min_correlation : float, default=0.5
        How much partners must correlate. 0 is the recipe by coefficients alone, which also joins
        features that are alike by chance.
    threshold : float, default=1e-3
        Least share of a feature that is selected, relative to the largest.
    task : {"auto", "classification", "regression"}, default="auto"
        "auto" takes whole numbers and strings for classes. Of several classes each is parted from
        the rest, and a feature counts by the sum over them.
    n_jobs : int or None, default=None
        Threads, a class each.
    verbose : int, default=0
        1 prints a line a target.

    Attributes
    ----------
    support_ : ndarray of bool of shape (n_features,)
        Which features are selected.
    scores_ : ndarray of shape (n_features,)
        Shared coefficients by size, summed over the classes.
    coef_ : ndarray of shape (n_targets, n_features)
        Shared coefficients.
    l1_coef_ : ndarray of shape (n_targets, n_features)
        Coefficients under L1.
    l2_coef_ : ndarray of shape (n_targets, n_features)
        Coefficients under L2.
    partners_ : dict of int to list of int
        Partners of each feature that L1 chose.
    path_ : ndarray of shape (n_steps, n_features)
        Sizes of the L1 coefficients as the penalty falls, summed over the classes.
    classes_ : ndarray or None
        Labels; None in regression.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if they are all strings.

    See Also
    --------
    StabilitySelector : Chooses by halves of the rows, with a bound of the errors.

    References
    ----------
    .. [1] R. Tibshirani, "Regression Shrinkage and Selection via the Lasso", Journal of the Royal
       Statistical Society B 58(1), 1996.
    .. [2] H. Zou and T. Hastie, "Regularization and Variable Selection via the Elastic Net",
       Journal of the Royal Statistical Society B 67(2), 2005, section 2.3.

    Examples
    --------
    >>> import numpy as np
    >>> from skextras.features.selection import L1L2Selector
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 5))
    >>> X[:, 1] = X[:, 0] + 0.1 * rng.normal(size=200)  # a twin
    >>> selector = L1L2Selector(0.5).fit(X, X[:, 0] + rng.normal(size=200))
    >>> selector.get_support(indices=True)
    array([0, 1])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "l2_alpha": [Interval(Real, 0, None, closed="neither"), None],
        "closeness": [Interval(Real, 0, None, closed="left")],
        "min_correlation": [Interval(Real, 0, 1, closed="both")],
        "threshold": [Interval(Real, 0, 1, closed="both")],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }
    _score_name: ClassVar[str] = "shared coefficient"
    _path_names: ClassVar[tuple[str, str]] = ("step of the L1 penalty", "coefficient")

    def __init__(
        self,
        alpha: float = 0.1,
        *,
        l2_alpha: float | None = None,
        closeness: float = 0.5,
        min_correlation: float = 0.5,
        threshold: float = 1e-3,
        task: str = "auto",
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.alpha = alpha
        self.l2_alpha = l2_alpha
        self.closeness = closeness
        self.min_correlation = min_correlation
        self.threshold = threshold
        self.task = task
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Find the features.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, without missing values.
        y : array-like of shape (n_samples,)
            Classes or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Repetitions of the rows.

        Returns
        -------
        L1L2Selector
            Itself.
        """
        rows = self._read(X, y, sample_weight)
        self.classes_ = rows.classes
        share = rows.share
        Z = scaled(rows.X, share)
        with threadpool_limits(1, user_api="blas"):
            found = Parallel(n_jobs=self.n_jobs, prefer="threads")(
                delayed(self._fit_target)(Z, target, share) for target in rows.targets()
            )
        self.l1_coef_ = np.stack([path.coef[-1] for path, _ in found])
        self.l2_coef_ = np.stack([coef for _, coef in found])
        self.path_ = np.sum([np.abs(path.coef) for path, _ in found], axis=0)
        self._share_out(Z, rows)
        return self

    def _fit_target(
        self, Z: ScaledColumns, target: np.ndarray, share: np.ndarray
    ) -> tuple[Path, np.ndarray]:
        """Both models of a target."""
        is_number = self.classes_ is None
        loss: Any = (SquareLoss if is_number else LogLoss)(Z, target, share)
        path = lasso_path(loss, np.geomspace(1.0, self.alpha, N_STEPS))
        penalty = path.alphas[0] * (self.alpha if self.l2_alpha is None else self.l2_alpha)
        if self.verbose:
            print(  # noqa: T201  # verbose asks for it
                f"[L1L2Selector] penalty {path.alphas[-1]:.3g}: "
                f"{np.count_nonzero(path.coef[-1])} of {len(Z)} features"
            )
        if penalty == 0:  # nothing depends on any feature
            return path, np.zeros(len(Z))
        if is_number:
            model = Ridge(alpha=penalty, tol=1e-10).fit(Z.design, loss.y, sample_weight=share)
            return path, model.coef_
        solver = "newton-cholesky" if len(Z) <= len(target) else "lbfgs"
        logistic = LogisticRegression(C=1 / penalty, solver=solver, tol=1e-8, max_iter=10_000)
        return path, logistic.fit(Z.design, target, sample_weight=share).coef_[0]

    def _share_out(self, Z: ScaledColumns, rows: Rows) -> None:
        """Join partners, share the coefficients, and select."""
        self.coef_ = np.zeros_like(self.l1_coef_)
        self.partners_ = dict[int, list[int]]()
        chosen = np.flatnonzero(self.l1_coef_.any(axis=0))
        correlation = Z.times((Z.take(chosen) * rows.share).T).T
        for place, j in enumerate(chosen):
            own = correlation[place]
            for target in np.flatnonzero(self.l1_coef_[:, j]):
                l1, l2 = self.l1_coef_[target], self.l2_coef_[target]
                distance = np.abs(l2[j] - np.where(own < 0, -1.0, 1.0) * l2)
                is_partner = (distance <= self.closeness * abs(l2[j])) & (l1 == 0)
                is_partner &= np.abs(own) >= self.min_correlation
                partners = np.flatnonzero(is_partner)
                known = self.partners_.setdefault(int(j), [])
                known += [k for k in partners.tolist() if k not in known]
                sharers = np.append(partners, j)
                self.coef_[target, sharers] += (
                    np.where(own[sharers] < 0, -1.0, 1.0) * l1[j] / len(sharers)
                )
        self.scores_ = np.abs(self.coef_).sum(axis=0)
        least = self.threshold * self.scores_.max(initial=0.0)
        self.support_ = (self.scores_ > 0) & (self.scores_ >= least)
