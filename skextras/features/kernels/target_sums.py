"""Sums of targets by category and fold, in one pass over the rows."""

import numpy as np

from skextras.trees.compiling import compiled


@compiled
def fold_sums(
    codes: np.ndarray,
    folds: np.ndarray,
    weights: np.ndarray,
    y: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Count rows, and add up targets and their squares.

    Parameters
    ----------
    codes : ndarray of int32 of shape (n,)
        Category of each row; a negative one counts as the last.
    folds : ndarray of uint8 of shape (n,)
        Fold of each row.
    weights : ndarray of float64 of shape (n,) or (0,)
        How often each row counts; empty for once.
    y : ndarray of float64 of shape (n, k)
        Targets.
    sums : ndarray of float64 of shape (n_folds, n_levels, 1 + 2k)
        Zeros; gets the rows, and for each output the sum of the targets and that of their squares.
    """
    has_weights = len(weights) > 0
    last, k = sums.shape[1] - 1, y.shape[1]
    for row in range(len(codes)):
        code, fold = codes[row], folds[row]
        own = sums[fold, np.uint64(last if code < 0 else code)]
        weight = weights[row] if has_weights else 1.0
        own[0] += weight
        for output in range(k):
            value = y[row, output]
            own[1 + 2 * output] += weight * value
            own[2 + 2 * output] += weight * value * value


@compiled
def spread(codes: np.ndarray, folds: np.ndarray, means: np.ndarray, out: np.ndarray) -> None:
    """Give each row what was learned of its category without its fold.

    Parameters
    ----------
    codes : ndarray of int32 of shape (n,)
        Category of each row; a negative one counts as the last.
    folds : ndarray of uint8 of shape (n,)
        Fold of each row.
    means : ndarray of float64 of shape (k, n_folds, n_levels)
        What to give.
    out : ndarray of float64 of shape (k, n)
        Filled.
    """
    last = means.shape[2] - 1
    for output in range(means.shape[0]):
        table, own = means[output], out[output]
        for row in range(len(codes)):
            code = codes[row]
            own[row] = table[folds[row], last if code < 0 else np.int64(code)]
