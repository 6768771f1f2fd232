"""A few columns that stand for a kernel matrix, and the preconditioner that they make.

References
----------
.. [1] Chen, Epperly, Tropp and Webber, "Randomly pivoted Cholesky: Practical approximation of a
   kernel matrix with few entry evaluations", Communications on Pure and Applied Mathematics, 2025.
.. [2] Snelson and Ghahramani, "Sparse Gaussian Processes using Pseudo-inputs", NeurIPS 2005: a low
   rank with the exact diagonal.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky
from scipy.linalg.blas import get_blas_funcs

from skextras.kernel.solvers.line_search import ROUNDINGS
from skextras.kernel.solvers.memory import large_array
from skextras.kernel.solvers.operators import LowRankKernel
from skextras.kernel.solvers.products import times, transposed_times

__all__ = ["ShiftedInverse", "pivoted_factor", "shifted_inverse"]

N_BLOCKS = 6  # pivots are drawn in so many rounds: fewer are faster and choose worse
EXPLAINED = 1e-6  # of the trace; what is left then is rounding in float32
JITTER, MAX_JITTER = 1e-6, 1e-2  # relative to the largest diagonal entry


class Rows(Protocol):
    """A symmetric matrix that gives its diagonal and some of its rows."""

    def diagonal(self) -> np.ndarray: ...

    def rows(self, rows: np.ndarray) -> np.ndarray: ...


def pivoted_factor(K: Rows, rank: int) -> LowRankKernel:
    """Approximate by randomly pivoted Cholesky, in blocks ([1]_).

    Each round draws rows by what is left of their diagonal, so that rows far from all others come
    to the low rank and crowds are represented by a few. The generator has a fixed seed, since the
    draw changes how fast a solver is and not what it finds.

    Parameters
    ----------
    K : SquareKernel or alike
        Gives its diagonal and some of its rows.
    rank : int
        Columns at most.

    Returns
    -------
    LowRankKernel
        In float32.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix has a negative diagonal or is found indefinite.
    """
    rng = np.random.RandomState(0)
    left = K.diagonal().copy()
    whole, size_of_k, n = left.sum(), float(np.abs(left).max()), len(left)
    if left.min() < -JITTER * size_of_k:
        raise np.linalg.LinAlgError("K has a negative diagonal")
    factor, found = large_array((rank, n), np.float32), 0
    gemm, trsm = get_blas_funcs(("gemm", "trsm"), dtype=np.float32)
    n_block = -(-rank // N_BLOCKS)
    while found < rank:
        left = np.maximum(left, 0.0)
        drawable = int(np.count_nonzero(left))
        if left.sum() <= EXPLAINED * whole or drawable == 0:
            break
        size = min(n_block, rank - found, drawable)
        pivots = rng.choice(n, size, replace=False, p=left / left.sum())
        columns = K.rows(pivots).T  # (n, size), in the order that BLAS works on in place
        if found:
            known = factor[:found]
            columns = gemm(-1.0, known.T, known[:, pivots], beta=1.0, c=columns, overwrite_c=1)
        lower = _lower_factor(columns[pivots].astype(np.float64), size_of_k)
        new = factor[found : found + size]
        new[:] = trsm(1.0, lower, columns, side=1, lower=1, trans_a=1, overwrite_b=1).T
        found += size
        left -= np.einsum("ij,ij->j", new, new, dtype=np.float64)
    return LowRankKernel(factor[:found], np.maximum(left, 0.0))


def _lower_factor(inner: np.ndarray, size: float) -> np.ndarray:
    """Factor of a block whose diagonal is raised as little as it takes, in single precision."""
    inner = 0.5 * (inner + inner.T)
    jitter = JITTER
    while jitter <= MAX_JITTER:
        raised = inner.copy()
        raised.flat[:: len(raised) + 1] += jitter * size
        try:
            return cholesky(raised, lower=True, check_finite=False).astype(np.float32)
        except np.linalg.LinAlgError:
            jitter *= 10
    raise np.linalg.LinAlgError("K is not positive semi-definite")


@dataclass(frozen=True)
class ShiftedInverse:
    """(I + h (L Lᵀ + d) h)⁻¹ for a column h, by Woodbury's identity.

    Attributes
    ----------
    transposed : ndarray of shape (r, n)
        Lᵀ.
    scale : ndarray of shape (n,)
        h / (1 + h² d).
    shrink : ndarray of shape (n,)
        1 / (1 + h² d).
    factor : tuple
        Cholesky factor of I + Lᵀ (h² / (1 + h² d)) L, as ``cho_factor`` gives it.
    """

    transposed: np.ndarray
    scale: np.ndarray
    shrink: np.ndarray
    factor: tuple[np.ndarray, bool]

    def times(self, v: np.ndarray) -> np.ndarray:
        """Multiply.

        Parameters
        ----------
        v : ndarray of shape (n,)
            Any vector.

        Returns
        -------
        ndarray of shape (n,)
            The inverse times v.
        """
        inner = times(self.transposed, (self.scale * v)[:, None]).astype(np.float64)
        inner = cho_solve(self.factor, inner, check_finite=False)
        return self.shrink * v - self.scale * transposed_times(self.transposed, inner)[:, 0]


def shifted_inverse(K: LowRankKernel, h: np.ndarray) -> ShiftedInverse:
    """Factor I + h K h.

    Parameters
    ----------
    K : LowRankKernel
        The matrix.
    h : ndarray of shape (n,)
        Column that scales it from both sides.

    Returns
    -------
    ShiftedInverse
        Its inverse.
    """
    shrink = 1.0 / (1.0 + h * h * K.d)
    scaled = K.transposed * (h * np.sqrt(shrink)).astype(K.transposed.dtype)
    (syrk,) = get_blas_funcs(("syrk",), dtype=scaled.dtype)
    inner = syrk(1.0, scaled.T, trans=True).astype(np.float64)  # its upper triangle
    inner.flat[:: len(inner) + 1] += 1.0
    try:
        factor = cho_factor(inner, check_finite=False)
    except np.linalg.LinAlgError:  # h is so large that I drowns in the rounding of the rest
        roundings = ROUNDINGS * len(inner) * float(np.finfo(scaled.dtype).eps)
        inner.flat[:: len(inner) + 1] *= 1.0 + roundings
        factor = cho_factor(inner, overwrite_a=True, check_finite=False)
    return ShiftedInverse(K.transposed, h * shrink, shrink, factor)
