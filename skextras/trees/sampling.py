"""A sample of the rows, on which the edges of the bins are found."""

import numpy as np

SAMPLE = 200_000  # rows


class RowSample:
    """A uniform sample of rows that come in blocks, the same however they are cut into blocks.

    Each row draws a key, and the rows of the smallest keys stay. A weight is a repetition: the
    smallest of w keys, -log(u) / w, decides.

    Parameters
    ----------
    random : numpy.random.Generator
        The source of the keys.
    size : int, default=200_000
        Rows to keep.
    """

    def __init__(self, random: np.random.Generator, *, size: int = SAMPLE) -> None:
        self._random, self._size = random, size
        self._keys: list[np.ndarray] = []
        self._n_rows = 0
        self._is_drawn = False
        self._rows: list[np.ndarray] = []
        self._weights: list[np.ndarray] = []

    def choose(self, n: int, weights: np.ndarray | None = None) -> np.ndarray:
        """Sample n rows that are all here.

        Parameters
        ----------
        n : int
            Rows there are.
        weights : ndarray of shape (n,) or None
            Repetitions of each.

        Returns
        -------
        ndarray of int64
            Ascending; all rows if they are few enough.
        """
        if n <= self._size:
            return np.arange(n)
        keys = self._draw(n, weights)
        return np.sort(np.argpartition(keys, self._size)[: self._size])

    def add(self, block: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Let a block's rows take part.

        Parameters
        ----------
        block : ndarray of shape (n, n_features)
            The rows.
        weights : ndarray of shape (n,) or None
            Repetitions of each.
        """
        self._keys.append(self._draw(len(block), weights))
        self._rows.append(block)
        if weights is not None:
            self._weights.append(weights)
        self._n_rows += len(block)
        if self._n_rows > 2 * self._size:  # not at each block, however small
            self._drop()

    def result(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Rows that stayed.

        Returns
        -------
        rows : ndarray of shape (at most size, n_features)
            In the order they came.
        weights : ndarray or None
            Their weights; None where rows were left out, since they were drawn by their weights.
        """
        if self._n_rows > self._size:
            self._drop()
        weights = None
        if self._weights and not self._is_drawn:
            weights = np.concatenate(self._weights)
        return np.concatenate(self._rows), weights

    def _drop(self) -> None:
        keys = np.concatenate(self._keys)
        kept = np.sort(np.argpartition(keys, self._size)[: self._size])
        self._keys, self._n_rows, self._is_drawn = [keys[kept]], self._size, True
        self._rows = [np.concatenate(self._rows)[kept]]
        self._weights = [np.concatenate(self._weights)[kept]] if self._weights else []

    def _draw(self, n: int, weights: np.ndarray | None) -> np.ndarray:
        keys = self._random.random(n)
        if weights is None:
            return keys
        with np.errstate(divide="ignore"):
            return -np.log1p(-keys) / weights
