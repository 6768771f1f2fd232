"""Quantiles of residuals, of all rows and leaf by leaf.

The quantile is the averaged inverse of the distribution function: the smallest value up to which
the share alpha of the weight lies, averaged with the next one where the share is met exactly. It is
the median without weights, a weight is a repetition, and a factor on all weights changes nothing.
"""

from typing import Any

import numpy as np

from skextras.trees.memory import compiled

CLOSE = 1e-12  # a sum of weights that meets its share up to rounding meets it


@compiled
def _pivot(values, low, high):  # type: ignore[no-untyped-def]
    """Median of three."""
    a, b, c = values[low], values[(low + high) >> 1], values[high - 1]
    return max(min(a, b), min(max(a, b), c))


@compiled
def _divide(values, weights, low, high, pivot):  # type: ignore[no-untyped-def]
    """Put what is below a pivot first and what is above it last: both places, both weights."""
    i, left, right = low, low, high
    below, equal = 0.0, 0.0
    while i < right:
        value, weight = values[i], weights[i]
        if value < pivot:
            below += weight
            values[i], weights[i] = values[left], weights[left]
            values[left], weights[left] = value, weight
            left += 1
            i += 1
        elif value > pivot:
            right -= 1
            values[i], weights[i] = values[right], weights[right]
            values[right], weights[right] = value, weight
        else:
            equal += weight
            i += 1
    return left, right, below, equal


@compiled
def _select(values: Any, weights: Any, alpha: float) -> float:
    """Quantile of values with positive weights; both are reordered."""
    total = 0.0
    for i in range(values.size):
        total += weights[i]
    share, slack, before = alpha * total, CLOSE * total, 0.0
    low, high = 0, values.size
    while True:
        pivot = _pivot(values, low, high)
        left, right, below, equal = _divide(values, weights, low, high, pivot)
        upto = before + below + equal
        if left > low and share <= before + below + slack:
            high = left
        elif right < high and share > upto + slack:
            low, before = right, upto
        else:
            break
    if right == values.size or share < upto - slack or share <= 0:
        return pivot
    above = values[right]
    for i in range(right + 1, values.size):
        above = min(above, values[i])
    return pivot / 2 + above / 2


@compiled
def _huber_step(values, weights, centre, delta):  # type: ignore[no-untyped-def]
    """The centre, moved by the mean of the clipped residuals about it."""
    total, moved = 0.0, 0.0
    for i in range(values.size):
        total += weights[i]
        moved += weights[i] * min(max(values[i] - centre, -delta), delta)
    return centre + moved / total


@compiled
def _centre(values: Any, weights: Any, alpha: float, delta: float) -> float:
    """Quantile, or with a finite delta Huber's step from it; 0 without rows."""
    if values.size == 0:
        return 0.0
    centre = _select(values, weights, alpha)
    return centre if np.isinf(delta) else _huber_step(values, weights, centre, delta)


@compiled
def _fill_leaves(columns, rows, spans, parameters, values):  # type: ignore[no-untyped-def]
    y, raw, weight = columns
    residuals, weights = np.empty(rows.size), np.empty(rows.size)
    for leaf in range(spans.shape[0]):
        n = 0
        for place in range(spans[leaf, 0], spans[leaf, 1]):
            row = rows[place]
            own = np.float64(weight[row]) if weight.size else 1.0
            if own > 0:
                residuals[n] = np.float64(y[row]) - np.float64(raw[row])
                weights[n] = own
                n += 1
        values[leaf] = _centre(residuals[:n], weights[:n], parameters[0], parameters[1])


def _counted(values: Any, weight: Any) -> tuple[Any, Any]:
    """Copies of the values that weigh anything, and their weights."""
    values = np.array(values, np.float64)
    if weight is None:
        return values, np.ones(len(values))
    weights = np.asarray(weight, np.float64)
    return values[weights > 0], weights[weights > 0]


def weighted_quantile(values: Any, weight: Any, alpha: float) -> float:
    """Quantile of some values.

    Parameters
    ----------
    values : ndarray of shape (n,)
        At least one.
    weight : ndarray of shape (n,) or None
        Repetitions of each.
    alpha : float
        Share of the weight below, 0 to 1.

    Returns
    -------
    float
        The averaged inverse of the weighted distribution function.
    """
    return float(_centre(*_counted(values, weight), alpha, np.inf))


def huber_centre(values: Any, weight: Any, delta: float) -> float:
    """Huber's estimate of location in one step from the median (Friedman 2001, algorithm 4).

    Parameters
    ----------
    values : ndarray of shape (n,)
        At least one.
    weight : ndarray of shape (n,) or None
        Repetitions of each.
    delta : float
        Where residuals are cut off.

    Returns
    -------
    float
        The estimate.
    """
    return float(_centre(*_counted(values, weight), 0.5, delta))


def leaf_quantiles(
    y: Any, raw: Any, weight: Any, leaves: tuple[Any, Any, Any], *, alpha: float, delta: float
) -> Any:
    """Quantile, or Huber's estimate, of the residuals y - raw in each leaf.

    Parameters
    ----------
    y, raw : ndarray of float32 of shape (n,)
        Targets and scores.
    weight : ndarray of float32 of shape (n,) or None
        Repetitions of each row.
    leaves : tuple of (rows, starts, ends)
        Rows (uint32) in the order of their leaves; leaf i holds ``rows[starts[i]:ends[i]]``.
    alpha : float
        Which quantile.
    delta : float
        Where Huber's estimate cuts off; infinite for the quantile itself.

    Returns
    -------
    ndarray of float64 of shape (n_leaves,)
        0 for a leaf without rows.
    """
    rows, starts, ends = leaves
    values = np.zeros(len(starts))
    weights = np.empty(0, np.float32) if weight is None else weight
    spans = np.ascontiguousarray(np.stack([starts, ends], axis=1), np.int64)
    _fill_leaves((y, raw, weights), rows, spans, np.array([alpha, delta]), values)
    return values
