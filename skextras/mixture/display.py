"""Mixtures as pictures: ellipses, densities, and criteria over the number of components."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

from skextras.mixture.gaussian import GaussianMixture

__all__ = ["MixtureDisplay"]

GRID = 200  # points along an axis of a density
LEVELS = (1.0, 2.0)  # standard deviations of the ellipses


class MixtureDisplay:
    """Picture of a mixture; make it by ``from_estimator`` or ``from_values``.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.

    See Also
    --------
    select_mixture : Its result has a ``plot``.

    Examples
    --------
    >>> import numpy as np
    >>> from skextras.mixture import GaussianMixture, MixtureDisplay
    >>> X = np.random.default_rng(0).normal(size=(90, 2))
    >>> display = MixtureDisplay.from_estimator(GaussianMixture(2).fit(X), X)
    >>> display.ax_.get_xlabel()
    'x[0]'
    """

    ax_: Any
    figure_: Any

    @classmethod
    def from_estimator(
        cls,
        estimator: GaussianMixture,
        X: Any = None,
        *,
        features: tuple[int, int] = (0, 1),
        kind: Literal["ellipses", "density"] = "ellipses",
        ax: Any = None,
    ) -> Self:
        """Draw a fitted Gaussian mixture in the plane of two features.

        Parameters
        ----------
        estimator : GaussianMixture
            Fitted.
        X : array-like of shape (n_samples, n_features), default=None
            Rows to draw, coloured by component.
        features : tuple of int, default=(0, 1)
            Which; the others are integrated out. A mixture of one feature is drawn as a curve.
        kind : {"ellipses", "density"}, default="ellipses"
            One and two standard deviations of each component, or contours of the density.
        ax : matplotlib Axes, default=None
            Where; None makes a figure.

        Returns
        -------
        MixtureDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        TypeError
            If the estimator is no Gaussian mixture.
        ValueError
            If there is no such kind.
        """
        if not isinstance(estimator, GaussianMixture):
            raise TypeError(
                "MixtureDisplay: estimator must be a GaussianMixture, got "
                f"{type(estimator).__name__}. Fit one to the same rows."
            )
        check_is_fitted(estimator)
        if kind not in ("ellipses", "density"):
            raise ValueError(
                f"MixtureDisplay: kind must be 'ellipses' or 'density', got {kind!r}. "
                "Ellipses show each component."
            )
        made = cls()._on(ax)
        rows = None if X is None else np.asarray(X, np.float64)
        names = getattr(estimator, "feature_names_in_", None)
        if estimator.means_.shape[1] == 1:
            return made._draw_curve(estimator, rows, "x[0]" if names is None else str(names[0]))
        plane = estimator.marginal(list(features))
        if rows is not None:
            colours = estimator.predict(X)  # (a frame keeps the names of its columns)
            made.ax_.scatter(*rows[:, list(features)].T, c=colours, s=6, cmap="tab10", alpha=0.6)
        made._draw_density(plane) if kind == "density" else made._draw_ellipses(plane)
        labels = [f"x[{p}]" if names is None else str(names[p]) for p in features]
        made.ax_.set(xlabel=labels[0], ylabel=labels[1])
        return made

    @classmethod
    def from_values(
        cls, values: Mapping[tuple[str, int], float], *, criterion: str = "bic", ax: Any = None
    ) -> Self:
        """Draw a criterion over the number of components.

        Parameters
        ----------
        values : mapping
            (covariance type, number of components) to the criterion.
        criterion : str, default="bic"
            Its name.
        ax : matplotlib Axes, default=None
            Where; None makes a figure.

        Returns
        -------
        MixtureDisplay
            With ``ax_`` and ``figure_``.
        """
        made = cls()._on(ax)
        for kind in dict.fromkeys(kind for kind, _ in values):
            own = sorted((size, value) for (name, size), value in values.items() if name == kind)
            made.ax_.plot(*zip(*own, strict=True), marker="o", markersize=4, label=kind)
        (kind, size), best = min(values.items(), key=lambda item: item[1])
        made.ax_.plot([size], [best], marker="*", markersize=14, color="0.2", linestyle="none")
        made.ax_.set(xlabel="components", ylabel=criterion.upper(), title=f"best: {size} {kind}")
        made.ax_.legend()
        return made

    # ------------------------------------------------------------ parts
    def _on(self, ax: Any) -> Self:
        check_matplotlib_support("MixtureDisplay")
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_ellipses(self, plane: GaussianMixture) -> None:
        angle = np.linspace(0, 2 * np.pi, 100)
        circle = np.stack([np.cos(angle), np.sin(angle)])
        for weight, mean, C in zip(plane.weights_, plane.means_, plane.covariances_, strict=True):
            lower = np.linalg.cholesky(C)
            for level in LEVELS:
                x, y = mean[:, None] + level * lower @ circle
                self.ax_.plot(x, y, color="0.2", linewidth=0.5 + 3 * weight)
            self.ax_.plot(*mean, marker="+", color="0.2")

    def _draw_density(self, plane: GaussianMixture) -> None:
        deviation = np.sqrt(np.diagonal(plane.covariances_, axis1=1, axis2=2))
        low = (plane.means_ - 3 * deviation).min(axis=0)
        high = (plane.means_ + 3 * deviation).max(axis=0)
        x, y = (np.linspace(a, b, GRID) for a, b in zip(low, high, strict=True))
        points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        density = np.exp(plane.score_samples(points)).reshape(GRID, GRID)
        self.ax_.contour(x, y, density, levels=10, linewidths=1)

    def _draw_curve(self, model: GaussianMixture, rows: np.ndarray | None, name: str) -> Self:
        line = model.marginal([0])
        deviation = np.sqrt(line.covariances_[:, 0, 0])
        means = line.means_[:, 0]
        x = np.linspace((means - 4 * deviation).min(), (means + 4 * deviation).max(), 2 * GRID)
        if rows is not None:
            known = rows[~np.isnan(rows)]
            self.ax_.hist(known, bins="auto", density=True, color="0.8")
        self.ax_.plot(x, np.exp(line.score_samples(x[:, None])), color="0.2")
        shares = line.predict_proba(x[:, None]) * np.exp(line.score_samples(x[:, None]))[:, None]
        self.ax_.plot(x, shares, linewidth=1)
        self.ax_.set(xlabel=name, ylabel="density")
        return self
