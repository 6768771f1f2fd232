"""The batch algorithm: Kohonen's sums over rows, k-means where neighbours do not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.som.batch import learnt, smoothed, smoothed_by_sides, tally
from skextras.som.grid import Grid
from skextras.som.schedules import NEIGHBORHOODS
from skextras.som.search import METRICS, Codebook
from tests.oracles import som as oracle
from tests.skextras.som.test_grid import grids


def epoch(X, W, grid, name, radius, weights=None, metric="euclidean", n_threads=1):
    total = tally(Codebook(W, metric), X, weights, n_threads)
    return learnt(W, total, grid, name, radius)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    grid=grids(),
    name=st.sampled_from(sorted(NEIGHBORHOODS)),
    radius=st.sampled_from([0.0, 0.7, 1.0, 2.5]),
    missing=st.sampled_from([0.0, 0.2]),
)
def test_an_epoch_is_kohonens_rule(seed, grid, name, radius, missing):
    random = np.random.default_rng(seed)
    X, W = random.standard_normal((30, 3)), random.standard_normal((grid.n_units, 3))
    weights = random.integers(0, 3, 30).astype(float)
    X[:, 1:][random.random((30, 2)) < missing] = np.nan
    expected = oracle.batch_epoch(X, W, grid, name, radius, weights)
    np.testing.assert_allclose(epoch(X, W, grid, name, radius, weights), expected, atol=1e-10)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_moves_units_to_means_of_rows(metric):
    random = np.random.default_rng(3)
    grid = Grid(3, 4)
    X, W = random.standard_normal((40, 5)), random.standard_normal((12, 5))
    expected = oracle.batch_epoch(X, W, grid, "gaussian", 1.0, metric=metric)
    np.testing.assert_allclose(
        epoch(X, W, grid, "gaussian", 1.0, metric=metric), expected, atol=1e-10
    )


def test_a_bubble_of_radius_0_is_lloyds_step():
    random = np.random.default_rng(4)
    X, W = random.standard_normal((500, 4)), random.standard_normal((20, 4)) * 2
    labels = np.argmin(((X[:, None] - W) ** 2).sum(axis=2), axis=1)
    means = [X[labels == j].mean(axis=0) if np.any(labels == j) else W[j] for j in range(20)]
    np.testing.assert_allclose(epoch(X, W, Grid(4, 5), "bubble", 0.0), means, atol=1e-12)


def test_turning_a_torus_changes_nothing():
    random = np.random.default_rng(5)
    X = random.standard_normal((300, 3))
    for topology in ("rectangular", "hexagonal"):
        grid = Grid(6, 5, topology, "toroidal")
        W = turned = random.standard_normal((6, 5, 3))
        turned = np.roll(turned, (2, 3), axis=(0, 1))
        for radius in (2.0, 1.0, 0.5):
            W = epoch(X, W.reshape(30, 3), grid, "gaussian", radius).reshape(6, 5, 3)
            turned = epoch(X, turned.reshape(30, 3), grid, "gaussian", radius).reshape(6, 5, 3)
        np.testing.assert_allclose(np.roll(W, (2, 3), axis=(0, 1)), turned, atol=1e-9)


def test_bits_do_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr("skextras.som.search.STRIPE", 64)
    random = np.random.default_rng(6)
    X, W = random.standard_normal((1000, 4)), random.standard_normal((30, 4))
    one = tally(Codebook(W), X, None, 1)
    four = tally(Codebook(W), X, None, 4)
    np.testing.assert_array_equal(one.sums, four.sums)
    np.testing.assert_array_equal(one.counts, four.counts)
    assert one.counts.sum() == 1000


@settings(max_examples=30, deadline=None)
@given(grid=grids(), radius=st.floats(0.3, 4))
def test_smoothing_is_the_product_with_the_matrix_of_the_neighbourhood(grid, radius):
    random = np.random.default_rng(7)
    values = random.standard_normal((grid.n_units, 2))
    H = np.exp(-grid.squared_distances(np.arange(grid.n_units)) / radius)
    for smooth in (smoothed, smoothed_by_sides):
        own = smooth(grid, lambda squared: np.exp(-squared / radius), values)
        np.testing.assert_allclose(own, H @ values, atol=1e-10)
