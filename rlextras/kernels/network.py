"""Forward and backward through some layers of a plan, for samples that stand side by side."""

from typing import Any

import numpy as np

from rlextras.kernels.activations import activate, from_bits, scale_by_derivative
from rlextras.kernels.compiler import kernel
from rlextras.kernels.plan import (
    ACTIVATION,
    BIAS,
    N_ACTOR,
    N_IN,
    N_LAYERS,
    N_OUT,
    N_PARAMETERS,
    SLOPE,
    WEIGHT,
)
from rlextras.kernels.tiles import LANES, add_product, outer_product, row_product, turn

_ZERO = np.float32(0.0)


def workspace(plan: np.ndarray, ld: int, n_blocks: int = 1) -> np.ndarray:
    """Room for the units of the larger of two networks, with a row of ones behind them.

    Parameters
    ----------
    plan : ndarray of int64
        The table.
    ld : int
        Columns, a multiple of ``tiles.LANES``.
    n_blocks : int, default=1
        How many of these, one behind the other.

    Returns
    -------
    ndarray of float32, one dimension
        Each block has the input first, then the units of each layer; its last ``ld`` numbers are 1.
    """
    widths, n_actor = plan[1 : 1 + plan[0, N_LAYERS], N_OUT], plan[0, N_ACTOR]
    n_rows = int(plan[1, N_IN] + max(widths[:n_actor].sum(), widths[n_actor:].sum()))
    blocks = np.zeros((n_blocks, n_rows + 1, ld), np.float32)
    blocks[:, -1] = 1.0
    return blocks.reshape(-1)


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
        Its columns: 1, or a multiple of ``tiles.LANES``.

    Returns
    -------
    int
        Where the output stands.
    """
    first, end = layers
    x_at, one = np.int64(0), np.int64(1)  # of no literal type: one signature below
    for i in range(first, end):
        n_in, n_out, bias = plan[i, N_IN], plan[i, N_OUT], plan[i, BIAS]
        weight, out_at = plan[i, WEIGHT], x_at + n_in * ld
        if ld == 1:
            row_product(units, theta, units, (out_at, weight, bias, x_at), (n_out, n_in))
        else:
            for r in range(n_out):
                units[out_at + r * ld : out_at + (r + 1) * ld] = theta[bias + r]
            shape = (n_out, n_in, one, n_in, ld)
            add_product(units, theta, units, (out_at, weight, x_at), shape)
        outputs = units[out_at : out_at + n_out * ld]
        activate(outputs, plan[i, ACTIVATION], from_bits(plan[i, SLOPE]))
        x_at = out_at
    return x_at


@kernel()
def backward(
    memory: np.ndarray, plan: np.ndarray, layers: tuple, work: np.ndarray, ld: int
) -> None:
    """Gradient of what ``forward`` computed.

    Parameters
    ----------
    memory : ndarray of float32
        The parameters, then their gradient, which is overwritten where these layers stand.
    plan : ndarray of int64
        The table.
    layers : tuple of (int, int)
        First row of the table, and the row after the last, which has no activation.
    work : ndarray of float32, one dimension
        Two workspaces, one behind the other: the units, and the gradient by them, of which that by
        the output is set.
    ld : int
        Their columns.
    """
    first, end = layers
    size, to = work.size // 2, plan[0, N_PARAMETERS]  # where the two gradients start
    ones_at, one = size - ld, np.int64(1)  # of no literal type: one signature below
    x_at = np.int64(0)
    for i in range(first, end):
        x_at += plan[i, N_IN] * ld
    for i in range(end - 1, first - 1, -1):
        n_in, n_out, weight = plan[i, N_IN], plan[i, N_OUT], plan[i, WEIGHT]
        out_at = size + x_at
        x_at -= n_in * ld
        if n_in % LANES == 0 and n_out >= LANES:
            turned = size + x_at  # the room of deltas that come next, of the same size
            for r in range(0, n_in, LANES):
                for b in range(0, ld, LANES):
                    turn(work, work, (turned + b * n_in + r, n_in, x_at + r * ld + b, ld))
            memory[to + weight : to + weight + n_out * n_in] = _ZERO
            sizes = (n_out, ld, one, ld, n_in)
            add_product(memory, work, work, (to + weight, out_at, turned), sizes)
        else:
            outer_product(memory, work, work, (to + weight, out_at, x_at), (n_out, n_in, ld))
        outer_product(memory, work, work, (to + plan[i, BIAS], out_at, ones_at), (n_out, one, ld))
        if i > first:
            deltas = work[size + x_at : out_at]
            for k in range(deltas.size):
                deltas[k] = _ZERO
            shape = (n_in, one, n_in, n_out, ld)
            add_product(work, memory, work, (size + x_at, weight, out_at), shape)
            kind, slope = plan[i - 1, ACTIVATION], from_bits(plan[i - 1, SLOPE])
            scale_by_derivative(deltas, work[x_at : out_at - size], kind, slope)


@kernel()
def place(rows: np.ndarray, start: int, n: int, units: np.ndarray, shape: tuple) -> None:
    """Put the first numbers of some rows side by side into the input of a workspace.

    Parameters
    ----------
    rows : ndarray of float32, shape (N, at least n_in)
        Samples.
    start, n : int
        The first of them, and how many.
    units : ndarray of float32, one dimension
        The workspace; its columns beyond n become zero.
    shape : tuple of (int, int)
        n_in, the numbers of a sample, and the columns of the workspace.
    """
    n_in, ld = shape
    for b in range(n):
        for d in range(n_in):
            units[d * ld + b] = rows[start + b, d]
    forget(units, np.int64(0), n_in, n, ld)


@kernel()
def forget(units: np.ndarray, at: int, n_rows: int, n: int, ld: int) -> None:
    """Put zeros into the columns beyond n.

    Parameters
    ----------
    units : ndarray of float32, one dimension
        A workspace.
    at, n_rows : int
        Its rows that are meant.
    n : int
        Samples.
    ld : int
        Columns.
    """
    for j in range(n_rows):
        for k in range(at + j * ld + n, at + (j + 1) * ld):
            units[k] = _ZERO
