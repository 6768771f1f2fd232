"""ENGINE: what one column of a table holds, whichever library it comes from.

- ``Numbers``: an array, of shape (n,) or (n, k);
- ``Text``: UTF-8 or other bytes, one buffer for all rows;
- ``Categories``: codes into levels, which are numbers or text;
- ``Lists`` (``lists.py``): ragged rows of any of these.

Each can be seen as a ``Factor``: a code for each row, and the distinct values.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from skextras.features.blocks import Codes
from skextras.features.kernels.levels import (
    distinct,
    gather_text,
    split_text,
    text_codes,
    word_codes,
)
from skextras.features.kernels.numbers import count_codes, recoded

STEP = 4096  # of Python's strings that are joined at a time, while they are in the cache


def none_missing() -> np.ndarray:
    """Rows that are missing where none is: an empty array.

    Returns
    -------
    ndarray of bool of shape (0,)
        Empty.
    """
    return np.zeros(0, np.bool_)


class Values(Protocol):
    """What all kinds of columns answer."""

    def __len__(self) -> int:
        """Rows."""

    @property
    def kind(self) -> str:
        """ "text", "number", "time" or "list"."""


@dataclass(frozen=True)
class Text:
    """Strings in one buffer.

    Attributes
    ----------
    offsets : ndarray of int64 of shape (n + 1,)
        Where each string starts; the last one's end.
    data : ndarray of uint8
        Bytes; those of Python's strings are UTF-8.
    missing : ndarray of bool of shape (n,) or (0,)
        Rows without a string; empty if there are none.
    """

    offsets: np.ndarray
    data: np.ndarray
    missing: np.ndarray = field(default_factory=none_missing)
    kind = "text"

    @classmethod
    def of(cls, strings: Sequence[str | bytes]) -> "Text":
        """Pack strings.

        Parameters
        ----------
        strings : sequence of str or bytes
            None of them missing.

        Returns
        -------
        Text
            Their UTF-8.
        """
        packed = [each.encode() if isinstance(each, str) else each for each in strings]
        offsets = np.zeros(len(packed) + 1, np.int64)
        np.cumsum([len(each) for each in packed], out=offsets[1:])
        return cls(offsets, np.frombuffer(b"".join(packed), np.uint8))

    @classmethod
    def joined(cls, strings: Sequence[Any]) -> "Text | None":
        """Pack many of Python's strings, joined and taken apart again.

        That takes half the time of Arrow's builder, which asks each of them what it is.

        Parameters
        ----------
        strings : sequence
            At least one.

        Returns
        -------
        Text or None
            None if anything but strings is among them, or a zero byte.
        """
        n, end = len(strings), 0
        try:
            parts = [
                np.frombuffer("\0".join(strings[at : at + STEP]).encode(), np.uint8)
                for at in range(0, n, STEP)
            ]
        except (TypeError, UnicodeEncodeError):
            return None
        n_bytes = sum(map(len, parts))
        if n_bytes - sum(map(np.count_nonzero, parts)) != n - len(parts):
            return None
        offsets, data = np.empty(n + 1, np.int64), np.empty(n_bytes + 8, np.uint8)
        for at, part in enumerate(parts):
            end = split_text(part, offsets[at * STEP : (at + 1) * STEP + 1], data, end)
        for own in (offsets, data):
            own.flags.writeable = False  # as Arrow's are: the same compiled functions
        return cls(offsets, data[:end])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def factor(self) -> "Factor":
        """Codes of the rows, and the distinct strings in order of appearance."""
        codes, firsts = distinct(text_codes, (self.offsets, self.data, self.missing), len(self))
        return Factor(codes, Text(self.offsets, self.data).take(firsts))

    @property
    def is_factored(self) -> bool:
        """Whether the distinct strings are known already."""
        return "factor" in self.__dict__

    @property
    def is_utf8(self) -> bool:
        """Whether each string is UTF-8: their whole is, and none starts within a character.

        Returns
        -------
        bool
            False if any of them is not.
        """
        begins, end = self.offsets[:-1][np.diff(self.offsets) > 0], self.offsets[-1]
        try:
            self.data[self.offsets[0] : end].tobytes().decode()
        except UnicodeDecodeError:
            return False
        return not ((self.data[begins] & 0xC0) == 0x80).any()

    def take(self, rows: np.ndarray) -> "Text":
        """Some rows.

        Parameters
        ----------
        rows : ndarray of int64
            Which.

        Returns
        -------
        Text
            In a buffer of their own.
        """
        starts = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(self.offsets[rows + 1] - self.offsets[rows], out=starts[1:])
        data = np.empty(starts[-1], np.uint8)
        gather_text(self.offsets, self.data, rows, starts, data)
        missing = self.missing[rows] if len(self.missing) else self.missing
        return Text(starts, data, missing)

    def bytes_at(self, row: int) -> bytes:
        """One string.

        Parameters
        ----------
        row : int
            Which.

        Returns
        -------
        bytes
            As they stand.
        """
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes()

    def pieces(self) -> list[bytes]:
        """All strings as bytes, missing ones as empty.

        Returns
        -------
        list of bytes
            As they stand.
        """
        whole = self.data.tobytes()
        return [whole[a:b] for a, b in itertools.pairwise(self.offsets.tolist())]

    def strings(self) -> list[str]:
        """All strings, missing ones as empty.

        Returns
        -------
        list of str
            Decoded.

        Raises
        ------
        UnicodeDecodeError
            For bytes that are not UTF-8.
        """
        return [piece.decode() for piece in self.pieces()]


@dataclass(frozen=True)
class Numbers:
    """An array of numbers, booleans or times.

    Attributes
    ----------
    values : ndarray of shape (n,) or (n, k)
        Integers, floats, booleans, datetime64 or timedelta64; NaN and NaT are missing as well.
    missing : ndarray of bool of shape (n,) or (0,)
        Rows without a number, of integers; empty if there are none.
    is_null : bool
        Whether all rows are missing, and no type is known.
    """

    values: np.ndarray
    missing: np.ndarray = field(default_factory=none_missing)
    is_null: bool = False

    def __len__(self) -> int:
        return len(self.values)

    @property
    def kind(self) -> str:
        """What they are: "number", "time", or "none" if nothing is known of the type."""
        if self.is_null:
            return "none"
        return "time" if self.values.dtype.kind in "mM" else "number"

    @cached_property
    def floats(self) -> np.ndarray:
        """The numbers as float32 or float64, NaN where missing; a view where that is possible."""
        values = self.values
        if values.dtype not in (np.float32, np.float64):
            values = values.astype(np.float64)
        if self.missing.any():
            values = values.copy() if values is self.values else values
            values[self.missing] = np.nan
        return values

    @cached_property
    def wholes(self) -> "Numbers":
        """As int64 if all are whole numbers (NaN becomes missing), else as float64."""
        values, missing = self.values, self.missing
        if values.dtype.kind in "biu":
            return Numbers(values.astype(np.int64), missing)
        values = values.astype(np.float64) + 0.0  # -0 and 0 are one level
        is_nan = np.isnan(values)
        if is_nan.any():
            missing = is_nan
            values = np.where(is_nan, 0.0, values)
        is_whole = (np.abs(values) < 2.0**53) & (values == np.trunc(values))
        if is_whole.all():
            values = values.astype(np.int64)
        return Numbers(values, missing)

    @cached_property
    def factor(self) -> "Factor":
        """Codes of the rows, and the distinct numbers in order of appearance, as ``wholes``."""
        own = self.wholes
        words = np.ascontiguousarray(own.values).view(np.uint64)
        codes, firsts = distinct(word_codes, (words, own.missing), len(self))
        return Factor(codes, Numbers(own.values[firsts]))

    @property
    def is_factored(self) -> bool:
        """Whether the distinct numbers are known already."""
        return "factor" in self.__dict__

    def take(self, rows: np.ndarray) -> "Numbers":
        """Some rows.

        Parameters
        ----------
        rows : ndarray of int64
            Which.

        Returns
        -------
        Numbers
            Copied.
        """
        missing = self.missing[rows] if len(self.missing) else self.missing
        return Numbers(self.values[rows], missing, self.is_null)


@dataclass(frozen=True)
class Factor:
    """A column as codes and levels.

    Attributes
    ----------
    codes : ndarray of int32 of shape (n,)
        -1 where the row is missing.
    levels : Text or Numbers
        Distinct, none missing.
    """

    codes: np.ndarray
    levels: Text | Numbers

    @cached_property
    def counts(self) -> np.ndarray:
        """How many rows have each level."""
        counts = np.zeros(len(self.levels), np.int64)
        count_codes(self.codes, counts)
        return counts

    def weighed(self, weights: np.ndarray | None) -> np.ndarray:
        """The sum of the weights of the rows that have each level.

        Parameters
        ----------
        weights : ndarray of float64 of shape (n,) or None
            Of the rows; None for 1 each.

        Returns
        -------
        ndarray of int64 or float64 of shape (n_levels,)
            ``counts`` without weights.
        """
        if weights is None:
            return self.counts
        return np.bincount(self.codes + 1, weights, len(self.levels) + 1)[1:]

    def recoded(self, new: np.ndarray, width: int) -> Codes:
        """The rows with other codes for the levels.

        Parameters
        ----------
        new : ndarray of int32 of shape (n_levels,)
            The new code of each level.
        width : int
            How many of them there are.

        Returns
        -------
        Codes
            Of the rows.
        """
        codes = np.empty(len(self.codes), np.int32)
        least = recoded(self.codes, new, codes)
        return Codes(codes, width, is_full=least >= 0)


@dataclass(frozen=True)
class Categories:
    """A column that comes as codes, such as pandas' and Arrow's categories.

    Attributes
    ----------
    codes : ndarray of int32 of shape (n,)
        -1 where the row is missing.
    levels : Text or Numbers
        Distinct, none missing; some may have no row.
    """

    codes: np.ndarray
    levels: Text | Numbers
    is_factored = True

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def kind(self) -> str:
        """That of the levels."""
        return self.levels.kind

    @cached_property
    def factor(self) -> Factor:
        """The column itself."""
        levels = self.levels
        return Factor(self.codes, levels.wholes if isinstance(levels, Numbers) else levels)

    def take(self, rows: np.ndarray) -> "Categories":
        """Some rows.

        Parameters
        ----------
        rows : ndarray of int64
            Which.

        Returns
        -------
        Categories
            With all levels.
        """
        return Categories(self.codes[rows], self.levels)
