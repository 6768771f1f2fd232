"""Compiled passes of Kohonen's own algorithm: every row moves the units before the next one comes.

A feature of some units is moved by one row and compared with the next in one go, so that the
weights are walked over once a row. Neighbourhoods are products of one factor for the rows of the
map and one for its columns, or functions of the sum of two squares.
"""

from typing import Any

import numpy as np

from skextras.som.passes import CORRELATION, COSINE, EUCLIDEAN, MANHATTAN, standardize
from skextras.som.tiles import SWEEP, sweep
from skextras.trees.compiling import compiled, inner

GAUSSIAN, BUBBLE, MEXICAN_HAT, EPANECHNIKOV = range(4)


@inner
def _move(w: Any, value: float, shares: Any) -> None:
    """One feature of all units goes towards its value in the row."""
    for j in range(w.shape[0]):
        w[j] += shares[j] * (value - w[j])


@inner
def _compare(w: Any, value: float, kind: int, sums: Any) -> None:
    """Add what one feature has to say about how far all units are from the next row."""
    apart, total, squares = sums[0], sums[1], sums[2]
    if kind == EUCLIDEAN:
        for j in range(w.shape[0]):
            apart[j] += (value - w[j]) * (value - w[j])
    elif kind == MANHATTAN:
        for j in range(w.shape[0]):
            apart[j] += abs(value - w[j])
    else:
        for j in range(w.shape[0]):
            apart[j] -= value * w[j]
            total[j] += w[j]
            squares[j] += w[j] * w[j]


@inner
def _nearest(kind: int, n_features: int, sums: Any) -> Any:
    """The unit of the lowest sum; angles want the length of the weights, centred or not."""
    lowest, found = np.inf, 0
    for j in range(sums.shape[1]):
        apart = sums[0, j]
        if kind in (COSINE, CORRELATION):
            squares = sums[2, j]
            if kind == CORRELATION:
                squares -= sums[1, j] * sums[1, j] / n_features
            apart = apart / np.sqrt(squares) if squares > 0 else 0.0
        if apart < lowest:
            lowest, found = apart, j
    return found


@inner
def _around(distance: float, period: float) -> Any:
    """The shorter way on a circle; an open edge has the period 0."""
    distance = abs(distance)
    return min(distance % period, period - distance % period) if period > 0 else distance


@inner
def _lay_out(
    row: int, column: int, radius: float, map_form: Any, squares: Any, factors: Any
) -> None:
    """Squared distances from a unit along the map, and their Gaussian factors.

    The first line is for the rows of the map, the others for the columns of even and odd rows.
    """
    n_rows, n_cols, is_hexagonal, wraps_x, wraps_y = map_form
    height = 0.75 if is_hexagonal else 1.0
    for r in range(n_rows):
        apart = _around(np.float64(r - row), np.float64(n_rows if wraps_y else 0))
        squares[0, r] = height * apart * apart
    for odd in range(2 if is_hexagonal else 1):
        shift = 0.5 * (odd - row % 2) if is_hexagonal else 0.0
        for c in range(n_cols):
            apart = _around(c - column + shift, np.float64(n_cols if wraps_x else 0))
            squares[1 + odd, c] = apart * apart
    for line in range(3 if is_hexagonal else 2):
        for k in range(n_rows if line == 0 else n_cols):
            factors[line, k] = np.exp(-0.5 * squares[line, k] / (radius * radius))


@inner
def _neighborhood(shape: int, squared: float, factor: float, radius: float) -> Any:
    if shape == GAUSSIAN:
        return factor
    if shape == BUBBLE:
        return 1.0 if squared <= radius * radius * (1 + 1e-12) else 0.0
    scaled = squared / (radius * radius)
    return (1 - scaled) * factor if shape == MEXICAN_HAT else max(1 - scaled, 0.0)


@inner
def _share(h: float, rate: float, weight: float) -> Any:
    """Share of the way; a row of weight 2 goes it twice."""
    share = rate * h
    return share if weight == 1.0 or share >= 1.0 else 1 - (1 - share) ** weight


@inner
def _sweep_all(panels: Any, row: Any, x: Any, shares: Any, apart: Any) -> None:
    n_panels, d = panels.shape[0], panels.shape[1]
    for p in range(n_panels):
        sweep(panels, p * d * SWEEP, p * SWEEP, d, row, x, shares, apart)


@inner
def _sweep_known(panels: Any, row: Any, x: Any, kind: int, shares: Any, sums: Any) -> None:
    """The same for any metric, and for rows with missing values."""
    sums[:] = 0.0
    for p in range(panels.shape[0]):
        first, last = p * SWEEP, (p + 1) * SWEEP
        for k in range(panels.shape[1]):
            if row[k] == row[k]:
                _move(panels[p, k], row[k], shares[first:last])
            if x[k] == x[k]:
                _compare(panels[p, k], x[k], kind, sums[:, first:last])


@inner
def _weigh_units(
    best: int,
    radius: float,
    is_alone: bool,
    shape: int,
    map_form: Any,
    squares: Any,
    factors: Any,
    step: Any,
    shares: Any,
) -> None:
    """Share of the way that each unit goes; ``step`` is the learning rate and the row's weight."""
    n_rows, n_cols, is_hexagonal = map_form[0], map_form[1], map_form[2]
    if not is_alone:
        _lay_out(best // n_cols, best % n_cols, radius, map_form, squares, factors)
        for r in range(n_rows):
            line = 1 + (r % 2 if is_hexagonal else 0)
            for c in range(n_cols):
                squared, factor = squares[0, r] + squares[line, c], factors[0, r] * factors[line, c]
                h = _neighborhood(shape, squared, factor, radius)
                shares[r * n_cols + c] = _share(h, step[0], step[1])
    shares[best] = _share(1.0, step[0], step[1])


@compiled
def learn_rows(
    X: Any,
    weights: Any,
    panels: Any,
    kind: int,
    shape: int,
    map_form: Any,
    radii: Any,
    rates: Any,
    narrow: float,
) -> None:
    """Move all units by each row in turn.

    ``panels`` hold their weights (n_panels, n_features, SWEEP), and units behind that never move.
    """
    n, d = X.shape
    n_units = map_form[0] * map_form[1]
    squares = np.empty((3, max(map_form[0], map_form[1])))
    factors = np.empty_like(squares)
    row, x, shares = np.zeros(d), np.zeros(d), np.zeros(panels.shape[0] * SWEEP)
    sums = np.zeros((3, shares.shape[0]))
    best, is_plain = 0, kind == EUCLIDEAN and not np.isnan(X.sum())
    for i in range(-1, n):
        shares[:] = 0.0
        if i >= 0 and weights[i] > 0:
            is_alone, step = radii[i] < narrow, (rates[i], weights[i])
            _weigh_units(best, radii[i], is_alone, shape, map_form, squares, factors, step, shares)
        if i >= 0:
            row[:] = X[i]
        if i + 1 < n:
            standardize(X[i + 1], kind, x)
        if is_plain:
            _sweep_all(panels, row, x, shares, sums[0])
        else:
            _sweep_known(panels, row, x, kind, shares, sums)
        best = _nearest(kind, d, sums[:, :n_units])
