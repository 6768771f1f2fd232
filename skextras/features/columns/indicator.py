"""A categorical column as columns of 0 and 1."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from skextras.features.blocks import Bags, Block, Codes, Dense
from skextras.features.columns.base import (
    Column,
    Fitted,
    FittedCategorical,
    Learned,
    Rows,
)
from skextras.features.columns.composite import Composite


@dataclass(frozen=True, repr=False)
class Indicator(Composite):
    """One column for each category: one-hot, and multi-hot for lists.

    A row whose category is missing or unknown has zeros, unless the inner column's policy gives it
    a category of its own.

    Parameters
    ----------
    column : Column
        A categorical one: ``Vocabulary``, ``HashBucket``, ``Identity``, ``Bucketized``,
        ``Crossed``, ``WeightedCategorical``.
    count : bool, default=True
        Whether a category that stands several times in a list counts as often; else it counts once.

    Examples
    --------
    >>> from skextras.features import FeatureColumns, Indicator, Vocabulary
    >>> columns = FeatureColumns([Indicator(Vocabulary("tags"))], sparse_output=False)
    >>> columns.fit_transform({"tags": [["a", "b", "a"], ["b"], []]})
    array([[2., 1.],
           [0., 1.],
           [0., 0.]])
    >>> columns.get_feature_names_out().tolist()
    ['tags_a', 'tags_b']
    """

    column: Column
    _: KW_ONLY
    count: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.column, Column):
            raise TypeError(
                f"Indicator: column must be a column type, got {self.column!r}. Wrap the name: "
                f"Indicator(Vocabulary({self.column!r}))."
            )

    @property
    def parts(self) -> tuple[Column, ...]:
        """The inner column."""
        return (self.column,)

    @property
    def label(self) -> str:
        """That of the inner column."""
        return self.column.label

    def fitted(self, learned: Learned) -> "FittedIndicator":
        """With the fitted inner column."""
        [inner] = self.fitted_parts(learned)
        if not isinstance(inner, FittedCategorical):
            self.refuse("column", "a categorical column type", self.column)
        return FittedIndicator(self, learned, inner)


class FittedIndicator(Fitted):
    """Zeros and ones.

    Parameters
    ----------
    column : Indicator
        The declaration.
    learned : dict
        Of the inner column.
    inner : FittedCategorical
        It.
    """

    def __init__(self, column: Indicator, learned: Learned, inner: FittedCategorical) -> None:
        super().__init__(column, learned)
        self.inner = inner

    @property
    def inverse_kind(self) -> str:  # type: ignore[override]
        """That of the inner column."""
        return self.inner.inverse_kind

    @cached_property
    def names(self) -> list[str]:
        """The label and the category."""
        return [f"{self.column.label}_{level}" for level in self.inner.levels]

    @property
    def width(self) -> int:
        """One column a category."""
        return self.inner.n_levels

    @property
    def n_entries(self) -> float:
        """One a row; of lists it may be more."""
        return 1

    def transform(self, table: Rows) -> Block:
        """Codes as they are; lists in order."""
        block: Codes | Bags = self.inner.codes(table)
        if isinstance(block, Bags):
            return block.tidy(is_binary=not self.column.count)
        return block

    def inverse(self, block: Any) -> dict[str, np.ndarray]:
        """The categories of the rows."""
        if isinstance(block, Dense):
            raise TypeError(f"{self.column!r} needs codes.")
        return self.inner.decode(block.codes)
