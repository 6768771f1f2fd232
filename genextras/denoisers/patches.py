"""Samples cut into patches, and put together again; along one axis or several."""

from collections.abc import Sequence
from math import prod

from torch import Tensor

__all__ = ["from_patches", "spatial_shape", "to_patches"]


def spatial_shape(sample_size: int | Sequence[int]) -> tuple[int, ...]:
    """Shape of a sample behind its channels, in the words of diffusers.

    Parameters
    ----------
    sample_size : int or sequence of int
        A number is the side of a square image.

    Returns
    -------
    tuple of int
        (height, width), say; (length,) for sequences, () for points.
    """
    if isinstance(sample_size, int):
        return sample_size, sample_size
    return tuple(sample_size)


def to_patches(sample: Tensor, patch: int) -> tuple[Tensor, tuple[int, ...]]:
    """Cut samples into patches, row by row.

    Parameters
    ----------
    sample : Tensor of shape (B, C, n_1, ..., n_A)
        Sizes are multiples of ``patch``.
    patch : int
        Side of a patch.

    Returns
    -------
    patches : Tensor of shape (B, N, C patch^A)
        The last axis of the grid runs fastest.
    grid : tuple of int
        Patches along each axis; their product is N.
    """
    n_axes = sample.ndim - 2
    grid = tuple(size // patch for size in sample.shape[2:])
    cut = sample.reshape(*sample.shape[:2], *(n for size in grid for n in (size, patch)))
    outer, inner = range(2, 2 + 2 * n_axes, 2), range(3, 3 + 2 * n_axes, 2)
    ordered = cut.permute(0, *outer, 1, *inner)
    return ordered.reshape(len(sample), prod(grid), -1), grid


def from_patches(patches: Tensor, grid: Sequence[int], patch: int) -> Tensor:
    """Undo ``to_patches``; the number of channels may be another one.

    Parameters
    ----------
    patches : Tensor of shape (B, N, C patch^A)
        In the order of ``to_patches``.
    grid : sequence of int
        Patches along each axis.
    patch : int
        Side of a patch.

    Returns
    -------
    Tensor of shape (B, C, n_1, ..., n_A)
        Samples.
    """
    n_axes = len(grid)
    channels = patches.shape[2] // patch**n_axes
    cut = patches.reshape(len(patches), *grid, channels, *[patch] * n_axes)
    pairs = [axis for i in range(n_axes) for axis in (1 + i, 2 + n_axes + i)]
    sizes = [size * patch for size in grid]
    return cut.permute(0, 1 + n_axes, *pairs).reshape(len(patches), channels, *sizes)
