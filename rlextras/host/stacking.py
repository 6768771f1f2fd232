"""Observations, one behind the other."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def stack(observations: Sequence[Any]) -> Any:
    """One array of several observations.

    Parameters
    ----------
    observations : sequence of ndarray, or of dicts of them
        k of a kind.

    Returns
    -------
    ndarray of shape (k, ...), or dict of them
        All of them.
    """
    first = observations[0]
    if isinstance(first, dict):
        return {key: np.stack([each[key] for each in observations]) for key in first}
    return np.stack(observations)
