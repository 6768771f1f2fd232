"""The kernel of the rows with themselves, as solvers see it: products, rows and its diagonal."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg.blas import get_blas_funcs

from skextras.kernel.solvers.memory import large_array
from skextras.kernel.solvers.products import times, transposed_times

__all__ = ["BlockSource", "KernelOperator", "LowRankKernel", "SquareKernel"]

BLOCK_BYTES = 2**22  # of a block of rows while it is computed; it stays in cache
N_REFERENCES = 64  # rows whose mean kernel is taken away from a kernel that has an offset


class BlockSource(Protocol):
    """What computes a kernel in blocks."""

    def block(self, rows: slice, columns: slice, dtype: type[np.floating]) -> np.ndarray:
        """Compute the kernel of some rows with others, in C order."""
        ...


class KernelOperator(ABC):
    """A symmetric positive semi-definite matrix of n rows that can be multiplied."""

    @property
    def is_exact(self) -> bool:
        """Tell whether :meth:`times` is as good as :meth:`exact_times`.

        Returns
        -------
        bool
            True unless a member says otherwise.
        """
        return True

    @abstractmethod
    def times(self, V: np.ndarray) -> np.ndarray:
        """Multiply.

        Parameters
        ----------
        V : ndarray of shape (n, k)
            Any matrix.

        Returns
        -------
        ndarray of shape (n, k), float64
            K V, in the precision that the matrix is kept in.
        """

    def exact_times(self, V: np.ndarray) -> np.ndarray:
        """Multiply in double precision throughout.

        Parameters
        ----------
        V : ndarray of shape (n, k)
            Any matrix.

        Returns
        -------
        ndarray of shape (n, k), float64
            K V.
        """
        return self.times(V)


@dataclass(frozen=True)
class SquareKernel(KernelOperator):
    """The lower triangle of the matrix K_ij - u_i - u_j, kept in a square.

    A product reads each number once and the system gives no pages to most of the other half. In
    single precision it is good for directions; :meth:`exact_times` computes the kernel anew.

    Attributes
    ----------
    square : ndarray of shape (n, n), float32 or float64
        The triangle; what stands above the diagonal is not set.
    offsets : ndarray of shape (n,)
        u. On coefficients that sum to zero it only moves the intercept, and taking it away saves
        the digits that a kernel with a large constant part would lose. Zero for others.
    source : BlockSource
        Computes the kernel.
    """

    square: np.ndarray
    offsets: np.ndarray
    source: BlockSource

    @classmethod
    def of(
        cls, n_rows: int, source: BlockSource, *, dtype: type[np.floating], is_centred: bool
    ) -> "SquareKernel":
        """Compute the triangle, block after block.

        Parameters
        ----------
        n_rows : int
            n.
        source : BlockSource
            Computes the kernel.
        dtype : type
            Precision to keep it in.
        is_centred : bool
            Whether to take offsets away; only for models with an intercept.

        Returns
        -------
        SquareKernel
            The matrix.

        Raises
        ------
        FloatingPointError
            If a value is not finite.
        """
        offsets = _offsets(n_rows, source) if is_centred else np.zeros(n_rows)
        kernel = cls(large_array((n_rows, n_rows), dtype), offsets, source)
        for rows, block in kernel._blocks(np.float64 if is_centred else dtype):
            if not np.isfinite(block.sum()):
                raise FloatingPointError("the kernel is not finite")
            kernel.square[rows, : rows.stop] = block
        return kernel

    @property
    def is_exact(self) -> bool:
        """Whether products are in double precision.

        Returns
        -------
        bool
            Whether the square is.
        """
        return self.square.dtype == np.float64

    def times(self, V: np.ndarray) -> np.ndarray:
        symv, symm = get_blas_funcs(("symv", "symm"), dtype=self.square.dtype)
        V = V.astype(self.square.dtype, copy=False)
        if V.shape[1] == 1:  # (transposed, the triangle is the upper one)
            return symv(1.0, self.square.T, V[:, 0], lower=0)[:, None].astype(np.float64)
        return symm(1.0, self.square.T, V, lower=0).astype(np.float64)

    def exact_times(self, V: np.ndarray) -> np.ndarray:
        if self.is_exact:
            return self.times(V)
        product = np.zeros(V.shape)
        for rows, block in self._blocks(np.float64):
            product[rows] += times(block, V[: rows.stop])
            above = transposed_times(block, V[rows])
            product[: rows.start] += above[: rows.start]
        return product

    def diagonal(self) -> np.ndarray:
        """Take the diagonal.

        Returns
        -------
        ndarray of shape (n,), float64
            Of the matrix less its offsets.
        """
        return self.square.diagonal().astype(np.float64)

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """Take some rows.

        Parameters
        ----------
        rows : ndarray of shape (s,), int
            Which.

        Returns
        -------
        ndarray of shape (s, n), float32
            Rows of the matrix less its offsets.
        """
        taken = np.empty((len(rows), len(self.square)), np.float32)
        for row, values in zip(rows, taken, strict=True):
            values[:row] = self.square[row, :row]
            values[row:] = self.square[row:, row]
        return taken

    def _blocks(self, dtype: type[np.floating]) -> Iterator[tuple[slice, np.ndarray]]:
        """Rows and their kernel with all rows up to the last of them."""
        n, u = len(self.square), self.offsets
        n_block = max(1, BLOCK_BYTES // (8 * n))
        for start in range(0, n, n_block):
            rows = slice(start, min(start + n_block, n))
            block = self.source.block(rows, slice(0, rows.stop), dtype)
            yield rows, block - u[rows, None] - u[: rows.stop] if u.any() else block


@dataclass(frozen=True)
class LowRankKernel(KernelOperator):
    """L Lᵀ + diag(d): the matrix up to what a few columns do not explain off its diagonal.

    Attributes
    ----------
    transposed : ndarray of shape (r, n), float32 or float64, C order
        Lᵀ.
    d : ndarray of shape (n,), not negative
        What it leaves of the diagonal.
    """

    transposed: np.ndarray
    d: np.ndarray

    def times(self, V: np.ndarray) -> np.ndarray:
        return transposed_times(self.transposed, times(self.transposed, V)) + self.d[:, None] * V


def _offsets(n_rows: int, source: BlockSource) -> np.ndarray:
    """Mean kernel of each row with some rows, less half the mean of these."""
    some = slice(0, n_rows, max(1, n_rows // N_REFERENCES))
    n_block = max(1, BLOCK_BYTES // (8 * N_REFERENCES))
    starts = range(0, n_rows, n_block)
    blocks = [source.block(slice(start, start + n_block), some, np.float64) for start in starts]
    means = np.concatenate([block.mean(axis=1) for block in blocks])
    return means - 0.5 * means[some].mean()
