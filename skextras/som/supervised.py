"""The label layer: a map that sees labels beside the features while it learns, and keeps them.

Rows are joined with their labels (X-fused map, Melssen et al. 2006), so that units part where
labels do. What is asked later has features alone: its unit is the nearest by these, and the answer
is what the rows of that unit and of its neighbours were labelled with.
"""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from skextras.som.base import BaseSelfOrganizingMap
from skextras.som.batch import smoothed_by_sides
from skextras.som.grid import Grid
from skextras.som.schedules import neighborhood
from skextras.som.search import rows_of, stripes
from skextras.som.start import mean_of
from skextras.som.training import Course

NEAR = 0.7  # radius within which neighbours' labels count, in units
PRIOR = 1e-6  # weight of the labels of all rows, for units far from any row


def _variance(X: Any, weights: np.ndarray) -> float:
    """Sum of the variances of all features."""
    mean = mean_of(X, weights)
    total = 0.0
    for rows in stripes(X.shape[0]):
        total += float(weights[rows] @ np.nansum((rows_of(X, rows) - mean) ** 2, axis=1))
    return total / float(weights.sum())


def _joined(X: Any, targets: np.ndarray) -> Any:
    """Rows with targets behind, in the precision of the rows."""
    if sparse.issparse(X):
        return sparse.hstack([X, sparse.csr_array(targets)], format="csr", dtype=X.dtype)
    return np.hstack([X, targets.astype(X.dtype)])


class LabelLayer(BaseSelfOrganizingMap):
    """Base of maps with labels: learns from rows and targets, answers by units."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSelfOrganizingMap._parameter_constraints,
        "label_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, shape: tuple[int, int], *, label_weight: float, **options: Any) -> None:
        super().__init__(shape, **options)
        self.label_weight = label_weight

    def _fit_labels(self, X: Any, targets: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """Make the map; mean target of each unit and its neighbours, shape (n_units, n_targets)."""
        if self.label_weight > 0 and not self._takes_missing:
            raise self._refusal(
                "label_weight",
                f"0 for metric={self.metric!r}",
                self.label_weight,
                "Labels are no part of an angle.",
            )
        grid = self._grid()
        plan = self._plan(grid)
        weights = np.ones(X.shape[0]) if weights is None else weights
        means = weights @ targets / weights.sum()
        scale = self._label_scale(X, targets, weights)
        rows, start = (
            X,
            self._given_start(grid, X.shape[1]) if not isinstance(self.init, str) else None,
        )
        if scale > 0:
            rows = _joined(X, scale * targets)
            if start is not None:
                start = np.hstack([start, np.tile(scale * means, (grid.n_units, 1))])
        course = Course(self._start(rows, weights, grid) if start is None else start, grid)
        self._run(course, plan, rows, weights)
        grid = course.grid
        course.weights, course.memory = course.weights[:, : X.shape[1]], None
        self._keep(course, X.dtype)
        fate = self._fates(X, with_distance=True)
        self.quantization_error_ = float(np.average(fate.distances, weights=weights))
        return self._layer(grid, fate.labels, targets, weights)

    def _label_scale(self, X: Any, targets: np.ndarray, weights: np.ndarray) -> float:
        spread = _variance(targets, weights)
        if self.label_weight == 0 or spread == 0:
            return 0.0
        return float(self.label_weight * np.sqrt(_variance(X, weights) / spread))

    @staticmethod
    def _layer(
        grid: Grid, labels: np.ndarray, targets: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        sums = np.zeros((grid.n_units, targets.shape[1] + 1))
        np.add.at(
            sums, labels, weights[:, None] * np.column_stack([targets, np.ones(len(targets))])
        )
        if grid.topology != "gas":
            sums = smoothed_by_sides(
                grid, lambda squared: neighborhood("gaussian", squared, NEAR), sums
            )
        prior = weights @ targets / weights.sum()
        means: np.ndarray = (sums[:, :-1] + PRIOR * prior) / (sums[:, -1:] + PRIOR)
        return means

    def _units_of(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self._fates(self._check_X(X, reset=False)).labels
