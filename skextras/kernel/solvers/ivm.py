"""The import vector machine: few kernel functions, chosen one at a time by what they gain.

Each round adds the candidate whose kernel function, less what the chosen ones already span, lowers
the objective most by one Newton step along it, to second order

    ½ Σ_j (eᵀ G_j)² / (1 + eᵀ W_jj e),      e = (k(., x) - Φ φ(x)) / |k(., x) - Φ φ(x)|,

then takes a Newton step in all coefficients. What is left of all candidates' functions is kept and
updated as in a pivoted Cholesky factorisation, n numbers each. Rounds stop when the objective falls
no more. The coefficients are found anew on the chosen rows afterwards, to full accuracy.

References
----------
.. [1] Zhu and Hastie, "Kernel Logistic Regression and the Import Vector Machine", Journal of
   Computational and Graphical Statistics 14(1), 2005, section 4.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from skextras.kernel.solvers.likelihood import Likelihood, likelihood

__all__ = ["import_vectors"]

ROUNDS, FALL = 5, 1e-3  # stop when the objective fell by less than this share in so many rounds
SPANNED = 1e-8  # of the largest kernel value: a candidate with less left is spanned already
MAX_HALVINGS = 20


def import_vectors(
    left: np.ndarray,
    places: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    *,
    limit: int,
    fit_intercept: bool = True,
) -> np.ndarray:
    """Choose rows to carry the decision function.

    Parameters
    ----------
    left : ndarray of shape (n, q), float32 or float64
        Kernel of all rows with the candidates; it is overwritten.
    places : ndarray of shape (q,), int
        Which rows the candidates are.
    targets : ndarray of shape (n, k)
        Membership.
    weights : ndarray of shape (n,), positive
        c.
    limit : int
        Rows to choose at most.
    fit_intercept : bool, default=True
        Whether b is free.

    Returns
    -------
    ndarray of shape (n_chosen,), int
        Positions among the candidates, in the order of their choice; at least one.
    """
    loss, n = likelihood(targets, weights), len(targets)
    own = left[places, np.arange(len(places))].astype(np.float64)  # what is left of k(x, x)
    least, limit = SPANNED * np.abs(own).max(), min(limit, len(places))
    if own.min() < -least or (own.max() <= 0.0 and left.any()):
        raise np.linalg.LinAlgError("K is not positive semi-definite")
    features = np.empty((n, limit), left.dtype)
    coefficients = _Coefficients(loss, targets.shape[1], fit_intercept=fit_intercept)
    coefficients.improve(features[:, :0])
    chosen: list[int] = []
    objectives = [coefficients.objective]
    while len(chosen) < limit:
        gains = coefficients.gains(left, own)
        gains[own <= least] = -np.inf
        best = int(np.argmax(gains))
        if gains[best] == -np.inf:
            break
        new = left[:, best] / np.sqrt(own[best]).astype(left.dtype)
        features[:, len(chosen)] = new
        left -= np.outer(new, new[places])
        own -= new[places].astype(np.float64) ** 2
        own[best] = 0.0
        chosen.append(best)
        coefficients.improve(features[:, : len(chosen)])
        objectives.append(coefficients.objective)
        if len(chosen) > ROUNDS:
            fall = objectives[-1 - ROUNDS] - objectives[-1]
            if fall < FALL * abs(objectives[-1]):
                break
    return np.array(chosen or [0], dtype=int)  # (a kernel of zeros has none to choose)


class _Coefficients:
    """Coefficients of orthonormal features and the intercepts, improved by Newton steps."""

    def __init__(self, loss: Likelihood, k: int, *, fit_intercept: bool) -> None:
        self.loss, self.fit_intercept = loss, fit_intercept
        self.theta, self.b = np.zeros((0, k)), np.zeros(k)
        self.F = np.zeros((len(loss.weights), k))
        self.objective = loss.value(self.F)

    def gains(self, left: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Fall of the objective by a step along each candidate, to second order."""
        G, w = self.loss.descent(self.F), self.loss.curvature(self.F).diagonal()
        slopes = left.T @ G.astype(left.dtype)
        curvatures = (left * left).T @ w.astype(left.dtype)
        safe = np.maximum(own, np.finfo(np.float32).tiny)
        return 0.5 * np.sum(slopes.astype(np.float64) ** 2 / (safe[:, None] + curvatures), axis=1)

    def improve(self, features: np.ndarray) -> None:
        """Take a Newton step, class by class, as far as it lowers the objective."""
        more = features.shape[1] - len(self.theta)
        self.theta = np.vstack([self.theta, np.zeros((more, len(self.b)))])
        G, w = self.loss.descent(self.F), self.loss.curvature(self.F).diagonal()
        steps = [
            self._step(features, g, w_j, theta)
            for g, w_j, theta in zip(G.T, w.T, self.theta.T, strict=True)
        ]
        step = np.column_stack([step for step, _ in steps])
        shift = np.array([shift for _, shift in steps])
        move = features @ step.astype(features.dtype) + shift
        for halvings in range(MAX_HALVINGS):
            t = 0.5**halvings
            F, theta = self.F + t * move, self.theta + t * step
            objective = self.loss.value(F) + 0.5 * float(np.vdot(theta, theta))
            if objective <= self.objective:
                self.F, self.theta, self.b = F, theta, self.b + t * shift
                self.objective = objective
                return

    def _step(
        self, features: np.ndarray, g: np.ndarray, w: np.ndarray, theta: np.ndarray
    ) -> tuple[np.ndarray, float]:
        weighted = features * w[:, None].astype(features.dtype)
        s = features.shape[1]
        hessian = np.empty((s + 1, s + 1))
        hessian[:s, :s] = features.T @ weighted
        hessian[:s, s] = hessian[s, :s] = weighted.sum(axis=0)
        hessian[s, s] = w.sum()
        hessian.flat[: s * (s + 1) : s + 2] += 1.0
        slope = np.append(features.T @ g.astype(features.dtype) - theta, g.sum())
        if not self.fit_intercept:
            hessian[s], hessian[:, s], hessian[s, s], slope[s] = 0.0, 0.0, 1.0, 0.0
        hessian[s, s] += np.finfo(np.float32).eps * hessian[s, s]
        found = cho_solve(cho_factor(hessian, check_finite=False), slope, check_finite=False)
        return found[:s], float(found[s])
