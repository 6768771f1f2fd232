"""Room for numbers that kernels read by vectors."""

from typing import Any

import numpy as np

LINE = 64
"""Bytes of a line of the cache."""


def cleared(n: int, dtype: Any) -> np.ndarray:
    """Make room that begins with a line of the cache, so that no vector lies in two.

    Parameters
    ----------
    n : int
        How many numbers.
    dtype : dtype
        Of what kind.

    Returns
    -------
    ndarray of shape (n,)
        Zeros.
    """
    own = np.dtype(dtype).itemsize
    room = np.zeros(n + LINE // own, dtype)
    first = -room.ctypes.data % LINE // own
    return room[first : first + n]
