"""ENGINE: the table's columns again, from a matrix of features."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from skextras.features.assembly import bags_of, codes_of
from skextras.features.blocks import Block, Codes, Dense
from skextras.features.columns.base import Fitted


def table_of(columns: Sequence[Fitted], matrix: Any) -> dict[str, np.ndarray]:
    """Undo what can be undone, exact inverses first.

    Parameters
    ----------
    columns : sequence of Fitted
        In the order of the matrix.
    matrix : ndarray or sparse matrix of shape (n, sum of widths)
        The features.

    Returns
    -------
    dict of (str to ndarray of shape (n,))
        Columns of the table by name.
    """
    found: dict[str, np.ndarray] = {}
    for kind in ("exact", "approximate"):
        first = 0
        for own in columns:
            if own.inverse_kind == kind and not set(own.column.inputs) <= set(found):
                found.update(own.inverse(_block_of(own, matrix, first)))
            first += own.width
    return found


def _block_of(column: Fitted, matrix: Any, first: int) -> Block:
    """A column type's share of the output, as the block that it was."""
    is_onehot = getattr(column, "is_indicated", hasattr(column, "inner"))
    if is_onehot and column.n_entries == 1:
        return Codes(codes_of(matrix, first, column.width), column.width)
    if is_onehot:
        return bags_of(matrix, first, column.width)
    own = matrix[:, first : first + column.width]
    return Dense(own.toarray() if sparse.issparse(own) else np.asarray(own))
