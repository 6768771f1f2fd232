"""Kernels by name, as functions and as matrices: what a solver asks for, block by block."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
from scipy import sparse
from scipy.linalg.blas import get_blas_funcs
from scipy.spatial.distance import cdist
from sklearn.gaussian_process.kernels import Kernel as ProcessKernel
from sklearn.metrics.pairwise import (
    KERNEL_PARAMS,
    PAIRWISE_KERNEL_FUNCTIONS,
    euclidean_distances,
    pairwise_kernels,
)

from skextras.kernel.solvers.exponential import exponential

__all__ = [
    "KERNEL_NAMES",
    "Kernel",
    "MatrixPairs",
    "NotAKernelError",
    "Pairs",
    "is_kernel_matrix",
    "takes_gamma",
]

KernelName = str | Callable[..., float]
Rows = slice | np.ndarray
Real = type[np.floating]

# γ |x - c|² up to which x² - 2 x z + z² keeps enough digits, by precision; beyond single comes
# double precision, and beyond double the differences themselves.
REACH = {np.float32: 200.0, np.float64: 1e6}


def _rbf(E: np.ndarray, rounding: float) -> np.ndarray:
    return exponential(E)


def _scaled_distance(E: np.ndarray, rounding: float, factor: float) -> np.ndarray:
    """factor * |x - z| / ℓ from E = -|x - z|² / (2 ℓ²); 0 where rounding is all there is."""
    E[rounding + E > 0.0] = 0.0
    E *= -2.0 * factor
    return np.sqrt(E, out=E)


def _matern12(E: np.ndarray, rounding: float) -> np.ndarray:
    r = _scaled_distance(E, rounding, 1.0)
    return exponential(np.negative(r, out=r))


def _matern32(E: np.ndarray, rounding: float) -> np.ndarray:
    r = _scaled_distance(E, rounding, 3.0)
    decay = exponential(-r)
    r += 1.0
    r *= decay
    return r


def _matern52(E: np.ndarray, rounding: float) -> np.ndarray:
    r = _scaled_distance(E, rounding, 5.0)
    decay = exponential(-r)
    r += r * r / 3.0 + 1.0
    r *= decay
    return r


# k as a function of E = -γ |x - z|², with γ = 1 / (2 ℓ²)
PROFILES = {"rbf": _rbf, "matern12": _matern12, "matern32": _matern32, "matern52": _matern52}
KERNEL_NAMES = (*sorted(PAIRWISE_KERNEL_FUNCTIONS), "additive", "matern12", "matern32", "matern52")
# They lie between 0 and 1, hence have no constant part that drowns the rest.
BOUNDED = {*PROFILES, "additive", "laplacian", "chi2"}


DIAGONAL = 64  # rows whose kernel with one another is computed for its diagonal


FUNCTION = "a function of two rows that returns a number, or of two tables that returns a matrix"


class NotAKernelError(ValueError):
    """The kernel is not what its text says that it must be."""


class Pairs(Protocol):
    """The kernel of rows with other rows, in blocks."""

    def block(self, rows: Rows, columns: slice, dtype: Real) -> np.ndarray:
        """Compute the kernel of some rows with some others, in C order.

        The block is good until the next one is asked for.
        """
        ...


@dataclass(frozen=True)
class Kernel:
    """A kernel with all its options.

    Attributes
    ----------
    name : str or callable
        One of KERNEL_NAMES, a function of two rows or of two tables, or a kernel object of
        scikit-learn's Gaussian processes.
    options : mapping
        Its keywords; a named kernel takes those that it knows.
    """

    name: KernelName
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_bounded(self) -> bool:
        """Tell whether all values are known to lie between 0 and 1.

        Returns
        -------
        bool
            False for functions.
        """
        return self._is_named(BOUNDED)

    def _is_named(self, names: Container[str]) -> bool:
        return isinstance(self.name, str) and self.name in names

    def pairs(self, X: Any, Z: Any) -> Pairs:
        """Prepare to compute the kernel of rows with other rows.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n, n_features), or array of n objects
            Rows.
        Z : ndarray or sparse matrix of shape (m, n_features), or array of m objects
            Other rows.

        Returns
        -------
        Pairs
            Gives blocks of it.
        """
        if self._is_named(PROFILES) and not (sparse.issparse(X) or sparse.issparse(Z)):
            return _DistancePairs(str(self.name), self.options["gamma"], X, Z)
        return _RowPairs(self, X, Z)

    def between(self, X: Any, Z: Any) -> np.ndarray:
        """Compute the kernel of rows with other rows.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n, n_features), or array of n objects
            Rows.
        Z : ndarray or sparse matrix of shape (m, n_features), or array of m objects
            Other rows.

        Returns
        -------
        ndarray of shape (n, m), float64
            k(x_i, z_j).
        """
        everything = slice(0, X.shape[0]), slice(0, Z.shape[0])
        return self.pairs(X, Z).block(*everything, np.float64)

    def diagonal(self, X: Any) -> np.ndarray:
        """Compute the kernel of each row with itself.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n, n_features), or array of n objects
            Rows.

        Returns
        -------
        ndarray of shape (n,), float64
            k(x_i, x_i).
        """
        if self.is_bounded:
            return np.ones(X.shape[0])
        n, size = X.shape[0], 1 if callable(self.name) else DIAGONAL
        blocks = (X[start : start + size] for start in range(0, n, size))
        return np.concatenate([np.diag(self.between(block, block)) for block in blocks])


class MatrixPairs:
    """A kernel matrix that the user computed, in blocks.

    Parameters
    ----------
    matrix : ndarray or sparse matrix of shape (n, m)
        The kernel.
    """

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix

    def block(self, rows: Rows, columns: slice, dtype: Real) -> np.ndarray:
        """Take some rows and columns.

        Parameters
        ----------
        rows : slice or ndarray of int
            Which.
        columns : slice
            Which.
        dtype : type
            Precision.

        Returns
        -------
        ndarray of shape (n_rows, n_columns)
            The block.
        """
        block = self.matrix[rows][:, columns]
        block = block.toarray() if sparse.issparse(block) else block
        return np.ascontiguousarray(block, dtype)


class _DistancePairs:
    """Kernels of |x - z|², by one product: γ (2 x z - x² - z²) with the squares as two columns."""

    def __init__(self, name: str, gamma: float, X: np.ndarray, Z: np.ndarray) -> None:
        self.profile, self.gamma, self.X, self.Z = PROFILES[name], gamma, X, Z
        self.centre = Z.mean(axis=0, dtype=np.float64)
        columns = self._scaled(Z)
        squares = 0.5 * np.einsum("ij,ij->i", columns, columns)
        double = np.column_stack([columns, np.ones(len(Z)), -squares])
        self.reach = float(squares.max())
        self.columns = {np.float64: double, np.float32: double.astype(np.float32)}
        self.buffers: dict[Real, np.ndarray] = {}

    def _scaled(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray((rows - self.centre) * (2.0 * self.gamma) ** 0.5)

    def block(self, rows: Rows, columns: slice, dtype: Real) -> np.ndarray:
        left = self._scaled(self.X[rows])
        squares = 0.5 * np.einsum("ij,ij->i", left, left)
        reach = max(self.reach, float(squares.max(initial=0.0)))
        if reach > REACH[np.float64]:
            E = cdist(self.X[rows], self.Z[columns], "sqeuclidean")
            E *= -self.gamma
            return self.profile(E, 0.0).astype(dtype, copy=False)
        kind = np.float64 if reach > REACH[np.float32] else dtype
        left = np.column_stack([left, -squares, np.ones(len(left))]).astype(kind, copy=False)
        E = self._product(left, self.columns[kind][columns])
        rounding = 8.0 * float(np.finfo(kind).eps) * max(reach, 1.0)
        return self.profile(E, rounding).astype(dtype, copy=False)

    def _product(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Left times right transposed, in memory that is used again."""
        kind, size = left.dtype.type, len(left) * len(right)
        buffer = self.buffers.get(kind)
        if buffer is None or len(buffer) < size:
            buffer = self.buffers[kind] = np.empty(size, kind)
        (gemm,) = get_blas_funcs(("gemm",), dtype=kind)
        out = buffer[:size].reshape(len(left), len(right)).T
        return gemm(1.0, right.T, left.T, trans_a=True, c=out, overwrite_c=True).T


