"""Scores of each row without itself, from one fit (ALO).

If the losses of the other rows were quadratics, one Newton step would tell them exactly. Few rows
or many classes bend them: the scores of all rows move when one is left out, and with them their
curvature. Further steps, by the same factors, take in how far their gradients then are from what
the quadratics said; their limit is the refit.

References
----------
.. [1] Rad and Maleki, "A scalable estimate of the out-of-sample prediction error via approximate
   leave-one-out cross-validation", Journal of the Royal Statistical Society B 82(4), 2020.
"""

import numpy as np

from skextras.kernel.solvers.laplace import Laplace
from skextras.kernel.solvers.likelihood import Likelihood

__all__ = ["left_out_scores"]

FLAT = 1e-12  # a curvature, relative to the largest, at which a row's loss says nothing
STEPS = 5  # of which each is a quarter as wrong as the one before, where C is not very large
FEW = 200  # scores up to which they take less time than refits on folds would


def left_out_scores(
    posterior: Laplace, K: np.ndarray, loss: Likelihood, F: np.ndarray
) -> np.ndarray:
    """Approximate the scores of each row without itself: five steps for few rows, one for many.

    Parameters
    ----------
    posterior : Laplace
        At the solution.
    K : ndarray of shape (n, n)
        Kernel of the rows.
    loss : Likelihood
        The loss.
    F : ndarray of shape (n, k)
        Scores there.

    Returns
    -------
    ndarray of shape (n, k)
        Scores.
    """
    G = loss.descent(F)
    return _many_steps(posterior, K, loss, F, G) if F.size <= FEW else _one_step(posterior, F, G)


def _one_step(posterior: Laplace, F: np.ndarray, G: np.ndarray) -> np.ndarray:
    """f_i - (S_ii⁻¹ - W_i⁻¹) g_i, with g_i the negative gradient of row i's loss."""
    S, k = posterior.own_blocks(), F.shape[1]
    W = _blocks(posterior, len(F))
    if k > 1:  # on what is common to all classes both are zero; any number will do there
        size = np.trace(W, axis1=1, axis2=2)[:, None, None]
        common = size / k
        W, S = W + common, S + common
    ridge = FLAT * W.max() * np.eye(k)
    pull = np.linalg.solve(S + ridge, G[:, :, None]) - np.linalg.solve(W + ridge, G[:, :, None])
    return F - pull[:, :, 0]


def _many_steps(
    posterior: Laplace, K: np.ndarray, loss: Likelihood, F: np.ndarray, G: np.ndarray
) -> np.ndarray:
    """Newton's step without row i, and more by the same Hessian.

    With Σ the covariance of all scores, that without row i has the column Σ_ji (I - W_i Σ_ii)⁻¹.
    """
    sigma, W, left_out = posterior.joint_covariance(K), _blocks(posterior, len(F)), F.copy()
    flat = sigma.reshape(F.size, F.size)  # (k n, k n)
    for i, (w, g) in enumerate(zip(W, G, strict=True)):
        column = sigma[..., i]  # (k, n, k)
        cavity = np.eye(len(w)) - w @ column[:, i]
        first = -(column @ np.linalg.solve(cavity, g)).T
        move = first
        for _ in range(STEPS - 1):
            bent = loss.descent(F + move) - G + posterior.W.times(move)  # what no quadratic has
            bent[i] = 0.0
            back = (flat @ bent.T.ravel()).reshape(F.T.shape).T  # Σ bent, (n, k)
            move = first + back + (column @ np.linalg.solve(cavity, w @ back[i])).T
        left_out[i] += move[i]
    return left_out


def _blocks(posterior: Laplace, n: int) -> np.ndarray:
    """W_i of each row, shape (n, k, k)."""
    units = np.eye(posterior.n_classes)
    return np.stack([posterior.W.times(np.tile(unit, (n, 1))) for unit in units], axis=2)
