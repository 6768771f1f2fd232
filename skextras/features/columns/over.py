"""What a column type learns of categories that another column type gives.

A name stands for a column of the table. A column type, such as ``Crossed``, is learned first; its
codes are then the categories, as if the table had a column of them.
"""

from abc import abstractmethod
from functools import cached_property
from typing import Any

import numpy as np

from skextras.features.blocks import Codes
from skextras.features.columns.base import (
    Column,
    Fitted,
    FittedCategorical,
    Learned,
    Rows,
    Target,
)
from skextras.features.columns.composite import Composite, Parts, observe_parts
from skextras.features.values import Numbers, Values, none_missing


class CodedRows:
    """Rows of which each has one category, as a number; found once for all that ask for it.

    Parameters
    ----------
    part : FittedCategorical
        What gives the categories.
    table : Rows
        What it reads.

    Attributes
    ----------
    n_rows : int
        Those of the table.
    weights : ndarray of float64 of shape (n_rows,) or None
        Those of the table.
    made : dict
        What was made of the table.
    """

    def __init__(self, part: FittedCategorical, table: Rows) -> None:
        self.n_rows, self.weights, self.made = table.n_rows, table.weights, table.made
        if not part.is_stateless:
            self._values = _numbers(part, table)
            return
        if part.column not in table.made:
            table.made[part.column] = _numbers(part, table)
        self._values = table.made[part.column]

    def __getitem__(self, name: str) -> Values:
        return self._values


def _numbers(part: FittedCategorical, table: Rows) -> Numbers:
    """The category of each row."""
    found = part.codes(table)
    if not isinstance(found, Codes):
        part.column.refuse_values("one category a row", "lists", "Use Embedding for lists.")
    if found.is_full:
        return Numbers(found.codes)
    is_missing = found.codes < 0
    missing = is_missing if is_missing.any() else none_missing()
    return Numbers(np.maximum(found.codes, 0), missing)


class OverState(Parts):
    """What was seen of the categories, and first of all what gives them.

    Parameters
    ----------
    columns : tuple of Column
        The column type that gives the categories, or none.
    own : State
        Of the categories.
    """

    def __init__(self, columns: tuple[Column, ...], own: Any) -> None:
        super().__init__(columns)
        self.own = own
        self.learned: Learned | None = None
        self.fitted: FittedCategorical | None = None

    def merge(self, other: Any) -> None:
        super().merge(other)
        self.own.merge(other.own)


class OverCategories(Composite):
    """A column type that learns of a column's categories, or of those of a column type."""

    name: str | Column

    @property
    def parts(self) -> tuple[Column, ...]:
        """What gives the categories, if it is no name."""
        return () if isinstance(self.name, str) else (self.name,)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The name, or what the column type reads."""
        return (self.name,) if isinstance(self.name, str) else self.name.inputs

    @property
    def label(self) -> str:
        """The name, or the label of the column type."""
        return self.name if isinstance(self.name, str) else self.name.label

    @property
    def n_passes(self) -> int:  # type: ignore[override]
        """One more than what gives the categories needs."""
        return super().n_passes + len(self.parts)

    # ------------------------------------------------------------ of the categories
    @abstractmethod
    def start_own(self) -> Any:
        """An empty state.

        Returns
        -------
        State
            Of the categories.
        """

    @abstractmethod
    def observe_own(self, state: Any, rows: Rows, target: Target | None) -> None:
        """Put rows into the state.

        Parameters
        ----------
        state : State
            Of the categories.
        rows : Rows
            With the column ``label``.
        target : Target or None
            Of these rows.
        """

    @abstractmethod
    def learn_own(self, state: Any) -> Learned:
        """What follows from the state.

        Parameters
        ----------
        state : State
            Of the categories.

        Returns
        -------
        dict
            For the fitted form.
        """

    # ------------------------------------------------------------ of both
    def start(self) -> OverState:
        """Nothing seen."""
        return OverState(self.parts, self.start_own())

    def observe(self, state: Any, table: Rows, target: Target | None, pass_number: int = 0) -> None:
        """Let the part see the rows; in the last pass, look at its categories."""
        if pass_number < self.n_passes - 1:
            observe_parts(self, state, table, target, pass_number)
        else:
            self.observe_own(state.own, self.coded(state, table), target)

    def coded(self, state: OverState, table: Rows) -> Rows:
        """The rows with their categories, once what gives them has seen all rows.

        Parameters
        ----------
        state : OverState
            Of all rows.
        table : Rows
            Some rows.

        Returns
        -------
        Rows
            The table itself, if it has the column.
        """
        if not self.parts:
            return table
        if state.fitted is None:
            state.learned = self.parts[0].learn(state.states[0])
            state.fitted = self.giver(state.learned)
        return CodedRows(state.fitted, table)

    def giver(self, learned: Learned) -> FittedCategorical:
        """What gives the categories.

        Parameters
        ----------
        learned : dict
            What it learned.

        Returns
        -------
        FittedCategorical
            Ready.
        """
        found = self.parts[0].fitted(learned)
        if not isinstance(found, FittedCategorical):
            self.refuse("name", "a name or a categorical column type", self.name)
        return found

    def learn(self, state: Any) -> Learned:
        """What follows from the categories, and what gives them."""
        parts = {"parts": [state.learned]} if self.parts else {}
        return {**self.learn_own(state.own), **parts}


class FittedOver(Fitted):
    """What was learned of categories, and what gives them."""

    def rows(self, table: Rows) -> Rows:
        """The rows with their categories.

        Parameters
        ----------
        table : Rows
            The rows.

        Returns
        -------
        Rows
            The table itself, if it has the column.
        """
        if not self.column.parts:
            return table
        return CodedRows(self._giver, table)

    @cached_property
    def _giver(self) -> FittedCategorical:
        return self.column.giver(self.learned["parts"][0])
