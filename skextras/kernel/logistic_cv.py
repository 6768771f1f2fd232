"""Kernel logistic regression that chooses its regularisation and its kernel's width itself."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.base import _fit_context, clone
from sklearn.model_selection import check_cv
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.multiclass import check_classification_targets

from skextras.kernel.base import TrainingRows
from skextras.kernel.logistic import KernelLogisticRegression
from skextras.kernel.path import path_of
from skextras.kernel.solvers import Start

__all__ = ["KernelLogisticRegressionCV"]

LOO_ROWS = 5000  # whose leave-one-out takes matrices of 200 MB


class KernelLogisticRegressionCV(KernelLogisticRegression):
    r"""Kernel logistic regression with C, and gamma if asked, chosen on the training rows.

    Each C is fitted from the solutions for its neighbours. Its quality is the mean log probability
    of each label when its row is left out, which one fit gives to about 1e-3 nats [1]_; or the
    evidence, the probability of all labels under the Gaussian-process prior of covariance C K, by
    Laplace's approximation [2]_; or the mean log probability on the folds of a cross-validation. Of
    many C, leaving out and the evidence fit only as many as the curve of the scores over log C
    needs to be followed to about 1e-4 nats a row.

    Parameters
    ----------
    Cs : int or sequence of float, default=10
        Inverse regularisation strengths to try, each once; a number means so many from 1e-2 to 1e4
        on a logarithmic scale.
    gammas : sequence of float, "scale", "auto" or "median", default=None
        Widths of the kernel to try; None keeps ``gamma``.
    criterion : {"loo", "evidence"}, default="loo"
        What chooses where ``cv`` is None. Both need all rows at once, up to 5000.
    cv : int, splitter or None, default=None
        Folds, as in scikit-learn; None uses ``criterion``.
    kernel : str or callable, default="rbf"
        A name, function or object, as :class:`KernelLogisticRegression` takes it.
    gamma : {"scale", "auto", "median"} or float, default="scale"
        The kernel's coefficient where ``gammas`` is None, as there.
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
        How the Nyström solver draws centres, as :class:`KernelLogisticRegression` says.
    n_components : int, default=1000
        Rows drawn as centres by the Nyström solver; all of them if there are fewer.
    random_state : int, RandomState or None, default=None
        Decides which rows; the exact solver draws none.
    max_iter : int, default=100
        Newton steps at most; 4 to 12 are usual.
    tol : float, default=1e-8
        Stop when no entry of the gradient exceeds it, relative to the largest weighted C, or as
        :class:`KernelLogisticRegression` says for the Nyström solver.
    verbose : bool, default=False
        Whether to print a line for each Newton step.

    Attributes
    ----------
    C_ : float
        The chosen strength.
    Cs_ : ndarray of shape (n_Cs,)
        Those tried, rising.
    gamma_ : float or None
        The chosen width.
    gammas_ : list
        Those tried.
    scores_ : ndarray of shape (n_gammas, n_Cs)
        Mean log probability of a label, or the evidence, in nats; higher is better.
    best_score_ : float
        The highest.

    See Also
    --------
    KernelLogisticRegression : Has the other attributes; for given C and gamma.

    References
    ----------
    .. [1] Rad and Maleki, "A scalable estimate of the out-of-sample prediction error via
       approximate leave-one-out cross-validation", JRSS B 82(4), 2020.
    .. [2] Rasmussen and Williams, *Gaussian Processes for Machine Learning*, MIT Press, 2006,
       sections 3.4 and 5.5.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skextras import KernelLogisticRegressionCV
    >>> X, y = make_moons(noise=0.2, random_state=0)
    >>> model = KernelLogisticRegressionCV(gammas=[0.1, 1.0, 10.0]).fit(X, y)
    >>> model.gamma_
    1.0
    >>> model.scores_.shape
    (3, 10)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{
            name: kinds
            for name, kinds in KernelLogisticRegression._parameter_constraints.items()
            if name not in ("C", "warm_start")
        },
        "Cs": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "gammas": ["array-like", None],
        "criterion": [StrOptions({"loo", "evidence"})],
        "cv": ["cv_object"],
    }

    def __init__(
        self,
        Cs: int | Sequence[float] = 10,
        *,
        gammas: Sequence[Any] | None = None,
        criterion: Literal["loo", "evidence"] = "loo",
        cv: Any = None,
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
        verbose: bool = False,
    ) -> None:
        super().__init__(
            kernel=kernel,
            gamma=gamma,
            degree=degree,
            coef0=coef0,
            kernel_params=kernel_params,
            fit_intercept=fit_intercept,
            class_weight=class_weight,
            solver=solver,
            sampling=sampling,
            n_components=n_components,
            random_state=random_state,
            max_iter=max_iter,
            tol=tol,
            verbose=verbose,
        )
        del self.C, self.warm_start
        self.Cs, self.gammas, self.criterion, self.cv = Cs, gammas, criterion, cv

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Choose C and gamma, and fit with them.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows; the kernel matrix (n_samples, n_samples) if it is precomputed.
        y : array-like of shape (n_samples,)
            Class labels, two or more.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, in the fits and in the scores. None is 1 for all.

        Returns
        -------
        KernelLogisticRegressionCV
            The estimator itself.

        Raises
        ------
        ValueError
            If an option is out of range, the rows are too many for the criterion, or as in
            :class:`KernelLogisticRegression`.
        """
        self.Cs_ = np.logspace(-2, 4, self.Cs) if isinstance(self.Cs, Integral) else self._given()
        widths = self._widths()
        rows = self._training_rows(X, y, sample_weight, gamma=widths[0])
        check_classification_targets(rows.y)
        self.gammas_ = [self._settled_width(rows, width) for width in widths]
        paths = [self._path(rows, gamma) for gamma in self.gammas_]
        self.scores_ = np.array([scores for scores, _ in paths])
        width, strength = np.unravel_index(np.argmax(self.scores_), self.scores_.shape)
        self.best_score_ = float(self.scores_[width, strength])
        self.gamma_, self.C_ = self.gammas_[width], float(self.Cs_[strength])
        return self._fit_rows(rows, self.C_, paths[width][1](int(strength)))

    def _given(self) -> np.ndarray:
        Cs = np.unique(np.asarray(self.Cs, np.float64))
        if np.ndim(self.Cs) != 1 or len(Cs) == 0 or not (np.isfinite(Cs).all() and Cs[0] > 0):
            raise ValueError(
                f"KernelLogisticRegressionCV: Cs must be positive numbers, got {self.Cs!r}. "
                "Give a number of values or the values."
            )
        return Cs

    def _widths(self) -> list[Any]:
        widths = [self.gamma] if self.gammas is None else list(self.gammas)
        if not widths or not all(_is_width(width) for width in widths):
            raise ValueError(
                "KernelLogisticRegressionCV: gammas must be positive numbers, 'scale', 'auto' or "
                f"'median', got {self.gammas!r}. Give one or more, or None to keep gamma."
            )
        return widths

    def _path(
        self, rows: TrainingRows, gamma: float | None
    ) -> tuple[np.ndarray, Callable[[int], Start | None]]:
        """Scores of all C, and where to start the fit of one."""
        self.gamma_ = gamma
        if self.cv is not None:
            return self._scores_on_folds(rows, gamma), lambda _: None
        n = len(rows.codes)
        if n > LOO_ROWS:
            raise ValueError(
                f"KernelLogisticRegressionCV: cv must be given for more than {LOO_ROWS} rows, got "
                f"{n} rows and cv=None. Pass cv=5."
            )
        with self._kernel_failures():
            path = path_of(
                self._pairs(rows.X, None),
                rows.targets,
                rows.class_weights(self.class_weight),
                self.Cs_,
                criterion=self.criterion,
                options=self._options(),
                is_trusted=self._is_trusted(),
                score_weights=rows.weights,
            )
        return path.scores, path.start

    def _scores_on_folds(self, rows: TrainingRows, gamma: float | None) -> np.ndarray:
        """Mean log probability of the labels held out, by C."""
        X, y, weights = rows.given
        total, whole = np.zeros(len(self.Cs_)), 0.0
        for train, test in check_cv(self.cv, y, classifier=True).split(X, y):
            for place, model in enumerate(self._path_on(rows, train, gamma)):
                X_test, y_test = _safe_split(model, X, y, test, train)
                scores = np.atleast_1d(model.decision_function(X_test))
                codes = np.searchsorted(model.classes_, y_test)
                total[place] += weights[test] @ _log_probability(scores, codes)
            whole += weights[test].sum()
        return total / whole

    def _path_on(
        self, rows: TrainingRows, train: np.ndarray, gamma: float | None
    ) -> Iterator[KernelLogisticRegression]:
        own = KernelLogisticRegression().get_params(deep=False)
        shared = {name: value for name, value in self.get_params(False).items() if name in own}
        shared["gamma"] = self.gamma if gamma is None else gamma
        model = clone(KernelLogisticRegression(**shared)).set_params(warm_start=True, tol=1e-5)
        X, y, weights = rows.given
        X, y = _safe_split(model, X, y, train)
        few = model._training_rows(X, y, weights[train])
        for C in self.Cs_:
            yield model._fit_rows(few, C)


def _is_width(width: Any) -> bool:
    if isinstance(width, str):
        return width in ("scale", "auto", "median")
    return isinstance(width, Real) and 0.0 < float(width) < np.inf


def _log_probability(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Log probability of each row's class."""
    if scores.ndim == 1:
        return np.asarray(log_expit(np.where(codes == 1, scores, -scores)))
    return np.asarray(log_softmax(scores, axis=1)[np.arange(len(codes)), codes])
