"""Selections as pictures: scores of features, and how they came about."""

from typing import Any, Literal, Self

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

CHOSEN, LEFT = "tab:blue", "0.75"
N_NAMED = 10  # lines with a name


class SelectionDisplay:
    """Scores of features, those selected in colour; make it by ``from_estimator``.

    Parameters
    ----------
    selector : estimator
        Fitted selector of ``skextras.features.selection``.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.
    order_ : ndarray of int64
        Features that are drawn, the one of the highest score first.

    See Also
    --------
    StabilitySelector : Its path shows which features come in early on all halves.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skextras.features.selection import MRMRSelector, SelectionDisplay
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> display = SelectionDisplay.from_estimator(MRMRSelector(3).fit(X, y), max_features=8)
    >>> len(display.order_)
    8
    """

    def __init__(self, selector: Any) -> None:
        self.selector = selector

    @classmethod
    def from_estimator(
        cls,
        selector: Any,
        *,
        kind: Literal["scores", "path"] = "scores",
        max_features: int = 20,
        ax: Any = None,
    ) -> Self:
        """Draw a fitted selector.

        Parameters
        ----------
        selector : L1L2Selector, MRMRSelector, StabilitySelector or BorutaSelector
            Fitted.
        kind : {"scores", "path"}, default="scores"
            Bars of the scores, or a line a feature: coefficients as the L1 penalty falls, scores at
            each choice, shares of the halves by number of picks, hits by trials.
        max_features : int, default=20
            Bars at most.
        ax : matplotlib Axes, default=None
            Where; None makes a figure.

        Returns
        -------
        SelectionDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If there is no such kind, or nothing to draw.
        """
        check_is_fitted(selector)
        return cls(selector).plot(kind=kind, max_features=max_features, ax=ax)

    def plot(
        self,
        *,
        kind: Literal["scores", "path"] = "scores",
        max_features: int = 20,
        ax: Any = None,
    ) -> Self:
        """Draw it.

        Parameters
        ----------
        kind : {"scores", "path"}, default="scores"
            Bars, or lines.
        max_features : int, default=20
            Bars at most.
        ax : matplotlib Axes, default=None
            Where; None makes a figure.

        Returns
        -------
        SelectionDisplay
            Itself.
        """
        check_matplotlib_support("SelectionDisplay.plot")
        import matplotlib.pyplot as plt

        if kind not in ("scores", "path"):
            raise ValueError(
                f"SelectionDisplay: kind must be 'scores' or 'path', got {kind!r}. "
                "'scores' shows each feature."
            )
        if max_features < 1:
            raise ValueError(
                f"SelectionDisplay: max_features must be at least 1, got {max_features}. "
                "20 fit a picture."
            )
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        by_score = np.lexsort([-self.selector.scores_, ~self.selector.support_])
        self.order_ = by_score[:max_features]
        self._draw_scores() if kind == "scores" else self._draw_path()
        return self

    def _name(self, feature: int) -> str:
        names = getattr(self.selector, "feature_names_in_", None)
        return f"x[{feature}]" if names is None else str(names[feature])

    def _draw_scores(self) -> None:
        places = np.arange(len(self.order_))
        is_chosen = self.selector.support_[self.order_]
        colours = [CHOSEN if chosen else LEFT for chosen in is_chosen]
        self.ax_.barh(places, self.selector.scores_[self.order_], color=colours)
        self.ax_.set_yticks(places, [self._name(j) for j in self.order_])
        self.ax_.invert_yaxis()
        self._mark_threshold(self.ax_.axvline)
        n_chosen = int(self.selector.support_.sum())
        self.ax_.set(
            xlabel=self.selector._score_name,
            title=f"{n_chosen} of {len(self.selector.support_)} selected",
        )

    def _draw_path(self) -> None:
        path = self.selector.path_
        steps = np.arange(1, len(path) + 1)
        for j in np.flatnonzero(~self.selector.support_):
            self.ax_.plot(steps, path[:, j], color=LEFT, linewidth=0.8, zorder=1)
        chosen = [j for j in self.order_ if self.selector.support_[j]]
        for place, j in enumerate(chosen):
            label = self._name(j) if place < N_NAMED else None
            self.ax_.plot(steps, path[:, j], marker=".", label=label, zorder=2)
        self._mark_threshold(self.ax_.axhline)
        across, up = self.selector._path_names
        self.ax_.set(xlabel=across, ylabel=up)
        if chosen:
            self.ax_.legend(loc="best", fontsize="small")

    def _mark_threshold(self, line: Any) -> None:
        """Where shares of fits are counted, what share is needed."""
        if self.selector._score_name == "share of the halves":
            line(self.selector.threshold, color="0.2", linestyle="--", linewidth=1)
