"""ENGINE: the rows of a grown tree, leaf by leaf: what they weigh, and what they weigh next.

A tree leaves its rows in an order in which those of a leaf stand side by side. A round of boosting
goes over them twice: once for the weight of each class in each leaf, from which follows what the
tree says and how much it errs, and once to multiply each row's weight by the factor of its leaf and
class. Sums are taken over fixed blocks of rows, so that they do not depend on the threads.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from skextras.trees import workspace as at
from skextras.trees.grown import Grown
from skextras.trees.leaves import BLOCK
from skextras.trees.memory import (
    address_of,
    compiled,
    float64s,
    inner,
    int32s,
    int64s,
    operation,
    uint32s,
    view,
    word,
)
from skextras.trees.threads import Threads

# What an operation is told, by slot of its table.
(N_ROWS, N_LEAVES, N_SUMS, ORDER, BOUNDS, WEIGHT, LABEL, TARGET) = range(8)
(SUMS, CARRIED, VALUES, OUT, N_TABLE) = range(8, 13)
MOMENTS = 3  # sums of a weight, of it times the target, and times the target squared

U = np.uint64


@inner
def _leaf_at(bounds, place):  # type: ignore[no-untyped-def]
    """Leaf whose rows stand at a place of the order."""
    low, high = np.int64(0), np.int64(bounds.size - 1)
    while high - low > 1:
        middle = (low + high) // 2
        if bounds[middle] <= place:
            low = middle
        else:
            high = middle
    return low


@view
def _sums_of(table, leaf, chunk, bounds):  # type: ignore[no-untyped-def]
    """Where a chunk sums a leaf: in its place, or apart if it began in an earlier chunk."""
    n = word(table, N_SUMS)
    if bounds[leaf] >= chunk * BLOCK:
        return float64s(word(table, SUMS) + 8 * n * leaf, n)
    return float64s(word(table, CARRIED) + 8 * n * chunk, n)


@operation
def _sum_classes(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Weight of each class in each leaf, over a chunk of the order."""
    n = word(table, N_ROWS)
    order, bounds = (
        uint32s(word(table, ORDER), n),
        int64s(word(table, BOUNDS), word(table, N_LEAVES) + 1),
    )
    weight, label = float64s(word(table, WEIGHT), n), int32s(word(table, LABEL), n)
    place, last = chunk * BLOCK, min(n, (chunk + 1) * BLOCK)
    leaf = _leaf_at(bounds, place)
    while place < last:
        sums, end = _sums_of(table, leaf, chunk, bounds), min(last, bounds[leaf + 1])
        for i in range(place, end):
            row = U(order[i])
            sums[U(label[row])] += weight[row]
        place = end
        leaf += 1


