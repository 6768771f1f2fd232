"""The families of covariances that scikit-learn knows."""

from typing import Any

import numpy as np

from skextras.mixture import gaussian_kernels as kernels
from skextras.mixture.covariance import Covariance, Ready, pad, symmetric
from skextras.mixture.kernels import linear
from skextras.mixture.sweeping import Block, padded

__all__ = ["FAMILIES", "FullCovariance"]

LOG_2PI = float(np.log(2 * np.pi))


class FullCovariance(Covariance):
    """A matrix for each component, shape (k, d, d)."""

    def each_root(self, root: np.ndarray, k: int, d: int) -> np.ndarray:
        return root

    def count(self, k: int, d: int) -> int:
        return k * d * (d + 1) // 2

    def seconds(self, k: int, d: int) -> list[np.ndarray]:
        return [np.zeros((k, padded(d), padded(d)))]

    def prepare(self, means: np.ndarray, root: np.ndarray, dtype: Any) -> Ready:
        k, d = means.shape
        D = padded(d)
        constants = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1) - 0.5 * d * LOG_2PI
        return Ready(
            pad(means, (k, D), dtype), pad(root, (k, D, D), dtype), constants.astype(dtype)
        )

    def density(self, ready: Ready, block: Block, table: np.ndarray) -> None:
        kernels.full_density(
            block.turned, len(block), ready.means, ready.scales, ready.constants, table
        )

    def moments(
        self, ready: Ready, block: Block, shares: np.ndarray, sums: list[np.ndarray]
    ) -> None:
        counts, firsts, seconds = sums[0][: len(ready.constants)], sums[1], sums[2]
        kernels.full_moments(block.turned, len(block), ready.means, shares, counts, firsts, seconds)

    def scatter(self, ready: Ready, seconds: list[np.ndarray], d: int) -> np.ndarray:
        return symmetric(seconds[0], d)

    def layout(self, scatters: np.ndarray) -> np.ndarray:
        return scatters

    def estimate(
        self, scatter: np.ndarray, counts: np.ndarray, d: int, old: np.ndarray | None
    ) -> np.ndarray:
        return scatter / counts[:, None, None]

    def raised(self, covariance: np.ndarray, by: np.ndarray) -> np.ndarray:
        return covariance + by[:, :, None] * np.eye(by.shape[1])


class TiedCovariance(Covariance):
    """One matrix for all components, shape (d, d); rows are whitened once for all of them."""

    is_per_component = False

    def each_root(self, root: np.ndarray, k: int, d: int) -> np.ndarray:
        return np.broadcast_to(root, (k, d, d))

    def count(self, k: int, d: int) -> int:
        return d * (d + 1) // 2

    def seconds(self, k: int, d: int) -> list[np.ndarray]:
        return [np.zeros((padded(d), padded(d))), np.zeros((padded(k), padded(k)))]

    def prepare(self, means: np.ndarray, root: np.ndarray, dtype: Any) -> Ready:
        k, d = means.shape
        D = padded(d)
        constant = np.log(np.diagonal(root)).sum() - 0.5 * d * LOG_2PI
        return Ready(
            pad(means, (padded(k), D), dtype),
            pad(root.T, (D, D), dtype),
            np.full(k, constant, dtype),
            white=pad(means @ root, (k, D), dtype),
        )

    def density(self, ready: Ready, block: Block, table: np.ndarray) -> None:
        white = np.zeros_like(block.turned)
        linear(ready.scales, block.turned, len(block), white)
        ones = np.ones_like(ready.white)
        kernels.axis_density(white, len(block), ready.white, ones, ready.constants, table)

    def moments(
        self, ready: Ready, block: Block, shares: np.ndarray, sums: list[np.ndarray]
    ) -> None:
        before, plain = sums[0].copy(), np.zeros_like(ready.means, np.float64)
        shares[len(ready.constants) :] = 0
        kernels.tied_moments(
            block.turned, len(block), ready.means, shares, sums[0], plain, sums[2], sums[3]
        )
        plain -= (sums[0] - before)[:, None] * ready.means
        sums[1] += plain[: len(ready.constants)]

    def scatter(self, ready: Ready, seconds: list[np.ndarray], d: int) -> np.ndarray:
        k = len(ready.constants)
        between, means = symmetric(seconds[1], k), ready.means[:k, :d].astype(np.float64)
        pairs = np.triu_indices(k, 1)
        apart = means[pairs[0]] - means[pairs[1]]
        return symmetric(seconds[0], d) + apart.T @ (between[pairs][:, None] * apart)

    def layout(self, scatters: np.ndarray) -> np.ndarray:
        return scatters.sum(axis=0)

    def estimate(
        self, scatter: np.ndarray, counts: np.ndarray, d: int, old: np.ndarray | None
    ) -> np.ndarray:
        return scatter / counts.sum()

    def raised(self, covariance: np.ndarray, by: np.ndarray) -> np.ndarray:
        return covariance + np.diag(by.max(axis=0))


