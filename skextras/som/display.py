"""A map as a picture."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

from skextras.som.grid import Grid
from skextras.som.quality import u_matrix

Kind = Literal["u_matrix", "hits", "component", "classes"]
TITLES = {
    "u_matrix": "U-matrix: dark ridges part clusters",
    "hits": "hits: rows of each unit",
    "component": "component plane: weights of one feature",
    "classes": "classes: a pie's area counts the rows of its unit",
}
LOWEST = 3.2  # inches: room for the words beside a map of one row
EMPTY = "#f2f2f2"  # a unit without rows
SIDES = {"rectangular": 4, "hexagonal": 6}


class SOMDisplay:
    """Picture of a self-organising map; hexagonal units are drawn as hexagons.

    Make it by ``SOMDisplay.from_estimator``. The U-matrix [1]_ is high where neighbouring units
    differ.

    Parameters
    ----------
    grid : Grid
        Where units lie.
    weights : ndarray of shape (n_units, n_features)
        Of the units.
    labels : ndarray of int of shape (n_samples,), default=None
        Units of rows; "hits" and "classes" need them.
    y : ndarray of shape (n_samples,), default=None
        Classes of the rows; "classes" needs them.
    feature_names : sequence of str, default=None
        Of the features; None numbers them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.
    values_ : ndarray of shape (n_units,)
        What the colour of each unit, or the size of its pie, stands for.

    See Also
    --------
    skextras.SelfOrganizingMap : The map.

    References
    ----------
    .. [1] A. Ultsch and H. Siemon, "Kohonen's Self Organizing Feature Maps for Exploratory Data
       Analysis", INNC 1990.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skextras import SelfOrganizingMap
    >>> from skextras.inspection import SOMDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> som = SelfOrganizingMap((5, 6), topology="hexagonal").fit(X)
    >>> display = SOMDisplay.from_estimator(som, X, y=y, kind="classes")
    >>> int(display.values_.sum())  # rows
    150
    """

    _kinds: ClassVar[Mapping[str, str]] = {
        "u_matrix": "_draw_u_matrix",
        "hits": "_draw_hits",
        "component": "_draw_component",
        "classes": "_draw_classes",
    }

    def __init__(
        self,
        grid: Grid,
        weights: np.ndarray,
        *,
        labels: np.ndarray | None = None,
        y: np.ndarray | None = None,
        feature_names: Sequence[str] | None = None,
    ) -> None:
        self.grid = grid
        self.weights = weights
        self.labels = labels
        self.y = y
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        y: Any = None,
        kind: Kind = "u_matrix",
        feature: int | str = 0,
        ax: Any = None,
    ) -> Self:
        """Draw a fitted map.

        Parameters
        ----------
        estimator : SelfOrganizingMap, SOMClassifier or SOMRegressor
            Fitted.
        X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            Rows to place on the map, for "hits" and "classes".
        y : array-like of shape (n_samples,), default=None
            Their classes, for "classes".
        kind : {"u_matrix", "hits", "component", "classes"}, default="u_matrix"
            Distances between neighbours, rows of each unit, one feature of the weights, or pies
            of the classes.
        feature : int or str, default=0
            Which, for "component": its number or its name.
        ax : matplotlib Axes, default=None
            Where; None makes a figure.

        Returns
        -------
        SOMDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If there is no such kind or feature, or rows or classes are missing.
        """
        check_is_fitted(estimator)
        labels = None
        if X is not None:
            labels = estimator._fates(estimator._check_X(X, reset=False)).labels
        return cls(
            estimator._map,
            estimator.weights_.reshape(estimator.n_units_, -1),
            labels=labels,
            y=None if y is None else np.asarray(y),
            feature_names=getattr(estimator, "feature_names_in_", None),
        ).plot(ax, kind=kind, feature=feature)

    def plot(self, ax: Any = None, *, kind: Kind = "u_matrix", feature: int | str = 0) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where; None makes a figure.
        kind : {"u_matrix", "hits", "component", "classes"}, default="u_matrix"
            As in ``from_estimator``.
        feature : int or str, default=0
            Which, for "component".

        Returns
        -------
        SOMDisplay
            Itself.

        Raises
        ------
        ValueError
            As in ``from_estimator``.
        """
        self._check(kind)
        check_matplotlib_support("SOMDisplay.plot")
        import matplotlib.pyplot as plt

        places = self.grid.coordinates
        (left, top), (right, bottom) = places.min(axis=0), places.max(axis=0)
        if ax is None:
            width, height = right - left + 1.2, bottom - top + 1.2
            scale = 6 / max(width, height)
            size = (scale * width + 1.6, max(scale * height + 0.7, LOWEST))
            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        getattr(self, self._kinds[kind])(feature)
        ax.set(xlim=(left - 0.6, right + 0.6), ylim=(bottom + 0.7, top - 0.7), aspect="equal")
        ax.set_axis_off()
        ax.set_title(TITLES[kind], fontsize="medium")
        return self

    def _check(self, kind: str) -> None:
        if kind not in self._kinds:
            raise ValueError(
                f"SOMDisplay: kind must be one of {', '.join(self._kinds)}, got {kind!r}. "
                "'u_matrix' needs no rows."
            )
        if kind in ("hits", "classes") and self.labels is None:
            raise ValueError(f"SOMDisplay: X must be rows for kind={kind!r}, got None. Pass X.")
        if kind == "classes" and (self.y is None or len(self.y) != len(self._rows())):
            got = None if self.y is None else f"{len(self.y)} classes"
            raise ValueError(
                f"SOMDisplay: y must hold the class of each row for kind='classes', got {got!r}. "
                "Pass y."
            )

    # ------------------------------------------------------------ what is drawn
    def _draw_u_matrix(self, feature: int | str) -> None:
        self.values_ = u_matrix(self.grid, self.weights)
        self._tiles("bone_r", "mean distance to neighbouring units")

    def _draw_hits(self, feature: int | str) -> None:
        self.values_ = np.bincount(self._rows(), minlength=self.grid.n_units)
        self._tiles("Blues", "rows of a unit")

    def _draw_component(self, feature: int | str) -> None:
        names = [] if self.feature_names is None else [str(name) for name in self.feature_names]
        if isinstance(feature, str) and feature in names:
            feature = names.index(feature)
        if not isinstance(feature, Integral) or not 0 <= feature < self.weights.shape[1]:
            raise ValueError(
                f"SOMDisplay: feature must be a name or a number below {self.weights.shape[1]}, "
                f"got {feature!r}. Names are those of a data frame that fit saw."
            )
        self.values_ = self.weights[:, feature]
        self._tiles("viridis", names[feature] if names else f"x[{feature}]")

    def _draw_classes(self, feature: int | str) -> None:
        """A pie for each unit, as large as it has rows."""
        from matplotlib import colormaps
        from matplotlib.patches import Patch, Wedge

        classes, codes = np.unique(np.asarray(self.y), return_inverse=True)
        table = np.zeros((self.grid.n_units, len(classes)))
        np.add.at(table, (self._rows(), codes), 1)
        self.values_ = table.sum(axis=1)
        self._shapes(np.zeros(self.grid.n_units), facecolor=EMPTY)
        palette = colormaps["tab10" if len(classes) <= 10 else "turbo"]
        places = np.arange(len(classes)) if len(classes) <= 10 else np.linspace(0, 1, len(classes))
        colors = palette(places)
        radii = 0.46 * np.sqrt(self.values_ / max(self.values_.max(), 1))
        for unit in np.flatnonzero(self.values_):
            ends = 90 + 360 * np.r_[0, np.cumsum(table[unit])] / self.values_[unit]
            for place in np.flatnonzero(table[unit]):
                start, end = ends[place], ends[place + 1]
                center, radius = self.grid.coordinates[unit], max(radii[unit], 0.12)
                self.ax_.add_patch(Wedge(center, radius, start, end, color=colors[place], lw=0))
        self.ax_.legend(
            handles=[Patch(color=c, label=str(k)) for k, c in zip(classes, colors, strict=True)],
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
        )

    def _rows(self) -> np.ndarray:
        rows: np.ndarray = np.asarray(self.labels)
        return rows

    def _tiles(self, colors: str, caption: str) -> None:
        drawn = self._shapes(self.values_, cmap=colors)
        self.figure_.colorbar(drawn, ax=self.ax_, shrink=0.8, pad=0.02).set_label(caption)

    def _shapes(self, values: np.ndarray, *, cmap: Any = None, facecolor: Any = None) -> Any:
        """Squares or hexagons that leave no gap."""
        from matplotlib.collections import PolyCollection

        sides = SIDES[self.grid.topology]
        angles = 2 * np.pi * np.arange(sides) / sides + (np.pi / 4 if sides == 4 else np.pi / 2)
        outline = np.column_stack([np.cos(angles), np.sin(angles)]) * 0.5 / np.cos(np.pi / sides)
        outlines = self.grid.coordinates[:, None] + outline
        drawn = PolyCollection(list(outlines), edgecolors="0.85", linewidths=0.6)
        if facecolor is None:
            drawn.set(array=np.asarray(values, dtype=np.float64), cmap=cmap)
        else:
            drawn.set_facecolor(facecolor)
        self.ax_.add_collection(drawn)
        return drawn
