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
    given, single = observation.shape, space.shape
    if given == single:
        return ()
    return given[:1] if given[1:] == single and len(given) == len(single) + 1 else None
