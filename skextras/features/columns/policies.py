"""What becomes of missing values: the same words for every type of category."""

import numpy as np

from skextras.features.blocks import MISSING, Codes
from skextras.features.columns.base import Column

MISSING_OF_CATEGORIES = ("ignore", "bucket", "error")


def with_own_bucket(column: Column, codes: np.ndarray, n_levels: int) -> Codes:
    """Give missing rows what the column's policy says.

    Parameters
    ----------
    column : Column
        With the option ``missing``.
    codes : ndarray of int32 of shape (n,)
        ``MISSING`` where the row is missing; changed in place.
    n_levels : int
        How many codes there are, with the bucket of the missing (the last one) if there is one.

    Returns
    -------
    Codes
        The codes.
    """
    if not (len(codes) and int(codes.min()) < 0):
        return Codes(codes, n_levels, is_full=True)
    is_missing = codes == MISSING
    if not is_missing.any():
        return Codes(codes, n_levels)
    policy = column.missing  # type: ignore[attr-defined]
    if policy == "error":
        column.refuse_values(
            "no missing value",
            f"{int(is_missing.sum())} (the first in row {int(is_missing.argmax())})",
            'Fill them, or set missing="bucket".',
        )
    if policy == "bucket":
        codes[is_missing] = n_levels - 1
    return Codes(codes, n_levels)
