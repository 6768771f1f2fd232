"""Families of covariances, as small objects: what they store, how they are estimated.

Scatter below means Σ r (x - m)(x - m)ᵀ about the new mean, in the family's own layout, so that an
inverse-Wishart prior is an addition to it and to the counts.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from skextras.mixture.em import InfeasibleError
from skextras.mixture.sweeping import Block

__all__ = ["Covariance", "Ready", "pad", "precision_root", "symmetric"]


class Ready(NamedTuple):
    """Parameters as the kernels take them.

    Attributes
    ----------
    means : ndarray of shape (K, D)
        In the dtype of the blocks, padded.
    scales : ndarray
        Roots of the precision (k, D, D) or scales of the axes (k, D), padded.
    constants : ndarray of shape (k,)
        log det of the root - d log(2π) / 2.
    white : ndarray of shape (k, D)
        Means times the root, for a common covariance; else empty.
    """

    means: np.ndarray
    scales: np.ndarray
    constants: np.ndarray
    white: np.ndarray = np.empty((0, 0))


def pad(array: np.ndarray, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Put an array into the corner of zeros.

    Parameters
    ----------
    array : ndarray
        Of any shape.
    shape : tuple of int
        At least as large.
    dtype : dtype
        Of the result.

    Returns
    -------
    ndarray
        Of that shape.
    """
    out = np.zeros(shape, dtype)
    out[tuple(map(slice, array.shape))] = array
    return out


def precision_root(covariance: np.ndarray) -> np.ndarray:
    """Upper triangular R with R Rᵀ the inverse of a covariance.

    Parameters
    ----------
    covariance : ndarray of shape (..., d, d)
        Positive definite.

    Returns
    -------
    ndarray of shape (..., d, d)
        Raises ``InfeasibleError`` if one is not definite.
    """
    try:
        lower = np.linalg.cholesky(covariance)
        # (Not a triangular solve: BLAS starts threads for it, and takes milliseconds to.)
        inverse = np.linalg.inv(lower)
    except np.linalg.LinAlgError as error:
        raise InfeasibleError(
            "Mixture: a covariance must be positive definite. Raise reg_covar."
        ) from error
    return np.triu(np.swapaxes(inverse, -1, -2))


def symmetric(upper: np.ndarray, d: int) -> np.ndarray:
    """Whole matrices from sums on and above the diagonal, without padding.

    Parameters
    ----------
    upper : ndarray of shape (..., D, D)
        What stands below the diagonal is not read.
    d : int
        Features.

    Returns
    -------
    ndarray of shape (..., d, d)
        Symmetric.
    """
    half = np.triu(upper[..., :d, :d])
    return half + np.swapaxes(np.triu(half, 1), -1, -2)


