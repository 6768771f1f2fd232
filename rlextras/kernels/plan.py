"""The table that tells kernels what a flat vector of parameters means.

Row 0 describes the whole, then comes one row a layer, the actor's first, then one row a part of an
action: a choice, a bit or a coordinate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CATEGORICAL, BERNOULLI, GAUSSIAN = range(3)
"""How the outputs of an actor make a distribution over actions."""

IDENTITY, TANH, RELU, LEAKY_RELU, ELU, SIGMOID = range(6)
"""What follows a layer."""

KIND, N_PARTS, LOG_STD, N_ACTOR, N_LAYERS, N_PARAMETERS = range(6)
"""Columns of row 0; LOG_STD is where those of a Gaussian stand, always first."""

N_IN, N_OUT, WEIGHT, BIAS, ACTIVATION, SLOPE = range(6)
"""Columns of a layer; WEIGHT and BIAS are places in the vector, SLOPE holds bits of a float32."""

ACTIONS, VALUES = 1, 2
"""What ``acting.act`` may be asked for; their sum asks for both."""

SIZE = 0
"""Column of a part: how many outputs it takes."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A linear layer and what follows it.

    Attributes
    ----------
    n_in, n_out : int
        Its width before and after.
    activation : int
        A constant of this module.
    slope : float
        Of an activation that has one.
    """

    n_in: int
    n_out: int
    activation: int = 0
    slope: float = 0.0


def plan(
    actor: Sequence[Layer], critic: Sequence[Layer], *, kind: int, sizes: Sequence[int]
) -> np.ndarray:
    """Lay out actor and critic in one vector.

    The order is: logarithms of standard deviations, the actor's layers, the critic's; of a layer
    its weights (n_out, n_in), then its biases.

    Parameters
    ----------
    actor, critic : sequence of Layer
        From the observation on; the last layer of the critic has one unit.
    kind : int
        CATEGORICAL, BERNOULLI or GAUSSIAN.
    sizes : sequence of int
        Outputs of the actor that each part of an action takes: the number of choices, or 1.

    Returns
    -------
    ndarray of int64, shape (1 + layers + parts, 6)
        The table.
    """
    layers = [*actor, *critic]
    table = np.zeros((1 + len(layers) + len(sizes), 6), np.int64)
    place = len(sizes) if kind == GAUSSIAN else 0
    for row, layer in zip(table[1:], layers, strict=False):
        weight, bias = place, place + layer.n_in * layer.n_out
        slope = int(np.float32(layer.slope).view(np.int32))
        row[:] = layer.n_in, layer.n_out, weight, bias, layer.activation, slope
        place = bias + layer.n_out
    table[0] = kind, len(sizes), 0, len(actor), len(layers), place
    table[1 + len(layers) :, SIZE] = sizes
    return table


def noise_size(table: np.ndarray) -> int:
    """Random numbers that one action takes.

    Parameters
    ----------
    table : ndarray of int64
        A plan.

    Returns
    -------
    int
        One for each output of the actor.
    """
    return int(table[1 + table[0, N_LAYERS] :, SIZE].sum())
