"""What a fitted forest tells of itself: trees, samples, leaves, importances, Shapley values."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from skextras.forest.paths import decision_path
from skextras.forest.samples import SampleMixin
from skextras.forest.tree_nodes import tree_gains

if TYPE_CHECKING:
    from skextras.trees.arrays import Tree


class ForestMixin(SampleMixin):
    """Methods of fitted forests."""

    _tree_type: ClassVar[Any]

    @property
    def estimators_(self) -> list[Any]:
        """The trees, each a fitted estimator of its own.

        Returns
        -------
        list of estimator
            Views of the forest, made when asked for.
        """
        if "_forest" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute 'estimators_' before it is fitted"
            )
        return [self._tree_type.of(self, number) for number in range(self._forest.n_trees)]

    @property
    def estimator(self) -> Any:
        """What each tree is, before it is fitted.

        Returns
        -------
        estimator
            With its own defaults.
        """
        return self._tree_type()

    estimator_ = estimator

    def __len__(self) -> int:
        """Number of trees."""
        return self._forest.n_trees

    def __getitem__(self, number: int) -> Any:
        """A tree of the forest."""
        return self.estimators_[number]

    def __iter__(self) -> Iterator[Any]:
        """The trees, one after the other."""
        return iter(self.estimators_)

    @property
    def estimators_samples_(self) -> list[np.ndarray]:
        """Rows that each tree saw, repeated as they were drawn.

        Returns
        -------
        list of ndarray of int32
            Drawn again from the trees' seeds when asked for.
        """
        check_is_fitted(self)
        rows = np.arange(self._sampled.n_rows, dtype=np.int32)
        return [np.repeat(rows, self._sampled.counts(seed)) for seed in self._seeds]

    @property
    def feature_importances_(self) -> np.ndarray:
        """Share of each feature in the impurity that splits take away, a mean over the trees.

        Returns
        -------
        ndarray of shape (n_features,)
            Sums to 1, or is 0 throughout if nothing was split.
        """
        check_is_fitted(self)
        gains = tree_gains(self._forest, self.n_features_in_)
        gains = gains[np.diff(self._forest.offset) > 1]
        totals = gains.sum(axis=1, keepdims=True)
        if not len(gains):
            return np.zeros(self.n_features_in_)
        shares = np.divide(gains, totals, out=np.zeros_like(gains), where=totals > 0).mean(axis=0)
        total = shares.sum()
        return np.asarray(shares / total) if total > 0 else shares

    def apply(self, X: Any) -> np.ndarray:
        """Leaf of each row in each tree.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of int64 of shape (n_samples, n_estimators)
            Node numbers.
        """
        return self._apply(X).astype(np.int64)

    def decision_path(self, X: Any) -> tuple[sparse.csr_matrix, np.ndarray]:
        """Nodes that rows pass.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        indicator : csr_matrix of shape (n_samples, n_nodes)
            1 for a node that is passed; the trees' nodes side by side.
        n_nodes_ptr : ndarray of int64 of shape (n_estimators + 1,)
            Where each tree's nodes begin.
        """
        leaves = self._apply(X)
        return decision_path(self._forest, leaves)

    def _tree(self, number: int) -> "Tree":
        """A tree with all that is known of its nodes, for pictures."""
        check_is_fitted(self)
        n_trees = len(self)
        if not -n_trees <= number < n_trees:
            raise IndexError(
                f"{type(self).__name__}: number must be below {n_trees}, the number of trees, got "
                f"{number}. Count from 0."
            )
        return self._forest.tree(number % n_trees).ensemble(self._mapper).trees[0]

    @property
    def _category_names(self) -> tuple[list[Any] | None, ...]:
        return self._encoder.category_names

    # ------------------------------------------------------------ Shapley values
    def shap_values(self, X: Any, *, background: Any = None) -> np.ndarray:
        """Exact Shapley values of the prediction.

        They and ``shap_expected_value`` sum to the prediction: to the regressor's, to the
        probability of the second class where there are two, else to the probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows to explain.
        background : table of shape (n_background, n_features), default=None
            Rows whose values stand in for features that are left out (interventional); None follows
            both ways of a split by their training rows instead (path-dependent).

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, n_features, n_values)
            Share of each feature in each prediction.
        """
        values = self._shap(background).values(self._numbers(X), self._n_threads())
        return values[..., 0] if values.shape[-1] == 1 else values

    def shap_expected_value(self, *, background: Any = None) -> float | np.ndarray:
        """Prediction of which nothing is known, to which ``shap_values`` add.

        Parameters
        ----------
        background : table of shape (n_background, n_features), default=None
            As in ``shap_values``.

        Returns
        -------
        float or ndarray of shape (n_values,)
            The mean over the background, or over the training rows.
        """
        expected = self._shap(background).expected_value
        return float(expected[0]) if len(expected) == 1 else expected

    def _shap(self, background: Any) -> Any:
        from skextras.trees.prediction import Predictor
        from skextras.trees.shap import TreeShap  # compiles its kernels once

        check_is_fitted(self)
        numbers = None if background is None else self._numbers(background)
        predictor = Predictor(self._forest.ensemble(self._mapper), self._mapper)
        return TreeShap(predictor, numbers)

    def _numbers(self, X: Any) -> np.ndarray:
        return np.concatenate(list(self._blocks(X)))
