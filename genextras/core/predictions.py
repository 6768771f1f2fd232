"""What a network predicts, and one 2x2 solve that turns any prediction into (x_0, ε).

Every target is a weighted sum F = u x_0 + w ε. With x = a x_0 + b ε that is a linear system:

    [x]   [a  b] [x_0]          x_0 = (w x - b F) / (a w - b u)
    [F] = [u  w] [ ε ]           ε  = (a F - u x) / (a w - b u)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


def _preconditioned(a: Any, b: Any, std: float) -> tuple[Any, Any]:
    """F of D = c_skip x/a + c_out F, scaled for any (a, b) by √(b² + a² std²) (EDM, table 1)."""
    norm = (b**2 + (a * std) ** 2) ** 0.5
    return b / (std * norm), -a * std / norm


# (u, w) from a, b and the standard deviation of data, which only EDM's preconditioning needs
TARGETS: dict[str, Callable[[Any, Any, float], tuple[Any, Any]]] = {
    "epsilon": lambda a, b, std: (0 * a, 0 * a + 1),  # F = ε, DDPM eq. 14
    "sample": lambda a, b, std: (0 * a + 1, 0 * a),  # F = x_0
    "v_prediction": lambda a, b, std: (-b, a),  # F = a ε - b x_0, arXiv:2202.00512 appendix D
    "flow_prediction": lambda a, b, std: (0 * a - 1, 0 * a + 1),  # F = ε - x_0, rectified flow
    "flow_negative": lambda a, b, std: (0 * a + 1, 0 * a - 1),  # F = x_0 - ε, from noise to data
    "score": lambda a, b, std: (0 * a, -1 / b),  # F = ∇ log p = -ε/b
    "edm": _preconditioned,
    "edm_negative": lambda a, b, std: tuple(-w for w in _preconditioned(a, b, std)),
}


class Solution(NamedTuple):
    """Weights of x_0 = p x + q F and ε = r x + s F; arrays of shape (n,), float64."""

    p: Any
    q: Any
    r: Any
    s: Any


def target_weights(prediction: str, a: Any, b: Any, sigma_data: float = 1.0) -> tuple[Any, Any]:
    """Weights (u, w) of a network's target F = u x_0 + w ε, arrays or tensors as a and b are.

    Parameters
    ----------
    prediction : str
        A key of ``TARGETS``.
    a, b : array or Tensor of shape (n,)
        Scales of signal and noise.
    sigma_data : float, default=1.0
        Standard deviation of data, for "edm".

    Returns
    -------
    u, w : array or Tensor of shape (n,)
        Weights of data and noise.
    """
    return TARGETS[prediction](a, b, sigma_data)


def solve(prediction: str, a: Any, b: Any, sigma_data: float = 1.0) -> Solution:
    """Solve for (x_0, ε) from (x, F).

    Parameters
    ----------
    prediction : str
        A key of ``TARGETS``.
    a, b : array or Tensor of shape (n,), float64
        Scales of signal and noise.
    sigma_data : float, default=1.0
        Standard deviation of data, for "edm".

    Returns
    -------
    Solution
        Not finite where F says nothing new about x: epsilon at a = 0, sample at b = 0.

    Examples
    --------
    >>> a, b = np.array([0.6]), np.array([0.8])
    >>> [round(float(weight[0]), 2) for weight in solve("v_prediction", a, b)]  # x_0 = a x - b v
    [0.6, -0.8, 0.8, 0.6]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        u, w = TARGETS[prediction](a, b, sigma_data)
        determinant = a * w - b * u
        return Solution(w / determinant, -b / determinant, -u / determinant, a / determinant)
