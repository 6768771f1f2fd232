"""Gaussian components: any family of covariances, missing values, a prior, a floor."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from skextras.mixture import incomplete_kernels
from skextras.mixture.components import Components, Parameters
from skextras.mixture.covariance import Covariance, Ready, symmetric
from skextras.mixture.em import InfeasibleError
from skextras.mixture.kernels import add_totals
from skextras.mixture.sweeping import Block, padded

__all__ = ["Floor", "GaussianComponents", "WishartPrior"]

COLLAPSED = 1e-6  # of the variance of all rows: what a collapsed component is raised by
EMPTY = 1e-12  # share of the rows below which a component stays where it is


@dataclass(frozen=True)
class WishartPrior:
    """Inverse-Wishart prior of the covariances; a common covariance has one.

    Attributes
    ----------
    scale : ndarray of shape (d, d)
        Ψ; its mode is Ψ / (ν + d + 1).
    freedom : float
        ν.
    """

    scale: np.ndarray
    freedom: float

    @property
    def strength(self) -> float:
        """Rows that the prior counts for.

        Returns
        -------
        float
            ν + d + 1.
        """
        return self.freedom + len(self.scale) + 1


class Floor(NamedTuple):
    """What keeps covariances away from singularity.

    Attributes
    ----------
    added : float
        To every variance, after each maximisation (scikit-learn's ``reg_covar``).
    spread : ndarray of shape (d,)
        Variances of all rows; they say what small is.
    tolerance : float
        Conditional variance, as a share of the spread, below which a component has collapsed.
    """

    added: float
    spread: np.ndarray
    tolerance: float


class _Prepared(NamedTuple):
    ready: Ready
    means: np.ndarray  # (k, d), float64
    covariance: np.ndarray
    freedom: np.ndarray  # (k,), infinite


class GaussianComponents(Components):
    """Parameters are (means, covariance), the means counted from the centre of the sweep.

    Parameters
    ----------
    family : Covariance
        Of the covariances.
    floor : Floor
        Against singular ones.
    prior : WishartPrior or None
        On them.

    Attributes
    ----------
    collapsed : set of int
        Components that had to be raised.
    """

    is_centred = True
    n_parameters = 2

    def __init__(self, family: Covariance, floor: Floor, prior: WishartPrior | None = None) -> None:
        self.family, self.floor, self.prior = family, floor, prior
        self.collapsed: set[int] = set()

    # ------------------------------------------------------------ passes
    def prepare(self, parameters: Parameters, dtype: Any) -> _Prepared:
        """Roots and constants.

        Parameters
        ----------
        parameters : tuple of ndarray
            Means and covariance.
        dtype : dtype
            Of the blocks.

        Returns
        -------
        object
            For the other methods.
        """
        means, covariance = parameters
        ready = self.family.prepare(means, self.family.root(covariance), dtype)
        return _Prepared(ready, means, covariance, np.full(len(means), np.inf))

    def zeros(self, k: int, d: int) -> list[np.ndarray]:
        """Sums: totals, first moments, second moments, and those of incomplete rows.

        Parameters
        ----------
        k, d : int
            Components and features.

        Returns
        -------
        list of ndarray
            Zeros.
        """
        first = [np.zeros(padded(k)), np.zeros((k, padded(d)))]
        return [*first, *self.family.seconds(k, d), np.zeros((k, d)), np.zeros((k, d, d))]

    def density(self, ready: _Prepared, block: Block, table: np.ndarray) -> None:
        """Write log densities, of the observed part where values are missing.

        Parameters
        ----------
        ready : object
            Prepared parameters.
        block : Block
            Rows.
        table : ndarray of shape (K, B)
            Written.
        """
        if block.is_complete:
            self.family.density(ready.ready, block, table)
        else:
            dense = self.family.dense(ready.covariance, *ready.means.shape)
            incomplete_kernels.incomplete_density(
                block.rows, block.centre, ready.means, dense, ready.freedom, table, table
            )

    def accumulate(
        self, ready: _Prepared, block: Block, table: np.ndarray, sums: list[np.ndarray]
    ) -> None:
        """Add expected moments.

        Parameters
        ----------
        ready : object
            Prepared parameters.
        block : Block
            Rows.
        table : ndarray of shape (K, B)
            Responsibilities.
        sums : list of ndarray
            Added to.
        """
        if block.is_complete:
            self.family.moments(ready.ready, block, table, sums)
        else:
            k, d = ready.means.shape
            add_totals(table, len(block), sums[0][:k])
            incomplete_kernels.incomplete_moments(
                block.rows,
                block.centre,
                ready.means,
                self.family.dense(ready.covariance, k, d),
                table,
                table,
                sums[-3],
                sums[-2],
            )

    def condense(self, ready: _Prepared, sums: list[np.ndarray]) -> Parameters:
        """Moments about the means: Σ r, Σ r (x - μ), scatter.

        Parameters
        ----------
        ready : object
            Prepared parameters.
        sums : list of ndarray
            Of a pass.

        Returns
        -------
        tuple of ndarray
            Shapes (k,), (k, d) and the family's.
        """
        k, d = ready.means.shape
        scatter = self.family.scatter(ready.ready, sums[2:-3], d)
        scatter = scatter + self.family.layout(symmetric(sums[-2], d))
        return sums[0][:k].copy(), sums[1][:, :d] + sums[-3], scatter

    # ------------------------------------------------------------ maximisation
    def update(self, parameters: Parameters, statistics: Parameters) -> Parameters:
        """Means and covariances of the highest likelihood, or posterior density.

        Parameters
        ----------
        parameters : tuple of ndarray
            From whose means the moments are counted.
        statistics : tuple of ndarray
            Of ``condense``.

        Returns
        -------
        tuple of ndarray
            Means and covariance; an empty component stays as it is.
        """
        means, old = parameters
        counts, _, scatter = self.recentre(parameters, statistics)
        is_empty = counts <= EMPTY * counts.sum()
        safe = np.where(is_empty, 1.0, counts)
        shift = np.where(is_empty[:, None], 0.0, statistics[1] / safe[:, None])
        covariance = self._estimate(scatter, safe, old)
        if is_empty.any() and self.family.is_per_component:
            covariance[is_empty] = old[is_empty]
        return means + shift, self._kept_definite(covariance, len(counts))

    def recentre(self, parameters: Parameters, statistics: Parameters) -> Parameters:
        """Moments about the new means: the first vanish.

        Parameters
        ----------
        parameters : tuple of ndarray
            From whose means the moments are counted.
        statistics : tuple of ndarray
            Of ``condense``.

        Returns
        -------
        tuple of ndarray
            Of the same shapes.
        """
        counts, firsts, scatter = statistics
        safe = np.maximum(counts, np.finfo(float).tiny)
        shift = firsts / safe[:, None]
        lost = self.family.layout(firsts[:, :, None] * shift[:, None, :])
        return counts, np.zeros_like(firsts), scatter - lost

    def log_prior(self, parameters: Parameters) -> float:
        """Of the inverse-Wishart prior.

        Parameters
        ----------
        parameters : tuple of ndarray
            Means and covariance.

        Returns
        -------
        float
            Up to a constant.
        """
        if self.prior is None:
            return 0.0
        means, covariance = parameters
        k, d = means.shape
        dense = self.family.dense(covariance, k, d)
        dense = dense if self.family.is_per_component else dense[:1]
        value = 0.0
        for each in dense:
            value -= self.prior.strength * np.linalg.slogdet(each)[1]
            value -= np.trace(np.linalg.solve(each, self.prior.scale))
        return 0.5 * float(value)

    # ------------------------------------------------------------ parts
    def _estimate(self, scatter: np.ndarray, counts: np.ndarray, old: np.ndarray) -> np.ndarray:
        k, d = len(counts), len(self.floor.spread)
        if self.prior is not None:
            own = self.family.layout(np.broadcast_to(self.prior.scale, (k, d, d)))
            n = 1 if self.family.is_per_component else k
            scatter, counts = scatter + own / n, counts + self.prior.strength / n
        added = np.full((k, d), self.floor.added)
        return self.family.raised(self.family.estimate(scatter, counts, d, old), added)

    def _kept_definite(self, covariance: np.ndarray, k: int) -> np.ndarray:
        """Raise what has collapsed, by as little as makes it definite."""
        spread = np.where(self.floor.spread > 0, self.floor.spread, 1.0)
        by = COLLAPSED * spread
        for _ in range(4):
            bad = self._collapsed(covariance, k, spread)
            if not bad.any():
                return covariance
            self.collapsed |= set(np.flatnonzero(bad).tolist())
            covariance = self.family.raised(covariance, bad[:, None] * by)
            by = 10 * by
        raise InfeasibleError(
            "Mixture: covariances must be finite and definite. Scale the data, or raise reg_covar."
        )

    def _collapsed(self, covariance: np.ndarray, k: int, spread: np.ndarray) -> np.ndarray:
        """Components without extent in some direction, shape (k,)."""
        least = self.floor.tolerance * spread
        if not self.family.is_matrix:
            variances = covariance if covariance.ndim == 2 else covariance[:, None]
            return ~np.all(variances > (least if covariance.ndim == 2 else least.min()), axis=1)
        dense = self.family.dense(covariance, k, len(spread))
        dense = dense if self.family.is_per_component else dense[:1]
        bad = np.array([_is_flat(C, least) for C in dense])
        return np.broadcast_to(bad, (k,))


def _is_flat(covariance: np.ndarray, least: np.ndarray) -> bool:
    """Whether a feature has no variance left once those before it are known."""
    if not np.all(np.isfinite(covariance)):
        return True
    try:
        lower = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return True
    return bool(np.any(np.diagonal(lower) ** 2 <= least))
