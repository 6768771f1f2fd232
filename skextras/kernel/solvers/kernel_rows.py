"""The kernel of all rows with the centres, block by block: the only thing that is as large."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from skextras.kernel.solvers.likelihood import Likelihood
from skextras.kernel.solvers.memory import large_array
from skextras.kernel.solvers.products import times, transposed_times

__all__ = ["KernelRows"]

SMALL_BYTES = 2**26  # up to here the matrix is kept in float64
BLOCK_NUMBERS = (
    2**19
)  # in a block: 2 MB in float32, which stay in cache from one product to the next
Block = Callable[[slice | np.ndarray, type[np.floating]], np.ndarray]


@dataclass(frozen=True)
class KernelRows:
    """K_nm in blocks of rows, kept or computed anew at each pass.

    Attributes
    ----------
    n_rows : int
        n.
    n_centres : int
        m.
    compute : callable
        Gives the kernel of some rows, a slice or their numbers, with the centres in a precision.
    dtype : type
        Precision of the blocks, float32 or float64.
    kept : ndarray of shape (n, m) or None
        All of it, if there is room.
    """

    n_rows: int
    n_centres: int
    compute: Block
    dtype: type[np.floating]
    kept: np.ndarray | None = None

    @classmethod
    def within(cls, budget: float, n_rows: int, n_centres: int, compute: Block) -> "KernelRows":
        """Keep the matrix if it fits.

        Parameters
        ----------
        budget : float
            Bytes that may be held.
        n_rows, n_centres : int
            n and m.
        compute : callable
            Gives the kernel of some rows, a slice or their numbers, with the centres in a
            precision.

        Returns
        -------
        KernelRows
            The matrix, computed already if it is kept.
        """
        entries = n_rows * n_centres
        is_small = 8 * entries <= min(budget, SMALL_BYTES)
        streamed = cls(n_rows, n_centres, compute, np.float64 if is_small else np.float32)
        if np.dtype(streamed.dtype).itemsize * entries > budget:
            return streamed
        kept = large_array((n_rows, n_centres), streamed.dtype)
        for rows, block in streamed.blocks():
            kept[rows] = block
        return replace(streamed, kept=kept)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Go through the rows.

        Yields
        ------
        tuple of slice and ndarray of shape (n_block, m)
            Rows and their kernel with the centres.
        """
        n_block = max(1, BLOCK_NUMBERS // self.n_centres)
        for start in range(0, self.n_rows, n_block):
            rows = slice(start, min(start + n_block, self.n_rows))
            yield rows, self._some(rows) if self.kept is None else self.kept[rows]

    def at(self, rows: np.ndarray) -> np.ndarray:
        """Take some rows.

        Parameters
        ----------
        rows : ndarray of shape (s,), int
            Which.

        Returns
        -------
        ndarray of shape (s, m)
            Their kernel with the centres, a fresh array.

        Raises
        ------
        FloatingPointError
            If a value is not finite.
        """
        if self.kept is not None:
            return self.kept[rows]
        taken = large_array((len(rows), self.n_centres), self.dtype)
        n_block = max(1, BLOCK_NUMBERS // self.n_centres)
        for start in range(0, len(rows), n_block):
            block = taken[start : start + n_block]
            block[:] = self._some(rows[start : start + n_block])
            _check_finite(block.sum())
        return taken

    def _some(self, rows: slice | np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(self.compute(rows, self.dtype), dtype=self.dtype)

    def visit(
        self, V: np.ndarray, shift: np.ndarray, loss: Likelihood
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score all rows and sum the pull of their losses, in one pass.

        Parameters
        ----------
        V : ndarray of shape (m, k)
            Coefficients of the centres.
        shift : ndarray of shape (k,)
            Intercepts.
        loss : Likelihood
            Of all rows.

        Returns
        -------
        tuple of ndarray of shape (n, k) and ndarray of shape (m, k), both float64
            K_nm V, and K_mn G with G the negative gradient of the loss at K_nm V + 1 shiftᵀ.

        Raises
        ------
        FloatingPointError
            If a value of the kernel is not finite.
        """
        product = np.empty((self.n_rows, V.shape[1]))
        total = np.zeros((self.n_centres, V.shape[1]))
        for rows, block in self.blocks():
            product[rows] = times(block, V)
            total += transposed_times(block, loss.rows(rows).descent(product[rows] + shift))
        _check_finite(total)  # a kernel value of NaN or infinity shows here, whatever it is times
        return product, total


def _check_finite(numbers: np.ndarray) -> None:
    if not np.isfinite(numbers).all():
        raise FloatingPointError("the kernel is not finite")
