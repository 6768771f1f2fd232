"""A support vector machine with probabilities, in two stages."""

from collections.abc import Callable, Iterator, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, check_cv
from sklearn.svm import SVC
from sklearn.utils import Tags, compute_class_weight
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from skextras.kernel.base import TABLE, owner_of
from skextras.kernel.logits import LogitMixin
from skextras.kernel.widths import settled_gamma

__all__ = ["ProbabilisticSVC"]

WIDE = ("rbf", "poly", "sigmoid")  # kernels that have a width
FREE = 1e3  # C of the second stage: few numbers need no penalty, but shall stay finite


class ProbabilisticSVC(LogitMixin, ClassifierMixin, BaseEstimator):
    r"""Support vector machine whose score becomes a probability by a logistic model of it.

    The first stage is scikit-learn's ``SVC``: it gives the direction. The second is logistic
    regression on its score s, P(y | x) = σ(A s + B) [1]_, for several classes the softmax of an
    affine map of all one-against-rest scores. It is the classical way to probabilities with a
    margin, here to be compared with :class:`KernelLogisticRegression`, which needs no second stage.

    The scores of the second stage are of rows held out, since a machine separates its own rows too
    well; ``cv=None`` takes its own, as the method was first taught. Unlike
    ``SVC(probability=True)``, ``predict`` is the most probable class, nothing is drawn at random,
    and the machine that answers is fitted once, on all rows.

    Parameters
    ----------
    C : float, default=1.0
        Inverse of the regularisation strength of the machine.
    kernel : {"linear", "poly", "rbf", "sigmoid", "precomputed"} or callable, default="rbf"
        As in ``SVC``.
    degree : int, default=3
        Degree of the polynomial kernel.
    gamma : {"scale", "auto", "median"} or float, default="scale"
        Coefficient of "rbf", "poly" and "sigmoid", as in :class:`KernelLogisticRegression`: "scale"
        weighs the rows, which ``SVC`` does not.
    coef0 : float, default=0.0
        Constant of "poly" and "sigmoid".
    class_weight : dict or "balanced", default=None
        Weight of each class, multiplied into ``sample_weight`` in both stages.
    tol : float, default=1e-3
        Of the machine's solver.
    cache_size : float, default=200
        Of its kernel cache, in MB.
    cv : int, splitter, iterable or None, default=5
        Folds whose machines score the rows that they do not see; fewer where a class has fewer
        rows. None takes the scores of the training rows.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    svc_ : SVC
        The machine.
    gamma_ : float or None
        The coefficient used; None if the kernel takes none.
    slope_, offset_ : ndarray of shape (1, 1) and (1,), or (n_classes, n_classes) and (n_classes,)
        A and B.
    n_features_in_ : int
        Number of features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X had names that are all strings.

    References
    ----------
    .. [1] J. Platt, "Probabilistic Outputs for Support Vector Machines and Comparisons to
       Regularized Likelihood Methods", in *Advances in Large Margin Classifiers*, MIT Press, 1999.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skextras import ProbabilisticSVC
    >>> X, y = make_moons(noise=0.2, random_state=0)
    >>> ProbabilisticSVC(C=10).fit(X, y).predict_proba([[0.0, 1.0]]).argmax(axis=1)
    array([0])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "C": [Interval(Real, 0, None, closed="neither")],
        "kernel": [StrOptions({"linear", "poly", "rbf", "sigmoid", "precomputed"}), callable],
        "degree": [Interval(Integral, 0, None, closed="left")],
        "gamma": [
            StrOptions({"scale", "auto", "median"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "coef0": [Interval(Real, None, None, closed="neither")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "cache_size": [Interval(Real, 0, None, closed="neither")],
        "cv": [Interval(Integral, 2, None, closed="left"), HasMethods("split"), "cv_object", None],
    }

    def __init__(
        self,
        C: float = 1.0,
        *,
        kernel: str | Callable[..., Any] = "rbf",
        degree: int = 3,
        gamma: float | Literal["scale", "auto", "median"] = "scale",
        coef0: float = 0.0,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        tol: float = 1e-3,
        cache_size: float = 200,
        cv: Any = 5,
    ) -> None:
        self.C = C
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.class_weight = class_weight
        self.tol = tol
        self.cache_size = cache_size
        self.cv = cv

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the machine, then the logistic model of its scores.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows; the kernel matrix (n_samples, n_samples) if it is precomputed.
        y : array-like of shape (n_samples,)
            Class labels, two or more.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in both stages; rows of weight 0 are left out.

        Returns
        -------
        ProbabilisticSVC
            The estimator itself.

        Raises
        ------
        ValueError
            If an option is out of range, X or y hold NaN, or all rows have one class.
        """
        X, y = validate_data(self, X, y, **TABLE)
        check_classification_targets(y)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        kept = np.flatnonzero(weights)
        self.classes_, counts = np.unique(y[kept], return_counts=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{owner_of(self)}: y must hold at least 2 classes, got one class: "
                f"{self.classes_.tolist()}. Check the labels and the weights."
            )
        if self.class_weight is not None:
            weights[kept] *= self._class_weights(y[kept], weights[kept])
        self.gamma_ = self._settled_width(X[kept] if len(kept) < len(y) else X, weights[kept])
        self.svc_, self._kept = self._machine(), kept
        self.svc_.fit(*_safe_split(self.svc_, X, y, kept), weights[kept])
        if self.cv is None or (isinstance(self.cv, Integral) and counts.min() == 1):
            X_kept, _ = _safe_split(self.svc_, X, y, kept, kept)
            rows, scores = kept, _as_columns(self.svc_.decision_function(X_kept))
        else:
            rows, scores = self._held_out_scores(X, y, weights, int(counts.min()))
        size = np.sqrt(np.average(np.square(scores).mean(axis=1), weights=weights[rows])) or 1.0
        stage = LogisticRegression(C=FREE, solver="newton-cholesky", tol=1e-8)
        stage.fit(scores / size, y[rows], weights[rows])
        self.slope_, self.offset_ = stage.coef_ / size, stage.intercept_
        return self

    def _settled_width(self, X: Any, weights: np.ndarray) -> float | None:
        if self.kernel not in WIDE:
            return None
        return settled_gamma(self.gamma, X, weights, name=self.kernel)

    def _class_weights(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        by_class = compute_class_weight(
            self.class_weight, classes=self.classes_, y=y, sample_weight=weights
        )
        return by_class[np.searchsorted(self.classes_, y)]

    def _machine(self) -> SVC:
        names = ("C", "kernel", "degree", "coef0", "tol", "cache_size")
        gamma = "auto" if self.gamma_ is None else self.gamma_
        return SVC(**{name: getattr(self, name) for name in names}, gamma=gamma)

    def _splits(self, X: Any, y: Any, weights: np.ndarray, fewest: int) -> Iterator[Any]:
        """Rows of positive weight to learn from, and to score."""
        if isinstance(self.cv, Integral):  # rows of no weight decide on no fold
            kept = np.flatnonzero(weights)
            cv = StratifiedKFold(min(self.cv, fewest))
            yield from ((kept[a], kept[b]) for a, b in cv.split(kept, y[kept]))
            return
        for train, test in check_cv(self.cv, y, classifier=True).split(X, y):
            yield train[weights[train] > 0], test[weights[test] > 0]

    def _held_out_scores(self, X: Any, y: Any, weights: np.ndarray, fewest: int) -> Any:
        """Rows, and their scores by machines that did not see them."""
        rows, scores = [], []
        for train, test in self._splits(X, y, weights, fewest):
            n_classes = len(np.unique(y[train]))
            if n_classes < len(self.classes_):
                raise ValueError(
                    f"{owner_of(self)}: cv must leave rows of every class to learn from, got a "
                    f"fold with {n_classes} of {len(self.classes_)} classes. Stratify, or pass "
                    "cv=None."
                )
            machine = self._machine()
            machine.fit(*_safe_split(machine, X, y, train), weights[train])
            if len(test):
                X_test, _ = _safe_split(machine, X, y, test, train)
                rows.append(test)
                scores.append(_as_columns(machine.decision_function(X_test)))
        return np.concatenate(rows), np.concatenate(scores)

    def decision_function(self, X: Any) -> np.ndarray:
        """Log odds of the second class, or one score a class whose softmax is the probability.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows; their kernel with the training rows (n_samples, n_train) if it is precomputed.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Scores, dimensionless (nats).
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, **TABLE)
        if self.kernel == "precomputed":
            X = X[:, self._kept]
        scores = _as_columns(self.svc_.decision_function(X)) @ self.slope_.T + self.offset_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def __sklearn_tags__(self) -> Tags:
        """Rows may be sparse; a precomputed kernel is pairwise."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = self.kernel == "precomputed"
        return tags


def _as_columns(scores: np.ndarray) -> np.ndarray:
    return scores[:, None] if scores.ndim == 1 else scores