class DiagonalCovariance(Covariance):
    """Variances of the axes for each component, shape (k, d)."""

    is_matrix = False

    def each_root(self, root: np.ndarray, k: int, d: int) -> np.ndarray:
        return root

    def count(self, k: int, d: int) -> int:
        return k * d

    def seconds(self, k: int, d: int) -> list[np.ndarray]:
        return [np.zeros((k, padded(d)))]

    def prepare(self, means: np.ndarray, root: np.ndarray, dtype: Any) -> Ready:
        k, d = means.shape
        scales = self.each_root(root, k, d)
        constants = np.log(scales).sum(axis=1) - 0.5 * d * LOG_2PI
        shape = (k, padded(d))
        return Ready(pad(means, shape, dtype), pad(scales, shape, dtype), constants.astype(dtype))

    def density(self, ready: Ready, block: Block, table: np.ndarray) -> None:
        kernels.axis_density(
            block.turned, len(block), ready.means, ready.scales, ready.constants, table
        )

    def moments(
        self, ready: Ready, block: Block, shares: np.ndarray, sums: list[np.ndarray]
    ) -> None:
        counts, firsts, seconds = sums[0][: len(ready.constants)], sums[1], sums[2]
        kernels.axis_moments(block.turned, len(block), ready.means, shares, counts, firsts, seconds)

    def scatter(self, ready: Ready, seconds: list[np.ndarray], d: int) -> np.ndarray:
        return seconds[0][:, :d]

    def layout(self, scatters: np.ndarray) -> np.ndarray:
        return np.diagonal(scatters, axis1=1, axis2=2).copy()

    def estimate(
        self, scatter: np.ndarray, counts: np.ndarray, d: int, old: np.ndarray | None
    ) -> np.ndarray:
        return scatter / counts[:, None]

    def raised(self, covariance: np.ndarray, by: np.ndarray) -> np.ndarray:
        return covariance + by


class SphericalCovariance(DiagonalCovariance):
    """One variance for each component, shape (k,)."""

    def each_root(self, root: np.ndarray, k: int, d: int) -> np.ndarray:
        return np.repeat(root[:, None], d, axis=1)

    def count(self, k: int, d: int) -> int:
        return k

    def scatter(self, ready: Ready, seconds: list[np.ndarray], d: int) -> np.ndarray:
        return seconds[0].sum(axis=1)

    def layout(self, scatters: np.ndarray) -> np.ndarray:
        return np.trace(scatters, axis1=1, axis2=2)

    def estimate(
        self, scatter: np.ndarray, counts: np.ndarray, d: int, old: np.ndarray | None
    ) -> np.ndarray:
        return scatter / (counts * d)

    def raised(self, covariance: np.ndarray, by: np.ndarray) -> np.ndarray:
        return covariance + by.mean(axis=1)


FAMILIES: dict[str, Covariance] = {
    "full": FullCovariance(),
    "tied": TiedCovariance(),
    "diag": DiagonalCovariance(),
    "spherical": SphericalCovariance(),
}
