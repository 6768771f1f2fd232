"""ENGINE: the scales of numbers: what each learns of a column, the map and its inverse."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import minimize_scalar

from skextras.features.sketch import QuantileSketch, weighted_quantiles
from skextras.features.states import Moments

N_REFERENCES = 1000  # quantiles that the scale "quantile" keeps, at most
N_FOR_POWER = 2**14  # quantiles from which an exponent is estimated, at most


class Scale(ABC):
    """One way to map numbers."""

    needs_quantiles: ClassVar[bool] = False

    @abstractmethod
    def learn(self, moments: Moments, sketches: list[QuantileSketch]) -> dict[str, Any]:
        """What is learned of k columns.

        Parameters
        ----------
        moments : Moments
            Of k columns.
        sketches : list of QuantileSketch
            One a column if the scale needs them.

        Returns
        -------
        dict
            Lists with an entry for each column.
        """

    @abstractmethod
    def forward(self, values: np.ndarray, learned: dict[str, Any], k: int) -> np.ndarray:
        """Map a column.

        Parameters
        ----------
        values : ndarray of float64 of shape (n,)
            NaN stays.
        learned : dict
            Of all columns.
        k : int
            Which column it is.

        Returns
        -------
        ndarray of float64 of shape (n,)
            The mapped numbers.
        """

    @abstractmethod
    def backward(self, values: np.ndarray, learned: dict[str, Any], k: int) -> np.ndarray:
        """Undo ``forward``.

        Parameters
        ----------
        values : ndarray of float64 of shape (n,)
            Mapped numbers.
        learned : dict
            Of all columns.
        k : int
            Which column it is.

        Returns
        -------
        ndarray of float64 of shape (n,)
            The numbers.
        """


class Linear(Scale):
    """(x - centre) / spread.

    Parameters
    ----------
    measure : callable
        (moments, sketches) to centres and spreads.
    needs_quantiles : bool
        Whether it reads the sketches.
    """

    def __init__(
        self,
        measure: Callable[[Moments, list[QuantileSketch]], tuple[np.ndarray, np.ndarray]],
        *,
        needs_quantiles: bool = False,
    ) -> None:
        self.measure = measure
        self.needs_quantiles = needs_quantiles  # type: ignore[misc]

    def learn(self, moments: Moments, sketches: list[QuantileSketch]) -> dict[str, Any]:
        """Centres and spreads; a constant column has spread 1."""
        centre, spread = (np.nan_to_num(own) for own in self.measure(moments, sketches))
        # below this the spread is what rounding left of a constant
        is_constant = spread <= 10 * np.finfo(np.float64).eps * np.abs(centre)
        spread = np.where(is_constant | (spread == 0), 1.0, spread)
        return {"centre": centre.tolist(), "spread": spread.tolist()}

    def forward(self, values: np.ndarray, learned: dict[str, Any], k: int) -> np.ndarray:
        """Map a column."""
        out = values - learned["centre"][k]
        out /= learned["spread"][k]
        return out

    def backward(self, values: np.ndarray, learned: dict[str, Any], k: int) -> np.ndarray:
        """Undo ``forward``."""
        return values * learned["spread"][k] + learned["centre"][k]


def _standard(moments: Moments, sketches: list[QuantileSketch]) -> tuple[np.ndarray, np.ndarray]:
    return moments.mean, np.sqrt(moments.squares / np.maximum(moments.count, 1))


def _min_max(moments: Moments, sketches: list[QuantileSketch]) -> tuple[np.ndarray, np.ndarray]:
    has_rows = moments.count > 0
    low = np.where(has_rows, moments.low, 0.0)
    return low, np.where(has_rows, moments.high, 1.0) - low


def _robust(moments: Moments, sketches: list[QuantileSketch]) -> tuple[np.ndarray, np.ndarray]:
    low, middle, high = np.array([own.quantiles((1, 2, 3), 4) for own in sketches]).T
    return middle, high - low


class Logarithm(Scale):
    """sign(x) ln(1 + |x|)."""

    def learn(self, moments: Moments, sketches: list[QuantileSketch]) -> dict[str, Any]:
        """Nothing."""
        return {}

    def forward(self, values: np.ndarray, learned: dict[str, Any], k: int) -> np.ndarray:
        """Map a column."""
        return np.copysign(np.log1p(np.abs(values)), values)

    def backward(self, values: np.ndarray, learned: dict[str, Any], k: int) -> np.ndarray:
        """Undo ``forward``."""
        return np.copysign(np.expm1(np.abs(values)), values)


class Quantile(Scale):
    """The share of training rows that lie below, between 0 and 1."""

    needs_quantiles = True

    def learn(self, moments: Moments, sketches: list[QuantileSketch]) -> dict[str, Any]:
        """Quantiles at equal steps, with their shares."""
        n = min([N_REFERENCES, *(max(2, len(own)) for own in sketches)])
        references = [np.nan_to_num(own.quantiles(range(n), n - 1)) for own in sketches]
        return {"references": [own.tolist() for own in references]}

    def forward(self, values: np.ndarray, learned: dict[str, Any], k: int) -> np.ndarray:
        """Map a column: where references repeat, to the middle of their shares."""
        references = np.array(learned["references"][k])
        shares = np.linspace(0, 1, len(references))
        up = np.interp(values, references, shares)
        down = np.interp(-values, -references[::-1], -shares[::-1])
        return np.where(np.isnan(values), np.nan, (up - down) / 2)

    def backward(self, values: np.ndarray, learned: dict[str, Any], k: int) -> np.ndarray:
        """Undo ``forward``, between the least and the greatest training row."""
        references = np.array(learned["references"][k])
        return np.interp(values, np.linspace(0, 1, len(references)), references)


def yeo_johnson(x: np.ndarray, power: float) -> np.ndarray:
    """The power transformation of Yeo and Johnson (Biometrika 87, 2000, eq. 2.1).

    Parameters
    ----------
    x : ndarray of float64
        Any numbers.
    power : float
        λ; 1 changes nothing.

    Returns
    -------
    ndarray of float64
        Ascending in x.
    """
    out = np.empty_like(x)
    is_up = ~(x < 0)
    up, down = x[is_up], -x[~is_up]
    out[is_up] = _box_cox(up, power)
    out[~is_up] = -_box_cox(down, 2 - power)
    return out


def _box_cox(x: np.ndarray, power: float) -> np.ndarray:
    """((1 + x)**λ - 1) / λ for x >= 0, by way of the logarithm, so that small λ lose no digits."""
    log = np.log1p(x)
    return log if power == 0 else np.expm1(power * log) / power


def _box_cox_back(y: np.ndarray, power: float) -> np.ndarray:
    if power == 0:
        return np.expm1(y)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.expm1(np.log1p(power * y) / power)


class Power(Scale):
    """Yeo and Johnson's power that makes the column most normal, then mean 0 and deviation 1."""

    needs_quantiles = True

    def learn(self, moments: Moments, sketches: list[QuantileSketch]) -> dict[str, Any]:
        """Powers by maximum likelihood, means and deviations after it."""
        found = [self._one(own) for own in sketches]
        powers, centres, spreads = zip(*found, strict=True)
        return {"power": list(powers), "centre": list(centres), "spread": list(spreads)}

    @staticmethod
    def _one(sketch: QuantileSketch) -> tuple[float, float, float]:
        x, weights = sketch.points()
        if len(x) > N_FOR_POWER:
            middles = np.arange(1, 2 * N_FOR_POWER, 2)
            x = weighted_quantiles(x, weights, middles, 2 * N_FOR_POWER)
            weights = np.ones(len(x))
        if not len(x) or x[0] == x[-1]:
            return 1.0, float(x[0]) if len(x) else 0.0, 1.0
        slope = np.average(np.copysign(np.log1p(np.abs(x)), x), weights=weights)

        def loss(power: float) -> float:
            """Minus the mean log likelihood of a normal distribution, but for a constant."""
            mapped = yeo_johnson(x, power)
            mean = np.average(mapped, weights=weights)
            variance = np.average((mapped - mean) ** 2, weights=weights)
            return float(np.log(max(variance, 1e-300)) / 2 - (power - 1) * slope)

        with np.errstate(over="ignore", invalid="ignore"):
            power = float(minimize_scalar(loss, bracket=(-2, 2), method="brent").x)
        mapped = yeo_johnson(x, power)
        mean = float(np.average(mapped, weights=weights))
        spread = float(np.sqrt(np.average((mapped - mean) ** 2, weights=weights)))
        return power, mean, spread or 1.0

    def forward(self, values: np.ndarray, learned: dict[str, Any], k: int) -> np.ndarray:
        """Map a column."""
        mapped = yeo_johnson(values, learned["power"][k])
        return (mapped - learned["centre"][k]) / learned["spread"][k]

    def backward(self, values: np.ndarray, learned: dict[str, Any], k: int) -> np.ndarray:
        """Undo ``forward``."""
        mapped, power = values * learned["spread"][k] + learned["centre"][k], learned["power"][k]
        up = _box_cox_back(np.maximum(mapped, 0), power)
        down = -_box_cox_back(np.maximum(-mapped, 0), 2 - power)
        return np.where(np.isnan(mapped), np.nan, np.where(mapped < 0, down, up))


