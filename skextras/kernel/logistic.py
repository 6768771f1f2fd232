"""Kernel logistic regression as a scikit-learn classifier."""

import functools
import warnings
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from scipy import sparse
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import KERNEL_PARAMS, PAIRWISE_KERNEL_FUNCTIONS, pairwise_kernels
from sklearn.utils import Tags, compute_class_weight, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from threadpoolctl import ThreadpoolController

from skextras.kernel.solvers import Solution, solve_newton

__all__ = ["KernelLogisticRegression"]

ACCEPTED_STALL = 1e-5  # float64 cannot always go below, where C K reaches 1e9 or more

SMALL = 1500  # rows below which a second BLAS thread costs more than it saves


class KernelLogisticRegression(ClassifierMixin, BaseEstimator):
    r"""Logistic regression on the features of a kernel: nonlinear, with calibrated probabilities.

    The decision function f lies in the kernel's Hilbert space and minimises

    .. math:: C \sum_i w_i \, \ell(f(x_i) + b, y_i) + \tfrac12 \|f\|^2

    where ℓ is the logistic loss for two classes, the cross-entropy for more [1]_. The intercept b
    is not penalised. The problem is convex and solved exactly, by Newton's method [2]_. With
    ``kernel="linear"`` it is scikit-learn's ``LogisticRegression`` with the same ``C``.

    Memory grows with n_samples², time with n_samples³; several classes take as many matrices of
    that size as there are classes.

    Parameters
    ----------
    C : float, default=1.0
        Inverse of the regularisation strength; positive.
    kernel : str or callable, default="rbf"
        A name that :func:`sklearn.metrics.pairwise.pairwise_kernels` knows, "precomputed", a kernel
        object of :mod:`sklearn.gaussian_process.kernels`, or a function of two rows that returns a
        number. It must be positive semi-definite, or conditionally so ("additive_chi2") if there is
        an intercept.
    gamma : {"scale", "auto"} or float, default="scale"
        Coefficient of the rbf, laplacian, polynomial, sigmoid and chi2 kernels. "scale" is
        1 / (n_features * X.var()) with the variance weighted by ``sample_weight``, "auto" is
        1 / n_features.
    degree : float, default=3
        Degree of the polynomial kernel.
    coef0 : float, default=0.0
        Constant of the polynomial and sigmoid kernels.
    kernel_params : dict, default=None
        Further keywords for a callable kernel.
    fit_intercept : bool, default=True
        Whether to add an intercept, free of penalty.
    class_weight : dict or "balanced", default=None
        Weight of each class, multiplied into ``sample_weight``. "balanced" makes all classes weigh
        the same in sum.
    max_iter : int, default=100
        Newton steps at most; 4 to 12 are usual.
    tol : float, default=1e-8
        Stop when no entry of the gradient exceeds it, relative to the largest weighted C.
    verbose : bool, default=False
        Whether to print a line for each Newton step.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    support_ : ndarray of shape (n_support,)
        Training rows that the model keeps: those with positive weight.
    X_fit_ : ndarray or sparse matrix of shape (n_support, n_features)
        These rows; not set for a precomputed kernel.
    dual_coef_ : ndarray of shape (1, n_support) or (n_classes, n_support)
        Coefficients of the kernel functions, one row for two classes.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts; zero without ``fit_intercept``, summing to zero for several classes.
    gamma_ : float or None
        The coefficient used; None if the kernel takes none.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients of the features, for ``kernel="linear"`` only.
    n_iter_ : int
        Newton steps taken.
    n_features_in_ : int
        Number of features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X had names that are all strings.

    See Also
    --------
    sklearn.linear_model.LogisticRegression : The same without a kernel, for many rows.
    sklearn.svm.SVC : Large margin instead of likelihood; no probabilities of its own.

    References
    ----------
    .. [1] Zhu and Hastie, "Kernel Logistic Regression and the Import Vector Machine", Journal of
       Computational and Graphical Statistics 14(1), 2005, equations 4 and 5.
    .. [2] Rasmussen and Williams, *Gaussian Processes for Machine Learning*, MIT Press, 2006,
       algorithms 3.1 and 3.3.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skextras import KernelLogisticRegression
    >>> X, y = make_moons(noise=0.2, random_state=0)
    >>> model = KernelLogisticRegression(C=10).fit(X, y)
    >>> model.score(X, y)
    0.97
    >>> model.predict_proba([[0.0, 1.0]]).round(2)
    array([[0.95, 0.05]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "C": [Interval(Real, 0, None, closed="neither")],
        "kernel": [StrOptions({*PAIRWISE_KERNEL_FUNCTIONS, "precomputed"}), callable],
        "gamma": [StrOptions({"scale", "auto"}), Interval(Real, 0, None, closed="neither")],
        "degree": [Interval(Real, 0, None, closed="left")],
        "coef0": [Interval(Real, None, None, closed="neither")],
        "kernel_params": [dict, None],
        "fit_intercept": ["boolean"],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        C: float = 1.0,
        *,
        kernel: str | Callable[..., float] = "rbf",
        gamma: float | Literal["scale", "auto"] = "scale",
        degree: float = 3,
        coef0: float = 0.0,
        kernel_params: Mapping[str, Any] | None = None,
        fit_intercept: bool = True,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        max_iter: int = 100,
        tol: float = 1e-8,
        verbose: bool = False,
    ) -> None:
        self.C = C
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.kernel_params = kernel_params
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose

    def __sklearn_tags__(self) -> Tags:
        """Rows may be sparse; a precomputed kernel is pairwise; chi2 needs positive features."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = self.kernel == "precomputed"
        tags.input_tags.positive_only = self.kernel in ("chi2", "additive_chi2")
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows; the kernel matrix (n_samples, n_samples) if it is precomputed.
        y : array-like of shape (n_samples,)
            Class labels, two or more.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row: 2 counts it twice, 0 leaves it out. None is 1 for all.

        Returns
        -------
        KernelLogisticRegression
            The estimator itself.

        Raises
        ------
        ValueError
            If an option is out of range, X or y hold NaN, all rows have one class, a precomputed
            kernel is not square, or the kernel is not positive semi-definite.
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64)
        check_classification_targets(y)
        if self.kernel == "precomputed" and X.shape[0] != X.shape[1]:
            raise ValueError(
                "KernelLogisticRegression: X must be square for kernel='precomputed', got "
                f"{X.shape[0]} rows and {X.shape[1]} columns. Pass the kernel of the training rows."
            )
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        self.support_ = np.flatnonzero(weights)
        X, y, weights = X[self.support_], y[self.support_], weights[self.support_]
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                "KernelLogisticRegression: y must hold at least 2 classes, got one class: "
                f"{self.classes_.tolist()[0]!r}. Check the labels and the weights."
            )
        self.gamma_ = self._settled_gamma(X, weights)
        if self.kernel != "precomputed":
            self.X_fit_ = X
        weights = self.C * weights * self._class_weights(y, weights)
        with _blas_threads().limit(limits=1 if len(y) < SMALL else None, user_api="blas"):
            solution = self._solve(self._kernel(X), codes, weights)
        self.dual_coef_ = np.ascontiguousarray(solution.dual_coef.T)
        self.intercept_, self.n_iter_ = solution.intercept, solution.n_iter
        return self

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
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        row_bytes = X.dtype.itemsize * len(self.support_)
        batch = max(1, int(get_config()["working_memory"] * 2**20 / row_bytes))
        scores = np.concatenate(
            [self._kernel(X[rows]) @ self.dual_coef_.T for rows in gen_batches(X.shape[0], batch)]
        )
        scores += self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> np.ndarray:
        """Most probable class of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows, as in :meth:`decision_function`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Class labels.
        """
        scores = self.decision_function(X)
        codes = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[codes]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows, as in :meth:`decision_function`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of ``classes_``; each row sums to one.
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.column_stack([expit(-scores), expit(scores)])
        return softmax(scores, axis=1)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of the probability of each class, exact where the probability underflows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows, as in :meth:`decision_function`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log probabilities, in nats.
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.column_stack([log_expit(-scores), log_expit(scores)])
        return log_softmax(scores, axis=1)

    @property
    def coef_(self) -> np.ndarray:
        """Coefficients of the features, as in ``LogisticRegression``; for the linear kernel only.

        Returns
        -------
        ndarray of shape (1, n_features) or (n_classes, n_features)
            One row for two classes, one a class otherwise.
        """
        if self.kernel != "linear":
            raise AttributeError(
                f"KernelLogisticRegression: coef_ needs kernel='linear', got {self.kernel!r}. "
                "Use dual_coef_, the coefficients of the training rows."
            )
        check_is_fitted(self)
        return np.asarray(self.dual_coef_ @ self.X_fit_)

    def _class_weights(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Weight of each row's class, shape (n_support,)."""
        by_class = compute_class_weight(
            self.class_weight, classes=self.classes_, y=y, sample_weight=weights
        )
        return by_class[np.searchsorted(self.classes_, y)]

    def _settled_gamma(self, X: Any, weights: np.ndarray) -> float | None:
        """The number that "scale" and "auto" stand for; None if the kernel takes no gamma."""
        if callable(self.kernel) or "gamma" not in KERNEL_PARAMS.get(self.kernel, ()):
            return None
        if self.gamma == "auto":
            return 1 / X.shape[1]
        if self.gamma == "scale":
            variance = _variance(X, weights)
            return 1 / (X.shape[1] * variance) if variance > 0 else 1.0
        return self.gamma

    def _kernel(self, X: Any) -> np.ndarray:
        """Kernel of rows with the rows of the model, shape (n_samples, n_support)."""
        if self.kernel == "precomputed":
            K = X[:, self.support_]
            return K.toarray() if sparse.issparse(K) else K
        if callable(self.kernel):
            options = dict(self.kernel_params or {})
            return pairwise_kernels(X, self.X_fit_, metric=self.kernel, **options)
        rows, kept = X, self.X_fit_
        if self.kernel == "rbf" and not sparse.issparse(X):
            # It is computed from x² - 2 x z + z², which has no digits left far from the origin.
            centre = kept.mean(axis=0)
            rows, kept = rows - centre, kept - centre
        options = {"gamma": self.gamma_, "degree": self.degree, "coef0": self.coef0}
        return pairwise_kernels(rows, kept, metric=self.kernel, filter_params=True, **options)

    def _solve(self, K: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> Solution:
        """Run the solver and turn its failures into words."""
        n_classes = len(self.classes_)
        targets = codes[:, None] if n_classes == 2 else np.eye(n_classes)[codes]
        if not self._is_kernel_matrix(K):
            raise ValueError(
                "KernelLogisticRegression: kernel must be symmetric and finite, got "
                f"{self.kernel!r}, which is not on these rows. Check the function or the matrix."
            )
        try:
            solution = solve_newton(
                K,
                targets.astype(np.float64),
                weights,
                fit_intercept=self.fit_intercept,
                max_iter=self.max_iter,
                tol=self.tol,
                report=_print_step if self.verbose else None,
            )
        except np.linalg.LinAlgError as error:
            raise ValueError(
                "KernelLogisticRegression: kernel must be positive semi-definite, got "
                f"{self.kernel!r}, which is not on these rows. Use 'rbf', 'laplacian' or 'poly'."
            ) from error
        self._warn_if_short(solution)
        return solution

    def _is_kernel_matrix(self, K: np.ndarray) -> bool:
        """Whether K is finite and, where we have only the user's word for it, symmetric."""
        size = float(np.abs(K).max())
        if callable(self.kernel) or self.kernel == "precomputed":
            return bool(np.isfinite(size) and np.allclose(K, K.T, rtol=1e-6, atol=1e-10 * size))
        return bool(np.isfinite(size))

    def _warn_if_short(self, solution: Solution) -> None:
        """Warn when the steps ran out, or the digits did so early that it matters."""
        out_of_steps = solution.n_iter == self.max_iter
        if solution.residual > (self.tol if out_of_steps else max(self.tol, ACCEPTED_STALL)):
            warnings.warn(
                f"KernelLogisticRegression: stopped after {solution.n_iter} steps at a gradient of "
                f"{solution.residual:.1e}, above tol={self.tol:.1e}. Increase max_iter or lower C.",
                ConvergenceWarning,
                stacklevel=4,
            )


@functools.cache
def _blas_threads() -> ThreadpoolController:
    """The BLAS pools of this process; finding them takes milliseconds, hence once."""
    return ThreadpoolController()


def _variance(X: Any, weights: np.ndarray) -> float:
    """Variance of all entries of X about their mean, each row counted by its weight."""
    n_features = X.shape[1]
    if not sparse.issparse(X):
        mean = np.average(X.mean(axis=1), weights=weights)
        return float(np.average(np.mean((X - mean) ** 2, axis=1), weights=weights))
    total = weights.sum() * n_features
    weight = np.repeat(weights, np.diff(X.indptr))  # of each stored entry
    mean = weight @ X.data / total
    stored = weight @ (X.data - mean) ** 2
    return float((stored + (total - weight.sum()) * mean**2) / total)


def _print_step(n_steps: int, objective: float, residual: float) -> None:
    """Print a line of progress, as scikit-learn does for ``verbose``."""
    line = f"step {n_steps:3d}  objective {objective:.10g}  gradient {residual:.1e}"
    print(f"[KernelLogisticRegression] {line}")  # noqa: T201, since verbose=True asks for it
