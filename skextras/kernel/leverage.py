"""Which rows to take as centres: each as often as the others do not tell its part of the kernel.

The leverage of row i, the diagonal of K (K + λ I)⁻¹, says how much of its kernel function the rest
leaves open. A few rows J drawn uniformly tell it for all, ([1]_, equation 3)

    (k_ii - k_iJ (K_JJ + λ s/n I)⁻¹ k_Ji) / λ,

with s rows in J, at the cost of one pass over n s kernel values. Rows of a cluster that J missed
are not told by it and come to the highest leverage.

References
----------
.. [1] Rudi, Calandriello, Carratino and Rosasco, "On Fast Leverage Score Sampling and Optimal
   Learning", NeurIPS 2018.
"""

from typing import Any

import numpy as np
from scipy.linalg import cholesky
from scipy.linalg.blas import get_blas_funcs

from skextras.kernel.kernels import Pairs

__all__ = ["leverages", "places_in"]

BLOCK_BYTES = 2**22  # of kernel values at a time; they stay in cache
LEAST = 1e-3  # of the mean: the least leverage, so that every row can be drawn
JITTER = 1e-5  # of the mean of the diagonal, for kernel values in single precision


def leverages(pairs: Pairs, K_JJ: np.ndarray, diagonal: np.ndarray, ridge: float) -> np.ndarray:
    """Estimate the leverage of every row.

    Parameters
    ----------
    pairs : Pairs
        Kernel of n rows with s of them, drawn uniformly.
    K_JJ : ndarray of shape (s, s)
        Kernel of these with one another.
    diagonal : ndarray of shape (n,)
        Kernel of each row with itself.
    ridge : float
        λ, in units of the kernel.

    Returns
    -------
    ndarray of shape (n,)
        Between 0 and 1, and positive.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the kernel is found not to be positive semi-definite.
    FloatingPointError
        If it is not finite.
    """
    n, s = len(diagonal), len(K_JJ)
    shifted = K_JJ.copy()
    shifted.flat[:: s + 1] += ridge * s / n + JITTER * float(np.abs(diagonal).mean())
    upper: Any = cholesky(shifted, check_finite=False).astype(np.float32, order="F")
    (trsm,) = get_blas_funcs(("trsm",), dtype=np.float32)
    left = diagonal.astype(np.float64)
    n_block = max(1, BLOCK_BYTES // (4 * s))
    for start in range(0, n, n_block):
        rows = slice(start, min(start + n_block, n))
        told = trsm(1.0, upper, pairs.block(rows, slice(0, s), np.float32).T, trans_a=1)
        left[rows] -= np.einsum("ji,ji->i", told, told)
    if not np.isfinite(left.sum()):
        raise FloatingPointError("the kernel is not finite")
    found = np.clip(left / ridge, 0.0, 1.0)
    return np.maximum(found, LEAST * max(float(found.mean()), LEAST))


def places_in(kept: np.ndarray, wanted: np.ndarray) -> np.ndarray | None:
    """Find rows among those kept.

    Parameters
    ----------
    kept : ndarray of shape (n,), int, rising
        Rows.
    wanted : ndarray of shape (m,), int, rising
        Some of them, perhaps.

    Returns
    -------
    ndarray of shape (m,), int, or None
        Where they stand; None if one is missing.
    """
    places = np.minimum(np.searchsorted(kept, wanted), len(kept) - 1)
    return places if np.array_equal(kept[places], wanted) else None
