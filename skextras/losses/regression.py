"""Losses of numbers: of residuals with the identity link, deviances with the logarithm."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self, final

import numpy as np

from skextras.losses.base import Leaves, Loss
from skextras.losses.quantiles import huber_centre, leaf_quantiles, weighted_quantile

SMALLEST = 10 * np.finfo(np.float64).eps  # of a mean whose logarithm is taken, as scikit-learn's
SAMPLE = 1 << 16  # rows that Huber's delta is read off
_LARGEST = np.log(np.finfo(np.float32).max)


@dataclass(frozen=True, kw_only=True)
class ResidualLoss(Loss):
    """A loss of y - raw alone, whose hessian is 1, or is taken for 1."""

    has_constant_hessian: ClassVar[bool] = True
    is_translation_invariant: ClassVar[bool] = True


@final
@dataclass(frozen=True, kw_only=True)
class SquaredError(ResidualLoss):
    """(y - raw)² / 2."""

    name: ClassVar[str] = "squared_error"
    kernel: ClassVar[str] = "clipped_residual"

    @property
    def parameters(self) -> tuple[float, ...]:
        """Where the gradient is cut off.

        Returns
        -------
        tuple of float
            Nowhere.
        """
        return (np.inf,)

    def _start(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        # Of differences to one target: a common offset costs no digits.
        return np.array([y[0] + np.average(y - y[0], weights=weight)])

    def _losses(self, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
        return 0.5 * (y - raw) ** 2


@final
@dataclass(frozen=True, kw_only=True)
class Quantile(ResidualLoss):
    """(alpha - [y < raw]) (y - raw), the pinball loss.

    Attributes
    ----------
    alpha : float, default=0.5
        Between 0 and 1: the share of targets below the prediction.
    """

    name: ClassVar[str] = "quantile"
    kernel: ClassVar[str] = "side_of_target"
    has_leaf_values: ClassVar[bool] = True
    alpha: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(
                f"Quantile: alpha must be in (0, 1), got {self.alpha!r}. The median is 0.5."
            )

    @property
    def parameters(self) -> tuple[float, ...]:
        """Slopes.

        Returns
        -------
        tuple of float
            Of a score up to the target, and of one above it.
        """
        return (-self.alpha, 1 - self.alpha)

    def _start(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        return np.array([weighted_quantile(y, weight, self.alpha)])

    def _losses(self, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
        return np.where(y < raw, (self.alpha - 1) * (y - raw), self.alpha * (y - raw))

    def _leaf_values(
        self, y: np.ndarray, raw: np.ndarray, weight: np.ndarray | None, leaves: Leaves
    ) -> np.ndarray:
        return leaf_quantiles(y, raw, weight, leaves, alpha=self.alpha, delta=np.inf)


@final
@dataclass(frozen=True, kw_only=True)
class AbsoluteError(ResidualLoss):
    """The absolute value of y - raw."""

    name: ClassVar[str] = "absolute_error"
    kernel: ClassVar[str] = "side_of_target"
    has_leaf_values: ClassVar[bool] = True

    @property
    def parameters(self) -> tuple[float, ...]:
        """Slopes.

        Returns
        -------
        tuple of float
            Of a score up to the target, and of one above it.
        """
        return (-1.0, 1.0)

    def _start(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        return np.array([weighted_quantile(y, weight, 0.5)])

    def _losses(self, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
        return np.abs(y - raw)

    def _leaf_values(
        self, y: np.ndarray, raw: np.ndarray, weight: np.ndarray | None, leaves: Leaves
    ) -> np.ndarray:
        return leaf_quantiles(y, raw, weight, leaves, alpha=0.5, delta=np.inf)


@final
@dataclass(frozen=True, kw_only=True)
class Huber(ResidualLoss):
    """(y - raw)² / 2 up to a residual delta, delta (|y - raw| - delta / 2) beyond.

    The hessian is taken for 1 beyond delta too, where it is 0: trees then follow the gradient, and
    leaves take Friedman's value (*Greedy Function Approximation: A Gradient Boosting Machine*,
    Annals of Statistics 29(5), 2001, algorithm 4).

    Attributes
    ----------
    quantile : float, default=0.9
        Share of the absolute residuals below delta.
    delta : float or None, default=None
        A fixed delta; None is the quantile, read off anew by ``refreshed``.
    settled : float, default=1.0
        The delta in use.
    """

    name: ClassVar[str] = "huber"
    kernel: ClassVar[str] = "clipped_residual"
    has_leaf_values: ClassVar[bool] = True
    quantile: float = 0.9
    delta: float | None = None
    settled: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1:
            raise ValueError(
                f"Huber: quantile must be in (0, 1), got {self.quantile!r}. Usual is 0.9."
            )
        if self.delta is not None:
            if not 0 < self.delta < np.inf:
                raise ValueError(
                    f"Huber: delta must be positive and finite, got {self.delta!r}. "
                    "For no limit take squared_error."
                )
            object.__setattr__(self, "settled", float(self.delta))

    @property
    def parameters(self) -> tuple[float, ...]:
        """Where the gradient is cut off.

        Returns
        -------
        tuple of float
            The delta in use.
        """
        return (self.settled,)

    def refreshed(self, y: np.ndarray, raw: np.ndarray, weight: np.ndarray | None = None) -> Self:
        """Read delta off the present residuals: of all rows, or of 65,536 at even distances.

        Parameters
        ----------
        y, raw : ndarray of shape (n,)
            Targets and scores.
        weight : ndarray of shape (n,), default=None
            Weights of the rows.

        Returns
        -------
        Huber
            With that delta, unless it is fixed; where it would be 0, the present one stays.
        """
        if self.delta is not None:
            return self
        step = -(-len(y) // SAMPLE)
        distance = np.abs(y[::step].astype(np.float64) - raw[::step])
        weights = None if weight is None else weight[::step]
        if weights is not None and not np.any(weights > 0):
            return self
        delta = weighted_quantile(distance, weights, self.quantile)
        return replace(self, settled=delta) if delta > 0 else self

    def _start(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        median = weighted_quantile(y, weight, 0.5)
        settled = self.refreshed(y - median, np.zeros(len(y)), weight).settled
        return np.array([median + huber_centre(y - median, weight, settled)])

    def _losses(self, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
        distance = np.abs(y - raw)
        far = self.settled * (distance - self.settled / 2)
        return np.where(distance <= self.settled, 0.5 * distance**2, far)

    def _leaf_values(
        self, y: np.ndarray, raw: np.ndarray, weight: np.ndarray | None, leaves: Leaves
    ) -> np.ndarray:
        return leaf_quantiles(y, raw, weight, leaves, alpha=0.5, delta=self.settled)


@dataclass(frozen=True, kw_only=True)
class Deviance(Loss):
    """Half the deviance of a Tweedie distribution with the logarithm as its link.

    The variance grows as the mean to the ``power``: 1 is Poisson, 2 is gamma.
    """

    kernel: ClassVar[str] = "tweedie_deviance"
    power: float

    @property
    def parameters(self) -> tuple[float, ...]:
        """Power of the variance.

        Returns
        -------
        tuple of float
            1 to 2.
        """
        return (float(self.power),)

    def check(self, y: np.ndarray, owner: str) -> None:
        """Refuse negative targets, zeros too for gamma, and nothing but zeros.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Targets.
        owner : str
            Whose error it is.

        Raises
        ------
        ValueError
            Naming the loss and the target.
        """
        lowest = float(np.min(y))
        if self.power == 2 and lowest <= 0:
            raise ValueError(
                f"{owner}: loss={self.name!r} requires strictly positive y. It must be > 0, got "
                f"{lowest:g}. Leave such rows out, or take loss='tweedie' with a power below 2."
            )
        if self.power < 2 and not (lowest >= 0 and np.max(y) > 0):
            raise ValueError(
                f"{owner}: loss={self.name!r} requires non-negative y and sum(y) > 0. Targets must "
                f"be counts or amounts, got {lowest:g} to {np.max(y):g}. Take squared_error."
            )

    def _start(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        return np.log(np.maximum([np.average(y, weights=weight)], SMALLEST))

    def _losses(self, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
        a, b = 1 - self.power, 2 - self.power
        pull = y * raw if a == 0 else y * np.exp(np.minimum(a * raw, _LARGEST)) / a
        push = raw if b == 0 else np.exp(np.minimum(b * raw, _LARGEST)) / b
        return push - pull

    def _inverse_link(self, raw: np.ndarray) -> np.ndarray:
        return np.exp(np.minimum(raw, raw.dtype.type(_LARGEST * (1 - 1e-6))))


@final
@dataclass(frozen=True, kw_only=True)
class Poisson(Deviance):
    """exp(raw) - y raw."""

    name: ClassVar[str] = "poisson"
    power: float = field(default=1.0, init=False)


@final
@dataclass(frozen=True, kw_only=True)
class Gamma(Deviance):
    """raw + y exp(-raw)."""

    name: ClassVar[str] = "gamma"
    power: float = field(default=2.0, init=False)


@final
@dataclass(frozen=True, kw_only=True)
class Tweedie(Deviance):
    """exp((2 - p) raw) / (2 - p) - y exp((1 - p) raw) / (1 - p).

    Attributes
    ----------
    power : float, default=1.5
        p, from 1 to 2; between them zeros have positive probability.
    """

    name: ClassVar[str] = "tweedie"
    power: float = 1.5

    def __post_init__(self) -> None:
        if not 1 <= self.power <= 2:
            raise ValueError(
                f"Tweedie: power must be in [1, 2], got {self.power!r}. Poisson is 1, gamma is 2."
            )
