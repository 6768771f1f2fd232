"""How good a map is: does it keep neighbours, and where does it fold?"""

import numpy as np

from skextras.som.grid import Grid
from skextras.som.training import Fate


def topographic_error(grid: Grid, fate: Fate, weights: np.ndarray | None) -> float:
    """Share of the rows whose two nearest units do not touch.

    Parameters
    ----------
    grid : Grid
        Where units lie.
    fate : Fate
        Nearest units of the rows.
    weights : ndarray of float64 of shape (n,) or None
        Of the rows.

    Returns
    -------
    float
        From 0 to 1; 0 on a map of one unit.
    """
    if grid.n_units == 1:
        return 0.0
    torn = ~grid.are_touching(fate.labels, fate.runners_up)
    return float(np.average(torn, weights=weights))
