"""Lists of numbers, in their order."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from skextras.features.blocks import Dense
from skextras.features.columns.base import Column, Fitted, Learned, Rows, Target
from skextras.features.columns.padding import KEEPS, Longest, padded
from skextras.features.lists import Lists, item_weights
from skextras.features.scaling import SCALES, ScaleState
from skextras.features.values import Numbers


@dataclass(frozen=True, repr=False)
class SequenceNumeric(Column):
    """A list's numbers as a row, on one scale, padded to one length.

    Parameters
    ----------
    name : str
        Of the table's column: lists of numbers.
    length : int, default=None
        How many numbers a row has; None takes the longest list of the training rows.
    scale : str or None, default=None
        As in ``Numeric``, learned of the numbers of all lists.
    keep : {"first", "last"}, default="first"
        Which numbers of a longer list stay.
    padding : float, default=0.0
        What follows the numbers of a shorter list, after scaling.

    Examples
    --------
    >>> from skextras.features import FeatureColumns, SequenceNumeric
    >>> columns = FeatureColumns([SequenceNumeric("prices", length=2, keep="last")])
    >>> columns.fit_transform({"prices": [[1.0, 2.0, 3.0], [4.0]]})
    array([[2., 3.],
           [4., 0.]])
    """

    name: str
    _: KW_ONLY
    length: int | None = None
    scale: Literal["standard", "minmax", "robust", "quantile", "log", "power"] | None = None
    keep: Literal["first", "last"] = "first"
    padding: float = 0.0

    def __post_init__(self) -> None:
        if self.length is not None and (not isinstance(self.length, int) or self.length < 1):
            self.refuse("length", "a whole number of at least 1", self.length)
        if self.scale not in SCALES:
            self.refuse("scale", f"one of {tuple(SCALES)}", self.scale)
        if self.keep not in KEEPS:
            self.refuse("keep", f"one of {KEEPS}", self.keep)

    def start(self) -> Longest:
        """No list seen."""
        return Longest(ScaleState(int(SCALES[self.scale].needs_quantiles)))

    def observe(
        self, state: Longest, table: Rows, target: Target | None, pass_number: int = 0
    ) -> None:
        """See the numbers, and measure the lists."""
        lists, items = self.items(table)
        self.refuse_infinite(items, "item")
        state.length = max(state.length, lists.longest(table.weights))
        state.inner.add(items[:, None], item_weights(lists, table.weights))

    def learn(self, state: Longest) -> Learned:
        """The length, and what the scale learns."""
        scale = SCALES[self.scale].learn(state.inner.moments, state.inner.sketches)
        return {**scale, "length": self.length or max(1, state.length)}

    def fitted(self, learned: Learned) -> "FittedSequenceNumeric":
        """With what was learned."""
        return FittedSequenceNumeric(self, learned)

    def items(self, table: Rows) -> tuple[Lists, np.ndarray]:
        """The lists of a table's rows, and the numbers of all.

        Parameters
        ----------
        table : Rows
            The rows.

        Returns
        -------
        lists : Lists
            The column.
        items : ndarray of float64
            NaN where missing.
        """
        values: Any = table[self.name]
        if not isinstance(values, Lists):
            self.refuse_values("lists of numbers", values.kind, "Use Numeric for one a row.")
        own = values.items
        if not isinstance(own, Numbers) or own.kind == "time" or own.values.ndim != 1:
            self.refuse_values("lists of numbers", f"lists of {own.kind}", "Convert them.")
        return values, own.floats.astype(np.float64, copy=False)


class FittedSequenceNumeric(Fitted):
    """A scale, and a length."""

    @cached_property
    def names(self) -> list[str]:
        """The name and the place in the list."""
        return [f"{self.column.name}_{i}" for i in range(self.learned["length"])]

    def transform(self, table: Rows) -> Dense:
        """Scaled, then padded."""
        column, length = self.column, self.learned["length"]
        lists, items = column.items(table)
        scaled = SCALES[column.scale].forward(items, self.learned, 0)
        return Dense(
            padded(lists.offsets, scaled, length, padding=column.padding, keep=column.keep)
        )
