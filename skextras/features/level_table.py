"""ENGINE: distinct values, with numbers that add up; in order; as a list for people."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from skextras.features.values import Numbers, Text

Levels = Text | Numbers


class LevelTable:
    """Numbers beside each level; those of the same level add up.

    What is added waits until there is as much of it as of the levels that are in place: many small
    batches take about the time of few large ones.
    """

    def __init__(self) -> None:
        self._parts = list[tuple[Levels, np.ndarray]]()
        self._n_waiting = 0

    def add(self, levels: Levels, values: np.ndarray) -> None:
        """Add to the numbers of some levels.

        Parameters
        ----------
        levels : Text or Numbers
            All different, of one kind in all calls; kept, not copied.
        values : ndarray of number of shape (n_levels, ...)
            What to add to each; kept, not copied.
        """
        if len(levels) or not self._parts:
            self._parts.append((levels, values))
        if len(self._parts) == 1:
            return
        self._n_waiting += len(levels)
        if self._n_waiting > len(self._parts[0][0]):
            self._settle()

    def merge(self, other: "LevelTable") -> None:
        """Add another's numbers.

        Parameters
        ----------
        other : LevelTable
            Of levels of the same kind.
        """
        for levels, values in other._parts:
            self.add(levels, values)

    @property
    def levels(self) -> Levels:
        """Distinct, by their first appearance.

        Returns
        -------
        Text or Numbers
            None of them missing.
        """
        self._settle()
        return self._parts[0][0] if self._parts else Text.of([])

    @property
    def values(self) -> np.ndarray:
        """The sums.

        Returns
        -------
        ndarray of shape (n_levels, ...)
            In the order of ``levels``.
        """
        self._settle()
        return self._parts[0][1] if self._parts else np.zeros(0, np.int64)

    def _settle(self) -> None:
        """Make one part of all."""
        if len(self._parts) < 2:
            return
        parts = [part for part in self._parts if len(part[0])] or self._parts[:1]
        factor = _joined([levels for levels, _ in parts]).factor
        added = np.concatenate([values for _, values in parts])
        values = np.zeros((len(factor.levels), *added.shape[1:]), added.dtype)
        np.add.at(values, factor.codes, added)
        self._parts, self._n_waiting = [(factor.levels, values)], 0


class LevelState:
    """A state that keeps numbers beside the levels that were seen.

    Attributes
    ----------
    table : LevelTable
        The levels and the numbers.
    """

    table: LevelTable

    @property
    def levels(self) -> Levels:
        """Those that were seen.

        Returns
        -------
        Text or Numbers
            Distinct, in no order that counts.
        """
        return self.table.levels


def _joined(parts: Sequence[Any]) -> Levels:
    """Several lists of levels, one after the other."""
    if isinstance(parts[0], Numbers):
        return Numbers(np.concatenate([part.values for part in parts]))
    offsets = np.zeros(sum(map(len, parts)) + 1, np.int64)
    np.cumsum(np.concatenate([np.diff(part.offsets) for part in parts]), out=offsets[1:])
    data = [part.data[part.offsets[0] : part.offsets[-1]] for part in parts]
    return Text(offsets, np.concatenate(data))


def by_count(levels: Levels, counts: np.ndarray) -> np.ndarray:
    """Order of levels: by falling count, then by value.

    Parameters
    ----------
    levels : Text or Numbers
        Distinct; text is ordered as bytes are.
    counts : ndarray of number of shape (n_levels,)
        Of each.

    Returns
    -------
    ndarray of int64 of shape (n_levels,)
        Places of the levels.
    """
    if isinstance(levels, Numbers):
        order = np.argsort(levels.values)
    else:
        pieces = levels.pieces()
        order = np.array(sorted(range(len(pieces)), key=pieces.__getitem__), np.int64)
    behind = counts.max(initial=0) - counts[order]
    if behind.dtype.kind == "i" and behind.max(initial=0) < 2**16:
        behind = behind.astype(np.uint16)  # which NumPy sorts by radix
    return order[np.argsort(behind, kind="stable")]


class LevelList(Sequence[Any]):
    """Levels as a list of Python's strings or numbers, which are made when they are asked for.

    Parameters
    ----------
    values : Text or Numbers
        Distinct; text is UTF-8.
    """

    def __init__(self, values: Levels) -> None:
        self.values = values

    def tolist(self) -> list[Any]:
        """All of them.

        Returns
        -------
        list of str, int or float
            In order.
        """
        own = self.values
        return own.strings() if isinstance(own, Text) else own.values.tolist()

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return self.tolist()[place]
        row = range(len(self))[place]
        own = self.values
        return own.bytes_at(row).decode() if isinstance(own, Text) else own.values[row].item()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LevelList | list | tuple) and self.tolist() == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.tolist())
