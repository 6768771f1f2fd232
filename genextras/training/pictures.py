"""Samples as a picture: a grid of images, or a cloud of points."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genextras.training.checkpoint import write_whole

__all__ = ["can_draw", "image_grid", "write_picture"]

MARGIN = 1  # pixels between images
CHANNELS = {1: "L", 3: "RGB"}  # what Pillow calls them


def can_draw(shape: tuple[int, ...]) -> bool:
    """Whether there is a picture of samples of a shape.

    Parameters
    ----------
    shape : tuple of int
        Of one sample.

    Returns
    -------
    bool
        True for images of one or three channels, and for points in the plane.
    """
    return (len(shape) == 3 and shape[0] in CHANNELS) or shape == (2,)


def image_grid(images: Tensor) -> Tensor:
    """Images side by side, in about as many rows as columns.

    Parameters
    ----------
    images : Tensor of shape (B, C, H, W), in [-1, 1]
        Values beyond are clipped.

    Returns
    -------
    Tensor of shape (C, rows, columns), uint8
        One image.

    Examples
    --------
    >>> image_grid(torch.ones(4, 1, 8, 8)).shape
    torch.Size([1, 17, 17])
    """
    n, channels, height, width = images.shape
    n_columns = math.ceil(math.sqrt(n))
    n_rows = math.ceil(n / n_columns)
    bytes_ = ((images.detach().float().cpu() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    tall, wide = height + MARGIN, width + MARGIN
    grid = torch.zeros(channels, n_rows * tall, n_columns * wide, dtype=torch.uint8)
    for i, image in enumerate(bytes_):
        top, left = i // n_columns * tall, i % n_columns * wide
        grid[:, top : top + height, left : left + width] = image
    return grid[:, : grid.shape[1] - MARGIN, : grid.shape[2] - MARGIN]


def write_picture(samples: Tensor, path: Path) -> None:
    """Write samples as a PNG.

    Parameters
    ----------
    samples : Tensor of shape (B, C, H, W) or (B, 2)
        Images in [-1, 1], or points.
    path : Path
        Where to.
    """
    if samples.ndim == 4:
        from PIL import Image

        grid = image_grid(samples)
        picture: Any = Image.fromarray(grid.permute(1, 2, 0).squeeze(-1).numpy())
        write_whole(path, lambda partial: picture.save(partial, format="png"))
        return
    from matplotlib.figure import Figure  # only points need it

    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    x, y = samples.detach().float().cpu().numpy().T
    axes.scatter(x, y, s=2)
    axes.set_aspect("equal")
    write_whole(path, lambda partial: figure.savefig(partial, format="png"))
