"""Kernel logistic regression as the textbook has it: what brute force costs.

Damped Newton steps from nothing, each with one Cholesky factor (Rasmussen and Williams, *Gaussian
Processes for Machine Learning*, algorithm 3.1, with an intercept): what one writes for want of such
an estimator in scikit-learn.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics.pairwise import rbf_kernel

TOL, N_STEPS, N_HALVINGS = 1e-8, 100, 20


class PlainKernelLogistic(ClassifierMixin, BaseEstimator):
    """Two classes, rbf kernel.

    Parameters
    ----------
    C : float
        Inverse regularisation strength.
    gamma : float
        Width of the kernel.
    """

    def __init__(self, C: float = 1.0, *, gamma: float = 1.0) -> None:
        self.C, self.gamma = C, gamma

    def fit(self, X: np.ndarray, y: np.ndarray) -> "PlainKernelLogistic":
        """Newton's method until the gradient is zero to 1e-8 of C."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.X_, K = X, rbf_kernel(X, gamma=self.gamma)
        a, b = np.zeros(len(X)), 0.0
        for _ in range(N_STEPS):
            f = K @ a + b
            p = expit(f)
            if np.abs(a - self.C * (codes - p)).max() <= TOL * self.C:
                break
            a, b = self._step(K, codes, (a, b), f)
        self.a_, self.b_ = a, b
        return self

    def _step(
        self, K: np.ndarray, codes: np.ndarray, old: tuple[np.ndarray, float], f: np.ndarray
    ) -> tuple[np.ndarray, float]:
        p = expit(f)
        w = np.maximum(self.C * p * (1 - p), 1e-12)
        root = np.sqrt(w)
        factor = cho_factor(np.eye(len(K)) + root[:, None] * K * root, lower=True)

        def solve(v: np.ndarray) -> np.ndarray:
            return root * cho_solve(factor, root * v)

        wanted, ones = solve(f + self.C * (codes - p) / w), solve(np.ones(len(K)))
        b = wanted.sum() / ones.sum()
        a = wanted - b * ones
        before, share = self._objective(K, codes, *old), 1.0
        for _ in range(N_HALVINGS):
            new = old[0] + share * (a - old[0]), old[1] + share * (b - old[1])
            if self._objective(K, codes, *new) <= before:
                return new
            share /= 2
        return old

    def _objective(self, K: np.ndarray, codes: np.ndarray, a: np.ndarray, b: float) -> float:
        Ka = K @ a
        losses = np.logaddexp(0.0, np.where(codes == 1, -1.0, 1.0) * (Ka + b))
        return float(self.C * losses.sum() + a @ Ka / 2)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of both classes."""
        p = expit(rbf_kernel(X, self.X_, gamma=self.gamma) @ self.a_ + self.b_)
        return np.column_stack([1 - p, p])
