"""ENGINE: what boosting asks of a weak learner, and what it gets: an answer for the training rows.

An answer speaks of cells of rows: the leaves of a tree, or the rows themselves where nothing is
known of the learner. All rows of a cell are told the same, so that a rule of boosting is computed
once a cell.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np


class Answer(ABC):
    """What a weak learner says of its training rows.

    Attributes
    ----------
    kept : object
        The learner as it is kept.
    said : ndarray of shape (n_cells, n_classes) or (n_cells,)
        Share of each class in each cell, rows of which sum to 1; or the number it is told.
    """

    kept: Any
    said: np.ndarray

    @abstractmethod
    def sums(self, weight: np.ndarray, label: np.ndarray, n_classes: int) -> np.ndarray:
        """Weight of each class in each cell.

        Parameters
        ----------
        weight : ndarray of float64 of shape (n_rows,)
            Of the rows.
        label : ndarray of int32 of shape (n_rows,)
            Their classes.
        n_classes : int
            How many there are.

        Returns
        -------
        ndarray of float64 of shape (n_cells, n_classes)
            Sums.
        """

    @abstractmethod
    def scale(self, weight: np.ndarray, label: np.ndarray, factors: np.ndarray) -> None:
        """Multiply weights in place by the factors of their cell and class.

        Parameters
        ----------
        weight : ndarray of float64 of shape (n_rows,)
            Changed.
        label : ndarray of int32 of shape (n_rows,)
            Classes of the rows.
        factors : ndarray of float64 of shape (n_cells, n_classes)
            Of cells and classes.
        """

    @abstractmethod
    def spread(self, values: np.ndarray) -> np.ndarray:
        """Value of each row's cell.

        Parameters
        ----------
        values : ndarray of float64 of shape (n_cells,)
            Of the cells.

        Returns
        -------
        ndarray of float64 of shape (n_rows,)
            Of the rows.
        """


class Learner(ABC):
    """Fits weak learners to the same rows, weighted anew each time."""

    @abstractmethod
    def classify(self, weight: np.ndarray, label: np.ndarray) -> Answer:
        """Fit a classifier.

        Parameters
        ----------
        weight : ndarray of float64 of shape (n_rows,)
            Of the rows; they sum to 1, or count repetitions.
        label : ndarray of int32 of shape (n_rows,)
            Classes.

        Returns
        -------
        Answer
            What it says; some hold until the next learner is fitted.
        """

    @abstractmethod
    def regress(self, weight: np.ndarray, target: np.ndarray) -> Answer:
        """Fit a regressor.

        Parameters
        ----------
        weight : ndarray of float64 of shape (n_rows,)
            Of the rows; they sum to 1, or count repetitions.
        target : ndarray of float64 of shape (n_rows,)
            Numbers.

        Returns
        -------
        Answer
            What it says; some hold until the next learner is fitted.
        """

    @abstractmethod
    def on_validation(self, kept: Any) -> np.ndarray:
        """What a learner says of the validation rows.

        Parameters
        ----------
        kept : object
            The learner.

        Returns
        -------
        ndarray of shape (n_validation, n_classes) or (n_validation,)
            A row each.
        """


Draw = Callable[[np.ndarray], np.ndarray]  # weights that sum to 1 -> how often each row is drawn


class RowAnswer(Answer):
    """An answer in which each row is a cell.

    Parameters
    ----------
    kept : object
        The learner.
    said : ndarray of shape (n_rows, n_classes) or (n_rows,)
        What it says.
    """

    def __init__(self, kept: Any, said: np.ndarray) -> None:
        self.kept, self.said = kept, said
        self._rows = np.arange(len(said))

    def sums(self, weight: np.ndarray, label: np.ndarray, n_classes: int) -> np.ndarray:
        """Weight of each row, at its class."""
        result = np.zeros((len(weight), n_classes))
        result[self._rows, label] = weight
        return result

    def scale(self, weight: np.ndarray, label: np.ndarray, factors: np.ndarray) -> None:
        """Multiply weights in place by the factors of their row and class."""
        weight *= factors[self._rows, label]

    def spread(self, values: np.ndarray) -> np.ndarray:
        """The values themselves."""
        return values
