"""What a side of a split is worth: the better the sides, the greater the sum of their scores.

With g the weight of the second class (or the sum of the targets) and h the weight of all rows of a
side, Gini and squared error ask for g²/h, entropy for Σ_k n_k log n_k - h log h, and Poisson's
deviance for s log(s/h) ([1]_, chapters 4 and 8). The reduction of a node's impurity is the score of
the sides less that of the node.

References
----------
.. [1] L. Breiman, J. Friedman, R. Olshen and C. Stone, "Classification and Regression Trees", 1984.
"""

from math import log

import numpy as np

from skextras.trees import forest_slots as at
from skextras.trees.memory import float64s, inner, word

N_TABLED = 2048  # whole numbers whose x log x is looked up
WORST = -np.inf
LOWER_HALF = np.int64(0xFFFFFFFF)  # of a packed sum: the weight; above it stands the rest


def table_of_xlogx() -> np.ndarray:
    """Products n log n of small whole numbers.

    Returns
    -------
    ndarray of float64 of shape (2048,)
        0 for 0.
    """
    n = np.arange(N_TABLED, dtype=np.float64)
    return n * np.log(np.maximum(n, 1.0))


@inner
def xlogx(x, tabled):  # type: ignore[no-untyped-def]
    if x < N_TABLED:
        n = np.uint64(x)
        if np.float64(n) == x:
            return tabled[n]
    return x * log(x) if x > 0.0 else 0.0


@inner
def sums_score(table, g, h):  # type: ignore[no-untyped-def]
    """Score of one side by its packed sums."""
    criterion = word(table, at.CRITERION)
    if criterion == at.SQUARES:
        return g * g / h
    if criterion == at.ENTROPY:
        tabled = float64s(word(table, at.XLOGX), N_TABLED)
        return xlogx(g, tabled) + xlogx(h - g, tabled) - xlogx(h, tabled)
    facts = float64s(word(table, at.FACTS), at.N_FACTS)
    s = g * facts[at.UNIT] + facts[at.MEAN] * h
    return s * log(s / h) if s > 0.0 else WORST


@inner
def sums_value(table, g, h):  # type: ignore[no-untyped-def]
    """Mean of one side: the share of the second class, or of the targets."""
    facts = float64s(word(table, at.FACTS), at.N_FACTS)
    return g / h * facts[at.UNIT] + facts[at.MEAN]


@inner
def is_allowed(table, left, right):  # type: ignore[no-untyped-def]
    """Whether means keep to the bounds and to the direction of a monotonic constraint."""
    facts = float64s(word(table, at.FACTS), at.N_FACTS)
    low, high = facts[at.LOW], facts[at.HIGH]
    is_within = low <= left <= high and low <= right <= high
    return is_within and (right - left) * facts[at.RISES] >= 0.0


@inner
def lanes_score(table, sums, n_lanes, h):  # type: ignore[no-untyped-def]
    """Score of one side by its sums: one a class, or one an output."""
    criterion, score = word(table, at.CRITERION), 0.0
    if criterion == at.SQUARES:
        for v in range(n_lanes):
            score += sums[v] * sums[v]
        return score / h
    if criterion == at.ENTROPY:
        tabled = float64s(word(table, at.XLOGX), N_TABLED)
        for v in range(n_lanes):
            score += xlogx(sums[v], tabled)
        return score - word(table, at.N_OUTPUTS) * xlogx(h, tabled)
    for v in range(n_lanes):
        if sums[v] <= 0.0:
            return WORST
        score += sums[v] * log(sums[v] / h)
    return score
