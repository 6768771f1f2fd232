"""The loss of logistic regression, its gradient and its curvature, as functions of the scores F.

Scores have shape (n, k): one column for two classes, one a class for more. c_i is the inverse
regularisation C times the weight of row i.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit, logsumexp, softmax

from skextras.kernel.solvers.exponential import logistic

__all__ = ["Curvature", "Likelihood", "likelihood"]


class Curvature(ABC):
    """Hessian W of the loss at some scores, an operator on (n, k) matrices."""

    @abstractmethod
    def times(self, V: np.ndarray) -> np.ndarray:
        """Apply the operator.

        Parameters
        ----------
        V : ndarray of shape (n, k)
            Any matrix.

        Returns
        -------
        ndarray of shape (n, k)
            W V.
        """

    @abstractmethod
    def block_scales(self) -> np.ndarray:
        """Give D, where W = D - (what is of rank one in each row).

        Returns
        -------
        ndarray of shape (n, k)
            w for one column, c p_j for several.
        """

    @abstractmethod
    def root_times(self, V: np.ndarray) -> np.ndarray:
        """Apply H, where W = H Hᵀ.

        Parameters
        ----------
        V : ndarray of shape (n, k)
            Any matrix.

        Returns
        -------
        ndarray of shape (n, k)
            H V.
        """

    @abstractmethod
    def root_transposed_times(self, V: np.ndarray) -> np.ndarray:
        """Apply Hᵀ.

        Parameters
        ----------
        V : ndarray of shape (n, k)
            Any matrix.

        Returns
        -------
        ndarray of shape (n, k)
            Hᵀ V.
        """

    @abstractmethod
    def projected(self, V: np.ndarray) -> np.ndarray:
        """Take away what H takes to zero.

        Parameters
        ----------
        V : ndarray of shape (n, k)
            Any matrix.

        Returns
        -------
        ndarray of shape (n, k)
            The projection of V on the range of Hᵀ.
        """

    @abstractmethod
    def rows(self, rows: slice | np.ndarray) -> "Curvature":
        """Restrict the operator to some rows.

        Parameters
        ----------
        rows : slice or ndarray of int
            Which.

        Returns
        -------
        Curvature
            Of these rows alone.
        """

    @abstractmethod
    def diagonal(self) -> np.ndarray:
        """Give the diagonal of W.

        Returns
        -------
        ndarray of shape (n, k)
            The second derivative of the loss in each score.
        """


class Likelihood(ABC):
    """Σ_i c_i ℓ(F_i, y_i), a convex function of the scores F."""

    targets: np.ndarray  # (n, k)
    weights: np.ndarray  # (n, 1)

    @property
    def size(self) -> float:
        """What a gradient is small or large beside.

        Returns
        -------
        float
            The largest c.
        """
        return float(self.weights.max())

    @abstractmethod
    def value(self, F: np.ndarray) -> float:
        """Evaluate the loss.

        Parameters
        ----------
        F : ndarray of shape (n, k)
            Scores.

        Returns
        -------
        float
            In nats, times C.
        """

    @abstractmethod
    def descent(self, F: np.ndarray) -> np.ndarray:
        """Give the negative gradient, c (y - p).

        Parameters
        ----------
        F : ndarray of shape (..., n, k)
            Scores.

        Returns
        -------
        ndarray of shape (..., n, k)
            G.
        """

    @abstractmethod
    def bend(self, F: np.ndarray, M: np.ndarray) -> np.ndarray:
        """Give what a move adds to the negative gradient in the second order.

        Parameters
        ----------
        F : ndarray of shape (n, k)
            Scores.
        M : ndarray of shape (..., n, k)
            Their moves.

        Returns
        -------
        ndarray of shape (..., n, k)
            Half the third derivative of minus the loss, twice along each move.
        """

    @abstractmethod
    def rows(self, rows: slice | np.ndarray, factor: float = 1.0) -> "Likelihood":
        """Restrict the sum to some rows.

        Parameters
        ----------
        rows : slice or ndarray of int
            Which.
        factor : float, default=1.0
            What their weights are multiplied by.

        Returns
        -------
        Likelihood
            Of these rows alone.
        """

    @abstractmethod
    def curvature(self, F: np.ndarray) -> Curvature:
        """Give the Hessian.

        Parameters
        ----------
        F : ndarray of shape (n, k)
            Scores.

        Returns
        -------
        Curvature
            W.
        """


def likelihood(targets: np.ndarray, weights: np.ndarray) -> Likelihood:
    """Choose the loss by the number of columns.

    Parameters
    ----------
    targets : ndarray of shape (n, k), of 0 and 1
        Membership of the second of two classes (k = 1), or one-hot rows (k > 2).
    weights : ndarray of shape (n,), positive
        c.

    Returns
    -------
    Likelihood
        Logistic loss for one column, cross-entropy for more.
    """
    kind = _Multinomial if targets.shape[1] > 1 else _Binomial
    return kind(targets, weights[:, None])


@dataclass(frozen=True)
class _Binomial(Likelihood):
    """ℓ = log(1 + exp(-s f)) with s = ±1: two classes, one column."""

    targets: np.ndarray  # (n, 1)
    weights: np.ndarray  # (n, 1)

    @property
    def signs(self) -> np.ndarray:
        return 2.0 * self.targets - 1.0

    def value(self, F: np.ndarray) -> float:
        return -float(np.vdot(self.weights, log_expit(self.signs * F)))

    def descent(self, F: np.ndarray) -> np.ndarray:
        signs = self.signs
        return self.weights * signs * logistic(np.ascontiguousarray(-signs * F))  # no cancellation

    def bend(self, F: np.ndarray, M: np.ndarray) -> np.ndarray:
        p = expit(F)
        return (-0.5 * self.weights * p * (1 - p) * (1 - 2 * p)) * M * M

    def rows(self, rows: slice | np.ndarray, factor: float = 1.0) -> Likelihood:
        return _Binomial(self.targets[rows], factor * self.weights[rows])

    def curvature(self, F: np.ndarray) -> Curvature:
        return _DiagonalCurvature(self.weights * expit(F) * expit(-F))  # c p (1 - p)


@dataclass(frozen=True)
class _Multinomial(Likelihood):
    """ℓ = log Σ_j exp(f_j) - f_y: k classes, k columns."""

    targets: np.ndarray  # (n, k)
    weights: np.ndarray  # (n, 1)

    def value(self, F: np.ndarray) -> float:
        log_likelihood = np.sum(self.targets * F, axis=1) - logsumexp(F, axis=1)
        return -float(self.weights[:, 0] @ log_likelihood)

    def descent(self, F: np.ndarray) -> np.ndarray:
        return self.weights * (self.targets - softmax(F, axis=-1))

    def bend(self, F: np.ndarray, M: np.ndarray) -> np.ndarray:
        p = softmax(F, axis=-1)
        square = (M - np.sum(p * M, axis=-1, keepdims=True)) ** 2
        return -0.5 * self.weights * p * (square - np.sum(p * square, axis=-1, keepdims=True))

    def rows(self, rows: slice | np.ndarray, factor: float = 1.0) -> Likelihood:
        return _Multinomial(self.targets[rows], factor * self.weights[rows])

    def curvature(self, F: np.ndarray) -> Curvature:
        return _SoftmaxCurvature(softmax(F, axis=-1), self.weights)


@dataclass(frozen=True)
class _DiagonalCurvature(Curvature):
    """W = diag(w), for one column."""

    w: np.ndarray  # (n, 1)

    def times(self, V: np.ndarray) -> np.ndarray:
        return self.w * V

    def block_scales(self) -> np.ndarray:
        return self.w

    def root_times(self, V: np.ndarray) -> np.ndarray:
        return np.sqrt(self.w) * V

    def root_transposed_times(self, V: np.ndarray) -> np.ndarray:
        return np.sqrt(self.w) * V

    def projected(self, V: np.ndarray) -> np.ndarray:
        return V

    def rows(self, rows: slice | np.ndarray) -> Curvature:
        return _DiagonalCurvature(self.w[rows])

    def diagonal(self) -> np.ndarray:
        return self.w


@dataclass(frozen=True)
class _SoftmaxCurvature(Curvature):
    """W_i = c_i (diag(p_i) - p_i p_iᵀ), one k x k block a row.

    H_i = c_i½ diag(p_i)½ (I - p_i½ (p_i½)ᵀ).
    """

    p: np.ndarray  # (n, k)
    weights: np.ndarray  # (n, 1)

    def times(self, V: np.ndarray) -> np.ndarray:
        mean = np.sum(self.p * V, axis=-1, keepdims=True)
        return self.weights * self.p * (V - mean)

    def block_scales(self) -> np.ndarray:
        return self.weights * self.p

    def root_times(self, V: np.ndarray) -> np.ndarray:
        return np.sqrt(self.weights * self.p) * self.projected(V)

    def root_transposed_times(self, V: np.ndarray) -> np.ndarray:
        return self.projected(np.sqrt(self.weights * self.p) * V)

    def projected(self, V: np.ndarray) -> np.ndarray:
        root = np.sqrt(self.p)  # of length one in each row
        return V - root * np.sum(root * V, axis=1, keepdims=True)

    def rows(self, rows: slice | np.ndarray) -> Curvature:
        return _SoftmaxCurvature(self.p[rows], self.weights[rows])

    def diagonal(self) -> np.ndarray:
        return self.weights * self.p * (1 - self.p)
