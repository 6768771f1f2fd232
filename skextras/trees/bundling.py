"""Finding features that may share a column: no two of a bundle leave their default on one row.

First fit: a feature joins the youngest bundle in which no row of its own is taken, and begins a new
one where there is none. Columns that code one category stand side by side, and find each other so.
"""

from collections.abc import Callable
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


def find_bundles(
    mapper: BinMapper,
    features: np.ndarray,
    values_of: Callable[[np.ndarray], np.ndarray],
    threads: Threads,
) -> list[list[int]]:
    """Find bundles among features, by rows that are at hand.

    Parameters
    ----------
    mapper : BinMapper
        The bins.
    features : ndarray of int64
        Who takes part, ascending.
    values_of : callable
        Gives the values of at most eight features that are near one another, (n_rows, k).
    threads : Threads
        Who bins them.

    Returns
    -------
    list of list of int
        Two features or more each, at most one of which is away from its default on any row.
    """
    bundles: list[list[int]] = []
    waiting: list[_Bundle] = []
    n_bins, defaults = mapper.n_bins, default_bins(mapper)
    for block in column_blocks(mapper.n_features):
        own = features[
            np.searchsorted(features, block.start) : np.searchsorted(features, block.stop)
        ]
        if len(own) == 0:
            continue
        bins = _bins(values_of(own), mapper.part(own), threads)
        for feature, column in zip(own.tolist(), bins, strict=True):
            if (column == MISSING).any():
                continue
            is_other = column != defaults[feature]
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


def _bins(values: np.ndarray, mapper: BinMapper, threads: Threads) -> np.ndarray:
    """Bins of at most eight features, (k, n_rows)."""
    binner = Binner(mapper, len(values))
    binner.add(values, threads)
    rows = binner.words[0].astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)
    return np.ascontiguousarray(rows.T[: mapper.n_features])
