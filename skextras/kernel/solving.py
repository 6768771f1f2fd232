"""From an estimator's options to a solver's arrays."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skextras.kernel.kernels import NotAKernelError, Pairs, is_kernel_matrix
from skextras.kernel.solvers import (
    KernelRows,
    SquareKernel,
    Start,
    solve_large,
    solve_newton,
    solve_nystroem,
)
from skextras.kernel.solvers.line_search import Solution
from skextras.kernel.solvers.memory import large_array
from skextras.kernel.solvers.operators import BLOCK_BYTES
from skextras.kernel.threads import blas_threads

__all__ = ["Exact", "OnCentres", "Options", "finite_kernel"]

# Numbers in the factors of a Newton step by Cholesky, (rows * classes)², up to which it is fastest.
# Beyond, and in double precision, steps take conjugate gradients; the most digits have the factors.
FACTORED, FACTORED_AT_LAST = 1000, 5000
STALLED = 1e-3  # a residual that digits alone do not explain at a moderate C
CLIMB, WEAKER = 6, 30.0  # from C down to C / 30⁶, and back
KEPT_BYTES = 2**28  # of a kernel of rows with centres that is kept and not computed in each pass
MIN_SAMPLE = 8000  # rows of the preconditioner: more cost more, fewer take more steps
DOUBLE_ROWS = 4000  # up to here the matrix is kept in double precision: 128 MB
SEEN_ROWS = 100  # of a function of the user's, to see whether it is symmetric


@dataclass(frozen=True)
class Options:
    """What all solvers are told.

    Attributes
    ----------
    fit_intercept : bool
        Whether b is free.
    max_iter : int
        Newton steps at most.
    tol : float
        When to stop.
    report : callable or None
        Called before each step.
    """

    fit_intercept: bool
    max_iter: int
    tol: float
    report: Callable[[int, float, float], None] | None = None

    def keywords(self) -> dict[str, Any]:
        """Give them as keywords.

        Returns
        -------
        dict
            For a solver.
        """
        return dict(vars(self))


class RowSolver(ABC):
    """What finds the coefficients, given the kernel of its rows."""

    @abstractmethod
    def solve(
        self, targets: np.ndarray, weights: np.ndarray, options: Options, start: Start | None = None
    ) -> Solution:
        """Find the minimum, in the span of the rows that carry the model.

        Parameters
        ----------
        targets : ndarray of shape (n, k)
            Membership.
        weights : ndarray of shape (n,)
            c.
        options : Options
            The others.
        start : Start, default=None
            Where to start.

        Returns
        -------
        Solution
            The coefficients.

        Raises
        ------
        NotAKernelError
            If the matrix is not symmetric and finite.
        numpy.linalg.LinAlgError
            If it is not positive semi-definite.
        """


@dataclass(frozen=True)
class Exact(RowSolver):
    """The exact solver on n rows: the way that suits their number.

    Attributes
    ----------
    pairs : Pairs
        Kernel of the rows with one another.
    is_bounded : bool
        Whether its values lie between 0 and 1.
    is_trusted : bool
        Whether it is known to be symmetric and cheap to compute again.
    """

    pairs: Pairs
    is_bounded: bool
    is_trusted: bool

    def solve(  # numpydoc ignore=GL08
        self, targets: np.ndarray, weights: np.ndarray, options: Options, start: Start | None = None
    ) -> Solution:
        n, k = targets.shape
        if n * k <= FACTORED:
            return self._factored(targets, weights, options, start)
        # Its products wait for memory: a second thread would burn time and save none.
        with blas_threads().limit(limits=1, user_api="blas"):
            found = self._iterated(targets, weights, options, start)
        if found.residual > options.tol and n * k <= FACTORED_AT_LAST:
            found = self._factored(targets, weights, options, start)
        return found

    def _iterated(
        self, targets: np.ndarray, weights: np.ndarray, options: Options, start: Start | None
    ) -> Solution:
        n = len(targets)
        self._check_sample(n)
        is_double = n <= DOUBLE_ROWS or not self.is_trusted
        try:
            K = SquareKernel.of(
                n,
                self.pairs,
                dtype=np.float64 if is_double else np.float32,
                is_centred=options.fit_intercept and not self.is_bounded,
            )
        except FloatingPointError as error:
            raise NotAKernelError("symmetric and finite") from error
        return solve_large(K, targets, weights, start=start, **options.keywords())

    def _factored(
        self, targets: np.ndarray, weights: np.ndarray, options: Options, start: Start | None
    ) -> Solution:
        everything = slice(0, len(targets))
        K = self.pairs.block(everything, everything, np.float64)
        if not is_kernel_matrix(K, is_trusted=self.is_trusted):
            raise NotAKernelError("symmetric and finite")
        found = solve_newton(K, targets, weights, start=start, **options.keywords())
        return found if found.residual <= STALLED else _climbed(K, targets, weights, options, found)

    def _check_sample(self, n: int) -> None:
        """Look at some rows of a matrix or function of the user's."""
        if self.is_trusted:
            return
        few = slice(0, n, max(1, n // SEEN_ROWS))
        if not is_kernel_matrix(self.pairs.block(few, few, np.float64), is_trusted=False):
            raise NotAKernelError("symmetric and finite")


def _climbed(
    K: np.ndarray, targets: np.ndarray, weights: np.ndarray, options: Options, found: Solution
) -> Solution:
    """Start from the solution for weaker weights, where that from zero found no digits to go on.

    Rows told apart have a curvature of some hundred at the solution, whatever C, and one of C at
    zero.
    """
    factors = [1.0]
    while found.residual > STALLED and found.n_iter < options.max_iter and len(factors) <= CLIMB:
        factors.append(factors[-1] / WEAKER)
        found = solve_newton(K, targets, factors[-1] * weights, **options.keywords())
    for factor in reversed(factors[:-1]):
        start = Start(found.dual_coef, found.intercept)
        found = solve_newton(K, targets, factor * weights, start=start, **options.keywords())
    return found


@dataclass(frozen=True)
class OnCentres(RowSolver):
    """The Nyström solver: n rows, m of them centres.

    Attributes
    ----------
    pairs : Pairs
        Kernel of the rows with the centres.
    between : Pairs
        Kernel of the centres with one another.
    n_centres : int
        m.
    is_trusted : bool
        Whether the kernel is known to be symmetric.
    rng : RandomState
        Draws the rows of the preconditioner.
    """

    pairs: Pairs
    between: Pairs
    n_centres: int
    is_trusted: bool
    rng: np.random.RandomState

    def solve(  # numpydoc ignore=GL08
        self, targets: np.ndarray, weights: np.ndarray, options: Options, start: Start | None = None
    ) -> Solution:
        everything, n = slice(0, self.n_centres), len(targets)
        K = self.between.block(everything, everything, np.float64)
        if not is_kernel_matrix(K, is_trusted=self.is_trusted):
            raise NotAKernelError("symmetric and finite")
        n_sample = min(n, max(3 * self.n_centres, MIN_SAMPLE))
        sample = np.sort(self.rng.choice(n, n_sample, replace=False))
        try:
            rows = KernelRows.within(KEPT_BYTES, n, self.n_centres, self._block)
            keywords = options.keywords()
            return solve_nystroem(rows, K, targets, weights, sample=sample, start=start, **keywords)
        except FloatingPointError as error:
            raise NotAKernelError("symmetric and finite") from error

    def _block(self, some: slice | np.ndarray, dtype: type[np.floating]) -> np.ndarray:
        return self.pairs.block(some, slice(0, self.n_centres), dtype)


def finite_kernel(
    pairs: Pairs, n_rows: int, n_columns: int, dtype: type[np.floating]
) -> np.ndarray:
    """Compute all of a kernel, block by block.

    Parameters
    ----------
    pairs : Pairs
        Kernel of rows with other rows.
    n_rows, n_columns : int
        How many.
    dtype : type
        Precision.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        The kernel.

    Raises
    ------
    NotAKernelError
        If a value is not finite.
    """
    kernel = large_array((n_rows, n_columns), dtype)
    n_block = max(1, BLOCK_BYTES // (8 * n_columns))
    for start in range(0, n_rows, n_block):
        rows = slice(start, min(start + n_block, n_rows))
        kernel[rows] = pairs.block(rows, slice(0, n_columns), dtype)
        if not np.isfinite(kernel[rows].sum()):
            raise NotAKernelError("symmetric and finite")
    return kernel
