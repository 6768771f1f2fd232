"""A time as its parts."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from skextras.features.blocks import Block, Dense
from skextras.features.columns.base import Column, Fitted, Learned, Rows, Target
from skextras.features.states import Nothing
from skextras.features.times import PARTS, filled_times, parts_of
from skextras.features.values import Numbers

POLICIES = ("keep", "error")
USUAL = ("year", "month", "day", "weekday", "hour")


@dataclass(frozen=True, repr=False)
class DateTime(Column):
    """Parts of a time, a column each; nothing is learned.

    A time that carries a zone is taken as the clock there showed it.

    Parameters
    ----------
    name : str
        Of the table's column: dates or times.
    components : sequence of str, default=("year", "month", "day", "weekday", "hour")
        Which: "year", "quarter", "month", "week" (of ISO 8601), "day", "day_of_year", "weekday" (0
        is Monday), "hour", "minute", "second", "is_weekend", "is_month_start", "is_month_end",
        "epoch_seconds" (since 1970).
    missing : {"keep", "error"}, default="keep"
        What a missing time becomes: NaN in all parts, or an error.
    missing_indicator : bool, default=False
        Whether a column of 0 and 1 tells where times were missing.

    Examples
    --------
    >>> import numpy as np
    >>> from skextras.features import DateTime, FeatureColumns
    >>> columns = FeatureColumns([DateTime("left", components=["month", "weekday", "hour"])])
    >>> columns.fit_transform({"left": np.array(["2013-07-04T17:45"], "M8[m]")})
    array([[ 7.,  3., 17.]])
    >>> columns.get_feature_names_out().tolist()
    ['left_month', 'left_weekday', 'left_hour']
    """

    name: str
    _: KW_ONLY
    components: Sequence[str] = USUAL
    missing: Literal["keep", "error"] = "keep"
    missing_indicator: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "components", tuple(self.components))
        strange = [part for part in self.components if part not in PARTS]
        if strange or not self.components:
            self.refuse("components", f"some of {tuple(PARTS)}", strange or self.components)
        if len(set(self.components)) < len(self.components):
            self.refuse("components", "all different", self.components)
        if self.missing not in POLICIES:
            self.refuse("missing", f"one of {POLICIES}", self.missing)

    def start(self) -> Nothing:
        """Nothing is learned."""
        return Nothing()

    def observe(
        self, state: Nothing, table: Rows, target: Target | None, pass_number: int = 0
    ) -> None:
        """Look whether these are times."""
        times_in(self, table)

    def learn(self, state: Nothing) -> Learned:
        """Nothing."""
        return {}

    def fitted(self, learned: Learned) -> "FittedDateTime":
        """Ready at once."""
        return FittedDateTime(self, learned)


def times_in(column: Column, table: Rows) -> np.ndarray:
    """Times of a table's rows.

    Parameters
    ----------
    column : Column
        Of one input, with the option ``missing``.
    table : Rows
        The rows.

    Returns
    -------
    ndarray of datetime64 of shape (n,)
        NaT where missing.
    """
    values: Any = table[column.inputs[0]]
    if values.kind == "none":
        values = Numbers(np.full(table.n_rows, "NaT", "M8[s]"))
    is_time = isinstance(values, Numbers) and values.values.dtype.kind == "M"
    if not is_time or values.values.ndim != 1:
        got = "durations" if values.kind == "time" else values.kind
        column.refuse_values("times", got, "Parse text first: pandas.to_datetime(...).")
    times = filled_times(values.values, values.missing)
    if column.missing == "error" and np.isnat(times).any():  # type: ignore[attr-defined]
        row = int(np.isnat(times).argmax())
        column.refuse_values("no missing value", f"one in row {row}", 'Or set missing="keep".')
    return times


class FittedDateTime(Fitted):
    """Nothing but the declaration."""

    @cached_property
    def names(self) -> list[str]:
        """The column's name, and the part."""
        name = self.column.name
        own = [f"{name}_{part}" for part in self.column.components]
        return own + [f"{name}_is_missing"] * self.column.missing_indicator

    def transform(self, table: Rows) -> Block:
        """The parts of the rows' times."""
        times = times_in(self.column, table)
        out = np.empty((len(times), self.width), np.float64, order="F")
        for place, part in enumerate(self.column.components):
            parts_of(times, PARTS[part], out[:, place])
        if self.column.missing_indicator:
            out[:, -1] = np.isnat(times)
        return Dense(out)
