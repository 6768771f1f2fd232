"""A number or a time on a circle, where the end meets the beginning."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from numbers import Real
from typing import Any, Literal

import numpy as np

from skextras.features.blocks import Block, Dense
from skextras.features.columns.base import Column, Fitted, Learned, Rows, Target
from skextras.features.columns.bucketized import numbers_of
from skextras.features.columns.date_time import times_in
from skextras.features.states import Nothing
from skextras.features.times import CIRCLES, parts_of

PERIODS = {name: period for name, (_, period) in CIRCLES.items()}
PERIODS |= {"degrees": 360.0, "radians": 2 * np.pi}
POLICIES = ("keep", "centre", "error")


@dataclass(frozen=True, repr=False)
class Cyclical(Column):
    """Sine and cosine of where a value is on a circle: 23:59 is next to 0:00.

    Parameters
    ----------
    name : str
        Of the table's column: numbers, or times if ``period`` is one of their circles.
    period : {"minute", "hour", "weekday", "month", "day_of_year", "degrees", "radians"} or float
        How long the circle is: 60, 24, 7, 12, 365.25, 360, 2π, or the number given. Of times the
        place on the circle has fractions ("hour" sees the minutes, "minute" the seconds); months
        are whole.
    harmonics : int, default=1
        How many times round: k gives the sines and cosines of once to k times the angle, with which
        a linear model can tell more than one crest.
    missing : {"keep", "centre", "error"}, default="keep"
        What a missing value becomes: NaN, the centre of the circle (0, 0), an error.
    missing_indicator : bool, default=False
        Whether a column of 0 and 1 tells where values were missing.

    Examples
    --------
    >>> from skextras.features import Cyclical, FeatureColumns
    >>> columns = FeatureColumns([Cyclical("hour", period="hour")])
    >>> columns.fit_transform({"hour": [0, 6, 12, 24]}).round(12) + 0.0
    array([[ 0.,  1.],
           [ 1.,  0.],
           [ 0., -1.],
           [ 0.,  1.]])
    >>> columns.get_feature_names_out().tolist()
    ['hour_sin', 'hour_cos']
    """

    name: str
    _: KW_ONLY
    period: str | float
    harmonics: int = 1
    missing: Literal["keep", "centre", "error"] = "keep"
    missing_indicator: bool = False

    def __post_init__(self) -> None:
        is_number = isinstance(self.period, Real) and 0 < self.period < np.inf
        if not is_number and self.period not in PERIODS:
            self.refuse("period", f"one of {tuple(PERIODS)} or a number above 0", self.period)
        if not isinstance(self.harmonics, int) or self.harmonics < 1:
            self.refuse("harmonics", "a whole number of at least 1", self.harmonics)
        if self.missing not in POLICIES:
            self.refuse("missing", f"one of {POLICIES}", self.missing)

    @property
    def length(self) -> float:
        """How long the circle is.

        Returns
        -------
        float
            In the units of the values.
        """
        return PERIODS[self.period] if isinstance(self.period, str) else float(self.period)

    def start(self) -> Nothing:
        """Nothing is learned."""
        return Nothing()

    def observe(
        self, state: Nothing, table: Rows, target: Target | None, pass_number: int = 0
    ) -> None:
        """Look whether the values are on a circle."""
        self.places(table)

    def learn(self, state: Nothing) -> Learned:
        """Nothing."""
        return {}

    def fitted(self, learned: Learned) -> "FittedCyclical":
        """Ready at once."""
        return FittedCyclical(self, learned)

    def places(self, table: Rows) -> np.ndarray:
        """Where the rows are on the circle.

        Parameters
        ----------
        table : Rows
            The rows.

        Returns
        -------
        ndarray of float64 of shape (n,)
            In the units of the period; NaN where missing.
        """
        values: Any = table[self.name]
        if values.kind == "time":
            if self.period not in CIRCLES:
                self.refuse("period", f"one of {tuple(CIRCLES)} for times", self.period)
            times = times_in(self, table)
            own = np.empty(len(times))
            parts_of(times, CIRCLES[str(self.period)][0], own)
            return own
        own = numbers_of(self, table).floats.astype(np.float64, copy=False)
        if self.missing == "error" and np.isnan(own).any():
            row = int(np.isnan(own).argmax())
            self.refuse_values("no missing value", f"one in row {row}", 'Or set missing="keep".')
        if np.isinf(own).any():
            self.refuse_values(
                "finite numbers", f"infinity in row {int(np.isinf(own).argmax())}", ""
            )
        return own


class FittedCyclical(Fitted):
    """Nothing but the declaration."""

    inverse_kind = "approximate"

    @cached_property
    def names(self) -> list[str]:
        """The column's name, and which wave."""
        name = self.column.name
        own = [
            f"{name}_{wave}{'' if k == 1 else f'_{k}'}"
            for k in range(1, self.column.harmonics + 1)
            for wave in ("sin", "cos")
        ]
        return own + [f"{name}_is_missing"] * self.column.missing_indicator

    def transform(self, table: Rows) -> Block:
        """Sines and cosines."""
        places = self.column.places(table)
        angle = np.mod(places, self.column.length) * (2 * np.pi / self.column.length)
        out = np.empty((len(angle), self.width), np.float64, order="F")
        for k in range(self.column.harmonics):
            np.sin((k + 1) * angle, out=out[:, 2 * k])
            np.cos((k + 1) * angle, out=out[:, 2 * k + 1])
        if self.column.missing_indicator:
            out[:, -1] = np.isnan(places)
        if self.column.missing == "centre":
            waves = out[:, : 2 * self.column.harmonics]
            waves[np.isnan(places)] = 0.0
        return Dense(out)

    def inverse(self, block: Any) -> dict[str, np.ndarray]:
        """Numbers from 0 to the period; NaN at the centre."""
        sine, cosine = block.values[:, 0], block.values[:, 1]
        angle = np.mod(np.arctan2(sine, cosine), 2 * np.pi)
        own = angle * (self.column.length / (2 * np.pi))
        own[(sine == 0) & (cosine == 0)] = np.nan
        return {self.column.name: own}
