"""Large arrays in large pages.

A fresh array is handed over page by page as it is first written. With pages of 4 kB that can take
longer than filling them with kernel values; where the system offers pages of 2 MB, one asks.
"""

import mmap
from contextlib import suppress

import numpy as np

__all__ = ["large_array"]

LARGE = 2**24  # bytes from which it is worth asking


def large_array(shape: int | tuple[int, ...], dtype: type[np.floating]) -> np.ndarray:
    """Make an array without values, in large pages if it is large.

    Parameters
    ----------
    shape : int or tuple of int
        As for :func:`numpy.empty`.
    dtype : type
        The same.

    Returns
    -------
    ndarray
        C order; its values are not set.
    """
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if n_bytes < LARGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.empty(shape, dtype)
    pages = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a system built without them; the small ones do
        pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages, dtype).reshape(shape)
