"""Hypothesis strategies: small networks with data."""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from rlextras.kernels.plan import BERNOULLI, CATEGORICAL, GAUSSIAN, Layer, plan

SLOPE = 0.3
HEADS = ((CATEGORICAL, [2]), (CATEGORICAL, [3, 1, 4]), (BERNOULLI, [1, 1, 1]), (GAUSSIAN, [1, 1]))


def made(head, widths, activation, n_in, seed):
    """A table, its parameters and a generator."""
    kind, sizes = head
    rng = np.random.default_rng(seed)

    def layers(n_out):
        ends = [n_in, *widths]
        hidden = [
            Layer(n_in=a, n_out=b, activation=activation, slope=SLOPE) for a, b in pairwise(ends)
        ]
        return [*hidden, Layer(n_in=ends[-1], n_out=n_out)]

    table = plan(layers(sum(sizes)), layers(1), kind=kind, sizes=sizes)
    theta = 0.5 * rng.standard_normal(table[0, 5]).astype(np.float32)
    # Outputs of size 1 at any depth: the rounding of a log π in the hundreds is not small.
    for inputs, outputs, weight, *_ in table[1:].tolist():
        theta[weight : weight + inputs * outputs] /= np.sqrt(max(inputs, 1))
    return table, theta, rng


@st.composite
def networks(draw):
    """Any depth from none on, any activation, any head."""
    head = draw(st.sampled_from(HEADS))
    width = st.one_of(st.integers(1, 19), st.sampled_from([16, 32]))  # whole tiles go another way
    widths = draw(st.lists(width, max_size=3))
    return made(
        head,
        widths,
        draw(st.integers(0, 5)),
        draw(st.integers(1, 9)),
        draw(st.integers(0, 2**32 - 1)),
    )


def rollout(table, rng, n):
    """Rows as an epoch wants them, without the old policy's numbers."""
    kind, n_parts, _, _, n_layers, _ = table[0]
    sizes = table[1 + n_layers :, 0]
    if kind == CATEGORICAL:
        actions = np.stack([rng.integers(size, size=n) for size in sizes], axis=1)
    elif kind == BERNOULLI:
        actions = rng.integers(2, size=(n, n_parts))
    else:
        actions = rng.standard_normal((n, n_parts))
    observations = rng.standard_normal((n, table[1, 0]))
    return np.hstack([observations, actions, rng.standard_normal((n, 4))]).astype(np.float32)


def actor(network):
    """The same without its critic."""
    table, theta, rng = network
    n_actor, n_layers = int(table[0, 3]), int(table[0, 4])
    kept = np.delete(table, range(1 + n_actor, 1 + n_layers), axis=0)
    size = int(table[1 + n_actor, 2])  # the critic's first weight
    kept[0, 4:] = n_actor, size
    return kept, theta[:size].copy(), rng
