"""Lists of categories, in their order."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from skextras.features.blocks import Bags, Dense
from skextras.features.columns.base import (
    Column,
    Fitted,
    FittedCategorical,
    Learned,
    Rows,
    Target,
)
from skextras.features.columns.composite import Composite
from skextras.features.columns.padding import KEEPS, Longest, padded
from skextras.features.lists import Lists


@dataclass(frozen=True, repr=False)
class SequenceCategorical(Composite):
    """A list's categories as a row of codes, padded to one length.

    Parameters
    ----------
    column : Column
        A categorical one, of lists.
    length : int, default=None
        How many items a row has; None takes the longest list of the training rows.
    keep : {"first", "last"}, default="first"
        Which items of a longer list stay.
    padding : float, default=-1.0
        What follows the items of a shorter list. A missing or unknown category is NaN.

    Examples
    --------
    >>> from skextras.features import FeatureColumns, SequenceCategorical, Vocabulary
    >>> columns = FeatureColumns([SequenceCategorical(Vocabulary("stops"))])
    >>> columns.fit_transform({"stops": [["a", "b", "a"], ["b"]]})
    array([[ 0.,  1.,  0.],
           [ 1., -1., -1.]])
    """

    column: Column
    _: KW_ONLY
    length: int | None = None
    keep: Literal["first", "last"] = "first"
    padding: float = -1.0

    def __post_init__(self) -> None:
        if not isinstance(self.column, Column):
            raise TypeError(
                f"SequenceCategorical: column must be a column type, got {self.column!r}. Wrap the "
                f"name: Vocabulary({self.column!r})."
            )
        if self.length is not None and (not isinstance(self.length, int) or self.length < 1):
            self.refuse("length", "a whole number of at least 1", self.length)
        if self.keep not in KEEPS:
            self.refuse("keep", f"one of {KEEPS}", self.keep)

    @property
    def parts(self) -> tuple[Column, ...]:
        """The categories."""
        return (self.column,)

    @property
    def label(self) -> str:
        """That of the categories."""
        return self.column.label

    def start(self) -> Any:
        """No list seen."""
        return Longest(super().start())

    def observe(self, state: Any, table: Rows, target: Target | None, pass_number: int = 0) -> None:
        """Let the categories see the rows; measure the lists."""
        super().observe(state.inner, table, target, pass_number)
        values: Any = table[self.column.inputs[0]]
        if not isinstance(values, Lists):
            self.refuse_values("lists", values.kind, "Leave SequenceCategorical out.")
        state.length = max(state.length, values.longest(table.weights))

    def learn(self, state: Any) -> Learned:
        """What the categories learned, and the length."""
        return {**super().learn(state.inner), "length": self.length or max(1, state.length)}

    def fitted(self, learned: Learned) -> "FittedSequenceCategorical":
        """With the fitted categories."""
        [inner] = self.fitted_parts(learned)
        if not isinstance(inner, FittedCategorical):
            self.refuse("column", "a categorical column type", self.column)
        return FittedSequenceCategorical(self, learned, inner)


class FittedSequenceCategorical(Fitted):
    """Fitted categories, and a length.

    Parameters
    ----------
    column : SequenceCategorical
        The declaration.
    learned : dict
        Of the categories, and the length.
    inner : FittedCategorical
        They.
    """

    def __init__(
        self, column: SequenceCategorical, learned: Learned, inner: FittedCategorical
    ) -> None:
        super().__init__(column, learned)
        self.inner = inner

    @cached_property
    def names(self) -> list[str]:
        """The label and the place in the list."""
        return [f"{self.column.label}_{i}" for i in range(self.learned["length"])]

    def transform(self, table: Rows) -> Dense:
        """Codes, padded."""
        found = self.inner.codes(table)
        if not isinstance(found, Bags):
            self.column.refuse_values("lists", "one category a row", "Pass lists as in fit.")
        items = np.where(found.codes < 0, np.nan, found.codes)
        column, length = self.column, self.learned["length"]
        return Dense(padded(found.offsets, items, length, padding=column.padding, keep=column.keep))
