"""A tree of sums over priorities: draw in proportion to them, and change them, in O(log n).

An array of 2 n numbers, the priorities in its second half; a number below n is the sum of the two
at twice its place, so that the first is the sum of all. Sums are always taken anew from below:
rounding does not pile up.
"""

import numpy as np
from numba import types

from rlextras.kernels.compiler import INDICES, NUMBERS, VECTOR, entry


@entry(types.void(NUMBERS, NUMBERS, INDICES, VECTOR))
def draw(tree: np.ndarray, uniform: np.ndarray, leaves: np.ndarray, shares: np.ndarray) -> None:
    """Draw one from each of B equal parts of the sum.

    Section 3.3 of [1]_: the parts keep a batch from being all alike.

    Parameters
    ----------
    tree : ndarray of float64, shape (2 n,)
        With a sum above 0.
    uniform : ndarray of float64, shape (B,), in [0, 1)
        Random numbers.
    leaves : ndarray of int64, shape (B,)
        Becomes what was drawn, in [0, n); none has priority 0.
    shares : ndarray of float32, shape (B,)
        Becomes its probability, P(i).

    References
    ----------
    .. [1] T. Schaul et al., "Prioritized Experience Replay", ICLR 2016,
       https://arxiv.org/abs/1511.05952.
    """
    n, size = tree.size // 2, len(leaves)
    total = tree[1]
    for b in range(size):
        left_of, node = (b + uniform[b]) / size * total, 1
        while node < n:
            node *= 2
            if left_of >= tree[node] and tree[node + 1] > 0.0:
                left_of -= tree[node]
                node += 1
        leaves[b] = node - n
        shares[b] = np.float32(tree[node] / total)


@entry(types.void(NUMBERS, INDICES, NUMBERS))
def assign(tree: np.ndarray, leaves: np.ndarray, priorities: np.ndarray) -> None:
    """Give some leaves new priorities.

    Parameters
    ----------
    tree : ndarray of float64, shape (2 n,)
        Its sums are put right.
    leaves : ndarray of int64, shape (k,)
        In [0, n); the last of equal ones counts.
    priorities : ndarray of float64, shape (k,)
        0 or more.
    """
    n = tree.size // 2
    for b in range(len(leaves)):
        node = leaves[b] + n
        tree[node] = priorities[b]
        while node > 1:
            node //= 2
            tree[node] = tree[2 * node] + tree[2 * node + 1]
