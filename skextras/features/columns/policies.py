"""What becomes of missing values: the same words for every type of category."""

from skextras.features.blocks import MISSING, Codes
from skextras.features.columns.base import Column

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
        column.refuse_values(
            "no missing value",
            f"{int(is_missing.sum())} (the first in row {int(is_missing.argmax())})",
            'Fill them, or set missing="bucket".',
        )
    if policy == "bucket":
        codes[is_missing] = found.width - 1
    return found
