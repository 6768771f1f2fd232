"""What estimators with a kernel share: their rows, their kernel, the decision function."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import Tags, column_or_1d, compute_class_weight
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from skextras.kernel.kernels import (
    Kernel,
    MatrixPairs,
    NotAKernelError,
    Pairs,
    takes_gamma,
)
from skextras.kernel.threads import blas_threads
from skextras.kernel.widths import Width, settled_gamma

__all__ = ["KernelMixin", "TrainingRows", "owner_of"]

TABLE: dict[str, Any] = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}
PREDICT_BYTES = 2**23  # of a block of kernel values; it stays in cache


class TrainingRows:
    """Rows of positive weight, their classes as numbers, and their weights.

    Parameters
    ----------
    X : ndarray, sparse matrix or array of objects, n rows
        Rows, or their kernel.
    y : ndarray of shape (n,)
        Labels.
    weights : ndarray of shape (n,), not negative
        Weights.
    is_pairwise : bool
        Whether X is a kernel.
    """

    def __init__(self, X: Any, y: np.ndarray, weights: np.ndarray, *, is_pairwise: bool) -> None:
        self.given = X, y, weights
        self.kept = np.flatnonzero(weights)
        if len(self.kept) < len(weights):  # (else a table in a file is not read)
            X, y, weights = X[self.kept], y[self.kept], weights[self.kept]
            X = X[:, self.kept] if is_pairwise else X
        self.X, self.y, self.weights = X, y, weights
        self.classes, self.codes = np.unique(y, return_inverse=True)

    def class_weights(self, class_weight: Any) -> np.ndarray:
        """Weight each row by its class, too.

        Parameters
        ----------
        class_weight : dict, "balanced" or None
            As given by the user.

        Returns
        -------
        ndarray of shape (n,)
            The product of both weights.

        Raises
        ------
        ValueError
            If a class has no positive weight.
        """
        if class_weight is None:
            return self.weights
        by_class = compute_class_weight(
            class_weight, classes=self.classes, y=self.y, sample_weight=self.weights
        )
        if not (np.isfinite(by_class).all() and by_class.min() > 0):
            raise ValueError(
                f"KernelLogisticRegression: class_weight must be positive, got {class_weight!r}. "
                "Leave rows out by a sample_weight of 0."
            )
        return self.weights * by_class[self.codes]

    @property
    def targets(self) -> np.ndarray:
        """Membership of the second of two classes, or one-hot rows.

        Returns
        -------
        ndarray of shape (n, 1) or (n, n_classes)
            Of 0 and 1.
        """
        k = len(self.classes)
        return (self.codes[:, None] if k == 2 else np.eye(k)[self.codes]).astype(np.float64)


class KernelMixin:
    """Options of a kernel, rows that it takes, and a decision function in its span."""

    kernel: str | Callable[..., float]
    gamma: Width
    degree: float
    coef0: float
    kernel_params: Mapping[str, Any] | None
    classes_: np.ndarray
    dual_coef_: np.ndarray
    intercept_: np.ndarray
    support_: np.ndarray
    gamma_: float | None
    X_fit_: Any

    def __sklearn_tags__(self) -> Tags:
        """Rows may be sparse; a precomputed kernel is pairwise; chi2 needs positive features."""
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = self.kernel == "precomputed"
        tags.input_tags.positive_only = self.kernel in ("chi2", "additive_chi2")
        return tags

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
        return self._scores(self._checked_rows(X))

    def _scores(self, X: Any) -> np.ndarray:
        n, (k, m) = X.shape[0], self.dual_coef_.shape
        scores = np.empty((n, k))
        pairs, everything = self._pairs_with_support(X), slice(0, m)
        n_block = max(1, PREDICT_BYTES // (8 * m))
        # Blocks stay in cache: a second thread would mostly wait, at the full price of a core.
        with self._kernel_failures(), blas_threads().limit(limits=1, user_api="blas"):
            for start in range(0, n, n_block):
                rows = slice(start, min(start + n_block, n))
                block = pairs.block(rows, everything, np.float64)
                scores[rows] = block @ self.dual_coef_.T
        scores += self.intercept_
        return scores[:, 0] if k == 1 else scores

    def _checked_rows(self, X: Any) -> Any:
        """X as solvers take it, checked against the rows of fit."""
        objects = _objects(X) if callable(self.kernel) else None
        if objects is not None:
            return objects
        return _doubled(validate_data(self, X, reset=False, **TABLE))

    def _training_rows(
        self, X: Any, y: Any, sample_weight: Any, *, gamma: Width | None = None
    ) -> TrainingRows:
        objects = _objects(X) if callable(self.kernel) else None
        if objects is None:
            X, y = validate_data(self, X, y, **TABLE)
            X = _doubled(X)
        else:
            X, y = objects, column_or_1d(y, warn=True)
        if len(y) != X.shape[0]:
            raise ValueError(
                f"{owner_of(self)}: y must have one label a row, got {len(y)} labels for "
                f"{X.shape[0]} rows. Pass both of the same length."
            )
        if self.kernel == "precomputed" and X.shape[0] != X.shape[1]:
            raise ValueError(
                f"{owner_of(self)}: X must be square for kernel='precomputed', got "
                f"{X.shape[0]} rows and {X.shape[1]} columns. Pass the kernel of the training rows."
            )
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        rows = TrainingRows(X, y, weights, is_pairwise=self.kernel == "precomputed")
        if len(rows.classes) < 2:
            raise ValueError(
                f"{owner_of(self)}: y must hold at least 2 classes, got one class: "
                f"{rows.classes.tolist()[0]!r}. Check the labels and the weights."
            )
        self.classes_ = rows.classes
        self.gamma_ = self._settled_width(rows, self.gamma if gamma is None else gamma)
        return rows

    def _settled_width(self, rows: TrainingRows, gamma: Width) -> float | None:
        if not takes_gamma(self.kernel):
            return None
        return settled_gamma(gamma, rows.X, rows.weights, name=self.kernel)

    def _is_trusted(self) -> bool:
        """Whether the kernel is known to be symmetric."""
        return not callable(self.kernel) and self.kernel != "precomputed"

    def _keep_support(self, rows: TrainingRows, centres: np.ndarray | None) -> None:
        """Remember the rows that carry the decision function."""
        self.support_ = rows.kept if centres is None else rows.kept[centres]
        if self.kernel != "precomputed":
            self.X_fit_ = rows.X if centres is None else rows.X[centres]

    def _settled_kernel(self) -> Kernel:
        named = {"gamma": self.gamma_, "degree": self.degree, "coef0": self.coef0}
        return Kernel(self.kernel, (self.kernel_params or {}) if callable(self.kernel) else named)

    def _pairs(self, X: Any, centres: np.ndarray | None) -> Pairs:
        """Kernel of training rows with one another, or with some of them."""
        if self.kernel == "precomputed":
            return MatrixPairs(X if centres is None else X[:, centres])
        return self._settled_kernel().pairs(X, X if centres is None else X[centres])

    def _pairs_with_support(self, X: Any) -> Pairs:
        if self.kernel == "precomputed":
            whole = len(self.support_) == X.shape[1]
            return MatrixPairs(X if whole else X[:, self.support_])
        return self._settled_kernel().pairs(X, self.X_fit_)

    @contextmanager
    def _kernel_failures(self) -> Iterator[None]:
        """Turn the failures of solvers into words."""
        try:
            yield
        except NotAKernelError as error:
            raise ValueError(self._not_a_kernel(str(error))) from error
        except np.linalg.LinAlgError as error:
            raise ValueError(self._not_a_kernel("positive semi-definite")) from error

    def _not_a_kernel(self, what: str) -> str:
        return (
            f"{owner_of(self)}: kernel must be {what}, got {self.kernel!r}, which is not "
            "on these rows. Check the function or the matrix; 'rbf' and 'laplacian' always are."
        )


def owner_of(estimator: Any) -> str:
    """Name an estimator in a message.

    Parameters
    ----------
    estimator : object
        Any.

    Returns
    -------
    str
        The name of its class.
    """
    return type(estimator).__name__


def _doubled(X: Any) -> Any:
    """X in double precision if it is sparse; tables may stay single, and where they are."""
    return X.astype(np.float64) if sparse.issparse(X) else X


def _objects(X: Any) -> np.ndarray | None:
    """Rows that are no numbers as a column of objects; None for a table of numbers."""
    if sparse.issparse(X) or hasattr(X, "columns"):
        return None
    try:
        array = np.asarray(X)
        if array.ndim == 2 and array.dtype.kind not in "USO":
            return None
        array.astype(np.float64)
    except (TypeError, ValueError):
        objects = np.empty(len(X), dtype=object)
        objects[:] = list(X)
        return objects
    return None
