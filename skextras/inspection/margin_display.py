"""Margins of a boosted vote as a picture."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted


class MarginDisplay:
    """Share of the rows whose margin is at most so much, after some rounds.

    The curve of all rounds crosses 0 at the error; that it goes on moving to the right where the
    training error is 0 already is how boosting gets better without getting worse [1]_. Make it by
    ``MarginDisplay.from_estimator``.

    Parameters
    ----------
    margins : mapping of int to ndarray of shape (n,)
        Margins of the rows, by number of rounds.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.
    lines_ : list of matplotlib Line2D
        A curve for each number of rounds.

    See Also
    --------
    AdaBoostClassifier.margin_distribution : The numbers.

    References
    ----------
    .. [1] R. Schapire, Y. Freund, P. Bartlett and W. Lee, "Boosting the Margin", Annals of
       Statistics 26(5), 1998.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skextras import AdaBoostClassifier
    >>> from skextras.inspection import MarginDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = AdaBoostClassifier(n_estimators=100, random_state=0).fit(X, y)
    >>> display = MarginDisplay.from_estimator(model, X, y, rounds=(5, 100))
    >>> len(display.lines_)
    2
    """

    def __init__(self, margins: Mapping[int, np.ndarray]) -> None:
        self.margins = margins

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, rounds: Sequence[int] | None = None, ax: Any = None
    ) -> Self:
        """Draw the margins of a fitted classifier.

        Parameters
        ----------
        estimator : AdaBoostClassifier
            Fitted.
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Their labels.
        rounds : sequence of int, default=None
            After how many rounds; None takes 5 and all that there are.
        ax : matplotlib Axes, default=None
            Where; None makes a figure.

        Returns
        -------
        MarginDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If there are not so many rounds.
        """
        check_is_fitted(estimator)
        n_rounds = estimator.n_iter_
        wanted = sorted({min(5, n_rounds), n_rounds} if rounds is None else set(rounds))
        if not wanted or wanted[0] < 1 or wanted[-1] > n_rounds:
            raise ValueError(
                f"MarginDisplay: rounds must be from 1 to {n_rounds}, those of the model, got "
                f"{wanted}. Leave out what is not there."
            )
        staged = enumerate(estimator.staged_margin_distribution(X, y), start=1)
        return cls({number: found for number, found in staged if number in wanted}).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where; None makes a figure.

        Returns
        -------
        MarginDisplay
            Itself.
        """
        check_matplotlib_support("MarginDisplay.plot")
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_, self.lines_ = ax, ax.figure, []
        for number, margins in self.margins.items():
            ordered = np.sort(margins)
            share = np.arange(1, len(ordered) + 1) / len(ordered)
            label = f"{number} round" if number == 1 else f"{number} rounds"
            self.lines_ += ax.plot(ordered, share, drawstyle="steps-post", label=label)
        ax.axvline(0, color="0.7", linewidth=1, zorder=0)
        ax.set(xlabel="margin", ylabel="share of the rows at most there", ylim=(0, 1.02))
        ax.legend(loc="upper left")
        return self
