"""What a Gaussian mixture says of some features given others."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skextras.mixture import incomplete_kernels
from skextras.mixture.base import BaseMixture
from skextras.mixture.covariance import Covariance
from skextras.mixture.families import FAMILIES
from skextras.mixture.reading import has_missing

__all__ = ["ConditionalMixture"]


class ConditionalMixture(BaseMixture):
    """Imputation, marginals, conditional distributions and regression; abstract."""

    means_: np.ndarray

    @abstractmethod
    def _family(self) -> Covariance:
        """Of the covariances."""

    def impute(self, X: Any) -> np.ndarray:
        """Replace what is missing by its expectation given what is known.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows with NaN.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            A new array; known values are as they were.
        """
        values = self._checked(X)
        out = values.copy()
        if not has_missing(values):
            return out
        parameters = self._own_parameters(self._centre())
        means = parameters[1]
        dense = self._family().dense(parameters[2], *means.shape)
        for place, block, table, _ in self._posterior(values):
            if not block.is_complete:
                filled = block.rows.copy()
                incomplete_kernels.fill(block.rows, block.centre, means, dense, table, filled)
                out[place] = filled
        return out

    def marginal(self, features: Any) -> Self:
        """Mixture of some features, whatever the others are.

        Parameters
        ----------
        features : array-like of int
            Their numbers, in the order wanted.

        Returns
        -------
        GaussianMixture
            Fitted, of these features, with full covariances.
        """
        seen = self._features(features, allow_all=True)
        weights, means, dense = self._dense()
        return self._made(weights, means[:, seen], dense[:, seen][:, :, seen])

    def condition(self, values: Any, features: Any) -> Self:
        """Mixture of the other features, given the values of some.

        Parameters
        ----------
        values : array-like of shape (n_seen,)
            What the features are.
        features : array-like of int, of shape (n_seen,)
            Their numbers.

        Returns
        -------
        GaussianMixture
            Fitted, of the other features in their order, with full covariances.
        """
        seen = self._features(features)
        known = np.asarray(values, np.float64)
        if known.shape != seen.shape or not np.all(np.isfinite(known)):
            raise ValueError(
                f"{type(self).__name__}: values must be {len(seen)} finite numbers, one for each "
                f"of the features, got shape {known.shape}. Leave unknown features out."
            )
        _, means, dense = self._dense()
        rest = np.setdiff1d(np.arange(means.shape[1]), seen)
        joint = self.marginal(seen)
        shares = joint.predict_proba(known[None])[0]
        cross = dense[:, rest][:, :, seen]
        gain = np.linalg.solve(dense[:, seen][:, :, seen], np.swapaxes(cross, 1, 2))
        gain = np.swapaxes(gain, 1, 2)  # Σ_ro Σ_oo⁻¹
        moved = means[:, rest] + np.einsum("kro,ko->kr", gain, known - means[:, seen])
        left = dense[:, rest][:, :, rest] - gain @ np.swapaxes(cross, 1, 2)
        return self._made(shares, moved, 0.5 * (left + np.swapaxes(left, 1, 2)))

    def regress(self, X: Any, features: Any, *, return_std: bool = False) -> Any:
        """Expect the other features of many rows, given some (Gaussian mixture regression [1]_).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_seen)
            Values of the given features; NaN is a missing value.
        features : array-like of int, of shape (n_seen,)
            Their numbers.
        return_std : bool, default=False
            Whether to return standard deviations, too.

        Returns
        -------
        mean : ndarray of shape (n_samples, n_features - n_seen)
            Conditional means.
        std : ndarray of shape (n_samples, n_features - n_seen)
            Conditional standard deviations, if asked for.

        References
        ----------
        .. [1] Z. Ghahramani and M. I. Jordan, "Supervised learning from incomplete data via an EM
           approach", NIPS 1993.
        """
        seen = self._features(features)
        given = np.atleast_2d(np.asarray(X, np.float64))
        if given.shape[1] != len(seen):
            raise ValueError(
                f"{type(self).__name__}: X must have {len(seen)} columns, one for each of the "
                f"features, got {given.shape[1]}. Leave the others out."
            )
        weights, means, dense = self._dense()
        rest = np.setdiff1d(np.arange(means.shape[1]), seen)
        whole = np.full((len(given), means.shape[1]), np.nan)
        whole[:, seen] = given
        mean = self.impute(whole)[:, rest]
        if not return_std:
            return mean
        square = np.zeros_like(mean)
        shares = self.predict_proba(whole)
        for j in range(len(weights)):
            one = self._made(np.ones(1), means[j : j + 1], dense[j : j + 1])
            own = one.impute(whole)[:, rest] - mean
            left = _conditional_variances(dense[j], whole, rest)
            square += shares[:, j : j + 1] * (own**2 + left)
        return mean, np.sqrt(square)

    # ------------------------------------------------------------ parts
    def _features(self, features: Any, *, allow_all: bool = False) -> np.ndarray:
        check_is_fitted(self)
        d = self.means_.shape[1]
        seen = np.atleast_1d(np.asarray(features))
        most = d if allow_all else d - 1
        is_good = seen.dtype.kind in "iu" and seen.ndim == 1 and 0 < len(set(seen.tolist())) <= most
        if not is_good or len(set(seen.tolist())) < len(seen) or seen.min() < 0 or seen.max() >= d:
            raise ValueError(
                f"{type(self).__name__}: features must be 1 to {most} different integers from 0 "
                f"to {d - 1}, got {features!r}. Number the columns of X from 0."
            )
        return seen

    def _dense(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights, means and a covariance for each component, in double precision."""
        weights, means, covariance = self._own_parameters(np.zeros(self.means_.shape[1]))
        return weights, means, self._family().dense(covariance, *means.shape)

    def _made(self, weights: np.ndarray, means: np.ndarray, dense: np.ndarray) -> Self:
        """A fitted mixture with full covariances."""
        made = clone(self).set_params(n_components=len(weights), covariance_type="full")
        made.n_features_in_ = means.shape[1]
        made.weights_, made.means_, made.covariances_ = weights, means, dense
        made.precisions_cholesky_ = FAMILIES["full"].root(dense)
        made.converged_, made.n_iter_, made.lower_bound_ = True, 0, -np.inf
        return made


def _conditional_variances(covariance: np.ndarray, whole: np.ndarray, rest: np.ndarray) -> Any:
    """Variances of the features ``rest`` given what is known of each row, shape (n, n_rest)."""
    out = np.empty((len(whole), len(rest)))
    patterns, index = np.unique(~np.isnan(whole), axis=0, return_inverse=True)
    for number, known in enumerate(patterns):
        seen = np.flatnonzero(known)
        cross = covariance[np.ix_(rest, seen)]
        gain = np.linalg.solve(covariance[np.ix_(seen, seen)], cross.T)
        left = np.diagonal(covariance)[rest] - np.einsum("ro,or->r", cross, gain)
        out[index.ravel() == number] = left
    return out
