"""Products with tall matrices by the BLAS that factors matrices, too.

That is SciPy's. NumPy brings one of its own, whose threads spin for a while after each product and
make the next factorisation take twice as long on two cores.
"""

import numpy as np
from scipy.linalg.blas import get_blas_funcs

__all__ = ["times", "transposed_times"]


def times(K: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Multiply, in the precision of K.

    Parameters
    ----------
    K : ndarray of shape (n, m), C order
        Left factor; float32 or float64.
    V : ndarray of shape (m, k)
        Right factor, few columns.

    Returns
    -------
    ndarray of shape (n, k)
        K V.
    """
    gemv, gemm = get_blas_funcs(("gemv", "gemm"), dtype=K.dtype)
    V = V.astype(K.dtype, copy=False)
    if V.shape[1] == 1:
        return gemv(1.0, K.T, V[:, 0], trans=1)[:, None]
    return gemm(1.0, K.T, V, trans_a=True)  # Kᵀ is in the order of columns that BLAS wants


def transposed_times(K: np.ndarray, U: np.ndarray) -> np.ndarray:
    """Multiply by the transpose, in the precision of K.

    Parameters
    ----------
    K : ndarray of shape (n, m), C order
        Left factor, to be transposed; float32 or float64.
    U : ndarray of shape (n, k)
        Right factor, few columns.

    Returns
    -------
    ndarray of shape (m, k)
        Kᵀ U.
    """
    gemv, gemm = get_blas_funcs(("gemv", "gemm"), dtype=K.dtype)
    U = U.astype(K.dtype, copy=False)
    if U.shape[1] == 1:
        return gemv(1.0, K.T, U[:, 0])[:, None]
    return gemm(1.0, K.T, U)
