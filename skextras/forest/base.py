"""What the forests, and the trees in them, share with their host: validation, fit, state."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self
from warnings import warn

import numpy as np
from joblib import effective_n_jobs
from scipy import sparse
from sklearn.base import BaseEstimator, MultiOutputMixin, _fit_context
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.validation import (
    _check_monotonic_cst,
    check_consistent_length,
    check_is_fitted,
)

from skextras.tables import TableEncoder, encode, row_weights, value_blocks

if TYPE_CHECKING:  # the engine compiles when it is imported, so that it waits for the first fit
    from skextras.forest.fitting import Sampled
    from skextras.trees.edges import BinMapper
    from skextras.trees.forest_store import Forest
    from skextras.trees.forest_targets import Targets
    from skextras.trees.prediction import Predictor

MAX_SEED = np.iinfo(np.int32).max
GROWTH_CONSTRAINTS: dict[str, list[Any]] = {
    "splitter": [StrOptions({"best", "random"})],
    "max_depth": [Interval(Integral, 1, None, closed="left"), None],
    "min_samples_split": [
        Interval(Integral, 2, None, closed="left"),
        Interval(RealNotInt, 0.0, 1.0, closed="right"),
    ],
    "min_samples_leaf": [
        Interval(Integral, 1, None, closed="left"),
        Interval(RealNotInt, 0.0, 1.0, closed="neither"),
    ],
    "min_weight_fraction_leaf": [Interval(Real, 0.0, 0.5, closed="both")],
    "max_features": [
        Interval(Integral, 1, None, closed="left"),
        Interval(RealNotInt, 0.0, 1.0, closed="right"),
        StrOptions({"sqrt", "log2"}),
        None,
    ],
    "max_leaf_nodes": [Interval(Integral, 2, None, closed="left"), None],
    "min_impurity_decrease": [Interval(Real, 0.0, None, closed="left")],
    "ccp_alpha": [Interval(Real, 0.0, None, closed="left")],
    "monotonic_cst": ["array-like", dict, None],
    "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    "max_bins": [Interval(Integral, 2, 255, closed="both")],
    "random_state": ["random_state"],
}


class BaseForest(MultiOutputMixin, BaseEstimator, ABC):
    """Shell of the forests; abstract. A tree is a forest of one that sees all rows."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **GROWTH_CONSTRAINTS,
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "bootstrap": ["boolean"],
        "oob_score": ["boolean", callable],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "max_samples": [
            None,
            Interval(RealNotInt, 0.0, None, closed="neither"),
            Interval(Integral, 1, None, closed="left"),
        ],
    }
    # What a tree, which has no such option, has in their place.
    n_estimators: int = 1
    criterion: str
    max_features: Any
    min_samples_leaf: Any
    categorical_features: Any
    max_bins: int
    monotonic_cst: Any
    ccp_alpha: float
    random_state: Any
    bootstrap: Any = False
    oob_score: Any = False
    warm_start: bool = False
    max_samples: Any = None
    n_jobs: int | None = None
    verbose: int = 0
    class_weight: Any = None
    keep_samples: bool = False
    n_outputs_: int
    _encoder: TableEncoder
    _predictor: "Predictor"
    n_features_in_: int

    # ------------------------------------------------------------ what a member adds
    @abstractmethod
    def _encode_y(self, y: np.ndarray) -> "Targets":
        """Targets for the engine; sets what there is to know of them."""

    @abstractmethod
    def _set_oob_score_and_attributes(
        self, predictions: np.ndarray, y: np.ndarray, score: Any
    ) -> None:
        """Keeps predictions of rows by the trees that did not see them, and their score."""

    def _lanes(self, y: np.ndarray) -> np.ndarray:
        """Targets as the values of nodes are."""
        return np.asarray(y, np.float64)

    def _weigh(self, weight: np.ndarray | None, y: np.ndarray) -> np.ndarray | None:
        """Weights of the rows, times what the member knows."""
        return weight

    # ------------------------------------------------------------ fit
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Grow the trees.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Rows. NaN is a missing value; it goes where the rows without one gain most.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
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
            If an option is out of range, or the data do not fit it.
        """
        from skextras.forest.fitting import Fit  # compiles its kernels once

        started = time.perf_counter()
        self._check_options()
        if sparse.issparse(y):
            raise ValueError("sparse multilabel-indicator for y is not supported.")
        goes_on = self._goes_on
        owner = type(self).__name__
        encoder = TableEncoder(self.categorical_features, max_bins=self.max_bins, owner=owner)
        encoder = self._encoder if goes_on else encoder
        table = encode(self, encoder, X, reset=not goes_on)
        y = self._checked_y(y)
        check_consistent_length(table, y)
        weight = row_weights(sample_weight, len(y))
        seeds = self._draw_seeds()
        targets = self._encode_y(y)
        self._encoder, self.is_categorical_ = encoder, encoder.is_categorical_
        fit = Fit(self, table, y, targets)
        if seeds:
            fit.run(weight, seeds)
        if self.oob_score and (seeds or not hasattr(self, "oob_score_")):
            fit.score_out_of_bag()
        if self.verbose:
            _print_fit(self._forest, time.perf_counter() - started)
        return self

    def _checked_y(self, y: Any) -> np.ndarray:
        """Targets of shape (n, n_outputs)."""
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        y = self._check_y(y)
        if y.ndim == 2 and y.shape[1] == 1:
            warn(
                "A column-vector y was passed when a 1d array was expected. Please change the "
                "shape of y to (n_samples,), for example using ravel().",
                DataConversionWarning,
                stacklevel=3,
            )
        y = y.reshape(len(y), -1)
        self.n_outputs_ = y.shape[1]
        return y

    @abstractmethod
    def _check_y(self, y: Any) -> np.ndarray:
        """Targets as the host checks them."""

    def _check_options(self) -> None:
        if not self.bootstrap and self.max_samples is not None:
            raise ValueError(
                "`max_sample` cannot be set if `bootstrap=False`. Either switch to "
                "`bootstrap=True` or set `max_sample=None`."
            )
        if not self.bootstrap and self.oob_score:
            raise ValueError("Out of bag estimation only available if bootstrap=True")
        if self._goes_on and self.n_estimators < self._forest.n_trees:
            raise ValueError(
                f"n_estimators={self.n_estimators} must be larger or equal to "
                f"len(estimators_)={self._forest.n_trees} when warm_start==True"
            )

    # ------------------------------------------------------------ what the fit asks for
    @property
    def _goes_on(self) -> bool:
        """Whether a fit adds to the trees of the last one."""
        return bool(self.warm_start and hasattr(self, "_forest"))

    def _draw_seeds(self) -> list[int]:
        """Seeds of the trees that are still to grow: the ones that they would have had at once."""
        random = check_random_state(self.random_state)
        n_there = self._forest.n_trees if self._goes_on else 0
        if n_there == self.n_estimators:
            warn(
                "Warm-start fitting without increasing n_estimators does not fit new trees.",
                stacklevel=3,
            )
        seeds = random.randint(MAX_SEED, size=self.n_estimators).tolist()
        return seeds[n_there:]

    def _n_threads(self) -> int:
        return int(effective_n_jobs(self.n_jobs))

    def _monotonic(self) -> np.ndarray | None:
        if self.monotonic_cst is None:
            return None
        if self.n_outputs_ > 1:
            raise ValueError("Monotonicity constraints are not supported with multiple outputs.")
        monotonic = _check_monotonic_cst(self, self.monotonic_cst)
        if self.is_categorical_ is not None and np.any(monotonic[self.is_categorical_]):
            raise ValueError("Categorical features cannot have monotonic constraints.")
        return np.asarray(monotonic, np.int64)

    def _keep(
        self, forest: "Forest", mapper: "BinMapper", sampled: "Sampled", seeds: list[int]
    ) -> None:
        self._forest, self._mapper, self._sampled, self._seeds = forest, mapper, sampled, seeds
        self._prepare()

    def _prepare(self) -> None:
        from skextras.trees.forest_prediction import ForestPredictor

        self._predictor = ForestPredictor(self._forest, self._mapper)

    def __getstate__(self) -> dict[str, Any]:
        """Tables for prediction are made again when they are needed."""
        state = dict(super().__getstate__())
        state.pop("_predictor", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_forest" in state:
            self._prepare()

    # ------------------------------------------------------------ predictions
    def _blocks(self, X: Any) -> Iterator[np.ndarray]:
        return value_blocks(encode(self, self._encoder, X, reset=False))

    def _raw_predict(self, X: Any) -> np.ndarray:
        """Means over the trees, (n, n_lanes)."""
        check_is_fitted(self)
        n_threads = self._n_threads()
        parts = [self._predictor.raw_predict(block, n_threads) for block in self._blocks(X)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _apply(self, X: Any) -> np.ndarray:
        """Leaf of each row in each tree, (n, n_trees)."""
        check_is_fitted(self)
        n_threads = self._n_threads()
        parts = [self._predictor.apply(block, n_threads) for block in self._blocks(X)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_forest")

    def __sklearn_tags__(self) -> Tags:
        """Values may be missing, tables sparse."""
        tags = super().__sklearn_tags__()
        tags.input_tags = replace(tags.input_tags, allow_nan=True, sparse=True)
        return tags


def _print_fit(forest: "Forest", seconds: float) -> None:
    """Print what was done, for ``verbose``."""
    n_leaves = int((forest.feature < 0).sum())
    line = f"Fit {forest.n_trees} trees in {seconds:.3f} s, ({n_leaves} total leaves)"
    print(line)  # noqa: T201, since verbose asks for it
