"""Options in scikit-learn's words, as the engine's limits."""

from math import ceil
from numbers import Integral
from typing import Any
from warnings import warn

import numpy as np

from skextras.trees.bagging import Bagging
from skextras.trees.whole_trees import WholeGrowth

FEW = 10  # draws below which a fraction of weights is suspicious
ENGINE_NAMES = {"log_loss": "entropy", "friedman_mse": "squared_error"}


def n_chosen(max_features: Any, n_features: int) -> int:
    """Features that a node looks at.

    Parameters
    ----------
    max_features : {"sqrt", "log2"}, int, float or None
        How many, or which share.
    n_features : int
        Of the table.

    Returns
    -------
    int
        At least 1.
    """
    if max_features is None:
        return n_features
    if isinstance(max_features, str):
        function = {"sqrt": np.sqrt, "log2": np.log2}[max_features]
        return max(1, int(function(n_features)))
    if isinstance(max_features, Integral):
        return min(int(max_features), n_features)
    return max(1, int(max_features * n_features))


def sample_size(weight: np.ndarray | None, n: int) -> int:
    """Rows of a usual sample: weights that are whole numbers repeat them.

    Parameters
    ----------
    weight : ndarray of float64 of shape (n,) or None
        Of the rows, without those of the classes.
    n : int
        Rows.

    Returns
    -------
    int
        At least 1.
    """
    if weight is None:
        return n
    is_whole = bool((weight == np.rint(weight)).all())
    return int(weight.sum()) if is_whole else int((weight > 0).sum())


def n_draws(max_samples: Any, size: int) -> int:
    """Rows of a sample.

    Parameters
    ----------
    max_samples : int, float or None
        How many, or which share of all.
    size : int
        Rows, with their repetitions.

    Returns
    -------
    int
        At least 1.
    """
    if max_samples is None:
        return size
    if isinstance(max_samples, Integral):
        return int(max_samples)
    found = max(1, int(max_samples * size))
    if found < max(FEW, size ** (1 / 3)):
        warn(
            f"Using the fractional value max_samples={max_samples} of {size} rows "
            f"results in a low number ({found}) of bootstrap samples. "
            "We recommend passing `max_samples` as an integer instead.",
            stacklevel=2,
        )
    return found


def growth_of(estimator: Any, bagging: Bagging, monotonic: np.ndarray | None) -> WholeGrowth:
    """The engine's options.

    Parameters
    ----------
    estimator : BaseForest
        Its own.
    bagging : Bagging
        What a tree sees, of which some limits are shares.
    monotonic : ndarray of int64 of shape (n_features,) or None
        Constraints.

    Returns
    -------
    WholeGrowth
        The same for all trees.
    """
    size = bagging.rows.size
    weight = bagging.rows.merged_weights.sum() if bagging.n_draws is None else bagging.n_draws
    leaf, split = estimator.min_samples_leaf, estimator.min_samples_split
    criterion = ENGINE_NAMES.get(estimator.criterion, estimator.criterion)
    return WholeGrowth(
        criterion=criterion,
        max_features=n_chosen(estimator.max_features, estimator.n_features_in_),
        max_depth=estimator.max_depth,
        max_leaves=estimator.max_leaf_nodes,
        min_samples_leaf=int(leaf) if isinstance(leaf, Integral) else ceil(leaf * size),
        min_samples_split=max(2, int(split if isinstance(split, Integral) else ceil(split * size))),
        min_weight_leaf=estimator.min_weight_fraction_leaf * weight,
        min_gain=estimator.min_impurity_decrease * weight,
        is_random=estimator.splitter == "random",
        monotonic=monotonic,
    )
