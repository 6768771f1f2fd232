"""Layers of a transformer over rows: products with weights, norms and the unit between two layers.

A sample is a row, so that attention finds its heads side by side. Widths are multiples of
``tiles.LANES``. Products read the second matrix in strips: ``row_products``.
"""

import math

import numpy as np

from rlextras.kernels.activations import exp
from rlextras.kernels.compiler import kernel
from rlextras.kernels.row_products import add_product, cut_to_strips
from rlextras.kernels.tiles import LANES, move

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
EPSILON = np.float32(1e-5)
"""Of the variance in a norm."""


@kernel()
def linear(
    theta: np.ndarray, turned: np.ndarray, work: np.ndarray, at: tuple, shape: tuple
) -> None:
    """Compute out = x Wᵀ + b, or add it to what stands there.

    Parameters
    ----------
    theta, turned : ndarray of float32, one dimension
        Parameters, and their weights transposed, in strips.
    work : ndarray of float32, one dimension
        Holds x (n, n_in) and out (n, n_out).
    at : tuple of (int, int, int)
        Offsets of out, of the weights, behind which the biases stand, and of x.
    shape : tuple of (int, int, int, bool)
        n, n_out, n_in, and whether to add.
    """
    out_at, weight, x_at = at
    n, n_out, n_in, adds = shape
    one, bias = np.int64(1), weight + n_out * n_in
    biases = theta[bias:][:n_out]
    for i in range(n):
        row = work[out_at + i * n_out :][:n_out]
        if adds:
            for k in range(n_out):
                row[k] += biases[k]
        else:
            for k in range(0, n_out, LANES):
                move(work, theta, (out_at + i * n_out + k, bias + k))
    add_product(work, work, turned, (out_at, x_at, weight), (n, n_in, one, n_in, n_out))


@kernel()
def linear_back(
    theta: np.ndarray, by: np.ndarray, work: np.ndarray, gradient: np.ndarray, at: tuple
) -> None:
    """Gradient by input, weights and biases of a layer.

    Parameters
    ----------
    theta : ndarray of float32, one dimension
        The parameters.
    by : ndarray of float32, one dimension
        Holds the gradient by out (n, n_out) and, to be overwritten, that by x (n, n_in).
    work : ndarray of float32, one dimension
        Holds x.
    gradient : ndarray of float32, one dimension
        By the parameters; it is added to.
    at : tuple
        Offsets of the gradient by out and of that by x, of the weights, and of x; n, n_out, n_in;
        offset in ``by`` of room for strips, max(n, n_out) * n_in.
    """
    by_out, by_x, weight, x_at, n, n_out, n_in, strips = at
    one = np.int64(1)
    by[by_x : by_x + n * n_in] = _ZERO
    cut_to_strips(by, theta, (strips, weight), n_out, n_in)
    add_product(by, by, by, (by_x, by_out, strips), (n, n_out, one, n_out, n_in))
    cut_to_strips(by, work, (strips, x_at), n, n_in)
    add_product(gradient, by, by, (weight, by_out, strips), (n_out, one, n_out, n, n_in))
    by_biases = gradient[weight + n_out * n_in :][:n_out]
    for i in range(n):
        row = by[by_out + i * n_out :][:n_out]
        for k in range(n_out):
            by_biases[k] += row[k]


@kernel(fastmath={"contract", "reassoc"})
def _moments(x: np.ndarray) -> tuple:
    """Mean of a row, and one over its deviation."""
    total, squares, n = _ZERO, _ZERO, np.float32(x.size)
    for k in range(x.size):
        total += x[k]
    mean = total / n
    for k in range(x.size):
        squares += (x[k] - mean) * (x[k] - mean)
    return mean, _ONE / math.sqrt(squares / n + EPSILON)


