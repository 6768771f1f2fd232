"""Losses of labels: the log loss for two classes and for more, and AdaBoost's exponential loss."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from skextras.losses.base import Loss

SMALLEST = 10 * np.finfo(np.float64).eps  # of a class's share, as scikit-learn's


def _share_of_ones(y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    return np.clip([np.average(y, weights=weight)], SMALLEST, 1 - SMALLEST)


def _logistic(raw: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-raw)), exact to the last digits on both sides."""
    e = np.exp(-np.abs(raw))
    return np.where(raw >= 0, 1, e) / (1 + e)


@dataclass(frozen=True, kw_only=True)
class ClassLoss(Loss):
    """A loss of labels 0, 1, ..."""

    is_classifier: ClassVar[bool] = True

    def check(self, y: np.ndarray, owner: str) -> None:
        """Refuse labels that are no class.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Labels.
        owner : str
            Whose error it is.

        Raises
        ------
        ValueError
            Naming the label.
        """
        top = max(self.n_outputs - 1, 1)
        is_bad = (y < 0) | (y > top) | (y != np.floor(y))
        if np.any(is_bad):
            raise ValueError(
                f"{owner}: y must hold the class numbers 0 to {top} for loss={self.name!r}, got "
                f"{y[is_bad][0]:g}. Number the classes first."
            )


@final
@dataclass(frozen=True, kw_only=True)
class BinaryLogLoss(ClassLoss):
    """log(1 + exp(raw)) - y raw; the raw score is the logit of class 1."""

    name: ClassVar[str] = "log_loss"
    kernel: ClassVar[str] = "binary_log_loss"

    def _start(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        p = _share_of_ones(y, weight)
        return np.log(p / (1 - p))

    def _losses(self, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
        return np.log1p(np.exp(-np.abs(raw))) + np.maximum(raw, 0) - y * raw

    def _inverse_link(self, raw: np.ndarray) -> np.ndarray:
        return _logistic(raw)


@final
@dataclass(frozen=True, kw_only=True)
class MultinomialLogLoss(ClassLoss):
    """log Σ exp(raw_k) - raw_y; the raw scores are logits up to a common constant."""

    name: ClassVar[str] = "log_loss"
    kernel: ClassVar[str] = "multinomial_log_loss"

    def _start(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        mass = np.bincount(y.astype(np.int64), weight, minlength=self.n_outputs)
        scores = np.log(np.clip(mass / mass.sum(), SMALLEST, 1 - SMALLEST))
        return scores - scores.mean()

    def _losses(self, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
        top = raw.max(axis=0)
        own = raw[y.astype(np.int64), np.arange(len(y))]
        return np.log(np.exp(raw - top).sum(axis=0)) + top - own

    def _inverse_link(self, raw: np.ndarray) -> np.ndarray:
        odds = np.exp(raw - raw.max(axis=0))
        return odds / odds.sum(axis=0)


@final
@dataclass(frozen=True, kw_only=True)
class Exponential(ClassLoss):
    """exp(-raw) for class 1, exp(raw) for class 0; the raw score is half the logit of class 1."""

    name: ClassVar[str] = "exponential"
    kernel: ClassVar[str] = "exponential_loss"

    def _start(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        p = _share_of_ones(y, weight)
        return np.log(p / (1 - p)) / 2

    def _losses(self, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
        return np.exp(np.minimum((1 - 2 * y) * raw, 700.0))

    def _inverse_link(self, raw: np.ndarray) -> np.ndarray:
        return _logistic(2 * raw)


def log_loss(*, n_classes: int = 2) -> BinaryLogLoss | MultinomialLogLoss:
    """Log loss with one output for two classes, and one a class for more.

    Parameters
    ----------
    n_classes : int, default=2
        Classes; one class alone has the form of two.

    Returns
    -------
    Loss
        Binary or multinomial.
    """
    return BinaryLogLoss() if n_classes <= 2 else MultinomialLogLoss(n_outputs=n_classes)
