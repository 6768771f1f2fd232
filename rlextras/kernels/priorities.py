"""A tree of sums over priorities: draw in proportion to them, and change them, in O(log n).

Each number above the priorities is the sum of ``CHILDREN`` that stand side by side in one line of
the cache: 1,000,000 priorities are 7 levels, so that a walk touches 7 lines. A batch takes a level
together, and each walk asks for the line of its next level when it leaves this one: what the walks
wait for, they wait for at the same time. Sums are always taken anew from below: rounding does not
pile up.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from rlextras.kernels.compiler import INDICES, NUMBERS, VECTOR, entry, kernel
from rlextras.kernels.room import cleared

_intrinsic: Any = intrinsic  # its type hides that callers leave out the typing context
CHILDREN, SHIFT = 8, 3
"""Numbers below one of the next level, 2 to the power of SHIFT."""


def levels(n: int) -> np.ndarray:
    """Tell where the levels of a tree stand.

    Parameters
    ----------
    n : int
        Priorities.

    Returns
    -------
    ndarray of int64
        Where each level begins, that of the priorities first and that of the sum of all last; and
        behind it the numbers of the tree.
    """
    starts, width = [0], n
    while width > 1 or len(starts) == 1:
        width = -(-width // CHILDREN)
        starts.append(starts[-1] + width * CHILDREN)
    return np.array([*starts, starts[-1] + 1], np.int64)


def planted(n: int) -> np.ndarray:
    """Make a tree whose priorities are 0.

    Parameters
    ----------
    n : int
        Priorities.

    Returns
    -------
    ndarray of float64
        It begins with a line of the cache.
    """
    return cleared(int(levels(n)[-1]), np.float64)


_ONE, _TWO, _FOUR = (np.uint64(x) for x in (1, 2, 4))
_BITS = np.uint64(SHIFT)


@_intrinsic
def _fetch(typingctx: Any, tree: Any, k: Any) -> Any:
    """Ask for the line of a number that is read soon; where there is none, nothing happens."""

    def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, word, word, word])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        builder.call(prefetch, [place, word(0), word(3), word(1)])  # to read, to keep, data
        return context.get_dummy_value()

    return types.void(tree, k), _emit


@kernel()
def _pair(tree: np.ndarray, k: np.uint64) -> np.float64:
    """Sum of two; a place without a sign is not checked for being counted from the end."""
    return tree[k] + tree[k + _ONE]


@kernel()
def _half(tree: np.ndarray, k: np.uint64) -> np.float64:
    """Sum of half a line."""
    return _pair(tree, k) + _pair(tree, k + _TWO)


@kernel()
def _turn(left: np.float64, low: np.float64, high: np.float64) -> tuple:
    """Whether to go on in the second part of a sum, 1 or 0, and what is left there.

    A product, as a choice would become a branch, which nobody could predict.
    """
    is_beyond = np.uint64((left >= low) & (high > 0.0))
    return is_beyond, left - low * np.float64(np.int64(is_beyond))


@entry(types.void(NUMBERS, INDICES, NUMBERS, INDICES, VECTOR))
def draw(
    tree: np.ndarray,
    starts: np.ndarray,
    left_of: np.ndarray,
    leaves: np.ndarray,
    shares: np.ndarray,
) -> None:
    """Draw one from each of B equal parts of the sum.

    Section 3.3 of [1]_: the parts keep a batch from being all alike.

    Parameters
    ----------
    tree : ndarray of float64
        With a sum above 0.
    starts : ndarray of int64
        Its ``levels``.
    left_of : ndarray of float64, shape (B,), in [0, 1)
        Random numbers; overwritten.
    leaves : ndarray of int64, shape (B,)
        Becomes what was drawn, in [0, n); none has priority 0.
    shares : ndarray of float32, shape (B,)
        Becomes its probability, P(i).

    References
    ----------
    .. [1] T. Schaul et al., "Prioritized Experience Replay", ICLR 2016,
       https://arxiv.org/abs/1511.05952.
    """
    size, top = len(leaves), len(starts) - 2
    total = tree[starts[top]]
    for b in range(size):
        left_of[b] = (b + left_of[b]) / size * total
        leaves[b] = 0
    for level in range(top - 1, -1, -1):
        start, following = np.uint64(starts[level]), np.uint64(starts[max(level - 1, 0)])
        for b in range(size):
            k, left = start + (np.uint64(leaves[b]) << _BITS), left_of[b]
            goes_on, left = _turn(left, _half(tree, k), _half(tree, k + _FOUR))
            k += goes_on << _TWO
            goes_on, left = _turn(left, _pair(tree, k), _pair(tree, k + _TWO))
            k += goes_on << _ONE
            goes_on, left = _turn(left, tree[k], tree[k + _ONE])
            k += goes_on - start
            _fetch(tree, following + (k << _BITS))
            leaves[b], left_of[b] = np.int64(k), left
    for b in range(size):
        shares[b] = np.float32(tree[leaves[b]] / total)


@entry(types.void(NUMBERS, INDICES, INDICES, NUMBERS))
def assign(
    tree: np.ndarray, starts: np.ndarray, leaves: np.ndarray, priorities: np.ndarray
) -> None:
    """Give some leaves new priorities.

    Parameters
    ----------
    tree : ndarray of float64
        Its sums are put right.
    starts : ndarray of int64
        Its ``levels``.
    leaves : ndarray of int64, shape (k,)
        In [0, n); the last of equal ones counts.
    priorities : ndarray of float64, shape (k,)
        0 or more.
    """
    for b in range(len(leaves)):
        tree[leaves[b]] = priorities[b]
    for level in range(1, len(starts) - 1):
        here, below = np.uint64(starts[level]), np.uint64(starts[level - 1])
        shift, before = np.uint64(level) * _BITS, here
        for b in range(len(leaves)):
            node = np.uint64(leaves[b]) >> shift
            if here + node != before or b == 0:  # neighbours often share it
                k = below + (node << _BITS)
                tree[here + node] = _half(tree, k) + _half(tree, k + _FOUR)
            before = here + node
