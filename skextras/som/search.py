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
from skextras.som.tiles import PANEL, ROWS

METRICS = {
    "euclidean": EUCLIDEAN,
    "cosine": COSINE,
    "correlation": CORRELATION,
    "manhattan": MANHATTAN,
}
STRIPE = 4096  # rows of one task of a thread
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
        panels = padded.reshape(n_panels, PANEL, width).transpose(0, 2, 1)
        return cls(np.ascontiguousarray(panels).ravel(), padded_bias, rows, width)


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

    def nearest(
        self, X: np.ndarray, *, n_best: int = 1, with_distance: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest units of dense rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Rows of ``rows_of``; values may be missing, but not all of a row.
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
        if self.kind == MANHATTAN:
            distances = self.distances(X)
            pick_rows(distances, found)
            nearest = np.take_along_axis(distances, found[:, :1], axis=1)[:, 0]
            return found, nearest if with_distance else np.empty(0)
        packed = self._masked if np.isnan(X.sum()) else self._plain
        chunk = max(CELLS // packed.width // BLOCK, 1) * BLOCK
        for start in range(0, len(X), chunk):
            self._search(X[start : start + chunk], packed, found[start : start + chunk])
        nearest = np.empty(len(X) if with_distance else 0)
        if with_distance:
            measure_found(X, self.kind, self.weights, found[:, 0], nearest)
        return found, nearest

    def _search(self, X: np.ndarray, packed: _Packed, found: np.ndarray) -> None:
        width, n = packed.width, len(X)
        narrow = np.zeros((-(-n // ROWS) * ROWS, width), np.float32)
        margins, is_sure = np.empty(n), np.empty(n, np.bool_)
        flat = narrow.ravel()
        narrow_rows(X, self.kind, self._centre, self._scale, self._reach, width, flat, margins)
        search_narrow(flat, margins, width, packed.panels, packed.bias, found, is_sure)
        if np.all(is_sure):
            return
        again = np.flatnonzero(~is_sure)
        settled = np.empty((len(again), found.shape[1]), np.int32)
        settle_rows(
            X[again].astype(np.float64), self.kind, narrow[again].ravel(), margins[again],
            packed.rows, packed.bias, self.weights, settled,
        )  # fmt: skip
        found[again] = settled

    def distances(self, X: np.ndarray) -> np.ndarray:
        """Distances of dense rows to all units.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Rows of ``rows_of``.

        Returns
        -------
        ndarray of shape (n, n_units)
            In float64; where values are missing, as if these were as far off as the others.
        """
        out = np.empty((len(X), self.n_units))
        measure_rows(X, self.kind, self.columns, out)
        return out
