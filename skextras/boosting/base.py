"""What both gradient boosting estimators share with their host: validation, state, predictions."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, _fit_context
from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
from sklearn.utils import Tags, check_random_state
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.validation import (
    _check_monotonic_cst,
    check_consistent_length,
    check_is_fitted,
)

from skextras.boosting.constraints import interaction_sets
from skextras.boosting.understanding import UnderstandingMixin
from skextras.tables import TableEncoder, as_blocks, encode, row_weights, value_blocks
from skextras.trees.arrays import Ensemble

if TYPE_CHECKING:  # the engine compiles when it is imported, so that it waits for the first fit
    from skextras.boosting.fitting import Data
    from skextras.boosting.rounds import Recipe
    from skextras.boosting.sources import Source
    from skextras.boosting.training import Course
    from skextras.losses import Loss
    from skextras.trees.binning import BinMapper
    from skextras.trees.workspace import Growth


class BaseGradientBoosting(UnderstandingMixin, BaseEstimator, ABC):
    """Shell of the gradient boosting estimators; abstract."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_leaf_nodes": [Interval(Integral, 2, None, closed="left"), None],
        "max_depth": [Interval(Integral, 1, None, closed="left"), None],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "l2_regularization": [Interval(Real, 0, None, closed="left")],
        "l1_regularization": [Interval(Real, 0, None, closed="left")],
        "min_gain_to_split": [Interval(Real, 0, None, closed="left")],
        "grow_policy": [StrOptions({"lossguide", "depthwise"})],
        "max_features": [Interval(RealNotInt, 0, 1, closed="right")],
        "subsample": [Interval(Real, 0, 1, closed="right")],
        "sampling": [StrOptions({"uniform", "goss"})],
        "top_rate": [Interval(Real, 0, 1, closed="neither")],
        "other_rate": [Interval(Real, 0, 1, closed="neither")],
        "boosting": [StrOptions({"gbdt", "dart"})],
        "drop_rate": [Interval(Real, 0, 1, closed="both")],
        "max_drop": [Interval(Integral, 1, None, closed="left")],
        "skip_drop": [Interval(Real, 0, 1, closed="both")],
        "leaf_iterations": [Interval(Integral, 1, None, closed="left")],
        "max_bins": [Interval(Integral, 2, 255, closed="both")],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "monotonic_cst": ["array-like", dict, None],
        "interaction_cst": [
            list,
            tuple,
            StrOptions({"pairwise", "no_interactions"}),
            None,
        ],
        "warm_start": ["boolean"],
        "early_stopping": [StrOptions({"auto"}), "boolean"],
        "scoring": [str, callable, None],
        "validation_fraction": [
            Interval(RealNotInt, 0, 1, closed="neither"),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "callbacks": [list, tuple, callable, None],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        learning_rate: float,
        max_iter: int,
        max_leaf_nodes: int | None,
        max_depth: int | None,
        min_samples_leaf: int,
        l2_regularization: float,
        l1_regularization: float,
        min_gain_to_split: float,
        grow_policy: str,
        max_features: float,
        subsample: float,
        sampling: str,
        top_rate: float,
        other_rate: float,
        boosting: str,
        drop_rate: float,
        max_drop: int,
        skip_drop: float,
        leaf_iterations: int,
        max_bins: int,
        categorical_features: Any,
        monotonic_cst: Any,
        interaction_cst: Any,
        warm_start: bool,
        early_stopping: bool | str,
        scoring: Any,
        validation_fraction: float | int | None,
        n_iter_no_change: int,
        tol: float,
        callbacks: Any,
        n_jobs: int | None,
        verbose: int,
        random_state: int | np.random.RandomState | None,
    ) -> None:
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.l1_regularization = l1_regularization
        self.min_gain_to_split = min_gain_to_split
        self.grow_policy = grow_policy
        self.max_features = max_features
        self.subsample = subsample
        self.sampling = sampling
        self.top_rate = top_rate
        self.other_rate = other_rate
        self.boosting = boosting
        self.drop_rate = drop_rate
        self.max_drop = max_drop
        self.skip_drop = skip_drop
        self.leaf_iterations = leaf_iterations
        self.max_bins = max_bins
        self.categorical_features = categorical_features
        self.monotonic_cst = monotonic_cst
        self.interaction_cst = interaction_cst
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.callbacks = callbacks
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    # ------------------------------------------------------------ what a member adds
    @abstractmethod
    def _encode_y(self, y: Any, *, reset: bool) -> np.ndarray:
        """Targets as numbers; sets what there is to know of them."""

    @abstractmethod
    def _make_loss(self) -> "Loss":
        """The loss to minimise."""

    @abstractmethod
    def _decode_y(self, y: np.ndarray) -> np.ndarray:
        """Targets in the user's terms again."""

    def _weigh(self, weight: np.ndarray | None, y: np.ndarray) -> np.ndarray | None:
        """Weights of the rows, times what the member knows."""
        return weight

    # ------------------------------------------------------------ fit
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Fit the model.

        Interrupted by Ctrl-C, the model keeps the rounds that were finished and can be used.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features), or blocks
            Rows. NaN is a missing value; it goes where the training rows without one gain most.
            Blocks are a list, or another iterable that can be walked twice, of ``(X, y)`` or
            ``(X, y, sample_weight)``: only their bins are kept, a byte a value.
        y : array-like of shape (n_samples,), default=None
            Targets; None only with blocks.
        sample_weight : array-like of shape (n_samples,), default=None
            Repetitions of each row; a row of weight 0 is not there.
        X_val, y_val, sample_weight_val : array-like, default=None
            Rows to stop early on, in place of a part of X.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If an option is out of range, or the data do not fit it.
        """
        from skextras.boosting.fitting import Fit  # compiles its kernels once

        started = time.perf_counter()
        self._draw_seed()
        data = self._read(X, y, sample_weight)
        validation = self._read_validation(X_val, y_val, sample_weight_val)
        self._check_options(has_validation=validation is not None)
        self.do_early_stopping_ = self._stops_early(len(data.y))
        ready = Fit(self, data, validation).ready()
        del data, validation  # what a table takes beside its bins is free while trees grow
        ready.run(self)
        if self.verbose:
            _print_fit(self._ensemble, time.perf_counter() - started)
        return self

    def _read(self, X: Any, y: Any, sample_weight: Any) -> "Data":
        from skextras.boosting.fitting import Data, read_blocks, source_of

        owner = type(self).__name__
        reset = not self._goes_on  # trees that stay know the categories and classes of their fit
        encoder = TableEncoder(self.categorical_features, max_bins=self.max_bins, owner=owner)
        encoder = encoder if reset else self._encoder
        blocks = as_blocks(X, y, owner=owner)
        source: Source
        if blocks is None:
            table = encode(self, encoder, X, reset=reset)
            source, values = source_of(table), table.values
        else:
            source, y, sample_weight = read_blocks(
                self, encoder, blocks, self._random_seed, reset=reset
            )
            values = None
        self._encoder, self.is_categorical_ = encoder, encoder.is_categorical_
        y = self._encode_y(y, reset=reset)
        if values is not None:
            check_consistent_length(values, y)
        weight = row_weights(sample_weight, len(y))
        return Data(source, y, self._weigh(weight, y), values)

    def _read_validation(self, X: Any, y: Any, sample_weight: Any) -> "Data | None":
        if X is None and y is None:
            return None
        if y is None:
            raise ValueError("X_val is provided, but y_val was not provided.")
        if X is None:
            raise ValueError("y_val is provided, but X_val was not provided.")
        from skextras.boosting.fitting import Data, source_of

        table = encode(self, self._encoder, X, reset=False)
        y = self._encode_y(y, reset=False)
        check_consistent_length(table, y)
        weight = row_weights(sample_weight, len(y))
        return Data(source_of(table), y, weight, table.values)

    def _check_options(self, *, has_validation: bool) -> None:
        if self.monotonic_cst is not None and self.n_trees_per_iteration_ != 1:
            raise ValueError(
                "monotonic constraints are not supported for multiclass classification."
            )
        if has_validation and self.early_stopping is False:
            raise ValueError(
                "X_val and y_val are passed to fit while at the same time early_stopping is "
                "False. When passing X_val and y_val to fit,early_stopping should be set to "
                "either 'auto' or True."
            )
        owner = type(self).__name__
        callbacks = self.callbacks or ()
        for callback in () if callable(callbacks) else callbacks:
            if not callable(callback):
                raise TypeError(
                    f"{owner}: callbacks must be functions of the estimator and its course, got "
                    f"{callback!r} among them. Take it out."
                )
        if self.boosting == "dart" and self.early_stopping is True:
            raise ValueError(
                f"{owner}: early_stopping must be False or 'auto' with boosting='dart', got True. "
                "A dropped tree changes later, so that the best round is not known when it passes."
            )
        if self.sampling == "goss" and self.subsample != 1.0:
            raise ValueError(
                f"{owner}: subsample must be 1.0 with sampling='goss', got {self.subsample!r}. "
                "Set top_rate and other_rate instead."
            )
        if self.sampling == "goss" and self.top_rate + self.other_rate > 1:
            raise ValueError(
                f"{owner}: top_rate + other_rate must be at most 1, got "
                f"{self.top_rate} + {self.other_rate}. Lower one of them."
            )

    # ------------------------------------------------------------ what the fit asks for
    @property
    def _goes_on(self) -> bool:
        """Whether a fit adds to the trees of the last one."""
        return bool(self.warm_start and hasattr(self, "_ensemble"))

    def _draw_seed(self) -> None:
        """One seed a model: warm starts go on with the first fit's, and so with its split."""
        if not self._goes_on:
            random = check_random_state(self.random_state)
            self._random_seed = int(random.randint(np.iinfo(np.uint32).max, dtype=np.uint64))

    def _n_threads(self) -> int:
        if self.n_jobs is None:
            return int(_openmp_effective_n_threads())
        return int(effective_n_jobs(self.n_jobs))

    def _stops_early(self, n_rows: int) -> bool:
        if self.early_stopping == "auto":
            return n_rows > 10_000 and self.boosting == "gbdt"
        return bool(self.early_stopping)

    def _resumed(self) -> "Course | None":
        """Where a warm start goes on."""
        from skextras.boosting.training import Course

        if not self._goes_on:
            return None
        if self.max_iter < self.n_iter_:
            raise ValueError(
                f"max_iter={self.max_iter} must be larger than or equal to "
                f"n_iter_={self.n_iter_} when warm_start==True"
            )
        return Course(
            self._ensemble.start,
            list(self._ensemble.trees),
            self.train_score_.tolist(),
            self.validation_score_.tolist(),
        )

    def _growth(self) -> "Growth":
        from skextras.trees.workspace import Growth

        monotonic = _check_monotonic_cst(self, self.monotonic_cst)
        if self.is_categorical_ is not None and np.any(monotonic[self.is_categorical_]):
            raise ValueError("Categorical features cannot have monotonic constraints.")
        return Growth(
            max_leaves=self.max_leaf_nodes,
            max_depth=self.max_depth,
            min_samples_leaf=self.min_samples_leaf,
            l2=self.l2_regularization,
            l1=self.l1_regularization,
            min_gain=self.min_gain_to_split,
            order="best" if self.grow_policy == "lossguide" else "depth",
            max_features=self.max_features,
            monotonic=monotonic,
            interactions=interaction_sets(self.interaction_cst, self.n_features_in_),
        )

    def _recipe(self) -> "Recipe":
        from skextras.boosting.rounds import Recipe

        return Recipe(
            learning_rate=self.learning_rate,
            subsample=self.subsample,
            sampling=self.sampling,
            top_rate=self.top_rate,
            other_rate=self.other_rate,
            boosting=self.boosting,
            drop_rate=self.drop_rate,
            max_drop=self.max_drop,
            skip_drop=self.skip_drop,
            leaf_iterations=self.leaf_iterations,
            seed=self._random_seed,
        )

    def _keep(self, course: "Course", mapper: "BinMapper") -> None:
        from skextras.trees.prediction import Predictor

        self._ensemble = course.ensemble()
        self._predictor = Predictor(self._ensemble, mapper)  # its tables come when they are needed
        self.train_score_ = np.array(course.train_scores)
        self.validation_score_ = np.array(course.validation_scores)

    # ------------------------------------------------------------ predictions
    @property
    def n_iter_(self) -> int:
        """Rounds done; each made one tree, or one a class.

        Returns
        -------
        int
            How many.
        """
        check_is_fitted(self)
        return len(self._ensemble.trees) // self._ensemble.n_outputs

    def _values_of(self, X: Any) -> Iterator[np.ndarray]:
        """Numbers of a table, in one piece, or in blocks if it is sparse."""
        return value_blocks(encode(self, self._encoder, X, reset=False))

    def _raw_predict(self, X: Any) -> np.ndarray:
        """Sum of the trees, (n, n_outputs)."""
        known = self.__dict__
        if "_known_raw" in known:  # a scorer asks about rows that are being boosted
            return self._known_raw
        if "_ensemble" not in known:  # the host's question takes longer than to answer for a row
            check_is_fitted(self)
        predictor, parts = self._predictor, []
        for block in self._values_of(X):  # to count threads takes longer than to predict a row
            n_threads = 1 if predictor.is_short(len(block)) else self._n_threads()
            parts.append(predictor.raw_predict(block, n_threads))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _staged_raw_predict(self, X: Any) -> Iterator[np.ndarray]:
        check_is_fitted(self)
        yield from self._predictor.staged(self._numbers(X), self._n_threads())

    def _numbers(self, X: Any) -> np.ndarray:
        parts = list(self._values_of(X))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_ensemble") or "_known_raw" in self.__dict__

    def __sklearn_tags__(self) -> Tags:
        """Values may be missing, tables sparse."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags


# scikit-learn's partial dependence takes its fast way for these alone, and asks no tag.
BaseHistGradientBoosting.register(BaseGradientBoosting)


def _print_fit(ensemble: Ensemble, seconds: float) -> None:
    """Print what was done, as the host does for ``verbose``."""
    n_leaves = int(ensemble.n_leaves.sum())
    line = f"Fit {len(ensemble.trees)} trees in {seconds:.3f} s, ({n_leaves} total leaves)"
    print(line)  # noqa: T201, since verbose asks for it
