"""The Gaussian that stands for the posterior at its mode, and what follows from it.

Prior: the scores f of each class are a Gaussian process of covariance K, in units in which the
negative log posterior is J. With W = H Hᵀ the curvature of the loss at the mode,
S = (K + W⁻¹)⁻¹ holds all: the covariance of new scores, each row's score without itself, and the
determinant in the evidence. For one column S = E = h (I + h K h)⁻¹ h with h = w½; for several
S_jl = δ_jl E_j - E_j (Σ E)⁻¹ E_l with h_j = (c p_j)½. An intercept without penalty takes
S 1 (1ᵀ S 1)⁻¹ 1ᵀ S away.

References
----------
.. [1] Rasmussen and Williams, *Gaussian Processes for Machine Learning*, MIT Press, 2006, sections
   3.4, 3.5 and 5.4.2, equation 3.44.
"""

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from skextras.kernel.solvers.exact import shifted_inverse_matrix
from skextras.kernel.solvers.likelihood import Curvature, Likelihood
from skextras.kernel.solvers.products import times
from skextras.kernel.solvers.symmetric import set_covariance

__all__ = ["Laplace"]


class Laplace:
    """Factors of S.

    Parameters
    ----------
    K : ndarray of shape (n, n), float64
        Kernel of the rows.
    loss : Likelihood
        The loss.
    F : ndarray of shape (n, k)
        Scores at the mode.
    fit_intercept : bool
        Whether b is free.
    """

    def __init__(
        self, K: np.ndarray, loss: Likelihood, F: np.ndarray, *, fit_intercept: bool
    ) -> None:
        self.W: Curvature = loss.curvature(F)
        self.n_classes = F.shape[1]
        scales = self.W.block_scales()
        found = [shifted_inverse_matrix(K, np.sqrt(w)[:, None]) for w in scales.T]
        self.E = [E for E, _ in found]
        self.log_det = sum(log_det for _, log_det in found)  # of I + Hᵀ K H
        self.root: np.ndarray | None = None
        if self.n_classes > 1:
            self.root = cholesky(sum(self.E), lower=True, overwrite_a=True, check_finite=False)
            self.log_det += 2 * np.log(np.diag(self.root)).sum() - np.log(scales.sum(axis=1)).sum()
        self.ones = self._ones(len(K)) if fit_intercept else None

    def _ones(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """S 1_j, shape (n, k, k) with j last, and the inverse of 1ᵀ S 1."""
        k = self.n_classes
        units = np.stack([self.times(np.tile(unit, (n, 1))) for unit in np.eye(k)], axis=2)
        return units, np.linalg.pinv(units.sum(axis=0), rcond=1e-10, hermitian=True)

    def times(self, V: np.ndarray) -> np.ndarray:
        """Apply S, as it is without an intercept.

        Parameters
        ----------
        V : ndarray of shape (n, k)
            Any matrix.

        Returns
        -------
        ndarray of shape (n, k)
            S V.
        """
        EV = np.hstack([times(E, v[:, None]) for E, v in zip(self.E, V.T, strict=True)])
        if self.root is None:
            return EV
        shared = solve_triangular(self.root, EV.sum(axis=1), lower=True, check_finite=False)
        shared = solve_triangular(self.root, shared, lower=True, trans=1, check_finite=False)
        return EV - np.hstack([times(E, shared[:, None]) for E in self.E])

    def own_blocks(self) -> np.ndarray:
        """Take the block of each row with itself.

        Returns
        -------
        ndarray of shape (n, k, k)
            S_ii.
        """
        n, k = len(self.E[0]), self.n_classes
        blocks = np.zeros((n, k, k))
        blocks[:, range(k), range(k)] = np.stack([E.diagonal() for E in self.E], axis=1)
        if self.root is not None:
            pulled = [
                solve_triangular(self.root, E, lower=True, check_finite=False) for E in self.E
            ]
            blocks -= np.stack([[np.einsum("pi,pi->i", a, b) for a in pulled] for b in pulled]).T
        if self.ones is not None:
            units, inner = self.ones
            blocks -= units @ inner @ units.swapaxes(1, 2)
        return blocks

    def covariance(self, K: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Give the posterior covariance of the scores of new rows.

        Parameters
        ----------
        K : ndarray of shape (t, n)
            Kernel of the new rows with the rows.
        own : ndarray of shape (t,)
            Kernel of each new row with itself.

        Returns
        -------
        ndarray of shape (t, k, k)
            Of each row's scores; what is common to all classes is of no meaning.
        """
        k = self.n_classes
        pulled = [K @ E for E in self.E]
        sigma = np.zeros((len(K), k, k))
        for j, KE in enumerate(pulled):
            sigma[:, j, j] = own - np.einsum("ti,ti->t", KE, K)
        if self.root is not None:
            halves = [
                solve_triangular(self.root, KE.T, lower=True, check_finite=False) for KE in pulled
            ]
            sigma += np.stack([[np.einsum("pt,pt->t", a, b) for a in halves] for b in halves]).T
        if self.ones is not None:
            units, inner = self.ones
            # 1 - 1ᵀ S k, for each pair of classes
            rest = np.eye(k) - np.tensordot(K, units, axes=1)
            sigma += rest @ inner @ rest.swapaxes(1, 2)
        return sigma

    def joint_covariance(self) -> np.ndarray:
        """Give the posterior covariance of the scores of all rows with one another.

        It is Σ = D⁻¹ (D - S) D⁻¹ with the scales D of W, up to what is common to all classes.

        Returns
        -------
        ndarray of shape (n, k, n, k)
            Σ.
        """
        n, k = len(self.E[0]), self.n_classes
        if k == 1:
            return self._joint_of_one().reshape(n, 1, n, 1)
        sigma = np.zeros((n, k, n, k))
        if self.root is not None:
            halves = np.hstack(
                [solve_triangular(self.root, E, lower=True, check_finite=False) for E in self.E]
            )
            sigma += (halves.T @ halves).reshape(k, n, k, n).transpose(1, 0, 3, 2)
        if self.ones is not None:
            units, inner = self.ones
            flat = units.reshape(n * k, k)
            sigma += (flat @ inner @ flat.T).reshape(sigma.shape)
        for j, E in enumerate(self.E):
            sigma[:, j, :, j] -= E
        scales = self.W.block_scales()
        sigma /= scales[:, :, None, None]
        sigma /= scales
        sigma.reshape(n * k, n * k).flat[:: n * k + 1] += 1.0 / scales.ravel()
        return sigma

    def _joint_of_one(self) -> np.ndarray:
        """Σ for one column, shape (n, n)."""
        inverse = 1.0 / self.W.block_scales()[:, 0]
        column = np.zeros_like(inverse)
        if self.ones is not None:
            units, inner = self.ones
            column = inverse * units[:, 0, 0] * max(float(inner[0, 0]), 0.0) ** 0.5
        sigma = np.empty_like(self.E[0])
        set_covariance(self.E[0], inverse, column, sigma)
        return sigma