class Covariance(ABC):
    """A family of covariances; abstract. Its members stand in ``families``."""

    is_matrix: ClassVar[bool] = True  # whether it stores matrices, or variances of the axes
    is_per_component: ClassVar[bool] = True

    def root(self, covariance: np.ndarray) -> np.ndarray:
        """Root of the precision, in scikit-learn's layout.

        Parameters
        ----------
        covariance : ndarray
            In the family's layout.

        Returns
        -------
        ndarray
            Upper triangular matrices, or reciprocal standard deviations.
        """
        if not np.all(np.isfinite(covariance)):
            raise InfeasibleError("Mixture: a covariance must be finite. Check the data.")
        if self.is_matrix:
            return precision_root(covariance)
        if not np.all(covariance > 0):
            raise InfeasibleError("Mixture: a variance must be positive. Raise reg_covar.")
        return 1 / np.sqrt(covariance)

    def precision(self, root: np.ndarray) -> np.ndarray:
        """Precision from its root.

        Parameters
        ----------
        root : ndarray
            As ``root`` returns it.

        Returns
        -------
        ndarray
            In the family's layout.
        """
        return root @ np.swapaxes(root, -1, -2) if self.is_matrix else root**2

    def covariance(self, root: np.ndarray) -> np.ndarray:
        """Covariance from the root of the precision.

        Parameters
        ----------
        root : ndarray
            As ``root`` returns it.

        Returns
        -------
        ndarray
            In the family's layout.
        """
        if not self.is_matrix:
            return 1 / np.asarray(root, np.float64) ** 2
        inverse = np.linalg.inv(np.asarray(root, np.float64))  # C = R⁻ᵀ R⁻¹
        return np.swapaxes(inverse, -1, -2) @ inverse

    @abstractmethod
    def each_root(self, root: np.ndarray, k: int, d: int) -> np.ndarray:
        """Root for each component.

        Parameters
        ----------
        root : ndarray
            In the family's layout.
        k, d : int
            Components and features.

        Returns
        -------
        ndarray of shape (k, d, d) or (k, d)
            Matrices, or scales of the axes.
        """

    @abstractmethod
    def count(self, k: int, d: int) -> int:
        """Count free numbers.

        Parameters
        ----------
        k, d : int
            Components and features.

        Returns
        -------
        int
            Of the covariances alone.
        """

    @abstractmethod
    def seconds(self, k: int, d: int) -> list[np.ndarray]:
        """Make zeros for the second moments.

        Parameters
        ----------
        k, d : int
            Components and features.

        Returns
        -------
        list of ndarray
            Padded.
        """

    @abstractmethod
    def prepare(self, means: np.ndarray, root: np.ndarray, dtype: Any) -> Ready:
        """Pad, and compute constants.

        Parameters
        ----------
        means : ndarray of shape (k, d)
            Centred.
        root : ndarray
            Of the precision.
        dtype : dtype
            Of the blocks.

        Returns
        -------
        Ready
            For ``density`` and ``moments``.
        """

    @abstractmethod
    def density(self, ready: Ready, block: Block, table: np.ndarray) -> None:
        """Write log densities of complete rows.

        Parameters
        ----------
        ready : Ready
            Parameters.
        block : Block
            Rows.
        table : ndarray of shape (K, B)
            Written.
        """

    @abstractmethod
    def moments(
        self, ready: Ready, block: Block, shares: np.ndarray, sums: list[np.ndarray]
    ) -> None:
        """Add moments of complete rows.

        Parameters
        ----------
        ready : Ready
            Parameters.
        block : Block
            Rows.
        shares : ndarray of shape (K, B)
            Responsibilities.
        sums : list of ndarray
            Totals, Σ r (x - μ), then those of ``seconds``.
        """

    @abstractmethod
    def scatter(self, ready: Ready, seconds: list[np.ndarray], d: int) -> np.ndarray:
        """Scatter about the means at which it was summed.

        Parameters
        ----------
        ready : Ready
            Parameters.
        seconds : list of ndarray
            Second moments.
        d : int
            Features.

        Returns
        -------
        ndarray
            In the family's layout.
        """

    @abstractmethod
    def layout(self, scatters: np.ndarray) -> np.ndarray:
        """Bring one matrix for each component into the family's layout.

        Parameters
        ----------
        scatters : ndarray of shape (k, d, d)
            Scatters, or differences of them.

        Returns
        -------
        ndarray
            Summed over what the family shares.
        """

    @abstractmethod
    def estimate(
        self, scatter: np.ndarray, counts: np.ndarray, d: int, old: np.ndarray | None
    ) -> np.ndarray:
        """Covariance of the highest likelihood.

        Parameters
        ----------
        scatter : ndarray
            About the means, in the family's layout.
        counts : ndarray of shape (k,)
            Rows that it holds.
        d : int
            Features.
        old : ndarray or None
            Covariance so far, from which factors go on.

        Returns
        -------
        ndarray
            In the family's layout.
        """

    @abstractmethod
    def raised(self, covariance: np.ndarray, by: np.ndarray) -> np.ndarray:
        """Add to the variances.

        Parameters
        ----------
        covariance : ndarray
            In the family's layout.
        by : ndarray of shape (k, d)
            To the variances of each component; what the family shares takes the largest.

        Returns
        -------
        ndarray
            A new array.
        """

    def dense(self, covariance: np.ndarray, k: int, d: int) -> np.ndarray:
        """One matrix for each component.

        Parameters
        ----------
        covariance : ndarray
            In the family's layout.
        k, d : int
            Components and features.

        Returns
        -------
        ndarray of shape (k, d, d)
            A new array.
        """
        if self.is_matrix:
            return np.array(np.broadcast_to(covariance, (k, d, d)))
        variances = np.broadcast_to(
            covariance if covariance.ndim == 2 else covariance[:, None], (k, d)
        )
        return variances[:, :, None] * np.eye(d)
