"""ENGINE: what a column type gives: numbers, one code a row, or several codes a row."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

MISSING, UNKNOWN = -1, -2  # codes of rows that are in no bucket; every negative one is


@dataclass(frozen=True)
class Dense:
    """Numbers.

    Attributes
    ----------
    values : ndarray of float32 or float64 of shape (n, k)
        NaN where there is none. Fortran order is the fastest: a column type fills its columns.
    """

    values: np.ndarray

    @property
    def width(self) -> int:
        """Columns of the output."""
        return int(self.values.shape[1])

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Codes:
    """One code a row: a 1 in the column of that code, and nowhere else.

    Attributes
    ----------
    codes : ndarray of int32 of shape (n,)
        In 0 ... width - 1; negative where the row has no 1.
    width : int
        Columns of the output.
    is_full : bool
        Whether no code is negative; False if that is not known.
    """

    codes: np.ndarray
    width: int
    is_full: bool = False

    def __len__(self) -> int:
        return len(self.codes)

    def ordinal(self, dtype: type = np.float64) -> Dense:
        """The codes as one column of numbers.

        Parameters
        ----------
        dtype : type, default=float64
            float32 or float64.

        Returns
        -------
        Dense
            NaN for negative codes.
        """
        values: np.ndarray = self.codes.astype(dtype)
        if not self.is_full:
            values[self.codes < 0] = np.nan
        return Dense(values[:, None])

    def bags(self) -> "Bags":
        """The same as bags of one code at most.

        Returns
        -------
        Bags
            Of weight 1.
        """
        has_code = self.codes >= 0
        offsets = np.zeros(len(self) + 1, np.int64)
        np.cumsum(has_code, out=offsets[1:])
        return Bags(offsets, self.codes[has_code], None, self.width)


@dataclass(frozen=True)
class Bags:
    """Any number of codes a row, with weights; weights of equal codes in a row add up.

    Attributes
    ----------
    offsets : ndarray of int64 of shape (n + 1,)
        Where each row's codes start; the last one's end.
    codes : ndarray of int32 of shape (offsets[-1],)
        In 0 ... width - 1; negative ones count for nothing.
    weights : ndarray of float64 of shape (offsets[-1],) or None
        None for 1 each.
    width : int
        Columns of the output.
    """

    offsets: np.ndarray
    codes: np.ndarray
    weights: np.ndarray | None
    width: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def rows(self) -> np.ndarray:
        """Row of each code."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def tidy(self, *, is_binary: bool = False) -> "Bags":
        """Codes in order within a row, each once, and none that is negative.

        Parameters
        ----------
        is_binary : bool, default=False
            Whether a code that stands several times in a row counts once.

        Returns
        -------
        Bags
            With weights.
        """
        is_known = self.codes >= 0
        rows, codes = self.rows[is_known], self.codes[is_known].astype(np.int64)
        weights = np.ones(len(codes)) if self.weights is None else self.weights[is_known]
        keys, inverse = np.unique(rows * self.width + codes, return_inverse=True)
        sums = np.ones(len(keys)) if is_binary else np.bincount(inverse, weights, len(keys))
        offsets = np.zeros(len(self) + 1, np.int64)
        np.cumsum(np.bincount(keys // self.width, minlength=len(self)), out=offsets[1:])
        return Bags(offsets, (keys % self.width).astype(np.int32), sums, self.width)


Block = Dense | Codes | Bags
