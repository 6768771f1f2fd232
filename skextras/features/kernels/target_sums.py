"""Sums of targets by category and fold, in one pass over the rows."""

import numpy as np

from skextras.trees.compiling import compiled


@compiled
def fold_sums(
    codes: np.ndarray, folds: np.ndarray, y: np.ndarray, counts: np.ndarray, sums: np.ndarray
) -> None:
    """Count rows, and add up targets and their squares.

    Parameters
    ----------
    codes : ndarray of int32 of shape (n,)
        Category of each row; a negative one counts as the last.
    folds : ndarray of uint8 of shape (n,)
        Fold of each row.
    y : ndarray of float64 of shape (n, k)
        Targets.
    counts : ndarray of float64 of shape (n_folds, n_levels)
        0; gets the rows.
    sums : ndarray of float64 of shape (n_folds, n_levels, k, 2)
        0; gets the sums of targets and of their squares.
    """
    last, k = counts.shape[1] - 1, y.shape[1]
    for row in range(len(codes)):
        code, fold = codes[row], folds[row]
        level = last if code < 0 else np.int64(code)
        counts[fold, level] += 1.0
        for output in range(k):
            value = y[row, output]
            sums[fold, level, output, 0] += value
            sums[fold, level, output, 1] += value * value


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
