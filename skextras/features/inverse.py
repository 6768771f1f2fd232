"""ENGINE: the table's columns again, from a matrix of features."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from skextras.features.assembly import bags_of, codes_of
from skextras.features.blocks import Block, Codes, Dense
from skextras.features.columns.base import Fitted


def table_of(columns: Sequence[Fitted], X: Any, *, owner: str) -> dict[str, np.ndarray]:
    """Undo what can be undone, exact inverses first.

    Parameters
    ----------
    columns : sequence of Fitted
        In the order of the matrix.
    X : ndarray or sparse matrix of shape (n, sum of widths)
        The features.
    owner : str
        Whose errors they are.

    Returns
    -------
    dict of (str to ndarray of shape (n,))
        Columns of the table by name.

    Raises
    ------
    ValueError
        If the width differs.
    """
    matrix = X.tocsr() if sparse.issparse(X) else np.asarray(X)
    width = sum(own.width for own in columns)
    if matrix.ndim != 2 or matrix.shape[1] != width:
        raise ValueError(
            f"{owner}: X must have the {width} columns of the output, got shape {matrix.shape}. "
            "Pass what transform returned."
        )
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
