"""Compiled passes over symmetric matrices: each number is read, and written, once."""

from typing import Any

from skextras.trees.compiling import compiled

__all__ = ["mirror_scaled", "power_sums", "set_covariance", "set_shifted"]

TILE = 32  # rows and columns mirrored at a time: both tiles stay in cache
REORDER = {"fastmath": {"contract", "reassoc", "nsz"}}  # sums in any order


@compiled
def set_shifted(K: Any, r: Any, B: Any) -> None:
    """Set B = I + r K r on and above the diagonal.

    Parameters
    ----------
    K : ndarray of shape (n, n), C order
        Symmetric.
    r : ndarray of shape (n,)
        What scales it from both sides.
    B : ndarray of shape (n, n), C order
        What stands below its diagonal is left as it is.
    """
    for i in range(len(r)):
        row, own, r_i = K[i], B[i], r[i]
        for j in range(i, len(r)):
            own[j] = r_i * r[j] * row[j]
        own[i] += 1.0


@compiled
def mirror_scaled(B: Any, r: Any) -> None:
    """Replace B by r B r, below the diagonal, too.

    Parameters
    ----------
    B : ndarray of shape (n, n), C order
        What stands below its diagonal means nothing.
    r : ndarray of shape (n,)
        What scales it from both sides.
    """
    n = len(r)
    for top in range(0, n, TILE):
        for left in range(top, n, TILE):
            right = min(left + TILE, n)
            for i in range(top, min(top + TILE, n)):
                for j in range(max(left, i), right):
                    value = B[i, j] * r[i] * r[j]
                    B[i, j] = value
                    B[j, i] = value


@compiled
def set_covariance(E: Any, scale: Any, column: Any, sigma: Any) -> None:
    """Set Σ = s - s E s + u uᵀ for diagonal s.

    Parameters
    ----------
    E : ndarray of shape (n, n), C order
        E.
    scale, column : ndarray of shape (n,)
        The diagonal of s, and u.
    sigma : ndarray of shape (n, n), C order
        Set to Σ.
    """
    for i in range(len(scale)):
        row, own, s, u = E[i], sigma[i], scale[i], column[i]
        for j in range(len(scale)):
            own[j] = u * column[j] - s * scale[j] * row[j]
        own[i] += s


@compiled(**REORDER)
def power_sums(sigma: Any, v: Any, u: Any, squares: Any, cubes: Any) -> None:
    """Set Σ_j Σ_ij² v_j and Σ_j Σ_ij³ u_j.

    Parameters
    ----------
    sigma : ndarray of shape (n, n), C order
        Σ.
    v, u : ndarray of shape (n,)
        Vectors.
    squares, cubes : ndarray of shape (n,)
        Both sums.
    """
    for i in range(len(v)):
        row, square, cube = sigma[i], 0.0, 0.0
        for j in range(len(v)):
            x = row[j]
            square += x * x * v[j]
            cube += x * x * x * u[j]
        squares[i], cubes[i] = square, cube
