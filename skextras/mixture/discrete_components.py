"""Components whose features are independent bits, counts or categories."""

import math
from typing import Any

import numpy as np

from skextras.mixture import discrete_kernels
from skextras.mixture.components import Components, Parameters
from skextras.mixture.em import InfeasibleError
from skextras.mixture.kernels import add_products, add_totals, linear
from skextras.mixture.sweeping import Block, padded

__all__ = ["BernoulliComponents", "CategoricalComponents", "PoissonComponents"]

LEAST = 1e-12  # probability or rate, so that no logarithm is infinite
LOG_FACTORIALS = np.array([math.lgamma(x + 1.0) for x in range(1024)])


class LinearComponents(Components):
    """Families with log p(x) = Σ w x + Σ v over the known features; abstract."""

    def coefficients(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """w and v of each component and feature."""
        raise InfeasibleError(type(self).__name__)

    def prepare(self, parameters: Parameters, dtype: Any) -> Any:
        if not np.all(np.isfinite(parameters[0])):
            raise InfeasibleError("Mixture: probabilities and rates must be finite. Check X.")
        w, v = self.coefficients(parameters)
        k, d = w.shape
        both = np.zeros((2, padded(k), padded(d)), dtype)
        both[0, :k, :d], both[1, :k, :d] = w, v
        return both, v.sum(axis=1), k, d

    def zeros(self, k: int, d: int) -> list[np.ndarray]:
        shape = padded(k), padded(d)
        return [np.zeros(shape[0]), np.zeros(shape), np.zeros(shape)]

    def density(self, ready: Any, block: Block, table: np.ndarray) -> None:
        (w, v), constants, k, _ = ready
        n = len(block)
        if block.is_complete:
            table[:k, :n] = constants[:, None]
        else:
            known = np.zeros_like(block.turned)
            discrete_kernels.load_known(block.rows, block.turned, known)
            table[:, :n] = 0
            linear(v, known, n, table)
        linear(w, block.turned, n, table)

    def accumulate(
        self, ready: Any, block: Block, table: np.ndarray, sums: list[np.ndarray]
    ) -> None:
        _, _, k, d = ready
        n = len(block)
        table[k:, :n] = 0
        before = sums[0].copy()
        add_totals(table, n, sums[0])
        if block.is_complete:
            sums[2][:, :d] += (sums[0] - before)[:, None]
        else:
            known = np.zeros_like(block.turned)
            discrete_kernels.load_known(block.rows, block.turned, known)
            add_products(table, known, n, False, sums[2])
        add_products(table, block.turned, n, False, sums[1])

    def condense(self, ready: Any, sums: list[np.ndarray]) -> Parameters:
        _, _, k, d = ready
        return sums[0][:k].copy(), sums[1][:k, :d].copy(), sums[2][:k, :d].copy()


class BernoulliComponents(LinearComponents):
    """Bits; the parameters are their probabilities (k, d).

    Parameters
    ----------
    alpha : float
        Bits of either kind that the Beta prior adds to each component and feature.
    """

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha

    def coefficients(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        p = parameters[0]
        if not np.all((p > 0) & (p < 1)):
            raise InfeasibleError("Mixture: probabilities must be in (0, 1). Step back.")
        return np.log(p) - np.log1p(-p), np.log1p(-p)

    def update(self, parameters: Parameters, statistics: Parameters) -> Parameters:
        _, ones, known = statistics
        total = known + 2 * self.alpha
        with np.errstate(invalid="ignore", divide="ignore"):
            p = np.where(total > 0, (ones + self.alpha) / total, parameters[0])
        return (np.clip(p, LEAST, 1 - LEAST),)

    def log_prior(self, parameters: Parameters) -> float:
        p = parameters[0]
        return float(self.alpha * np.sum(np.log(p) + np.log1p(-p)))


class PoissonComponents(LinearComponents):
    """Counts; the parameters are rates (k, d)."""

    def coefficients(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        rates = parameters[0]
        if not np.all(rates > 0):
            raise InfeasibleError("Mixture: rates must be positive. Step back.")
        return np.log(rates), -rates

    def density(self, ready: Any, block: Block, table: np.ndarray) -> None:
        super().density(ready, block, table)
        discrete_kernels.subtract_log_factorials(
            block.turned, len(block), ready[2], LOG_FACTORIALS, table
        )

    def update(self, parameters: Parameters, statistics: Parameters) -> Parameters:
        _, counts, known = statistics
        with np.errstate(invalid="ignore", divide="ignore"):
            rates = np.where(known > 0, counts / known, parameters[0])
        return (np.maximum(rates, LEAST),)


class CategoricalComponents(Components):
    """Codes of categories; the parameters are probabilities (k, n_categories), feature by feature.

    Parameters
    ----------
    sizes : sequence of int
        Categories of each feature.
    alpha : float
        Rows that the Dirichlet prior adds to each category of each component.
    """

    n_statistics = 2

    def __init__(self, sizes: Any, alpha: float) -> None:
        self.sizes, self.alpha = np.asarray(sizes, np.int64), alpha
        self.offsets = np.cumsum(self.sizes) - self.sizes

    def prepare(self, parameters: Parameters, dtype: Any) -> Any:
        if not np.all(parameters[0] > 0):
            raise InfeasibleError("Mixture: probabilities must be positive. Step back.")
        return np.ascontiguousarray(np.log(parameters[0]).T)

    def zeros(self, k: int, d: int) -> list[np.ndarray]:
        return [np.zeros(padded(k)), np.zeros((int(self.sizes.sum()), k))]

    def density(self, ready: Any, block: Block, table: np.ndarray) -> None:
        discrete_kernels.category_density(block.rows, self.offsets, ready, table)

    def accumulate(
        self, ready: Any, block: Block, table: np.ndarray, sums: list[np.ndarray]
    ) -> None:
        add_totals(table, len(block), sums[0][: ready.shape[1]])
        discrete_kernels.category_counts(block.rows, self.offsets, table, sums[1])

    def relative(
        self, ready: Any, block: Block, table: np.ndarray, out: np.ndarray, tops: np.ndarray
    ) -> None:
        if block.rows.shape[1] > 1:
            super().relative(ready, block, table, out, tops)
        else:
            discrete_kernels.category_relative(block.rows[:, 0], ready, out, tops)

    def assign(
        self, ready: Any, block: Block, shares: np.ndarray, table: np.ndarray, sums: Any
    ) -> None:
        discrete_kernels.category_sums(block.rows, self.offsets, shares, sums[1], sums[0])

    def condense(self, ready: Any, sums: list[np.ndarray]) -> Parameters:
        return sums[0][: ready.shape[1]].copy(), sums[1].T.copy()

    def update(self, parameters: Parameters, statistics: Parameters) -> Parameters:
        counts = statistics[1] + self.alpha
        total = np.add.reduceat(counts, self.offsets, axis=1)
        safe = np.repeat(total, self.sizes, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            p = np.where(safe > 0, counts / safe, parameters[0])
        return (np.maximum(p, LEAST),)

    def log_prior(self, parameters: Parameters) -> float:
        return float(self.alpha * np.sum(np.log(parameters[0])))
