"""Newton's step: one call does what sums, values and scores do one after the other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.trees.growing import Grower
from skextras.trees.leaf_sums import leaf_sums
from skextras.trees.stepping import ROUNDING, TINY, newton_values
from skextras.trees.threads import Threads
from skextras.trees.workspace import Growth
from tests.skextras.trees.grown import as_table, table, totals_of


def slow_values(sums, l1, l2):
    """Minimisers of G v + (H + λ) v² / 2 + α |v|, in NumPy's words."""
    gradient, hessian, terms = sums.T
    size = np.where(np.abs(gradient) > ROUNDING * terms, np.abs(gradient), 0.0)
    return -np.sign(gradient) * np.maximum(size - l1, 0.0) / np.maximum(hessian + l2, TINY)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_threads=st.sampled_from([1, 2]),
    is_part=st.booleans(),
    penalties=st.sampled_from([(0.0, 0.0), (0.5, 0.0), (0.2, 3.0)]),
    is_monotonic=st.booleans(),
)
def test_a_step_is_sums_and_values_and_scores(seed, n_threads, is_part, penalties, is_monotonic):
    random = np.random.default_rng(seed)
    n, (l1, l2) = 700, penalties
    binned = as_table(table(random, n, 5))
    g, h = random.standard_normal((2, n)).astype(np.float32)
    h = h**2
    rows = np.flatnonzero(random.random(n) < 0.6).astype(np.uint32) if is_part else None
    monotonic = np.array([1, -1, 0, 0, 1]) if is_monotonic else None
    growth = Growth(max_leaves=12, l1=l1, l2=l2, monotonic=monotonic)
    scores = random.standard_normal(n).astype(np.float32)
    with Threads(n_threads) as threads:
        grower = Grower(binned, growth, threads)
        grown = grower.grow(g, h, totals_of(g, h), rows=rows)
        stepped = scores.copy()
        values = grower.step(stepped, grown, 0.3)
        sums = leaf_sums(g, h, (grown.order, grown.starts, grown.ends), threads)
        expected = grown.values
        expected[grown.leaves] = slow_values(sums, l1, l2)
        expected = 0.3 * grown.bounded(expected)
        grower.add_to(scores, grown, expected)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(stepped, scores)


@pytest.mark.parametrize("l1", [0.0, 1.0])
def test_a_gradient_that_is_rounding_moves_nothing(l1):
    sums = np.array([[1e-9, 2.0, 5.0], [-3.0, 2.0, 5.0], [3.0, 0.0, 3.0], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(newton_values(sums, l1, 0.0), slow_values(sums, l1, 0.0))
    assert newton_values(sums, l1, 0.0)[0] == 0
