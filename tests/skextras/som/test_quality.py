"""How good a map is, against sums as they are written in the papers."""

import math

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from skextras import SelfOrganizingMap
from skextras.som.grid import Grid
from skextras.som.quality import topographic_product
from skextras.som.quality import trustworthiness as own_trustworthiness
from tests.oracles import som as oracle


@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
def test_the_topographic_product_is_bauer_and_pawelziks(topology):
    grid = Grid(3, 4, topology)
    W = np.random.default_rng(0).standard_normal((12, 3))
    assert topographic_product(grid, W) == pytest.approx(oracle.topographic_product(grid, W))


def test_a_map_of_a_plane_is_flat_and_a_folded_line_is_not():
    X = np.random.default_rng(1).random((3000, 2))
    plane = SelfOrganizingMap((10, 10)).fit(X).topographic_product()
    line = SelfOrganizingMap((1, 100), radius=(5, 0.5)).fit(X).topographic_product()
    assert abs(plane) < 0.02
    assert line < -0.03


def test_a_product_that_is_not_defined_is_nan():
    assert math.isnan(topographic_product(Grid(1, 2), np.eye(2)))
    assert math.isnan(topographic_product(Grid(2, 2), np.ones((4, 2))))


def test_trustworthiness_is_scikit_learns_where_no_distances_tie():
    random = np.random.default_rng(2)
    X, flat = random.standard_normal((60, 5)), random.standard_normal((60, 2))
    places = ((flat[:, None] - flat) ** 2).sum(axis=2)
    for k in (1, 5, 20):
        expected = trustworthiness(X, flat, n_neighbors=k)
        assert own_trustworthiness(X, places, k) == pytest.approx(expected)


def test_ties_on_the_map_share_the_mean_of_all_orders():
    X = np.random.default_rng(3).standard_normal((40, 3))
    som = SelfOrganizingMap((2, 3)).fit(X)
    flat = som._fitted_grid.coordinates[som.labels_]
    shaken = [
        trustworthiness(X, flat + 1e-6 * np.random.default_rng(s).standard_normal(flat.shape))
        for s in range(300)
    ]
    assert som.trustworthiness(X) == pytest.approx(np.mean(shaken), abs=0.005)
    with pytest.raises(ValueError, match=r"n_neighbors must be from 1 to less than 20\.0, got 20"):
        som.trustworthiness(X, 20)
