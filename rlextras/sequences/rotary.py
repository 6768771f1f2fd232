"""Rotary positions: queries and keys that are turned by the angles of their places."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def rotation(n_positions: int, width: int) -> Tensor:
    """Cosines and sines by which a head is turned at each position.

    cos(m θ_i), sin(m θ_i) with θ_i = 10000^(-2i/d): eq. 15 of [1]_.

    Parameters
    ----------
    n_positions : int
        Positions m.
    width : int
        d, of a head; even.

    Returns
    -------
    Tensor of shape (2, n_positions, width / 2)
        Cosines, then sines.

    References
    ----------
    .. [1] J. Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021,
       https://arxiv.org/abs/2104.09864.
    """
    rates = 10_000.0 ** (-torch.arange(0, width, 2) / width)
    angles = torch.arange(n_positions)[:, None] * rates
    return torch.stack([angles.cos(), angles.sin()])


def rotated(heads: Tensor, turn: Tensor) -> Tensor:
    """Turn pairs of numbers by the angles of their positions: eq. 34 of RoFormer.

    Parameters
    ----------
    heads : Tensor of shape (..., d)
        Queries or keys; a pair is a number of the first half, and that of the second.
    turn : Tensor of shape (2, ..., d / 2)
        Cosines and sines.

    Returns
    -------
    Tensor of shape (..., d)
        Of the same lengths; products depend on the distance of positions alone. No gradient passes.
    """
    turned = torch.empty_like(heads)
    _turn(heads, turn[0], turn[1], turned)
    return turned


def _turn(heads: Tensor, cosine: Tensor, sine: Tensor, to: Tensor) -> None:
    """Write what is turned; the other way round where the sine is negated."""
    half = heads.shape[-1] // 2
    first, second = heads[..., :half], heads[..., half:]
    torch.mul(first, cosine, out=to[..., :half]).addcmul_(second, sine, value=-1.0)
    torch.mul(second, cosine, out=to[..., half:]).addcmul_(first, sine)


class Turned(torch.autograd.Function):
    """Queries and keys turned, values as they are; (N, 3, heads, d).

    One node of the graph stands for a dozen: on small models those take as long as the products.
    """

    @staticmethod
    def forward(ctx: Any, heads: Tensor, turn: Tensor) -> Tensor:
        """Turn.

        Parameters
        ----------
        ctx : object
            Torch's.
        heads : Tensor of shape (N, 3, heads, d)
            All three.
        turn : Tensor of shape (2, N, 1, 1, d / 2)
            Cosines and sines of their places.

        Returns
        -------
        Tensor of shape (N, 3, heads, d)
            Turned.
        """
        ctx.save_for_backward(turn)
        return with_values(heads, *turn.unbind())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by: Tensor) -> tuple[Tensor, None]:
        """Turn the gradient back.

        Parameters
        ----------
        ctx : object
            Torch's.
        by : Tensor of shape (N, 3, heads, d)
            The gradient by what was turned.

        Returns
        -------
        tuple of (Tensor, None)
            That by the heads.
        """
        cosine, sine = ctx.saved_tensors[0].unbind()
        return with_values(by, cosine, -sine), None


def with_values(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn queries and keys, and leave values as they are.

    Parameters
    ----------
    heads : Tensor of shape (N, 3, heads, d)
        All three.
    cosine, sine : Tensor of shape (N, 1, 1, d / 2)
        Of their places.

    Returns
    -------
    Tensor of shape (N, 3, heads, d)
        No gradient passes.
    """
    turned = torch.empty_like(heads)
    _turn(heads[:, :2], cosine, sine, turned[:, :2])
    turned[:, 2] = heads[:, 2]
    return turned
