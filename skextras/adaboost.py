"""AdaBoost, in the words of scikit-learn's."""

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier, is_regressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.preprocessing import LabelEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y

from skextras.reweighting.base import BaseAdaBoost
from skextras.reweighting.committees import weighted_median

if TYPE_CHECKING:
    from skextras.reweighting.algorithm import Algorithm
    from skextras.reweighting.learners import Draw
    from skextras.reweighting.rounds import Course

ALGORITHMS = ("SAMME", "SAMME.R", "LogitBoost", "gentle")
VOTING = ("SAMME", "SAMME.R")  # scores are divided by the say of all, as the host's are
R2_LOSSES = ("linear", "square", "exponential")


class AdaBoostClassifier(ClassifierMixin, BaseAdaBoost):
    """AdaBoost for classes: weak learners that vote, each looking at what earlier ones got wrong.

    A drop-in for scikit-learn's ``AdaBoostClassifier``: same options with the same meaning, and
    more of both. Trees are grown on bins that are made once, a hundred times as fast and more on
    many rows; any other estimator works as it does there.

    Parameters
    ----------
    estimator : estimator, default=None
        Weak learner; None is a tree of one split. "SAMME" takes classifiers, "SAMME.R" those with
        ``predict_proba``, "LogitBoost" and "gentle" regressors. It takes ``sample_weight``, unless
        ``resample`` is set. scikit-learn's ``DecisionTreeClassifier`` and ``DecisionTreeRegressor``
        (squared error) are grown by the engine, with their limits on depth, leaves, splits and
        features; ``ccp_alpha``, ``class_weight`` and ``monotonic_cst`` of a tree go scikit-learn's
        own way.
    n_estimators : int, default=50
        Rounds at most.
    learning_rate : float, default=1.0
        Power of the factors by which weights grow, or share of each answer that is added.
    algorithm : {"SAMME", "SAMME.R", "LogitBoost", "gentle"}, default="SAMME"
        Votes [1]_ [2]_, log odds [2]_, Newton steps on the log loss [3]_ or on the exponential
        loss [3]_. The last two fit a regressor for each class if there are more than two.
    resample : bool, default=False
        Whether each learner sees a sample drawn by the weights, as in [1]_, rather than weights.
    max_bins : int, default=255
        Bins of a feature for the engine's trees, 2 to 255.
    early_stopping : bool, default=False
        Whether to stop when the score on held-out rows no longer rises.
    scoring : str, callable or None, default=None
        That score; None is the accuracy.
    validation_fraction : int or float, default=0.1
        Rows to hold out.
    n_iter_no_change : int, default=10
        Rounds without a better score until the fit stops.
    tol : float, default=1e-7
        By how much a score must be better.
    n_jobs : int or None, default=None
        Threads of the engine; None takes what OpenMP would, -1 all. The model is the same bit for
        bit.
    random_state : int, RandomState or None, default=None
        Decides seeds of the weak learners, samples and held-out rows.

    Attributes
    ----------
    estimator_ : estimator
        The weak learner that was cloned.
    estimators_ : list of estimator
        Weak learners, fitted.
    classes_ : ndarray of shape (n_classes,)
        Labels.
    n_classes_ : int
        How many.
    n_iter_ : int
        Rounds that are kept.
    estimator_weights_ : ndarray of shape (n_estimators,)
        α of each round, 1 where answers are added as they are; 0 for rounds that were not needed.
    estimator_errors_ : ndarray of shape (n_estimators,)
        Weighted error of each round; 1 for rounds that were not needed.
    training_error_bound_ : ndarray of shape (n_iter,)
        What the weighted training error is at most after each round: the product of the rounds'
        normalisers ([1]_, theorem 6), or the mean log2 loss for "LogitBoost". NaN for "SAMME.R" on
        more than two classes, where there is none.
    validation_scores_ : ndarray of shape (n_iter,)
        Score on held-out rows after each round; empty without early stopping.
    feature_importances_ : ndarray of shape (n_features,)
        Mean of the weak learners' importances, weighted as they are.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if they are all strings.

    See Also
    --------
    AdaBoostRegressor : The same for numbers.
    GradientBoostingClassifier : Boosting of any loss, with every option of trees.

    Notes
    -----
    Rows of weight 0 are dropped and rows that no tree can tell apart are merged, in an order that
    only their contents decide: a weight is a repetition exactly, and no result depends on the order
    of the rows. (Rows are not merged where ``min_samples_leaf`` counts them.)

    References
    ----------
    .. [1] Y. Freund and R. Schapire, "A Decision-Theoretic Generalization of On-Line Learning and
       an Application to Boosting", Journal of Computer and System Sciences 55, 1997.
    .. [2] J. Zhu, H. Zou, S. Rosset and T. Hastie, "Multi-class AdaBoost", Statistics and Its
       Interface 2, 2009.
    .. [3] J. Friedman, T. Hastie and R. Tibshirani, "Additive Logistic Regression: a Statistical
       View of Boosting", Annals of Statistics 28(2), 2000.
    .. [4] R. Schapire, Y. Freund, P. Bartlett and W. Lee, "Boosting the Margin", Annals of
       Statistics 26(5), 1998.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skextras import AdaBoostClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = AdaBoostClassifier(n_estimators=100, random_state=0).fit(X, y)
    >>> round(model.score(X, y), 2)
    1.0
    >>> bool(model.margin_distribution(X, y).min() > 0)  # every row is right by some votes
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAdaBoost._parameter_constraints,
        "algorithm": [StrOptions(set(ALGORITHMS))],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 50,
        learning_rate: float = 1.0,
        algorithm: str = "SAMME",
        resample: bool = False,
        max_bins: int = 255,
        early_stopping: bool = False,
        scoring: Any = None,
        validation_fraction: float | int = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-7,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            estimator=estimator,
            n_estimators=n_estimators,
            learning_rate=learning_rate,
            resample=resample,
            max_bins=max_bins,
            early_stopping=early_stopping,
            scoring=scoring,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            n_jobs=n_jobs,
            random_state=random_state,
        )
        self.algorithm = algorithm

    # ------------------------------------------------------------ predictions
    def predict(self, X: Any) -> np.ndarray:
        """Predict the class.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        return self._label(self.decision_function(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict the probability of each class.

        For "SAMME" and "SAMME.R" as scikit-learn makes them of the average vote (Zhu et al.,
        eq. 15); for "LogitBoost" and "gentle" those of the model that was fitted.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Rows sum to one.
        """
        return self._probabilities(self.decision_function(X))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict the logarithm of each class's probability.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Logarithms.
        """
        return np.log(self.predict_proba(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """Score of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes, that of the second: for "SAMME" from -2 (all vote for the first) to 2,
            as scikit-learn's; for "LogitBoost" and "gentle" log odds.
        """
        if "_known" in self.__dict__:  # a scorer asks about rows that are being boosted
            return self._decision(self._known, self.estimator_weights_.sum())
        n_threads = self._n_threads()
        raws = [self._committee.raw(block, n_threads) for block in self._blocks_of(X)]
        raw = raws[0] if len(raws) == 1 else np.concatenate(raws)
        return self._decision(raw, self.estimator_weights_.sum())

    def staged_predict(self, X: Any) -> Iterator[np.ndarray]:
        """Predict the class after each round.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Yields
        ------
        ndarray of shape (n_samples,)
            By the first round, by two, and so on.
        """
        for decision in self.staged_decision_function(X):
            yield self._label(decision)

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
        for decision in self.staged_decision_function(X):
            yield self._probabilities(decision)

    def staged_decision_function(self, X: Any) -> Iterator[np.ndarray]:
        """Score of the classes after each round.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Yields
        ------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Of the first round, of two, and so on.
        """
        rows, say = self._whole(X), np.cumsum(self.estimator_weights_)
        staged = self._committee.staged_raw(rows, self._n_threads())
        for raw, total in zip(staged, say, strict=False):  # (say goes on with rounds not needed)
            yield self._decision(raw, total)

    def staged_score(self, X: Any, y: Any, sample_weight: Any = None) -> Iterator[float]:
        """Accuracy after each round.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Yields
        ------
        float
            Of the first round, of two, and so on.
        """
        for prediction in self.staged_predict(X):
            yield accuracy_score(y, prediction, sample_weight=sample_weight)

    def margin_distribution(self, X: Any, y: Any) -> np.ndarray:
        """Margin of each row: by how much its own class is ahead of the best other.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Their labels.

        Returns
        -------
        ndarray of shape (n_samples,)
            Above 0 where the prediction is right. For "SAMME" in shares of all say, -1 to 1
            (Schapire et al.); for "SAMME.R" in the units of the average log odds; for "LogitBoost"
            and "gentle" in those of the scores.
        """
        return self._margins(self.decision_function(X), self._codes(y))

    def staged_margin_distribution(self, X: Any, y: Any) -> Iterator[np.ndarray]:
        """Margin of each row after each round.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Their labels.

        Yields
        ------
        ndarray of shape (n_samples,)
            Of the first round, of two, and so on.
        """
        codes = self._codes(y)
        for decision in self.staged_decision_function(X):
            yield self._margins(decision, codes)

    # ------------------------------------------------------------ what scores mean
    def _decision(self, raw: np.ndarray, say: float) -> np.ndarray:
        if self.n_classes_ == 1:
            return np.zeros((len(raw), 1))
        if self.algorithm in VOTING:
            raw = raw / say
        return raw if raw.shape[1] > 1 else 2 * raw[:, 0]

    def _label(self, decision: np.ndarray) -> np.ndarray:
        if decision.ndim == 1:
            return self.classes_[(decision > 0).astype(np.intp)]
        return self.classes_[decision.argmax(axis=1)]

    def _probabilities(self, decision: np.ndarray) -> np.ndarray:
        if self.n_classes_ == 1:
            return np.ones((len(decision), 1))
        if decision.ndim == 1:
            second = expit(decision)
            return np.stack([1 - second, second], axis=1)
        if self.algorithm == "gentle":
            chances = expit(2 * decision)
            return chances / chances.sum(axis=1, keepdims=True)
        return softmax(decision / (self.n_classes_ - 1 if self.algorithm in VOTING else 1), axis=1)

    def _margins(self, decision: np.ndarray, codes: np.ndarray) -> np.ndarray:
        if self.n_classes_ == 1:  # there is none to be behind
            return np.ones(len(codes))
        if decision.ndim == 1:
            return np.where(codes == 1, decision, -decision) / 2
        rows = np.arange(len(codes))
        own, others = decision[rows, codes], decision.copy()
        others[rows, codes] = -np.inf
        share = (self.n_classes_ - 1) / self.n_classes_ if self.algorithm == "SAMME" else 1.0
        return share * (own - others.max(axis=1))

    def _codes(self, y: Any) -> np.ndarray:
        codes: np.ndarray = self._labels.transform(_check_y(y, estimator=self))
        return codes

    # ------------------------------------------------------------ fit
    def _default_estimator(self) -> Any:
        if self.algorithm in VOTING:
            return DecisionTreeClassifier(max_depth=1)
        return DecisionTreeRegressor(max_depth=1)

    def _check_estimator(self, estimator: Any) -> None:
        super()._check_estimator(estimator)
        owner, name = type(self).__name__, type(estimator).__name__
        if self.algorithm not in VOTING and is_classifier(estimator):
            raise ValueError(
                f"{owner}: estimator must be a regressor with algorithm={self.algorithm!r}, got "
                f"{name}. Such as sklearn.tree.DecisionTreeRegressor(max_depth=1)."
            )
        if self.algorithm in VOTING and is_regressor(estimator):
            raise ValueError(
                f"{owner}: estimator must be a classifier with algorithm={self.algorithm!r}, got "
                f"{name}. Such as sklearn.tree.DecisionTreeClassifier(max_depth=1)."
            )
        if self.algorithm == "SAMME.R" and not hasattr(estimator, "predict_proba"):
            raise TypeError(
                f"{owner}: estimator must have predict_proba with algorithm='SAMME.R', but {name} "
                "has none. Set algorithm='SAMME'."
            )

    def _encode_y(self, y: Any) -> np.ndarray:
        y = _check_y(y, estimator=self)
        check_classification_targets(y)
        self._labels: LabelEncoder = LabelEncoder()
        codes = self._labels.fit_transform(y)
        self.classes_ = self._labels.classes_
        self.n_classes_ = len(self.classes_)
        return codes.astype(np.int32)

    def _decode_y(self, y: np.ndarray) -> np.ndarray:
        return self.classes_[y]

    def _rule(self) -> str:
        return self.algorithm

    def _algorithm(self, y: np.ndarray, weight: np.ndarray, draw: "Draw | None") -> "Algorithm":
        from skextras.reweighting.algorithms import ALGORITHMS as MADE

        n_classes = max(2, self.n_classes_)
        rate = self.learning_rate
        return MADE[self.algorithm](y, weight, n_classes, learning_rate=rate, draw=draw)

    def _finish(self, course: "Course") -> None:
        self.training_error_bound_ = np.array(course.bounds)
        owner = type(self).__name__
        if not course.learners:
            raise ValueError(
                f"{owner}: the first weak learner must err on less than "
                f"{1 - 1 / max(2, self.n_classes_):.3g} of the weight, got "
                f"{course.refused_error:.3g}: it is no better or worse than random, and nothing "
                "can be boosted. Take a stronger estimator, or see whether X tells anything of y."
            )
        if course.ending == "overflow":
            warnings.warn(
                f"{owner}: Sample weights have reached infinite values, at iteration "
                f"{len(course.weights) - 1}, causing overflow. Iterations stopped. Try lowering "
                "the learning rate.",
                stacklevel=4,  # the caller of fit, which scikit-learn wraps
            )


class AdaBoostRegressor(RegressorMixin, BaseAdaBoost):
    """AdaBoost.R2 for numbers: the weighted median of learners that look at the worst errors.

    A drop-in for scikit-learn's ``AdaBoostRegressor``: same options with the same meaning, and more
    of both. Trees are grown on bins that are made once; any other estimator works as it does there.

    Parameters
    ----------
    estimator : estimator, default=None
        Weak learner; None is a tree of depth 3. scikit-learn's ``DecisionTreeRegressor`` (squared
        error) is grown by the engine, with its limits on depth, leaves, splits and features; other
        criteria, ``ccp_alpha`` and ``monotonic_cst`` go scikit-learn's own way.
    n_estimators : int, default=50
        Rounds at most.
    learning_rate : float, default=1.0
        Power of the factors by which weights grow.
    loss : {"linear", "square", "exponential"}, default="linear"
        Of an error as a share of the greatest [1]_.
    resample : bool, default=True
        Whether each learner sees a sample drawn by the weights, as in [1]_ and scikit-learn, rather
        than weights; then the estimator takes ``sample_weight``, and nothing is random but it.
    max_bins : int, default=255
        Bins of a feature for the engine's trees, 2 to 255.
    early_stopping : bool, default=False
        Whether to stop when the score on held-out rows no longer rises.
    scoring : str, callable or None, default=None
        That score; None is R².
    validation_fraction : int or float, default=0.1
        Rows to hold out.
    n_iter_no_change : int, default=10
        Rounds without a better score until the fit stops.
    tol : float, default=1e-7
        By how much a score must be better.
    n_jobs : int or None, default=None
        Threads of the engine; None takes what OpenMP would, -1 all. The model is the same bit for
        bit.
    random_state : int, RandomState or None, default=None
        Decides seeds of the weak learners, samples and held-out rows.

    Attributes
    ----------
    estimator_ : estimator
        The weak learner that was cloned.
    estimators_ : list of estimator
        Weak learners, fitted.
    n_iter_ : int
        Rounds that are kept.
    estimator_weights_ : ndarray of shape (n_estimators,)
        log(1/β) of each round; 0 for rounds that were not needed.
    estimator_errors_ : ndarray of shape (n_estimators,)
        Average loss of each round; 1 for rounds that were not needed.
    validation_scores_ : ndarray of shape (n_iter,)
        Score on held-out rows after each round; empty without early stopping.
    feature_importances_ : ndarray of shape (n_features,)
        Mean of the weak learners' importances, weighted as they are.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if they are all strings.

    See Also
    --------
    AdaBoostClassifier : The same for classes.
    GradientBoostingRegressor : Boosting of any loss, with every option of trees.

    References
    ----------
    .. [1] H. Drucker, "Improving Regressors using Boosting Techniques", ICML 1997.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skextras import AdaBoostRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = AdaBoostRegressor(n_estimators=100, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.5
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAdaBoost._parameter_constraints,
        "loss": [StrOptions(set(R2_LOSSES))],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 50,
        learning_rate: float = 1.0,
        loss: str = "linear",
        resample: bool = True,
        max_bins: int = 255,
        early_stopping: bool = False,
        scoring: Any = None,
        validation_fraction: float | int = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-7,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            estimator=estimator,
            n_estimators=n_estimators,
            learning_rate=learning_rate,
            resample=resample,
            max_bins=max_bins,
            early_stopping=early_stopping,
            scoring=scoring,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            n_jobs=n_jobs,
            random_state=random_state,
        )
        self.loss = loss

    def predict(self, X: Any) -> np.ndarray:
        """Predict the number.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Weighted median of the learners' answers.
        """
        if "_known" in self.__dict__:  # a scorer asks about rows that are being boosted
            return weighted_median(self._known, self.estimator_weights_)
        n_threads = self._n_threads()
        parts = [self._committee.median(block, n_threads) for block in self._blocks_of(X)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def staged_predict(self, X: Any) -> Iterator[np.ndarray]:
        """Predict the number after each round.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.

        Yields
        ------
        ndarray of shape (n_samples,)
            By the first round, by two, and so on.
        """
        yield from self._committee.staged_median(self._whole(X), self._n_threads())

    def staged_score(self, X: Any, y: Any, sample_weight: Any = None) -> Iterator[float]:
        """R² after each round.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Yields
        ------
        float
            Of the first round, of two, and so on.
        """
        for prediction in self.staged_predict(X):
            yield r2_score(y, prediction, sample_weight=sample_weight)

    # ------------------------------------------------------------ fit
    def _default_estimator(self) -> Any:
        return DecisionTreeRegressor(max_depth=3)

    def _encode_y(self, y: Any) -> np.ndarray:
        return _check_y(y, y_numeric=True, estimator=self).astype(np.float64)

    def _decode_y(self, y: np.ndarray) -> np.ndarray:
        return y

    def _rule(self) -> str:
        return "R2"

    def _algorithm(self, y: np.ndarray, weight: np.ndarray, draw: "Draw | None") -> "Algorithm":
        from skextras.reweighting.algorithms import R2

        return R2(y, weight, loss=self.loss, learning_rate=self.learning_rate, draw=draw)

    def _finish(self, course: "Course") -> None:
        if not course.learners:  # a model of one learner is one, as the host has it
            warnings.warn(
                f"{type(self).__name__}: the average loss of the first weak learner must be below "
                f"0.5 (0 is no error, 1 its greatest), got {course.refused_error:.3g}: nothing can "
                "be boosted, and the model is this learner alone. Take a stronger estimator, or "
                "loss='square', which forgives what is far from the greatest error.",
                stacklevel=4,  # the caller of fit, which scikit-learn wraps
            )
            course.learners.extend(course.refused)
            course.weights.append(1.0)
            course.errors.append(course.refused_error)
            course.bounds.append(float("nan"))
