"""What an operation of prediction is told, by slot of its table."""

from typing import Any

import numpy as np
from numba import carray

from skextras.trees.memory import _pointer, compiled

# The rows: address, strides in bytes, whether float64; where the result goes.
X, ROW_STRIDE, COLUMN_STRIDE, N_ROWS, IS_DOUBLE, OUT = range(6)
# Which trees, what to do with the leaves, rows of a chunk and of a block.
FIRST_TREE, LAST_TREE, TASK, CHUNK, BLOCK = range(6, 11)
# Room for bins: address, bytes a thread; or whether the bins of all rows are there already.
BINS, ROOM, HAS_BINS = range(11, 14)
# The columns: how many, which features, how to search.
N_COLUMNS, FEATURES, CUTS, N_CUTS, WAY, LOW, SCALE, STARTS = range(14, 22)
# The trees: packed nodes, and their values.
NODES, OFFSET, DEPTH, SETS, SET_OFFSET, VALUES, N_VALUES, N_OUTPUTS, OUTPUT = range(22, 31)
# The same nodes as marks ask them, and the values of the leaves from left to right.
MARK_WORDS, MARK_OFFSET, MARK_SET_OF, MARK_BITS, MARK_HAS_SETS = range(31, 36)
LEAF_VALUES, LEAF_OFFSET = 36, 37
N_SLOTS = 38

ADD, APPLY = 0, 1  # tasks
SPARSE, CROWDED, CATEGORIES = 0, 1, 2  # ways to a bin
BUCKETS = 1024  # of equal width, from the lowest cut to the highest
STRIP = 512  # rows whose column is searched in one go; those of a tile, at most
AT_ONCE = 32  # rows whose bins one instruction compares


@compiled
def uint16s(address: int, n: int) -> Any:
    """View of n numbers of 16 bits.

    Parameters
    ----------
    address : int
        Where they stand.
    n : int
        How many.

    Returns
    -------
    ndarray
        The view.
    """
    return carray(_pointer(address), (n,), np.uint16)
