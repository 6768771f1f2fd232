"""Compiled functions of the kernel models against slow and obvious twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from skextras import KernelLogisticRegression
from skextras.kernel.solvers.exponential import exponential, logistic
from skextras.kernel.solvers.symmetric import (
    mirror_scaled,
    power_sums,
    set_covariance,
    set_shifted,
)
from tests.oracles.kernel_posterior import (
    covariance_of_scores,
    scaled_from_above,
    shifted,
    sums_of_powers,
)

SEEDS = st.integers(0, 2**32 - 1)
LEAST = {np.float32: -87.0, np.float64: -707.0}  # whose exponentials are normal numbers


@settings(max_examples=60, deadline=None)
@given(dtype=st.sampled_from([np.float32, np.float64]), reach=st.floats(0, 1), seed=SEEDS)
def test_exponentials_are_right_to_two_units_in_the_last_place(dtype, reach, seed):
    rng = np.random.default_rng(seed)
    x = (rng.uniform(LEAST[dtype], 0, size=rng.integers(0, 300)) * reach).astype(dtype)
    expected = np.exp(x.astype(np.longdouble))  # of eleven bits more where there are such numbers
    found = exponential(x.copy())
    assert found.dtype == dtype
    assert np.all(np.abs(found - expected) <= 2 * np.finfo(dtype).eps * expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponentials_at_the_ends(dtype):
    x = np.array([0.0, -0.0, -np.inf, -1e30, -1e4, np.nan], dtype)
    np.testing.assert_array_equal(exponential(x), np.array([1, 1, 0, 0, 0, np.nan], dtype))


def test_exponentials_go_where_the_numbers_are_in_any_order():
    x = -np.arange(12.0).reshape(3, 4)
    expected = np.exp(x)
    for own in (x.copy(), np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        assert exponential(own) is own
        np.testing.assert_allclose(own, expected, rtol=1e-15)


@settings(max_examples=40, deadline=None)
@given(size=st.sampled_from([1.0, 30.0, 900.0]), seed=SEEDS)
def test_the_logistic_function_keeps_its_digits_on_both_sides(size, seed):
    x = np.random.default_rng(seed).normal(size=(20, 3)) * size
    np.testing.assert_allclose(logistic(x.copy()), expit(x), rtol=1e-14, atol=1e-305)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 100), seed=SEEDS)
def test_passes_over_matrices_equal_products_of_matrices(n, seed):
    rng = np.random.default_rng(seed)
    K, (r, u, v) = rng.normal(size=(n, n)), rng.normal(size=(3, n))
    K += K.T
    B = np.full((n, n), np.nan)
    set_shifted(K, r, B)
    np.testing.assert_allclose(np.triu(B), np.triu(shifted(K, r)), atol=1e-12)
    assert np.isnan(B[np.tril_indices(n, -1)]).all()
    expected = scaled_from_above(K, r)
    K[np.tril_indices(n, -1)] = np.nan
    mirror_scaled(K, r)
    np.testing.assert_allclose(K, expected, atol=1e-12)
    sigma, sums = np.empty((n, n)), np.empty((2, n))
    set_covariance(K, u, v, sigma)
    np.testing.assert_allclose(sigma, covariance_of_scores(K, u, v), atol=1e-11)
    power_sums(sigma, u, v, *sums)
    size = 1 + np.abs(sigma).max() ** 3
    for found, twin in zip(sums, sums_of_powers(sigma, u, v), strict=True):
        np.testing.assert_allclose(found, twin, atol=1e-13 * n * size)


@pytest.mark.parametrize("strength", [1.0, 1000.0])
def test_the_gradient_is_zero_beyond_the_rows_that_are_kept_in_double_precision(strength):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4200, 5))
    y = (X[:, 0] * X[:, 1] + 0.5 * rng.normal(size=4200) > 0).astype(int)
    model = KernelLogisticRegression(strength, gamma=0.1, solver="exact").fit(X, y)
    gradient = model.dual_coef_[0] - strength * (y - model.predict_proba(X)[:, 1])
    assert np.abs(gradient).max() <= 1.5e-8 * strength  # those of sums are known on some rows
