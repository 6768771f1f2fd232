"""What a forest knows through its samples: importances out of the bag, proximities, errors."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skextras.forest.base import BaseForest

ROWS_AT_ONCE = 4096  # training rows whose samples are compared


class SampleMixin(BaseForest):
    """Methods of fitted forests that look at the trees' samples again."""

    def debiased_importances(self, X: Any, y: Any) -> np.ndarray:
        """Importances by the rows that each tree did not see: MDI-oob.

        Impurity favours features of many values, since a split on noise takes some of it away from
        the rows it was made for. From unseen rows it takes none on average, and noise scores 0.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            The training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.

        Returns
        -------
        ndarray of shape (n_features,)
            In units of impurity, a mean over the trees; may be negative.

        Raises
        ------
        ValueError
            If the forest has no bootstrap, or these are other rows.

        References
        ----------
        .. [1] X. Li et al., "A Debiased MDI Feature Importance Measure for Random Forests",
           NeurIPS 2019.
        """
        from skextras.trees.forest_leaves import unbiased_gains  # compiles its kernels once

        judged, targets = self._judged(X, y)
        total = np.zeros(self.n_features_in_)
        for tree, leaves, counts in judged:
            unseen = self._unseen(counts)
            own = leaves[unseen]
            lanes = [*targets[unseen].T, np.ones(len(unseen))]
            sums = np.column_stack([np.bincount(own, lane, len(tree.left)) for lane in lanes])
            value = tree.columns(self._mapper)["value"]
            gains = unbiased_gains(tree, value, self.n_features_in_, sums)
            total += gains / max(1, len(unseen))
        # Of two classes one is kept, where the impurity counts both.
        n_kept = 2 if is_classifier(self) and targets.shape[1] == 1 else 1
        return np.asarray(n_kept * total / (self._forest.n_trees * self.n_outputs_))

    def mdi_plus(
        self, X: Any, y: Any, *, score: Callable[[np.ndarray, np.ndarray], float] | None = None
    ) -> np.ndarray:
        """Importances by each tree as a linear model on its splits: MDI+, out of the bag.

        A split is a column of that model, which ridge regression fits to the rows that the tree
        saw. A feature is as important as its own columns, the others at their means, predict the
        rows that the tree did not see. The penalty is the one under which the whole model predicts
        these best. Of the paper's variants this is the one with unseen rows in place of rows left
        out one by one, and without the raw features as more columns.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            The training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        score : callable, default=None
            Takes ``(y_true, y_pred)`` of one output, or of the indicator of one class, and tells
            how alike they are; None is R².

        Returns
        -------
        ndarray of shape (n_features,)
            Mean score over the trees and outputs (classes, if more than two). R² is 0 or a little
            less for noise.

        Raises
        ------
        ValueError
            If the forest has no bootstrap, or these are other rows.

        References
        ----------
        .. [1] A. Agarwal, A. M. Kenney, Y. S. Tan, T. M. Tang and B. Yu, "MDI+: A Flexible Random
           Forest-Based Feature Importance Framework", 2023.
        """
        from skextras.trees.forest_stumps import fit_stumps, r_squared, stump_scores

        judged, targets = self._judged(X, y)
        found = []
        for tree, leaves, counts in judged:
            unseen = self._unseen(counts)
            if not len(unseen):
                continue
            for lane in targets.T:
                stumps = fit_stumps(
                    tree.left, tree.feature, leaves=leaves, counts=counts, targets=lane
                )
                rows = (leaves[unseen], lane[unseen])
                found.append(stump_scores(stumps, *rows, self.n_features_in_, score or r_squared))
        return np.mean(found, axis=0) if found else np.zeros(self.n_features_in_)

    def proximity(self, X: Any, Y: Any = None) -> np.ndarray:
        """Share of the trees in which two rows end in the same leaf.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.
        Y : table of shape (n_others, n_features), default=None
            Rows to compare them with; None for X itself.

        Returns
        -------
        ndarray of shape (n_samples, n_others)
            Between 0 and 1; a similarity, and a kernel.
        """
        check_is_fitted(self)
        left = self._leaf_indicator(X)
        right = left if Y is None else self._leaf_indicator(Y)
        shared: np.ndarray = (left @ right.T).toarray()
        return shared / self._forest.n_trees

    def _leaf_indicator(self, X: Any) -> sparse.csr_array:
        leaves = self._apply(X)
        n, n_trees = leaves.shape
        nodes = (leaves + self._forest.offset[:-1]).ravel()
        begins = np.arange(n + 1) * n_trees
        shape = (n, len(self._forest.feature))
        return sparse.csr_array((np.ones(len(nodes)), nodes, begins), shape=shape)

    def standard_error(self, X: Any) -> np.ndarray:
        """Standard error of the prediction, from the samples of the trees alone.

        The mean of the jackknife after bootstrap and of the infinitesimal jackknife, each less
        what the finite number of trees adds to it. A few hundred trees are needed.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_values)
            In units of the prediction: of the probability of the second class where there are two,
            else a value a class or output; 0 where the estimate is negative.

        Raises
        ------
        ValueError
            If the forest has no bootstrap.

        References
        ----------
        .. [1] S. Wager, T. Hastie and B. Efron, "Confidence Intervals for Random Forests: The
           Jackknife and the Infinitesimal Jackknife", JMLR 15, 2014.
        """
        self._check_bootstrap()
        leaves = self._apply(X)
        value = self._predictor.ensemble.joined().value
        said = value[leaves + self._forest.offset[:-1]]  # (n, n_trees, n_lanes)
        gaps = said - said.mean(axis=1, keepdims=True)
        flat = gaps.transpose(1, 0, 2).reshape(gaps.shape[1], -1)  # (n_trees, n * n_lanes)
        counts = np.array([self._sampled.counts(seed) for seed in self._seeds], np.float32)
        n_trees, n_rows = counts.shape
        jackknife = infinitesimal = np.zeros(flat.shape[1])
        for first in range(0, n_rows, ROWS_AT_ONCE):
            own = counts[:, first : first + ROWS_AT_ONCE].astype(np.float64)
            unseen = own == 0
            means = (unseen.T @ flat) / np.maximum(unseen.sum(axis=0), 1)[:, None]
            jackknife = jackknife + (means**2).sum(axis=0)
            shared = (own - own.mean(axis=0)).T @ flat / n_trees
            infinitesimal = infinitesimal + (shared**2).sum(axis=0)
        spread = (flat**2).sum(axis=0) / n_trees**2
        jackknife = (n_rows - 1) / n_rows * jackknife - (np.e - 1) * n_rows * spread
        infinitesimal = infinitesimal - n_rows * spread
        variance = np.maximum((jackknife + infinitesimal) / 2, 0.0)
        found: np.ndarray = np.sqrt(variance).reshape(len(leaves), -1)
        return found[:, 0] if found.shape[1] == 1 else found

    # ------------------------------------------------------------ parts
    def _check_bootstrap(self) -> None:
        check_is_fitted(self)
        if self._sampled.n_draws is None:
            raise ValueError(
                f"{type(self).__name__}: bootstrap must be True for rows out of the bag, got "
                f"{self.bootstrap!r}. Fit with samples."
            )

    def _judged(self, X: Any, y: Any) -> tuple[Iterator[tuple[Any, ...]], np.ndarray]:
        """Each tree, the leaves of the training rows, how often it saw them; their targets."""
        leaves = self._training_leaves(X).astype(np.int64)
        checked = self._check_y(y)
        checked = checked.reshape(len(checked), -1)
        check_consistent_length(leaves, checked)
        if checked.shape[1] != self.n_outputs_:
            raise ValueError(
                f"{type(self).__name__}: y must have as many columns as in fit, "
                f"{self.n_outputs_}, got {checked.shape[1]}. Pass the targets of fit."
            )
        targets = self._lanes(checked)
        trees = map(self._forest.tree, range(self._forest.n_trees))
        return zip(trees, leaves.T, map(self._sampled.counts, self._seeds), strict=True), targets

    def _unseen(self, counts: np.ndarray) -> np.ndarray:
        """Rows that a tree did not see, those of weight 0 left out."""
        places = np.sort(self._sampled.rows.places)
        return places[counts[places] == 0]

    def _training_leaves(self, X: Any) -> np.ndarray:
        self._check_bootstrap()
        leaves = self._apply(X)
        if len(leaves) != self._sampled.n_rows:
            raise ValueError(
                f"{type(self).__name__}: X must be the training rows, {self._sampled.n_rows} of "
                f"them, got {len(leaves)}. Pass the table of fit."
            )
        return leaves
