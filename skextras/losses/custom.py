"""A loss that the user wrote, run on whole arrays and trusted in nothing."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, final

import numpy as np

from skextras.losses.base import Gradients, Loss
from skextras.losses.classification import _logistic
from skextras.losses.kernels import block_sums
from skextras.trees.threads import Threads

INVERSE_LINKS = {
    "identity": lambda raw: raw,
    "log": lambda raw: np.exp(np.minimum(raw, 88.0)),
    "logit": _logistic,
}
STEPS, HALVINGS = 100, 30  # of the search for the best constant


class LossObject(Protocol):
    """What a user's loss offers. Each method takes float64 arrays of shape (n,).

    Attributes
    ----------
    link : {"identity", "log", "logit"}
        How a prediction becomes a raw score; "logit" makes a probability.
    """

    link: str

    def value(self, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
        """Loss of each row.

        Parameters
        ----------
        y, raw : ndarray of shape (n,)
            Targets and scores.

        Returns
        -------
        ndarray of shape (n,)
            Finite numbers.
        """

    def gradient(self, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
        """Derivative of each row's loss in its score.

        Parameters
        ----------
        y, raw : ndarray of shape (n,)
            Targets and scores.

        Returns
        -------
        ndarray of shape (n,)
            Finite numbers.
        """

    def hessian(self, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
        """Second derivative of each row's loss in its score, or a bound above it.

        Parameters
        ----------
        y, raw : ndarray of shape (n,)
            Targets and scores.

        Returns
        -------
        ndarray of shape (n,)
            Finite and not negative.
        """


@final
@dataclass(frozen=True, kw_only=True)
class CustomLoss(Loss):
    """A user's loss in the form of ours.

    Attributes
    ----------
    source : LossObject
        The user's object.
    """

    name: ClassVar[str] = "custom"
    source: Any

    def __post_init__(self) -> None:
        for method in ("value", "gradient", "hessian"):
            if not callable(getattr(self.source, method, None)):
                raise TypeError(
                    "CustomLoss: loss must have the methods value, gradient and hessian, got "
                    f"{type(self.source).__name__} without {method}. Write {method}(y, raw)."
                )
        link = getattr(self.source, "link", None)
        if not isinstance(link, str) or link not in INVERSE_LINKS:
            raise ValueError(
                f"CustomLoss: link must be one of {sorted(INVERSE_LINKS)}, got {link!r}. "
                "Set the attribute link of the loss."
            )

    def fill(self, buffers: Gradients, threads: Threads) -> None:
        """Write gradients, hessians and their sums at the present scores.

        Parameters
        ----------
        buffers : Gradients
            Read and written.
        threads : Threads
            Not used: the user's methods see all rows at once.
        """
        raw = buffers.raw.reshape(-1)
        y, raw = buffers.y.astype(np.float64), raw.astype(np.float64)
        gradient, hessian = self._checked("gradient", y, raw), self._checked("hessian", y, raw)
        if buffers.weight is not None:
            gradient, hessian = gradient * buffers.weight, hessian * buffers.weight
        largest = np.finfo(np.float32).max
        buffers.gradient[0] = np.clip(gradient, -largest, largest)
        buffers.hessian[0] = np.minimum(hessian, largest)
        block_sums(buffers.gradient, buffers.hessian, buffers.sums)

    def _checked(self, method: str, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
        result = np.asarray(getattr(self.source, method)(y, raw))
        if result.shape != y.shape or result.dtype.kind not in "fiub":
            raise ValueError(
                f"CustomLoss: {method} must return {len(y)} numbers in an array of shape "
                f"{y.shape}, got {result.dtype} of shape {result.shape}. Return one number a row."
            )
        result = result.astype(np.float64, copy=False)
        is_bad = ~np.isfinite(result)
        if method == "hessian":
            is_bad |= result < 0
        if np.any(is_bad):
            row = int(np.argmax(is_bad))
            allowed = "finite and not negative" if method == "hessian" else "finite"
            raise ValueError(
                f"CustomLoss: {method} must be {allowed}, got {result[row]} at y={y[row]:g}, "
                f"raw={raw[row]:g}. Guard the formula there, or bound it from above."
            )
        return result

    def _start(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """Newton's method on the constant score, halving a step that does not lower the loss."""
        weights = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)

        def mean(method: str, score: float) -> float:
            numbers = self._checked(method, y, np.full(len(y), score))
            return float(np.average(numbers, weights=weights))

        score, loss = 0.0, mean("value", 0.0)
        for _ in range(STEPS):
            slope, curvature = mean("gradient", score), mean("hessian", score)
            step = -slope / max(curvature, 1e-12) if slope != 0 else 0.0
            for _ in range(HALVINGS):
                there = mean("value", score + step)
                if there <= loss:
                    break
                step /= 2
            if there > loss or abs(step) <= 1e-12 * max(1.0, abs(score)):
                break
            score, loss = score + step, there
        return np.array([score])

    def _losses(self, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
        return self._checked("value", y, raw.reshape(-1))

    def _inverse_link(self, raw: np.ndarray) -> np.ndarray:
        return INVERSE_LINKS[self.source.link](raw)
