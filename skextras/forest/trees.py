"""The trees of a forest as estimators of their own, and their nodes in scikit-learn's words."""

from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions

from skextras.forest.base import GROWTH_CONSTRAINTS, BaseForest
from skextras.forest.classes import ClassForest
from skextras.forest.numbers import NumberForest
from skextras.forest.pruning_path import Nodes, pruning_path
from skextras.forest.tree_nodes import TreeNodes

# What a forest hands on to its trees.
OPTIONS = (
    "criterion",
    "splitter",
    "max_depth",
    "min_samples_split",
    "min_samples_leaf",
    "min_weight_fraction_leaf",
    "max_features",
    "max_leaf_nodes",
    "min_impurity_decrease",
    "ccp_alpha",
    "monotonic_cst",
    "categorical_features",
    "max_bins",
)
KNOWN = ("n_features_in_", "feature_names_in_", "n_outputs_", "classes_", "n_classes_")
KEPT = ("_all_classes", "_encoder", "_mapper", "is_categorical_")


class _Tree(BaseForest):
    """What both kinds of trees do alone."""

    @classmethod
    def of(cls, forest: BaseForest, number: int) -> Self:
        """A tree of a forest.

        Parameters
        ----------
        forest : BaseForest
            Fitted.
        number : int
            Which.

        Returns
        -------
        estimator
            Fitted; it shares the forest's memory.
        """
        options = {name: getattr(forest, name) for name in OPTIONS}
        tree = cls(**options, random_state=forest._seeds[number])
        for name in (*KNOWN, *KEPT):
            if hasattr(forest, name):
                setattr(tree, name, getattr(forest, name))
        tree._forest, tree._seeds = forest._forest.tree(number), [forest._seeds[number]]
        tree._prepare()
        return tree

    def _draw_seeds(self) -> list[int]:
        """The seed itself: a tree is grown again as the forest grew it."""
        if isinstance(self.random_state, int | np.integer):
            return [int(self.random_state)]
        return super()._draw_seeds()

    @property
    def tree_(self) -> TreeNodes:
        """The nodes.

        Returns
        -------
        TreeNodes
            With the names of scikit-learn's ``Tree``.
        """
        if "_nodes" not in self.__dict__:
            self._nodes = TreeNodes(self)
        return self._nodes

    def _keep(self, *parts: Any) -> None:
        super()._keep(*parts)
        self.__dict__.pop("_nodes", None)

    @property
    def max_features_(self) -> int:
        """Features that a node looks at.

        Returns
        -------
        int
            How many.
        """
        from skextras.forest.options import n_chosen

        return n_chosen(self.max_features, self.n_features_in_)

    @property
    def feature_importances_(self) -> np.ndarray:
        """Share of each feature in the impurity that all splits take away.

        Returns
        -------
        ndarray of shape (n_features,)
            Sums to 1, or is 0 throughout if nothing was split.
        """
        return self.tree_.compute_feature_importances()

    def get_depth(self) -> int:
        """Splits above the deepest leaf.

        Returns
        -------
        int
            0 for a single leaf.
        """
        return self.tree_.max_depth

    def get_n_leaves(self) -> int:
        """Number of leaves.

        Returns
        -------
        int
            How many.
        """
        return self.tree_.n_leaves

    def apply(self, X: Any) -> np.ndarray:
        """Leaf of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of int64 of shape (n_samples,)
            Node numbers.
        """
        return self.tree_.apply(X)

    def decision_path(self, X: Any) -> sparse.csr_matrix:
        """Nodes that rows pass.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        csr_matrix of shape (n_samples, n_nodes)
            1 for a node that is passed.
        """
        return self.tree_.decision_path(X)

    def cost_complexity_pruning_path(self, X: Any, y: Any, sample_weight: Any = None) -> Bunch:
        """Grow such a tree on rows, and prune it until its root is left.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Repetitions of each row.

        Returns
        -------
        Bunch
            ``ccp_alphas``, at which one more node becomes a leaf, and ``impurities`` of the leaves
            that are left then, each an ndarray of shape (n_subtrees,).
        """
        whole = clone(self).set_params(ccp_alpha=0.0).fit(X, y, sample_weight=sample_weight).tree_
        share = whole.weighted_n_node_samples / whole.weighted_n_node_samples[0]
        nodes = Nodes(whole.children_left, whole.children_right, whole.impurity * share)
        prices, impurities = pruning_path(nodes)
        return Bunch(ccp_alphas=prices, impurities=impurities)


def _tree_init(default_criterion: str) -> Any:
    """The constructor of a tree: both kinds differ in a default alone."""

    def __init__(  # noqa: N807  # it becomes the class's own
        self: Any,
        *,
        criterion: str = default_criterion,
        splitter: str = "best",
        max_depth: int | None = None,
        min_samples_split: Any = 2,
        min_samples_leaf: Any = 1,
        min_weight_fraction_leaf: float = 0.0,
        max_features: Any = None,
        random_state: Any = None,
        max_leaf_nodes: int | None = None,
        min_impurity_decrease: float = 0.0,
        ccp_alpha: float = 0.0,
        monotonic_cst: Any = None,
        categorical_features: Any = "from_dtype",
        max_bins: int = 255,
    ) -> None:
        self.criterion = criterion
        self.splitter = splitter
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.random_state = random_state
        self.max_leaf_nodes = max_leaf_nodes
        self.min_impurity_decrease = min_impurity_decrease
        self.ccp_alpha = ccp_alpha
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features
        self.max_bins = max_bins

    return __init__


class ClassTree(_Tree, ClassForest):
    """A tree of a forest of classes; fitted again, it grows on all the rows it is given."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **GROWTH_CONSTRAINTS,
        "criterion": [StrOptions({"gini", "entropy", "log_loss"})],
    }
    __init__ = _tree_init("gini")


class NumberTree(_Tree, NumberForest):
    """A tree of a forest of numbers; fitted again, it grows on all the rows it is given."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **GROWTH_CONSTRAINTS,
        "criterion": NumberForest._parameter_constraints["criterion"],
    }
    __init__ = _tree_init("squared_error")


# scikit-learn's pictures and texts of trees take these alone.
DecisionTreeClassifier.register(ClassTree)
DecisionTreeRegressor.register(NumberTree)
