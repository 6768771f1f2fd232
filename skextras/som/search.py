"""Best-matching units of rows: a codebook made ready once, then as many rows as there are.

The result equals brute force in float64 with ties to the lowest unit, for any size of the blocks
and any number of threads: rows are decided one by one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from skextras.som.passes import (
    BLOCK,
    CORRELATION,
    COSINE,
    EUCLIDEAN,
    MANHATTAN,
    measure_found,
    measure_rows,
    narrow_rows,
    pick_rows,
    search_narrow,
    settle_rows,
    standardize_rows,
)
from skextras.som.stored import StoredRows
from skextras.som.stored_passes import measure_found_stored, measure_stored, search_stored
from skextras.som.tiles import PANEL, ROWS

METRICS = {
    "euclidean": EUCLIDEAN,
    "cosine": COSINE,
    "correlation": CORRELATION,
    "manhattan": MANHATTAN,
}
STRIPE = 4096  # rows of one task of a thread
LINE = 64  # bytes
CELLS = 1 << 17  # numbers of the rows that are narrowed at a time: they stay in the cache


def stripes(n_rows: int) -> Iterator[slice]:
    """Cut rows into the tasks that threads share.

    Parameters
    ----------
    n_rows : int
        Rows in total.

    Yields
    ------
    slice
        Rows of one task; the cut depends on the number of rows alone.
    """
    for start in range(0, n_rows, STRIPE):
        yield slice(start, min(start + STRIPE, n_rows))


def rows_of(X: Any, rows: slice) -> np.ndarray:
    """Take some rows as the kernels want them.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, n_features)
        All rows.
    rows : slice
        Which.

    Returns
    -------
    ndarray of shape (n_rows, n_features)
        Contiguous and dense, in float32 or float64; a view where X is so.
    """
    part = X[rows]
    if sparse.issparse(part):
        part = part.toarray()
    dtype = np.float32 if part.dtype == np.float32 else np.float64
    return np.ascontiguousarray(part, dtype=dtype)


def is_missing(values: np.ndarray) -> bool:
    """Tell whether a value is missing.

    Parameters
    ----------
    values : ndarray
        Any.

    Returns
    -------
    bool
        Whether there is NaN: squares and their sums are infinite at most, so it is what they show.
    """
    flat = values.ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isnan(np.dot(flat, flat)))


def aligned(n: int) -> np.ndarray:
    """Make room for numbers that are read in vectors as wide as a line of the cache.

    Parameters
    ----------
    n : int
        How many.

    Returns
    -------
    ndarray of float32 of shape (n,)
        Zeros, that begin where a line does: a vector on two lines takes twice the time.
    """
    room = np.zeros(n + LINE // 4, np.float32)
    first = -room.ctypes.data % LINE // room.itemsize
    return room[first : first + n]


@dataclass(frozen=True)
class _Packed:
    """Weights in float32, centred and scaled, as panels for the tiles and as rows."""

    panels: np.ndarray  # (n_panels, width, PANEL), negative, flat
    bias: np.ndarray  # (n_panels * PANEL,), infinite beyond the last unit
    rows: np.ndarray  # (n_units, width), negative
    width: int

    @classmethod
    def of(cls, columns: np.ndarray, bias: np.ndarray) -> "_Packed":
        n_units, width = columns.shape
        n_panels = -(-n_units // PANEL)
        rows = np.ascontiguousarray(-columns, dtype=np.float32)
        padded = np.zeros((n_panels * PANEL, width), np.float32)
        padded[:n_units] = rows
        padded_bias = np.full(n_panels * PANEL, np.inf, np.float32)
        padded_bias[:n_units] = bias
        panels = aligned(padded.size)
        panels.reshape(n_panels, width, PANEL)[:] = padded.reshape(
            n_panels, PANEL, width
        ).transpose(0, 2, 1)
        return cls(panels, padded_bias, rows, width)


class Codebook:
    """Weights of the units, ready to be searched.

    Parameters
    ----------
    weights : ndarray of shape (n_units, n_features)
        One row a unit.
    metric : {"euclidean", "cosine", "correlation", "manhattan"}, default="euclidean"
        Distance of a row and a unit.
    """

    def __init__(self, weights: np.ndarray, metric: str = "euclidean") -> None:
        self.kind = METRICS[metric]
        self.given = np.ascontiguousarray(weights, np.float64)
        self.weights = np.empty(weights.shape)  # as the metric sees them
        standardize_rows(self.given, self.kind, self.weights)
        self.n_units, self.n_features = int(weights.shape[0]), int(weights.shape[1])

    @cached_property
    def columns(self) -> np.ndarray:
        """Weights as the kernels over all units want them.

        Returns
        -------
        ndarray of shape (n_features, n_units)
            Transposed.
        """
        return np.ascontiguousarray(self.weights.T)

    @cached_property
    def _centre(self) -> np.ndarray:
        """Where rows and weights are centred: the norm trick would lose its digits to an offset."""
        mean = self.weights.mean(axis=0)
        return mean if self.kind == EUCLIDEAN else np.zeros_like(mean)

    @cached_property
    def _scale(self) -> float:
        """A power of two that brings the centred weights near 1: float32 has a small range."""
        top = np.abs(self.weights - self._centre).max(initial=0.0)
        exponent = int(np.frexp(top)[1])
        return float(np.ldexp(1.0, -max(min(exponent, 900), -900)))

    @cached_property
    def _centred(self) -> np.ndarray:
        return (self.weights - self._centre) * self._scale

    @cached_property
    def _reach(self) -> float:
        """Greatest length of a centred unit."""
        return float(np.sqrt((self._centred**2).sum(axis=1).max(initial=0.0)))

    @cached_property
    def _plain(self) -> _Packed:
        halves = 0.5 * (self._centred**2).sum(axis=1)
        return _Packed.of(
            self._centred, halves if self.kind == EUCLIDEAN else np.zeros(self.n_units)
        )

    @cached_property
    def _masked(self) -> _Packed:
        """For rows with missing values: products with the mask take the place of the bias."""
        columns = np.hstack([self._centred, 0.5 * self._centred**2])
        return _Packed.of(columns, np.zeros(self.n_units))

    @cached_property
    def _stored(self) -> tuple[np.ndarray, tuple[float, float, float]]:
        """For sparse rows, which are not centred: the bias, and what bounds a score.

        The bounds are the greatest length of a unit, the greatest bias, the length of the centre.
        """
        bias = np.full_like(self._plain.bias, np.inf)
        with np.errstate(over="ignore", invalid="ignore"):  # (bounds beyond all decide nothing)
            centre = self._centre * self._scale
            exact = 0.5 * (self._centred**2).sum(axis=1) + self._centred @ centre
            if self.kind != EUCLIDEAN:
                exact = np.zeros(self.n_units)
            bias[: self.n_units] = exact
            offset = float(np.sqrt((centre**2).sum()))
        return bias, (self._reach, float(np.abs(exact).max(initial=0.0)), offset)

    def part(self, X: Any, rows: slice) -> np.ndarray | StoredRows:
        """Take some rows as the search wants them.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n, n_features)
            All rows.
        rows : slice
            Which.

        Returns
        -------
        ndarray of shape (n_rows, n_features) or StoredRows
            Dense unless X is sparse, the metric is "euclidean" or "cosine", and no value is missing
            in these rows.
        """
        if sparse.issparse(X) and self.kind in (EUCLIDEAN, COSINE):
            part = StoredRows.of(X, rows)
            if not is_missing(part.data):
                return part
        return rows_of(X, rows)

    def nearest(
        self, X: np.ndarray | StoredRows, *, n_best: int = 1, with_distance: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest units of rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_features) or StoredRows
            Rows of ``part`` or ``rows_of``; values may be missing, but not all of a row.
        n_best : {1, 2}, default=1
            How many units.
        with_distance : bool, default=False
            Whether the distance is wanted.

        Returns
        -------
        ndarray of int32 of shape (n, n_best)
            Units, the nearest first.
        ndarray of shape (n,)
            Distance to the nearest; empty if it is not wanted.
        """
        found = np.zeros((len(X), n_best), np.int32)
        nearest = np.empty(len(X) if with_distance else 0)
        if isinstance(X, StoredRows):
            self._search_stored(X, found)
            if with_distance:
                table = X.data, X.indices, X.indptr
                measure_found_stored(*table, self.kind, self.weights, found[:, 0], nearest)
            return found, nearest
        self._search_dense(X, found)
        if with_distance:
            measure_found(X, self.kind, self.weights, found[:, 0], nearest)
        return found, nearest

    def _search_stored(self, X: StoredRows, found: np.ndarray) -> None:
        bias, bounds = self._stored
        doubts = np.empty(len(X), np.int32)
        search_stored(
            X.data, X.indices, X.indptr, self.kind, self._scale, bounds, self.n_features,
            self._plain.panels, bias, found, doubts,
        )  # fmt: skip
        again = np.flatnonzero(doubts)
        few = max(CELLS // self.n_features, ROWS)
        for rows in (again[start : start + few] for start in range(0, len(again), few)):
            settled = np.empty((len(rows), found.shape[1]), np.int32)
            self._search_dense(X.dense(rows), settled)
            found[rows] = settled

    def _search_dense(self, X: np.ndarray, found: np.ndarray) -> None:
        if self.kind == MANHATTAN:  # no product
            scores = np.empty((len(X), self.n_units))
            measure_rows(X, self.kind, self.columns, True, scores)
            pick_rows(scores, found)
            return
        few = -(-CELLS // (self.n_features * BLOCK)) * BLOCK
        for start in range(0, len(X), few):
            rows = slice(start, start + few)
            if not self._search(X[rows], self._plain, found[rows]):
                self._search(X[rows], self._masked, found[rows])

    def _search(self, X: np.ndarray, packed: _Packed, found: np.ndarray) -> bool:
        """Find the units of a few rows; False where values are missing but not provided for."""
        width, n = packed.width, len(X)
        narrow = np.empty((-(-n // ROWS) * ROWS, width), np.float32)
        narrow[n:] = 0
        margins, doubts = np.empty(n), np.empty(n, np.int32)
        flat = narrow.ravel()
        narrow_rows(X, self.kind, self._centre, self._scale, self._reach, width, flat, margins)
        if packed is self._plain and np.isnan(margins).any():
            return False
        search_narrow(flat, margins, width, packed.panels, packed.bias, found, doubts)
        again = np.flatnonzero(doubts)
        if not len(again):
            return True
        settled = np.empty((len(again), found.shape[1]), np.int32)
        settle_rows(
            X[again].astype(np.float64), self.kind, narrow[again].ravel(), margins[again],
            doubts[again], packed.rows, packed.bias, self.weights, settled,
        )  # fmt: skip
        found[again] = settled
        return True

    def distances(self, X: np.ndarray | StoredRows) -> np.ndarray:
        """Distances of rows to all units.

        Parameters
        ----------
        X : ndarray of shape (n, n_features) or StoredRows
            Rows of ``part`` or ``rows_of``.

        Returns
        -------
        ndarray of shape (n, n_units)
            In float64; where values are missing, as if these were as far off as the others.
        """
        out = np.empty((len(X), self.n_units))
        if isinstance(X, StoredRows):
            table = X.data, X.indices, X.indptr
            squares = (self.weights**2).sum(axis=1)
            measure_stored(*table, self.kind, self.columns, self.weights, squares, out)
            return out
        measure_rows(X, self.kind, self.columns, False, out)
        return out
