"""Weights of rows."""

from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight


def row_weights(sample_weight: Any, n: int) -> np.ndarray | None:
    """Weights of training rows, checked as scikit-learn does.

    Parameters
    ----------
    sample_weight : array-like of shape (n,) or None
        Repetitions.
    n : int
        Rows.

    Returns
    -------
    ndarray of float64 of shape (n,) or None
        Not negative, and not all 0; None without weights.
    """
    if sample_weight is None:
        return None
    rows = np.empty((n, 1))
    return _check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
