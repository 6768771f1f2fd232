"""Forests of classes: encoding of the targets, weights of the classes, probabilities."""

from typing import TYPE_CHECKING, Any, ClassVar
from warnings import warn

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import compute_class_weight, compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_y

from skextras.forest.base import BaseForest

if TYPE_CHECKING:
    from skextras.trees.forest_targets import Targets


class ClassForest(ClassifierMixin, BaseForest):
    """Shell of what predicts classes; abstract."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseForest._parameter_constraints,
        "criterion": [StrOptions({"gini", "entropy", "log_loss"})],
        "bootstrap": ["boolean", StrOptions({"stratified"})],
        "class_weight": [StrOptions({"balanced", "balanced_subsample"}), dict, list, None],
    }
    classes_: Any
    n_classes_: Any

    # ------------------------------------------------------------ fit
    def _check_y(self, y: Any) -> np.ndarray:
        checked: np.ndarray = np.asarray(_check_y(y, multi_output=True, estimator=self))
        return checked

    def _encode_y(self, y: np.ndarray) -> "Targets":
        from skextras.trees.forest_targets import Targets

        check_classification_targets(y)
        self._check_out_of_bag(y)
        classes, labels = zip(
            *(np.unique(column, return_inverse=True) for column in y.T), strict=True
        )
        if self._goes_on and self.n_estimators > self._forest.n_trees:
            self._check_same(classes)
        self._all_classes = list(classes)
        is_one = len(classes) == 1
        self.classes_ = classes[0] if is_one else list(classes)
        sizes = [len(own) for own in classes]
        self.n_classes_ = sizes[0] if is_one else sizes
        return Targets.of_classes(np.column_stack(labels), sizes)

    def _check_same(self, classes: tuple[np.ndarray, ...]) -> None:
        known = self._all_classes
        if len(known) == len(classes) and all(map(np.array_equal, known, classes)):
            return
        raise ValueError(
            f"{type(self).__name__}: y must hold the classes of the last fit with warm_start=True, "
            f"got {classes} in place of {known}. Fit once with warm_start=False."
        )

    def _check_out_of_bag(self, y: np.ndarray) -> None:
        kind = type_of_target(y)
        if self.oob_score and kind in {"unknown", "multiclass-multioutput"}:
            raise ValueError(
                "The type of target cannot be used to compute OOB estimates. Got "
                f"{kind} while only the following are supported: continuous, "
                "continuous-multioutput, binary, multiclass, multilabel-indicator."
            )

    def _weigh(self, weight: np.ndarray | None, y: np.ndarray) -> np.ndarray | None:
        expanded = self._class_weights(weight, y)
        if expanded is None or weight is None:
            return weight if expanded is None else expanded
        return weight * expanded

    def _class_weights(self, weight: np.ndarray | None, y: np.ndarray) -> np.ndarray | None:
        """Weight of each row by its classes."""
        asked: Any = self.class_weight
        if asked is None:
            return None
        if isinstance(asked, str):
            if self.warm_start:
                warn(
                    'class_weight presets "balanced" or "balanced_subsample" are not recommended '
                    "for warm_start if the fitted data differs from the full dataset. In order to "
                    'use "balanced" weights, use compute_class_weight ("balanced", classes, y). In '
                    "place of y you can use a large enough sample of the full training set target "
                    "to properly estimate the class frequency distributions. Pass the resulting "
                    "weights as the class_weight parameter.",
                    stacklevel=4,
                )
            if asked == "balanced_subsample" and self.bootstrap:
                return None  # each sample finds its own
            asked = [
                self._balanced(own, column, weight)
                for own, column in zip(self._all_classes, y.T, strict=True)
            ]
            asked = asked[0] if len(asked) == 1 else asked
        expanded: np.ndarray = compute_sample_weight(asked, y)
        return expanded

    @staticmethod
    def _balanced(
        classes: np.ndarray, y: np.ndarray, weight: np.ndarray | None
    ) -> dict[Any, float]:
        found = compute_class_weight("balanced", classes=classes, y=y, sample_weight=weight)
        return dict(zip(classes, found, strict=True))

    def _monotonic(self) -> np.ndarray | None:
        monotonic = super()._monotonic()
        if monotonic is not None and len(self._all_classes[0]) > 2:
            raise ValueError(
                "Monotonicity constraints are not supported with multiclass classification"
            )
        return monotonic

    def _set_oob_score_and_attributes(
        self, predictions: np.ndarray, y: np.ndarray, score: Any
    ) -> None:
        shares = np.stack(self._shares(predictions), axis=-1)  # (n, n_classes, n_outputs)
        is_one = shares.shape[-1] == 1
        self.oob_decision_function_ = shares[..., 0] if is_one else shares
        best = np.argmax(shares, axis=1)
        codes = [
            np.searchsorted(own, column) for own, column in zip(self._all_classes, y.T, strict=True)
        ]
        self.oob_score_ = (score or accuracy_score)(np.column_stack(codes), best)

    def _lanes(self, y: np.ndarray) -> np.ndarray:
        """Indicators of the classes, as the values of nodes are: of two the second's alone."""
        if [len(own) for own in self._all_classes] == [2]:
            return np.asarray(y == self._all_classes[0][1], np.float64)
        found = [column[:, None] == own for own, column in zip(self._all_classes, y.T, strict=True)]
        return np.concatenate(found, axis=1).astype(np.float64)

    # ------------------------------------------------------------ predictions
    def _shares(self, raw: np.ndarray) -> list[np.ndarray]:
        """Probabilities of each output out of the lanes."""
        sizes = [len(own) for own in self._all_classes]
        if sizes == [2]:
            return [np.column_stack([1.0 - raw[:, 0], raw[:, 0]])]
        return np.split(raw, np.cumsum(sizes)[:-1], axis=1)

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of the classes: means of the trees' shares.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or a list of them
            In the order of ``classes_``; a list for several outputs.
        """
        shares = self._shares(self._raw_predict(X))
        return shares[0] if len(shares) == 1 else shares

    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of the probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or a list of them
            In the order of ``classes_``.
        """
        with np.errstate(divide="ignore"):
            logs = [np.log(share) for share in self._shares(self._raw_predict(X))]
        return logs[0] if len(logs) == 1 else logs

    def predict(self, X: Any) -> np.ndarray:
        """Predict the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The most probable class, the first of several.
        """
        shares = self._shares(self._raw_predict(X))
        found = [
            own.take(np.argmax(share, axis=1), axis=0)
            for own, share in zip(self._all_classes, shares, strict=True)
        ]
        return np.asarray(found[0]) if len(found) == 1 else np.column_stack(found)

    def __sklearn_tags__(self) -> Any:
        """Several outputs of classes."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
