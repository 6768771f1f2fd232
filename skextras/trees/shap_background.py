"""SHAP values against a background: what if a feature had the value of another row?

For a leaf of d features, a row x and a background row z, let U be the features that only x has on
the path and W those that only z has. If no feature is off the path in both, the leaf is reached by
the mixed rows that take U from x and W from z; Shapley's formula gives each feature of U
v (u-1)! w! / (u+w)!, and each of W -v u! (w-1)! / (u+w)! ([1]_, supplement). Both depend on the
rows only through d bits, so that background rows of the same bits count together, and all rows of
the same bits read one line of a table.

References
----------
.. [1] S. M. Lundberg et al. (2020). From local explanations to global understanding with
   explainable AI for trees. Nature Machine Intelligence 2.
"""

from typing import NamedTuple

import numpy as np

from skextras.trees.memory import compiled
from skextras.trees.shap_kernels import ROWS, mark_patterns, transpose

MOST_FEATURES = 63  # of a path, as bits of a word


class Background(NamedTuple):
    """Which leaves the background rows could reach.

    Attributes
    ----------
    start : int64 array of shape (n_leaves + 1,)
        Where a leaf's patterns begin.
    pattern : uint64 array of shape (n_patterns,)
        Bit j: the j-th feature of the leaf is on the path.
    share : float64 array of shape (n_patterns,)
        Share of the background rows that have it.
    beta : float64 array of shape (65, 65)
        (a-1)! (b-1)! / (a+b-1)!.
    """

    start: np.ndarray
    pattern: np.ndarray
    share: np.ndarray
    beta: np.ndarray


@compiled
def background_patterns(paths, bins, beta):  # type: ignore[no-untyped-def]
    """Distinct patterns of the background rows at each leaf, and their shares.

    Parameters
    ----------
    paths : Paths
        Of all trees.
    bins : ndarray of uint16 of shape (n, n_columns)
        Bins of the background rows.
    beta : ndarray of float64
        Shapley weights.

    Returns
    -------
    Background
        Leaf by leaf.
    """
    n_leaves, n, n_columns = len(paths.start) - 1, bins.shape[0], bins.shape[1]
    columns = np.empty((n_columns, ROWS), np.uint8)
    strip = np.empty(ROWS, np.uint64)
    seen = np.empty((n_leaves, n), np.uint64)
    for first in range(0, n, ROWS):
        m = min(ROWS, n - first)
        transpose(bins, first, m, columns)
        for leaf in range(n_leaves):
            mark_patterns(paths, leaf, columns, strip)
            seen[leaf, first : first + m] = strip[:m]
    start = np.zeros(n_leaves + 1, np.int64)
    pattern, share = np.empty(n_leaves * n, np.uint64), np.zeros(n_leaves * n)
    total = -1
    for leaf in range(n_leaves):
        start[leaf] = total + 1
        own = np.sort(seen[leaf])
        for i in range(n):
            if i == 0 or own[i] != own[i - 1]:
                total += 1
                pattern[total] = own[i]
            share[total] += 1.0 / n
    start[n_leaves] = total + 1
    return Background(start, pattern[: total + 1].copy(), share[: total + 1].copy(), beta)


@compiled
def _count(bits):  # type: ignore[no-untyped-def]
    n = 0
    while bits:
        bits &= bits - np.uint64(1)
        n += 1
    return n


@compiled
def _add_shapley(only_x, only_z, share, beta, line):  # type: ignore[no-untyped-def]
    """Shares of a leaf's value for the features of U and W."""
    u, w = _count(only_x), _count(only_z)
    if u + w == 0:
        return
    gain, loss = share * beta[u, w + 1], share * beta[u + 1, w]
    for j in range(len(line)):
        line[j] += gain * np.float64(only_x >> np.uint64(j) & np.uint64(1))
        line[j] -= loss * np.float64(only_z >> np.uint64(j) & np.uint64(1))


@compiled
def _parts(background, leaf, full):  # type: ignore[no-untyped-def]
    """What the lines of a leaf's table are made of: three sums for each pattern of a row."""
    sums = np.zeros((3, full + np.uint64(1)))
    beta, d = background.beta, _count(full)
    for place in range(background.start[leaf], background.start[leaf + 1]):
        theirs, share = background.pattern[place], background.share[place]
        lacking, both = full & ~theirs, theirs
        u = _count(lacking)
        while True:  # all subsets of what the background row has
            own = lacking | both
            w = d - _count(own)
            sums[0, own] += share * beta[u, w + 1]
            sums[1, own] += share * beta[u, w]
            sums[2, own] += share * beta[u + 1, w]
            if both == 0:
                break
            both = (both - np.uint64(1)) & theirs
    return sums


@compiled
def fill_by_background(background, leaf, table):  # type: ignore[no-untyped-def]
    """Line of each pattern of a row: it must have what a background row lacks.

    All d features are then in a row's pattern or in that of the background row: u counts what the
    one lacks and w what the other does, so that a feature of W loses the same whichever it is. One
    of U gains from the background rows that lack it: all that the pattern goes with, less those
    that it goes with still when it lacks the feature, too.

    Parameters
    ----------
    background : Background
        Patterns of the background rows.
    leaf : int
        Which leaf.
    table : ndarray of float64 of shape (d, 2^d)
        Filled.
    """
    d = len(table)
    gain, gain_without, loss = _parts(
        background, leaf, (np.uint64(1) << np.uint64(d)) - np.uint64(1)
    )
    for j in range(d):
        bit, line = np.uint64(1) << np.uint64(j), table[j]
        for own in range(np.uint64(line.size)):
            has_it = own & bit != 0
            line[own] = gain[own] - gain_without[own ^ bit] if has_it else -loss[own]


@compiled
def line_by_background(background, leaf, own, line):  # type: ignore[no-untyped-def]
    """The column of one pattern alone, for paths of too many features for a table.

    Parameters
    ----------
    background : Background
        Patterns of the background rows.
    leaf : int
        Which leaf.
    own : int
        The pattern.
    line : ndarray of float64 of shape (d,)
        Filled.
    """
    full = (np.uint64(1) << np.uint64(len(line))) - np.uint64(1)
    line[:] = 0.0
    for place in range(background.start[leaf], background.start[leaf + 1]):
        theirs, share = background.pattern[place], background.share[place]
        if own | theirs == full:
            _add_shapley(own & ~theirs, theirs & ~own, share, background.beta, line)
