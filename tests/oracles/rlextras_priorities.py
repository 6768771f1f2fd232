"""The slow twin of the tree of sums."""

import numpy as np


def drawn(priorities, uniform):
    """For each part of the sum, the first place at which the sums so far exceed the number."""
    sums, size = np.cumsum(priorities), len(uniform)
    return [int(np.argmax(sums > (b + u) / size * sums[-1])) for b, u in enumerate(uniform)]
