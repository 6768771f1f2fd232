"""Layers of torch in the words of the kernels."""

from collections.abc import Iterable
from itertools import chain
from typing import Any

from torch import nn

from rlextras.kernels import plan as table
from rlextras.kernels.plan import Layer

_CODES = {
    nn.Identity: (table.IDENTITY, None),
    nn.Tanh: (table.TANH, None),
    nn.ReLU: (table.RELU, None),
    nn.LeakyReLU: (table.LEAKY_RELU, "negative_slope"),
    nn.ELU: (table.ELU, "alpha"),
    nn.Sigmoid: (table.SIGMOID, None),
}
"""Codes of a plan, and the attribute that holds the slope below zero."""


def layers_of(linears: Iterable[Any], activations: Iterable[Any]) -> list[Layer]:
    """Describe linear layers and what follows them.

    Parameters
    ----------
    linears : iterable of Linear
        From the input on.
    activations : iterable of Module
        Behind them; none behind the last if one is missing.

    Returns
    -------
    list of Layer
        As kernels read them.
    """
    layers = []
    for linear, activation in zip(linears, chain(activations, [nn.Identity()]), strict=False):
        code, name = _CODES[type(activation)]
        slope = getattr(activation, name) if name else 0.0
        widths = {"n_in": int(linear.in_features), "n_out": int(linear.out_features)}
        layers.append(Layer(**widths, activation=code, slope=float(slope)))
    return layers
