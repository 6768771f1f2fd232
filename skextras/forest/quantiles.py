"""Quantiles of a forest of numbers, from the training targets in its leaves."""

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skextras.forest.numbers import NumberForest

if TYPE_CHECKING:
    from skextras.trees.forest_leaves import LeafRows

ROWS_AT_ONCE = 256  # whose training rows are sorted together


class QuantileMixin(NumberForest):
    """Adds quantiles to ``predict``."""

    keep_samples: bool
    _leaf_rows: "LeafRows"
    _targets: np.ndarray

    def predict(self, X: Any, *, quantiles: Any = None) -> np.ndarray:
        """Predict the target: its mean, or quantiles of it.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.
        quantiles : float or sequence of float, default=None
            Shares between 0 and 1, of a forest that was fitted with ``keep_samples=True``; None for
            the mean over the trees.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs), and an axis of quantiles more \\
                if there is a sequence of them
            Of quantiles, targets that were seen in training.

        Raises
        ------
        ValueError
            If a share is not between 0 and 1, or the forest kept no samples.
        """
        if quantiles is None:
            return super().predict(X)
        from skextras.trees.forest_leaves import quantiles_of  # compiles its kernels once

        shares = self._checked_shares(quantiles)
        nodes = self._apply(X) + self._forest.offset[:-1]
        parts = [
            np.stack(
                [quantiles_of(self._leaf_rows, own, some, shares) for own in self._targets.T],
                axis=1,
            )
            for some in np.array_split(nodes, -(-len(nodes) // ROWS_AT_ONCE))
        ]
        found = np.concatenate(parts)  # (n, n_outputs, n_quantiles)
        found = found[:, 0] if self.n_outputs_ == 1 else found
        return found[..., 0] if np.ndim(quantiles) == 0 else found

    def _checked_shares(self, quantiles: Any) -> np.ndarray:
        check_is_fitted(self)
        owner = type(self).__name__
        shares = np.atleast_1d(np.asarray(quantiles, np.float64))
        if shares.ndim != 1 or not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError(
                f"{owner}: quantiles must be between 0 and 1, got {quantiles!r}. "
                "Write 0.9 for 90 per cent."
            )
        if not hasattr(self, "_leaf_rows"):
            raise ValueError(
                f"{owner}: keep_samples must be True for quantiles, got {self.keep_samples!r}. "
                "Fit again with keep_samples=True."
            )
        return shares

    def _keep_leaves(self, leaves: np.ndarray, y: np.ndarray) -> None:
        """Keeps which training row lies where; leaves: (n, n_trees)."""
        from skextras.trees.forest_leaves import leaf_rows

        counts = [self._sampled.counts(seed) for seed in self._seeds]
        n_nodes = np.diff(self._forest.offset)
        self._leaf_rows = leaf_rows(n_nodes, list(leaves.T), counts)
        self._targets = np.array(y, np.float64)