class _RowPairs:
    """Kernels that scikit-learn, SciPy or the user computes."""

    def __init__(self, kernel: Kernel, X: Any, Z: Any) -> None:
        self.kernel, self.X, self.Z = kernel, X, Z

    def block(self, rows: Rows, columns: slice, dtype: Real) -> np.ndarray:
        name, options = self.kernel.name, self.kernel.options
        X, Z = (_doubles(each) for each in (self.X[rows], self.Z[columns]))
        if callable(name):
            return _by_function(name, options, X, Z).astype(dtype, copy=False)
        if name in PROFILES:  # of sparse rows
            E = euclidean_distances(X, Z, squared=True)
            E *= -options["gamma"]
            K = PROFILES[name](E, 8 * np.finfo(float).eps * float(-E.min(initial=-1.0)))
        elif name == "additive":
            K = _additive(_dense(X), _dense(Z), options["gamma"])
        else:
            K = pairwise_kernels(X, Z, metric=name, filter_params=True, **options)
        return np.ascontiguousarray(_dense(K), dtype)


def _doubles(X: Any) -> Any:
    return X.astype(np.float64) if X.dtype == np.float32 else X


def _dense(X: Any) -> np.ndarray:
    return X.toarray() if sparse.issparse(X) else X


def _additive(X: np.ndarray, Z: np.ndarray, gamma: float) -> np.ndarray:
    """Mean over the features of exp(-γ (x_j - z_j)²)."""
    K = np.zeros((len(X), len(Z)))
    for x, z in zip(X.T, Z.T, strict=True):
        E = x[:, None] - z
        E *= E
        E *= -gamma
        K += exponential(E)
    K /= X.shape[1]
    return K


