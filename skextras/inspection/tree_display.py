"""A tree as a picture."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

from skextras.trees.arrays import Tree
from skextras.trees.text import conditions, layout

INCHES_A_LEAF, INCHES_A_LEVEL = 1.3, 1.2
BOX = {"boxstyle": "round,pad=0.35", "edgecolor": "0.35"}


class TreeDisplay:
    """Picture of one tree: conditions on the branches, rows and values in the nodes.

    Make it by ``TreeDisplay.from_estimator``.

    Parameters
    ----------
    tree : Tree
        The tree.
    feature_names : sequence of str, default=None
        Of the features; None numbers them.
    categories : sequence, default=None
        For each categorical feature its categories in the order of the bins; None for numbers.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.
    texts_ : list of matplotlib Text
        One a node that is drawn, in the order of the nodes.

    See Also
    --------
    ShapDisplay : What all trees together make of each feature.

    References
    ----------
    .. [1] L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and Regression Trees",
       Wadsworth, 1984.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skextras import GradientBoostingClassifier
    >>> from skextras.inspection import TreeDisplay
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = GradientBoostingClassifier(max_iter=2, max_leaf_nodes=4).fit(X, y)
    >>> display = TreeDisplay.from_estimator(model, tree=0)
    >>> len(display.texts_)  # four leaves and three splits
    7
    """

    def __init__(
        self,
        tree: Tree,
        *,
        feature_names: Sequence[str] | None = None,
        categories: Sequence[Sequence[Any] | None] | None = None,
    ) -> None:
        self.tree = tree
        self.feature_names = feature_names
        self.categories = categories

    @classmethod
    def from_estimator(
        cls, estimator: Any, tree: int = 0, *, max_depth: int | None = None, ax: Any = None
    ) -> Self:
        """Draw a tree of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted: gradient boosting, or a random forest.
        tree : int, default=0
            Which; for several classes the trees of a round follow one another.
        max_depth : int or None, default=None
            Levels below the root to draw; None draws all.
        ax : matplotlib Axes, default=None
            Where; None makes a figure that fits the tree.

        Returns
        -------
        TreeDisplay
            With ``ax_`` and ``figure_``.
        """
        check_is_fitted(estimator)
        return cls(
            estimator._tree(tree),
            feature_names=getattr(estimator, "feature_names_in_", None),
            categories=estimator._category_names,
        ).plot(ax, max_depth=max_depth)

    def plot(self, ax: Any = None, *, max_depth: int | None = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where; None makes a figure that fits the tree.
        max_depth : int or None, default=None
            Levels below the root to draw; None draws all.

        Returns
        -------
        TreeDisplay
            Itself.
        """
        check_matplotlib_support("TreeDisplay.plot")
        import matplotlib.pyplot as plt

        places, is_drawn = layout(self.tree), self._drawn(max_depth)
        width, depth = np.ptp(places[is_drawn, 0]), -places[is_drawn, 1].min()
        if ax is None:
            size = (INCHES_A_LEAF * (width + 1.5), INCHES_A_LEVEL * (depth + 1.2))
            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.texts_ = [self._draw_node(node, places) for node in np.flatnonzero(is_drawn).tolist()]
        for node in np.flatnonzero(is_drawn & ~self.tree.is_leaf).tolist():
            left = int(self.tree.left[node])
            if is_drawn[left]:
                self._draw_branches(node, left, places)
        middle = places[is_drawn, 0].mean()
        half = max(width / 2, 0.5) + 0.7
        ax.set(xlim=(middle - half, middle + half), ylim=(-depth - 0.6, 0.6))
        ax.set_axis_off()
        return self

    def _drawn(self, max_depth: int | None) -> np.ndarray:
        depth = self.tree.depth
        return depth <= (depth.max() if max_depth is None else max_depth)

    def _draw_node(self, node: int, places: np.ndarray) -> Any:
        """A leaf is tinted by the sign of its value, a split is white."""
        tree = self.tree
        value = ", ".join(f"{number:.3g}" for number in tree.value[node])
        fill = "white"
        if tree.is_leaf[node] and tree.value.shape[1] == 1:
            fill = "#cfe3f5" if tree.value[node, 0] < 0 else "#f7d9c9"
        return self.ax_.text(
            *places[node],
            f"{value}\nn = {tree.count[node]}",
            ha="center",
            va="center",
            fontsize=8,
            bbox={**BOX, "facecolor": fill},
            zorder=3,
        )

    def _draw_branches(self, node: int, left: int, places: np.ndarray) -> None:
        words = conditions(self.tree, node, self.feature_names, self.categories)
        for child, condition in zip((left, left + 1), words, strict=True):
            (x, y), (x_child, y_child) = places[node], places[child]
            self.ax_.plot((x, x_child), (y, y_child), color="0.6", linewidth=1, zorder=1)
            self.ax_.text(
                (x + x_child) / 2,
                # Both conditions of a split stand at different heights, for they are wide.
                y_child + (0.55 if child == left else 0.4),
                condition if len(condition) <= 40 else f"{condition[:37]}...",
                ha="center",
                va="center",
                fontsize=7,
                color="0.2",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
                zorder=2,
            )
