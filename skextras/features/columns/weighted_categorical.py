"""Categories with weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skextras.features.blocks import Bags, Codes
from skextras.features.columns.base import Column, FittedCategorical, Learned, Rows, Target
from skextras.features.columns.composite import Composite, Parts
from skextras.features.lists import Lists
from skextras.features.values import Numbers


@dataclass(frozen=True, repr=False)
class WeightedCategorical(Composite):
    """Categories of which each has a weight in another column.

    In an ``Indicator``, a category's column holds its weight, and the sum where it stands several
    times in a list. A missing weight counts as 0.

    Parameters
    ----------
    column : Column
        A categorical one: of lists, or of one category a row.
    weight : str
        The table's column of weights: lists of numbers, as long as those of the categories, or one
        number a row.

    Examples
    --------
    >>> from skextras.features import FeatureColumns, Indicator, Vocabulary, WeightedCategorical
    >>> words = WeightedCategorical(Vocabulary("words", vocabulary=["a", "b"]), "n")
    >>> table = {"words": [["a", "b"], ["b"]], "n": [[3.0, 1.0], [0.5]]}
    >>> FeatureColumns([Indicator(words)], sparse_output=False).fit_transform(table)
    array([[3. , 1. ],
           [0. , 0.5]])
    """

    column: Column
    weight: str

    def __post_init__(self) -> None:
        if not isinstance(self.column, Column):
            raise TypeError(
                f"WeightedCategorical: column must be a column type, got {self.column!r}. Wrap the "
                f"name: Vocabulary({self.column!r})."
            )

    @property
    def parts(self) -> tuple[Column, ...]:
        """The categories."""
        return (self.column,)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Those of the categories, and the weights."""
        return (*self.column.inputs, self.weight)

    @property
    def label(self) -> str:
        """That of the categories."""
        return self.column.label

    def observe(
        self, state: Parts, table: Rows, target: Target | None, pass_number: int = 0
    ) -> None:
        """Let the categories see the rows; look at the weights."""
        super().observe(state, table, target, pass_number)
        self.weights(table)

    def fitted(self, learned: Learned) -> "FittedWeighted":
        """With the fitted categories."""
        [inner] = self.fitted_parts(learned)
        if not isinstance(inner, FittedCategorical):
            self.refuse("column", "a categorical column type", self.column)
        return FittedWeighted(self, learned, inner)

    def weights(self, table: Rows) -> tuple[np.ndarray | None, np.ndarray]:
        """The weights of a table's rows.

        Parameters
        ----------
        table : Rows
            The rows.

        Returns
        -------
        offsets : ndarray of int64 of shape (n + 1,) or None
            Where each row's weights start; None for one a row.
        weights : ndarray of float64
            0 where missing.
        """
        values: Any = table[self.weight]
        offsets = values.offsets if isinstance(values, Lists) else None
        items = values.items if isinstance(values, Lists) else values
        if not isinstance(items, Numbers) or items.kind == "time" or items.values.ndim != 1:
            self.refuse_values(
                "weights that are numbers", f"{items.kind} in {self.weight!r}", "Convert them."
            )
        return offsets, np.nan_to_num(items.floats.astype(np.float64))


class FittedWeighted(FittedCategorical):
    """Fitted categories, and where their weights are.

    Parameters
    ----------
    column : WeightedCategorical
        The declaration.
    learned : dict
        Of the categories.
    inner : FittedCategorical
        They.
    """

    def __init__(
        self, column: WeightedCategorical, learned: Learned, inner: FittedCategorical
    ) -> None:
        super().__init__(column, learned)
        self.inner = inner

    @property
    def levels(self) -> list[str]:
        """Those of the categories."""
        return self.inner.levels

    @property
    def n_levels(self) -> int:
        """How many there are."""
        return self.inner.n_levels

    def codes(self, table: Rows) -> Bags:
        """The categories of each row, with weights."""
        found = self.inner.codes(table)
        offsets, weights = self.column.weights(table)
        if isinstance(found, Codes):
            own, codes = np.arange(len(found) + 1), found.codes
        else:
            own, codes = found.offsets, found.codes
        wanted = np.arange(len(found) + 1) if offsets is None else offsets
        if not np.array_equal(own, wanted):
            row = int((np.diff(own) != np.diff(wanted)).argmax())
            self.column.refuse_values(
                f"as many weights in {self.column.weight!r} as categories",
                f"{np.diff(wanted)[row]} weights and {np.diff(own)[row]} categories in row {row}",
                "Make their lists equally long.",
            )
        return Bags(own, codes, weights, found.width)
