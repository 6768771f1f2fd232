"""A column that holds category numbers already."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from skextras.features.blocks import MISSING, UNKNOWN, Bags, Codes
from skextras.features.columns.base import Column, FittedCategorical, Learned, Rows, Target
from skextras.features.columns.policies import (
    MISSING_OF_CATEGORIES,
    refuse_missing,
    with_own_bucket,
)
from skextras.features.lists import Lists
from skextras.features.states import Nothing
from skextras.features.values import Numbers


@dataclass(frozen=True, repr=False)
class Identity(Column):
    """Whole numbers from 0 on, taken as category numbers.

    Parameters
    ----------
    name : str
        Of the table's column: whole numbers in [0, n_buckets), or lists of these.
    n_buckets : int
        How many categories there are.
    default : int, default=None
        The category of a number outside of the range; None refuses it.
    missing : {"ignore", "bucket", "error"}, default="ignore"
        What a missing value becomes: nothing, a category of its own after all others, an error.

    Examples
    --------
    >>> from skextras.features import FeatureColumns, Identity, Indicator
    >>> columns = FeatureColumns([Indicator(Identity("gate", n_buckets=3))], sparse_output=False)
    >>> columns.fit_transform({"gate": [2, 0]})
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """

    name: str
    _: KW_ONLY
    n_buckets: int
    default: int | None = None
    missing: Literal["ignore", "bucket", "error"] = "ignore"

    def __post_init__(self) -> None:
        if not isinstance(self.n_buckets, int) or self.n_buckets < 1:
            self.refuse("n_buckets", "a whole number of at least 1", self.n_buckets)
        if self.default is not None and not 0 <= self.default < self.n_buckets:
            self.refuse("default", f"None or in [0, {self.n_buckets})", self.default)
        if self.missing not in MISSING_OF_CATEGORIES:
            self.refuse("missing", f"one of {MISSING_OF_CATEGORIES}", self.missing)

    def start(self) -> Nothing:
        """Nothing is learned."""
        return Nothing()

    def observe(
        self, state: Nothing, table: Rows, target: Target | None, pass_number: int = 0
    ) -> None:
        """Look whether these are category numbers."""
        values: Any = table[self.name]
        self.numbered(values.items if isinstance(values, Lists) else values)
        refuse_missing(self, values)

    def learn(self, state: Nothing) -> Learned:
        """Nothing."""
        return {}

    def fitted(self, learned: Learned) -> "FittedIdentity":
        """Ready at once."""
        return FittedIdentity(self, learned)

    def numbered(self, values: Any) -> np.ndarray:
        """Category numbers.

        Parameters
        ----------
        values : Values
            Of the table's column.

        Returns
        -------
        ndarray of int32 of shape (n,)
            -1 where missing.
        """
        if not isinstance(values, Numbers) or values.kind == "time":
            self.refuse_values("whole numbers", values.kind, "Use Vocabulary or HashBucket.")
        own = values.wholes
        if own.values.dtype != np.int64:
            self.refuse_values("whole numbers", "fractions", "Use Bucketized, or round them.")
        is_strange = (own.values < 0) | (own.values >= self.n_buckets)
        if len(own.missing):
            is_strange &= ~own.missing
        if is_strange.any() and self.default is None:
            row = int(is_strange.argmax())
            self.refuse_values(
                f"numbers in [0, {self.n_buckets})",
                f"{own.values[row]} in row {row}",
                "Raise n_buckets, or set default.",
            )
        codes = np.where(is_strange, UNKNOWN if self.default is None else self.default, own.values)
        if len(own.missing):
            codes[own.missing] = MISSING
        return codes.astype(np.int32)


class FittedIdentity(FittedCategorical):
    """Nothing but the declaration."""

    inverse_kind = "exact"

    @cached_property
    def levels(self) -> list[str]:
        """The numbers."""
        own = [str(number) for number in range(self.column.n_buckets)]
        return own + ["missing"] * (self.column.missing == "bucket")

    @property
    def n_levels(self) -> int:
        """How many there are."""
        return self.column.n_buckets + (self.column.missing == "bucket")

    def codes(self, table: Rows) -> Any:
        """The numbers themselves."""
        values = table[self.column.name]
        if isinstance(values, Lists):
            return Bags(values.offsets, self.column.numbered(values.items), None, self.n_levels)
        found = Codes(self.column.numbered(values), self.n_levels)
        return with_own_bucket(self.column, found)

    def decode(self, codes: np.ndarray) -> dict[str, np.ndarray]:
        """The numbers; NaN where there is none."""
        is_known = (codes >= 0) & (codes < self.column.n_buckets)
        return {self.column.name: np.where(is_known, codes, np.nan)}
