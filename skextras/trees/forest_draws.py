"""Random numbers of compiled code: a stream is one word of state, and a seed gives a stream."""

import numpy as np

from skextras.trees.memory import inner

U = np.uint64


@inner
def random_word(state):  # type: ignore[no-untyped-def]
    """Next number of a stream: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    state[0] += U(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> U(30))) * U(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> U(27))) * U(0x94D049BB133111EB)
    return z ^ (z >> U(31))


@inner
def random_below(state, n):  # type: ignore[no-untyped-def]
    """A whole number below n, n at most 2^32."""
    return np.int64(((random_word(state) >> U(32)) * U(n)) >> U(32))
