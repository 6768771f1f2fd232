"""What every mixture estimator tells its shell: options, and the hooks of a member."""

from abc import ABC, abstractmethod
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import Tags
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils._param_validation import Interval, StrOptions

from skextras.mixture.components import Components, Parameters
from skextras.mixture.reading import Summary, check_numbers
from skextras.mixture.sweeping import Sweep


class MixtureShell(DensityMixin, BaseEstimator, ABC):
    """Options, hooks and the sweep; abstract."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "init_params": [StrOptions({"kmeans", "random", "random_from_data", "k-means++"})],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "acceleration": [StrOptions({"squarem", "anderson"}), None],
        "discard_starts": ["boolean"],
        "learning_decay": [Interval(Real, 0.5, 1, closed="right")],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "verbose_interval": [Interval(Integral, 1, None, closed="left")],
    }

    # options that every member has
    n_components: int
    tol: float
    max_iter: int
    n_init: int
    init_params: str
    random_state: Any
    warm_start: bool
    acceleration: str | None
    discard_starts: bool
    learning_decay: float
    n_jobs: int | None
    verbose: int
    verbose_interval: int
    # what a fit leaves
    weights_: np.ndarray
    n_features_in_: int

    def __sklearn_tags__(self) -> Tags:
        """Values may be missing."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    # ------------------------------------------------------------ what a member adds
    @abstractmethod
    def _components(self, summary: Summary | None) -> Components:
        """The family; without a summary, for predictions by the fitted parameters."""

    @abstractmethod
    def _first(self, summary: Summary, means: np.ndarray) -> Parameters:
        """Parameters of any kind with these means, shape (k, d), about the centre."""

    @abstractmethod
    def _publish(self, parameters: Parameters, centre: np.ndarray, dtype: Any) -> None:
        """Set the fitted attributes."""

    @abstractmethod
    def _own_parameters(self, centre: np.ndarray) -> Parameters:
        """Parameters, weights first, from the fitted attributes."""

    @abstractmethod
    def _n_parameters(self) -> int:
        """Number of free parameters."""

    @abstractmethod
    def _draw(self, counts: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        """Rows of each component, one component after the other."""

    def _numbers(self, X: Any, *, reset: bool) -> np.ndarray:
        """Checked rows as the components take them."""
        return check_numbers(self, X, reset=reset)

    def _with_initial(self, parameters: Parameters, centre: np.ndarray) -> Parameters:
        """Parameters with those that the user gave in place of found ones."""
        return parameters

    def _centre(self) -> np.ndarray:
        """Where the fitted parameters are."""
        return np.zeros(self.n_features_in_)

    def _sweep(
        self, components: Components, centre: np.ndarray, dtype: Any, n_threads: int | None = None
    ) -> Sweep:
        n_threads = self._threads() if n_threads is None else n_threads
        return Sweep(components, self._k(), centre, dtype, n_threads)

    def _k(self) -> int:
        return self.n_components

    def _threads(self) -> int:
        if self.n_jobs is None:
            return int(_openmp_effective_n_threads())
        return int(effective_n_jobs(self.n_jobs))

    def _check_options(self) -> None:
        """Refuse options that contradict one another."""

    def _check_size(self, n: int) -> None:
        if n < self.n_components:
            raise ValueError(
                f"Expected n_samples >= n_components but got n_components = {self.n_components}, "
                f"n_samples = {n}"
            )
