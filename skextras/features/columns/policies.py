"""What becomes of missing values: the same words for every type of category."""

from typing import Any

import numpy as np

from skextras.features.blocks import MISSING, Codes
from skextras.features.columns.base import Column
from skextras.features.lists import Lists
from skextras.features.values import Categories, Numbers

MISSING_OF_CATEGORIES = ("ignore", "bucket", "error")


def with_own_bucket(column: Column, found: Codes) -> Codes:
    """Give missing rows what the column's policy says.

    Parameters
    ----------
    column : Column
        With the option ``missing``.
    found : Codes
        ``MISSING`` where the row is missing; changed in place. Its width has the bucket of the
        missing (the last one) if there is one.

    Returns
    -------
    Codes
        The codes.
    """
    policy = column.missing  # type: ignore[attr-defined]
    if found.is_full or policy == "ignore":
        return found
    codes = found.codes
    is_missing = codes == MISSING
    if not is_missing.any():
        return found
    if policy == "error":
        _refuse(column, is_missing)
    if policy == "bucket":
        codes[is_missing] = found.width - 1
    return found


def refuse_missing(column: Column, values: Any) -> None:
    """Refuse rows that are missing where the policy says so.

    Parameters
    ----------
    column : Column
        With the option ``missing``.
    values : Values
        Of the table's column.
    """
    if column.missing != "error":  # type: ignore[attr-defined]
        return
    own = values.items if isinstance(values, Lists) else values
    if isinstance(own, Categories):
        is_missing = own.codes < 0
    elif isinstance(own, Numbers) and own.kind != "time":
        is_missing = np.isnan(own.floats)
    else:
        is_missing = own.missing
    if is_missing.any():
        _refuse(column, is_missing)


def _refuse(column: Column, is_missing: np.ndarray) -> None:
    column.refuse_values(
        "no missing value",
        f"{int(is_missing.sum())} (the first in row {int(is_missing.argmax())})",
        'Fill them, or set missing="bucket".',
    )
