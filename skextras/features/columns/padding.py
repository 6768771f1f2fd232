"""Lists as rows of equal length."""

from typing import Any

import numpy as np

KEEPS = ("first", "last")


class Longest:
    """The length of the longest list seen.

    Parameters
    ----------
    inner : State or None
        Of the items' column type.
    """

    def __init__(self, inner: Any = None) -> None:
        self.length, self.inner = 0, inner

    def merge(self, other: "Longest") -> None:
        """Take in another's lists.

        Parameters
        ----------
        other : Longest
            Of other rows.
        """
        self.length = max(self.length, other.length)
        if self.inner is not None:
            self.inner.merge(other.inner)


def padded(
    offsets: np.ndarray, items: np.ndarray, length: int, *, padding: float, keep: str
) -> np.ndarray:
    """Write lists into rows of one length.

    Parameters
    ----------
    offsets : ndarray of int64 of shape (n + 1,)
        Where each list starts; the last one's end.
    items : ndarray of float64
        Their items.
    length : int
        Of the rows.
    padding : float
        What follows the items of a shorter list.
    keep : {"first", "last"}
        Which items of a longer list stay.

    Returns
    -------
    ndarray of float64 of shape (n, length)
        The rows.
    """
    sizes = np.minimum(np.diff(offsets), length)
    starts = offsets[:-1] if keep == "first" else offsets[1:] - sizes
    is_item = np.arange(length) < sizes[:, None]
    out = np.full(is_item.shape, padding)
    out[is_item] = items[(starts[:, None] + np.arange(length))[is_item]]
    return out
