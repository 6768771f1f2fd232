"""Forward and backward through networks of a blueprint, a panel of samples at a time."""

import numpy as np

from rlextras.kernels.activations import activate, from_bits, scale_by_derivative
from rlextras.kernels.actor_critic import (
    ACTIVATION,
    BIAS,
    DELTA,
    INPUTS,
    LD,
    MAX_ROWS,
    N_IN,
    N_OUT,
    SLOPE,
    UNIT,
    WEIGHT,
)
from rlextras.kernels.compiler import kernel
from rlextras.kernels.panels import PANEL, add_product, add_some_rows, find_live, name_all
from rlextras.kernels.plan import RELU
from rlextras.kernels.tiles import LANES, fill, row_product, turn

_ZERO = np.float32(0.0)
FEW_OUTPUTS, MANY_OUTPUTS = 8, 100
"""Outputs up to which nobody looks for silent inputs: of a last layer, and of a second one, as few
units of a first are silent for samples in no order. What is observed never is."""


@kernel()
def columns_of(n: np.int64) -> np.int64:
    """Tell how many columns of a panel its samples take.

    Parameters
    ----------
    n : int64
        Samples.

    Returns
    -------
    int64
        The next multiple of ``LANES``.
    """
    return np.int64(LANES if PANEL == LANES else (n + LANES - 1) // LANES * LANES)


@kernel()
def most_rows(table: np.ndarray) -> np.int64:
    """Count the rows that lists may have to name.

    Parameters
    ----------
    table : ndarray of int64
        The layers.

    Returns
    -------
    int64
        Inputs or outputs of a layer, the samples of a panel, or the rows of a piece.
    """
    most = np.int64(max(PANEL, MAX_ROWS))
    for i in range(len(table)):
        most = max(most, table[i, N_IN], table[i, N_OUT])
    return np.int64(most + 1)


@kernel()
def forward(
    theta: np.ndarray,
    table: np.ndarray,
    layers: tuple,
    units: np.ndarray,
    live: tuple,
    at: tuple,
) -> None:
    """Compute the units of a network in a panel.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters.
    table : ndarray of int64
        The layers.
    layers : tuple of (int, int)
        Rows of the network in the table.
    units : ndarray of float32, one dimension
        Its input is set; its units follow.
    live : tuple of (ndarray of int64, ndarray of int64)
        Room for two lists of ``most_rows`` numbers.
    at : tuple of (int64, int64)
        Where they begin, and the columns that hold samples, a multiple of ``LANES``; what stands in
        the others means nothing.
    """
    first, end = layers
    start, n_columns = at
    one, wide = np.int64(1), np.int64(PANEL)
    x_at = start
    for i in range(first, end):
        n_in, n_out, bias = table[i, N_IN], table[i, N_OUT], table[i, BIAS]
        out_at = start + table[i, UNIT]
        for r in range(n_out):
            for c in range(0, n_columns, LANES):
                fill(units, out_at + r * PANEL + c, theta[bias + r])
        where, steps = (out_at, table[i, WEIGHT], x_at), (wide, n_in, one, wide)
        n_live = _list_inputs(units, x_at, (i - first, n_in, n_out, n_columns), live[0])
        add_product(units, theta, units, live[0], where, steps, (n_out, n_columns, n_live))
        outputs = units[out_at : out_at + n_out * PANEL]
        activate(outputs, table[i, ACTIVATION], from_bits(table[i, SLOPE]))
        x_at = out_at


@kernel()
def _list_inputs(units: np.ndarray, at: np.int64, layer: tuple, live: np.ndarray) -> np.int64:
    """List the inputs of a layer that are not silent, or all where a look costs what it saves."""
    place, n_in, n_out, n_columns = layer
    if place == 0 or n_out <= (MANY_OUTPUTS if place == 1 else FEW_OUTPUTS):
        return name_all(live, n_in)
    return find_live(units, at, (n_in, n_columns), live)


@kernel()
def forward_row(theta: np.ndarray, table: np.ndarray, layers: tuple, units: np.ndarray) -> None:
    """Compute the units of a network for one sample.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters.
    table : ndarray of int64
        The layers.
    layers : tuple of (int, int)
        Rows of the network in the table.
    units : ndarray of float32, one dimension
        Its input is set at the beginning; units begin where those of a panel would, side by side.
    """
    first, end = layers
    x_at = np.int64(0)
    for i in range(first, end):
        n_out, out_at = table[i, N_OUT], table[i, UNIT]
        at = (out_at, table[i, WEIGHT], table[i, BIAS], x_at)
        row_product(units, theta, units, at, (n_out, table[i, N_IN]))
        activate(units[out_at : out_at + n_out], table[i, ACTIVATION], from_bits(table[i, SLOPE]))
        x_at = out_at


@kernel()
def backward(
    theta: np.ndarray,
    table: np.ndarray,
    layers: tuple,
    units: np.ndarray,
    deltas: np.ndarray,
    live: tuple,
    at: tuple,
) -> None:
    """Compute deltas of all layers but the last, whose own are set.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters.
    table : ndarray of int64
        The layers.
    layers : tuple of (int, int)
        Rows of the network in the table.
    units : ndarray of float32, one dimension
        What ``forward`` computed.
    deltas : ndarray of float32, one dimension
        Gradients by what stands before each activation.
    live : tuple of (ndarray of int64, ndarray of int64)
        Room, as for ``forward``.
    at : tuple of (int64, int64, int64)
        Where units and deltas of this panel begin, and its columns, as for ``forward``.
    """
    first, end = layers
    start, delta_at, n_columns = at
    one, none, wide = np.int64(1), np.int64(0), np.int64(PANEL)
    for i in range(end - 1, first, -1):
        n_in, n_out = table[i, N_IN], table[i, N_OUT]
        here, below = delta_at + table[i, DELTA], delta_at + table[i - 1, DELTA]
        below_end = below + n_in * PANEL
        deltas[below:below_end] = _ZERO
        from_unit = start + table[i - 1, UNIT]
        outputs = units[from_unit : from_unit + n_in * PANEL]
        kind, slope = table[i - 1, ACTIVATION], from_bits(table[i - 1, SLOPE])
        n_live = find_live(deltas, here, (n_out, n_columns), live[0])
        if kind == RELU:  # its derivative is zero where it is
            n_rows = find_live(units, from_unit, (n_in, n_columns), live[1])
        else:
            n_rows = name_all(live[1], n_in)
        where, steps = (below, table[i, WEIGHT], here), (wide, one, n_in, none, wide, none)
        shape = (n_rows, n_columns, n_live, one)
        add_some_rows(deltas, theta, deltas, live, where, steps, shape)
        scale_by_derivative(deltas[below:below_end], outputs, kind, slope)


@kernel()
def keep_inputs(
    table: np.ndarray, layers: tuple, units: np.ndarray, start: np.int64, at: tuple
) -> None:
    """Write the inputs of each layer down for the gradients: one row a sample.

    Parameters
    ----------
    table : ndarray of int64
        The layers.
    layers : tuple of (int, int)
        Rows of the network in the table.
    units : ndarray of float32, one dimension
        What ``forward`` computed.
    start : int64
        Where it begins.
    at : tuple of (ndarray, int64, int64)
        Where to, the number of the panel, and its columns, as for ``forward``.
    """
    first, end = layers
    inputs, panel, n_columns = at
    x_at, wide = start, np.int64(PANEL)
    for i in range(first, end):
        ld = table[i, LD]
        to = table[i, INPUTS] + panel * PANEL * ld
        for b in range(0, n_columns, LANES):
            for r in range(0, ld, LANES):  # beyond n_in of what follows: of no meaning, nor use
                turn(inputs, units, (to + b * ld + r, ld, x_at + r * PANEL + b, wide))
        x_at = start + table[i, UNIT]


@kernel()
def gather(
    rows: np.ndarray, indices: np.ndarray, span: tuple, units: np.ndarray, at: np.int64
) -> None:
    """Put rows side by side; columns beyond the last sample become zero.

    Parameters
    ----------
    rows : ndarray of float32, shape (N, n)
        Samples.
    indices : ndarray of int64
        Which of them.
    span : tuple of (int64, int64)
        First of the indices, and how many.
    units : ndarray of float32, one dimension
        Where to.
    at : int64
        Where in it.
    """
    start, n = span
    for b in range(n):
        k = indices[start + b]
        for d in range(rows.shape[1]):
            units[at + d * PANEL + b] = rows[k, d]
    for d in range(rows.shape[1]):
        for b in range(n, PANEL):
            units[at + d * PANEL + b] = _ZERO


@kernel()
def copy_rows(units: np.ndarray, source: np.int64, to: np.int64, n_rows: np.int64) -> None:
    """Copy rows of a panel.

    Parameters
    ----------
    units : ndarray of float32, one dimension
        The panel.
    source, to : int64
        From where, and where to.
    n_rows : int64
        How many.
    """
    for k in range(n_rows * PANEL):
        units[to + k] = units[source + k]
