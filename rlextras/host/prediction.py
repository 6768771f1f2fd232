"""What ``predict`` is asked: one observation or several."""

from typing import Any

import numpy as np
from gymnasium import spaces


def batch_shape(space: spaces.Space, observation: Any) -> tuple[int, ...] | None:
    """How many observations an array holds.

    Parameters
    ----------
    space : Space
        Of one observation.
    observation : object
        What ``predict`` was given.

    Returns
    -------
    tuple of int or None
        Empty for a single one, (n,) for several; None if it is no array of a Box's shape, which is
        the host's business.
    """
    if type(observation) is not np.ndarray or not isinstance(space, spaces.Box):
        return None
    if observation.shape == space.shape:
        return ()
    if observation.ndim == len(space.shape) + 1 and observation.shape[1:] == space.shape:
        return observation.shape[:1]
    return None
