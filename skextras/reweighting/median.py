"""ENGINE: weighted medians of what the trees of an ensemble say, row by row.

The median is the least of the answers that, with those below it, has half of all weight. It is
found by parting the answers around one of them, as Hoare's quickselect does: no sort.
"""

from collections.abc import Iterator

import numpy as np

from skextras.trees.memory import address_of, float64s, inner, int32s, int64s, operation, word
from skextras.trees.prediction import Predictor
from skextras.trees.threads import Threads

ROWS = 256  # of a chunk
BLOCK = 32_768  # rows whose leaves are kept at a time

N_ROWS, WIDTH, N_TREES, LEAVES, FIRST, VALUES, WEIGHTS, ROOM, OUT, N_TABLE = range(10)


@inner
def _median(values, weights, n):  # type: ignore[no-untyped-def]
    """Weighted median of n values; both arrays are rearranged."""
    total = 0.0
    for i in range(n):
        total += weights[i]
    below, half = 0.0, 0.5 * total
    low, high = 0, n
    while high - low > 1:
        pivot = values[(low + high) >> 1]
        # Three parts: below, equal, above.
        first, place, last = low, low, high
        lighter, equal = 0.0, 0.0
        while place < last:
            v, w = values[place], weights[place]
            if v < pivot:
                lighter += w
                values[place], weights[place] = values[first], weights[first]
                values[first], weights[first] = v, w
                first += 1
                place += 1
            elif v > pivot:
                last -= 1
                values[place], weights[place] = values[last], weights[last]
                values[last], weights[last] = v, w
            else:
                equal += w
                place += 1
        if first > low and below + lighter >= half:
            high = first
        elif below + lighter + equal >= half or last == high:
            return pivot
        else:
            below += lighter + equal
            low = last
    return values[low]


@operation
def _medians(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Medians of a chunk of rows."""
    n, width, n_trees = word(table, N_ROWS), word(table, WIDTH), word(table, N_TREES)
    first = int64s(word(table, FIRST), width + 1)
    all_values = float64s(word(table, VALUES), first[width])
    all_weights = float64s(word(table, WEIGHTS), n_trees)
    values = float64s(word(table, ROOM) + 16 * thread * width, n_trees)
    weights = float64s(word(table, ROOM) + 16 * thread * width + 8 * width, n_trees)
    out = float64s(word(table, OUT), n)
    for row in range(chunk * ROWS, min(n, (chunk + 1) * ROWS)):
        leaves = int32s(word(table, LEAVES) + 4 * row * width, n_trees)
        for tree in range(n_trees):
            values[tree] = all_values[first[tree] + leaves[tree]]
            weights[tree] = all_weights[tree]
        out[row] = _median(values, weights, n_trees)


def medians(
    leaves: np.ndarray,
    nodes: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
    threads: Threads,
) -> np.ndarray:
    """Weighted median of the first trees' values.

    Parameters
    ----------
    leaves : ndarray of int32 of shape (n, n_trees)
        Node that each row ends in, for each tree.
    nodes : tuple of (ndarray of int64, ndarray of float64)
        Where each tree's nodes begin, and the values of all.
    weights : ndarray of float64 of shape (k,)
        Of the first k trees.
    threads : Threads
        Who works.

    Returns
    -------
    ndarray of float64 of shape (n,)
        One a row.
    """
    n, width = leaves.shape
    first, values = (np.ascontiguousarray(part) for part in nodes)
    weights = np.ascontiguousarray(weights, np.float64)
    room, out = np.empty((threads.n_threads, 2, width)), np.empty(n)
    table = np.zeros(N_TABLE, np.int64)
    table[[N_ROWS, WIDTH, N_TREES]] = n, width, len(weights)
    table[LEAVES:] = [address_of(array) for array in (leaves, first, values, weights, room, out)]
    if n:
        threads.run(_medians, table, -(-n // ROWS))
    return out


def median_predict(
    predictor: Predictor, weights: np.ndarray, X: np.ndarray, n_threads: int
) -> np.ndarray:
    """Weighted median of all trees.

    Parameters
    ----------
    predictor : Predictor
        Of the trees.
    weights : ndarray of float64 of shape (n_trees,)
        What they weigh.
    X : ndarray of float32 or float64 of shape (n, n_features)
        Rows.
    n_threads : int
        Who works.

    Returns
    -------
    ndarray of float64 of shape (n,)
        One a row.
    """
    nodes = predictor.ensemble.joined()
    table = nodes.offset, nodes.value[:, 0]
    out = np.empty(len(X))
    with Threads(n_threads) as threads:
        for start in range(0, len(X), BLOCK):
            leaves = predictor.apply(X[start : start + BLOCK], n_threads)
            out[start : start + BLOCK] = medians(leaves, table, weights, threads)
    return out


def staged_median(
    predictor: Predictor, weights: np.ndarray, X: np.ndarray, n_threads: int
) -> Iterator[np.ndarray]:
    """Weighted median of the first tree, of two, and so on.

    Parameters
    ----------
    predictor : Predictor
        Of the trees.
    weights : ndarray of float64 of shape (n_trees,)
        What they weigh.
    X : ndarray of float32 or float64 of shape (n, n_features)
        Rows.
    n_threads : int
        Who works.

    Yields
    ------
    ndarray of float64 of shape (n,)
        One a row.
    """
    nodes, leaves = predictor.ensemble.joined(), predictor.apply(X, n_threads)
    for n_trees in range(1, len(weights) + 1):
        with Threads(n_threads) as threads:
            table = nodes.offset, nodes.value[:, 0]
            yield medians(leaves, table, weights[:n_trees], threads)
