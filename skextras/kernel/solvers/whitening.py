"""Factors of what m centres span, in place: of their own kernel, and of the Hessian on a sample."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import get_blas_funcs
from scipy.linalg.lapack import get_lapack_funcs

from skextras.kernel.solvers.products import transposed_times

__all__ = ["Whitening", "inverse_hessian"]

MAX_JITTER = 1e-4  # relative to the mean of the diagonal of K_mm
CHUNK_NUMBERS = 2**21  # in a weighted copy of some rows of the sample
BARE = 1e-6  # share of the intercept's own curvature that it keeps at least
Inverse = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Whitening:
    """K_mm = Rᵀ R, up to a jitter: Θ = R A has the penalty ½ |Θ|².

    Attributes
    ----------
    R : ndarray of shape (m, m), float64, Fortran order
        Its upper triangle; what stands below means nothing.
    """

    R: np.ndarray

    @classmethod
    def of(cls, K_mm: np.ndarray, jitter: float) -> "Whitening":
        """Factor a kernel, its diagonal raised as little as it takes.

        Parameters
        ----------
        K_mm : ndarray of shape (m, m), float64, C order
            The kernel; overwritten.
        jitter : float
            What to add at least, relative to the mean of the diagonal.

        Returns
        -------
        Whitening
            In the memory of ``K_mm``.

        Raises
        ------
        numpy.linalg.LinAlgError
            If the kernel is not positive semi-definite.
        """
        (potrf,) = get_lapack_funcs(("potrf",), dtype=K_mm.dtype)
        upper = K_mm.T  # the same, in the order of LAPACK
        diagonal = np.diag(upper).copy()
        size = float(diagonal.mean()) or 1.0  # (a kernel of zeros)
        while jitter <= MAX_JITTER:
            upper.flat[:: len(upper) + 1] = diagonal + jitter * size
            R, info = potrf(upper, lower=0, clean=0, overwrite_a=1)
            if info == 0:
                return cls(R)
            for i in range(len(upper)):  # the other triangle was left alone
                upper[i, i + 1 :] = upper[i + 1 :, i]
            jitter *= 10
        raise np.linalg.LinAlgError("K is not positive semi-definite")

    def coefficients(self, theta: np.ndarray) -> np.ndarray:
        """Compute A = R⁻¹ Θ.

        Parameters
        ----------
        theta : ndarray of shape (m, k)
            Θ.

        Returns
        -------
        ndarray of shape (m, k)
            A.
        """
        return _solved(self.R, theta, trans=0)

    def pulled(self, V: np.ndarray) -> np.ndarray:
        """Compute R⁻ᵀ V.

        Parameters
        ----------
        V : ndarray of shape (m, k)
            A gradient in A.

        Returns
        -------
        ndarray of shape (m, k)
            The gradient in Θ.
        """
        return _solved(self.R, V, trans=1)

    def whitened(self, dual_coef: np.ndarray) -> np.ndarray:
        """Compute Θ = R A.

        Parameters
        ----------
        dual_coef : ndarray of shape (m, k)
            A.

        Returns
        -------
        ndarray of shape (m, k)
            Θ.
        """
        (trmm,) = get_blas_funcs(("trmm",), dtype=self.R.dtype)
        return np.asarray(trmm(1.0, self.R, dual_coef))

    def features(self, K_sm: np.ndarray) -> np.ndarray:
        """Compute Φ = K_sm R⁻¹.

        Parameters
        ----------
        K_sm : ndarray of shape (s, m), C order
            Kernel of some rows with the centres; overwritten.

        Returns
        -------
        ndarray of shape (s, m), C order
            In its precision and its memory.
        """
        (trsm,) = get_blas_funcs(("trsm",), dtype=K_sm.dtype)
        R = self.R.astype(K_sm.dtype, order="F", copy=False)
        return np.asarray(trsm(1.0, R, K_sm.T, trans_a=1, overwrite_b=1).T)


def _solved(R: np.ndarray, V: np.ndarray, *, trans: int) -> np.ndarray:
    """Solve with R or its transpose, without a copy of it."""
    (trsm,) = get_blas_funcs(("trsm",), dtype=R.dtype)
    return np.asarray(trsm(1.0, R, V, trans_a=trans))


def inverse_hessian(features: np.ndarray, scales: np.ndarray, *, fit_intercept: bool) -> Inverse:
    """Invert I + [Φ 1]ᵀ W [Φ 1], one class at a time; the intercept has no part in I.

    What is common to several classes is taken away: the loss does not see it and it is zero at the
    minimum, while the curvature of one class alone says nothing about it.

    Parameters
    ----------
    features : ndarray of shape (s, m), C order
        Φ, float32 or float64.
    scales : ndarray of shape (s, k)
        Diagonal of W.
    fit_intercept : bool
        Whether there is an intercept; without, it does not move.

    Returns
    -------
    callable
        Takes a matrix of shape (m + 1, k), the intercepts last, to another one.
    """
    inverses = [_class_inverse(features, w, fit_intercept=fit_intercept) for w in scales.T]

    def apply(V: np.ndarray) -> np.ndarray:  # numpydoc ignore=GL08
        found = np.column_stack([P(v) for P, v in zip(inverses, V.T, strict=True)])
        return found - found.mean(axis=1, keepdims=True) if len(inverses) > 1 else found

    return apply


def _class_inverse(features: np.ndarray, w: np.ndarray, *, fit_intercept: bool) -> Inverse:
    """By a factor of I + Φᵀ W Φ and the Schur complement of the intercept."""
    (potrs,) = get_lapack_funcs(("potrs",), dtype=features.dtype)
    factor = _factor_of_shifted(_gram(features, w))

    def solve(v: np.ndarray) -> np.ndarray:
        return potrs(factor, v.astype(features.dtype))[0].astype(np.float64)

    total = max(float(w.sum()), np.finfo(float).tiny)
    with_one = transposed_times(features, w[:, None])[:, 0].astype(np.float64)
    along = solve(with_one)
    left = max(total - float(with_one @ along), BARE * total)

    def apply(v: np.ndarray) -> np.ndarray:
        theta = solve(v[:-1])
        if not fit_intercept:
            return np.append(theta, 0.0)
        b = (v[-1] - with_one @ theta) / left
        return np.append(theta - b * along, b)

    return apply


def _gram(features: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Upper triangle of Φᵀ W Φ."""
    (syrk,) = get_blas_funcs(("syrk",), dtype=features.dtype)
    m = features.shape[1]
    gram = np.zeros((m, m), features.dtype, order="F")
    root = np.sqrt(w).astype(features.dtype)[:, None]
    n_chunk = max(1, CHUNK_NUMBERS // m)
    for start in range(0, len(features), n_chunk):
        rows = slice(start, start + n_chunk)
        gram = syrk(1.0, (root[rows] * features[rows]).T, beta=1.0, c=gram, overwrite_c=1)
    return gram


def _factor_of_shifted(gram: np.ndarray) -> np.ndarray:
    """Upper factor of the matrix and I, in place; and more than I where rounding would drown it."""
    (potrf,) = get_lapack_funcs(("potrf",), dtype=gram.dtype)
    diagonal = np.diag(gram).copy()
    ridge = max(1.0, 4.0 * float(np.finfo(gram.dtype).eps * diagonal.sum()))
    gram.flat[:: len(gram) + 1] = diagonal + ridge
    factor, info = potrf(gram, lower=0, clean=0, overwrite_a=1)
    if info != 0:
        raise FloatingPointError("the Hessian is not finite")
    return np.asarray(factor)