@kernel()
def norm(theta: np.ndarray, work: np.ndarray, at: tuple, n: int, width: int) -> None:
    """Normalise rows.

    Parameters
    ----------
    theta : ndarray of float32, one dimension
        Parameters.
    work : ndarray of float32, one dimension
        Holds what comes in (n, D); what goes out (n, D); the same before it is scaled (n, D); and
        one over the deviations (n,).
    at : tuple of (int, int, int, int, int)
        Offset of the scales, behind which the shifts stand, and of those four.
    n, width : int
        Rows, and D.
    """
    scale, x_at, out_at, plain_at, spread_at = at
    scales, shifts = theta[scale:][:width], theta[scale + width :][:width]
    for i in range(n):
        x, out = work[x_at + i * width :][:width], work[out_at + i * width :][:width]
        plain = work[plain_at + i * width :][:width]
        mean, spread = _moments(x)
        work[spread_at + i] = spread
        for k in range(width):
            plain[k] = (x[k] - mean) * spread
            out[k] = plain[k] * scales[k] + shifts[k]


@kernel(fastmath={"contract", "reassoc"})
def _pulls(scales: np.ndarray, by: np.ndarray, plain: np.ndarray) -> tuple:
    """Means of the gradient by a plain row, and of its product with the row."""
    first, second, n = _ZERO, _ZERO, np.float32(plain.size)
    for k in range(plain.size):
        each = by[k] * scales[k]
        first += each
        second += each * plain[k]
    return first / n, second / n


@kernel()
def norm_back(
    theta: np.ndarray, by: np.ndarray, work: np.ndarray, gradient: np.ndarray, at: tuple
) -> None:
    """Gradient by what came in, which is added to, and by the parameters.

    Parameters
    ----------
    theta : ndarray of float32, one dimension
        The parameters.
    by : ndarray of float32, one dimension
        Holds the gradient by out and that by x, (n, D) each.
    work : ndarray of float32, one dimension
        What ``norm`` left.
    gradient : ndarray of float32, one dimension
        By the parameters; it is added to.
    at : tuple
        Offsets of the scales, of the gradient by out and of that by x, of the plain rows, and of
        one over the deviations; n and D.
    """
    scale, by_out_at, by_x_at, plain_at, spread_at, n, width = at
    scales = theta[scale:][:width]
    by_scales, by_shifts = gradient[scale:][:width], gradient[scale + width :][:width]
    for i in range(n):
        by_out, by_x = by[by_out_at + i * width :][:width], by[by_x_at + i * width :][:width]
        plain, spread = work[plain_at + i * width :][:width], work[spread_at + i]
        first, second = _pulls(scales, by_out, plain)
        for k in range(width):
            by_scales[k] += by_out[k] * plain[k]
            by_shifts[k] += by_out[k]
            by_x[k] += spread * (by_out[k] * scales[k] - first - plain[k] * second)


@kernel()
def silu(work: np.ndarray, x_at: int, out_at: int, n: int) -> None:
    """Compute x / (1 + e⁻ˣ).

    Parameters
    ----------
    work : ndarray of float32, one dimension
        Holds x and out.
    x_at, out_at : int
        Offsets.
    n : int
        Numbers.
    """
    x, out = work[x_at : x_at + n], work[out_at : out_at + n]
    for k in range(n):
        out[k] = x[k] / (_ONE + exp(-x[k]))


@kernel()
def silu_back(by: np.ndarray, work: np.ndarray, by_at: int, x_at: int, n: int) -> None:
    """Turn the gradient by out into that by x: σ(x) (1 + x (1 - σ(x))).

    Parameters
    ----------
    by : ndarray of float32, one dimension
        Holds the gradient.
    work : ndarray of float32, one dimension
        Holds x.
    by_at, x_at : int
        Offsets.
    n : int
        Numbers.
    """
    x, deltas = work[x_at : x_at + n], by[by_at : by_at + n]
    for k in range(n):
        share = _ONE / (_ONE + exp(-x[k]))
        deltas[k] *= share * (_ONE + x[k] * (_ONE - share))
