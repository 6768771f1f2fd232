"""Column types that are made of others."""

from collections.abc import Mapping
from typing import Any

from skextras.features.columns.base import Column, Fitted, Learned, Rows, Target


class Parts:
    """The states of the column types that another is made of.

    Parameters
    ----------
    columns : sequence of Column
        The parts.
    """

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.states = [column.start() for column in columns]

    def merge(self, other: "Parts") -> None:
        """Take in the states of other parts.

        Parameters
        ----------
        other : Parts
            Of the same columns.
        """
        for own, its in zip(self.states, other.states, strict=True):
            own.merge(its)


def observe_parts(
    column: Column, state: Parts, table: Rows, target: Target | None, pass_number: int
) -> None:
    """Put rows into the states of a column's parts.

    Parameters
    ----------
    column : Column
        With parts.
    state : Parts
        Theirs.
    table : Rows
        The rows.
    target : Target or None
        Of these rows.
    pass_number : int
        Which pass it is.
    """
    for part, own in zip(column.parts, state.states, strict=True):
        if pass_number < part.n_passes:
            part.observe(own, table, target, pass_number)


class Composite(Column):
    """A column type made of others, which learns what they learn and no more."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Those of the parts, each once."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.inputs))

    @property
    def n_passes(self) -> int:  # type: ignore[override]
        """As many as any part needs."""
        return max((part.n_passes for part in self.parts), default=1)

    @property
    def needs_target(self) -> bool:  # type: ignore[override]
        """Whether any part reads it."""
        return any(part.needs_target for part in self.parts)

    def start(self) -> Parts:
        """States of the parts."""
        return Parts(self.parts)

    def observe(
        self, state: Parts, table: Rows, target: Target | None, pass_number: int = 0
    ) -> None:
        """Let the parts see the rows."""
        observe_parts(self, state, table, target, pass_number)

    def learn(self, state: Parts) -> Learned:
        """What the parts learned."""
        learned = [part.learn(own) for part, own in zip(self.parts, state.states, strict=True)]
        return {"parts": learned}

    def fitted_parts(self, learned: Mapping[str, Any]) -> list[Fitted]:
        """The fitted forms of the parts.

        Parameters
        ----------
        learned : dict
            What ``learn`` returned.

        Returns
        -------
        list of Fitted
            In order.
        """
        return [part.fitted(own) for part, own in zip(self.parts, learned["parts"], strict=True)]
