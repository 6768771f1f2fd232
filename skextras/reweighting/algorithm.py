"""ENGINE: what a way to boost is: a round at a time, weights of the rows from round to round.

Notation: D the weights of the rows, summing to 1; ε a learner's error under them; α its say; K
classes; F the sum of what the learners contribute.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np

from skextras.reweighting.learners import Answer, Draw, Learner

Ending = Literal["", "perfect", "chance", "overflow"]


@dataclass(frozen=True)
class Step:
    """What a round found.

    Attributes
    ----------
    answers : tuple of Answer
        One, or one a class.
    weight : float
        α, or 1 where learners are added as they are.
    error : float
        ε.
    bound : float
        What the training error is at most after the round; NaN if nothing is known.
    ending : str
        Why it is the last: "perfect", "chance" (the round does not count), "overflow"; or "".
    """

    answers: tuple[Answer, ...]
    weight: float
    error: float
    bound: float
    ending: Ending


class Algorithm(ABC):
    """A way to boost.

    Attributes
    ----------
    n_answers : int
        Learners a round.
    """

    n_answers = 1

    @abstractmethod
    def step(self, learner: Learner) -> Step:
        """Do a round.

        Parameters
        ----------
        learner : Learner
            Fits weak learners.

        Returns
        -------
        Step
            What it found; scores and weights are the next round's.
        """


def draws(random: np.random.RandomState, size: int) -> Draw:
    """Draw rows with replacement, by their weight.

    Parameters
    ----------
    random : RandomState
        Its state goes on.
    size : int
        Rows to draw.

    Returns
    -------
    callable
        Weights of shape (n,) to how often each row was drawn (float64, whole numbers).
    """

    def _drawn(weight: np.ndarray) -> np.ndarray:
        # Spacings of a Poisson process: the order statistics of uniform numbers, sorted for free.
        times = np.cumsum(random.standard_exponential(size + 1))
        until = np.cumsum(weight)
        chosen = np.searchsorted(until, times[:-1] * (until[-1] / times[-1]), side="right")
        counts = np.bincount(np.minimum(chosen, len(weight) - 1), minlength=len(weight))
        return counts.astype(np.float64)

    return _drawn
