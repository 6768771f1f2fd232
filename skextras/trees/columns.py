"""Columns of a binned table: a byte of each row, which one feature has for itself or several share.

Features of which at most one is away from the bin of 0 on any row lose nothing when they share a
byte: exclusive feature bundling (G. Ke et al., "LightGBM", NIPS 2017, section 4), here without the
conflicts. Code 0 of such a column says that all of them are in that bin, their default; the codes
from FIRST on are one feature's other bins, in order. Sums are by column; a split names a feature.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skextras.trees.arrays import MISSING
from skextras.trees.edges import BinMapper
from skextras.trees.memory import inner

# Where a feature is found, by place: its column, the code of its first bin that is not the
# default, how many of them there are, and the default bin.
COLUMN, FIRST, N_CODES, DEFAULT, N_PLACE = range(5)
ALONE = 256  # codes of a feature that shares its column with nobody: its bins as they are
CODES = MISSING - 1  # that sharers have in common: 1 to 254


@dataclass(frozen=True)
class Columns:
    """Which features stand in which byte of a row.

    Attributes
    ----------
    places : ndarray of int64 of shape (n_features, 4)
        Column, first code, codes and default bin of each feature.
    n_bins : ndarray of int64 of shape (n_columns,)
        Codes of each column, without that of missing values.
    """

    places: np.ndarray
    n_bins: np.ndarray

    @property
    def is_shared(self) -> np.ndarray:
        """Which features share their column.

        Returns
        -------
        ndarray of bool of shape (n_features,)
            All False where no two features do.
        """
        return self.places[:, N_CODES] != ALONE

    @property
    def members(self) -> tuple[np.ndarray, np.ndarray]:
        """Features by group of columns.

        Returns
        -------
        features : ndarray of int64 of shape (n_features,)
            Those of a group side by side, ascending.
        starts : ndarray of int64 of shape (n_groups + 1,)
            Where each group begins.
        """
        groups = self.places[:, COLUMN] // 8
        n_groups = -(-len(self.n_bins) // 8)
        sizes = np.bincount(groups, minlength=n_groups)
        return np.argsort(groups, kind="stable"), np.cumsum([0, *sizes])


def default_bins(mapper: BinMapper) -> np.ndarray:
    """Bin of the number 0, where most rows of a sparse or one-hot feature lie.

    Parameters
    ----------
    mapper : BinMapper
        The bins.

    Returns
    -------
    ndarray of int64 of shape (n_features,)
        Of categories, too, which have no use for it.
    """
    return np.array([np.searchsorted(edges, 0.0) for edges in mapper.edges], np.int64)


def columns_of(mapper: BinMapper, bundles: list[list[int]] | None = None) -> Columns:
    """Give each bundle a column, and each other feature its own, by their first features.

    Parameters
    ----------
    mapper : BinMapper
        The bins.
    bundles : list of list of int, optional
        Numbers without missing values, at most one of which is away from its default on any row.

    Returns
    -------
    Columns
        Where each feature is found.
    """
    sharers = {bundle[0]: bundle for bundle in bundles or [] if len(bundle) > 1}
    followers = {feature for bundle in sharers.values() for feature in bundle[1:]}
    own_bins, defaults = mapper.n_bins, default_bins(mapper)
    places = np.empty((mapper.n_features, N_PLACE), np.int64)
    n_bins: list[int] = []
    for feature in range(mapper.n_features):
        if feature in followers:
            continue
        if feature not in sharers:
            places[feature] = len(n_bins), 0, ALONE, ALONE
            n_bins.append(int(own_bins[feature]))
            continue
        first = 1
        for sharer in sharers[feature]:
            n_codes = int(own_bins[sharer]) - 1
            places[sharer] = len(n_bins), first, n_codes, defaults[sharer]
            first += n_codes
        n_bins.append(first)
    return Columns(places, np.array(n_bins, np.int64))


@inner
def code_of(bin_: Any, place: Any) -> Any:
    """Code of a bin that is not the default."""
    return np.uint64(place[FIRST]) + bin_ - np.uint64(bin_ > np.uint64(place[DEFAULT]))


@inner
def left_codes(bin_: int, missing_left: int, place: Any) -> Any:
    """Shift and limit of the codes that go left: those with ``uint8(code + shift) <= limit``."""
    if place[N_CODES] == ALONE:
        # Shifted by one, the missing bin 255 becomes 0 and goes left with the smallest.
        return np.uint8(missing_left), np.uint8(bin_ + missing_left)
    if bin_ < place[DEFAULT]:  # the first bins alone
        return np.uint8(-place[FIRST]), np.uint8(bin_)
    # All but the last bins: from the code after theirs on, and round past 255 to the one before.
    n_right = place[N_CODES] - bin_
    return np.uint8(-place[FIRST] - place[N_CODES]), np.uint8(255 - n_right)


@inner
def unshare(sums: Any, place: Any, total: int, own: Any) -> None:
    """Histogram of a feature from that of its column: the default bin has what the others lack."""
    first, default, rest = place[FIRST], place[DEFAULT], total
    for k in range(place[N_CODES]):
        own[k + np.int64(k >= default)] = sums[first + k]
        rest -= sums[first + k]
    own[default] = rest
    own[MISSING] = 0
