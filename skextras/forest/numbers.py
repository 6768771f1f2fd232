"""Forests of numbers."""

from typing import TYPE_CHECKING, Any, ClassVar
from warnings import warn

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_y

from skextras.forest.base import BaseForest

if TYPE_CHECKING:
    from skextras.trees.forest_targets import Targets

CRITERIA = ("squared_error", "absolute_error", "friedman_mse", "poisson")


class NumberForest(RegressorMixin, BaseForest):
    """Shell of what predicts numbers; abstract."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseForest._parameter_constraints,
        "criterion": [StrOptions(set(CRITERIA))],
    }

    def _check_y(self, y: Any) -> np.ndarray:
        checked = _check_y(y, multi_output=True, y_numeric=True, estimator=self)
        return np.asarray(checked, np.float64)

    def _encode_y(self, y: np.ndarray) -> "Targets":
        from skextras.trees.forest_targets import Targets

        if self.criterion == "friedman_mse":
            warn(
                'The "friedman_mse" criterion finds the splits of "squared_error". Ask for that '
                "one.",
                FutureWarning,
                stacklevel=3,
            )
        if self.criterion == "poisson" and (y < 0).any():
            raise ValueError(
                "Some value(s) of y are negative which is not allowed for Poisson regression."
            )
        if self.criterion == "poisson" and y.sum() <= 0:
            raise ValueError(
                "Sum of y is not strictly positive which is necessary for Poisson regression."
            )
        return Targets.of_numbers(y)

    def _set_oob_score_and_attributes(
        self, predictions: np.ndarray, y: np.ndarray, score: Any
    ) -> None:
        is_one = predictions.shape[1] == 1
        self.oob_prediction_ = predictions[:, 0] if is_one else predictions
        y = y[:, 0] if is_one else y
        self.oob_score_ = (score or r2_score)(y, self.oob_prediction_)

    def predict(self, X: Any) -> np.ndarray:
        """Predict the target.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Means over the trees.
        """
        raw = self._raw_predict(X)
        return raw[:, 0] if raw.shape[1] == 1 else raw

    def _compute_partial_dependence_recursion(
        self, grid: np.ndarray, target_features: np.ndarray
    ) -> np.ndarray:
        """What scikit-learn's partial dependence asks for."""
        from skextras.trees.partial_dependence import partial_dependence
        from skextras.trees.prediction import Predictor

        predictor = Predictor(self._forest.ensemble(self._mapper), self._mapper)
        grid = np.asarray(grid, np.float64)
        means = partial_dependence(predictor, grid, [int(f) for f in target_features])
        return np.ascontiguousarray(means[:, 0])
