"""Forward and backward through some layers of a plan, for samples that stand side by side."""

from typing import Any

import numpy as np

from rlextras.kernels.activations import activate, from_bits, scale_by_derivative
from rlextras.kernels.compiler import kernel
from rlextras.kernels.plan import ACTIVATION, BIAS, N_IN, N_LAYERS, N_OUT, SLOPE, WEIGHT
from rlextras.kernels.tiles import add_product, outer_product

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@kernel()
def workspace(plan: np.ndarray, ld: int) -> np.ndarray:
    """Room for the units of the larger of two networks, with a row of ones behind them.

    Parameters
    ----------
    plan : ndarray of int64
        The table.
    ld : int
        Columns, a multiple of ``tiles.LANES``.

    Returns
    -------
    ndarray of float32, one dimension
        The input first, then the units of each layer; the last ``ld`` numbers are 1.
    """
    n_rows = plan[1, N_IN]
    for i in range(1, 1 + plan[0, N_LAYERS]):
        n_rows += plan[i, N_OUT]
    units = np.zeros((n_rows + 1) * ld, np.float32)
    for i in range(n_rows * ld, units.size):
        units[i] = _ONE
    return units


@kernel()
def forward(theta: np.ndarray, plan: np.ndarray, layers: tuple, units: np.ndarray, ld: int) -> Any:
    """Compute all units from the first ones.

    Parameters
    ----------
    theta : ndarray of float32
        The parameters.
    plan : ndarray of int64
        The table.
    layers : tuple of (int, int)
        First row of the table, and the row after the last.
    units : ndarray of float32, one dimension
        A workspace whose input is set.
    ld : int
        Its columns.

    Returns
    -------
    int
        Where the output stands.
    """
    x_at = np.int64(0)  # of no literal type: one signature below
    for i in range(layers[0], layers[1]):
        n_in, n_out, bias = plan[i, N_IN], plan[i, N_OUT], plan[i, BIAS]
        out_at = x_at + n_in * ld
        for r in range(n_out):
            for k in range(out_at + r * ld, out_at + (r + 1) * ld):
                units[k] = theta[bias + r]
        shape = (n_out, n_in, np.int64(1), n_in, ld)
        add_product(units, theta, units, (out_at, plan[i, WEIGHT], x_at), shape)
        outputs = units[out_at : out_at + n_out * ld]
        activate(outputs, plan[i, ACTIVATION], from_bits(plan[i, SLOPE]))
        x_at = out_at
    return x_at


@kernel()
def backward(parameters: tuple, plan: np.ndarray, layers: tuple, work: tuple, ld: int) -> None:
    """Gradient of what ``forward`` computed.

    Parameters
    ----------
    parameters : tuple of two ndarrays of float32
        The parameters, and their gradient, which is overwritten where these layers stand.
    plan : ndarray of int64
        The table.
    layers : tuple of (int, int)
        First row of the table, and the row after the last, which has no activation.
    work : tuple of two ndarrays of float32
        The units, and the gradient by them, of which that by the output is set.
    ld : int
        Their columns.
    """
    theta, gradient = parameters
    units, deltas = work
    ones_at = units.size - ld
    x_at, one = np.int64(0), np.int64(1)  # of no literal type: one signature below
    for i in range(layers[0], layers[1]):
        x_at += plan[i, N_IN] * ld
    for i in range(layers[1] - 1, layers[0] - 1, -1):
        n_in, n_out, weight = plan[i, N_IN], plan[i, N_OUT], plan[i, WEIGHT]
        out_at = x_at
        x_at = out_at - n_in * ld
        outer_product(gradient, deltas, units, (weight, out_at, x_at), (n_out, n_in, ld))
        outer_product(gradient, deltas, units, (plan[i, BIAS], out_at, ones_at), (n_out, one, ld))
        if i > layers[0]:
            for k in range(x_at, out_at):
                deltas[k] = _ZERO
            shape = (n_in, one, n_in, n_out, ld)
            add_product(deltas, theta, deltas, (x_at, weight, out_at), shape)
            kind, slope = plan[i - 1, ACTIVATION], from_bits(plan[i - 1, SLOPE])
            scale_by_derivative(deltas[x_at:out_at], units[x_at:out_at], kind, slope)


@kernel()
def place(rows: np.ndarray, chosen: np.ndarray, units: np.ndarray, n_in: int, ld: int) -> None:
    """Put the first numbers of some rows side by side into the input of a workspace.

    Parameters
    ----------
    rows : ndarray of float32, shape (N, at least n_in)
        Samples.
    chosen : ndarray of int64, shape (n,)
        Which of them; n is at most ``ld``.
    units : ndarray of float32, one dimension
        The workspace; its columns beyond n become zero.
    n_in : int
        Numbers of a sample.
    ld : int
        Columns of the workspace.
    """
    n = chosen.size
    for b in range(n):
        row = chosen[b]
        for d in range(n_in):
            units[d * ld + b] = rows[row, d]
    for d in range(n_in):
        for b in range(n, ld):
            units[d * ld + b] = _ZERO
