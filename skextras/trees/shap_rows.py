"""SHAP values of many rows: by a table of a leaf's patterns, or row by row if these are many."""

from typing import NamedTuple

import numpy as np

from skextras.trees.memory import compiled
from skextras.trees.shap_background import Background, fill_by_background, line_by_background
from skextras.trees.shap_kernels import (
    ROWS,
    fill_by_weights,
    give,
    give_from,
    mark_patterns,
    strip_shares,
    transpose,
)

MOST_TABLED = 12  # features of a leaf with a table


class Knowledge(NamedTuple):
    """What stands for a feature that is left out.

    Attributes
    ----------
    rules : float64 array of shape (most, n, 2)
        Quadrature for the training weights.
    background : Background
        Of the background rows; not looked at without them.
    has_background : bool
        Which of the two.
    """

    rules: np.ndarray
    background: Background
    has_background: bool


@compiled
def _strip(paths, leaf, knowledge, patterns, room):  # type: ignore[no-untyped-def]
    """Shares of a strip without a table; the last of the room is the result."""
    delta, factor, before, behind, shares = room
    start, stop = paths.start[leaf], paths.start[leaf + 1]
    if not knowledge.has_background:
        chance, rule = paths.chance[start:stop], knowledge.rules[stop - start - 1]
        strip_shares(patterns, chance, rule, (delta, factor, before, behind), shares)
        return
    for i in range(ROWS):
        line = shares[: stop - start, i]
        line_by_background(knowledge.background, leaf, patterns[i], line)


@compiled
def _leaf(paths, leaf, knowledge, strips, room):  # type: ignore[no-untyped-def]
    """Add one leaf to all strips: bins and sums of each."""
    columns, phi = strips
    start, d = paths.start[leaf], paths.start[leaf + 1] - paths.start[leaf]
    patterns = np.empty(ROWS, np.uint64)
    is_tabled = d <= MOST_TABLED and (1 << d) <= len(phi) * ROWS
    table = np.empty((d, 1 << d if is_tabled else 0))
    if is_tabled and knowledge.has_background:
        fill_by_background(knowledge.background, leaf, table)
    elif is_tabled:
        chance = paths.chance[start : start + d]
        fill_by_weights(chance, knowledge.rules[d - 1], np.empty(1 << d), table)
    for strip in range(len(phi)):
        mark_patterns(paths, leaf, columns[strip], patterns)
        if not is_tabled:
            _strip(paths, leaf, knowledge, patterns, room)
        for step in range(d):
            own = phi[strip, paths.column[start + step]]
            if is_tabled:
                give_from(paths, leaf, table[step], patterns, own)
            else:
                give(paths, leaf, room[4][step], own)


@compiled
def shap_rows(paths, bins, knowledge, span, out):  # type: ignore[no-untyped-def]
    """SHAP values (n, columns, outputs) of the rows of a span.

    Parameters
    ----------
    paths : Paths
        Of all trees.
    bins : ndarray of uint16 of shape (n, n_columns)
        Bins of all rows.
    knowledge : Knowledge
        What stands for a feature left out.
    span : tuple of int
        First row, and the one behind the last.
    out : ndarray of float64
        Filled.
    """
    n, n_columns, most = span[1] - span[0], out.shape[1], len(knowledge.rules)
    n_strips = (n + ROWS - 1) // ROWS
    columns = np.empty((n_strips, n_columns, ROWS), np.uint8)
    for strip in range(n_strips):
        first = span[0] + strip * ROWS
        transpose(bins, first, min(ROWS, span[1] - first), columns[strip])
    phi = np.zeros((n_strips, n_columns, out.shape[2], ROWS))
    room = (
        np.empty((most, ROWS)),
        np.empty((most, ROWS)),
        np.empty((most + 1, ROWS)),
        np.empty(ROWS),
        np.empty((most, ROWS)),
    )
    for leaf in range(len(paths.start) - 1):
        _leaf(paths, leaf, knowledge, (columns, phi), room)
    for i in range(n):
        out[span[0] + i] = phi[i // ROWS, :, :, i % ROWS]
