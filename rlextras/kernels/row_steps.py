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
from rlextras.kernels.panels import PANEL, add_product, is_silent
from rlextras.kernels.teams import claim, finish, wait
from rlextras.kernels.tiles import LANES, move

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@kernel()
def _pack(deltas: np.ndarray, start: np.int64, grid: tuple, work: np.ndarray, to: np.int64) -> bool:
    """Put a row of all panels side by side, and tell whether it is silent in all of them."""
    (n_panels, last), stride = grid
    are_silent = True
    for p in range(n_panels):
        here, n_columns = start + p * stride, last if p == n_panels - 1 else np.int64(PANEL)
        are_silent = is_silent(deltas, here, n_columns) and are_silent
        for k in range(0, n_columns, LANES):
            move(work, deltas, (to + p * PANEL + k, here + k))
    return are_silent


@kernel()
def _multiply(table: np.ndarray, layer: int, field: tuple, room: tuple, at: tuple) -> None:
    """Products of packed rows with the inputs of a layer."""
    _, inputs, (n_panels, last), _ = field
    work, live = room
    products, packed, n_rows = at
    ld, one, n_samples = table[layer, LD], np.int64(1), (n_panels - 1) * PANEL + last
    work[products : products + n_rows * ld] = _ZERO
    for b in range(n_samples):
        live[0][b] = b
    where, steps = (products, packed, table[layer, INPUTS]), (ld, n_panels * PANEL, one, ld)
    add_product(work, work, inputs, live, where, steps, (n_rows, ld, n_samples, False))


@kernel()
def _gradients(table: np.ndarray, rows: tuple, field: tuple, room: tuple) -> None:
    """Gradients of some rows of weights, then of their biases: zero where no delta is."""
    layer, first, n_rows = rows
    deltas, _, grid, stride = field
    work, (_, live) = room
    n_in, ld, width = table[layer, N_IN], table[layer, LD], grid[0] * PANEL
    products = n_rows * (n_in + 1)
    packed = products + n_rows * ld
    n_live = np.int64(0)
    for r in range(n_rows):
        at, to = table[layer, DELTA] + (first + r) * PANEL, packed + n_live * width
        live[n_live] = r  # the next one comes in the place of a silent one
        if not _pack(deltas, at, (grid, stride), work, to):
            n_live += 1
    _multiply(table, layer, field, room, (products, packed, n_live))
    live[n_live] = n_rows
    n_done = np.int64(0)
    for r in range(n_rows):  # what is written behind a row, the next one writes again
        if live[n_done] == r:
            for k in range(0, n_in, LANES):
                move(work, work, (r * n_in + k, products + n_done * ld + k))
            n_done += 1
        else:
            work[r * n_in : (r + 1) * n_in] = _ZERO
    biases = n_rows * n_in
    work[biases : biases + n_rows] = _ZERO
    for i in range(n_live):
        n_samples = width - PANEL + grid[1]
        work[biases + live[i]] = _sum(work, packed + i * width, n_samples)


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
        layer, left = first, piece
        while left >= (table[layer, N_OUT] + MAX_ROWS - 1) // MAX_ROWS:
            left -= (table[layer, N_OUT] + MAX_ROWS - 1) // MAX_ROWS
            layer += 1
        n_rows = min(np.int64(MAX_ROWS), table[layer, N_OUT] - left * MAX_ROWS)
        _descend(memory, table, (layer, left * MAX_ROWS, n_rows), field, rates, tau, room)
        finish(words, phase)
        piece = claim(words, phase, n_pieces)
    wait(words, phase, n_pieces)
