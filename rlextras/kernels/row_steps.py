"""Gradients and steps of Adam for some rows of weights at a time, and the targets behind them."""

import math

import numpy as np

from rlextras.kernels.actor_critic import (
    BIAS,
    DELTA,
    INPUTS,
    LD,
    MAX_ROWS,
    N_IN,
    N_OUT,
    WEIGHT,
)
from rlextras.kernels.adam import step
from rlextras.kernels.compiler import kernel
from rlextras.kernels.panels import PANEL, add_some_rows, is_silent, name_all
from rlextras.kernels.teams import claim, finish, wait
from rlextras.kernels.tiles import LANES, fill, move, product_tile

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_lanes = product_tile(1, LANES)


@kernel()
def _find_live(deltas: np.ndarray, start: np.int64, grid: tuple, rows: tuple) -> np.int64:
    """List the rows that are not silent in all panels."""
    (n_panels, last), stride = grid
    n_rows, live = rows
    n_live = np.int64(0)
    for r in range(n_rows):
        p, at = np.int64(0), start + r * PANEL
        while p < n_panels - 1 and is_silent(deltas, at + p * stride, np.int64(PANEL)):
            p += 1
        live[n_live] = r  # the next one comes in the place of a silent one
        n_live += p < n_panels - 1 or not is_silent(deltas, at + p * stride, last)
    return n_live


@kernel()
def _multiply(table: np.ndarray, layer: int, field: tuple, lists: tuple, at: tuple) -> None:
    """Products of rows of deltas with the inputs of a layer."""
    deltas, inputs, (n_panels, last), stride = field
    work, products, first, n_rows = at
    ld, wide, one = table[layer, LD], np.int64(PANEL), np.int64(1)
    steps = (ld, wide, one, stride, ld, wide * ld)
    n_whole = n_panels if last == PANEL else n_panels - 1
    for is_last in range(1 if last == PANEL else 2):  # full panels together, then the last one
        n_before, n_samples, n_outer = (n_whole, last, one) if is_last else (0, wide, n_whole)
        n_samples = name_all(lists[0], n_samples)
        x_at = table[layer, INPUTS] + n_before * wide * ld
        where, shape = (products, first + n_before * stride, x_at), (n_rows, ld, n_samples, n_outer)
        add_some_rows(work, deltas, inputs, lists, where, steps, shape)


@kernel()
def _gradients(table: np.ndarray, rows: tuple, field: tuple, room: tuple) -> None:
    """Gradients of some rows of weights, then of their biases: zero where no delta is."""
    layer, first, n_rows = rows
    deltas, _, grid, stride = field
    work, lists = room
    n_in, ld = table[layer, N_IN], table[layer, LD]
    start, biases = table[layer, DELTA] + first * PANEL, n_rows * n_in
    products = np.int64(0) if ld == n_in else biases + n_rows
    work[products : products + n_rows * ld] = _ZERO
    n_live = _find_live(deltas, start, (grid, stride), (n_rows, lists[1]))
    _multiply(table, layer, field, lists, (work, products, start, n_live))
    if ld > n_in:
        for r in range(n_rows):  # what is written behind a row, the next one writes again
            for k in range(0, n_in, LANES):
                move(work, work, (r * n_in + k, products + r * ld + k))
    _add_columns(deltas, start, (grid, stride), (n_rows, n_live, lists[1]), (work, biases))


@kernel()
def _add_columns(deltas: np.ndarray, start: np.int64, grid: tuple, rows: tuple, to: tuple) -> None:
    """Sum of each row over all panels, zero for those that are not listed."""
    (n_panels, last), stride = grid
    (n_rows, n_live, live), (work, biases) = rows, to
    none, sums = np.int64(0), biases + n_rows
    one = sums + LANES
    work[biases : biases + n_rows], work[one] = _ZERO, _ONE
    for i in range(n_live):
        fill(work, sums, _ZERO)
        for c in range(0, PANEL, LANES):
            at, n = start + live[i] * PANEL + c, n_panels if c < last else n_panels - 1
            _lanes(work, work, deltas, (sums, none, one, none, none, at, stride, n))
        work[biases + live[i]] = _sum(work, sums, np.int64(LANES))


