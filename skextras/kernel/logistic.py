"""Kernel logistic regression as a scikit-learn classifier."""

import functools
import warnings
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import PAIRWISE_KERNEL_FUNCTIONS
from sklearn.utils import Tags, check_random_state, compute_class_weight, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from threadpoolctl import ThreadpoolController

from skextras.kernel.kernels import Kernel, is_kernel_matrix, settled_gamma, takes_gamma
from skextras.kernel.logits import LogitMixin
from skextras.kernel.solvers import KernelRows, Solution, solve_newton, solve_nystroem

__all__ = ["KernelLogisticRegression"]

ACCEPTED_STALL = 1e-5  # float64 cannot always go below, where C K reaches 1e9 or more

EXACT_ROWS = 4000  # up to here solver="auto" is exact: a matrix of 128 MB, seconds
MIN_SAMPLE = 8000  # rows of the preconditioner: more cost more, fewer take more steps
SMALL = 1500  # rows below which a second BLAS thread costs more than it saves


class KernelLogisticRegression(LogitMixin, ClassifierMixin, BaseEstimator):
    r"""Logistic regression on the features of a kernel: nonlinear, with calibrated probabilities.

    The decision function f lies in the kernel's Hilbert space and minimises

    .. math:: C \sum_i w_i \, \ell(f(x_i) + b, y_i) + \tfrac12 \|f\|^2

    where ℓ is the logistic loss for two classes, the cross-entropy for more [1]_. The intercept b
    is not penalised. The problem is convex. With ``kernel="linear"`` it is scikit-learn's
    ``LogisticRegression`` with the same ``C``.

    The exact solver is Newton's method [2]_: its memory grows with n_samples², its time with
    n_samples³, and several classes take as many matrices of that size as there are classes. The
    Nyström solver keeps f in the span of ``n_components`` kernel functions [3]_ and takes memory
    n_samples * n_components in float32, or less and more time where that exceeds scikit-learn's
    ``working_memory``.

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
    solver : {"auto", "exact", "nystroem"}, default="auto"
        "auto" is exact for up to 4000 rows.
    n_components : int, default=1000
        Rows drawn as centres by the Nyström solver; all of them if there are fewer.
    random_state : int, RandomState or None, default=None
        Decides which rows; the exact solver draws none.
    max_iter : int, default=100
        Newton steps at most; 4 to 12 are usual.
    tol : float, default=1e-8
        Stop when no entry of the gradient exceeds it, relative to the largest weighted C. The
        Nyström solver stops at a relative gradient of 1e-5, since it keeps its kernel in float32.
    verbose : bool, default=False
        Whether to print a line for each Newton step.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    support_ : ndarray of shape (n_support,)
        Training rows that the model keeps: those with positive weight, or the centres.
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
    .. [3] Marteau-Ferey, Bach and Rudi, "Globally Convergent Newton Methods for Ill-conditioned
       Generalized Self-concordant Losses", NeurIPS 2019.

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
        "solver": [StrOptions({"auto", "exact", "nystroem"})],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
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
        solver: Literal["auto", "exact", "nystroem"] = "auto",
        n_components: int = 1000,
        random_state: int | np.random.RandomState | None = None,
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
        self.solver = solver
        self.n_components = n_components
        self.random_state = random_state
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
        kept = np.flatnonzero(weights)
        X, y, weights = X[kept], y[kept], weights[kept]
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                "KernelLogisticRegression: y must hold at least 2 classes, got one class: "
                f"{self.classes_.tolist()[0]!r}. Check the labels and the weights."
            )
        self.gamma_ = settled_gamma(self.gamma, X, weights) if takes_gamma(self.kernel) else None
        centres = self._centres(len(y))
        self.support_ = kept if centres is None else kept[centres]
        if self.kernel != "precomputed":
            self.X_fit_ = X if centres is None else X[centres]
        weights = self.C * weights * self._class_weights(y, weights)
        with _blas_threads().limit(limits=1 if len(y) < SMALL else None, user_api="blas"):
            solution = self._solve(X, codes, weights, centres)
        self._warn_if_short(solution)
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

    def _centres(self, n_rows: int) -> np.ndarray | None:
        """Rows that carry the decision function; None for all of them and the exact solver."""
        if self.solver == "exact" or (self.solver == "auto" and n_rows <= EXACT_ROWS):
            return None
        rng = check_random_state(self.random_state)
        return np.sort(rng.choice(n_rows, min(self.n_components, n_rows), replace=False))

    def _sample(self, n_rows: int) -> np.ndarray:
        """Rows that stand for all of them in the Nyström solver's preconditioner."""
        n_sample = min(n_rows, max(2 * self.n_components, MIN_SAMPLE))
        rng = np.random.RandomState(0)  # they change the speed and not the result, hence no seed
        return rng.choice(n_rows, n_sample, replace=False)

    def _kernel(self, X: Any) -> np.ndarray:
        """Kernel of rows with the rows of the model, shape (n_samples, n_support)."""
        if self.kernel == "precomputed":
            K = X[:, self.support_]
            return K.toarray() if sparse.issparse(K) else K
        named = {"gamma": self.gamma_, "degree": self.degree, "coef0": self.coef0}
        options = (self.kernel_params or {}) if callable(self.kernel) else named
        return Kernel(self.kernel, options).between(X, self.X_fit_)

    def _finite_kernel(self, X: Any) -> np.ndarray:
        K = self._kernel(X)
        if not np.all(np.isfinite(K)):
            raise ValueError(self._not_a_kernel("finite"))
        return K

    def _not_a_kernel(self, what: str) -> str:
        return (
            f"KernelLogisticRegression: kernel must be {what}, got {self.kernel!r}, which is not "
            "on these rows. Check the function or the matrix; 'rbf' and 'laplacian' always are."
        )

    def _solve(
        self, X: Any, codes: np.ndarray, weights: np.ndarray, centres: np.ndarray | None
    ) -> Solution:
        """Run the solver and turn its failures into words."""
        n_classes = len(self.classes_)
        targets = codes[:, None] if n_classes == 2 else np.eye(n_classes)[codes]
        data = targets.astype(np.float64), weights
        options: dict[str, Any] = {
            "fit_intercept": self.fit_intercept,
            "max_iter": self.max_iter,
            "tol": self.tol,
            "report": _print_step if self.verbose else None,
        }
        K = self._kernel(X if centres is None else X[centres])
        is_trusted = not callable(self.kernel) and self.kernel != "precomputed"
        if not is_kernel_matrix(K, is_trusted=is_trusted):
            raise ValueError(self._not_a_kernel("symmetric and finite"))
        try:
            if centres is None:
                return solve_newton(K, *data, **options)
            room = get_config()["working_memory"] * 2**20
            rows = KernelRows.within(
                room, len(codes), len(centres), lambda rows: self._finite_kernel(X[rows])
            )
            return solve_nystroem(rows, K, *data, sample=self._sample(len(codes)), **options)
        except np.linalg.LinAlgError as error:
            raise ValueError(self._not_a_kernel("positive semi-definite")) from error

    def _warn_if_short(self, solution: Solution) -> None:
        """Warn when the steps ran out, or the digits did so early that it matters."""
        out_of_steps = solution.n_iter == self.max_iter
        if solution.residual > (self.tol if out_of_steps else max(self.tol, ACCEPTED_STALL)):
            warnings.warn(
                f"KernelLogisticRegression: stopped after {solution.n_iter} steps at a gradient of "
                f"{solution.residual:.1e}, above tol={self.tol:.1e}. Increase max_iter or lower C.",
                ConvergenceWarning,
                stacklevel=3,
            )


@functools.cache
def _blas_threads() -> ThreadpoolController:
    """The BLAS pools of this process; finding them takes milliseconds, hence once."""
    return ThreadpoolController()


def _print_step(n_steps: int, objective: float, residual: float) -> None:
    """Print a line of progress, as scikit-learn does for ``verbose``."""
    line = f"step {n_steps:3d}  objective {objective:.10g}  gradient {residual:.1e}"
    print(f"[KernelLogisticRegression] {line}")  # noqa: T201, since verbose=True asks for it
