"""When to stop boosting: the score has not risen for a while."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Rule of early stopping, scikit-learn's.

    Attributes
    ----------
    n_rounds : int
        Rounds without a better score.
    tol : float
        A score must be better by more than this.
    """

    n_rounds: int
    tol: float

    def is_over(self, scores: Sequence[float]) -> bool:
        """Whether none of the last rounds beat the one before them.

        Parameters
        ----------
        scores : sequence of float
            One a round and one before the first; greater is better.

        Returns
        -------
        bool
            True to stop.
        """
        if len(scores) <= self.n_rounds:
            return False
        reference = scores[-self.n_rounds - 1] + self.tol
        return not any(score > reference for score in scores[-self.n_rounds :])
