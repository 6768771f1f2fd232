"""Random forests of histogram trees, in the words of scikit-learn's."""

from typing import Any, ClassVar

import numpy as np
from sklearn.ensemble import RandomForestRegressor as HostRegressor

from skextras.forest.classes import ClassForest
from skextras.forest.numbers import NumberForest
from skextras.forest.quantiles import QuantileMixin
from skextras.forest.trees import ClassTree, NumberTree
from skextras.forest.understanding import ForestMixin


class RandomForestClassifier(ForestMixin, ClassForest):
    """Random forest for classes.

    A drop-in for scikit-learn's: same options with the same meaning, and more of both. Features are
    binned once, so that nodes count rather than sort. Trees are the same for any number of threads
    and any order of the rows, and a weight is a repetition.

    Parameters
    ----------
    n_estimators : int, default=100
        Trees.
    criterion : {"gini", "entropy", "log_loss"}, default="gini"
        Impurity that splits make small ([2]_); "log_loss" is "entropy".
    splitter : {"best", "random"}, default="best"
        Whether a feature's cut is searched, or drawn between its least and greatest value in the
        node ("random": extremely randomised trees [3]_, usually with ``bootstrap=False``).
    max_depth : int or None, default=None
        Edges from the root to the deepest leaf.
    min_samples_split : int or float, default=2
        Rows of a node that is split, or which share of all.
    min_samples_leaf : int or float, default=1
        Rows of a leaf, or which share of all.
    min_weight_fraction_leaf : float, default=0.0
        Share of the weight that a leaf holds.
    max_features : {"sqrt", "log2"}, int, float or None, default="sqrt"
        Features that each node looks at, or which share of them; None for all. "log2" is Breiman's
        own first choice.
    max_leaf_nodes : int or None, default=None
        Leaves of a tree; with a limit the node that gains most is split first.
    min_impurity_decrease : float, default=0.0
        A split must take away this much of the impurity, weighted by its share of the rows.
    bootstrap : bool or "stratified", default=True
        Whether each tree sees a sample of the rows, drawn with replacement; "stratified" draws as
        many rows of each class as its share is.
    oob_score : bool or callable, default=False
        Whether to score each row by the trees that did not see it; a callable takes
        ``(y_true, y_pred)``, and accuracy is the default.
    n_jobs : int or None, default=None
        Threads, a tree each; None for 1 unless in a ``joblib.parallel_backend``. The trees are the
        same bit for bit.
    random_state : int, RandomState or None, default=None
        Decides the samples and what the nodes draw.
    verbose : int, default=0
        1 prints a line at the end, 2 one a tree.
    warm_start : bool, default=False
        Whether ``fit`` adds trees to those of the last call.
    class_weight : {"balanced", "balanced_subsample"}, dict, list of dict or None, default=None
        Weights of the classes; "balanced_subsample" balances each tree's own sample.
    ccp_alpha : float, default=0.0
        Subtrees whose leaves take away less impurity a leaf than this are pruned.
    max_samples : int, float or None, default=None
        Rows of a tree's sample, or which share of all; None for as many as there are.
    monotonic_cst : array-like of int or dict, default=None
        1 for features in which predictions must rise, -1 for fall, 0 for neither; for one output
        of two classes, where they are about the second.
    categorical_features : array-like of {bool, int, str}, "from_dtype" or None, \
            default="from_dtype"
        Features whose values are categories, of which there may be ``max_bins``. Categories that
        were not seen in ``fit`` are missing values.
    max_bins : int, default=255
        Bins of a feature, 2 to 255. A feature with at most as many values is split exactly.

    Attributes
    ----------
    estimators_ : list of estimator
        The trees, fitted; made when asked for.
    estimators_samples_ : list of ndarray of int32
        Rows that each tree saw.
    classes_ : ndarray of shape (n_classes,), or a list of them
        Classes, ascending; a list for several outputs.
    n_classes_ : int or list of int
        How many.
    feature_importances_ : ndarray of shape (n_features,)
        Share of each feature in the impurity that all splits take away.
    n_outputs_ : int
        Outputs of ``fit``.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if they are all strings.
    is_categorical_ : ndarray of bool of shape (n_features,) or None
        Categorical features.
    oob_score_ : float
        Score of the rows by the trees that did not see them.
    oob_decision_function_ : ndarray of shape (n_samples, n_classes) or \
            (n_samples, n_classes, n_outputs)
        Their probabilities.

    See Also
    --------
    RandomForestRegressor : The same for numbers.

    References
    ----------
    .. [1] L. Breiman, "Random Forests", Machine Learning 45(1), 2001.
    .. [2] L. Breiman, J. Friedman, R. Olshen and C. Stone, "Classification and Regression Trees",
       1984.
    .. [3] P. Geurts, D. Ernst and L. Wehenkel, "Extremely Randomized Trees", Machine Learning
       63(1), 2006.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skextras import RandomForestClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RandomForestClassifier(oob_score=True, random_state=0).fit(X, y)
    >>> model.oob_score_ > 0.93
    True
    """

    _tree_type: ClassVar[Any] = ClassTree

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        criterion: str = "gini",
        splitter: str = "best",
        max_depth: int | None = None,
        min_samples_split: int | float = 2,
        min_samples_leaf: int | float = 1,
        min_weight_fraction_leaf: float = 0.0,
        max_features: str | int | float | None = "sqrt",
        max_leaf_nodes: int | None = None,
        min_impurity_decrease: float = 0.0,
        bootstrap: bool | str = True,
        oob_score: Any = False,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        class_weight: Any = None,
        ccp_alpha: float = 0.0,
        max_samples: int | float | None = None,
        monotonic_cst: Any = None,
        categorical_features: Any = "from_dtype",
        max_bins: int = 255,
    ) -> None:
        self.n_estimators = n_estimators
        self.criterion = criterion
        self.splitter = splitter
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.max_leaf_nodes = max_leaf_nodes
        self.min_impurity_decrease = min_impurity_decrease
        self.bootstrap = bootstrap
        self.oob_score = oob_score
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.class_weight = class_weight
        self.ccp_alpha = ccp_alpha
        self.max_samples = max_samples
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features
        self.max_bins = max_bins


