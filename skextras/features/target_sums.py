"""ENGINE: sums of targets by category; those of batches add up.

Of each category there are 1 + 2k numbers: its rows, and for each of k outputs the sum of the
targets and that of their squares. Targets are counted from a number near their mean.
"""

from typing import Any, NamedTuple

import numpy as np

from skextras.features.kernels.target_sums import fold_sums
from skextras.features.level_table import LevelState, LevelTable
from skextras.features.states import seen_levels
from skextras.features.values import Factor

NO_WEIGHTS = np.zeros(0)


class Centred(NamedTuple):
    """Targets about a number near their mean.

    Attributes
    ----------
    target, weights : Target, and ndarray of float64 of shape (n,) or None
        Of which rows they are.
    shift : ndarray of shape (k,)
        The number.
    values : ndarray of float64 of shape (n, k)
        The targets less that.
    """

    target: Any
    weights: np.ndarray | None
    shift: np.ndarray
    values: np.ndarray


def centred(rows: Any, target: Any) -> Centred:
    """Targets about a number near their mean, once for all columns of a table.

    Parameters
    ----------
    rows : Rows
        A table.
    target : Target
        Of its rows.

    Returns
    -------
    Centred
        The same for all columns.
    """
    kept = rows.made.get(Centred)
    if kept is None or kept.target is not target or kept.weights is not rows.weights:
        y = target.values
        shift = _centre(y, rows.weights) if len(y) else np.zeros(y.shape[1])
        kept = Centred(target, rows.weights, shift, np.ascontiguousarray(y - shift))
        rows.made[Centred] = kept
    return kept


def _centre(y: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """A number of few binary digits within half a deviation of the mean.

    Sums of whole numbers about it are exact in any order: categories with the same targets have the
    same mean to the last bit. Trees would tell them apart by what rounding left.
    """
    mean = np.average(y, axis=0, weights=weights)
    deviation = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weights))
    unit = np.exp2(np.floor(np.log2(np.where(deviation > 0, deviation, 1.0))))
    return np.where(deviation > 0, np.round(mean / unit) * unit, mean)


def sums_by_fold(factor: Factor, folds: np.ndarray, y: Centred) -> np.ndarray:
    """Add up the targets of each category within each fold.

    Parameters
    ----------
    factor : Factor
        The categories.
    folds : ndarray of uint8 of shape (n,)
        0, 1, ...; each has a row.
    y : Centred
        The targets, with the weights of their rows.

    Returns
    -------
    ndarray of float64 of shape (n_folds, n_levels + 1, 1 + 2k)
        Those of the missing are the last.
    """
    k = y.values.shape[1]
    sums = np.zeros((int(folds.max(initial=0)) + 1, len(factor.levels) + 1, 1 + 2 * k))
    weights = NO_WEIGHTS if y.weights is None else y.weights
    fold_sums(factor.codes, folds, weights, y.values, sums)
    return sums


class LevelSums(LevelState):
    """Sums of the targets by level; those of batches add up.

    Attributes
    ----------
    table : LevelTable
        Rows, and sums of the targets and of their squares from ``shift``: (m, 1 + 2k) numbers.
    missing : ndarray of shape (1 + 2k,)
        Those of the rows without a level.
    kind : str
        "text", "number", or "" before any level.
    shift : ndarray of shape (k,)
        What targets are counted from.
    classes : list of str
        Names of the outputs; empty for one.
    """

    def __init__(self) -> None:
        self.table, self.kind = LevelTable(), ""
        self.missing, self.shift = np.zeros(0), np.zeros(0)
        self.classes = list[str]()

    @property
    def counts(self) -> np.ndarray:
        """How often each of them was seen.

        Returns
        -------
        ndarray of float64
            In the order of ``levels``.
        """
        return self.table.values[:, 0]

    def add(self, factor: Factor, y: Centred, sums: np.ndarray) -> None:
        """Add the rows of a table.

        Parameters
        ----------
        factor : Factor
            Its categories.
        y : Centred
            Its targets.
        sums : ndarray of shape (m, 1 + 2k)
            By level, the missing last.
        """
        if not len(factor.codes):
            return
        seen = LevelSums()
        seen.table.add(*seen_levels(factor, sums[:-1, 0], sums[:-1]))
        seen.missing, seen.shift = sums[-1], y.shift
        seen.kind = factor.levels.kind if len(factor.levels) else ""
        if y.target.classes is not None and len(y.shift) > 1:
            seen.classes = [str(label) for label in y.target.classes]
        self.merge(seen)

    def merge(self, other: "LevelSums") -> None:
        """Take in another's rows.

        Parameters
        ----------
        other : LevelSums
            Of other rows and as many outputs.
        """
        if not len(other.missing):
            return
        self.kind, self.classes = self.kind or other.kind, self.classes or other.classes
        if not len(self.missing):
            self.missing, self.shift = np.zeros(len(other.missing)), other.shift
        step = other.shift - self.shift
        self.missing = self.missing + moved(other.missing, step)
        self.table.add(other.levels, moved(other.table.values, step))


def moved(values: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Sums from another number.

    Parameters
    ----------
    values : ndarray of shape (..., 1 + 2k)
        Rows, and sums of targets and of squares from a number.
    step : ndarray of shape (k,)
        That number, less the one from which they are to be.

    Returns
    -------
    ndarray of shape (..., 1 + 2k)
        The same of y + step in place of y.
    """
    if not step.any():
        return values
    n, first = values[..., :1], values[..., 1::2]
    out = values.copy()
    out[..., 1::2] += n * step
    out[..., 2::2] += 2 * step * first + n * step**2
    return out