@operation
def _sum_moments(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Sums of weights, and of targets and their squares so weighted, over a chunk of the order."""
    n = word(table, N_ROWS)
    order, bounds = (
        uint32s(word(table, ORDER), n),
        int64s(word(table, BOUNDS), word(table, N_LEAVES) + 1),
    )
    weight, target = float64s(word(table, WEIGHT), n), float64s(word(table, TARGET), n)
    place, last = chunk * BLOCK, min(n, (chunk + 1) * BLOCK)
    leaf = _leaf_at(bounds, place)
    while place < last:
        sums, end = _sums_of(table, leaf, chunk, bounds), min(last, bounds[leaf + 1])
        total, first, second = 0.0, 0.0, 0.0
        for i in range(place, end):
            row = U(order[i])
            w, v = weight[row], target[row]
            total += w
            first += w * v
            second += w * v * v
        sums[0], sums[1], sums[2] = total, first, second
        place = end
        leaf += 1


@operation
def _scale_classes(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Multiply each weight of a chunk by the factor of its leaf and class."""
    n, n_classes = word(table, N_ROWS), word(table, N_SUMS)
    order, bounds = (
        uint32s(word(table, ORDER), n),
        int64s(word(table, BOUNDS), word(table, N_LEAVES) + 1),
    )
    weight, label = float64s(word(table, WEIGHT), n), int32s(word(table, LABEL), n)
    place, last = chunk * BLOCK, min(n, (chunk + 1) * BLOCK)
    leaf = _leaf_at(bounds, place)
    while place < last:
        factors = float64s(word(table, VALUES) + 8 * n_classes * leaf, n_classes)
        end = min(last, bounds[leaf + 1])
        for i in range(place, end):
            row = U(order[i])
            weight[row] *= factors[U(label[row])]
        place = end
        leaf += 1


@operation
def _spread(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Give each row of a chunk the value of its leaf."""
    n, n_leaves = word(table, N_ROWS), word(table, N_LEAVES)
    order, bounds = (
        uint32s(word(table, ORDER), n),
        int64s(word(table, BOUNDS), n_leaves + 1),
    )
    values, out = float64s(word(table, VALUES), n_leaves), float64s(word(table, OUT), n)
    place, last = chunk * BLOCK, min(n, (chunk + 1) * BLOCK)
    leaf = _leaf_at(bounds, place)
    while place < last:
        end, value = min(last, bounds[leaf + 1]), values[leaf]
        for i in range(place, end):
            out[U(order[i])] = value
        place = end
        leaf += 1


@compiled
def fill_up(left, sums):  # type: ignore[no-untyped-def]
    """Give inner nodes the sums of their children.

    Parameters
    ----------
    left : ndarray of int64 of shape (n_nodes,)
        Left child, which comes after its parent; 0 for a leaf.
    sums : ndarray of float64 of shape (n_nodes, k)
        Of the leaves; those of other nodes are filled.
    """
    for node in range(len(left) - 1, -1, -1):
        child = left[node]
        if child > 0:
            for k in range(sums.shape[1]):
                sums[node, k] = sums[child, k] + sums[child + 1, k]


@dataclass(frozen=True)
class LeafRows:
    """Rows of a tree just grown, until the grower's next tree.

    Attributes
    ----------
    grown : Grown
        The tree; all rows took part.
    threads : Threads
        Who works.
    """

    grown: Grown
    threads: Threads

    @cached_property
    def _bounds(self) -> np.ndarray:
        return np.append(self.grown.starts, self.grown.ends[-1])

    def class_sums(self, weight: np.ndarray, label: np.ndarray, n_classes: int) -> np.ndarray:
        """Weight of each class in each leaf.

        Parameters
        ----------
        weight : ndarray of float64 of shape (n_rows,)
            Of the rows.
        label : ndarray of int32 of shape (n_rows,)
            Their classes.
        n_classes : int
            How many there are.

        Returns
        -------
        ndarray of float64 of shape (n_leaves, n_classes)
            In the order of ``grown.leaves``.
        """
        return self._sums(_sum_classes, n_classes, {WEIGHT: weight, LABEL: label})

    def moments(self, weight: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Sums of the weights, of the weighted targets, and of their weighted squares.

        Parameters
        ----------
        weight, target : ndarray of float64 of shape (n_rows,)
            Of the rows.

        Returns
        -------
        ndarray of float64 of shape (n_leaves, 3)
            In the order of ``grown.leaves``.
        """
        return self._sums(_sum_moments, MOMENTS, {WEIGHT: weight, TARGET: target})

    def scale(self, weight: np.ndarray, label: np.ndarray, factors: np.ndarray) -> None:
        """Multiply each weight by the factor of its leaf and class, in place.

        Parameters
        ----------
        weight : ndarray of float64 of shape (n_rows,)
            Changed.
        label : ndarray of int32 of shape (n_rows,)
            Classes.
        factors : ndarray of float64 of shape (n_leaves, n_classes)
            In the order of ``grown.leaves``.
        """
        factors = np.ascontiguousarray(factors)
        arrays = {WEIGHT: weight, LABEL: label, VALUES: factors}
        self._run(_scale_classes, factors.shape[1], arrays)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Value of each row's leaf.

        Parameters
        ----------
        values : ndarray of float64 of shape (n_leaves,)
            In the order of ``grown.leaves``.

        Returns
        -------
        ndarray of float64 of shape (n_rows,)
            Of the rows.
        """
        out = np.empty(len(self.grown.order))
        self._run(_spread, 1, {VALUES: np.ascontiguousarray(values, np.float64), OUT: out})
        return out

    def of_nodes(self, sums: np.ndarray) -> np.ndarray:
        """Sums of all nodes from those of the leaves.

        Parameters
        ----------
        sums : ndarray of float64 of shape (n_leaves, k)
            In the order of ``grown.leaves``.

        Returns
        -------
        ndarray of float64 of shape (n_nodes, k)
            By node.
        """
        result = np.zeros((len(self.grown.records), sums.shape[1]))
        result[self.grown.leaves] = sums
        fill_up(np.ascontiguousarray(self.grown.records[:, at.LEFT]), result)
        return result

    def _sums(self, operation: Any, n_sums: int, arrays: dict[int, np.ndarray]) -> np.ndarray:
        n_leaves, n_chunks = len(self.grown.leaves), -(-len(self.grown.order) // BLOCK)
        sums, carried = np.zeros((n_leaves, n_sums)), np.zeros((n_chunks, n_sums))
        self._run(operation, n_sums, {**arrays, SUMS: sums, CARRIED: carried})
        # A leaf that began in an earlier chunk gets the later chunks' parts, in their order.
        leaf = np.searchsorted(self._bounds, np.arange(n_chunks) * BLOCK, "right") - 1
        np.add.at(sums, leaf, carried)
        return sums

    def _run(self, operation: Any, n_sums: int, arrays: dict[int, np.ndarray]) -> None:
        grown, table = self.grown, np.zeros(N_TABLE, np.int64)
        n = len(grown.order)
        table[[N_ROWS, N_LEAVES, N_SUMS]] = n, len(grown.leaves), n_sums
        table[ORDER], table[BOUNDS] = address_of(grown.order), address_of(self._bounds)
        for slot, array in arrays.items():
            table[slot] = address_of(array)
        self.threads.run(operation, table, -(-n // BLOCK))
