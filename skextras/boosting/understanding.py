"""What a boosted model has learnt: importances, Shapley values, leaves, trees in words."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skextras.tables import TableEncoder
from skextras.trees.arrays import Ensemble, Tree
from skextras.trees.text import tree_text

if TYPE_CHECKING:
    from skextras.trees.prediction import Predictor


class UnderstandingMixin:
    """Methods of fitted gradient boosting estimators; the shell brings the encoding of tables."""

    _encoder: TableEncoder
    _ensemble: Ensemble
    _predictor: "Predictor"
    n_features_in_: int

    def _numbers(self, X: Any) -> np.ndarray:
        raise NotImplementedError("UnderstandingMixin: _numbers is the shell's to define.")

    def _n_threads(self) -> int:
        raise NotImplementedError("UnderstandingMixin: _n_threads is the shell's to define.")

    @property
    def feature_importances_(self) -> np.ndarray:
        """Share of each feature in the gain of all splits.

        Returns
        -------
        ndarray of shape (n_features,)
            Sums to 1, or is 0 throughout if nothing was split.
        """
        return self.importances("gain")

    def importances(self, kind: Literal["gain", "split"] = "gain") -> np.ndarray:
        """Importance of each feature in training.

        Parameters
        ----------
        kind : {"gain", "split"}, default="gain"
            Share in the gain of all splits, or in their number.

        Returns
        -------
        ndarray of shape (n_features,)
            Sums to 1, or is 0 throughout if nothing was split.
        """
        check_is_fitted(self)
        if kind not in ("gain", "split"):
            raise ValueError(
                f"{type(self).__name__}: kind must be 'gain' or 'split', got {kind!r}. "
                "For an importance on held-out rows see sklearn.inspection.permutation_importance."
            )
        return self._ensemble.importances(self.n_features_in_, kind)

    def apply(self, X: Any) -> np.ndarray:
        """Leaf of each row in each tree.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of int32 of shape (n_samples, n_trees)
            Node numbers; for several classes the trees of a round stand side by side.
        """
        check_is_fitted(self)
        return self._predictor.apply(self._numbers(X), self._n_threads())

    def shap_values(self, X: Any, *, background: Any = None) -> np.ndarray:
        """Exact Shapley values of the raw prediction.

        They and ``shap_expected_value`` sum to ``decision_function``, or to the regressor's raw
        score.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows to explain.
        background : table of shape (n_background, n_features), default=None
            Rows whose values stand in for features that are left out (interventional); a hundred
            are usual. None follows both ways of a split by their training rows instead
            (path-dependent).

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, n_features, n_classes)
            Share of each feature in each prediction.
        """
        values = self._shap(background).values(self._numbers(X), self._n_threads())
        return values[..., 0] if values.shape[-1] == 1 else values

    def shap_interaction_values(self, X: Any) -> np.ndarray:
        """Exact Shapley interaction values, path-dependent.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows to explain.

        Returns
        -------
        ndarray of shape (n_samples, n_features, n_features) or with an axis of classes more
            Symmetric; a row of a sample's matrix sums to the feature's ``shap_values``.
        """
        values = self._shap(None).interaction_values(self._numbers(X), self._n_threads())
        return values[..., 0] if values.shape[-1] == 1 else values

    def shap_expected_value(self, *, background: Any = None) -> float | np.ndarray:
        """Raw prediction of which nothing is known, to which ``shap_values`` add.

        Parameters
        ----------
        background : table of shape (n_background, n_features), default=None
            As in ``shap_values``.

        Returns
        -------
        float or ndarray of shape (n_classes,)
            The mean over the background, or over the training rows.
        """
        expected = self._shap(background).expected_value
        return float(expected[0]) if len(expected) == 1 else expected

    def _shap(self, background: Any) -> Any:
        from skextras.trees.shap import TreeShap  # compiles its kernels once

        check_is_fitted(self)
        numbers = None if background is None else self._numbers(background)
        return TreeShap(self._predictor, numbers)

    def tree_text(self, number: int = 0) -> str:
        """A tree in words.

        Parameters
        ----------
        number : int, default=0
            Which tree; for several classes the trees of a round follow one another.

        Returns
        -------
        str
            A line a node: its condition, then gain or value, rows and weight.

        Raises
        ------
        IndexError
            If there is no such tree.
        """
        names = getattr(self, "feature_names_in_", None)
        return tree_text(self._tree(number), names, self._category_names)

    def _tree(self, number: int) -> Tree:
        check_is_fitted(self)
        n_trees = len(self._ensemble.trees)
        if not -n_trees <= number < n_trees:
            raise IndexError(
                f"{type(self).__name__}: number must be below {n_trees}, the number of trees, got "
                f"{number}. For several classes the trees of a round follow one another."
            )
        return self._ensemble.trees[number]

    @property
    def _category_names(self) -> tuple[list[Any] | None, ...]:
        return self._encoder.category_names

    def _compute_partial_dependence_recursion(
        self, grid: np.ndarray, target_features: np.ndarray
    ) -> np.ndarray:
        """What scikit-learn's partial dependence asks for; without the start value, as its own."""
        from skextras.trees.partial_dependence import partial_dependence

        grid = np.asarray(grid, np.float64)
        means = partial_dependence(self._predictor, grid, [int(f) for f in target_features])
        return np.ascontiguousarray((means - self._ensemble.start).T)
