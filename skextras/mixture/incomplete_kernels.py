"""Compiled loops of Gaussian and Student components on rows with missing values.

For the observed part o of a row and its missing part m, one Cholesky factor of the covariance with
the observed features first, [[Lo, 0], [Lmo, Lm]], gives all that exact EM needs: with
Lo z = x_o - μ_o the density is a function of |z|², E[x_m | x_o] = μ_m + Lmo z, and
Cov[x_m | x_o] = Lm Lmᵀ. The factor is computed anew where the pattern of a row differs from that of
the row before, so rows are best sorted by pattern.
"""

import math
from typing import Any

import numpy as np

from skextras.trees.compiling import compiled

LOG_2PI = math.log(2 * math.pi)


@compiled
def _pattern(row: Any, order: Any) -> int:
    """Observed features first, then the missing; returns how many are observed."""
    n_observed = 0
    for p in range(len(row)):
        if not math.isnan(row[p]):
            order[n_observed] = p
            n_observed += 1
    place = n_observed
    for p in range(len(row)):
        if math.isnan(row[p]):
            order[place] = p
            place += 1
    return n_observed


@compiled
def _is_like(row: Any, other: Any) -> bool:
    for p in range(len(row)):  # noqa: SIM110  # Numba compiles no generator
        if math.isnan(row[p]) != math.isnan(other[p]):
            return False
    return True


@compiled
def _factor(covariance: Any, order: Any, L: Any) -> None:
    """Lower Cholesky factor of a covariance with its features in another order."""
    for i in range(len(order)):
        for j in range(i + 1):
            value = covariance[order[i], order[j]]
            for p in range(j):
                value -= L[i, p] * L[j, p]
            if i > j:
                L[i, j] = value / L[j, j]
            else:
                L[i, i] = math.sqrt(max(value, 1e-300))


@compiled
def _factor_all(covariances: Any, order: Any, L: Any) -> None:
    for j in range(len(covariances)):
        _factor(covariances[j], order, L[j])


@compiled
def _solve(row: Any, centre: Any, mean: Any, L: Any, order: Any, n_observed: int, z: Any) -> float:
    """Lo z = x_o - μ_o; returns |z|²."""
    distance = 0.0
    for i in range(n_observed):
        p = order[i]
        value = (row[p] - centre[p]) - mean[p]
        for j in range(i):
            value -= L[i, j] * z[j]
        z[i] = value / L[i, i]
        distance += z[i] * z[i]
    return distance


@compiled
def _complete(
    row: Any, centre: Any, mean: Any, L: Any, order: Any, n_observed: int, z: Any, about: Any
) -> None:
    """E[x | x_o] - μ."""
    _solve(row, centre, mean, L, order, n_observed, z)
    for i in range(len(order)):
        p = order[i]
        if i < n_observed:
            about[p] = (row[p] - centre[p]) - mean[p]
        else:
            about[p] = 0.0
            for j in range(n_observed):
                about[p] += L[i, j] * z[j]


@compiled
def _log_density(distance: float, L: Any, n_observed: int, freedom: float) -> float:
    """Of the observed part; infinite freedom is a Gaussian."""
    value = 0.0
    for i in range(n_observed):
        value -= math.log(L[i, i])
    if math.isinf(freedom):
        return value - 0.5 * (distance + n_observed * LOG_2PI)
    half = 0.5 * (freedom + n_observed)
    value += math.lgamma(half) - math.lgamma(0.5 * freedom)
    value -= 0.5 * n_observed * math.log(math.pi * freedom)
    return value - half * math.log1p(distance / freedom)


@compiled
def incomplete_density(
    rows: Any, centre: Any, means: Any, covariances: Any, freedom: Any, out: Any, pull: Any
) -> None:
    """Log densities of the observed part of each row.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Rows with NaN.
    centre : ndarray of shape (d,), float64
        What the means are counted from.
    means, covariances : ndarray of shape (k, d), (k, d, d), float64
        Of the components.
    freedom : ndarray of shape (k,), float64
        Degrees of freedom; infinite for a Gaussian.
    out : ndarray of shape (K, B)
        Log densities go out.
    pull : ndarray of shape (K, B)
        Weight of each row in Student's mean go out, (ν + d_o) / (ν + |z|²).
    """
    k, d = means.shape
    order, L, z = np.empty(d, np.int64), np.empty((k, d, d)), np.empty(d)
    n_observed = 0
    for r in range(len(rows)):
        if r == 0 or not _is_like(rows[r], rows[r - 1]):
            n_observed = _pattern(rows[r], order)
            _factor_all(covariances, order, L)
        for j in range(k):
            distance = _solve(rows[r], centre, means[j], L[j], order, n_observed, z)
            out[j, r] = _log_density(distance, L[j], n_observed, freedom[j])
            if not math.isinf(freedom[j]):
                pull[j, r] = (freedom[j] + n_observed) / (freedom[j] + distance)


