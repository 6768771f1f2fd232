"""What a mixture asks of its components, and the step of EM made of it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np

from skextras.mixture import kernels
from skextras.mixture.em import InfeasibleError
from skextras.mixture.sweeping import Block, Rows, Sweep

__all__ = ["Components", "MixtureStep", "log_weights_of"]

Parameters = tuple[np.ndarray, ...]


class Components(ABC):
    """A family of component distributions; abstract.

    Parameters of all components stand together in a tuple of arrays whose first axis, as a rule,
    counts components.
    """

    is_centred: bool | np.ndarray = False  # whether blocks hold rows less their centre, by feature
    n_parameters = 1  # arrays of parameters
    n_statistics = 3  # arrays that condense makes
    needs_scratch = False  # whether accumulate reads what density wrote to the block's scratch

    @abstractmethod
    def prepare(self, parameters: Parameters, dtype: Any) -> Any:
        """Compute what depends on the parameters alone.

        Parameters
        ----------
        parameters : tuple of ndarray
            Of the components.
        dtype : dtype
            Of the blocks.

        Returns
        -------
        object
            For the methods below. Raises ``InfeasibleError`` where there is no such distribution.
        """

    @abstractmethod
    def zeros(self, k: int, d: int) -> list[np.ndarray]:
        """Make sums of no rows.

        Parameters
        ----------
        k, d : int
            Components and features.

        Returns
        -------
        list of ndarray
            The first is Σ r of each component, padded to a multiple of four.
        """

    @abstractmethod
    def density(self, ready: Any, block: Block, table: np.ndarray) -> None:
        """Write log densities.

        Parameters
        ----------
        ready : object
            Prepared parameters.
        block : Block
            Rows.
        table : ndarray of shape (K, B)
            Log densities go out.
        """

    @abstractmethod
    def accumulate(
        self, ready: Any, block: Block, table: np.ndarray, sums: list[np.ndarray]
    ) -> None:
        """Add the rows of a block.

        Parameters
        ----------
        ready : object
            Prepared parameters.
        block : Block
            Rows.
        table : ndarray of shape (K, B)
            Their responsibilities times weights.
        sums : list of ndarray
            Added to.
        """

    def relative(
        self, ready: Any, block: Block, table: np.ndarray, out: np.ndarray, tops: np.ndarray
    ) -> None:
        """Write densities as shares of the largest of each row.

        Parameters
        ----------
        ready : object
            Prepared parameters.
        block : Block
            Rows.
        table : ndarray of shape (K, B)
            For the components' own use.
        out : ndarray of shape (n, k), float64
            Relative densities go out.
        tops : ndarray of shape (n,), float64
            The largest log densities go out; 0 where none is finite.
        """
        self.density(ready, block, table)
        kernels.relative_densities(table, out, tops)

    def assign(
        self, ready: Any, block: Block, shares: np.ndarray, table: np.ndarray, sums: Any
    ) -> None:
        """Add the rows of a block, responsibilities side by side.

        Parameters
        ----------
        ready : object
            Prepared parameters.
        block : Block
            Rows.
        shares : ndarray of shape (n, k), or more columns of zeros
            Their responsibilities times weights.
        table : ndarray of shape (K, B)
            For the components' own use.
        sums : list of ndarray
            Added to.
        """
        if self.needs_scratch:
            self.density(ready, block, table)
        kernels.load(shares, np.zeros(shares.shape[1]), table)
        self.accumulate(ready, block, table, sums)

    @abstractmethod
    def condense(self, ready: Any, sums: list[np.ndarray]) -> Parameters:
        """Sums without padding, as the maximisation takes them.

        Parameters
        ----------
        ready : object
            Prepared parameters.
        sums : list of ndarray
            Of a pass.

        Returns
        -------
        tuple of ndarray
            Statistics, linear in the rows; the first is Σ r, shape (k,).
        """

    @abstractmethod
    def update(self, parameters: Parameters, statistics: Parameters) -> Parameters:
        """Maximise.

        Parameters
        ----------
        parameters : tuple of ndarray
            At which the statistics were expected.
        statistics : tuple of ndarray
            Of ``condense``.

        Returns
        -------
        tuple of ndarray
            The next parameters.
        """

    def recentre(self, parameters: Parameters, statistics: Parameters) -> Parameters:
        """Statistics as they are counted from the next parameters.

        Parameters
        ----------
        parameters : tuple of ndarray
            From which they are counted.
        statistics : tuple of ndarray
            Of ``condense``.

        Returns
        -------
        tuple of ndarray
            The same where nothing is counted from the parameters.
        """
        return statistics

    def log_prior(self, parameters: Parameters) -> float:
        """Log density of the parameters' prior, up to a constant.

        Parameters
        ----------
        parameters : tuple of ndarray
            Of the components.

        Returns
        -------
        float
            0 without a prior.
        """
        return 0.0


class MixtureStep:
    """A step of EM over a source of rows: (weights, parameters) to objective and successor.

    Parameters
    ----------
    sweep : Sweep
        Goes over the rows.
    source : iterable of Rows
        The data; gone through once a step.
    """

    def __init__(self, sweep: Sweep, source: Iterable[Rows]) -> None:
        self.sweep, self.source = sweep, source
        self.components: Components = sweep.components

    def __call__(self, parameters: Parameters) -> tuple[float, Parameters]:
        weights, own = parameters[0], parameters[1:]
        if not (np.all(weights >= 0) and weights.sum() > 0):
            raise InfeasibleError("Mixture: weights must be nonnegative. Step back.")
        statistics, likelihood = self.expect(parameters, self.source)
        total = max(statistics[0].sum(), np.finfo(float).tiny)
        objective = (likelihood + self.components.log_prior(own)) / total
        return objective, (statistics[0] / total, *self.components.update(own, statistics))

    def expect(self, parameters: Parameters, source: Iterable[Rows]) -> tuple[Parameters, float]:
        """Statistics of rows at some parameters.

        Parameters
        ----------
        parameters : tuple of ndarray
            Weights, then those of the components.
        source : iterable of Rows
            The data.

        Returns
        -------
        statistics : tuple of ndarray
            As the components condense them.
        likelihood : float
            Weighted log-likelihood.
        """
        ready = self.components.prepare(parameters[1:], self.sweep.dtype)
        sums = self.sweep.sums(ready, log_weights_of(parameters[0]), source)
        return self.components.condense(ready, sums), float(sums[-1][0])


def log_weights_of(weights: np.ndarray) -> np.ndarray:
    """Logarithms, without a warning where a weight is zero.

    Parameters
    ----------
    weights : ndarray of shape (k,)
        Of the components.

    Returns
    -------
    ndarray of shape (k,), float64
        -inf for zero.
    """
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(weights, dtype=np.float64))
