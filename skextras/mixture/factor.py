"""Covariances of factor analysis: loadings times their transpose, plus a diagonal."""

import numpy as np

from skextras.mixture.em import InfeasibleError
from skextras.mixture.families import FullCovariance

__all__ = ["FactorCovariance"]

CYCLES = 2  # of the factors' own EM in each maximisation; any number raises the likelihood

TINY = 1e-14  # share of a variance: noise below it would make the next cycle singular


class FactorCovariance(FullCovariance):
    """Σ = Λ Λᵀ + Ψ for each component, stored as (k, d, q + 1): Λ, then the diagonal of Ψ.

    The maximisation is that of factor analysis by EM, given the scatter of each component ([1]_,
    equations 6 to 9).

    Parameters
    ----------
    n_factors : int
        Columns q of the loadings.

    References
    ----------
    .. [1] Z. Ghahramani and G. E. Hinton, "The EM Algorithm for Mixtures of Factor Analyzers",
       University of Toronto CRG-TR-96-1, 1996.
    """

    def __init__(self, n_factors: int) -> None:
        self.n_factors = n_factors

    def first(self, values: np.ndarray, spread: np.ndarray, k: int) -> np.ndarray:
        """Principal directions of all rows, for every component.

        Parameters
        ----------
        values : ndarray of shape (n, d)
            Centred rows, times the root of their share of the weight.
        spread : ndarray of shape (d,)
            Their variances.
        k : int
            Components.

        Returns
        -------
        ndarray of shape (k, d, q + 1)
            Half of the variance in the loadings, half in the noise.
        """
        scale = np.sqrt(spread)
        _, sizes, directions = np.linalg.svd(values / scale, full_matrices=False)
        q = min(self.n_factors, len(sizes))
        loadings = np.zeros((len(spread), self.n_factors))
        own = sizes[:q] / np.sqrt(k)
        loadings[:, :q] = np.sqrt(0.5) * scale[:, None] * directions[:q].T * own
        # A column of zeros would stay zero for ever.
        loadings[:, q:] = 1e-3 * scale[:, None]
        noise = np.maximum(0.5 * spread, spread / k - (loadings**2).sum(axis=1))
        return np.repeat(np.column_stack([loadings, noise])[None], k, axis=0)

    def root(self, covariance: np.ndarray) -> np.ndarray:
        if not np.all(covariance[:, :, -1] > 0):
            raise InfeasibleError("Mixture: a noise variance must be positive. Raise reg_covar.")
        return super().root(self.dense(covariance, *covariance.shape[:2]))

    def dense(self, covariance: np.ndarray, k: int, d: int) -> np.ndarray:
        loadings, noise = covariance[:, :, :-1], covariance[:, :, -1]
        return loadings @ np.swapaxes(loadings, 1, 2) + noise[:, :, None] * np.eye(d)

    def count(self, k: int, d: int) -> int:
        q = min(self.n_factors, d)
        return k * (d * q - q * (q - 1) // 2 + d)

    def estimate(
        self, scatter: np.ndarray, counts: np.ndarray, d: int, old: np.ndarray | None
    ) -> np.ndarray:
        new = np.array(old)
        for j, (each, n) in enumerate(zip(scatter, counts, strict=True)):
            for _ in range(CYCLES):
                if np.all(new[j, :, -1] > TINY * np.diagonal(each).max() / n):
                    new[j] = self._cycle(each / n, new[j])
        return new

    def raised(self, covariance: np.ndarray, by: np.ndarray) -> np.ndarray:
        out = covariance.copy()
        out[:, :, -1] += by
        return out

    def _cycle(self, S: np.ndarray, both: np.ndarray) -> np.ndarray:
        loadings, noise = both[:, :-1], both[:, -1]
        sigma = loadings @ loadings.T + np.diag(noise)
        beta = np.linalg.solve(sigma, loadings).T  # Λᵀ Σ⁻¹: E[z | x] = β (x - μ)
        expected = np.eye(len(beta)) - beta @ loadings + beta @ S @ beta.T  # E[z zᵀ]
        new = np.linalg.solve(expected, beta @ S).T
        rest = np.diagonal(S) - np.einsum("dq,qd->d", new, beta @ S)
        return np.column_stack([new, np.maximum(rest, 0.0)])
