"""Sums of gradients and hessians over the rows of each leaf, in double precision.

The grower's own sums are in fixed point: good enough to choose splits, where the noise of the data
is greater by far. The values of the leaves are what is predicted, so they get all their digits:
a weight of 2 then gives what two rows give.
"""

import numpy as np

from skextras.trees.memory import (
    address_of,
    float32s,
    float64s,
    int64s,
    operation,
    uint32s,
    word,
)
from skextras.trees.threads import Threads

N_ROWS, N_LEAVES, GRADIENT, HESSIAN, ORDER, STARTS, ENDS, SUMS, N_TABLE = range(9)
CHUNK = 4  # leaves; a leaf is summed by one thread, in the order of its rows


@operation
def sum_leaves(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Sums of a chunk of leaves."""
    n, n_leaves = word(table, N_ROWS), word(table, N_LEAVES)
    gradient, hessian = float32s(word(table, GRADIENT), n), float32s(word(table, HESSIAN), n)
    order = uint32s(word(table, ORDER), n)
    starts, ends = int64s(word(table, STARTS), n_leaves), int64s(word(table, ENDS), n_leaves)
    sums = float64s(word(table, SUMS), 3 * n_leaves)
    for leaf in range(chunk * CHUNK, min(n_leaves, (chunk + 1) * CHUNK)):
        g, h, size = 0.0, 0.0, 0.0
        for i in range(starts[leaf], ends[leaf]):
            row = np.uint64(order[i])
            g += gradient[row]
            size += abs(gradient[row])
            h += hessian[row]
        sums[3 * leaf], sums[3 * leaf + 1], sums[3 * leaf + 2] = g, h, size


def leaf_sums(
    gradient: np.ndarray,
    hessian: np.ndarray,
    leaves: tuple[np.ndarray, np.ndarray, np.ndarray],
    threads: Threads,
) -> np.ndarray:
    """Sum over the rows of each leaf.

    Parameters
    ----------
    gradient, hessian : ndarray of float32 of shape (n_rows,)
        Of all rows.
    leaves : tuple of (rows, starts, ends)
        Rows (uint32) in the order of their leaves; leaf i holds ``rows[starts[i]:ends[i]]``.
    threads : Threads
        Who works; the result does not depend on them.

    Returns
    -------
    ndarray of float64 of shape (n_leaves, 3)
        Sum of gradients, of hessians, and of the gradients' absolute values.
    """
    order, starts, ends = leaves
    sums = np.empty((len(starts), 3))
    table = np.zeros(N_TABLE, np.int64)
    table[[N_ROWS, N_LEAVES]] = len(gradient), len(starts)
    arrays = (gradient, hessian, order, starts, ends, sums)
    table[GRADIENT:] = [address_of(array) for array in arrays]
    threads.run(sum_leaves, table, -(-len(starts) // CHUNK))
    return sums
