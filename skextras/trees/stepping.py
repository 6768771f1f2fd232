"""Newton's step on the leaves of a tree just grown, and its way to the scores: one call a tree.

Few rows make trees of a millisecond, of which each call from Python and each of NumPy's is a share.
"""

import numpy as np

from skextras.trees import leaf_sums as of
from skextras.trees import workspace as at
from skextras.trees.leaves import BLOCK, add_leaf_values
from skextras.trees.memory import (
    address_of,
    compiled,
    float32s,
    float64s,
    inner,
    int64s,
    view,
    word,
)
from skextras.trees.threads import run
from skextras.trees.workspace import Workspace

ROUNDING = 2.0**-21  # of a gradient in single precision, relative
TINY = float(np.finfo(np.float64).tiny)

# Slots of the table after those that sums over leaves read.
(GROWER, OP_SUM, OP_ADD, OPTIONS, NODES, LEAF_NODES, PLACES, LEAF_VALUES, VALUES, STACK) = range(
    of.N_TABLE, of.N_TABLE + 10
)
N_TABLE = STACK + 1
L1, L2, RATE, N_OPTIONS = range(4)


@inner
def _newton_value(sums, leaf, l1, l2):  # type: ignore[no-untyped-def]
    """Minimiser of G v + (H + λ) v² / 2 + α |v|; a G that is only rounding is 0."""
    gradient, hessian, terms = sums[3 * leaf], sums[3 * leaf + 1], sums[3 * leaf + 2]
    size = abs(gradient) if abs(gradient) > ROUNDING * terms else 0.0
    value = max(size - l1, 0.0) / max(hessian + l2, TINY)
    return -value if gradient > 0 else value


@compiled
def _newton_values(sums, l1, l2, values):  # type: ignore[no-untyped-def]
    for leaf in range(len(values)):
        values[leaf] = _newton_value(sums, leaf, l1, l2)


def newton_values(sums: np.ndarray, l1: float, l2: float) -> np.ndarray:
    """Minimisers of G v + (H + λ) v² / 2 + α |v|.

    Parameters
    ----------
    sums : ndarray of float64 of shape (n, 3)
        G, H, and the sum of the gradients' absolute values: a G that is no more than the rounding
        of its terms is 0, or else scores would creep without end where they have converged.
    l1, l2 : float
        α and λ.

    Returns
    -------
    ndarray of float64 of shape (n,)
        The values.
    """
    values = np.empty(len(sums))
    _newton_values(sums.reshape(-1), float(l1), float(l2), values)
    return values


@view
def _record(table, node):  # type: ignore[no-untyped-def]
    return int64s(word(table, NODES) + 8 * at.N_RECORD * node, at.N_RECORD)


@inner
def _list_leaves(table: int, n: int) -> None:
    """Leaves in the order in which their rows lie."""
    stack, leaves = int64s(word(table, STACK), n + 1), int64s(word(table, LEAF_NODES), n)
    starts, ends = int64s(word(table, of.STARTS), n), int64s(word(table, of.ENDS), n)
    places = int64s(word(table, PLACES), 2 * n)
    leaf, top = 0, 1
    stack[0] = 0
    while top > 0:
        top -= 1
        node = stack[top]
        record = _record(table, node)
        left = record[at.LEFT]
        if left > 0:
            stack[top], stack[top + 1] = left + 1, left
            top += 2
            continue
        leaves[leaf], starts[leaf], ends[leaf] = node, record[at.START], record[at.END]
        places[2 * leaf], places[2 * leaf + 1] = record[at.START], record[at.END]
        leaf += 1


@inner
def _evaluate(table: int, n_nodes: int, n_leaves: int) -> None:
    """Values of all nodes, those of the leaves by their sums, within their bounds."""
    options = float64s(word(table, OPTIONS), N_OPTIONS)
    sums = float64s(word(table, of.SUMS), 3 * n_leaves)
    leaves, values = (
        int64s(word(table, LEAF_NODES), n_leaves),
        float64s(word(table, VALUES), n_nodes),
    )
    of_leaves = float32s(word(table, LEAF_VALUES), n_leaves)
    floats = float64s(word(table, NODES), at.N_RECORD * n_nodes)
    for node in range(n_nodes):
        values[node] = floats[at.N_RECORD * node + at.VALUE]
    for leaf in range(n_leaves):
        values[leaves[leaf]] = _newton_value(sums, leaf, options[L1], options[L2])
    for node in range(n_nodes):
        first = at.N_RECORD * node
        value = max(values[node], floats[first + at.LOWER])
        values[node] = options[RATE] * min(value, floats[first + at.UPPER])
    for leaf in range(n_leaves):
        of_leaves[leaf] = np.float32(values[leaves[leaf]])


@compiled
def _step(table: int, n_nodes: int) -> None:
    """Values of a tree's nodes, and those of its leaves to the scores of its rows."""
    grower, n_leaves = word(table, GROWER), (n_nodes + 1) // 2
    words, own = int64s(grower, at.N_TABLE), int64s(table, N_TABLE)
    _list_leaves(table, n_leaves)
    own[of.N_LEAVES] = n_leaves
    own[of.GRADIENT], own[of.HESSIAN] = word(grower, at.GRADIENT), word(grower, at.HESSIAN)
    control, n_root = word(grower, at.CONTROL), word(grower, at.N_ROOT)
    run(control, word(table, OP_SUM), table, (n_leaves + of.CHUNK - 1) // of.CHUNK)
    _evaluate(table, n_nodes, n_leaves)
    words[at.LEAVES], words[at.LEAF_VALUES] = word(table, PLACES), word(table, LEAF_VALUES)
    words[at.N_LEAVES] = n_leaves
    run(control, word(table, OP_ADD), grower, (n_root + BLOCK - 1) // BLOCK)


class Stepper:
    """Takes the steps of one grower's trees.

    Parameters
    ----------
    space : Workspace
        The grower's memory, which holds the tree, its gradients and the scores.
    """

    def __init__(self, space: Workspace) -> None:
        n = space.max_leaves
        self._options = np.zeros(N_OPTIONS)
        self._options[L1], self._options[L2] = space.growth.l1, space.growth.l2
        self._values = np.empty(2 * n)
        self._arrays: dict[int, np.ndarray] = {
            of.ORDER: space.order,
            of.STARTS: np.empty(n, np.int64),
            of.ENDS: np.empty(n, np.int64),
            of.SUMS: np.empty(3 * n),
            GROWER: space.table,
            OPTIONS: self._options,
            NODES: space.nodes,
            LEAF_NODES: np.empty(n, np.int64),
            PLACES: np.empty(2 * n, np.int64),
            LEAF_VALUES: np.empty(n, np.float32),
            VALUES: self._values,
            STACK: np.empty(n + 1, np.int64),
        }
        self._table = np.zeros(N_TABLE, np.int64)
        self._table[of.N_ROWS] = space.binned.n_rows
        self._table[OP_SUM], self._table[OP_ADD] = of.sum_leaves.address, add_leaf_values.address
        for place, array in self._arrays.items():
            self._table[place] = address_of(array)
        self._address = address_of(self._table)

    def step(self, n_nodes: int, rate: float) -> np.ndarray:
        """Give the last tree its values, and add those of its leaves to the scores of its rows.

        Parameters
        ----------
        n_nodes : int
            Of the tree.
        rate : float
            ν, the share of Newton's step that is taken.

        Returns
        -------
        ndarray of float64 of shape (n_nodes,)
            The values.
        """
        self._options[RATE] = rate
        _step(self._address, n_nodes)
        return self._values[:n_nodes].copy()