class RandomForestRegressor(ForestMixin, QuantileMixin):
    """Random forest for numbers.

    A drop-in for scikit-learn's: same options with the same meaning, and more of both. Features are
    binned once, so that nodes add rather than sort. Trees are the same for any number of threads
    and any order of the rows, and a weight is a repetition.

    Parameters
    ----------
    n_estimators : int, default=100
        Trees.
    criterion : {"squared_error", "absolute_error", "friedman_mse", "poisson"}, \
            default="squared_error"
        What splits make small ([2]_); leaves of "absolute_error" hold medians, and
        "friedman_mse" finds the splits of "squared_error".
    splitter : {"best", "random"}, default="best"
        Whether a feature's cut is searched, or drawn between its least and greatest value in the
        node ("random": extremely randomised trees [3]_, usually with ``bootstrap=False``).
    max_depth : int or None, default=None
        Edges from the root to the deepest leaf.
    min_samples_split : int or float, default=2
        Rows of a node that is split, or which share of all.
    min_samples_leaf : int or float, default=1
        Rows of a leaf, or which share of all.
    min_weight_fraction_leaf : float, default=0.0
        Share of the weight that a leaf holds.
    max_features : {"sqrt", "log2"}, int, float or None, default=1.0
        Features that each node looks at, or which share of them; None for all. "log2" is Breiman's
        own first choice.
    max_leaf_nodes : int or None, default=None
        Leaves of a tree; with a limit the node that gains most is split first.
    min_impurity_decrease : float, default=0.0
        A split must take away this much of the impurity, weighted by its share of the rows.
    bootstrap : bool, default=True
        Whether each tree sees a sample of the rows, drawn with replacement.
    oob_score : bool or callable, default=False
        Whether to score each row by the trees that did not see it; a callable takes
        ``(y_true, y_pred)``, and R² is the default.
    n_jobs : int or None, default=None
        Threads, a tree each; None for 1 unless in a ``joblib.parallel_backend``. The trees are the
        same bit for bit.
    random_state : int, RandomState or None, default=None
        Decides the samples and what the nodes draw.
    verbose : int, default=0
        1 prints a line at the end, 2 one a tree.
    warm_start : bool, default=False
        Whether ``fit`` adds trees to those of the last call.
    ccp_alpha : float, default=0.0
        Subtrees whose leaves take away less impurity a leaf than this are pruned.
    max_samples : int, float or None, default=None
        Rows of a tree's sample, or which share of all; None for as many as there are.
    monotonic_cst : array-like of int or dict, default=None
        1 for features in which predictions must rise, -1 for fall, 0 for neither; for one output
        alone.
    categorical_features : array-like of {bool, int, str}, "from_dtype" or None, \
            default="from_dtype"
        Features whose values are categories, of which there may be ``max_bins``. Categories that
        were not seen in ``fit`` are missing values.
    max_bins : int, default=255
        Bins of a feature, 2 to 255. A feature with at most as many values is split exactly.
    keep_samples : bool, default=False
        Whether to keep which training rows lie in which leaf, 8 bytes a row and tree:
        ``predict(X, quantiles=...)`` asks for them [4]_.

    Attributes
    ----------
    estimators_ : list of estimator
        The trees, fitted; made when asked for.
    estimators_samples_ : list of ndarray of int32
        Rows that each tree saw.
    feature_importances_ : ndarray of shape (n_features,)
        Share of each feature in the impurity that all splits take away.
    n_outputs_ : int
        Outputs of ``fit``.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if they are all strings.
    is_categorical_ : ndarray of bool of shape (n_features,) or None
        Categorical features.
    oob_score_ : float
        Score of the rows by the trees that did not see them.
    oob_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Their predictions.

    See Also
    --------
    RandomForestClassifier : The same for classes.

    References
    ----------
    .. [1] L. Breiman, "Random Forests", Machine Learning 45(1), 2001.
    .. [2] L. Breiman, J. Friedman, R. Olshen and C. Stone, "Classification and Regression Trees",
       1984.
    .. [3] P. Geurts, D. Ernst and L. Wehenkel, "Extremely Randomized Trees", Machine Learning
       63(1), 2006.
    .. [4] N. Meinshausen, "Quantile Regression Forests", JMLR 7, 2006.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skextras import RandomForestRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = RandomForestRegressor(oob_score=True, random_state=0).fit(X, y)
    >>> model.oob_score_ > 0.35
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NumberForest._parameter_constraints,
        "keep_samples": ["boolean"],
    }
    _tree_type: ClassVar[Any] = NumberTree

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        criterion: str = "squared_error",
        splitter: str = "best",
        max_depth: int | None = None,
        min_samples_split: int | float = 2,
        min_samples_leaf: int | float = 1,
        min_weight_fraction_leaf: float = 0.0,
        max_features: str | int | float | None = 1.0,
        max_leaf_nodes: int | None = None,
        min_impurity_decrease: float = 0.0,
        bootstrap: bool = True,
        oob_score: Any = False,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        ccp_alpha: float = 0.0,
        max_samples: int | float | None = None,
        monotonic_cst: Any = None,
        categorical_features: Any = "from_dtype",
        max_bins: int = 255,
        keep_samples: bool = False,
    ) -> None:
        self.n_estimators = n_estimators
        self.criterion = criterion
        self.splitter = splitter
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.max_leaf_nodes = max_leaf_nodes
        self.min_impurity_decrease = min_impurity_decrease
        self.bootstrap = bootstrap
        self.oob_score = oob_score
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.ccp_alpha = ccp_alpha
        self.max_samples = max_samples
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features
        self.max_bins = max_bins
        self.keep_samples = keep_samples


# scikit-learn's partial dependence takes its fast way for this one alone, and asks no tag.
HostRegressor.register(RandomForestRegressor)
