"""What all selectors share: rows as they are read, the kind of target, importances of models."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from skextras.tables.weights import row_weights
from skextras.trees.canonical import bits_of, canonical, row_keys, stored_row_keys

TASKS = ("auto", "classification", "regression")
CLASSES = ("binary", "multiclass")
ALL = slice(None)


@dataclass(frozen=True)
class Rows:
    """Training rows in an order that neither order nor repetition of the given ones moves.

    Attributes
    ----------
    X : ndarray or csr_array of float64 of shape (n, d)
        Features; as sparse as they came.
    y : ndarray of shape (n,)
        Numbers, or the places of the classes among ``classes``.
    weight : ndarray of float64 of shape (n,)
        Repetitions, all above 0.
    classes : ndarray or None
        Labels, ascending; None for a number.
    """

    X: Any
    y: np.ndarray
    weight: np.ndarray
    classes: np.ndarray | None

    @property
    def share(self) -> np.ndarray:
        """Weights that sum to 1.

        Returns
        -------
        ndarray of shape (n,)
            Shares.
        """
        return self.weight / self.weight.sum()

    @property
    def given_weight(self) -> np.ndarray | None:
        """Weights where there are some.

        Returns
        -------
        ndarray of shape (n,) or None
            None if all are 1, for models that take no weights.
        """
        return None if (self.weight == 1).all() else self.weight

    @property
    def labels(self) -> np.ndarray:
        """The target in the user's words.

        Returns
        -------
        ndarray of shape (n,)
            Numbers or labels.
        """
        return self.y if self.classes is None else self.classes[self.y]

    def part(self, rows: np.ndarray) -> "Rows":
        """Some of the rows.

        Parameters
        ----------
        rows : ndarray of int64
            Which.

        Returns
        -------
        Rows
            With the same classes.
        """
        return Rows(self.X[rows], self.y[rows], self.weight[rows], self.classes)

    def targets(self) -> np.ndarray:
        """What one-against-rest models learn.

        Returns
        -------
        ndarray of float64 of shape (k, n)
            The number itself; for two classes whether it is the second; for more, whether it is
            each.
        """
        if self.classes is None:
            return self.y[None]
        if len(self.classes) == 2:
            return self.y[None].astype(np.float64)
        return (self.y == np.arange(len(self.classes))[:, None]).astype(np.float64)


class BaseSelector(SelectorMixin, BaseEstimator):
    """Selector that has read its rows and tells ``support_``."""

    support_: np.ndarray
    task: str
    _score_name: ClassVar[str]  # what a picture calls them
    _path_names: ClassVar[tuple[str, str]]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = self._takes_nan()
        tags.input_tags.sparse = self._takes_sparse()
        return tags

    def _takes_nan(self) -> bool:
        return False

    def _takes_sparse(self) -> bool:
        return True

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self, "support_")
        return self.support_

    def _read(self, X: Any, y: Any, sample_weight: Any) -> Rows:
        """Validate, drop rows of weight 0, merge equal ones."""
        if sparse.issparse(X) and not self._takes_sparse():
            raise TypeError(
                f"{type(self).__name__}: X must be dense for this estimator, got sparse "
                f"{type(X).__name__}. Pass X.toarray(), or an estimator that takes it sparse."
            )
        finite: Any = "allow-nan" if self._takes_nan() else True
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=np.float64,
            ensure_all_finite=finite,
            ensure_min_samples=2,
        )
        weight = row_weights(sample_weight, X.shape[0])
        if weight is None:
            weight = np.ones(X.shape[0])
        elif not weight.all():
            X, y, weight = X[weight > 0], y[weight > 0], weight[weight > 0]
        if sparse.issparse(X):
            X = sparse.csr_array(X, copy=not X.has_canonical_format)
            X.sum_duplicates()
        y, classes = self._target(y)
        found = canonical([_keys(X), bits_of(y)], weight)
        return Rows(X[found.rows], y[found.rows], found.weight, classes)

    def _keep_some(self, support: np.ndarray, scores: np.ndarray, n_least: int) -> np.ndarray:
        """The selection, with the highest scores added where it is smaller than it may be."""
        if n_least > len(support):
            raise ValueError(
                f"{type(self).__name__}: min_features_to_select must be at most {len(support)}, as "
                f"many as X has, got {n_least}. 1 lets a pipeline go on, 0 lets none be selected."
            )
        if support.sum() >= n_least:
            return support
        kept = support.copy()
        kept[np.lexsort([-scores, ~support])[:n_least]] = True
        return kept

    def _target(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The target as numbers, or as places of its classes."""
        owner = type(self).__name__
        if self.task not in TASKS:
            raise ValueError(
                f"{owner}: task must be one of {', '.join(TASKS)}, got {self.task!r}. "
                "'auto' takes whole numbers and strings for classes."
            )
        kind = type_of_target(y, input_name="y")
        is_number = self.task == "regression" or (self.task == "auto" and kind == "continuous")
        if is_number:
            return np.asarray(y, np.float64), None
        if kind not in CLASSES:
            raise ValueError(
                f"{owner}: y must hold classes for classification. Unknown label type: {kind!r}. "
                "Pass task='regression' for numbers."
            )
        classes, places = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"{owner}: y must hold at least 2 classes, got one class: {classes.tolist()[0]!r}. "
                "Check the labels and the weights."
            )
        return places, classes


def _keys(X: Any) -> np.ndarray:
    """A word for each row, the same for a dense table and a sparse one."""
    if not sparse.issparse(X):
        return row_keys(((ALL, column) for column in X.T), len(X))
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    keys: np.ndarray = stored_row_keys(rows, X.indices, X.data, X.shape[0])
    return keys


def importances_of(
    model: Any, getter: str | Callable[[Any], Any], n_features: int, owner: str
) -> np.ndarray:
    """How much each feature matters to a fitted model.

    Parameters
    ----------
    model : estimator
        Fitted.
    getter : "auto", str or callable
        "auto" takes ``coef_`` or ``feature_importances_``; a name, with dots, any attribute; a
        callable is given the model.
    n_features : int
        How many there are.
    owner : str
        Who asks, for messages.

    Returns
    -------
    ndarray of float64 of shape (n_features,)
        Not negative; coefficients of several targets are added up by size.

    Raises
    ------
    ValueError
        If there is no such thing, or it is not one number a feature.
    """
    if callable(getter):
        found = getter(model)
    elif getter != "auto":
        found = attrgetter(getter)(model)
    else:
        last = model.steps[-1][1] if hasattr(model, "steps") else model
        found = getattr(last, "coef_", None)
        found = getattr(last, "feature_importances_", None) if found is None else found
    found = np.abs(np.asarray(np.nan if found is None else found, np.float64))
    if found.ndim == 2:
        found = found.sum(axis=0)
    if found.shape != (n_features,):
        raise ValueError(
            f"{owner}: importance_getter must find one number for each of {n_features} features, "
            f"got {found.shape} from {type(model).__name__}. Use a model that has coef_ or "
            "feature_importances_ after fit, or pass a callable."
        )
    return found
