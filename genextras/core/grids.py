"""Which of the T training timesteps a sampler visits, from noise to data.

Labels are whole numbers in [0, T). Behind the last one stands ``CLEAN``: data without noise.
Table 2 of Lin et al. (2023), arXiv:2305.08891, names the three spacings.
"""

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["CLEAN", "GRIDS", "leading", "linspace", "previous_labels", "trailing"]

CLEAN = -1  # the label of x_0


def leading(n_train: int, n_steps: int, offset: int = 0) -> list[int]:
    """Take multiples of T // n plus an offset; the first is below T - 1.

    Parameters
    ----------
    n_train : int
        Training timesteps T.
    n_steps : int
        Steps n, at most T.
    offset : int, default=0
        Added to every label.

    Returns
    -------
    list of int, n labels, descending
        With ``offset`` > 0 the first may reach T or more: the caller decides.

    Examples
    --------
    >>> leading(1000, 5, offset=1)
    [801, 601, 401, 201, 1]
    """
    stride = n_train // n_steps
    return [i * stride + offset for i in reversed(range(n_steps))]


def trailing(n_train: int, n_steps: int, offset: int = 0) -> list[int]:
    """Round T - i T/n, less one; the first is T - 1.

    Counted in whole steps: ``np.arange(T, 0, -T / n)`` has n + 1 members for many n (61, 103, ...
    of T = 1000), and then ends at label -1.

    Parameters
    ----------
    n_train : int
        Training timesteps T.
    n_steps : int
        Steps n, at most T.
    offset : int, default=0
        Not used: the grid is tied to its noisy end.

    Returns
    -------
    list of int, n labels, descending
        All of them in [0, T).

    Examples
    --------
    >>> trailing(1000, 4)
    [999, 749, 499, 249]
    """
    del offset
    labels = np.round(n_train - np.arange(n_steps) * (n_train / n_steps)) - 1
    return [int(label) for label in labels]


def linspace(n_train: int, n_steps: int, offset: int = 0) -> list[int]:
    """Round n even points from T - 1 to 0, both ends included.

    Parameters
    ----------
    n_train : int
        Training timesteps T.
    n_steps : int
        Steps n, at most T.
    offset : int, default=0
        Not used: the grid is tied to both ends.

    Returns
    -------
    list of int, n labels, descending
        All of them in [0, T); for n = 1 the only label is 0, as in diffusers.

    Examples
    --------
    >>> linspace(1000, 4)
    [999, 666, 333, 0]
    """
    del offset
    return [int(label) for label in np.linspace(0, n_train - 1, n_steps).round()[::-1]]


GRIDS: dict[str, Callable[[int, int, int], list[int]]] = {
    "leading": leading,
    "trailing": trailing,
    "linspace": linspace,
}


def previous_labels(labels: Sequence[int]) -> list[int]:
    """Label that each step arrives at: the next one evaluated, and data at the end.

    Parameters
    ----------
    labels : sequence of int
        Labels in the order of the sampler.

    Returns
    -------
    list of int
        As long as ``labels``; the last is ``CLEAN``.

    Examples
    --------
    >>> previous_labels([999, 666, 333, 0])
    [666, 333, 0, -1]
    """
    return [*labels[1:], CLEAN]
