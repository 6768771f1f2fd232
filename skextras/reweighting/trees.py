"""SHELL: scikit-learn's trees in the engine's words, and the engine's trees as scikit-learn's."""

from math import ceil
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.tree._tree import NODE_DTYPE
from sklearn.tree._tree import Tree as HostTree

from skextras.trees.arrays import Tree

if TYPE_CHECKING:
    from skextras.trees.whole_trees import WholeGrowth
    from skextras.trees.workspace import Growth

# What the engine does as the host does; other options send a tree the host's own way.
CRITERIA = {"gini": "gini", "entropy": "entropy", "log_loss": "entropy"}
GROWN: dict[Any, dict[str, tuple[Any, ...]]] = {
    DecisionTreeClassifier: {"criterion": tuple(CRITERIA), "class_weight": (None,)},
    DecisionTreeRegressor: {"criterion": ("squared_error",)},
}
OF_BOTH: dict[str, tuple[Any, ...]] = {"ccp_alpha": (0, 0.0), "monotonic_cst": (None,)}
# What trees have that are grown leaf by leaf; others are grown whole.
PLAIN: dict[str, tuple[Any, ...]] = {
    "criterion": ("gini", "squared_error"),
    "splitter": ("best",),
    "min_impurity_decrease": (0, 0.0),
    "min_samples_split": (2,),
}
UNDEFINED = -2  # the host's feature and threshold of a leaf


def is_grown(estimator: Any) -> bool:
    """Whether the engine grows such trees.

    Parameters
    ----------
    estimator : estimator
        Any.

    Returns
    -------
    bool
        True for the host's own trees with options that the engine has.
    """
    kind = type(estimator)
    if kind not in GROWN:
        return False
    return _has(estimator, OF_BOTH | GROWN[kind])


def is_plain(estimator: Any) -> bool:
    """Whether such a tree can be grown leaf by leaf, if it is for two classes or numbers.

    Parameters
    ----------
    estimator : DecisionTreeClassifier or DecisionTreeRegressor
        One that ``is_grown``.

    Returns
    -------
    bool
        False for options that only whole trees have.
    """
    return _has(estimator, PLAIN)


def _has(estimator: Any, options: dict[str, tuple[Any, ...]]) -> bool:
    return all(getattr(estimator, name) in allowed for name, allowed in options.items())


def counts_rows(estimator: Any) -> bool:
    """Whether a tree's leaves are limited by the number of their rows, whatever these weigh.

    Parameters
    ----------
    estimator : DecisionTreeClassifier or DecisionTreeRegressor
        Its options.

    Returns
    -------
    bool
        True where rows must not be merged.
    """
    return bool(estimator.min_samples_leaf != 1 or estimator.min_samples_split != 2)


def growth_of(estimator: Any, n_rows: int, n_features: int, n_drawn: int | None) -> "Growth":
    """Options of a tree, for the engine.

    Parameters
    ----------
    estimator : DecisionTreeClassifier or DecisionTreeRegressor
        One that ``is_grown``.
    n_rows, n_features : int
        Of the training table.
    n_drawn : int or None
        Rows that are drawn for each tree; None where all are seen, with weights that sum to 1.

    Returns
    -------
    Growth
        The options.
    """
    from skextras.trees.workspace import Growth

    least = _n_rows(estimator.min_samples_leaf, n_drawn or n_rows)
    # (a leaf of just this weight is one, although the engine rounds each row's)
    least_weight = estimator.min_weight_fraction_leaf * (n_drawn or 1) * (1 - n_rows * 2.0**-31)
    if n_drawn is not None:  # there a row counts as often as it was drawn, and so do weights
        least, least_weight = 1, max(float(least), least_weight)
    n_chosen = _n_chosen(estimator.max_features, n_features)
    return Growth(
        max_leaves=estimator.max_leaf_nodes,
        max_depth=estimator.max_depth,
        min_samples_leaf=least,
        min_hessian=float(least_weight),
        # (the engine rounds up: half a feature less leaves no doubt)
        max_features=1.0 if n_chosen >= n_features else (n_chosen - 0.5) / n_features,
    )


