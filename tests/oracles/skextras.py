"""Slow and obvious twins of the skextras engines."""

import math

import numpy as np
from scipy.optimize import minimize


def logistic_objective(F, targets, weights):
    """Weighted log loss of scores F (n, k), one row at a time; k = 1 stands for two classes."""
    total = 0.0
    for scores, target, weight in zip(F, targets, weights, strict=True):
        if len(scores) == 1:
            sign = 1 if target[0] == 1 else -1
            total += weight * math.log(1 + math.exp(-sign * scores[0]))
        else:
            total += weight * (math.log(sum(map(math.exp, scores))) - float(scores @ target))
    return total


def primal_logistic_scores(K, targets, weights, *, fit_intercept):
    """Scores F of the penalised maximum-likelihood fit, found in the features of K.

    K = Φ Φᵀ by eigenvectors, F = Φ θ + b, penalty ½ |θ|²: an ordinary smooth problem in (θ, b),
    handed to a general minimiser.
    """
    values, vectors = np.linalg.eigh(K)
    features = vectors * np.sqrt(np.maximum(values, 0))
    k, n_features = targets.shape[1], features.shape[1]

    def scores(parameters):
        table = parameters.reshape(n_features + 1, k)
        return features @ table[:-1] + fit_intercept * table[-1]

    def objective(parameters):
        theta = parameters.reshape(n_features + 1, k)[:-1]
        return logistic_objective(scores(parameters), targets, weights) + 0.5 * np.sum(theta**2)

    def gradient(parameters):
        table = parameters.reshape(n_features + 1, k)
        F = scores(parameters)
        odds = np.exp(F)
        p = odds / (1 + odds) if k == 1 else odds / odds.sum(axis=1, keepdims=True)
        slope = weights[:, None] * (p - targets)
        top = features.T @ slope + table[:-1]
        return np.vstack([top, fit_intercept * slope.sum(axis=0)]).ravel()

    start = np.zeros((n_features + 1) * k)
    found = minimize(objective, start, jac=gradient, method="BFGS", options={"gtol": 1e-9})
    return scores(found.x)


def repeated(X, y, counts):
    """Rows and labels with row i standing counts[i] times."""
    index = np.repeat(np.arange(len(y)), counts)
    return X[index], y[index]
