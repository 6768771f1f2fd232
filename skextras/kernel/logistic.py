"""Kernel logistic regression as a scikit-learn classifier."""

import warnings
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from skextras.kernel.base import TrainingRows, owner_of
from skextras.kernel.kernels import KERNEL_NAMES, NotAKernelError
from skextras.kernel.leverage import leverages, places_in
from skextras.kernel.posterior import PosteriorMixin
from skextras.kernel.solvers import Solution, Start, import_vectors
from skextras.kernel.solving import Exact, OnCentres, Options, finite_kernel
from skextras.kernel.threads import SMALL, blas_threads

__all__ = ["KernelLogisticRegression"]

ACCEPTED_STALL = 1e-5  # float64 cannot always go below, where C K reaches 1e9 or more

SEPARATED = 1e-4  # |y - p| below which, on all rows, their scores would grow with C for ever
MIN_POOL, MAX_POOL, POOL_BYTES = 100, 2000, 2**25  # candidates of the import vector machine
PILOTS = 300  # rows that tell the leverages of all
FLATTEST = 0.25  # p (1 - p) at most
EXACT_ROWS = 10_000  # up to here solver="auto" is exact: a matrix of 400 MB, seconds


class KernelLogisticRegression(PosteriorMixin, ClassifierMixin, BaseEstimator):
    r"""Logistic regression on the features of a kernel: nonlinear, with calibrated probabilities.

    The decision function f lies in the kernel's Hilbert space and minimises

    .. math:: C \sum_i w_i \, \ell(f(x_i) + b, y_i) + \tfrac12 \|f\|^2

    where ℓ is the logistic loss for two classes, the cross-entropy for more [1]_. The intercept b
    is not penalised. The problem is convex. With ``kernel="linear"`` it is scikit-learn's
    ``LogisticRegression`` with the same ``C``.

    The exact solver is Newton's method [2]_, by factors for a thousand rows and by preconditioned
    conjugate gradients beyond: half a matrix of n_samples² numbers in memory, in float32 from 4000
    rows on. The Nyström solver keeps f in the span of ``n_components`` kernel functions [3]_ and
    computes their values anew in each pass over the rows. The import vector machine [1]_ chooses
    few rows to carry f, each by how much it lowers the objective.

    Parameters
    ----------
    C : float, default=1.0
        Inverse of the regularisation strength; positive.
    kernel : str or callable, default="rbf"
        A name that :func:`sklearn.metrics.pairwise.pairwise_kernels` knows, "matern12", "matern32",
        "matern52" (of length scale (2 gamma)^-1/2), "additive" (the mean of an rbf kernel of each
        feature; sparse rows become dense, block by block), "precomputed", a kernel object of
        :mod:`sklearn.gaussian_process.kernels`, or a function of two rows that returns a number, or
        of two tables that returns a matrix, as :class:`~sklearn.svm.SVC` takes. It must be positive
        semi-definite, or conditionally so ("additive_chi2") if there is an intercept.
    gamma : {"scale", "auto", "median"} or float, default="scale"
        Coefficient of the rbf, laplacian, polynomial, sigmoid and chi2 kernels. "scale" is
        1 / (n_features * X.var()) with the variance weighted by ``sample_weight``, "auto" is
        1 / n_features, "median" 1 / (2 * median²) of the distances between rows.
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
    solver : {"auto", "exact", "ivm", "nystroem"}, default="auto"
        "auto" is exact for up to 10000 rows.
    sampling : {"leverage", "uniform"}, default="leverage"
        How the Nyström solver draws centres: rows that others do not stand for more often [4]_, by
        one pass over the kernel of all rows with 300, or all alike.
    n_components : int, default=1000
        Rows drawn as centres by the Nyström solver, all of them if there are fewer; import vectors
        at most.
    random_state : int, RandomState or None, default=None
        Decides which rows, for centres and for the preconditioner; the exact solver draws none.
    max_iter : int, default=100
        Newton steps at most, 4 to 12 are usual; passes over the rows for the Nyström solver, of
        which 6 to 20 are usual.
    tol : float, default=1e-8
        Stop when no entry of the gradient exceeds it, relative to the largest weighted C. Where the
        kernel with the centres is in float32, beyond 8 million numbers, the Nyström solver stops
        after a step that promised to lower the objective by less than a millionth.
    warm_start : bool, default=False
        Whether ``fit`` starts from the last solution, if the same rows carry it; for a path over C.
        Centres that leverages drew are kept.
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
    .. [4] Rudi, Calandriello, Carratino and Rosasco, "On Fast Leverage Score Sampling and Optimal
       Learning", NeurIPS 2018.

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
        "kernel": [StrOptions({*KERNEL_NAMES, "precomputed"}), callable],
        "gamma": [
            StrOptions({"scale", "auto", "median"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "degree": [Interval(Real, 0, None, closed="left")],
        "coef0": [Interval(Real, None, None, closed="neither")],
        "kernel_params": [dict, None],
        "fit_intercept": ["boolean"],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "solver": [StrOptions({"auto", "exact", "ivm", "nystroem"})],
        "sampling": [StrOptions({"leverage", "uniform"})],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        C: float = 1.0,
        *,
        kernel: str | Callable[..., float] = "rbf",
        gamma: float | Literal["scale", "auto", "median"] = "scale",
        degree: float = 3,
        coef0: float = 0.0,
        kernel_params: Mapping[str, Any] | None = None,
        fit_intercept: bool = True,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        solver: Literal["auto", "exact", "ivm", "nystroem"] = "auto",
        sampling: Literal["leverage", "uniform"] = "leverage",
        n_components: int = 1000,
        random_state: int | np.random.RandomState | None = None,
        max_iter: int = 100,
        tol: float = 1e-8,
        warm_start: bool = False,
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
        self.sampling = sampling
        self.n_components = n_components
        self.random_state = random_state
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose

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
        rows = self._training_rows(X, y, sample_weight)
        check_classification_targets(rows.y)
        self._fit_rows(rows, self.C)
        self._warn_if_separable()
        return self

    def _fit_rows(self, rows: TrainingRows, C: float, start: Start | None = None) -> Self:
        weights = C * rows.class_weights(self.class_weight)
        n = len(rows.codes)
        with blas_threads().limit(limits=self._n_threads(n), user_api="blas"):
            solution = self._solve(rows, weights, start)
        self._warn_if_short(solution)
        self._misfit = solution.misfit
        self._remember(rows, weights)
        self.dual_coef_ = np.ascontiguousarray(solution.dual_coef.T)
        self.intercept_, self.n_iter_ = solution.intercept, solution.n_iter
        return self

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

    def _n_threads(self, n: int) -> int | None:
        """One where a second burns time: few rows, or blocks streamed through the cache."""
        return 1 if n < SMALL or n > EXACT_ROWS else None

    def _centres(
        self, rows: TrainingRows, weights: np.ndarray, rng: np.random.RandomState
    ) -> np.ndarray | None:
        """Rows that carry the decision function; None for all of them and the exact solver."""
        n = len(rows.codes)
        if self.solver == "exact" or (self.solver == "auto" and n <= EXACT_ROWS):
            return None
        if self.solver == "ivm":
            return self._import_vectors(rows, weights, rng)
        if self.sampling == "uniform" or n <= self.n_components:
            return np.sort(rng.choice(n, min(self.n_components, n), replace=False))
        goes_on = getattr(self, "warm_start", False) and hasattr(self, "dual_coef_")
        last = places_in(rows.kept, self.support_) if goes_on else None
        if last is not None and len(last) == self.n_components:
            return last
        shares = self._leverages(rows, weights, rng)
        centres = rng.choice(n, self.n_components, replace=False, p=shares / shares.sum())
        return np.sort(centres)

    def _leverages(
        self, rows: TrainingRows, weights: np.ndarray, rng: np.random.RandomState
    ) -> np.ndarray:
        """How much of each row's kernel function the others leave open at this strength."""
        n = len(rows.codes)
        n_pilots = (
            min(PILOTS, max(MIN_POOL, self.n_components)) if callable(self.kernel) else PILOTS
        )
        few = np.sort(rng.choice(n, min(n, n_pilots), replace=False))
        everything = slice(0, len(few))
        K = self._pairs(self._centre_rows(rows, few), None).block(
            everything, everything, np.float64
        )
        if self.kernel == "precomputed":
            diagonal = np.asarray(rows.X.diagonal(), np.float64)
        else:
            diagonal = self._settled_kernel().diagonal(rows.X)
        flattest = FLATTEST * float(weights.mean())  # curvature of a loss
        try:
            return leverages(self._pairs(rows.X, few), K, diagonal, 1.0 / flattest)
        except FloatingPointError as error:
            raise NotAKernelError("symmetric and finite") from error

    def _import_vectors(self, rows: TrainingRows, weights: np.ndarray, rng: Any) -> np.ndarray:
        n = len(rows.codes)
        n_pool = max(MIN_POOL, min(MAX_POOL, POOL_BYTES // (4 * n)))
        pool = np.arange(n) if n <= n_pool else np.sort(rng.choice(n, n_pool, replace=False))
        dtype = np.float64 if n <= MAX_POOL else np.float32
        left = finite_kernel(self._pairs(rows.X, pool), n, len(pool), dtype)
        chosen = import_vectors(
            left,
            pool,
            rows.targets,
            weights,
            limit=self.n_components,
            fit_intercept=self.fit_intercept,
        )
        return np.sort(pool[chosen])

    def _solve(self, rows: TrainingRows, weights: np.ndarray, start: Start | None) -> Solution:
        """Run the solver and turn its failures into words."""
        options, is_trusted = self._options(), self._is_trusted()
        with self._kernel_failures():
            rng = check_random_state(self.random_state)
            centres = self._centres(rows, weights, rng)
            start = self._start(rows, centres) if centres is not None or start is None else start
            self._keep_support(rows, centres)
            pairs = self._pairs(rows.X, centres)
            if centres is None:
                exact = Exact(pairs, self._settled_kernel().is_bounded, is_trusted)
                return exact.solve(rows.targets, weights, options, start)
            return OnCentres(
                pairs,
                self._pairs(self._centre_rows(rows, centres), None),
                len(centres),
                is_trusted,
                rng,
            ).solve(rows.targets, weights, options, start)

    def _options(self) -> Options:
        report = _print_step if self.verbose else None
        return Options(self.fit_intercept, self.max_iter, self.tol, report)

    def _centre_rows(self, rows: TrainingRows, centres: np.ndarray) -> Any:
        X = rows.X[centres]
        return X[:, centres] if self.kernel == "precomputed" else X

    def _start(self, rows: TrainingRows, centres: np.ndarray | None) -> Start | None:
        """The last solution, if the same rows carry it and the user wants to go on from it."""
        if not (getattr(self, "warm_start", False) and hasattr(self, "dual_coef_")):
            return None
        support = rows.kept if centres is None else rows.kept[centres]
        same_rows = np.array_equal(self.support_, support)
        same_classes = self.dual_coef_.shape[0] == rows.targets.shape[1]
        return Start(self.dual_coef_.T, self.intercept_) if same_rows and same_classes else None

    def _warn_if_short(self, solution: Solution) -> None:
        """Warn when the steps ran out, or the digits did so early that it matters."""
        out_of_steps = solution.n_iter == self.max_iter
        if solution.is_settled:
            return
        if solution.residual > (self.tol if out_of_steps else max(self.tol, ACCEPTED_STALL)):
            warnings.warn(
                f"{owner_of(self)}: stopped after {solution.n_iter} steps at a gradient of "
                f"{solution.residual:.1e}, above tol={self.tol:.1e}. Increase max_iter or lower C.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _warn_if_separable(self) -> None:
        """Warn when the kernel tells all rows apart and only C bounds the scores."""
        if self._misfit < SEPARATED:
            warnings.warn(
                f"{owner_of(self)}: the kernel separates the classes: every training row has its "
                f"own class with a probability above {1 - SEPARATED}. The scores are as large as C "
                f"allows, so the probabilities say little. Lower C, got {self.C!r}, or choose it "
                "on rows held out.",
                stacklevel=3,
            )


def _print_step(n_steps: int, objective: float, residual: float) -> None:
    """Print a line of progress, as scikit-learn does for ``verbose``."""
    line = f"step {n_steps:3d}  objective {objective:.10g}  gradient {residual:.1e}"
    print(f"[KernelLogisticRegression] {line}")  # noqa: T201, since verbose=True asks for it
