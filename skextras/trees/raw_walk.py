"""The walk by raw values: no bins and no tables, for few trees, or few rows asked once.

The sum is that of ``Predictor``, bit for bit: the same leaves in the same order of trees.
"""

import numpy as np

from skextras.trees.arrays import Ensemble
from skextras.trees.memory import (
    address_of,
    bytes_,
    float32s,
    float64s,
    inner,
    int32s,
    int64s,
    operation,
    word,
)
from skextras.trees.threads import Threads

CHUNK = 4096  # rows
PARALLEL = 100_000  # rows times trees from which helpers are worth their start

# What the operation is told, by slot of its table.
X, ROW_STRIDE, COLUMN_STRIDE, N_ROWS, IS_DOUBLE, OUT, N_OUTPUTS, N_TREES, OUTPUT = range(9)
OFFSET, FEATURE, THRESHOLD, MISSING_LEFT, LEFT, VALUE, N_VALUES, N_TABLE = range(9, 17)
_ROWS = [X, ROW_STRIDE, COLUMN_STRIDE, N_ROWS, IS_DOUBLE]


@inner
def _leaf(table, node, row):  # type: ignore[no-untyped-def]
    """Node in which the row at an address ends, of the tree whose first node is given."""
    first, column = node, word(table, COLUMN_STRIDE)
    while True:
        feature = int32s(word(table, FEATURE) + 4 * node, 1)[0]
        if feature < 0:
            return node
        place = row + column * feature
        x = float64s(place, 1)[0] if word(table, IS_DOUBLE) else np.float64(float32s(place, 1)[0])
        if x != x:
            goes = np.int64(bytes_(word(table, MISSING_LEFT) + node, 1)[0])
        else:
            goes = np.int64(x <= float64s(word(table, THRESHOLD) + 8 * node, 1)[0])
        node = first + int32s(word(table, LEFT) + 4 * node, 1)[0] + 1 - goes


@operation
def _walk(table, chunk, thread):  # type: ignore[no-untyped-def]
    """Add all trees to a chunk of rows."""
    n_outputs, n_values = word(table, N_OUTPUTS), word(table, N_VALUES)
    offset = int64s(word(table, OFFSET), word(table, N_TREES))
    output = int64s(word(table, OUTPUT), word(table, N_TREES))
    for i in range(chunk * CHUNK, min(word(table, N_ROWS), (chunk + 1) * CHUNK)):
        row = word(table, X) + i * word(table, ROW_STRIDE)
        out = float64s(word(table, OUT) + 8 * n_outputs * i, n_outputs)
        for tree in range(offset.size):
            leaf = _leaf(table, offset[tree], row)
            values = float64s(word(table, VALUE) + 8 * n_values * leaf, n_values)
            if n_values == 1:
                out[output[tree]] += values[0]
            else:
                for k in range(n_values):
                    out[k] += values[k]


def raw_sum(ensemble: Ensemble, values: np.ndarray, n_threads: int = 1) -> np.ndarray:
    """Sum of the trees.

    Parameters
    ----------
    ensemble : Ensemble
        Trees without categories.
    values : ndarray of float32 or float64 of shape (n, n_features)
        NaN is missing. Any strides; it is not copied.
    n_threads : int, default=1
        At most so many work.

    Returns
    -------
    ndarray of float64 of shape (n, n_outputs)
        The predictions.

    Raises
    ------
    TypeError
        If they are other numbers.
    """
    is_double = values.dtype == np.float64
    if not is_double and values.dtype != np.float32:
        raise TypeError(
            f"raw_sum: values must be float32 or float64, got {values.dtype}. Convert it."
        )
    nodes, n_trees = ensemble.joined(), len(ensemble.trees)
    out = np.empty((len(values), ensemble.n_outputs))
    out[:] = ensemble.start
    table = np.zeros(N_TABLE, np.int64)
    table[_ROWS] = (values.__array_interface__["data"][0], *values.strides, len(values), is_double)
    table[[OUT, N_OUTPUTS, N_TREES, N_VALUES]] = (
        address_of(out),
        ensemble.n_outputs,
        n_trees,
        nodes.value.shape[1],
    )
    kept = {
        OUTPUT: ensemble.output,
        OFFSET: nodes.offset,
        FEATURE: nodes.feature,
        THRESHOLD: nodes.threshold,
        MISSING_LEFT: nodes.missing_left,
        LEFT: nodes.left,
        VALUE: nodes.value,
    }
    for slot, array in kept.items():
        table[slot] = address_of(array)
    n_threads = n_threads if len(values) * n_trees >= PARALLEL else 1
    with Threads(n_threads) as threads:
        threads.run(_walk, table, -(-len(values) // CHUNK))
    return out
