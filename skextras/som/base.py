"""What every map has in common as an estimator: options, rows and weights at the door, the fit."""

from collections.abc import Callable
from functools import partial
from math import isfinite
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from skextras.som.grid import BOUNDARIES, TOPOLOGIES, Grid
from skextras.som.growth import grow
from skextras.som.schedules import DECAYS, NEIGHBORHOODS, SIGNED
from skextras.som.search import METRICS, Codebook, is_missing, rows_of, stripes
from skextras.som.start import STARTS
from skextras.som.training import ALGORITHMS, Course, Fate, Plan, fates, train

FINAL_RADIUS = 0.7
FAR_OFF = 1e3  # times the greatest number in the rows: units there will not come back
POSITIVE_ENDS = ("exponential", "inverse")  # decays that never reach 0


class BaseSelfOrganizingMap(BaseEstimator):
    """Base of the maps: everything but what their units are asked for."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "shape": [tuple, list],
        "topology": [StrOptions(set(TOPOLOGIES))],
        "boundary": [StrOptions(set(BOUNDARIES))],
        "neighborhood": [StrOptions(set(NEIGHBORHOODS))],
        "radius": [tuple, list, None],
        "decay": [StrOptions(set(DECAYS)), callable],
        "metric": [StrOptions(set(METRICS))],
        "algorithm": [StrOptions(set(ALGORITHMS))],
        "n_epochs": [Interval(Integral, 0, None, closed="left")],
        "learning_rate": [tuple, list],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "growth": [Interval(Real, 0, 1, closed="neither"), None],
        "init": [StrOptions(set(STARTS)), "array-like"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        topology: str,
        boundary: str,
        neighborhood: str,
        radius: tuple[float, float] | None,
        decay: str | Callable[[float, float, float], float],
        metric: str,
        algorithm: str,
        n_epochs: int,
        learning_rate: tuple[float, float],
        batch_size: int,
        growth: float | None,
        init: Any,
        n_jobs: int | None,
        random_state: int | np.random.RandomState | None,
    ) -> None:
        self.shape = shape
        self.topology = topology
        self.boundary = boundary
        self.neighborhood = neighborhood
        self.radius = radius
        self.decay = decay
        self.metric = metric
        self.algorithm = algorithm
        self.n_epochs = n_epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.growth = growth
        self.init = init
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        """Rows may be sparse, and values may be missing for metrics that add up over features."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self._takes_missing
        return tags

    # ------------------------------------------------------------ what comes in
    @property
    def _takes_missing(self) -> bool:
        return self.metric in ("euclidean", "manhattan")

    def _refusal(self, name: str, allowed: str, got: Any, cure: str) -> ValueError:
        return ValueError(f"{type(self).__name__}: {name} must be {allowed}, got {got!r}. {cure}")

    def _check_X(self, X: Any, *, reset: bool) -> Any:
        X = validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
        )
        for rows in stripes(X.shape[0]):
            part = X[rows].data if hasattr(X, "tocsr") else X[rows]
            if is_missing(part):
                self._check_known(rows_of(X, rows), rows.start)
        return X

    def _check_known(self, part: np.ndarray, start: int) -> None:
        if not self._takes_missing:
            raise ValueError(
                f"{type(self).__name__}: X must be complete with metric={self.metric!r}, got NaN. "
                "Impute it, or take metric='euclidean' or 'manhattan'."
            )
        empty = np.flatnonzero(np.isnan(part).all(axis=1))
        if len(empty):
            raise ValueError(
                f"{type(self).__name__}: X must have a value in each row, got row "
                f"{start + int(empty[0])} of missing values alone. Leave such rows out."
            )

    def _check_weights(self, sample_weight: Any, X: Any) -> np.ndarray | None:
        if sample_weight is None:
            return None
        return _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)

    def _grid(self) -> Grid:
        shape = tuple(self.shape)
        if len(shape) != 2 or not all(isinstance(n, Integral) and n > 0 for n in shape):
            raise self._refusal(
                "shape", "two whole numbers above 0", self.shape, "Give rows and columns: (10, 15)."
            )
        if self.topology == "hexagonal" and self.boundary == "toroidal" and shape[0] % 2:
            raise self._refusal(
                "shape",
                "an even number of rows for a hexagonal torus",
                self.shape,
                "An odd one would not fit itself where top and bottom meet.",
            )
        self._check_growth()
        grid = Grid(int(shape[0]), int(shape[1]), self.topology, self.boundary)
        if self.topology == "gas" and (self.algorithm != "batch" or self.boundary != "planar"):
            got = (self.algorithm, self.boundary)
            raise self._refusal(
                "algorithm, boundary",
                "'batch', 'planar' for topology='gas'",
                got,
                "A gas learns by ranks and has no edges.",
            )
        return grid

    def _check_growth(self) -> None:
        if self.growth is not None and (self.boundary != "planar" or self.topology == "gas"):
            raise self._refusal(
                "growth",
                f"None for topology={self.topology!r} and boundary={self.boundary!r}",
                self.growth,
                "A map grows where its edges are open: boundary='planar'.",
            )
        if self.growth is not None and tuple(self.shape) == (1, 1):
            raise self._refusal(
                "shape", "two units at least where growth is set", self.shape, "Begin at (2, 2)."
            )

    def _ends(self, name: str, values: Any, cure: str) -> tuple[float, float]:
        """Start and end of a quantity that changes."""
        ends = tuple(values)
        is_number = len(ends) == 2 and all(isinstance(end, Real) for end in ends)
        if not is_number or not all(0 <= end < np.inf for end in ends):
            raise self._refusal(name, "two numbers of at least 0", values, cure)
        if self.decay in POSITIVE_ENDS and min(ends) <= 0:
            raise self._refusal(
                name, f"above 0 for decay={self.decay!r}", values, "decay='linear' reaches 0."
            )
        return float(ends[0]), float(ends[1])

    def _plan(self, grid: Grid) -> Plan:
        start = max(grid.n_rows, grid.n_cols) / 4
        radius = (max(start, FINAL_RADIUS), FINAL_RADIUS) if self.radius is None else self.radius
        rates = self._ends("learning_rate", self.learning_rate, "Give the first and the last one.")
        if max(rates) > 1:
            raise self._refusal("learning_rate", "at most 1", self.learning_rate, "1 forgets all.")
        return Plan(
            metric=self.metric,
            neighborhood=self.neighborhood,
            radius=self._ends("radius", radius, "Give the first and the last one, in units."),
            decay=partial(self._decayed, self.decay) if callable(self.decay) else self.decay,
            n_epochs=self.n_epochs,
            learning_rate=rates,
            batch_size=self.batch_size,
            algorithm=self.algorithm,
            n_threads=self._n_threads(),
        )

    def _decayed(self, decay: Callable[[float, float, float], float], *where: float) -> float:
        """What a function that users give returns, if it is a number."""
        value = decay(*where)
        if not isinstance(value, Real) or not isfinite(value):
            raise self._refusal(
                "decay",
                "a function whose values are finite numbers",
                value,
                f"It was called with {where}.",
            )
        return float(value)

    def _n_threads(self) -> int:
        if self.n_jobs is None:
            return int(_openmp_effective_n_threads())
        return int(effective_n_jobs(self.n_jobs))

    # ------------------------------------------------------------ the fit
    def _start(self, X: Any, weights: np.ndarray | None, grid: Grid) -> np.ndarray:
        """Weights of the units before the first epoch, shape (n_units, n_features)."""
        if not isinstance(self.init, str):
            return self._given_start(grid, X.shape[1])
        weights = np.ones(X.shape[0]) if weights is None else weights
        with np.errstate(over="ignore", invalid="ignore"):  # (what is not finite is refused)
            start = STARTS[self.init](X, weights, grid, check_random_state(self.random_state))
        unknown = np.flatnonzero(~np.isfinite(start).all(axis=0))
        if len(unknown):
            raise ValueError(
                f"{type(self).__name__}: X must have finite statistics in each column, got none in "
                f"column {int(unknown[0])}. Leave a column of missing values out; scale huge ones."
            )
        return start

    def _given_start(self, grid: Grid, n_features: int) -> np.ndarray:
        start = np.asarray(self.init, dtype=np.float64)
        if start.shape not in (
            (grid.n_rows, grid.n_cols, n_features),
            (grid.n_units, n_features),
        ):
            raise self._refusal(
                "init",
                f"an array of shape {(grid.n_rows, grid.n_cols, n_features)}",
                start.shape,
                "Give one row of weights a unit, or a name.",
            )
        if not np.isfinite(start).all():
            raise self._refusal("init", "finite", "NaN or infinity", "Check the array.")
        return start.reshape(grid.n_units, n_features).copy()

    def _learn(self, X: Any, weights: np.ndarray | None) -> None:
        """Begin and finish a map; sets ``weights_``."""
        grid = self._grid()
        plan = self._plan(grid)
        course = Course(self._start(X, weights, grid), grid)
        self._run(course, plan, X, weights)
        self._keep(course, X.dtype)

    def _run(self, course: Course, plan: Plan, X: Any, weights: np.ndarray | None) -> None:
        train(course, plan, X, weights, plan.n_epochs)
        if self.growth is not None:
            grow(course, plan, X, weights, self.growth)
        self._check_near(course, X)

    def _check_near(self, course: Course, X: Any) -> None:
        """Kohonen's own rule lets a Mexican hat repel without bound."""
        if self.neighborhood not in SIGNED or self.algorithm != "online":
            return
        values = X.data if hasattr(X, "tocsr") else X
        limit = FAR_OFF * np.nanmax(np.abs(values), initial=0.0)
        if not np.abs(course.weights).max(initial=0.0) <= limit:
            raise self._refusal(
                "neighborhood",
                "one that keeps units near the rows",
                self.neighborhood,
                "With algorithm='batch' it repels no further; else lower learning_rate a lot.",
            )

    def _keep(self, course: Course, dtype: Any) -> None:
        """Make public what was learnt, in the precision of the rows."""
        grid = course.grid
        self.weights_ = course.weights.reshape(grid.n_rows, grid.n_cols, -1).astype(dtype)
        self.n_units_, self.n_iter_ = grid.n_units, course.epoch
        self._course = course

    # ------------------------------------------------------------ what a fitted map is asked
    @property
    def _fitted_grid(self) -> Grid:
        check_is_fitted(self)
        return self._course.grid

    @property
    def _map(self) -> Grid:
        """Where units lie, for what makes no sense without."""
        grid = self._fitted_grid
        if grid.topology == "gas":
            raise self._refusal(
                "topology", "that of a map here", "gas", "Units of a gas lie nowhere."
            )
        return grid

    def _codebook(self) -> Codebook:
        check_is_fitted(self)
        return Codebook(self.weights_.reshape(self.n_units_, -1), self.metric)

    def _fates(self, X: Any, **wanted: Any) -> Fate:
        """Nearest units of rows that were checked."""
        return fates(self._codebook(), X, self._n_threads(), **wanted)
