"""What both AdaBoost estimators share with their host: validation, state, the list of learners."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, MetaEstimatorMixin, _fit_context
from sklearn.utils import Tags, check_random_state, get_tags
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils._param_validation import HasMethods, Interval, RealNotInt
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from skextras.reweighting.committees import Committee, EstimatorCommittee, TreeCommittee
from skextras.reweighting.trees import as_host, is_grown
from skextras.tables import TableEncoder, encode, value_blocks

if TYPE_CHECKING:
    from skextras.reweighting.algorithm import Algorithm
    from skextras.reweighting.learners import Draw
    from skextras.reweighting.rounds import Course


class BaseAdaBoost(MetaEstimatorMixin, BaseEstimator, ABC):
    """Shell of the AdaBoost estimators; abstract."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "resample": ["boolean"],
        "max_bins": [Interval(Integral, 2, 255, closed="both")],
        "early_stopping": ["boolean"],
        "scoring": [str, callable, None],
        "validation_fraction": [
            Interval(RealNotInt, 0, 1, closed="neither"),
            Interval(Integral, 1, None, closed="left"),
        ],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    _committee: Committee
    _course: "Course"

    def __init__(
        self,
        *,
        estimator: Any,
        n_estimators: int,
        learning_rate: float,
        resample: bool,
        max_bins: int,
        early_stopping: bool,
        scoring: Any,
        validation_fraction: float | int,
        n_iter_no_change: int,
        tol: float,
        n_jobs: int | None,
        random_state: int | np.random.RandomState | None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.resample = resample
        self.max_bins = max_bins
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.n_jobs = n_jobs
        self.random_state = random_state

    # ------------------------------------------------------------ what a member adds
    @abstractmethod
    def _default_estimator(self) -> Any:
        """The weak learner where none is given."""

    @abstractmethod
    def _encode_y(self, y: Any) -> np.ndarray:
        """Targets as numbers; sets what there is to know of them."""

    @abstractmethod
    def _decode_y(self, y: np.ndarray) -> np.ndarray:
        """Targets in the user's terms again."""

    @abstractmethod
    def _algorithm(self, y: np.ndarray, weight: np.ndarray, draw: "Draw | None") -> "Algorithm":
        """A way to boost."""

    @abstractmethod
    def _rule(self) -> str:
        """Its name."""

    @abstractmethod
    def _finish(self, course: "Course") -> None:
        """Say why the fit has ended, if there is something to say, and keep what else it found."""

    # ------------------------------------------------------------ fit
    @_fit_context(prefer_skip_nested_validation=False)  # the weak learner's options are its own
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows. NaN is a missing value where the weak learner takes it, as trees do.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Repetitions of each row; a row of weight 0 is not there.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If an option is out of range, the data do not fit it, or the weak learner is no better
            than chance.
        """
        from skextras.reweighting.fitting import EstimatorFit, TreeFit  # compile kernels once

        estimator = self._default_estimator() if self.estimator is None else self.estimator
        self._check_estimator(estimator)
        self.estimator_ = estimator
        self.__dict__.pop("_estimators", None)
        y = self._encode_y(y)
        if is_grown(estimator):
            self._encoder = TableEncoder(None, max_bins=self.max_bins, owner=type(self).__name__)
            table = encode(self, self._encoder, X, reset=True)
            fit: Any = TreeFit(self, table, y, sample_weight)
        else:
            self.__dict__.pop("_encoder", None)
            checked = validate_data(self, X, **self._check_options)
            fit = EstimatorFit(self, checked, y, sample_weight)
        course = fit.run(check_random_state(self.random_state))
        self._finish(course)
        n, kept = self.n_estimators, len(course.weights)
        self.estimator_weights_ = np.zeros(n)
        self.estimator_errors_ = np.ones(n)
        self.estimator_weights_[:kept], self.estimator_errors_[:kept] = (
            course.weights,
            course.errors,
        )
        self.n_iter_ = kept
        self.validation_scores_ = np.array(course.scores)
        self._committee = fit.committee(course)
        return self

    def _check_estimator(self, estimator: Any) -> None:
        if not self.resample and not has_fit_parameter(estimator, "sample_weight"):
            raise ValueError(
                f"{type(self).__name__}: estimator must take sample_weight with resample=False, "
                f"but {type(estimator).__name__} doesn't support sample_weight. "
                "Set resample=True."
            )

    @property
    def _check_options(self) -> dict[str, Any]:
        estimator = self._default_estimator() if self.estimator is None else self.estimator
        return {
            "accept_sparse": ["csr", "csc"],
            "allow_nd": True,
            "dtype": None,
            "ensure_all_finite": "allow-nan" if _takes_nan(estimator) else True,
        }

    def _n_threads(self) -> int:
        if self.n_jobs is None:
            return int(_openmp_effective_n_threads())
        return int(effective_n_jobs(self.n_jobs))

    # ------------------------------------------------------------ learners
    @property
    def estimators_(self) -> list[Any]:
        """Weak learners, fitted; trees of the engine become scikit-learn's when first asked for.

        Returns
        -------
        list of estimator
            A round after another; for "LogitBoost" and "gentle" on more than two classes, one a
            class in each round.
        """
        check_is_fitted(self)
        if isinstance(self._committee, EstimatorCommittee):
            return self._committee.estimators
        if "_estimators" not in self.__dict__:
            self._estimators = list(self._converted(self._committee))
        return self._estimators

    def _converted(self, committee: Any) -> Iterator[Any]:
        start = 0
        for number, tree in enumerate(committee.ensemble.trees):
            own = slice(start, start + tree.n_nodes)
            start += tree.n_nodes
            yield as_host(
                self.estimator_,
                tree,
                committee.said[own],
                committee.impurity[own],
                n_features=self.n_features_in_,
                classes=getattr(self, "classes_", None) if committee.said.ndim == 2 else None,
                seed=int(committee.seeds[number]),
            )

    def __getstate__(self) -> Any:
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_estimators"}

    def __len__(self) -> int:
        """Number of weak learners."""
        return len(self.estimators_)

    def __getitem__(self, index: int) -> Any:
        """A weak learner."""
        return self.estimators_[index]

    def __iter__(self) -> Iterator[Any]:
        """All weak learners."""
        return iter(self.estimators_)

    @property
    def feature_importances_(self) -> np.ndarray:
        """Mean of the weak learners' importances, weighted as they are.

        Returns
        -------
        ndarray of shape (n_features,)
            Sums to 1, unless nothing was split.
        """
        check_is_fitted(self)
        if isinstance(self._committee, TreeCommittee):
            return self._committee.importances(self.n_features_in_)
        n_answers = len(self.estimators_) // self.n_iter_
        weights = np.repeat(self.estimator_weights_[: self.n_iter_], n_answers)
        try:
            found = [one.feature_importances_ for one in self.estimators_]
        except AttributeError as error:
            raise AttributeError(
                f"{type(self).__name__}: the weak learner has no feature_importances_. "
                "See sklearn.inspection.permutation_importance."
            ) from error
        return np.average(found, axis=0, weights=weights)

    # ------------------------------------------------------------ predictions
    def _blocks_of(self, X: Any) -> Iterator[Any]:
        """Rows as the committee takes them: in blocks where they must be made dense."""
        check_is_fitted(self)
        if isinstance(self._committee, EstimatorCommittee):
            yield validate_data(self, X, reset=False, **self._check_options)
            return
        yield from value_blocks(encode(self, self._encoder, X, reset=False))

    def _whole(self, X: Any) -> Any:
        parts = list(self._blocks_of(X))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_committee")

    def __sklearn_tags__(self) -> Tags:
        """Tables may be sparse and values missing where the weak learner takes them."""
        tags = super().__sklearn_tags__()
        estimator = self._default_estimator() if self.estimator is None else self.estimator
        tags.input_tags.sparse = get_tags(estimator).input_tags.sparse
        tags.input_tags.allow_nan = _takes_nan(estimator)
        return tags


def _takes_nan(estimator: Any) -> bool:
    return bool(get_tags(estimator).input_tags.allow_nan)
