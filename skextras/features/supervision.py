"""SHELL: y, as what supervised column types learn from."""

from typing import Any

import numpy as np
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from skextras.features.columns.base import Target

KINDS = ("auto", "binary", "multiclass", "continuous")


class Targets:
    """Turns targets into numbers, the same way for each batch.

    Parameters
    ----------
    kind : {"auto", "binary", "multiclass", "continuous"}
        What they are; "auto" looks at the first batch.
    owner : str
        Whose errors they are.
    """

    def __init__(self, kind: str, *, owner: str) -> None:
        if kind not in KINDS:
            raise ValueError(f"{owner}: target_type must be one of {KINDS}, got {kind!r}.")
        self.kind, self.owner = kind, owner
        self.classes: np.ndarray | None = None

    def of(self, y: Any, n_rows: int) -> Target:
        """A batch's targets.

        Parameters
        ----------
        y : array-like of shape (n_rows,)
            Labels or numbers.
        n_rows : int
            Of the table.

        Returns
        -------
        Target
            Numbers, or one column for each class (for the second of two).

        Raises
        ------
        ValueError
            Without y, for another length, for a target that is missing or infinite, or for classes
            that the first batch had not.
        """
        if y is None:
            raise ValueError(
                f"{self.owner}: requires y to be passed, but the target y is None. Some of the "
                "columns learn from it."
            )
        y = column_or_1d(y)
        if len(y) != n_rows:
            raise ValueError(
                f"{self.owner}: y must have a target for each of the {n_rows} rows, got {len(y)}."
            )
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise ValueError(
                f"{self.owner}: y must be finite, got {y[~np.isfinite(y)][0]}. Drop those rows."
            )
        if self.kind == "auto":
            found = type_of_target(y, input_name="y")
            self.kind = found if found in KINDS else "continuous"
        if self.kind == "continuous":
            return Target(y.astype(np.float64)[:, None])
        if self.classes is None:
            self.classes = np.unique(y)
        codes = np.searchsorted(self.classes, y)
        is_known = self.classes[np.minimum(codes, len(self.classes) - 1)] == y
        if not is_known.all():
            strange = np.unique(y[~is_known])[:5].tolist()
            raise ValueError(
                f"{self.owner}: y must hold the classes of the first batch "
                f"{self.classes.tolist()}, got {strange}. Let the first batch hold them all."
            )
        columns = range(1, 2) if len(self.classes) <= 2 else range(len(self.classes))
        values = np.stack([codes == k for k in columns], axis=1).astype(np.float64)
        return Target(values, self.classes)