def _by_function(
    function: Callable[..., Any], options: Mapping[str, Any], X: Any, Z: Any
) -> np.ndarray:
    """Values of a function of two rows; or of two tables, as scikit-learn's SVC takes it."""
    if isinstance(function, ProcessKernel):
        return np.asarray(function(X, Z), np.float64)
    if not (X.shape[0] and Z.shape[0]):
        return np.zeros((X.shape[0], Z.shape[0]))
    call, refused = partial(function, **options), None
    try:
        value = np.asarray(call(_first(X), _first(Z)))
    except Exception as error:  # of a function that wants tables, or of one that is broken
        value, refused = np.empty(1), error
    if value.ndim == 0 and value.dtype.kind in "biuf":
        if sparse.issparse(X) or (X.ndim == 2 and X.dtype != object):
            return pairwise_kernels(X, Z, metric=call)
        return np.array([[call(x, z) for z in Z] for x in X], np.float64)
    return _by_tables(call, X, Z, refused)


def _first(X: Any) -> Any:
    return X[[0]] if sparse.issparse(X) else X[0]


def _by_tables(call: Callable[..., Any], X: Any, Z: Any, refused: Exception | None) -> np.ndarray:
    """Values of a function of two tables; it has refused two rows if it is given why."""
    try:
        K = np.ascontiguousarray(_dense(call(X, Z)), np.float64)
    except Exception as error:
        raise NotAKernelError(FUNCTION) from refused or error
    if K.shape != (X.shape[0], Z.shape[0]):
        raise NotAKernelError(FUNCTION) from refused
    return K


def takes_gamma(name: KernelName) -> bool:
    """Tell whether a kernel has a coefficient gamma.

    Parameters
    ----------
    name : str or callable
        The kernel.

    Returns
    -------
    bool
        False for a callable and for "precomputed".
    """
    if callable(name):
        return False
    return name in PROFILES or name == "additive" or "gamma" in KERNEL_PARAMS.get(name, ())


def is_kernel_matrix(K: np.ndarray, *, is_trusted: bool) -> bool:
    """Tell whether a matrix can be the kernel of rows with themselves.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        The matrix.
    is_trusted : bool
        Whether it comes from a function known to be symmetric.

    Returns
    -------
    bool
        Whether it is finite and symmetric.
    """
    size = float(np.abs(K).max())
    if not np.isfinite(size):
        return False
    return is_trusted or bool(np.allclose(K, K.T, rtol=1e-6, atol=1e-10 * size))
