"""What a network predicts, and one 2x2 solve that turns any prediction into (x_0, ε).

Every target is a weighted sum F = u x_0 + w ε. With x = a x_0 + b ε that is a linear system:

    [x]   [a  b] [x_0]          x_0 = (w x - b F) / (a w - b u)
    [F] = [u  w] [ ε ]           ε  = (a F - u x) / (a w - b u)
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["TARGETS", "Solution", "solve", "target_weights"]

TARGETS: dict[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "epsilon": lambda a, b: (torch.zeros_like(a), torch.ones_like(a)),  # F = ε, DDPM eq. 14
    "sample": lambda a, b: (torch.ones_like(a), torch.zeros_like(a)),  # F = x_0
    "v_prediction": lambda a, b: (-b, a),  # F = a ε - b x_0, progressive distillation appendix D
}


class Solution(NamedTuple):
    """Weights of x_0 = p x + q F and ε = r x + s F; Tensors of shape (n,), float64."""

    p: Tensor
    q: Tensor
    r: Tensor
    s: Tensor


def target_weights(prediction: str, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Give the weights (u, w) of a network's target F = u x_0 + w ε.

    Parameters
    ----------
    prediction : {"epsilon", "sample", "v_prediction"}
        What the network predicts.
    a, b : Tensor of shape (n,)
        Scales of signal and noise.

    Returns
    -------
    u, w : Tensor of shape (n,)
        Dimensionless weights.

    Raises
    ------
    KeyError
        If the prediction is not in ``TARGETS``.

    References
    ----------
    Salimans, Ho (2022), Progressive distillation, arXiv:2202.00512, appendix D (v).
    """
    return TARGETS[prediction](a, b)


def solve(prediction: str, a: Tensor, b: Tensor) -> Solution:
    """Solve for (x_0, ε) from (x, F).

    Parameters
    ----------
    prediction : {"epsilon", "sample", "v_prediction"}
        What the network predicts.
    a, b : Tensor of shape (n,), float64
        Scales of signal and noise.

    Returns
    -------
    Solution
        Not finite where F says nothing new about x: epsilon at a = 0, sample at b = 0.

    Examples
    --------
    >>> import torch
    >>> a, b = torch.tensor([0.6]), torch.tensor([0.8])
    >>> [round(weight.item(), 2) for weight in solve("v_prediction", a, b)]  # x_0 = a x - b v
    [0.6, -0.8, 0.8, 0.6]
    """
    u, w = target_weights(prediction, a, b)
    determinant = a * w - b * u
    return Solution(w / determinant, -b / determinant, -u / determinant, a / determinant)
