"""Sums over leaves: all digits, and the same for any number of threads."""

import numpy as np
import pytest

from skextras.trees.leaf_sums import leaf_sums
from skextras.trees.threads import Threads


@pytest.mark.parametrize("n_leaves", [1, 4, 9])
def test_sums_are_those_in_double_precision(n_leaves):
    random = np.random.default_rng(n_leaves)
    g, h = random.standard_normal((2, 5000)).astype(np.float32)
    order = random.permutation(5000).astype(np.uint32)
    cuts = np.sort(random.integers(0, 5000, n_leaves - 1))
    starts, ends = np.array([0, *cuts]), np.array([*cuts, 4900])  # the last rows are in no leaf
    expected = [
        [g[rows].sum(dtype=float), h[rows].sum(dtype=float), np.abs(g[rows]).sum(dtype=float)]
        for rows in (order[a:b] for a, b in zip(starts, ends, strict=True))
    ]
    results = []
    for n_threads in (1, 2, 3):
        with Threads(n_threads) as threads:
            results.append(leaf_sums(g, h, (order, starts, ends), threads))
    # (5000 terms of about 1, each sum of them off by at most its last digit)
    np.testing.assert_allclose(results[0], expected, rtol=0, atol=5000 * 1e-13)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
