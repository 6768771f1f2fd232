"""The kernel of the rows with themselves, as solvers see it: products, rows and its diagonal."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from skextras.kernel.solvers.line_search import ROUNDINGS, Iterate
from skextras.kernel.solvers.memory import large_array
from skextras.kernel.solvers.panels import add_symmetric_product

__all__ = ["BlockSource", "LowRankKernel", "SquareKernel"]

BLOCK_BYTES = 2**22  # of a block of rows while it is computed; it stays in cache
PANEL_NUMBERS = 2**19  # in a panel: 2 MB in single precision, which stay in cache, too
N_REFERENCES = 64  # rows whose mean kernel is taken away from a kernel that has an offset


class BlockSource(Protocol):
    """What computes a kernel in blocks."""

    def block(self, rows: slice, columns: slice, dtype: type[np.floating]) -> np.ndarray:
        """Compute the kernel of some rows with others, in C order."""
        ...


@dataclass(frozen=True)
class SquareKernel:
    """The matrix K_ij - u_i - u_j, of which the rows of each panel are kept up to its diagonal.

    That is half the memory, and a product reads each number once: a panel stays in cache between
    its product and that of its transpose. In single precision it is good for directions;
    :meth:`exact_times` computes the kernel anew.

    Attributes
    ----------
    panels : list of ndarray of shape (n_panel, stop), float32 or float64, C order
        Rows ``stop - n_panel`` to ``stop`` with all rows up to ``stop``.
    offsets : ndarray of shape (n,)
        u. On coefficients that sum to zero it only moves the intercept, and taking it away saves
        the digits that a kernel with a large constant part would lose. Zero for others.
    source : BlockSource
        Computes the kernel.
    """

    panels: list[np.ndarray]
    offsets: np.ndarray
    source: BlockSource

    @classmethod
    def of(
        cls, n_rows: int, source: BlockSource, *, dtype: type[np.floating], is_centred: bool
    ) -> "SquareKernel":
        """Compute the panels.

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
        kernel = cls([], offsets, source)
        rows_of_panels = _panels(n_rows)
        sizes = [(rows.stop - rows.start) * rows.stop for rows in rows_of_panels]
        memory = np.split(large_array(sum(sizes), dtype), np.cumsum(sizes)[:-1])
        blocks = kernel._computed(np.float64 if is_centred else dtype)
        for (_, block), panel in zip(blocks, memory, strict=True):
            if not np.isfinite(block.sum()):
                raise FloatingPointError("the kernel is not finite")
            kernel.panels.append(panel.reshape(block.shape))
            kernel.panels[-1][:] = block
        return kernel

    @property
    def n_rows(self) -> int:
        """Count the rows.

        Returns
        -------
        int
            n.
        """
        return len(self.offsets)

    @property
    def dtype(self) -> np.dtype:
        """Tell the precision of the panels.

        Returns
        -------
        dtype
            Of float32 or float64.
        """
        return self.panels[0].dtype

    @property
    def is_exact(self) -> bool:
        """Tell whether :meth:`times` is as good as :meth:`exact_times`.

        Returns
        -------
        bool
            Whether the panels are in double precision.
        """
        return self.dtype == np.float64

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
        return _product(self._kept(), V.astype(self.dtype, copy=False))

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
        return self.times(V) if self.is_exact else _product(self._computed(np.float64), V)

    def error(self, point: Iterate) -> float:
        """Tell how far products that were summed up are off, on some rows.

        Parameters
        ----------
        point : Iterate
            Coefficients, and what was found of the matrix times these.

        Returns
        -------
        float
            The largest difference from a product in double precision.
        """
        n, A = self.n_rows, point.A
        some = slice(0, n, max(1, n // N_REFERENCES))
        expected = self.source.block(some, slice(0, n), np.float64) @ A
        expected -= self.offsets[some, None] * A.sum(axis=0) + self.offsets @ A
        return float(np.abs(expected - point.KA[some]).max())

    def rounding(self, V: np.ndarray) -> float:
        """Bound how far rounding may put the sum of Vᵀ K V off.

        Parameters
        ----------
        V : ndarray of shape (n, k)
            Any matrix.

        Returns
        -------
        float
            Some roundings of the largest terms.
        """
        largest = np.abs(self.diagonal()).max() * (np.abs(V).sum(axis=0) ** 2).sum()
        return ROUNDINGS * float(np.finfo(self.dtype).eps) * float(largest)

    def diagonal(self) -> np.ndarray:
        """Take the diagonal.

        Returns
        -------
        ndarray of shape (n,), float64
            Of the matrix less its offsets.
        """
        own = [panel[:, rows].diagonal() for rows, panel in self._kept()]
        return np.concatenate(own).astype(np.float64)

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
        taken = np.empty((len(rows), self.n_rows), np.float32)
        for here, panel in self._kept():
            above = rows < here.start
            taken[above, here] = panel[:, rows[above]].T
            own = np.flatnonzero(~above & (rows < here.stop))
            taken[own, : here.stop] = panel[rows[own] - here.start]
        return taken

    def _kept(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Rows and their panel."""
        return zip(_panels(self.n_rows), self.panels, strict=True)

    def _computed(self, dtype: type[np.floating]) -> Iterator[tuple[slice, np.ndarray]]:
        """The same, from the source."""
        u = self.offsets
        for rows in _panels(self.n_rows):
            block = self.source.block(rows, slice(0, rows.stop), dtype)
            yield rows, block - u[rows, None] - u[: rows.stop] if u.any() else block


def _panels(n_rows: int) -> list[slice]:
    """Rows of each panel."""
    size = max(1, PANEL_NUMBERS // n_rows)
    return [slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def _product(panels: Iterator[tuple[slice, np.ndarray]], V: np.ndarray) -> np.ndarray:
    """The symmetric matrix times V; what panels give is in its precision, their sum in double."""
    columns, product = np.ascontiguousarray(V.T), np.zeros(V.shape[::-1])
    for rows, panel in panels:
        for column, total in zip(columns, product, strict=True):
            part = np.zeros(rows.stop, V.dtype)
            add_symmetric_product(panel, column, part)
            total[: rows.stop] += part
    return product.T


@dataclass(frozen=True)
class LowRankKernel:
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


def _offsets(n_rows: int, source: BlockSource) -> np.ndarray:
    """Mean kernel of each row with some rows, less half the mean of these."""
    some = slice(0, n_rows, max(1, n_rows // N_REFERENCES))
    n_block = max(1, BLOCK_BYTES // (8 * N_REFERENCES))
    starts = range(0, n_rows, n_block)
    blocks = [source.block(slice(start, start + n_block), some, np.float64) for start in starts]
    means = np.concatenate([block.mean(axis=1) for block in blocks])
    return means - 0.5 * means[some].mean()
