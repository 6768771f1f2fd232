"""Slow and obvious twins of the mixtures: one row and one component at a time."""

import itertools
import math

import numpy as np
from scipy import integrate
from scipy.stats import multivariate_normal


def log_likelihood(X, weights, means, covariances):
    """Of each row, observed part only, by scipy's density; shape (n,)."""
    rows = []
    for x in X:
        seen = np.flatnonzero(~np.isnan(x))
        density = sum(
            weight * (multivariate_normal(mean[seen], C[np.ix_(seen, seen)]).pdf(x[seen]))
            if len(seen)
            else weight
            for weight, mean, C in zip(weights, means, covariances, strict=True)
        )
        rows.append(math.log(density))
    return np.array(rows)


def em_step(X, row_weights, weights, means, covariances):
    """One step of EM with full covariances on complete rows, by loops."""
    k, (n, d) = len(weights), X.shape
    shares = np.zeros((n, k))
    for i, j in itertools.product(range(n), range(k)):
        shares[i, j] = weights[j] * multivariate_normal(means[j], covariances[j]).pdf(X[i])
    shares *= (row_weights / shares.sum(axis=1))[:, None]
    counts = shares.sum(axis=0)
    new = shares.T @ X / counts[:, None]
    scatter = np.zeros((k, d, d))
    for i, j in itertools.product(range(n), range(k)):
        scatter[j] += shares[i, j] * np.outer(X[i] - new[j], X[i] - new[j])
    return counts / counts.sum(), new, scatter / counts[:, None, None]


def marginal_density(x, weights, means, covariances):
    """Density of a row of two features whose second is missing, by integrating it out."""

    def joint(y):
        return sum(
            weight * multivariate_normal(mean, C).pdf([x, y])
            for weight, mean, C in zip(weights, means, covariances, strict=True)
        )

    return integrate.quad(joint, -60, 60, limit=400, points=sorted(means[:, 1]))[0]


def expected_second(x, weights, means, covariances):
    """Expectation of the second feature given the first, by integration."""

    def moment(y):
        return y * sum(
            weight * multivariate_normal(mean, C).pdf([x, y])
            for weight, mean, C in zip(weights, means, covariances, strict=True)
        )

    whole = marginal_density(x, weights, means, covariances)
    return integrate.quad(moment, -60, 60, limit=400, points=sorted(means[:, 1]))[0] / whole


def chain_posterior(start, moves, densities):
    """Shares, expected transitions and log-likelihood of one sequence, each message scaled."""
    T, k = densities.shape
    alpha, beta, likelihood = np.empty((T, k)), np.ones((T, k)), 0.0
    for t in range(T):
        alpha[t] = (start if t == 0 else alpha[t - 1] @ moves) * densities[t]
        likelihood += math.log(alpha[t].sum())
        alpha[t] /= alpha[t].sum()
    pairs = np.zeros((k, k))
    for t in range(T - 2, -1, -1):
        beta[t] = moves @ (densities[t + 1] * beta[t + 1])
        joint = alpha[t][:, None] * moves * (densities[t + 1] * beta[t + 1])
        pairs += joint / joint.sum()
        beta[t] /= beta[t].sum()
    shares = alpha * beta
    return shares / shares.sum(axis=1, keepdims=True), pairs, likelihood
