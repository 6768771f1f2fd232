"""A column whose categories are hashed into a fixed number of buckets."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from skextras.features.blocks import MISSING, Codes
from skextras.features.columns.base import (
    Column,
    FittedCategorical,
    Learned,
    Rows,
    Target,
    codes_of_items,
)
from skextras.features.columns.policies import (
    MISSING_OF_CATEGORIES,
    refuse_missing,
    with_own_bucket,
)
from skextras.features.kernels.farmhash import buckets
from skextras.features.lists import Lists
from skextras.features.states import Nothing
from skextras.features.values import Numbers, Text

MAX_BUCKETS = 2**31 - 2


@dataclass(frozen=True, repr=False)
class HashBucket(Column):
    """Categories by hash: nothing is learned, and no category is ever unknown.

    The bucket is FarmHash's 64-bit fingerprint of the UTF-8 bytes [1]_, modulo ``n_buckets``: the
    values of TensorFlow's ``string_to_hash_bucket_fast``, the same on every machine and for ever. A
    whole number is hashed as its decimal digits, as TensorFlow does. Its output is the bucket, as
    one column; in an ``Indicator``, a column for each bucket.

    Parameters
    ----------
    name : str
        Of the table's column: text, bytes, categories, whole numbers, or lists of these.
    n_buckets : int
        How many; more buckets, fewer collisions.
    missing : {"ignore", "bucket", "error"}, default="ignore"
        What a missing value becomes: nothing, a bucket of its own after all others, an error.

    References
    ----------
    .. [1] G. Pike, "Introducing FarmHash", Google Open Source Blog, 2014.

    Examples
    --------
    >>> from skextras.features import FeatureColumns, HashBucket
    >>> columns = FeatureColumns([HashBucket("tailnum", n_buckets=1000)], sparse_output=False)
    >>> columns.fit_transform({"tailnum": ["N14228", "hello"]}).ravel()
    array([647., 296.])
    """

    name: str
    _: KW_ONLY
    n_buckets: int
    missing: Literal["ignore", "bucket", "error"] = "ignore"

    def __post_init__(self) -> None:
        if not isinstance(self.n_buckets, int) or not 1 <= self.n_buckets <= MAX_BUCKETS:
            self.refuse("n_buckets", f"a whole number in [1, {MAX_BUCKETS}]", self.n_buckets)
        if self.missing not in MISSING_OF_CATEGORIES:
            self.refuse("missing", f"one of {MISSING_OF_CATEGORIES}", self.missing)

    def start(self) -> Nothing:
        """Nothing is learned."""
        return Nothing()

    def observe(
        self, state: Nothing, table: Rows, target: Target | None, pass_number: int = 0
    ) -> None:
        """Look whether the column can be hashed."""
        hashable(self, table[self.name])
        refuse_missing(self, table[self.name])

    def learn(self, state: Nothing) -> Learned:
        """Nothing."""
        return {}

    def fitted(self, learned: Learned) -> "FittedHashBucket":
        """Ready at once."""
        return FittedHashBucket(self, learned)


def hashable(column: Column, values: Any) -> Text | Numbers:
    """What is hashed of a column: all rows, or the distinct values.

    Parameters
    ----------
    column : Column
        Whose errors they are.
    values : Values
        Of the table's column.

    Returns
    -------
    Text or Numbers
        Of the rows if text comes row by row, else the levels of ``values.factor``; numbers are
        whole.
    """
    if isinstance(values, Lists):
        values = values.items
    if isinstance(values, Text) and not values.is_factored:
        return values
    if values.kind not in ("text", "number", "none"):
        column.refuse_values("text or whole numbers", values.kind, "Use DateTime for times.")
    levels: Text | Numbers = values.factor.levels
    if isinstance(levels, Numbers) and levels.values.dtype != np.int64 and len(levels):
        strange = levels.values[levels.values != np.trunc(levels.values)][:3].tolist()
        column.refuse_values(
            "text or whole numbers", f"{strange}", "Use Bucketized, or round the numbers."
        )
    return levels


class FittedHashBucket(FittedCategorical):
    """Nothing but the declaration."""

    @property
    def is_stateless(self) -> bool:
        """Yes: nothing is learned."""
        return True

    @cached_property
    def levels(self) -> list[str]:
        """The buckets."""
        own = [f"bucket_{bucket}" for bucket in range(self.column.n_buckets)]
        return own + ["missing"] * (self.column.missing == "bucket")

    @property
    def n_levels(self) -> int:
        """How many buckets there are."""
        return self.column.n_buckets + (self.column.missing == "bucket")

    def codes(self, table: Rows) -> Any:
        """The bucket of each row."""
        return codes_of_items(table[self.column.name], self._codes)

    def _codes(self, values: Any) -> Codes:
        text = hashable(self.column, values)
        if isinstance(text, Numbers):
            text = Text.of([str(level) for level in text.values.tolist()])
        codes = np.empty(len(text), np.int32)
        buckets(text.offsets, text.data, self.column.n_buckets, codes)
        if text is values:
            if len(text.missing):
                codes[text.missing] = MISSING
            found = Codes(codes, self.n_levels, is_full=not len(text.missing))
        else:
            found = values.factor.recoded(codes, self.n_levels)
        return with_own_bucket(self.column, found)
