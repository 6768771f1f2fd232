"""A number as the bucket that it falls into."""

import itertools
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from skextras.features.blocks import MISSING, Codes
from skextras.features.columns.base import Column, FittedCategorical, Learned, Rows, Target
from skextras.features.columns.policies import (
    MISSING_OF_CATEGORIES,
    refuse_missing,
    with_own_bucket,
)
from skextras.features.kernels.numbers import bucketize
from skextras.features.partition import TargetBins
from skextras.features.sketch import QuantileSketch
from skextras.features.states import Nothing
from skextras.features.values import Numbers

OUTPUTS = ("onehot", "ordinal")
STRATEGIES = ("quantile", "tree")


@dataclass(frozen=True, repr=False)
class Bucketized(Column):
    """A number's bucket between boundaries, one-hot.

    Bucket i holds boundaries[i - 1] <= x < boundaries[i], as TensorFlow's ``bucketize`` has it.

    Parameters
    ----------
    name : str
        Of the table's column: numbers.
    boundaries : sequence of float, default=None
        Ascending, all different. None learns them.
    n_buckets : int, default=None
        How many buckets to learn at most.
    strategy : {"quantile", "tree"}, default="quantile"
        How: each with about as many rows; or those that tell most about y, with the least sum of
        squares that any cut into so many buckets leaves [1]_ (of at most 512 quantiles, in two
        passes). A decision tree with so many leaves seeks the same, and finds it or less.
    encode : {"onehot", "ordinal"}, default="onehot"
        A column for each bucket, or one column with its number.
    missing : {"ignore", "bucket", "last", "error"}, default="ignore"
        What a missing value becomes: nothing, a bucket of its own after all others, the last bucket
        (TensorFlow's), an error.

    References
    ----------
    .. [1] W. D. Fisher, "On grouping for maximum homogeneity", Journal of the American Statistical
       Association 53, 1958.

    Examples
    --------
    >>> from skextras.features import Bucketized, FeatureColumns
    >>> columns = FeatureColumns([Bucketized("hour", boundaries=[6, 12, 18])], sparse_output=False)
    >>> columns.fit_transform({"hour": [5, 6, 23]})
    array([[1., 0., 0., 0.],
           [0., 1., 0., 0.],
           [0., 0., 0., 1.]])
    >>> columns.get_feature_names_out().tolist()
    ['hour_below_6', 'hour_6_to_12', 'hour_12_to_18', 'hour_from_18']
    """

    name: str
    _: KW_ONLY
    boundaries: Sequence[float] | None = None
    n_buckets: int | None = None
    strategy: Literal["quantile", "tree"] = "quantile"
    encode: Literal["onehot", "ordinal"] = "onehot"
    missing: Literal["ignore", "bucket", "last", "error"] = "ignore"

    def __post_init__(self) -> None:
        if (self.boundaries is None) == (self.n_buckets is None):
            self.refuse("boundaries", "given, or else n_buckets", self.boundaries)
        if self.boundaries is not None:
            self._check_boundaries()
        elif not isinstance(self.n_buckets, int) or self.n_buckets < 2:
            self.refuse("n_buckets", "a whole number of at least 2", self.n_buckets)
        if self.strategy not in STRATEGIES:
            self.refuse("strategy", f"one of {STRATEGIES}", self.strategy)
        if self.encode not in OUTPUTS:
            self.refuse("encode", f"one of {OUTPUTS}", self.encode)
        if self.missing not in (*MISSING_OF_CATEGORIES, "last"):
            self.refuse("missing", f"one of {(*MISSING_OF_CATEGORIES, 'last')}", self.missing)

    def _check_boundaries(self) -> None:
        own = tuple(float(boundary) for boundary in self.boundaries or ())
        object.__setattr__(self, "boundaries", own)
        if not own or not np.isfinite(own).all():
            self.refuse("boundaries", "finite numbers, at least one", list(own))
        if (np.diff(own) <= 0).any():
            cure = f"Sort them: {sorted(set(own))}."
            self.refuse("boundaries", "ascending, all different", list(own), cure)

    @property
    def _is_supervised(self) -> bool:
        return self.boundaries is None and self.strategy == "tree"

    @property
    def n_passes(self) -> int:  # type: ignore[override]
        """Two with a target: quantiles, then what the target is between them."""
        return 1 + self._is_supervised

    @property
    def needs_target(self) -> bool:  # type: ignore[override]
        """Whether buckets are those that tell most about it."""
        return self._is_supervised

    def start(self) -> Any:
        """A sketch of quantiles, unless boundaries are given."""
        if self._is_supervised:
            return TargetBins()
        return Nothing() if self.boundaries is not None else QuantileSketch()

    def observe(self, state: Any, table: Rows, target: Target | None, pass_number: int = 0) -> None:
        """See the numbers."""
        values = numbers_of(self, table)
        refuse_missing(self, values)
        if pass_number == 1 and target is not None:
            numbers = values.floats.astype(np.float64, copy=False)
            state.add_targets(numbers, target.values, table.weights)
        elif self.boundaries is None:
            state.add(values.floats, table.weights)

    def learn(self, state: Any) -> Learned:
        """The boundaries."""
        if self.boundaries is not None:
            return {"boundaries": list(self.boundaries)}
        n = self.n_buckets or 0
        if self._is_supervised:
            return {"boundaries": state.boundaries(n).tolist()}
        edges = state.quantiles(range(1, n), n)
        return {"boundaries": np.unique(edges[~np.isnan(edges)]).tolist()}

    def fitted(self, learned: Learned) -> "FittedBucketized":
        """With the boundaries as an array."""
        return FittedBucketized(self, learned)


