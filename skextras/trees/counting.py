"""A second look at a node whose split leaves too few rows on a side, by exact counts.

Sums of hessians stand for counts at first, since these would cost as much to sum. Where they
deceive, rows are counted column by column: the one that promises the greatest gain first, and no
more once none of the others promises more than was found.
"""

from typing import Any

import numpy as np

from skextras.trees import workspace as at
from skextras.trees.arrays import MISSING
from skextras.trees.histogram import AHEAD
from skextras.trees.leaves import (
    bound_of,
    codes_of,
    counts_of,
    floats_of,
    n_bins_of,
    record_of,
    scan_features,
    slot,
)
from skextras.trees.memory import inner, prefetch, uint32s, word
from skextras.trees.nodes import open_node
from skextras.trees.scans import forget_split, judge, keep_better, tell_of
from skextras.trees.splitting import GAIN
from skextras.trees.sums import sum_node, take_slot

DONE = -1.0  # what a column still promises once its rows are counted
U = np.uint64


@inner
def _count_rows(table: int, node: int, column: int) -> None:
    """Rows of a node by bin of one column, into the last slot."""
    record, bins = record_of(table, node), codes_of(table, column)
    order = uint32s(word(table, at.ORDER), word(table, at.N_ROWS) + AHEAD)
    counts = counts_of(table, column)
    for b in range(U(n_bins_of(table)[column])):
        counts[b] = 0
    counts[MISSING] = 0
    for i in range(U(record[at.START]), U(record[at.END])):
        prefetch(bins, np.int64(order[i + U(AHEAD)]) << 3)
        counts[U(bins[U(order[i]) << U(3)])] += 1


@inner
def _most_promising(sums: int, n_columns: int) -> Any:
    """Column of the greatest bound, the first of equals."""
    best = 0
    for column in range(1, n_columns):
        if bound_of(sums, column)[0] > bound_of(sums, best)[0]:
            best = column
    return best


@inner
def look_again(table: int, node: int) -> None:
    """Find the best split of a node that leaves enough rows on both sides; it waits for a turn."""
    record, n_columns = record_of(table, node), word(table, at.N_COLUMNS)
    is_known = record[at.SLOT] < word(table, at.N_SLOTS)
    if not is_known:
        sum_node(table, node, take_slot(table, 0))
    sums = slot(table, record[at.SLOT])
    if not is_known:
        for column in range(n_columns):
            bound_of(sums, column)[0] = np.inf
    forget_split(table, node)
    tell_of(table, node, 0, np.float64(max(1, word(table, at.MIN_SAMPLES))))
    while True:
        column = _most_promising(sums, n_columns)
        promise = bound_of(sums, column)
        if promise[0] <= 0 or promise[0] < floats_of(table, node)[GAIN]:
            break
        _count_rows(table, node, column)
        scan_features(table, column >> 3, 0, column)
        keep_better(table, node, 0, column >> 3)
        promise[0] = DONE
    judge(table, node, 0)
    record[at.TURN] = at.WAITS
    open_node(table, node, record[at.NUMBER])
