"""How tokens know where they are: four encodings behind one interface.

An encoding may add vectors to the tokens (``embedded``), turn queries and keys (``turned``) or add
numbers to the logits of attention (``bias``). Those of no size of their own take other grids than
they were trained on.
"""

from collections.abc import Sequence
from math import prod
from typing import ClassVar

import torch
from torch import Tensor, nn

from genextras.core.rotary import axial_angles, rotate, sinusoids, token_positions

__all__ = ["POSITIONS", "Encoding", "relative_offsets"]

Turn = tuple[Tensor, Tensor] | None  # cosines and sines (N, head_dim/2)


class Encoding(nn.Module):
    """No position: attention alone does not tell an order of tokens from another.

    Parameters
    ----------
    grid : sequence of int
        Tokens along each axis.
    n_heads : int
        Of attention.
    head_dim : int
        Numbers of a query.
    theta : float
        Of "rope".
    """

    is_fixed: ClassVar[bool] = False  # whether other grids are refused

    def __init__(self, grid: Sequence[int], n_heads: int, head_dim: int, theta: float) -> None:
        super().__init__()
        self.grid, self.n_heads, self.head_dim, self.theta = tuple(grid), n_heads, head_dim, theta

    def embedded(self, tokens: Tensor, grid: Sequence[int]) -> Tensor:
        """Tokens, and where they are.

        Parameters
        ----------
        tokens : Tensor of shape (B, N, width)
            As patches gave them.
        grid : sequence of int
            Tokens along each axis.

        Returns
        -------
        Tensor of shape (B, N, width)
            Tokens for the first block.
        """
        del grid
        return tokens

    def turn(self, tokens: Tensor, grid: Sequence[int]) -> Turn:
        """Angles for queries and keys.

        Parameters
        ----------
        tokens : Tensor of shape (B, N, width)
            Tells device and dtype.
        grid : sequence of int
            Tokens along each axis.

        Returns
        -------
        tuple of Tensor of shape (N, head_dim/2), or None
            Cosines and sines.
        """
        del tokens, grid
        return None

    def bias(self) -> Tensor | None:
        """Logits by offset.

        Returns
        -------
        Tensor of shape (n_heads, N, N) or None
            To be added to those of attention.
        """


class Rotary(Encoding):
    """Axial rotary positions; the angles are computed in float32, once for all blocks."""

    def turn(self, tokens: Tensor, grid: Sequence[int]) -> Turn:
        positions = token_positions(grid, tokens.device)
        angles = axial_angles(positions, self.head_dim // 2, self.theta)
        return angles.cos().to(tokens.dtype), angles.sin().to(tokens.dtype)


class Sinusoidal(Encoding):
    """Fixed waves along each axis, added to the tokens (arXiv:1706.03762, section 3.5)."""

    def embedded(self, tokens: Tensor, grid: Sequence[int]) -> Tensor:
        waves = sinusoids(token_positions(grid, tokens.device), tokens.shape[-1])
        return tokens + waves.to(tokens.dtype)


class Learned(Encoding):
    """A learned vector for each place, added to the tokens."""

    is_fixed = True

    def __init__(self, grid: Sequence[int], n_heads: int, head_dim: int, theta: float) -> None:
        super().__init__(grid, n_heads, head_dim, theta)
        self.places = nn.Parameter(torch.empty(prod(grid), n_heads * head_dim).normal_(std=0.02))

    def embedded(self, tokens: Tensor, grid: Sequence[int]) -> Tensor:
        del grid
        return tokens + self.places


class RelativeBias(Encoding):
    """A learned logit for each head and offset, shared by all blocks (arXiv:2103.14030, eq. 4)."""

    is_fixed = True

    def __init__(self, grid: Sequence[int], n_heads: int, head_dim: int, theta: float) -> None:
        super().__init__(grid, n_heads, head_dim, theta)
        n_offsets = prod(2 * size - 1 for size in grid)
        self.logits = nn.Parameter(torch.empty(n_heads, n_offsets).normal_(std=0.02))

    def bias(self) -> Tensor:
        offsets = relative_offsets(self.grid, self.logits.device)
        return self.logits[:, offsets.flatten()].view(self.n_heads, *offsets.shape)


def relative_offsets(grid: Sequence[int], device: torch.device | None = None) -> Tensor:
    """Number the offsets between tokens of a grid.

    Parameters
    ----------
    grid : sequence of int
        Tokens along each axis.
    device : torch.device, optional
        Where.

    Returns
    -------
    LongTensor of shape (N, N)
        Equal for two pairs of tokens if and only if they are equally far apart along every axis.

    Examples
    --------
    >>> relative_offsets((3,)).tolist()
    [[2, 1, 0], [3, 2, 1], [4, 3, 2]]
    """
    places = token_positions(grid, device).long()
    steps = places[:, None] - places[None]  # (N, N, A)
    number = torch.zeros_like(steps[..., 0])
    for axis, size in enumerate(grid):
        number = number * (2 * size - 1) + steps[..., axis] + size - 1
    return number


def turned(x: Tensor, turn: Turn) -> Tensor:
    """Queries or keys after the rotation, if there is one.

    Parameters
    ----------
    x : Tensor of shape (..., N, head_dim)
        Queries, keys, or both.
    turn : tuple of Tensor or None
        From ``Encoding.turn``.

    Returns
    -------
    Tensor of shape (..., N, head_dim)
        ``x`` itself without a rotation.
    """
    return x if turn is None else rotate(x, *turn)


POSITIONS: dict[str, type[Encoding]] = {
    "rope": Rotary,
    "learned": Learned,
    "sinusoidal": Sinusoidal,
    "relative_bias": RelativeBias,
}
