"""Products in vector registers against matrix products of NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.mixture.gaussian_kernels import full_density, full_moments
from skextras.mixture.kernels import add_products

BOTH = pytest.mark.parametrize("dtype", [np.float64, np.float32])
SIZES = {"n": st.integers(0, 600), "d": st.sampled_from([4, 8, 12]), "seed": st.integers(0, 999)}


def near(found, expected, dtype):
    """Up to 600 terms of size 1 to 30, each rounded once or twice."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e4 * np.finfo(dtype).eps)


@BOTH
@given(**SIZES, is_symmetric=st.booleans())
@settings(max_examples=25, deadline=None)
def test_products_are_those_of_matrices(dtype, n, d, seed, is_symmetric):
    rng = np.random.default_rng(seed)
    left, right = (rng.standard_normal((rows, n + 5)).astype(dtype) for rows in (d, d + 4))
    right = left if is_symmetric else right
    out = np.ones((len(left), len(right)))
    add_products(left, right, n, is_symmetric, out)
    exact = left[:, :n].astype(float) @ right[:, :n].T + 1
    kept = np.triu(np.ones_like(out)) if is_symmetric else 1
    near(out * kept, exact * kept, dtype)


@BOTH
@given(**SIZES)
@settings(max_examples=25, deadline=None)
def test_densities_and_moments_are_those_of_each_component(dtype, n, d, seed):
    rng, k = np.random.default_rng(seed), 3
    block = rng.standard_normal((d, n + 3)).astype(dtype)
    means = rng.standard_normal((k, d)).astype(dtype)
    roots = np.triu(rng.uniform(-0.5, 0.5, (k, d, d))).astype(dtype)
    shares = rng.dirichlet(np.ones(k), n + 3).T.astype(dtype).copy()
    table, constants = np.zeros((4, n + 3), dtype), np.arange(k).astype(dtype)
    full_density(block, n, means, roots, constants, table)
    sums = np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
    full_moments(block, n, means, shares, *sums)
    for j in range(k):
        apart, share = (block[:, :n].T - means[j]).astype(float), shares[j, :n].astype(float)
        near(table[j, :n], j - 0.5 * np.sum((apart @ roots[j]) ** 2, axis=1), dtype)
        near(sums[0][j], share.sum(), dtype)
        near(sums[1][j], share @ apart, dtype)
        near(np.triu(sums[2][j]), np.triu((share * apart.T) @ apart), dtype)
