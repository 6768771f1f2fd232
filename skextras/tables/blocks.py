"""Training rows that come in blocks, so that only their bins stay in memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, column_or_1d

Block = tuple[Any, np.ndarray, np.ndarray | None]


class Blocks:
    """A source of (X, y) or (X, y, sample_weight) that can be gone through more than once.

    Parameters
    ----------
    source : iterable
        A list of tuples, or an object whose ``__iter__`` starts anew each time.
    owner : str
        Whose errors they are.
    """

    def __init__(self, source: Any, *, owner: str) -> None:
        if hasattr(source, "__next__"):  # an iterator
            raise TypeError(
                f"{owner}: X must be a source of blocks that can be gone through twice, got a "
                f"{type(source).__name__}, which is empty after one pass. Pass a list, or an "
                "object whose __iter__ starts a new pass."
            )
        self.source, self.owner = source, owner
        self.n_rows: int | None = None  # known after the first whole pass

    def __iter__(self) -> Iterator[Block]:
        """Go through the blocks; a later pass must bring as many rows as the first.

        Yields
        ------
        tuple of (X, y, sample_weight)
            A table, ndarray of shape (n,), ndarray of float64 of shape (n,) or None.
        """
        n_rows, is_weighted = 0, None
        for number, block in enumerate(self.source):
            X, y, weight = self._checked(number, block)
            if is_weighted is not None and is_weighted != (weight is not None):
                raise ValueError(
                    f"{self.owner}: blocks must all have sample_weight or none of them, got block "
                    f"{number} unlike those before. Give each block weights, 1 for all."
                )
            is_weighted = weight is not None
            n_rows += len(y)
            yield X, y, weight
        if n_rows == 0 or self.n_rows not in (None, n_rows):
            wanted = "at least one row" if self.n_rows is None else f"{self.n_rows} rows again"
            raise ValueError(
                f"{self.owner}: a pass over the blocks must bring {wanted}, got {n_rows}. "
                "Let __iter__ start anew."
            )
        self.n_rows = n_rows

    def _checked(self, number: int, block: Any) -> Block:
        if not isinstance(block, tuple | list) or len(block) not in (2, 3):
            raise TypeError(
                f"{self.owner}: a block must be a tuple (X, y) or (X, y, sample_weight), got "
                f"{type(block).__name__} as block {number}. Yield such tuples."
            )
        X, y = block[0], column_or_1d(block[1])
        check_consistent_length(X, y)
        weight = block[2] if len(block) == 3 else None
        if weight is not None:
            weight = _check_sample_weight(weight, X, dtype=np.float64, ensure_non_negative=True)
        return X, y, weight


def as_blocks(X: Any, y: Any, *, owner: str) -> Blocks | None:
    """Recognise a source of blocks.

    Parameters
    ----------
    X : object
        What ``fit`` was given.
    y : object
        Targets; blocks bring their own, so it is None for them.
    owner : str
        Whose errors they are.

    Returns
    -------
    Blocks or None
        None for a table: whatever has a shape, or converts to an array.

    Raises
    ------
    TypeError
        For a generator, or an iterator of any kind.
    """
    is_array = hasattr(X, "shape") or hasattr(X, "__array__") or hasattr(X, "__dataframe__")
    if y is not None or is_array or isinstance(X, str | bytes | dict) or not hasattr(X, "__iter__"):
        return None
    if isinstance(X, list | tuple):
        is_blocks = bool(X) and all(_looks_like_block(block) for block in X)
        return Blocks(X, owner=owner) if is_blocks else None
    return Blocks(X, owner=owner)


def _looks_like_block(block: Any) -> bool:
    if not isinstance(block, tuple | list) or len(block) not in (2, 3):
        return False
    shape = getattr(block[0], "shape", None)
    return len(np.shape(block[0]) if shape is None else shape) == 2
