"""Choosing the number and the kind of components."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score

from skextras.mixture.display import MixtureDisplay
from skextras.mixture.gaussian import GaussianMixture

__all__ = ["MixtureSelection", "select_mixture"]

CRITERIA = ("bic", "icl", "aic", "cv")


@dataclass(frozen=True)
class MixtureSelection:
    """Result of a search over mixtures.

    Attributes
    ----------
    best_estimator_ : GaussianMixture
        Fitted on all rows.
    best_params_ : dict
        Its ``n_components`` and ``covariance_type``.
    values_ : dict
        (covariance type, number of components) to the criterion.
    criterion : str
        Which; the lower the better, for "cv" minus the held-out log-likelihood of a row.
    """

    best_estimator_: GaussianMixture
    best_params_: dict[str, Any]
    values_: dict[tuple[str, int], float]
    criterion: str

    def plot(self, ax: Any = None) -> MixtureDisplay:
        """Draw the criterion over the number of components, a line for each covariance type.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where; None makes a figure.

        Returns
        -------
        MixtureDisplay
            With ``ax_`` and ``figure_``.
        """
        return MixtureDisplay.from_values(self.values_, criterion=self.criterion, ax=ax)


def select_mixture(
    X: Any,
    n_components: Iterable[int] = range(1, 10),
    covariance_types: Sequence[str] = ("full", "tied", "diag", "spherical"),
    *,
    criterion: Literal["bic", "icl", "aic", "cv"] = "bic",
    estimator: GaussianMixture | None = None,
    cv: int = 5,
) -> MixtureSelection:
    """Fit mixtures of several sizes and kinds, and keep the best by a criterion [1]_.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows; NaN is a missing value.
    n_components : iterable of int, default=range(1, 10)
        Numbers of components.
    covariance_types : sequence of str, default=("full", "tied", "diag", "spherical")
        Kinds of covariance.
    criterion : {"bic", "icl", "aic", "cv"}, default="bic"
        "icl" prefers components apart; "cv" is the held-out log-likelihood.
    estimator : GaussianMixture, default=None
        Its other options hold for every fit.
    cv : int, default=5
        Folds of "cv".

    Returns
    -------
    MixtureSelection
        With ``best_estimator_``, ``values_`` and ``plot``.

    Raises
    ------
    ValueError
        If a criterion is unknown or there is nothing to choose from.

    References
    ----------
    .. [1] C. Fraley and A. E. Raftery, "Model-Based Clustering, Discriminant Analysis, and Density
       Estimation", Journal of the American Statistical Association 97, 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from skextras.mixture import select_mixture
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(m, 1, (100, 2)) for m in (-5, 5)])
    >>> select_mixture(X, range(1, 4)).best_params_
    {'n_components': 2, 'covariance_type': 'spherical'}
    """
    if criterion not in CRITERIA:
        raise ValueError(
            f"select_mixture: criterion must be one of {', '.join(CRITERIA)}, got {criterion!r}. "
            "'bic' is usual."
        )
    sizes = list(n_components)
    if not sizes or not covariance_types:
        raise ValueError(
            "select_mixture: n_components and covariance_types must name at least one each, got "
            f"{sizes} and {list(covariance_types)}. Pass range(1, 10)."
        )
    base = GaussianMixture(random_state=0) if estimator is None else estimator
    values, models = dict[tuple[str, int], float](), dict[tuple[str, int], GaussianMixture]()
    for kind in covariance_types:
        for size in sizes:
            model = clone(base).set_params(n_components=size, covariance_type=kind)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                models[kind, size] = model.fit(X)
                values[kind, size] = _value(model, X, criterion, cv)
    kind, size = min(values, key=lambda key: values[key])
    chosen = {"n_components": size, "covariance_type": kind}
    return MixtureSelection(models[kind, size], chosen, values, criterion)


def _value(model: GaussianMixture, X: Any, criterion: str, cv: int) -> float:
    if criterion == "cv":
        return -float(np.mean(cross_val_score(clone(model), X, cv=cv)))
    return float(getattr(model, criterion)(X))
