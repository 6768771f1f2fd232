"""Probabilities with their uncertainty, by the Gaussian that stands for the posterior."""

from typing import Any

import numpy as np

from skextras.kernel.base import KernelMixin, TrainingRows, owner_of
from skextras.kernel.logits import LogitMixin
from skextras.kernel.solvers import Laplace, likelihood
from skextras.kernel.threads import SMALL, blas_threads

__all__ = ["PosteriorMixin"]

BLOCK = 2**23  # bytes of kernel values at a time


class PosteriorMixin(KernelMixin, LogitMixin):
    """``predict_proba`` with standard deviations, for models that all training rows carry."""

    fit_intercept: bool

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """Probability of each class, and how sure it is.

        The standard deviation is that of the probability under the Laplace approximation of the
        posterior [1]_: the decision function is a Gaussian process with the kernel as its prior
        covariance, the objective of ``fit`` its negative log posterior, and an intercept has a flat
        prior. The scores' covariance Σ becomes J Σ Jᵀ, J = diag(p) - p pᵀ the derivative of the
        probabilities. The first call after a fit factors n_samples² numbers a class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows, as in :meth:`decision_function`.
        return_std : bool, default=False
            Whether to return the standard deviations as well; for solver="exact" and a kernel that
            is not precomputed.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities in the order of ``classes_``; each row sums to one.
        std : ndarray of shape (n_samples, n_classes)
            Their standard deviations; only with ``return_std``.

        Raises
        ------
        ValueError
            If the deviations are wanted of a model on few centres, or of a precomputed kernel.

        References
        ----------
        .. [1] Rasmussen and Williams, *Gaussian Processes for Machine Learning*, MIT Press, 2006,
           sections 3.4 and 3.5.
        """
        proba = super().predict_proba(X)
        return (proba, self._deviations(X, proba)) if return_std else proba

    def _remember(self, rows: TrainingRows, weights: np.ndarray) -> None:
        """Keep what the posterior follows from; the model has just been fitted."""
        self.__dict__.pop("_posterior", None)
        self._evidence = (rows.targets, weights)

    def __getstate__(self) -> Any:
        """Leave out what can be computed again."""
        state: Any = super().__getstate__()
        return {name: own for name, own in state.items() if name != "_posterior"}

    def _refuse_std(self, allowed: str, got: str, cure: str) -> None:
        raise ValueError(f"{owner_of(self)}: return_std needs {allowed}, got {got}. {cure}")

    def _laplace(self) -> Laplace:
        if self.kernel == "precomputed":
            cure = "Pass the rows and a callable kernel."
            self._refuse_std("rows to compute the kernel of", "a precomputed kernel", cure)
        targets, weights = self._evidence
        n = len(self.support_)
        if n < len(targets):
            got = f"{n} rows that carry the model of {len(targets)}"
            self._refuse_std("all training rows", got, "Fit with solver='exact'.")
        if "_posterior" not in self.__dict__:
            everything = slice(0, n)
            K = self._pairs(self.X_fit_, None).block(everything, everything, np.float64).copy()
            F = K @ self.dual_coef_.T + self.intercept_
            loss = likelihood(targets, weights)
            try:
                self._posterior = Laplace(K, loss, F, fit_intercept=self.fit_intercept)
            except np.linalg.LinAlgError as error:
                raise ValueError(self._not_a_kernel("positive semi-definite")) from error
        return self._posterior

    def _deviations(self, X: Any, proba: np.ndarray) -> np.ndarray:
        rows, std = self._checked_rows(X), np.empty_like(proba)
        n_block = max(1, BLOCK // (8 * len(self.support_)))
        with blas_threads().limit(limits=1 if len(proba) < SMALL else None, user_api="blas"):
            posterior = self._laplace()
            for first in range(0, len(proba), n_block):
                own = slice(first, min(first + n_block, len(proba)))
                sigma = posterior.covariance(*self._kernel_of_new(rows[own]))
                std[own] = _of_probability(sigma, proba[own])
        return std

    def _kernel_of_new(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Kernel of new rows with the training rows, and of each with itself."""
        n, own = X.shape[0], self._settled_kernel().diagonal(X)
        pairs = self._pairs_with_support(X)
        return pairs.block(slice(0, n), slice(0, len(self.support_)), np.float64), own


def _of_probability(sigma: np.ndarray, proba: np.ndarray) -> np.ndarray:
    """Deviations of probabilities from the covariance of scores."""
    if sigma.shape[1] == 1:
        slope = proba[:, :1] * proba[:, 1:]
        return np.repeat(slope * np.sqrt(np.maximum(sigma[:, :, 0], 0.0)), 2, axis=1)
    J = np.eye(proba.shape[1]) * proba[:, :, None] - proba[:, :, None] * proba[:, None, :]
    variance = np.einsum("tij,tjk,tik->ti", J, sigma, J)
    return np.sqrt(np.maximum(variance, 0.0))
