"""What a kernel model says of the plane, and whether it may be believed, as pictures."""

from typing import Any, Literal, Self

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

__all__ = ["KernelLogisticDisplay"]

KINDS = ("probability", "calibration")


class KernelLogisticDisplay:
    """Probabilities in two dimensions, or a calibration curve for each class.

    Make it by ``KernelLogisticDisplay.from_estimator``.

    Parameters
    ----------
    estimator : classifier
        Fitted, with ``predict_proba``.
    X : array-like of shape (n_samples, n_features)
        Rows; two features for "probability".
    y : array-like of shape (n_samples,)
        Their labels.
    kind : {"probability", "calibration"}
        What to draw.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.

    See Also
    --------
    sklearn.inspection.DecisionBoundaryDisplay : Draws the surfaces.
    sklearn.calibration.CalibrationDisplay : Draws the curves.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skextras import KernelLogisticRegression
    >>> from skextras.inspection import KernelLogisticDisplay
    >>> X, y = make_moons(noise=0.2, random_state=0)
    >>> model = KernelLogisticRegression(solver="ivm", n_components=10).fit(X, y)
    >>> display = KernelLogisticDisplay.from_estimator(model, X, y)
    >>> display.ax_.get_title()
    'probability of class 1, 10 of 100 rows carry it'
    """

    def __init__(self, estimator: Any, X: Any, y: Any, *, kind: str = "probability") -> None:
        self.estimator = estimator
        self.X = X
        self.y = y
        self.kind = kind

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        kind: Literal["probability", "calibration"] = "probability",
        ax: Any = None,
    ) -> Self:
        """Draw a fitted classifier.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``predict_proba``.
        X : array-like of shape (n_samples, n_features)
            Rows: two features for "probability", rows held out for "calibration".
        y : array-like of shape (n_samples,)
            Their labels.
        kind : {"probability", "calibration"}, default="probability"
            The plane coloured by the probability (for several classes by the likeliest class and
            its probability), with the rows, those that carry the model ringed; or how often rows
            are of a class among those of which so much was said.
        ax : matplotlib Axes, default=None
            Where; None makes a figure.

        Returns
        -------
        KernelLogisticDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If the kind is not known, or the rows are not in a plane.
        """
        check_is_fitted(estimator)
        if kind not in KINDS:
            raise ValueError(
                f"KernelLogisticDisplay: kind must be one of {KINDS}, got {kind!r}. "
                "Check the spelling."
            )
        if kind == "probability" and np.shape(X)[1] != 2:
            raise ValueError(
                "KernelLogisticDisplay: X must have 2 features for kind='probability', got "
                f"{np.shape(X)[1]}. Fit on two features, or draw kind='calibration'."
            )
        return cls(estimator, X, y, kind=kind).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where; None makes a figure.

        Returns
        -------
        KernelLogisticDisplay
            Itself.
        """
        check_matplotlib_support("KernelLogisticDisplay.plot")
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        if self.kind == "probability":
            self._draw_plane()
        else:
            self._draw_curves()
        return self

    def _draw_plane(self) -> None:
        from sklearn.inspection import DecisionBoundaryDisplay

        classes, ax = self.estimator.classes_, self.ax_
        is_binary = len(classes) == 2
        looks: dict[str, Any] = {"class_of_interest": classes[1], "cmap": "RdBu_r"}
        DecisionBoundaryDisplay.from_estimator(
            self.estimator,
            self.X,
            response_method="predict_proba",
            alpha=0.6,
            ax=ax,
            **(looks | {"levels": np.linspace(0, 1, 11)} if is_binary else {}),
        )
        x = np.asarray(self.X)
        colours = ("tab:blue", "tab:red") if is_binary else tuple(f"C{k}" for k in range(10))
        for k, label in enumerate(classes):
            own = np.asarray(self.y) == label
            look = {"color": colours[k % len(colours)], "s": 14, "edgecolor": "white"}
            ax.scatter(*x[own].T, label=str(label), linewidth=0.5, **look)
        what = f"probability of class {classes[1]}" if is_binary else "the likeliest class"
        ax.set_title(what + self._ring_support(len(x)))
        ax.legend(title="class")

    def _ring_support(self, n: int) -> str:
        """Mark the rows that carry the model, where they are few; say how many there are."""
        kept = getattr(self.estimator, "X_fit_", None)
        if kept is None or len(kept) >= n:
            return ""
        self.ax_.scatter(*np.asarray(kept).T, s=60, facecolor="none", edgecolor="black")
        return f", {len(kept)} of {n} rows carry it"

    def _draw_curves(self) -> None:
        from sklearn.calibration import CalibrationDisplay

        classes = self.estimator.classes_
        proba = self.estimator.predict_proba(self.X)
        for k in range(1 if len(classes) == 2 else 0, len(classes)):
            CalibrationDisplay.from_predictions(
                np.asarray(self.y) == classes[k],
                proba[:, k],
                n_bins=10,
                strategy="quantile",
                ref_line=k == len(classes) - 1,
                name=f"class {classes[k]}",
                ax=self.ax_,
            )
        self.ax_.set(xlabel="probability that was said", ylabel="share of such rows in the class")
        self.ax_.set_title("calibration")
