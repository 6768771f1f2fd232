"""Rotary positions along several axes: a query and a key meet by their offset alone.

RoFormer (arXiv:2104.09864, eq. 34) turns each pair of numbers of a query or key by position times
a frequency, so that R(m) q · R(n) k depends on m - n. With several axes each has its own share of
the pairs (axial, arXiv:2403.13298, section 3.2).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["axial_angles", "rotate", "sinusoids", "token_positions"]


def token_positions(grid: Sequence[int], device: torch.device | None = None) -> Tensor:
    """Positions of all tokens of a grid, the last axis running fastest.

    Parameters
    ----------
    grid : sequence of int
        Tokens along each axis, A of them.
    device : torch.device, optional
        Where.

    Returns
    -------
    Tensor of shape (N, A), float32
        Position along each axis, from 0.

    Examples
    --------
    >>> token_positions((2, 2)).tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    axes = [torch.arange(size, dtype=torch.float32, device=device) for size in grid]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)


def axial_angles(positions: Tensor, n_pairs: int, theta: float) -> Tensor:
    """Angles by which tokens turn: an equal share of the pairs for each axis.

    Parameters
    ----------
    positions : Tensor of shape (N, A), any floating dtype
        Of each token along each axis.
    n_pairs : int
        Pairs of numbers in a head, a multiple of A.
    theta : float
        The slowest pair of an axis turns about 1/theta a step, the fastest 1.

    Returns
    -------
    Tensor of shape (N, n_pairs), radians
        The first ``n_pairs / A`` belong to the first axis.
    """
    share = n_pairs // positions.shape[1]
    steps = torch.arange(share, dtype=positions.dtype, device=positions.device) / share
    return (positions[:, :, None] * theta**-steps).flatten(1)


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each pair (x_i, x_{i + d/2}) of the last axis by its angle.

    Parameters
    ----------
    x : Tensor of shape (..., N, d)
        Queries or keys.
    cosine, sine : Tensor of shape (N, d/2)
        Of the angles.

    Returns
    -------
    Tensor of shape (..., N, d)
        As long as ``x`` in every pair.
    """
    partners = x.roll(x.shape[-1] // 2, dims=-1)  # rows as one: halves cost twice the kernels
    cosine, sine = torch.cat([cosine, cosine], dim=-1), torch.cat([-sine, sine], dim=-1)
    return torch.addcmul(x * cosine, partners, sine)


def sinusoids(positions: Tensor, width: int, theta: float = 10_000.0) -> Tensor:
    """Cosines and sines of positions at geometric frequencies, an equal share for each axis.

    Parameters
    ----------
    positions : Tensor of shape (N, A)
        Of each token along each axis; labels of noise levels are a position along one axis.
    width : int
        Numbers a token, a multiple of 2 A.
    theta : float, default=10000.0
        Ratio of the highest frequency, 1, to the lowest.

    Returns
    -------
    Tensor of shape (N, width)
        In the dtype of ``positions``.
    """
    angles = axial_angles(positions, width // 2, theta)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
