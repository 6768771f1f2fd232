"""Choosing the number and the kind of components."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from skextras.mixture.base import BaseMixture
from skextras.mixture.display import MixtureDisplay
from skextras.mixture.gaussian import GaussianMixture

__all__ = ["MixtureSelection", "select_mixture"]

CRITERIA = ("bic", "icl", "aic", "cv")
KINDS = ("full", "tied", "diag", "spherical")


@dataclass(frozen=True)
class MixtureSelection:
    """Result of a search over mixtures.

    Attributes
    ----------
    best_estimator_ : estimator
        Fitted on all rows.
    best_params_ : dict
        Its ``n_components``, and ``covariance_type`` if it has one.
    values_ : dict
        (covariance type, number of components) to the criterion; the name of the class stands for
        the type of a mixture without that option.
    criterion : str
        Which; the lower the better, for "cv" minus the held-out log-likelihood of a row.
    """

    best_estimator_: BaseMixture
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
    covariance_types: Sequence[str] | None = None,
    *,
    criterion: Literal["bic", "icl", "aic", "cv"] = "bic",
    estimator: BaseMixture | None = None,
    cv: int = 5,
    sample_weight: Any = None,
) -> MixtureSelection:
    """Fit mixtures of several sizes and kinds, and keep the best by a criterion [1]_.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows, as the estimator takes them.
    n_components : iterable of int, default=range(1, 10)
        Numbers of components.
    covariance_types : sequence of str, default=None
        Kinds of covariance; None takes "full", "tied", "diag" and "spherical" of an estimator that
        has them. "factor" is one, too, of ``GaussianMixture``.
    criterion : {"bic", "icl", "aic", "cv"}, default="bic"
        "icl" prefers components apart; "cv" is the held-out log-likelihood.
    estimator : estimator, default=None
        Any mixture of skextras; its other options hold for every fit. None is a
        ``GaussianMixture``.
    cv : int, default=5
        Folds of "cv".
    sample_weight : array-like of shape (n_samples,), default=None
        Repetitions of each row, in every fit and in the criterion; a row of weight 0 is not there.

    Returns
    -------
    MixtureSelection
        With ``best_estimator_``, ``values_`` and ``plot``.

    Raises
    ------
    TypeError
        If the estimator is no mixture of skextras.
    ValueError
        If a criterion is unknown, there is nothing to choose from, or kinds of covariance are named
        for a mixture without that option.

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
    >>> from skextras import BernoulliMixture
    >>> bits = BernoulliMixture(random_state=0)
    >>> select_mixture(X > 0, range(1, 4), estimator=bits).best_params_
    {'n_components': 2}
    """
    if criterion not in CRITERIA:
        raise ValueError(
            f"select_mixture: criterion must be one of {', '.join(CRITERIA)}, got {criterion!r}. "
            "'bic' is usual."
        )
    base = GaussianMixture(random_state=0) if estimator is None else estimator
    kinds, sizes = _kinds(base, covariance_types), list(n_components)
    if not sizes or not kinds:
        raise ValueError(
            "select_mixture: n_components and covariance_types must name at least one each, got "
            f"{sizes} and {covariance_types}. Pass range(1, 10)."
        )
    values, models = dict[tuple[str, int], float](), dict[tuple[str, int], BaseMixture]()
    chosen = dict[tuple[str, int], dict[str, Any]]()
    for kind, options in kinds.items():
        for size in sizes:
            key = (kind, size)
            chosen[key] = {"n_components": size, **options}
            model = clone(base).set_params(**chosen[key])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                models[key] = model.fit(X, sample_weight=sample_weight)
                values[key] = _value(model, X, sample_weight, criterion, cv)
    best = min(values, key=lambda key: values[key])
    return MixtureSelection(models[best], chosen[best], values, criterion)


def _kinds(base: Any, covariance_types: Sequence[str] | None) -> dict[str, dict[str, str]]:
    """Options of each kind."""
    if not isinstance(base, BaseMixture):
        raise TypeError(
            f"select_mixture: estimator must be a mixture of skextras, got {base!r}. Pass "
            "GaussianMixture(), or leave it out."
        )
    if hasattr(base, "covariance_type"):
        kinds = KINDS if covariance_types is None else covariance_types
        return {kind: {"covariance_type": kind} for kind in kinds}
    owner = type(base).__name__
    if covariance_types is not None:
        raise ValueError(
            f"select_mixture: covariance_types must be None for {owner}, which has no such option, "
            f"got {covariance_types!r}. Leave them out."
        )
    return {owner: {}}


def _value(model: BaseMixture, X: Any, weight: Any, criterion: str, cv: int) -> float:
    if criterion == "cv":
        return _held_out(model, X, weight, cv)
    return float(getattr(model, criterion)(X, weight))


def _held_out(model: BaseMixture, X: Any, weight: Any, cv: int) -> float:
    """Minus the log-likelihood of a row that the model has not seen."""
    each = np.ones(_num_samples(X)) if weight is None else np.asarray(weight, np.float64)
    rows = np.flatnonzero(each > 0)
    total = 0.0
    for seen, unseen in KFold(cv).split(rows):
        seen, unseen = rows[seen], rows[unseen]
        own = clone(model).fit(_safe_indexing(X, seen), sample_weight=each[seen])
        own_weight = each[unseen]
        total += own.score(_safe_indexing(X, unseen), sample_weight=own_weight) * own_weight.sum()
    return -total / float(each.sum())
