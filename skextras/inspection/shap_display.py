"""Shapley values as a picture."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

Kind = Literal["beeswarm", "bar", "row"]
RISES, FALLS = "#d1495b", "#2e6f9e"  # of the prediction
LANES = 7  # dots above one another in half a beeswarm


class ShapDisplay:
    """Picture of Shapley values: how much each feature moves the raw predictions, and which way.

    Make it by ``ShapDisplay.from_estimator``.

    Parameters
    ----------
    shap_values : ndarray of shape (n_samples, n_features)
        Share of each feature in each prediction.
    X : ndarray of shape (n_samples, n_features)
        Values of the features, as numbers; they colour the dots.
    expected_value : float
        Prediction of which nothing is known.
    feature_names : sequence of str, default=None
        Of the features; None numbers them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.
    order_ : ndarray of int
        Features from the most important down, as drawn.

    See Also
    --------
    TreeDisplay : One tree.

    References
    ----------
    .. [1] S. Lundberg et al., "From Local Explanations to Global Understanding with Explainable AI
       for Trees", Nature Machine Intelligence 2, 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skextras import GradientBoostingRegressor
    >>> from skextras.inspection import ShapDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = GradientBoostingRegressor(max_iter=20).fit(X, y)
    >>> display = ShapDisplay.from_estimator(model, X, kind="bar", max_features=5)
    >>> [str(X.columns[i]) for i in display.order_[:2]]
    ['s5', 'bmi']
    """

    _kinds: ClassVar[Mapping[str, str]] = {
        "beeswarm": "_draw_beeswarm",
        "bar": "_draw_bars",
        "row": "_draw_row",
    }

    def __init__(
        self,
        shap_values: np.ndarray,
        X: np.ndarray,
        *,
        expected_value: float,
        feature_names: Sequence[str] | None = None,
    ) -> None:
        self.shap_values = shap_values
        self.X = X
        self.expected_value = expected_value
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        background: Any = None,
        target: Any = None,
        kind: Kind = "beeswarm",
        row: int = 0,
        max_features: int = 20,
        ax: Any = None,
    ) -> Self:
        """Explain rows by a fitted estimator, and draw it.

        Parameters
        ----------
        estimator : GradientBoostingClassifier or GradientBoostingRegressor
            Fitted.
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows to explain.
        background : table of shape (n_background, n_features), default=None
            As in ``shap_values`` of the estimator.
        target : object, default=None
            Which class, where there are more than two.
        kind : {"beeswarm", "bar", "row"}, default="beeswarm"
            A dot for each row and feature; their mean sizes; or one row's way from the expected
            value to its prediction.
        row : int, default=0
            Which row, for "row".
        max_features : int, default=20
            Features to draw, the most important first.
        ax : matplotlib Axes, default=None
            Where; None makes a figure.

        Returns
        -------
        ShapDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If a class is needed and none, or an unknown one, is given.
        """
        check_is_fitted(estimator)
        values = estimator.shap_values(X, background=background)
        expected = estimator.shap_expected_value(background=background)
        if values.ndim == 3:
            place = _place_of(target, estimator.classes_.tolist())
            values, expected = values[..., place], expected[place]
        return cls(
            values,
            estimator._numbers(X),
            expected_value=float(expected),
            feature_names=getattr(estimator, "feature_names_in_", None),
        ).plot(ax, kind=kind, row=row, max_features=max_features)

    def plot(
        self, ax: Any = None, *, kind: Kind = "beeswarm", row: int = 0, max_features: int = 20
    ) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where; None makes a figure.
        kind : {"beeswarm", "bar", "row"}, default="beeswarm"
            As in ``from_estimator``.
        row : int, default=0
            Which row, for "row".
        max_features : int, default=20
            Features to draw.

        Returns
        -------
        ShapDisplay
            Itself.

        Raises
        ------
        ValueError
            If there is no such kind.
        """
        if kind not in self._kinds:
            raise ValueError(
                f"ShapDisplay: kind must be one of {', '.join(self._kinds)}, got {kind!r}. "
                "For many rows take 'beeswarm'."
            )
        check_matplotlib_support("ShapDisplay.plot")
        import matplotlib.pyplot as plt

        one = self.shap_values[[row]] if kind == "row" else self.shap_values
        self.order_ = np.argsort(-np.abs(one).mean(axis=0), kind="stable")
        shown = self.order_[:max_features]
        if ax is None:
            _, ax = plt.subplots(figsize=(7, 1.2 + 0.32 * len(shown)), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        draw: Callable[[np.ndarray, int], None] = getattr(self, self._kinds[kind])
        draw(shown, row)
        ax.set_yticks(range(len(shown)), [self._label(i, kind, row) for i in shown])
        ax.invert_yaxis()
        ax.spines[["top", "right"]].set_visible(False)
        return self

    def _label(self, feature: int, kind: str, row: int) -> str:
        name = f"x[{feature}]" if self.feature_names is None else str(self.feature_names[feature])
        return f"{name} = {self.X[row, feature]:.4g}" if kind == "row" else name

    def _draw_bars(self, shown: np.ndarray, row: int) -> None:
        sizes = np.abs(self.shap_values[:, shown]).mean(axis=0)
        self.ax_.barh(range(len(shown)), sizes, color=FALLS)
        self.ax_.set_xlabel("mean |Shapley value| (raw prediction)")

    def _draw_beeswarm(self, shown: np.ndarray, row: int) -> None:
        for place, feature in enumerate(shown):
            values = self.shap_values[:, feature]
            drawn = self.ax_.scatter(
                values,
                place + _spread(values, np.ptp(self.shap_values)),
                c=_ranks(self.X[:, feature]),
                cmap="coolwarm",
                vmin=0,
                vmax=1,
                s=8,
                linewidths=0,
                plotnonfinite=True,
            )
        self.ax_.axvline(0, color="0.6", linewidth=0.8, zorder=0)
        bar = self.figure_.colorbar(drawn, ax=self.ax_, ticks=(0, 1), aspect=40, pad=0.02)
        bar.ax.set_yticklabels(("low", "high"))
        bar.set_label("value of the feature")
        self.ax_.set_xlabel("Shapley value (raw prediction)")

    def _draw_row(self, shown: np.ndarray, row: int) -> None:
        """From the prediction at the top back to the expected value: what each feature adds."""
        total = self.expected_value + self.shap_values[row].sum()
        self.ax_.use_sticky_edges = False  # a bar does not begin at the frame
        ends = total - np.r_[0.0, np.cumsum(self.shap_values[row, shown])]
        for place, (end, start) in enumerate(pairwise(ends)):
            self.ax_.barh(place, end - start, left=start, color=RISES if end > start else FALLS)
        self.ax_.axvline(self.expected_value, color="0.6", linewidth=0.8, linestyle=":")
        self.ax_.axvline(total, color="0.2", linewidth=0.8, linestyle=":")
        self.ax_.set_xlabel(
            f"raw prediction: from {self.expected_value:.4g} (expected) to {total:.4g}"
        )


def _place_of(target: Any, classes: list[Any]) -> int:
    if target not in classes:
        raise ValueError(
            f"ShapDisplay: target must be one of the classes {classes}, got {target!r}. "
            "Each class has Shapley values of its own."
        )
    return classes.index(target)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Shares of the rows below each value, so that an outlier does not take all the colour."""
    known = np.sort(values[~np.isnan(values)])
    below = np.searchsorted(known, values) + np.searchsorted(known, values, side="right")
    ranks = below / max(2 * len(known), 1)
    return np.where(np.isnan(values), np.nan, ranks)


def _spread(values: np.ndarray, width: float) -> np.ndarray:
    """Heights that keep dots of nearly equal values apart; as wide as they are many."""
    cells = np.floor(100 * values / (width or 1.0)).astype(np.int64)
    order = np.argsort(cells, kind="stable")
    ordered = cells[order]
    place = np.arange(len(cells)) - np.searchsorted(ordered, ordered)  # in its cell
    step = 0.4 / max(place.max(initial=0) / 2, LANES)
    heights = np.empty(len(cells))
    heights[order] = np.where(place % 2, 1, -1) * ((place + 1) // 2) * step
    return heights
