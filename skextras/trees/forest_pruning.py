"""Cost-complexity pruning: the smallest subtree that makes impurity plus a price a leaf least.

Breiman et al., "Classification and Regression Trees", 1984, chapter 3. Of two children that are
themselves pruned, a node keeps the pair if it takes away more impurity than its leaves cost.
"""

from dataclasses import replace

import numpy as np

from skextras.trees import forest_slots as at
from skextras.trees.memory import compiled
from skextras.trees.whole_trees import GrownTree


@compiled
def _prune(records, floats, price, worth, kept):  # type: ignore[no-untyped-def]
    """Makes nodes leaves whose subtrees are not worth their price, and marks those that stay."""
    for node in range(len(records) - 1, -1, -1):
        left = records[node, at.R_LEFT]
        if left > 0:
            h, child_h = floats[node, at.R_WEIGHT], floats[left, at.R_WEIGHT]
            inside = child_h * floats[left, at.R_IMPURITY]
            inside += (h - child_h) * floats[left + 1, at.R_IMPURITY]
            floats[node, at.R_IMPURITY] = (inside + floats[node, at.R_GAIN]) / h
            gain = floats[node, at.R_GAIN] / floats[0, at.R_WEIGHT] - price
            worth[node] = gain + worth[left] + worth[left + 1]
            if worth[node] <= 0.0:
                worth[node], records[node, at.R_LEFT] = 0.0, 0
                records[node, at.R_FEATURE], records[node, at.R_GAIN] = -1, 0
                records[node, at.R_SET] = 0
    kept[0] = True
    for node in range(len(records)):
        left = records[node, at.R_LEFT]
        if kept[node] and left > 0:
            kept[left] = kept[left + 1] = True


def pruned(grown: GrownTree, price: float) -> GrownTree:
    """A tree without the subtrees that are not worth their leaves.

    Parameters
    ----------
    grown : GrownTree
        The tree.
    price : float
        α, what a leaf costs, in units of impurity of the whole sample.

    Returns
    -------
    GrownTree
        A new one; without a price the same.
    """
    if price <= 0.0:
        return grown
    records = grown.records.copy()
    worth, kept = np.zeros(len(records)), np.zeros(len(records), bool)
    _prune(records, records.view(np.float64), price, worth, kept)
    number = np.cumsum(kept) - 1
    records[:, at.R_LEFT] = np.where(records[:, at.R_LEFT] > 0, number[records[:, at.R_LEFT]], 0)
    sets = grown.sets[kept] if len(grown.sets) else grown.sets
    return replace(grown, records=records[kept], values=grown.values[kept], sets=sets)