@kernel()
def _descend(
    memory: np.ndarray,
    table: np.ndarray,
    rows: tuple,
    field: tuple,
    rates: tuple,
    tau: np.float32,
    room: tuple,
) -> None:
    """Gradient of some rows of a layer, their step of Adam, and the targets' step towards them."""
    layer, first, n_rows = rows
    adam, weights = rates
    work, _ = room
    _gradients(table, rows, field, room)
    n_in = table[layer, N_IN]
    at, bias, n = table[layer, WEIGHT] + first * n_in, table[layer, BIAS] + first, n_rows * n_in
    _step_towards(memory, at, n, work[:n], adam, weights, tau)
    _step_towards(memory, bias, n_rows, work[n : n + n_rows], adam, weights, tau)


@kernel(fastmath={"contract", "reassoc"})
def _sum(x: np.ndarray, start: np.int64, n: np.int64) -> np.float32:
    """Sum of some numbers, in any order."""
    total = _ZERO
    for k in range(start, start + n):
        total += x[k]
    return total


@kernel()
def _step_towards(
    memory: np.ndarray,
    at: np.int64,
    n: np.int64,
    gradient: np.ndarray,
    rates: tuple,
    weights: tuple,
    tau: np.float32,
) -> None:
    """One step of Adam, and τ of the way for the targets."""
    size = memory.size // 4
    theta, target = memory[at : at + n], memory[size + at : size + at + n]
    mean, square = memory[2 * size + at : 2 * size + at + n], memory[3 * size + at :][:n]
    step(theta, gradient, (mean, square), rates, weights)
    if tau > _ZERO:
        for k in range(n):
            target[k] += tau * (theta[k] - target[k])


@kernel()
def rates_of(settings: np.ndarray, first: int, n_steps: float) -> tuple:
    """Tell what a step of Adam goes by.

    Parameters
    ----------
    settings : ndarray of float64
        They hold learning rate, β₁, β₂ and ε.
    first : int
        Place of the first of these.
    n_steps : float
        Steps done, this one included.

    Returns
    -------
    tuple
        Rates and weights of ``adam.step``.
    """
    rate, beta_1, beta_2 = settings[first], settings[first + 1], settings[first + 2]
    speed = np.float32(rate / (1.0 - beta_1**n_steps))
    spread = np.float32(1.0 / math.sqrt(1.0 - beta_2**n_steps))
    adam = (_ONE, speed, spread, np.float32(settings[first + 3]))
    return adam, (np.float32(1.0 - beta_1), np.float32(beta_2), np.float32(1.0 - beta_2))


@kernel()
def step_rows(
    memory: np.ndarray,
    table: np.ndarray,
    layers: tuple,
    field: tuple,
    rates: tuple,
    tau: np.float32,
    room: tuple,
    words: np.ndarray,
    phase: tuple,
) -> None:
    """Run the pieces of a phase by rows of weights.

    Parameters
    ----------
    memory : ndarray of float32, shape (4 P,)
        Parameters, those of the targets, and Adam's two moments.
    table : ndarray of int64
        The layers.
    layers : tuple of (int, int)
        Those that are meant.
    field : tuple
        Deltas, inputs, the number of panels and the columns of the last, and the numbers in one of
        deltas.
    rates : tuple
        Of ``rates_of``.
    tau : float32
        How far the targets follow; 0 leaves them.
    room : tuple of (ndarray of float32, ndarray of int64)
        Of this thread: for a few rows, and for ``most_rows`` numbers.
    words : ndarray of int64
        Of ``teams``.
    phase : tuple of (int64, int64)
        Round and phase.
    """
    first, end = layers
    n_pieces = np.int64(0)
    for i in range(first, end):
        n_pieces += (table[i, N_OUT] + MAX_ROWS - 1) // MAX_ROWS
    piece = claim(words, phase, n_pieces)
    while piece < n_pieces:
        layer, left = end - 1, piece  # a first layer is small: its pieces fill up the last moments
        while left >= (table[layer, N_OUT] + MAX_ROWS - 1) // MAX_ROWS:
            left -= (table[layer, N_OUT] + MAX_ROWS - 1) // MAX_ROWS
            layer -= 1
        n_rows = min(np.int64(MAX_ROWS), table[layer, N_OUT] - left * MAX_ROWS)
        _descend(memory, table, (layer, left * MAX_ROWS, n_rows), field, rates, tau, room)
        finish(words, phase)
        piece = claim(words, phase, n_pieces)
    wait(words, phase, n_pieces)