def whole_growth_of(
    estimator: Any, n_rows: int, n_features: int, n_drawn: int | None
) -> "WholeGrowth":
    """Options of a tree that is grown whole.

    Parameters
    ----------
    estimator : DecisionTreeClassifier or DecisionTreeRegressor
        One that ``is_grown``.
    n_rows, n_features : int
        Of the training table.
    n_drawn : int or None
        Rows that are drawn for each tree; None where all are seen, with weights that sum to 1.

    Returns
    -------
    WholeGrowth
        The options.
    """
    from skextras.trees.whole_trees import WholeGrowth

    weight, size = n_drawn or 1, n_drawn or n_rows
    criterion: Any = CRITERIA.get(estimator.criterion, "squared_error")
    return WholeGrowth(
        criterion=criterion,
        max_features=_n_chosen(estimator.max_features, n_features),
        max_depth=estimator.max_depth,
        max_leaves=estimator.max_leaf_nodes,
        min_samples_split=max(2, _n_rows(estimator.min_samples_split, size)),
        min_samples_leaf=_n_rows(estimator.min_samples_leaf, size),
        min_weight_leaf=estimator.min_weight_fraction_leaf * weight,
        min_gain=estimator.min_impurity_decrease * weight,
        is_random=estimator.splitter == "random",
    )


def _n_rows(limit: Any, size: int) -> int:
    """Rows, given as their number or as a share."""
    return int(limit) if isinstance(limit, Integral) else ceil(limit * size)


def _n_chosen(max_features: Any, n_features: int) -> int:
    """Features that a node chooses from, as the host counts them."""
    if max_features is None:
        return n_features
    if max_features == "sqrt":
        return max(1, int(np.sqrt(n_features)))
    if max_features == "log2":
        return max(1, int(np.log2(n_features)))
    if isinstance(max_features, Integral):
        return int(max_features)
    return max(1, int(max_features * n_features))


def as_host(
    estimator: Any,
    tree: Tree,
    said: np.ndarray,
    impurity: np.ndarray,
    *,
    n_features: int,
    classes: np.ndarray | None,
    seed: int,
) -> Any:
    """A tree of the engine as a fitted tree of scikit-learn.

    Parameters
    ----------
    estimator : DecisionTreeClassifier or DecisionTreeRegressor
        Its options.
    tree : Tree
        Numeric splits alone.
    said : ndarray of shape (n_nodes, n_classes) or (n_nodes,)
        Share of each class in its nodes, or the mean.
    impurity : ndarray of shape (n_nodes,)
        Of its nodes.
    n_features : int
        Of the table.
    classes : ndarray or None
        One or two labels; None for numbers.
    seed : int
        What goes into ``random_state``.

    Returns
    -------
    DecisionTreeClassifier or DecisionTreeRegressor
        Fitted: it predicts, is drawn and told as any.
    """
    fitted = clone(estimator).set_params(random_state=seed)
    fitted.n_features_in_ = n_features
    fitted.n_outputs_ = 1
    value = said.reshape(len(said), -1)
    if classes is not None:
        fitted.classes_, fitted.n_classes_ = classes, len(classes)
        value = value[:, : len(classes)]  # (of a single class the engine makes two)
    fitted.max_features_ = _n_chosen(estimator.max_features, n_features)
    fitted.tree_ = HostTree(n_features, np.array([value.shape[1]], np.intp), 1)
    nodes = np.zeros(tree.n_nodes, NODE_DTYPE)
    is_leaf = tree.is_leaf
    nodes["left_child"] = np.where(is_leaf, -1, tree.left)
    nodes["right_child"] = np.where(is_leaf, -1, tree.left + 1)
    nodes["feature"] = np.where(is_leaf, UNDEFINED, tree.feature)
    nodes["threshold"] = np.where(is_leaf, UNDEFINED, tree.threshold)
    nodes["impurity"] = impurity
    nodes["n_node_samples"] = tree.count
    nodes["weighted_n_node_samples"] = tree.weight
    nodes["missing_go_to_left"] = tree.missing_left
    state = {
        "max_depth": int(tree.depth.max()),
        "node_count": tree.n_nodes,
        "nodes": nodes,
        "values": np.ascontiguousarray(value, np.float64)[:, None, :],
    }
    fitted.tree_.__setstate__(state)
    return fitted
