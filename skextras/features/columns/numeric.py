"""Numbers, scaled."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from numbers import Real
from typing import Any, Literal

import numpy as np

from skextras.features.blocks import Block, Dense
from skextras.features.columns.base import Column, Fitted, Learned, Rows, Target
from skextras.features.scaling import SCALES, ScaleState
from skextras.features.values import Numbers

FILLS = ("keep", "mean", "median", "error")


@dataclass(frozen=True, repr=False)
class Numeric(Column):
    """Numbers, on a scale of their own.

    Parameters
    ----------
    name : str
        Of the table's column: numbers, or vectors of ``shape`` numbers.
    scale : str or None, default="standard"
        None keeps the numbers. "standard": mean 0, deviation 1; "minmax": from 0 to 1; "robust":
        median 0, quartiles 1 apart; "quantile": the share of training rows below; "log":
        ``sign(x) ln(1 + |x|)``; "power": Yeo and Johnson's [1]_, then "standard".
    shape : int, default=1
        How many numbers each row has.
    missing : {"keep", "mean", "median", "error"} or float, default="keep"
        What a missing value becomes: NaN, the training rows' mean or median, an error, or this
        number; filled before scaling.
    missing_indicator : bool, default=False
        Whether a column of 0 and 1 tells where values were missing.

    References
    ----------
    .. [1] I.-K. Yeo and R. A. Johnson, "A new family of power transformations to improve normality
       or symmetry", Biometrika 87, 2000.

    Examples
    --------
    >>> from skextras.features import FeatureColumns, Numeric
    >>> columns = FeatureColumns([Numeric("age", scale="minmax", missing="mean")])
    >>> columns.fit_transform({"age": [20.0, 60.0, None]}).ravel()
    array([0. , 1. , 0.5])
    """

    name: str
    _: KW_ONLY
    scale: Literal["standard", "minmax", "robust", "quantile", "log", "power"] | None = "standard"
    shape: int = 1
    missing: Literal["keep", "mean", "median", "error"] | float = "keep"
    missing_indicator: bool = False

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            self.refuse("scale", f"one of {tuple(SCALES)}", self.scale)
        if not isinstance(self.shape, int) or self.shape < 1:
            self.refuse("shape", "a whole number of at least 1", self.shape)
        is_number = isinstance(self.missing, Real) and np.isfinite(self.missing)
        if not is_number and self.missing not in FILLS:
            self.refuse("missing", f"one of {FILLS} or a finite number", self.missing)

    def start(self) -> ScaleState:
        """No number seen."""
        needs = SCALES[self.scale].needs_quantiles or self.missing == "median"
        return ScaleState(self.shape if needs else 0)

    def observe(
        self, state: ScaleState, table: Rows, target: Target | None, pass_number: int = 0
    ) -> None:
        """See the numbers."""
        values = self.matrix(table)
        self.refuse_infinite(values)
        state.add(values, table.weights)

    def learn(self, state: ScaleState) -> Learned:
        """What the scale learns, and what fills gaps."""
        learned = SCALES[self.scale].learn(state.moments, state.sketches)
        if self.missing == "mean":
            learned["fill"] = state.moments.mean.tolist()
        elif self.missing == "median":
            learned["fill"] = [float(own.quantiles([1], 2)[0]) for own in state.sketches]
        elif isinstance(self.missing, Real):
            learned["fill"] = [float(self.missing)] * self.shape
        return learned

    def fitted(self, learned: Learned) -> "FittedNumeric":
        """With what was learned."""
        return FittedNumeric(self, learned)

    def matrix(self, table: Rows) -> np.ndarray:
        """The numbers of a table's rows.

        Parameters
        ----------
        table : Rows
            The rows.

        Returns
        -------
        ndarray of float64 of shape (n, shape)
            NaN where missing.
        """
        values = table[self.name]
        if not isinstance(values, Numbers) or values.kind == "time":
            self.refuse_values("numbers", values.kind, "Convert it, or use another column type.")
        own = values.floats
        own = own[:, None] if own.ndim == 1 else own
        if own.shape[1] != self.shape:
            self.refuse_values(
                f"{self.shape} numbers a row", f"{own.shape[1]}", f"Set shape={own.shape[1]}."
            )
        own = own.astype(np.float64, copy=False)
        if self.missing == "error" and np.isnan(own).any():
            row = int(np.isnan(own).any(axis=1).argmax())
            self.refuse_values(
                "no missing value", f"one in row {row}", 'Fill it, or set missing="mean".'
            )
        return own


class FittedNumeric(Fitted):
    """A scale."""

    inverse_kind = "exact"

    @cached_property
    def names(self) -> list[str]:
        """The column's name, with a number if there are several."""
        name, k = self.column.name, self.column.shape
        own = [name] if k == 1 else [f"{name}_{i}" for i in range(k)]
        return own + [f"{each}_is_missing" for each in own] * self.column.missing_indicator

    def transform(self, table: Rows) -> Block:
        """Filled and scaled."""
        values, k = self.column.matrix(table), self.column.shape
        out = np.empty((len(values), self.width), np.float64, order="F")
        scale, fill = SCALES[self.column.scale], self.learned.get("fill")
        for i in range(k):
            own = values[:, i]
            if self.column.missing_indicator:
                out[:, k + i] = np.isnan(own)
            if fill is not None:
                own = np.where(np.isnan(own), fill[i], own)
            out[:, i] = scale.forward(own, self.learned, i)
        return Dense(out)

    def inverse(self, block: Any) -> dict[str, np.ndarray]:
        """The numbers; what was filled stays filled, unless the indicator tells."""
        k, scale = self.column.shape, SCALES[self.column.scale]
        own = np.empty((len(block.values), k))
        for i in range(k):
            own[:, i] = scale.backward(block.values[:, i], self.learned, i)
            if self.column.missing_indicator:
                own[block.values[:, k + i] > 0, i] = np.nan
        return {self.column.name: own[:, 0] if k == 1 else own}
