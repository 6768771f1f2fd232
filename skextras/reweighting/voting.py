"""ENGINE: a classifier a round, and weights that grow where it errs: discrete and real AdaBoost."""

from abc import abstractmethod
from typing import final

import numpy as np

from skextras.reweighting.algorithm import Algorithm, Step
from skextras.reweighting.contributions import EPS, centred_logs
from skextras.reweighting.learners import Draw, Learner

ROUNDING = 1e-12  # of sums of weights: an error so little below chance is chance


class Voting(Algorithm):
    """A classifier a round, and weights that grow where it errs.

    Parameters
    ----------
    label : ndarray of int32 of shape (n,)
        Classes by number.
    weight : ndarray of float64 of shape (n,)
        Of the rows; they are scaled to sum to 1.
    n_classes : int
        K.
    learning_rate : float
        Power of the factors.
    draw : callable or None
        Draws the rows that each learner sees; None shows it the weights.
    """

    def __init__(
        self,
        label: np.ndarray,
        weight: np.ndarray,
        n_classes: int,
        *,
        learning_rate: float,
        draw: Draw | None,
    ) -> None:
        self.label, self.n_classes, self.learning_rate = label, n_classes, learning_rate
        self.weight = weight / weight.sum()
        self._draw, self._bound = draw, 1.0

    def step(self, learner: Learner) -> Step:
        """Fit a classifier to the weights, and weigh anew."""
        weight = self.weight
        np.maximum(weight, EPS, out=weight)
        shown = weight if self._draw is None else self._draw(weight)
        answer = learner.classify(shown, self.label)
        sums = answer.sums(weight, self.label, self.n_classes)
        total = sums.sum()
        is_wrong = np.ones(sums.shape, bool)
        is_wrong[np.arange(len(sums)), answer.said.argmax(axis=1)] = False
        error = float(sums[is_wrong].sum() / total)
        if error <= 0:
            self._bound *= self._rate(1.0, 0.0, sums, np.ones(sums.shape))
            return Step((answer,), 1.0, 0.0, self._bound, "perfect")
        if error >= (1 - 1 / self.n_classes) * (1 - ROUNDING):
            return Step((answer,), 0.0, error, self._bound, "chance")
        alpha, factors = self._judge(answer.said, is_wrong, error)
        self._bound *= self._rate(alpha, error, sums / total, factors)
        with np.errstate(over="ignore", invalid="ignore"):
            new_total = float((sums * factors).sum())
        if not np.isfinite(new_total):
            return Step((answer,), alpha, error, self._bound, "overflow")
        answer.scale(weight, self.label, factors / new_total)
        return Step((answer,), alpha, error, self._bound, "")

    @abstractmethod
    def _judge(
        self, said: np.ndarray, is_wrong: np.ndarray, error: float
    ) -> tuple[float, np.ndarray]:
        """α, and the factors (n_cells, K)."""

    @abstractmethod
    def _rate(self, alpha: float, error: float, shares: np.ndarray, factors: np.ndarray) -> float:
        """Z, by which the bound of the training error falls."""


@final
class Samme(Voting):
    """Discrete AdaBoost: votes (Zhu et al. 2009, algorithm 2; for K = 2 Freund and Schapire's)."""

    def _judge(
        self, said: np.ndarray, is_wrong: np.ndarray, error: float
    ) -> tuple[float, np.ndarray]:
        alpha = np.log((1 - error) / error) + np.log(self.n_classes - 1)
        alpha = self.learning_rate * float(alpha)
        with np.errstate(over="ignore"):
            return alpha, np.where(is_wrong, np.exp(alpha), 1.0)

    def _rate(self, alpha: float, error: float, shares: np.ndarray, factors: np.ndarray) -> float:
        # Who is misclassified was so by learners with half of all say: its weight grew by
        # Π exp(α ([wrong] - 1/2)) >= 1 (Freund and Schapire 1997, theorem 6, for any α and K).
        with np.errstate(over="ignore"):
            return float(error * np.exp(alpha / 2) + (1 - error) * np.exp(-alpha / 2))


@final
class SammeR(Voting):
    """Real AdaBoost: half log odds, or what they are for K classes (Zhu et al., algorithm 4)."""

    def _judge(
        self, said: np.ndarray, is_wrong: np.ndarray, error: float
    ) -> tuple[float, np.ndarray]:
        with np.errstate(over="ignore"):
            return 1.0, np.exp(-self.learning_rate * centred_logs(said))

    def _rate(self, alpha: float, error: float, shares: np.ndarray, factors: np.ndarray) -> float:
        if self.n_classes > 2:
            return float("nan")  # where K > 2, exp(-f) is below 1 for some that are misclassified
        return float((shares * factors).sum())
