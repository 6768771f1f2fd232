"""Paths of L1-penalised models meet the conditions of an optimum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import expit
from sklearn.linear_model import Lasso

from skextras.features.selection.lasso import LogLoss, SquareLoss, lasso_path
from skextras.features.selection.scaled import scaled

SHARES = np.geomspace(1, 0.01, 12)


def problem(seed, n, d):
    """Correlated columns of unlike scales, a target, weights."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, d)) @ random.normal(size=(d, d)) * np.exp(random.normal(size=d))
    y = X[:, 0] / X[:, 0].std() + random.normal(size=n)
    weight = random.integers(1, 4, n).astype(float)
    return scaled(X, weight / weight.sum()), y, weight / weight.sum()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(8, 40), st.integers(1, 15), st.booleans())
def test_every_model_of_a_path_is_optimal(seed, n, d, is_number):
    """No coefficient of 0 may be pulled by more than α, and all others are by α exactly."""
    Z, y, weight = problem(seed, n, d)
    target = y if is_number else (y > np.median(y)).astype(float)
    loss = (SquareLoss if is_number else LogLoss)(Z, target, weight)
    path = lasso_path(loss, SHARES[:8])
    fresh = (SquareLoss if is_number else LogLoss)(Z, target, weight)
    assert not path.coef[0].any()
    for alpha, coef in zip(path.alphas, path.coef, strict=True):
        if not is_number:
            fresh.intercept = best_intercept(Z.combined(coef), target, weight)
        pull = fresh.gradient(coef)
        assert np.abs(pull).max() <= alpha * (1 + 1e-5)
        used = coef != 0
        np.testing.assert_allclose(pull[used], alpha * np.sign(coef[used]), rtol=1e-5)


def best_intercept(raw, target, weight):
    """By bisection."""
    low, high = -50.0, 50.0
    for _ in range(100):
        middle = (low + high) / 2
        if weight @ expit(raw + middle) > weight @ target:
            high = middle
        else:
            low = middle
    return low


def test_a_path_equals_the_peers():
    Z, y, weight = problem(0, 60, 8)
    loss = SquareLoss(Z, y, weight)
    path = lasso_path(loss, SHARES)
    for alpha, coef in zip(path.alphas[1:], path.coef[1:], strict=True):
        peer = Lasso(alpha, tol=1e-14, max_iter=100_000).fit(Z.design, loss.y, weight)
        np.testing.assert_allclose(coef, peer.coef_, atol=1e-7)


def test_a_path_ends_when_enough_columns_came_in():
    Z, y, weight = problem(1, 60, 12)
    path = lasso_path(SquareLoss(Z, y, weight), SHARES, max_features=3)
    counts = (path.coef != 0).sum(axis=1)
    assert counts[-1] >= 3
    assert (counts[:-1] < 3).all()
    step, size = path.entry()
    assert ((step < len(path.coef)) == (path.coef != 0).any(axis=0)).all()
    assert (size[step < len(path.coef)] > 0).all()


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_columns_are_standardised_at_any_scale_and_offset(kind, scale):
    random = np.random.default_rng(0)
    few = np.where(random.random(50) < 0.8, 0.0, scale)
    X = np.column_stack(
        [random.normal(size=50) * scale, np.full(50, 0.1), 1e6 + np.arange(50.0), few, 0 * few]
    )
    weight = random.uniform(0.5, 2, 50)
    weight /= weight.sum()
    Z = scaled(kind(X), weight)
    written = Z.take(np.arange(5))
    np.testing.assert_allclose(written @ weight, 0, atol=1e-9)
    np.testing.assert_allclose(np.square(written) @ weight, [1, 0, 1, 1, 0], atol=1e-9)
    assert Z.is_constant.tolist() == [False, True, False, False, True]
    coef = np.array([1.0, 2.0, 0.0, -3.0, 4.0])
    np.testing.assert_allclose(Z.combined(coef), coef @ written, atol=1e-9)
    vectors = random.normal(size=(50, 2))
    np.testing.assert_allclose(Z.times(vectors), written @ vectors, atol=1e-7)
    np.testing.assert_allclose(Z.times(vectors[:, 0], [3, 0]), written[[3, 0]] @ vectors[:, 0])


def test_a_target_that_nothing_moves_gives_an_empty_path():
    Z, _, weight = problem(2, 20, 3)
    assert not lasso_path(SquareLoss(Z, np.full(20, 7.0), weight), SHARES).coef.any()
