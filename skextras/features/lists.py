"""ENGINE: columns whose rows are lists of any length."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np


def item_weights(values: Any, weights: np.ndarray | None) -> np.ndarray | None:
    """Weights of what stands in a column.

    Parameters
    ----------
    values : Values
        Of a table's column.
    weights : ndarray of float64 of shape (n,) or None
        Of the table's rows.

    Returns
    -------
    ndarray of float64 or None
        Of the items of lists that of their row; else ``weights``.
    """
    if weights is None or not isinstance(values, Lists):
        return weights
    return np.repeat(weights, values.lengths)


@dataclass(frozen=True)
class Lists:
    """Ragged rows.

    Attributes
    ----------
    offsets : ndarray of int64 of shape (n + 1,)
        Where each row's items start; the last one's end. Missing rows have no items.
    items : Text, Numbers or Categories
        Those of all rows, one after the other.
    """

    offsets: np.ndarray
    items: Any
    kind = "list"

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def lengths(self) -> np.ndarray:
        """Number of items of each row."""
        return np.diff(self.offsets)

    def longest(self, weights: np.ndarray | None) -> int:
        """The length of the longest list.

        Parameters
        ----------
        weights : ndarray of float64 of shape (n,) or None
            Of the rows; those of weight 0 do not count.

        Returns
        -------
        int
            0 if there is no row.
        """
        lengths = self.lengths if weights is None else self.lengths[weights > 0]
        return int(lengths.max(initial=0))

    def take(self, rows: np.ndarray) -> "Lists":
        """Some rows.

        Parameters
        ----------
        rows : ndarray of int64
            Which.

        Returns
        -------
        Lists
            Copied.
        """
        lengths = self.lengths[rows]
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return Lists(offsets, self.items.take(np.repeat(self.offsets[rows], lengths) + within))
