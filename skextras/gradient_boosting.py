"""Gradient boosting of histogram trees, in the words of scikit-learn's HistGradientBoosting."""

from collections.abc import Iterator
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import compute_sample_weight
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y

from skextras.boosting.base import BaseGradientBoosting

if TYPE_CHECKING:
    from skextras.losses import Loss

REGRESSION_LOSSES = (
    "squared_error",
    "absolute_error",
    "huber",
    "quantile",
    "poisson",
    "gamma",
    "tweedie",
)
LARGEST = 1e37  # of a target: residuals are kept in single precision


class GradientBoostingRegressor(RegressorMixin, BaseGradientBoosting):
    """Gradient boosting of histogram trees for numbers.

    A drop-in for scikit-learn's ``HistGradientBoostingRegressor``: same options with the same
    meaning, and more of both. Trees are the same for any number of threads.

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma", "tweedie"} \
            or object, default="squared_error"
        What is made small. "poisson", "gamma" and "tweedie" predict through a logarithmic link. An
        object has methods ``value(y, raw)``, ``gradient(y, raw)`` and ``hessian(y, raw)`` on
        arrays, and ``link``: "identity", "log" or "logit".
    quantile : float, default=None
        Which quantile, for "quantile"; for "huber" that of the residuals' size from which on they
        count linearly, 0.9 if None.
    power : float, default=1.5
        Variance power of "tweedie", between 1 and 2.
    learning_rate : float, default=0.1
        ν, the share of a tree's values that is added.
    max_iter : int, default=100
        Rounds, each a tree or one a class.
    max_leaf_nodes : int or None, default=31
        Leaves of a tree; None leaves it to the other limits.
    max_depth : int or None, default=None
        Edges from the root to the deepest leaf.
    min_samples_leaf : int, default=20
        Rows of a leaf, counted exactly (LightGBM estimates them from the hessian).
    l2_regularization : float, default=0.0
        λ, the penalty on the squares of the leaves' values.
    l1_regularization : float, default=0.0
        α, the penalty on their sizes.
    min_gain_to_split : float, default=0.0
        A split must gain more than this, in twice the units of the summed loss.
    grow_policy : {"lossguide", "depthwise"}, default="lossguide"
        Split the leaf of the greatest gain first, or level by level.
    max_features : float, default=1.0
        Share of the features that each node may choose from.
    subsample : float, default=1.0
        Share of the rows that each tree sees.
    sampling : {"uniform", "goss"}, default="uniform"
        How they are chosen; "goss" keeps the rows of greatest gradient and a sample of the rest.
    top_rate : float, default=0.2
        Share of the rows that "goss" keeps for their gradient.
    other_rate : float, default=0.1
        Share of the rows that it draws from the rest.
    boosting : {"gbdt", "dart"}, default="gbdt"
        "dart" leaves earlier trees out at random while the next one grows.
    drop_rate : float, default=0.1
        Chance of each earlier round to be left out by "dart".
    max_drop : int, default=50
        How many rounds it leaves out at most.
    skip_drop : float, default=0.5
        Chance that it leaves out none.
    leaf_iterations : int, default=1
        Newton steps on the values of each tree's leaves. More of them lower the loss for the same
        number of trees, at the cost of a pass over the rows each.
    max_bins : int, default=255
        Bins of a feature, 2 to 255; missing values have one more.
    categorical_features : array-like of {bool, int, str}, "from_dtype" or None, \
            default="from_dtype"
        Features whose values are categories, of which there may be ``max_bins``. Categories that
        were not seen in ``fit`` are missing values.
    monotonic_cst : array-like of int or dict, default=None
        1 for features in which predictions must rise, -1 for fall, 0 for neither.
    interaction_cst : {"pairwise", "no_interactions"} or sequence of sequences of int, default=None
        Sets of features that may meet on one path.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the trees of the last call.
    early_stopping : "auto" or bool, default="auto"
        Whether to stop when the score no longer rises; "auto" does for more than 10,000 rows.
    scoring : str, callable or None, default="loss"
        What is scored; None is the estimator's own score.
    validation_fraction : int, float or None, default=0.1
        Rows held out to score on; None scores on the training rows.
    n_iter_no_change : int, default=10
        Rounds without a better score until the fit stops.
    tol : float, default=1e-7
        By how much a score must be better.
    callbacks : callable or list of callable, default=None
        Called as ``callback(estimator, course)`` after each round; ``course`` holds ``n_rounds``,
        ``train_scores`` and ``validation_scores``. Returning True stops the fit.
    n_jobs : int or None, default=None
        Threads; None takes what OpenMP would, -1 all. The trees are the same bit for bit.
    verbose : int, default=0
        1 prints a line at the end, 2 one a round.
    random_state : int, RandomState or None, default=None
        Decides all samples, of rows, features, bins and validation rows.

    Attributes
    ----------
    n_iter_ : int
        Rounds done.
    n_trees_per_iteration_ : int
        1, or the number of classes if there are more than two.
    do_early_stopping_ : bool
        Whether scores were kept.
    train_score_ : ndarray of shape (n_rounds + 1,)
        Score on training rows before the first round and after each (minus the loss, by default);
        empty without early stopping.
    validation_score_ : ndarray of shape (n_rounds + 1,)
        The same on the validation rows; empty if there are none.
    is_categorical_ : ndarray of bool of shape (n_features,) or None
        Categorical features.
    feature_importances_ : ndarray of shape (n_features,)
        Share of each feature in the gain of all splits.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if they are all strings.

    See Also
    --------
    GradientBoostingClassifier : The same for classes.

    References
    ----------
    .. [1] J. Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of
       Statistics 29(5), 2001.
    .. [2] T. Chen and C. Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016.
    .. [3] G. Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NIPS 2017.
    .. [4] R. Vinayak and R. Gilad-Bachrach, "DART: Dropouts meet Multiple Additive Regression
       Trees", AISTATS 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skextras import GradientBoostingRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GradientBoostingRegressor(max_iter=50, random_state=0).fit(X, y)
    >>> round(model.score(X, y), 2)
    0.85
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseGradientBoosting._parameter_constraints,
        "loss": [
            StrOptions(set(REGRESSION_LOSSES)),
            HasMethods(["value", "gradient", "hessian"]),
        ],
        "quantile": [Interval(Real, 0, 1, closed="both"), None],
        "power": [Interval(Real, 1, 2, closed="neither")],
    }

    def __init__(
        self,
        loss: Any = "squared_error",
        *,
        quantile: float | None = None,
        power: float = 1.5,
        learning_rate: float = 0.1,
        max_iter: int = 100,
        max_leaf_nodes: int | None = 31,
        max_depth: int | None = None,
        min_samples_leaf: int = 20,
        l2_regularization: float = 0.0,
        l1_regularization: float = 0.0,
        min_gain_to_split: float = 0.0,
        grow_policy: str = "lossguide",
        max_features: float = 1.0,
        subsample: float = 1.0,
        sampling: str = "uniform",
        top_rate: float = 0.2,
        other_rate: float = 0.1,
        boosting: str = "gbdt",
        drop_rate: float = 0.1,
        max_drop: int = 50,
        skip_drop: float = 0.5,
        leaf_iterations: int = 1,
        max_bins: int = 255,
        categorical_features: Any = "from_dtype",
        monotonic_cst: Any = None,
        interaction_cst: Any = None,
        warm_start: bool = False,
        early_stopping: bool | str = "auto",
        scoring: Any = "loss",
        validation_fraction: float | int | None = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-7,
        callbacks: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            max_iter=max_iter,
            max_leaf_nodes=max_leaf_nodes,
            max_depth=max_depth,
            min_samples_leaf=min_samples_leaf,
            l2_regularization=l2_regularization,
            l1_regularization=l1_regularization,
            min_gain_to_split=min_gain_to_split,
            grow_policy=grow_policy,
            max_features=max_features,
            subsample=subsample,
            sampling=sampling,
            top_rate=top_rate,
            other_rate=other_rate,
            boosting=boosting,
            drop_rate=drop_rate,
            max_drop=max_drop,
            skip_drop=skip_drop,
            leaf_iterations=leaf_iterations,
            max_bins=max_bins,
            categorical_features=categorical_features,
            monotonic_cst=monotonic_cst,
            interaction_cst=interaction_cst,
            warm_start=warm_start,
            early_stopping=early_stopping,
            scoring=scoring,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            callbacks=callbacks,
            n_jobs=n_jobs,
            verbose=verbose,
            random_state=random_state,
        )
        self.loss = loss
        self.quantile = quantile
        self.power = power

    def predict(self, X: Any) -> np.ndarray:
        """Predict the target.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Expected values, or what the loss asks for.
        """
        return self._inverse_link(self._raw_predict(X)[:, 0])

    def staged_predict(self, X: Any) -> Iterator[np.ndarray]:
        """Predict the target after each round.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Yields
        ------
        ndarray of shape (n_samples,)
            Predictions of the first round, of two, and so on.
        """
        for raw in self._staged_raw_predict(X):
            yield self._inverse_link(raw[:, 0])

    def _inverse_link(self, raw: np.ndarray) -> np.ndarray:
        prediction: np.ndarray = self._loss.inverse_link(raw)
        return prediction

    def _encode_y(self, y: Any, *, reset: bool) -> np.ndarray:
        self.n_trees_per_iteration_ = 1
        y = _check_y(y, estimator=self).astype(np.float64)
        size = np.abs(y).max()
        if size > LARGEST:
            raise ValueError(
                f"{type(self).__name__}: y must be within ±{LARGEST:g}, got one of size {size:g}. "
                "Divide it by its standard deviation."
            )
        self._make_loss().check(y, type(self).__name__)
        return y

    def _decode_y(self, y: np.ndarray) -> np.ndarray:
        return y

    def _make_loss(self) -> "Loss":
        from skextras.losses import LOSSES, CustomLoss  # compiles its kernels once

        options: dict[str, Any] = {}
        if not isinstance(self.loss, str):
            return CustomLoss(source=self.loss)
        if self.loss == "quantile":
            options = {"alpha": 0.5 if self.quantile is None else self.quantile}
        elif self.loss == "huber" and self.quantile is not None:
            options = {"quantile": self.quantile}
        elif self.loss == "tweedie":
            options = {"power": self.power}
        return LOSSES[self.loss](**options)


class GradientBoostingClassifier(ClassifierMixin, BaseGradientBoosting):
    """Gradient boosting of histogram trees for classes.

    A drop-in for scikit-learn's ``HistGradientBoostingClassifier``: same options with the same
    meaning, and more of both. Trees are the same for any number of threads.

    Parameters
    ----------
    loss : {"log_loss", "exponential"} or object, default="log_loss"
        What is made small; more than two classes take "log_loss". An object, for two classes, has
        methods ``value(y, raw)``, ``gradient(y, raw)`` and ``hessian(y, raw)`` on arrays, and
        ``link = "logit"``.
    learning_rate : float, default=0.1
        ν, the share of a tree's values that is added.
    max_iter : int, default=100
        Rounds, each a tree or one a class.
    max_leaf_nodes : int or None, default=31
        Leaves of a tree; None leaves it to the other limits.
    max_depth : int or None, default=None
        Edges from the root to the deepest leaf.
    min_samples_leaf : int, default=20
        Rows of a leaf, counted exactly (LightGBM estimates them from the hessian).
    l2_regularization : float, default=0.0
        λ, the penalty on the squares of the leaves' values.
    l1_regularization : float, default=0.0
        α, the penalty on their sizes.
    min_gain_to_split : float, default=0.0
        A split must gain more than this, in twice the units of the summed loss.
    grow_policy : {"lossguide", "depthwise"}, default="lossguide"
        Split the leaf of the greatest gain first, or level by level.
    max_features : float, default=1.0
        Share of the features that each node may choose from.
    subsample : float, default=1.0
        Share of the rows that each tree sees.
    sampling : {"uniform", "goss"}, default="uniform"
        How they are chosen; "goss" keeps the rows of greatest gradient and a sample of the rest.
    top_rate : float, default=0.2
        Share of the rows that "goss" keeps for their gradient.
    other_rate : float, default=0.1
        Share of the rows that it draws from the rest.
    boosting : {"gbdt", "dart"}, default="gbdt"
        "dart" leaves earlier trees out at random while the next one grows.
    drop_rate : float, default=0.1
        Chance of each earlier round to be left out by "dart".
    max_drop : int, default=50
        How many rounds it leaves out at most.
    skip_drop : float, default=0.5
        Chance that it leaves out none.
    leaf_iterations : int, default=1
        Newton steps on the values of each tree's leaves. More of them lower the loss for the same
        number of trees, at the cost of a pass over the rows each.
    max_bins : int, default=255
        Bins of a feature, 2 to 255; missing values have one more.
    categorical_features : array-like of {bool, int, str}, "from_dtype" or None, \
            default="from_dtype"
        Features whose values are categories, of which there may be ``max_bins``. Categories that
        were not seen in ``fit`` are missing values.
    monotonic_cst : array-like of int or dict, default=None
        1 for features in which predictions must rise, -1 for fall, 0 for neither.
    interaction_cst : {"pairwise", "no_interactions"} or sequence of sequences of int, default=None
        Sets of features that may meet on one path.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the trees of the last call.
    early_stopping : "auto" or bool, default="auto"
        Whether to stop when the score no longer rises; "auto" does for more than 10,000 rows.
    scoring : str, callable or None, default="loss"
        What is scored; None is the estimator's own score.
    validation_fraction : int, float or None, default=0.1
        Rows held out to score on; None scores on the training rows.
    n_iter_no_change : int, default=10
        Rounds without a better score until the fit stops.
    tol : float, default=1e-7
        By how much a score must be better.
    callbacks : callable or list of callable, default=None
        Called as ``callback(estimator, course)`` after each round; ``course`` holds ``n_rounds``,
        ``train_scores`` and ``validation_scores``. Returning True stops the fit.
    n_jobs : int or None, default=None
        Threads; None takes what OpenMP would, -1 all. The trees are the same bit for bit.
    verbose : int, default=0
        1 prints a line at the end, 2 one a round.
    random_state : int, RandomState or None, default=None
        Decides all samples, of rows, features, bins and validation rows.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class, times ``sample_weight``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_iter_ : int
        Rounds done.
    n_trees_per_iteration_ : int
        1, or the number of classes if there are more than two.
    do_early_stopping_ : bool
        Whether scores were kept.
    train_score_ : ndarray of shape (n_rounds + 1,)
        Score on training rows before the first round and after each (minus the loss, by default);
        empty without early stopping.
    validation_score_ : ndarray of shape (n_rounds + 1,)
        The same on the validation rows; empty if there are none.
    is_categorical_ : ndarray of bool of shape (n_features,) or None
        Categorical features.
    feature_importances_ : ndarray of shape (n_features,)
        Share of each feature in the gain of all splits.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if they are all strings.

    See Also
    --------
    GradientBoostingRegressor : The same for numbers.

    References
    ----------
    .. [1] J. Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of
       Statistics 29(5), 2001.
    .. [2] T. Chen and C. Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016.
    .. [3] G. Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NIPS 2017.
    .. [4] R. Vinayak and R. Gilad-Bachrach, "DART: Dropouts meet Multiple Additive Regression
       Trees", AISTATS 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skextras import GradientBoostingClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = GradientBoostingClassifier(max_iter=20, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.97
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseGradientBoosting._parameter_constraints,
        "loss": [
            StrOptions({"log_loss", "exponential"}),
            HasMethods(["value", "gradient", "hessian"]),
        ],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        loss: Any = "log_loss",
        *,
        learning_rate: float = 0.1,
        max_iter: int = 100,
        max_leaf_nodes: int | None = 31,
        max_depth: int | None = None,
        min_samples_leaf: int = 20,
        l2_regularization: float = 0.0,
        l1_regularization: float = 0.0,
        min_gain_to_split: float = 0.0,
        grow_policy: str = "lossguide",
        max_features: float = 1.0,
        subsample: float = 1.0,
        sampling: str = "uniform",
        top_rate: float = 0.2,
        other_rate: float = 0.1,
        boosting: str = "gbdt",
        drop_rate: float = 0.1,
        max_drop: int = 50,
        skip_drop: float = 0.5,
        leaf_iterations: int = 1,
        max_bins: int = 255,
        categorical_features: Any = "from_dtype",
        monotonic_cst: Any = None,
        interaction_cst: Any = None,
        warm_start: bool = False,
        early_stopping: bool | str = "auto",
        scoring: Any = "loss",
        validation_fraction: float | int | None = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-7,
        callbacks: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        class_weight: Any = None,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            max_iter=max_iter,
            max_leaf_nodes=max_leaf_nodes,
            max_depth=max_depth,
            min_samples_leaf=min_samples_leaf,
            l2_regularization=l2_regularization,
            l1_regularization=l1_regularization,
            min_gain_to_split=min_gain_to_split,
            grow_policy=grow_policy,
            max_features=max_features,
            subsample=subsample,
            sampling=sampling,
            top_rate=top_rate,
            other_rate=other_rate,
            boosting=boosting,
            drop_rate=drop_rate,
            max_drop=max_drop,
            skip_drop=skip_drop,
            leaf_iterations=leaf_iterations,
            max_bins=max_bins,
            categorical_features=categorical_features,
            monotonic_cst=monotonic_cst,
            interaction_cst=interaction_cst,
            warm_start=warm_start,
            early_stopping=early_stopping,
            scoring=scoring,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            callbacks=callbacks,
            n_jobs=n_jobs,
            verbose=verbose,
            random_state=random_state,
        )
        self.loss = loss
        self.class_weight = class_weight

    def predict(self, X: Any) -> np.ndarray:
        """Predict the class.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            The most probable class of each.
        """
        return self._decode_y(_most_probable(self._raw_predict(X)))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Rows sum to one.
        """
        return self._probabilities(self._raw_predict(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """Sum of the trees.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Logit of the second class, or scores of all.
        """
        return _without_axis(self._raw_predict(X))

    def staged_predict(self, X: Any) -> Iterator[np.ndarray]:
        """Predict the class after each round.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Yields
        ------
        ndarray of shape (n_samples,)
            Classes by the first round, by two, and so on.
        """
        for raw in self._staged_raw_predict(X):
            yield self._decode_y(_most_probable(raw))

    def staged_predict_proba(self, X: Any) -> Iterator[np.ndarray]:
        """Predict probabilities after each round.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Yields
        ------
        ndarray of shape (n_samples, n_classes)
            By the first round, by two, and so on.
        """
        for raw in self._staged_raw_predict(X):
            yield self._probabilities(raw)

    def staged_decision_function(self, X: Any) -> Iterator[np.ndarray]:
        """Sum of the trees after each round.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Yields
        ------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Of the first round, of two, and so on.
        """
        for raw in self._staged_raw_predict(X):
            yield _without_axis(raw)

    def _probabilities(self, raw: np.ndarray) -> np.ndarray:
        if raw.shape[1] > 1:
            return np.ascontiguousarray(self._loss.inverse_link(raw.T).T)
        both = np.empty((len(raw), 2))
        both[:, 1] = self._loss.inverse_link(raw[:, 0])
        np.subtract(1, both[:, 1], out=both[:, 0])
        return both

    def _encode_y(self, y: Any, *, reset: bool) -> np.ndarray:
        y = _check_y(y, estimator=self)
        if not reset:
            return self._known(y)
        if y.dtype == object:  # of mixed kinds, which cannot be sorted, it says so
            check_classification_targets(y)
        self._labels: LabelEncoder = LabelEncoder()
        codes = self._labels.fit_transform(y)
        self.classes_ = self._labels.classes_
        check_classification_targets(self.classes_)  # of many rows, it would sort all once more
        n_classes = len(self.classes_)
        self.n_trees_per_iteration_ = 1 if n_classes <= 2 else n_classes
        self._check_loss(n_classes)
        return codes.astype(np.float32)  # what the kernels read: of many rows, each byte counts

    def _known(self, y: np.ndarray) -> np.ndarray:
        """Numbers of classes that the first targets had."""
        try:
            return self._labels.transform(y).astype(np.float32)
        except ValueError as error:
            raise ValueError(
                f"{type(self).__name__}: y_val, and y of a warm start, must hold classes of the "
                f"first y, got unseen labels {set(y.tolist()) - set(self.classes_.tolist())}. "
                "Leave such rows out, or fit anew."
            ) from error

    def _check_loss(self, n_classes: int) -> None:
        if n_classes > 2 and self.loss != "log_loss":
            raise ValueError(
                f"{type(self).__name__}: loss must be 'log_loss' for {n_classes} classes, "
                f"got {self.loss!r}. Or wrap the estimator in OneVsRestClassifier."
            )

    def _decode_y(self, y: np.ndarray) -> np.ndarray:
        return self.classes_[y.astype(np.intp)]

    def _weigh(self, weight: np.ndarray | None, y: np.ndarray) -> np.ndarray | None:
        if self.class_weight is None:
            return weight
        # "balanced" weighs classes by their rows, whatever these weigh, as scikit-learn's does.
        of_class = compute_sample_weight(self.class_weight, self._decode_y(y))
        return of_class if weight is None else weight * of_class

    def _make_loss(self) -> "Loss":
        from skextras.losses import LOSSES, CustomLoss  # compiles its kernels once

        if not isinstance(self.loss, str):
            return CustomLoss(source=self.loss)
        if self.loss == "log_loss":
            return LOSSES["log_loss"](n_classes=len(self.classes_))
        return LOSSES[self.loss]()


def _most_probable(raw: np.ndarray) -> np.ndarray:
    if raw.shape[1] > 1:
        return raw.argmax(axis=1)
    return (raw[:, 0] > 0).astype(np.intp)  # a tie goes to the first class


def _without_axis(raw: np.ndarray) -> np.ndarray:
    return raw[:, 0] if raw.shape[1] == 1 else raw
