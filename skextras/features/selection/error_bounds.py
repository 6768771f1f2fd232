"""ENGINE: how many features stability selection may choose wrongly.

A feature is wrong here if a fit on half of the rows chooses it with a chance of at most q / d, no
more than by luck. Both bounds hold whatever the model that chooses, and whatever the data.

References
----------
.. [1] N. Meinshausen and P. Bühlmann, "Stability Selection", Journal of the Royal Statistical
   Society B 72(4), 2010, theorem 1.
.. [2] R. Shah and R. Samworth, "Variable Selection with Error Control: Another Look at Stability
   Selection", Journal of the Royal Statistical Society B 75(1), 2013, theorem 1 and equation 8.
"""

import math

import numpy as np

BOUNDS = ("unimodal", "worst_case")


def error_bound(
    q: float, n_features: int, threshold: float, *, n_pairs: int, kind: str = "unimodal"
) -> float:
    """Bound of the expected number of features chosen wrongly.

    Parameters
    ----------
    q : float
        Features that a fit chooses on average.
    n_features : int
        d, of how many.
    threshold : float
        τ in (0.5, 1], share of the fits that must choose a feature.
    n_pairs : int
        B, pairs of halves.
    kind : {"unimodal", "worst_case"}, default="unimodal"
        "worst_case" is q² / (d (2τ - 1)) (theorem 1 of both papers); "unimodal" supposes that the
        share of pairs that choose a wrong feature twice has one mode, and is up to twice as sharp.

    Returns
    -------
    float
        At most d; infinite chances are not made small: where the sharper bound does not hold (a
        threshold too near to 0.5), it is the worst case.
    """
    theta = q / n_features
    worst = q * theta / (2 * threshold - 1)
    if kind == "worst_case":
        return min(worst, float(n_features))
    least = min(0.5 + theta**2, 0.5 + 1 / (2 * n_pairs) + 0.75 * theta**2)
    if theta > 1 / math.sqrt(3) or threshold <= least:
        return min(worst, float(n_features))
    if threshold <= 0.75:
        constant = 1 / (2 * (2 * threshold - 1 - 1 / (2 * n_pairs)))
    else:
        constant = 4 * (1 - threshold + 1 / (2 * n_pairs)) / (1 + 1 / n_pairs)
    return min(constant * q * theta, worst, float(n_features))


def largest_q(
    n_features: int, threshold: float, max_false: float, *, n_pairs: int, kind: str
) -> int:
    """How many features a fit may choose so that the bound is kept.

    Parameters
    ----------
    n_features : int
        Of how many.
    threshold : float
        Share of the fits that must choose a feature.
    max_false : float
        What the bound may be.
    n_pairs : int
        Pairs of halves.
    kind : str
        Which bound.

    Returns
    -------
    int
        0 if even one is too many.
    """
    bounds = [
        error_bound(q, n_features, threshold, n_pairs=n_pairs, kind=kind)
        for q in range(1, n_features + 1)
    ]
    return int(np.searchsorted(np.maximum.accumulate(bounds), max_false * (1 + 1e-12), "right"))