@compiled
def _add_conditional(L: Any, order: Any, n_observed: int, weight: float, second: Any) -> None:
    """Weight times Cov[x_m | x_o], on and above the diagonal."""
    for i in range(n_observed, len(order)):
        for j in range(n_observed, i + 1):
            value = 0.0
            for q in range(n_observed, j + 1):
                value += L[i, q] * L[j, q]
            p, q = min(order[i], order[j]), max(order[i], order[j])
            second[p, q] += weight * value


@compiled
def _settle(L: Any, order: Any, n_observed: int, waiting: Any, seconds: Any) -> None:
    """Add the conditional covariances of the rows of one pattern, all at once."""
    for j in range(len(waiting)):
        _add_conditional(L[j], order, n_observed, waiting[j], seconds[j])
        waiting[j] = 0.0


@compiled
def incomplete_moments(
    rows: Any,
    centre: Any,
    means: Any,
    covariances: Any,
    shares: Any,
    pull: Any,
    firsts: Any,
    seconds: Any,
) -> None:
    """Expected weighted moments about each component's mean.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Rows with NaN.
    centre : ndarray of shape (d,), float64
        What the means are counted from.
    means, covariances : ndarray of shape (k, d), (k, d, d), float64
        Of the components.
    shares, pull : ndarray of shape (K, B)
        Responsibilities, and these times Student's weights (the same for Gaussians).
    firsts, seconds : ndarray of shape (k, d), (k, d, d), float64
        Σ r u E[x - μ] and Σ r E[u (x - μ)(x - μ)ᵀ] (on and above the diagonal) are added to them.
    """
    k, d = means.shape
    order, L, z = np.empty(d, np.int64), np.empty((k, d, d)), np.empty(d)
    about, waiting = np.empty(d), np.zeros(k)
    n_observed = 0
    for r in range(len(rows)):
        if r == 0 or not _is_like(rows[r], rows[r - 1]):
            if r > 0:
                _settle(L, order, n_observed, waiting, seconds)
            n_observed = _pattern(rows[r], order)
            _factor_all(covariances, order, L)
        for j in range(k):
            waiting[j] += shares[j, r]
            if pull[j, r] > 0.0:
                _complete(rows[r], centre, means[j], L[j], order, n_observed, z, about)
                for p in range(d):
                    weighted = pull[j, r] * about[p]
                    firsts[j, p] += weighted
                    for q in range(p, d):
                        seconds[j, p, q] += weighted * about[q]
    if len(rows) > 0:
        _settle(L, order, n_observed, waiting, seconds)


@compiled
def fill(rows: Any, centre: Any, means: Any, covariances: Any, shares: Any, out: Any) -> None:
    """Put in the expected values of what is missing.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Rows with NaN.
    centre : ndarray of shape (d,), float64
        What the means are counted from.
    means, covariances : ndarray of shape (k, d), (k, d, d), float64
        Of the components.
    shares : ndarray of shape (K, B)
        Responsibilities.
    out : ndarray of shape (n, d)
        Whole rows go out; observed values are not touched.
    """
    k, d = means.shape
    order, L, z, about = np.empty(d, np.int64), np.empty((k, d, d)), np.empty(d), np.empty(d)
    n_observed = 0
    for r in range(len(rows)):
        if r == 0 or not _is_like(rows[r], rows[r - 1]):
            n_observed = _pattern(rows[r], order)
            _factor_all(covariances, order, L)
        for i in range(n_observed, d):
            out[r, order[i]] = centre[order[i]]
        for j in range(k):
            _complete(rows[r], centre, means[j], L[j], order, n_observed, z, about)
            for i in range(n_observed, d):
                p = order[i]
                out[r, p] += shares[j, r] * (means[j, p] + about[p])