class Plain(Scale):
    """As it is."""

    def learn(self, moments: Moments, sketches: list[QuantileSketch]) -> dict[str, Any]:
        """Nothing."""
        return {}

    def forward(self, values: np.ndarray, learned: dict[str, Any], k: int) -> np.ndarray:
        """The column itself."""
        return values

    def backward(self, values: np.ndarray, learned: dict[str, Any], k: int) -> np.ndarray:
        """The column itself."""
        return values


SCALES: dict[str | None, Scale] = {
    None: Plain(),
    "standard": Linear(_standard),
    "minmax": Linear(_min_max),
    "robust": Linear(_robust, needs_quantiles=True),
    "quantile": Quantile(),
    "log": Logarithm(),
    "power": Power(),
}


class ScaleState:
    """Moments of columns, and quantiles where they are needed.

    Parameters
    ----------
    n_sketches : int
        Of how many columns quantiles are needed: of all, or of none.
    """

    def __init__(self, n_sketches: int) -> None:
        self.moments = Moments()
        self.sketches = [QuantileSketch() for _ in range(n_sketches)]

    def add(self, values: np.ndarray, weights: np.ndarray | None = None) -> None:
        """See rows.

        Parameters
        ----------
        values : ndarray of float64 of shape (n, k)
            NaN is missing.
        weights : ndarray of float64 of shape (n,), default=None
            How often each row counts; None for once.
        """
        self.moments.add(values, weights)
        for k, sketch in enumerate(self.sketches):
            sketch.add(values[:, k], weights)

    def merge(self, other: "ScaleState") -> None:
        """Take in another's rows.

        Parameters
        ----------
        other : ScaleState
            Of other rows.
        """
        self.moments.merge(other.moments)
        for own, its in zip(self.sketches, other.sketches, strict=True):
            own.merge(its)
