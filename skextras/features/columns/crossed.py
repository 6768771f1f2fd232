"""Combinations of several categories, hashed."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from skextras.features.blocks import MISSING, Bags, Codes
from skextras.features.columns.base import (
    Column,
    Fitted,
    FittedCategorical,
    Learned,
    Rows,
)
from skextras.features.columns.bucketized import OUTPUTS
from skextras.features.columns.composite import Composite
from skextras.features.columns.hash_bucket import MAX_BUCKETS, HashBucket, hashable
from skextras.features.columns.policies import MISSING_OF_CATEGORIES, with_own_bucket
from skextras.features.kernels.farmhash import CROSS_SEED, fingerprints, join, placed
from skextras.features.values import Factor, Text

HASHES = ("tensorflow", "splitmix")


@dataclass(frozen=True, repr=False)
class Crossed(Composite):
    """Each combination of categories has a bucket of its own, by hash.

    Each column gives a word: FarmHash's fingerprint of text; a whole number, or the code of a
    column type, as it is. ``hash`` says how words become a bucket:

    - "tensorflow" joins them in turn to the seed by MurmurHash2's steps, and takes the rest modulo
      ``n_buckets``: the values of ``crossed_column``, ``sparse.cross_hashed`` and Keras'
      ``HashedCrossing``.
    - "splitmix" has h = m(h xor word) for each word in turn, from h = seed, with m the step of
      SplitMix64 [1]_ (add 0x9E3779B97F4A7C15, then its three shifts and two products), and the
      bucket (h >> 32) * n_buckets >> 32, in words of 64 bits. It depends on all bits alike for any
      number of buckets, and takes no division.

    Parameters
    ----------
    columns : sequence of (str or Column)
        At least two. A name stands for that column's text or whole numbers; a column type, such as
        ``Bucketized`` or ``Vocabulary``, for its code. The order counts.
    n_buckets : int
        How many; more buckets, fewer collisions.
    encode : {"onehot", "ordinal"}, default="onehot"
        A column for each bucket, or one column with its number.
    missing : {"ignore", "bucket", "error"}, default="ignore"
        What a row becomes in which any of the columns has no category: nothing, a bucket of its
        own after all others, an error.
    seed : int, default=956888297470
        Where the hash starts; TensorFlow's ``hash_key``, whose default this is.
    hash : {"tensorflow", "splitmix"}, default="tensorflow"
        Which hash. Both are fixed for ever, and the same on every machine.

    References
    ----------
    .. [1] G. Steele, D. Lea and C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA
       2014, figure 17.

    Examples
    --------
    >>> from skextras.features import Bucketized, Crossed, FeatureColumns
    >>> parts = ["origin", Bucketized("hour", boundaries=[6, 12, 18])]
    >>> columns = FeatureColumns([Crossed(parts, n_buckets=1000)])
    >>> columns.fit_transform({"origin": ["JFK", "LGA"], "hour": [5, 17]}).shape
    (2, 1000)
    >>> columns.get_feature_names_out()[17]
    'origin_x_hour_bucket_17'
    """

    columns: Sequence[str | Column]
    _: KW_ONLY
    n_buckets: int
    encode: Literal["onehot", "ordinal"] = "onehot"
    missing: Literal["ignore", "bucket", "error"] = "ignore"
    seed: int = int(CROSS_SEED)
    hash: Literal["tensorflow", "splitmix"] = "tensorflow"

    def __post_init__(self) -> None:
        is_one = isinstance(self.columns, str | Column)
        object.__setattr__(self, "columns", () if is_one else tuple(self.columns))
        strange = [own for own in self.columns if not isinstance(own, str | Column)]
        if is_one or len(self.columns) < 2 or strange:
            raise ValueError(
                f"Crossed: columns must be at least two names or column types, got "
                f"{strange or list(self.columns)}."
            )
        if not isinstance(self.n_buckets, int) or not 1 <= self.n_buckets <= MAX_BUCKETS:
            self.refuse("n_buckets", f"a whole number in [1, {MAX_BUCKETS}]", self.n_buckets)
        if self.encode not in OUTPUTS:
            self.refuse("encode", f"one of {OUTPUTS}", self.encode)
        if self.missing not in MISSING_OF_CATEGORIES:
            self.refuse("missing", f"one of {MISSING_OF_CATEGORIES}", self.missing)
        if self.hash not in HASHES:
            self.refuse("hash", f"one of {HASHES}", self.hash)

    @property
    def parts(self) -> tuple[Column, ...]:
        """A name reads like a hashed column, before the buckets."""
        return tuple(
            HashBucket(own, n_buckets=MAX_BUCKETS) if isinstance(own, str) else own
            for own in self.columns
        )

    @property
    def label(self) -> str:
        """Those of the columns."""
        return "_x_".join(own if isinstance(own, str) else own.label for own in self.columns)

    def fitted(self, learned: Learned) -> "FittedCrossed":
        """With the fitted parts."""
        return FittedCrossed(self, learned, self.fitted_parts(learned))


class FittedCrossed(FittedCategorical):
    """Fitted parts, and the hash that joins them.

    Parameters
    ----------
    column : Crossed
        The declaration.
    learned : dict
        Of the parts.
    inner : list of Fitted
        They.
    """

    def __init__(self, column: Crossed, learned: Learned, inner: list[Fitted]) -> None:
        super().__init__(column, learned)
        for part, own in zip(column.parts, inner, strict=True):
            if not isinstance(own, FittedCategorical):
                column.refuse("columns", "names or categorical column types", part)
        self.inner: list[Any] = inner

    @property
    def is_stateless(self) -> bool:
        """Whether all parts are hashed."""
        return all(part.is_stateless for part in self.inner)

    @cached_property
    def levels(self) -> list[str]:
        """The buckets."""
        own = [f"bucket_{bucket}" for bucket in range(self.column.n_buckets)]
        return own + ["missing"] * (self.column.missing == "bucket")

    @property
    def n_levels(self) -> int:
        """How many buckets there are."""
        return self.column.n_buckets + (self.column.missing == "bucket")

    def codes(self, table: Rows) -> Codes:
        """The bucket of each row."""
        running = np.full(table.n_rows, self.column.seed, np.uint64)
        own, is_full = np.zeros(table.n_rows, np.int32), True
        is_mixed = self.column.hash == "splitmix"
        for name, part in zip(self.column.columns, self.inner, strict=True):
            words, codes = (
                self._named(name, table) if isinstance(name, str) else _coded(part, table)
            )
            if not len(words):
                own[:], is_full = MISSING, False
            elif not join(running, words, codes, is_mixed):
                own[codes < 0], is_full = MISSING, False
        placed(running, self.column.n_buckets, own, is_mixed)
        return with_own_bucket(self.column, Codes(own, self.n_levels, is_full=is_full))

    def _named(self, name: str, table: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Words of a column's levels, and the level of each row."""
        values: Any = table[name]
        if values.kind not in ("text", "number", "none"):
            self.column.refuse_values(
                "text or whole numbers", f"{values.kind} in {name!r}", "Wrap it in a column type."
            )
        factor: Factor = values.factor
        if not isinstance(factor.levels, Text):
            hashable(self.column, values)  # refuses fractions
            return factor.levels.values.view(np.uint64), factor.codes
        words = np.empty(len(factor.levels), np.uint64)
        fingerprints(factor.levels.offsets, factor.levels.data, words)
        return words, factor.codes


def _coded(part: Any, table: Rows) -> tuple[np.ndarray, np.ndarray]:
    """The codes of a column type, which are its words."""
    codes = part.codes(table)
    if isinstance(codes, Bags):
        part.column.refuse_values("one category a row", "lists", "Cross scalars only.")
    return np.arange(part.n_levels, dtype=np.uint64), codes.codes
