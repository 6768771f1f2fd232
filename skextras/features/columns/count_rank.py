"""A category as how frequent it is."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from skextras.features.blocks import MISSING, Block, Codes, Dense
from skextras.features.columns.base import Column, Learned, Rows, Target
from skextras.features.columns.over import FittedOver, OverCategories
from skextras.features.columns.policies import with_own_bucket
from skextras.features.columns.vocabulary import Vocabulary
from skextras.features.states import LevelCounts

OUTPUTS = ("rank", "count", "share")
POLICIES = ("bucket", "keep", "error")


@dataclass(frozen=True, repr=False)
class CountRank(OverCategories):
    """How frequent a row's category is among the training rows.

    A category that was not seen has the rank after the last, and the count 0.

    Parameters
    ----------
    name : str or Column
        Of the table's column: text, categories or whole numbers; or a column type that gives one
        category a row, such as ``Crossed``, of which ``partial_fit`` takes none.
    output : {"rank", "count", "share"}, default="rank"
        The place among the categories by falling count, 1 for the most frequent, ties by value; the
        number of rows; or their share of all.
    missing : {"bucket", "keep", "error"}, default="bucket"
        What a missing value becomes: a category of its own, which is counted (and ranked after
        those that are as frequent), NaN, or an error.
    missing_indicator : bool, default=False
        Whether a column of 0 and 1 tells where values were missing.

    Examples
    --------
    >>> from skextras.features import CountRank, FeatureColumns
    >>> columns = FeatureColumns([CountRank("town"), CountRank("town", output="count")])
    >>> columns.fit_transform({"town": ["Ulm", "Bonn", "Ulm"]})
    array([[1., 2.],
           [2., 1.],
           [1., 2.]])
    """

    name: str | Column
    _: KW_ONLY
    output: Literal["rank", "count", "share"] = "rank"
    missing: Literal["bucket", "keep", "error"] = "bucket"
    missing_indicator: bool = False

    def __post_init__(self) -> None:
        if self.output not in OUTPUTS:
            self.refuse("output", f"one of {OUTPUTS}", self.output)
        if self.missing not in POLICIES:
            self.refuse("missing", f"one of {POLICIES}", self.missing)

    @property
    def _inner(self) -> Vocabulary:
        return Vocabulary(self.label, missing="error" if self.missing == "error" else "ignore")

    def start_own(self) -> LevelCounts:
        """No level seen."""
        return LevelCounts()

    def observe_own(self, state: LevelCounts, rows: Rows, target: Target | None) -> None:
        """Count the levels."""
        values: Any = rows[self.label]
        if values.kind == "list":
            self.refuse_values("one category a row", "lists", "Use Indicator or Embedding.")
        self._inner.observe(state, rows, target)
        if self.missing == "error":
            with_own_bucket(self, Codes(values.factor.codes, len(values.factor.levels)))

    def learn_own(self, state: LevelCounts) -> Learned:
        """Levels by count, and the counts."""
        learned, places = self._inner.listed(state)
        return {
            "vocabulary": learned,
            "counts": state.counts[places],
            "n_missing": state.n_missing,
            "n_rows": state.n_rows,
        }

    def fitted(self, learned: Learned) -> "FittedCountRank":
        """With the numbers as a table."""
        return FittedCountRank(self, learned)


class FittedCountRank(FittedOver):
    """Counts by category."""

    @cached_property
    def names(self) -> list[str]:
        """The column's name, and what it is."""
        name = self.column.label
        own = [f"{name}_{self.column.output}"]
        return own + [f"{name}_is_missing"] * self.column.missing_indicator

    @cached_property
    def _levels(self) -> Any:
        return self.column._inner.fitted(self.learned["vocabulary"])

    @cached_property
    def _table(self) -> np.ndarray:
        """Numbers by code; the last two by -2 (unknown) and -1 (missing)."""
        counts = np.array(self.learned["counts"], np.float64)
        n_missing = self.learned["n_missing"]
        if self.column.output == "rank":
            ranks = np.arange(1.0, len(counts) + 1)
            missing = 1.0 + (counts >= n_missing).sum()
            if self.column.missing == "bucket" and n_missing:
                ranks += counts < n_missing
            last = len(counts) + 1.0 + (self.column.missing == "bucket" and n_missing > 0)
            own = np.concatenate([ranks, [last, missing if n_missing else last]])
        else:
            own = np.concatenate([counts, [0.0, n_missing]])
            if self.column.output == "share":
                own /= self.learned["n_rows"] or 1.0
        if self.column.missing == "keep":
            own[-1] = np.nan
        return own

    def transform(self, table: Rows) -> Block:
        """The numbers of the rows' categories."""
        codes = self._levels.codes(self.rows(table)).codes
        out = np.empty((len(codes), self.width), np.float64, order="F")
        out[:, 0] = self._table[codes]
        if self.column.missing_indicator:
            out[:, 1] = codes == MISSING
        return Dense(out)
