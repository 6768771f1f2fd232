"""ENGINE: a regressor for each output a round: LogitBoost and gentle AdaBoost."""

from abc import abstractmethod
from typing import final

import numpy as np

from skextras.reweighting.algorithm import Algorithm, Ending, Step
from skextras.reweighting.contributions import EPS, bounded, share_of
from skextras.reweighting.learners import Answer, Draw, Learner

CHANCE = 1e-12  # answers that are all smaller say nothing


class Additive(Algorithm):
    """A regressor for each output a round: one for two classes, one against the rest for more.

    Parameters
    ----------
    label : ndarray of int32 of shape (n,)
        Classes by number.
    weight : ndarray of float64 of shape (n,)
        Of the rows; they are scaled to sum to 1.
    n_classes : int
        K.
    learning_rate : float
        Share of a regressor's answer that is added.
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
        self.n_classes, self.learning_rate, self._draw = n_classes, learning_rate, draw
        self.n_answers = 1 if n_classes <= 2 else n_classes
        own = [n_classes - 1] if n_classes <= 2 else range(n_classes)
        self.is_own = np.array([label == k for k in own])  # (n_answers, n)
        self.start = weight / weight.sum()
        self._begin()

    def step(self, learner: Learner) -> Step:
        """Fit a regressor for each output, and add it."""
        answers, errors = [], []
        for output in range(self.n_answers):
            answer, error = self._add(output, learner)
            answers.append(answer)
            errors.append(error)
        is_constant = all(np.abs(answer.said).max() <= CHANCE for answer in answers)
        error, bound = float(np.mean(errors)), self._settle()
        ending: Ending = "chance" if is_constant else ""
        if self._is_perfect(error):
            ending = "perfect"
        return Step(tuple(answers), 1.0, error, bound, ending)

    def _shown(self, weight: np.ndarray) -> np.ndarray:
        return weight if self._draw is None else self._draw(weight)

    @abstractmethod
    def _begin(self) -> None:
        """Set where scores and weights begin."""

    @abstractmethod
    def _add(self, output: int, learner: Learner) -> tuple[Answer, float]:
        """Fit and add the regressor of an output; it and its error."""

    @abstractmethod
    def _settle(self) -> float:
        """End a round; what the training error is at most."""

    @abstractmethod
    def _is_perfect(self, error: float) -> bool:
        """Whether a round of this error leaves nothing to do."""


@final
class Gentle(Additive):
    """Gentle AdaBoost: Newton steps on the exponential loss (Friedman et al. 2000, algorithm 4)."""

    def _begin(self) -> None:
        self._labels = self.is_own.astype(np.int32)
        self._sign = np.where(self.is_own, 1.0, -1.0)
        self.weight = np.tile(self.start, (self.n_answers, 1))
        self._bounds = np.ones(self.n_answers)

    def _add(self, output: int, learner: Learner) -> tuple[Answer, float]:
        weight, label = self.weight[output], self._labels[output]
        np.maximum(weight, EPS, out=weight)
        answer = learner.regress(self._shown(weight), self._sign[output])
        sums = answer.sums(weight, label, 2)
        said, total = answer.said, sums.sum()
        wrong = np.where(said > 0, sums[:, 0], sums[:, 1]).sum()
        factors = np.exp(self.learning_rate * np.stack([said, -said], axis=1))
        new_total = (sums * factors).sum()
        answer.scale(weight, label, factors / new_total)
        self._bounds[output] *= new_total / total
        return answer, float(wrong / total)

    def _settle(self) -> float:
        return float(self._bounds.sum())  # who is misclassified is so by one of the outputs

    def _is_perfect(self, error: float) -> bool:
        return error <= 0


@final
class Logit(Additive):
    """LogitBoost: Newton steps on the log loss (Friedman et al. 2000, algorithms 3 and 6)."""

    def _begin(self) -> None:
        self._scores = np.zeros(self.is_own.shape)
        self._chances = np.full(self.is_own.shape, 1 / self.n_classes)
        self._share = self.learning_rate * share_of(self.n_classes)

    def _add(self, output: int, learner: Learner) -> tuple[Answer, float]:
        p, is_own = self._chances[output], self.is_own[output]
        curvature = np.maximum(p * (1 - p), 2 * EPS)
        response = (is_own - p) / curvature
        weight = self.start * curvature
        weight /= weight.sum()
        answer = learner.regress(self._shown(weight), response)
        said = answer.spread(bounded(answer.said))
        self._scores[output] += self._share * said
        return answer, float(weight[(said > 0) != is_own].sum())

    def _settle(self) -> float:
        if self.n_answers == 1:
            self._chances = 1 / (1 + np.exp(-2 * self._scores))
            right = np.where(self.is_own, self._chances, 1 - self._chances)[0]
        else:
            odds = np.exp(self._scores - self._scores.max(axis=0))
            self._chances = odds / odds.sum(axis=0)
            right = (self._chances * self.is_own).sum(axis=0)
        # Who is misclassified has p <= 1/2.
        return float(-self.start @ np.log2(np.maximum(right, EPS)))

    def _is_perfect(self, error: float) -> bool:
        return False
