"""ENGINE: boosting of numbers, and all ways to boost by name."""

from collections.abc import Callable
from typing import final

import numpy as np

from skextras.reweighting.additive import Gentle, Logit
from skextras.reweighting.algorithm import Algorithm, Step
from skextras.reweighting.contributions import EPS
from skextras.reweighting.learners import Draw, Learner
from skextras.reweighting.voting import Samme, SammeR

LOSSES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda size: size,
    "square": np.square,
    "exponential": lambda size: 1 - np.exp(-size),
}


@final
class R2(Algorithm):
    """AdaBoost.R2: rows that are far off weigh more (H. Drucker 1997).

    Parameters
    ----------
    target : ndarray of float64 of shape (n,)
        Numbers.
    weight : ndarray of float64 of shape (n,)
        Of the rows; they are scaled to sum to 1.
    loss : {"linear", "square", "exponential"}
        Of an error as a share of the greatest.
    learning_rate : float
        Power of the factors.
    draw : callable or None
        Draws the rows that each learner sees; None shows it the weights.
    """

    def __init__(
        self,
        target: np.ndarray,
        weight: np.ndarray,
        *,
        loss: str,
        learning_rate: float,
        draw: Draw | None,
    ) -> None:
        self.target, self.learning_rate = target, learning_rate
        self.weight = weight / weight.sum()
        self._draw, self._loss = draw, LOSSES[loss]

    def step(self, learner: Learner) -> Step:
        """Fit a regressor, and weigh anew."""
        weight = self.weight
        np.maximum(weight, EPS, out=weight)
        weight /= weight.sum()
        shown = weight if self._draw is None else self._draw(weight)
        answer = learner.regress(shown, self.target)
        size = np.abs(answer.spread(answer.said) - self.target)
        size /= max(float(size.max()), np.finfo(np.float64).tiny)
        loss = self._loss(size)
        error = float(weight @ loss)
        if error <= 0:
            return Step((answer,), 1.0, 0.0, float("nan"), "perfect")
        if error >= 0.5:
            return Step((answer,), 0.0, error, float("nan"), "chance")
        beta = error / (1 - error)
        weight *= np.power(beta, (1 - loss) * self.learning_rate)
        return Step((answer,), -self.learning_rate * np.log(beta), error, float("nan"), "")


ALGORITHMS: dict[str, Callable[..., Algorithm]] = {
    "SAMME": Samme,
    "SAMME.R": SammeR,
    "LogitBoost": Logit,
    "gentle": Gentle,
}
