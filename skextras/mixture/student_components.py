"""Student components: Gaussian ones whose rows are weighted by how near they are."""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, gammaln

from skextras.mixture import incomplete_kernels, student_kernels
from skextras.mixture.components import Components, Parameters
from skextras.mixture.covariance import Ready, symmetric
from skextras.mixture.em import InfeasibleError
from skextras.mixture.families import FullCovariance
from skextras.mixture.gaussian_components import Floor, GaussianComponents
from skextras.mixture.sweeping import Block, padded

__all__ = ["StudentComponents"]

FREEDOMS = (0.5, 500.0)  # between which ν is sought; above it is Gaussian for all that matters


class _Prepared(NamedTuple):
    ready: Ready
    means: np.ndarray
    scale: np.ndarray
    freedom: np.ndarray
    constants: np.ndarray
    beyond: np.ndarray  # (k, d + 1): E[log u] - log E[u] by the number of known features


class StudentComponents(Components):
    """Parameters are (means, scale matrices, degrees of freedom) [1]_.

    Parameters
    ----------
    floor : Floor
        Against singular scales.
    freedom : float or None
        ν, if it is given.

    References
    ----------
    .. [1] D. Peel and G. J. McLachlan, "Robust mixture modelling using the t distribution",
       Statistics and Computing 10, 2000.
    """

    is_centred = True
    n_parameters = 3
    n_statistics = 5
    needs_scratch = True

    def __init__(self, floor: Floor, freedom: float | None) -> None:
        self.gaussian, self.freedom = GaussianComponents(FullCovariance(), floor), freedom

    @property
    def collapsed(self) -> set[int]:
        return self.gaussian.collapsed

    def prepare(self, parameters: Parameters, dtype: Any) -> _Prepared:
        means, scale, nu = parameters
        if not np.all(nu > 0):
            raise InfeasibleError("Mixture: degrees of freedom must be positive. Step back.")
        family, d = self.gaussian.family, means.shape[1]
        ready = family.prepare(means, family.root(scale), dtype)
        half = 0.5 * np.log(2 * np.pi) * d  # taken out of the Gaussian's constant again
        constants = ready.constants.astype(np.float64) + half
        constants = constants + gammaln(0.5 * (nu + d)) - gammaln(0.5 * nu)
        constants = constants - 0.5 * d * np.log(np.pi * nu)
        plain = ready._replace(constants=np.zeros_like(ready.constants))
        half_sum = 0.5 * (nu[:, None] + np.arange(d + 1))
        beyond = digamma(half_sum) - np.log(half_sum)
        return _Prepared(plain, means, scale, nu.astype(np.float64), constants, beyond)

    def zeros(self, k: int, d: int) -> list[np.ndarray]:
        return [np.zeros(padded(k)), np.zeros(padded(k)), *self.gaussian.zeros(k, d)]

    def density(self, ready: _Prepared, block: Block, table: np.ndarray) -> None:
        pull = block.scratch
        if block.is_complete:
            self.gaussian.family.density(ready.ready, block, table)
            d = ready.means.shape[1]
            student_kernels.to_student(table, len(block), ready.constants, ready.freedom, d, pull)
        else:
            incomplete_kernels.incomplete_density(
                block.rows, block.centre, ready.means, ready.scale, ready.freedom, table, pull
            )

    def accumulate(
        self, ready: _Prepared, block: Block, table: np.ndarray, sums: list[np.ndarray]
    ) -> None:
        (k, d), n = ready.means.shape, len(block)
        pulled = np.zeros_like(table)
        known = np.full(n, d) if block.is_complete else d - np.isnan(block.rows).sum(axis=1)
        student_kernels.weigh(
            table, n, block.scratch, known, ready.beyond, sums[0][:k], sums[1][:k], pulled
        )
        if block.is_complete:
            self.gaussian.family.moments(ready.ready, block, pulled, sums[2:])
        else:
            sums[2][:k] += pulled[:k, :n].sum(axis=1)
            incomplete_kernels.incomplete_moments(
                block.rows,
                block.centre,
                ready.means,
                ready.scale,
                table,
                pulled,
                sums[-3],
                sums[-2],
            )

    def condense(self, ready: _Prepared, sums: list[np.ndarray]) -> Parameters:
        k, d = ready.means.shape
        scatter = symmetric(sums[4], d) + symmetric(sums[-2], d)
        counts, logs, pulled = (part[:k].copy() for part in sums[:3])
        return counts, logs, pulled, sums[3][:, :d] + sums[-3], scatter

    def update(self, parameters: Parameters, statistics: Parameters) -> Parameters:
        means, scale, nu = parameters
        counts, logs, pulled, firsts, scatter = statistics
        # Scale of the highest likelihood: the scatter about the new mean over Σ r, not Σ r u.
        ratio = np.where(counts > 0, pulled / np.maximum(counts, 1e-300), 1.0)
        moved = (pulled, firsts, scatter)
        new, raw = self.gaussian.update((means, scale), moved)
        new_scale = raw * np.maximum(ratio, 1e-300)[:, None, None]
        if self.freedom is not None:
            return new, new_scale, nu
        own = [_solved(*each) for each in zip(counts, logs, nu, strict=True)]
        return new, new_scale, np.array(own)

    def recentre(self, parameters: Parameters, statistics: Parameters) -> Parameters:
        counts, logs, *rest = statistics
        return counts, logs, *self.gaussian.recentre(parameters[:2], tuple(rest))


def _solved(count: float, logs: float, nu: float) -> float:
    """Degrees of freedom where the expected likelihood is highest (reference 1, equation 32)."""
    if count <= 0:
        return nu
    mean = 1 + logs / count

    def slope(value: float) -> float:
        return float(np.log(0.5 * value) - digamma(0.5 * value) + mean)

    low, high = FREEDOMS
    if slope(low) <= 0:
        return low
    return high if slope(high) >= 0 else float(brentq(slope, low, high, xtol=1e-10))
