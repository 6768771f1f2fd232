"""Slow twins of a kernel in panels and of what follows from a kernel model's posterior."""

import numpy as np

from skextras.kernel.solvers import solve_newton


def deviations_of_probabilities(A, proba, weights, B, proba_new, penalty):
    """Deviations by J Σ Jᵀ; A and B: features of the rows and of new rows, penalty: of each."""
    k, d = proba.shape[1], A.shape[1]
    H = np.kron(np.eye(k), np.diag(penalty)).astype(float)
    for a in range(k):
        for b in range(k):
            curvature = weights * proba[:, a] * ((a == b) - proba[:, b])
            H[a * d : (a + 1) * d, b * d : (b + 1) * d] += A.T @ (A * curvature[:, None])
    covariance = np.linalg.pinv(H, rcond=1e-12, hermitian=True)
    found = np.empty_like(proba_new)
    for t, p in enumerate(proba_new):
        J = (np.diag(p) - np.outer(p, p)) @ np.kron(np.eye(k), B[t][None])
        found[t] = np.sqrt(np.diag(J @ covariance @ J.T))
    return found


def refits(K, targets, c, fit_intercept=True):
    """Scores of each row by the fit without it."""
    n = len(K)
    scores = np.empty_like(targets)
    for i in range(n):
        rest = np.delete(np.arange(n), i)
        found = solve_newton(
            K[np.ix_(rest, rest)], targets[rest], c[rest], fit_intercept=fit_intercept, tol=1e-9
        )
        scores[i] = K[i, rest] @ found.dual_coef + found.intercept
    return scores


def symmetric_product(K, V):
    """K V from the lower triangle of K alone, one number after the other."""
    product = np.zeros(V.shape)
    for i in range(len(K)):
        for j in range(i + 1):
            product[i] += K[i, j] * V[j]
            if j < i:
                product[j] += K[i, j] * V[i]
    return product


def shifted(K, r):
    """I + r K r for diagonal r."""
    return np.eye(len(r)) + np.diag(r) @ K @ np.diag(r)


def scaled_from_above(B, r):
    """r B r of a symmetric B known on and above its diagonal."""
    return np.diag(r) @ (np.triu(B) + np.triu(B, 1).T) @ np.diag(r)


def covariance_of_scores(E, scale, column):
    """s - s E s + u uᵀ for diagonal s."""
    s = np.diag(scale)
    return s - s @ E @ s + np.outer(column, column)


def sums_of_powers(sigma, v, u):
    """Σ_j Σ_ij² v_j and Σ_j Σ_ij³ u_j."""
    return sigma**2 @ v, sigma**3 @ u
