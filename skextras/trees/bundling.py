"""Finding features that may share a column: no two of a bundle leave their default on one row.

First fit: a feature joins the youngest bundle in which no row of its own is taken, and begins a new
one where there is none. Columns that code one category stand side by side, and find each other so.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from skextras.trees.arrays import MISSING
from skextras.trees.binning import Binner, column_blocks
from skextras.trees.columns import CODES, default_bins
from skextras.trees.edges import BinMapper
from skextras.trees.threads import Threads

MOST_BINS = CODES // 2 + 1  # of a feature: two of them fit
N_OPEN = 64  # bundles that a feature is compared with


def candidates(mapper: BinMapper) -> np.ndarray:
    """Features that might share: numbers of few bins.

    Parameters
    ----------
    mapper : BinMapper
        The bins.

    Returns
    -------
    ndarray of int64
        Ascending.
    """
    return np.flatnonzero(~mapper.is_categorical & (mapper.n_bins <= MOST_BINS))


@dataclass(eq=False)
class _Bundle:
    """Features so far, the rows on which one of them is not at its default, and what is left."""

    taken: np.ndarray  # a bit a row
    n_free: int  # rows
    n_codes: int = CODES  # that nobody has
    features: list[int] = field(default_factory=list)

    def takes(self, rows: np.ndarray, n: int, n_codes: int) -> bool:
        """Whether there is room for a feature that leaves its default on so many rows."""
        has_room = n <= self.n_free and n_codes <= self.n_codes
        return has_room and not (self.taken & rows).any()

    def add(self, feature: int, rows: np.ndarray, n: int, n_codes: int) -> None:
        """Let a feature join."""
        self.taken |= rows
        self.n_free -= n
        self.n_codes -= n_codes
        self.features.append(feature)


def find_bundles(mapper: BinMapper, columns: Iterable[tuple[int, np.ndarray]]) -> list[list[int]]:
    """Find bundles by rows that are at hand.

    Parameters
    ----------
    mapper : BinMapper
        The bins.
    columns : iterable of (int, ndarray of bool of shape (n_rows,))
        Features without missing values, and the rows on which they are not at their default.

    Returns
    -------
    list of list of int
        Two features or more each, at most one of which is away from its default on any row.
    """
    bundles: list[list[int]] = []
    waiting: list[_Bundle] = []
    n_bins = mapper.n_bins
    for feature, is_other in columns:
        bundle = _join(waiting, feature, is_other, int(n_bins[feature]) - 1)
        if bundle.features == [feature]:
            bundles.append(bundle.features)
    return [bundle for bundle in bundles if len(bundle) > 1]


def _join(waiting: list[_Bundle], feature: int, is_other: np.ndarray, n_codes: int) -> _Bundle:
    """The youngest bundle that takes a feature, or a new one; the oldest makes way for it."""
    rows, n = np.packbits(is_other), int(np.count_nonzero(is_other))
    for bundle in reversed(waiting):
        if bundle.takes(rows, n, n_codes):
            break
    else:
        bundle = _Bundle(np.zeros_like(rows), len(is_other))
        waiting.append(bundle)
    bundle.add(feature, rows, n, n_codes)
    if bundle.n_free == 0 or bundle.n_codes == 0:
        waiting.remove(bundle)
    elif len(waiting) > N_OPEN:
        waiting.pop(0)
    return bundle


def dense_columns(
    values: np.ndarray, mapper: BinMapper, features: np.ndarray, threads: Threads
) -> Iterator[tuple[int, np.ndarray]]:
    """Columns of a table, for ``find_bundles``.

    Parameters
    ----------
    values : ndarray of float32 or float64 of shape (n_rows, n_features)
        The table.
    mapper : BinMapper
        The bins.
    features : ndarray of int64
        Who takes part, ascending.
    threads : Threads
        Who bins them.

    Yields
    ------
    feature : int
        One without missing values.
    is_other : ndarray of bool of shape (n_rows,)
        Where it is not at its default.
    """
    defaults = default_bins(mapper)
    for block in column_blocks(len(features)):
        own = features[block]
        for feature, bins in zip(
            own, _bins(values[:, own], mapper.part(own), threads), strict=True
        ):
            if not (bins == MISSING).any():
                yield int(feature), bins != defaults[feature]


def _bins(values: np.ndarray, mapper: BinMapper, threads: Threads) -> np.ndarray:
    """Bins of at most eight features, (k, n_rows)."""
    binner = Binner(mapper, len(values))
    binner.add(values, threads)
    rows = binner.words[0].astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)
    return np.ascontiguousarray(rows.T[: mapper.n_features])
