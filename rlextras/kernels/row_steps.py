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
from rlextras.kernels.panels import PANEL, add_product
from rlextras.kernels.teams import claim, finish, wait

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@kernel()
def _descend(
    memory: np.ndarray,
    table: np.ndarray,
    rows: tuple,
    field: tuple,
    rates: tuple,
    tau: np.float32,
    work: np.ndarray,
) -> None:
    """Gradient of some rows of a layer, their step of Adam, and the targets' step towards them."""
    layer, first, n_rows = rows
    deltas, inputs, (n_panels, last), stride = field
    adam, weights = rates
    n_in, ld = table[layer, N_IN], table[layer, LD]
    delta_at = table[layer, DELTA] + first * PANEL
    work[: n_rows * ld] = _ZERO
    wide, one = np.int64(PANEL), np.int64(1)
    steps = (ld, wide, one, stride, ld, wide * ld)
    n_whole = n_panels if last == PANEL else n_panels - 1
    for is_last in range(1 if last == PANEL else 2):  # full panels together, then the last one
        n_before, n_samples, n_outer = (n_whole, last, one) if is_last else (0, wide, n_whole)
        where = (
            np.int64(0),
            delta_at + n_before * stride,
            table[layer, INPUTS] + n_before * wide * ld,
        )
        add_product(work, deltas, inputs, where, steps, (n_rows, ld, n_samples, n_outer))
    at, bias = table[layer, WEIGHT] + first * n_in, table[layer, BIAS] + first
    if ld > n_in:  # rows without a gap are one
        for r in range(1, n_rows):
            for k in range(n_in):
                work[r * n_in + k] = work[r * ld + k]
    _step_towards(memory, at, n_rows * n_in, work[: n_rows * n_in], adam, weights, tau)
    gradient = work[n_rows * ld : n_rows * ld + n_rows]
    for r in range(n_rows):
        gradient[r] = _sum(deltas, delta_at + r * PANEL, (n_panels, last), stride)
    _step_towards(memory, bias, n_rows, gradient, adam, weights, tau)


@kernel(fastmath={"contract", "reassoc"})
def _sum(deltas: np.ndarray, start: np.int64, panels: tuple, stride: np.int64) -> np.float32:
    """Sum of a row over all panels, in any order."""
    total, (n_panels, last) = _ZERO, panels
    for p in range(n_panels):
        here = start + p * stride
        for k in range(here, here + (PANEL if p < n_panels - 1 else last)):
            total += deltas[k]
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
    work: np.ndarray,
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
    work : ndarray of float32
        Room for a few rows.
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
        _descend(memory, table, (layer, left * MAX_ROWS, n_rows), field, rates, tau, work)
        finish(words, phase)
        piece = claim(words, phase, n_pieces)
    wait(words, phase, n_pieces)
