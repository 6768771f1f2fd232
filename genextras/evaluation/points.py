"""Samples as points in float64, and distances between them a block at a time.

A block of distances is a product of matrices, so centring comes first: then |x|² + |y|² - 2 xᵀy
loses no digits to an offset. Squares below 1e-12 of |x|² + |y|² are rounding and count as zero, so
copies of a point are at distance zero.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from genextras.validation import check_integer, message

__all__ = ["Features", "as_points", "checked_pair", "squares"]

Features = Callable[[Tensor], Tensor]
ROUNDING = 1e-12


def as_points(
    owner: str, name: str, x: Any, *, features: Features | None = None, block: int = 1024
) -> Tensor:
    """Samples as rows of numbers, refused unless they are finite.

    Parameters
    ----------
    owner, name : str
        For messages.
    x : Tensor of shape (n, ...)
        Samples.
    features : callable, optional
        Maps (b, ...) to (b, d); flattening by default.
    block : int, default=1024
        Samples that the features take at a time.

    Returns
    -------
    Tensor of shape (n, d), float64
        On the CPU where a device has no float64.

    Raises
    ------
    TypeError
        If they are no numbers.
    ValueError
        If there are fewer than two, or some are not finite.
    """
    if not isinstance(x, Tensor):
        cure = "Convert it by torch.as_tensor."
        raise TypeError(message(owner, name, "a Tensor", type(x).__name__, cure))
    if x.ndim < 2 or len(x) < 2 or not x[0].numel():
        cure = "Pass a batch of samples."
        raise ValueError(message(owner, name, "of shape (n > 1, ...)", tuple(x.shape), cure))
    check_integer(owner, "block", block, low=1)
    rows = x
    if features is not None:
        with torch.no_grad():
            rows = torch.cat([features(part).flatten(1) for part in x.split(block)])
    rows = rows.detach().flatten(1)
    points = (rows.cpu() if rows.device.type == "mps" else rows).double()
    if not points.isfinite().all():
        number = int((~points.isfinite()).any(1).sum())
        got = f"{number} of {len(points)} samples that are not"
        text = message(owner, name, "finite", got, "Look at the network, or drop them.")
        raise ValueError(text.replace(repr(got), got))
    return points


def checked_pair(
    owner: str,
    pair: Mapping[str, Any],
    *,
    features: Features | None = None,
    block: int = 1024,
) -> tuple[Tensor, Tensor]:
    """Two sets of points of one dimension, moved so that the mean of the second is zero.

    Parameters
    ----------
    owner : str
        For messages.
    pair : mapping of str to Tensor of shape (n, ...) and (m, ...)
        Two sets of samples by the names that the caller knows.
    features : callable, optional
        As for ``as_points``.
    block : int, default=1024
        As for ``as_points``.

    Returns
    -------
    x, y : Tensor of shape (n, d) and (m, d), float64
        Points.

    Raises
    ------
    ValueError
        If the two differ in dimension.
    """
    first, second = (
        as_points(owner, name, x, features=features, block=block) for name, x in pair.items()
    )
    if first.shape[1] != second.shape[1]:
        shapes = first.shape[1], second.shape[1]
        cure = "Compare samples of one shape."
        raise ValueError(message(owner, " and ".join(pair), "of one dimension", shapes, cure))
    middle = second.mean(0)
    return first - middle, second - middle


def squares(x: Tensor, y: Tensor, block: int) -> Iterator[tuple[int, int, Tensor]]:
    """Squared distances between two sets of points, block by block.

    Parameters
    ----------
    x, y : Tensor of shape (n, d) and (m, d), float64
        Points.
    block : int
        Rows and columns of a block.

    Yields
    ------
    i, j : int
        Where the block begins.
    squared : Tensor of shape (up to block, up to block)
        Of x from i on to y from j on.
    """
    norms, other = x.square().sum(1), y.square().sum(1)
    for i in range(0, len(x), block):
        for j in range(0, len(y), block):
            rows, columns = slice(i, i + block), slice(j, j + block)
            total = norms[rows, None] + other[None, columns]
            squared = torch.addmm(total, x[rows], y[columns].T, alpha=-2)
            yield i, j, torch.where(squared > ROUNDING * total, squared, 0.0)
