"""What trees predict: classes of one output or several, or numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skextras.trees import forest_slots as at


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What trees predict.

    Attributes
    ----------
    kind : int
        Which sums the splits go by.
    labels : ndarray of int32 of shape (n, n_outputs)
        For classes: the lane of each, classes of all outputs numbered through; else empty.
    numbers : ndarray of float64 of shape (n, n_outputs)
        For numbers; else empty.
    n_outputs, n_lanes : int
        Outputs, and values of a node.
    """

    kind: int
    labels: np.ndarray
    numbers: np.ndarray
    n_outputs: int
    n_lanes: int

    @staticmethod
    def of_classes(labels: np.ndarray, n_classes: Sequence[int]) -> "Targets":
        """Classes of one output or several.

        Parameters
        ----------
        labels : ndarray of int of shape (n, n_outputs)
            From 0 on, in each output.
        n_classes : sequence of int
            Of each output.

        Returns
        -------
        Targets
            One lane for two classes: the share of the second.
        """
        labels = np.ascontiguousarray(labels, np.int32).reshape(-1, len(n_classes))
        nothing = np.empty((0, len(n_classes)))
        if list(n_classes) == [2]:
            return Targets(
                kind=at.CLASSES_2, labels=labels, numbers=nothing, n_outputs=1, n_lanes=1
            )
        first = np.cumsum([0, *n_classes])
        return Targets(
            kind=at.CLASSES,
            labels=(labels + first[:-1]).astype(np.int32),
            numbers=nothing,
            n_outputs=len(n_classes),
            n_lanes=int(first[-1]),
        )

    @staticmethod
    def of_numbers(numbers: np.ndarray) -> "Targets":
        """One number a row, or several.

        Parameters
        ----------
        numbers : ndarray of float64 of shape (n, n_outputs)
            Finite.

        Returns
        -------
        Targets
            A lane an output.
        """
        numbers = np.ascontiguousarray(numbers, np.float64)
        n_outputs = numbers.shape[1]
        return Targets(
            kind=at.NUMBER if n_outputs == 1 else at.NUMBERS,
            labels=np.empty((0, n_outputs), np.int32),
            numbers=numbers,
            n_outputs=n_outputs,
            n_lanes=n_outputs,
        )

    def rows(self, places: np.ndarray) -> "Targets":
        """Targets of some rows.

        Parameters
        ----------
        places : ndarray of int64
            Which.

        Returns
        -------
        Targets
            A copy.
        """
        is_class = self.kind in {at.CLASSES_2, at.CLASSES}
        return Targets(
            kind=self.kind,
            labels=self.labels[places] if is_class else self.labels,
            numbers=self.numbers if is_class else self.numbers[places],
            n_outputs=self.n_outputs,
            n_lanes=self.n_lanes,
        )