def numbers_of(column: Column, table: Rows) -> Numbers:
    """One number a row.

    Parameters
    ----------
    column : Column
        Of one input.
    table : Rows
        The rows.

    Returns
    -------
    Numbers
        Of shape (n,).
    """
    values = table[column.inputs[0]]
    if not isinstance(values, Numbers) or values.kind == "time":
        column.refuse_values("numbers", values.kind, "Convert it, or use Vocabulary or DateTime.")
    if values.values.ndim != 1:
        column.refuse_values(
            "one number a row", f"shape {values.values.shape}", "Split it into columns."
        )
    return values


def shown(number: float) -> str:
    """A boundary in a name.

    Parameters
    ----------
    number : float
        It.

    Returns
    -------
    str
        The shortest that reads back as the same float32.
    """
    if number == int(number) and abs(number) < 1e15:
        return str(int(number))
    return str(np.float32(number)) if np.float32(number) else repr(number)


class FittedBucketized(FittedCategorical):
    """Boundaries."""

    inverse_kind = "approximate"

    @cached_property
    def boundaries(self) -> np.ndarray:
        """As an array.

        Returns
        -------
        ndarray of float64
            Ascending.
        """
        return np.array(self.learned["boundaries"], np.float64)

    @cached_property
    def levels(self) -> list[str]:
        """Ranges of numbers."""
        ends = [shown(end) for end in self.boundaries.tolist()]
        if len(set(ends)) < len(ends):
            ends = [repr(end) for end in self.boundaries.tolist()]
        if not ends:
            own = ["any"]
        else:
            between = [f"{a}_to_{b}" for a, b in itertools.pairwise(ends)]
            own = [f"below_{ends[0]}", *between, f"from_{ends[-1]}"]
        return own + ["missing"] * (self.column.missing == "bucket")

    def codes(self, table: Rows) -> Codes:
        """The bucket of each row."""
        values = numbers_of(self.column, table)
        numbers = values.values
        if (
            numbers.dtype not in (np.float32, np.float64, np.int64)
            or not numbers.flags.c_contiguous
        ):
            numbers = np.ascontiguousarray(values.floats)
        codes = np.empty(len(numbers), np.int32)
        is_full = bucketize(numbers, self.boundaries, codes)
        if len(values.missing):
            codes[values.missing] = MISSING
            is_full = False
        if is_full:
            return Codes(codes, self.n_levels, is_full=True)
        if self.column.missing == "last":
            codes[codes < 0] = len(self.boundaries)
        return with_own_bucket(self.column, Codes(codes, self.n_levels))

    def decode(self, codes: np.ndarray) -> dict[str, np.ndarray]:
        """The middle of each bucket; of the outermost, the number next to their boundary."""
        ends = self.boundaries if len(self.boundaries) else np.zeros(1)
        middles = np.r_[
            np.nextafter(ends[0], -np.inf), (ends[:-1] + ends[1:]) / 2, ends[-1], np.nan
        ]
        is_known = (codes >= 0) & (codes <= len(self.boundaries))
        return {self.column.name: middles[np.where(is_known, codes, len(middles) - 1)]}
