"""Sequences that stand one after the other in a table: where they end, how often each counts."""

from typing import Any

import numpy as np

__all__ = ["Sequences"]


class Sequences:
    """Checked lengths and weights.

    Parameters
    ----------
    owner : str
        Whose messages they are.
    n : int
        Steps of all sequences.
    lengths : array-like of int of shape (n_sequences,) or None
        Steps of each; None is one sequence.
    sequence_weight : array-like of shape (n_sequences,) or None
        Repetitions of each; None is once.

    Attributes
    ----------
    ends : ndarray of shape (n_sequences + 1,), int64
        Where each begins, and n.
    weight : ndarray of shape (n_sequences,), float64
        Repetitions of each.

    Raises
    ------
    ValueError
        If the lengths do not sum to n, or the weights are not one for each sequence.
    """

    def __init__(self, owner: str, n: int, lengths: Any, sequence_weight: Any) -> None:
        self.owner = owner
        sizes = np.array([n]) if lengths is None else np.atleast_1d(np.asarray(lengths))
        if sizes.dtype.kind not in "iu" or np.any(sizes < 1) or sizes.sum() != n:
            raise ValueError(
                f"{owner}: lengths must be positive integers that sum to the {n} "
                f"rows of X, got a sum of {sizes.sum()}. Count the steps of each sequence."
            )
        self.ends = np.concatenate([[0], np.cumsum(sizes)])
        self.weight = np.ones(len(sizes))
        if sequence_weight is not None:
            self.weight = self._weight(np.asarray(sequence_weight, np.float64))

    @property
    def sizes(self) -> np.ndarray:
        """Steps of each.

        Returns
        -------
        ndarray of shape (n_sequences,)
            Positive.
        """
        return np.diff(self.ends)

    @property
    def step_weight(self) -> np.ndarray:
        """Repetitions of each step.

        Returns
        -------
        ndarray of shape (n,), float64
            Those of its sequence.
        """
        return np.repeat(self.weight, self.sizes)

    @property
    def is_counted(self) -> np.ndarray:
        """Whether the sequence of each step has weight.

        Returns
        -------
        ndarray of shape (n,), bool
            False where its weight is 0.
        """
        return self.step_weight > 0

    @property
    def n_weighted_steps(self) -> float:
        """Steps of all sequences, those of each times its weight.

        Returns
        -------
        float
            Positive.
        """
        return float(self.weight @ self.sizes)

    def counted(self) -> "Sequences":
        """The sequences that have weight.

        Returns
        -------
        Sequences
            Of the steps for which ``is_counted`` is true.
        """
        kept = self.weight > 0
        sizes = self.sizes[kept]
        return Sequences(self.owner, int(sizes.sum()), sizes, self.weight[kept])

    def _weight(self, weight: np.ndarray) -> np.ndarray:
        n_sequences = len(self.ends) - 1
        self._check(
            weight.shape == (n_sequences,),
            f"{n_sequences} numbers, one for each sequence, got an array of shape {weight.shape}",
        )
        is_good = np.isfinite(weight) & (weight >= 0)
        self._check(bool(is_good.all()), f"finite and at least 0, got {weight[~is_good][:1]}")
        self._check(bool(np.any(weight > 0)), "above 0 for a sequence, got 0 for all")
        return weight

    def _check(self, is_good: bool, what: str) -> None:
        if not is_good:
            raise ValueError(
                f"{self.owner}: sequence_weight must be {what}. It says how often a whole sequence "
                "is repeated."
            )
