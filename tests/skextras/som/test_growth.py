"""Maps that grow where they fit worst, and gases that have no map."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_iris

from skextras import SelfOrganizingMap, SOMClassifier
from skextras.inspection import SOMDisplay
from skextras.som.gas import gas_epoch
from skextras.som.grid import Grid
from skextras.som.growth import inserted, widest_edge
from skextras.som.search import Codebook
from tests.oracles import som as oracle

X_IRIS, Y_IRIS = load_iris(return_X_y=True)


@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
def test_a_map_grows_until_it_fits(topology):
    alone = np.linalg.norm(X_IRIS - X_IRIS.mean(axis=0), axis=1).mean()
    sizes = []
    for growth in (0.5, 0.3, 0.2):
        som = SelfOrganizingMap((2, 2), topology=topology, growth=growth).fit(X_IRIS)
        assert som.quantization_error_ <= growth * alone
        assert som.weights_.shape[:2] == (som._fitted_grid.n_rows, som._fitted_grid.n_cols)
        assert som.transform(X_IRIS).shape == (150, som.n_units_)
        sizes.append(som.n_units_)
    assert sizes == sorted(set(sizes))


def test_growth_ends_before_there_are_more_units_than_rows():
    som = SelfOrganizingMap((2, 2), growth=0.001).fit(X_IRIS[:40])
    assert 20 < som.n_units_ <= 40


def test_new_units_come_between_the_worst_and_its_farthest_neighbour():
    grid, W = Grid(2, 3), np.array([[0.0], [1], [9], [0], [2], [3]])
    assert widest_edge(grid, W, np.array([0, 5, 1, 0, 0, 0])) == (1, 2)
    larger, weights = inserted(grid, W, 1, 2)
    assert (larger.n_rows, larger.n_cols) == (2, 4)
    np.testing.assert_array_equal(weights[:, 0], [0, 1, 5, 9, 0, 2, 2.5, 3])
    larger, weights = inserted(grid, W, 5, 2)
    assert (larger.n_rows, larger.n_cols) == (3, 3)
    np.testing.assert_array_equal(weights[3:6, 0], [0, 1.5, 6])


@pytest.mark.parametrize("radius", [0.0, 0.7, 3.0])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_an_epoch_of_a_gas_weighs_rows_by_rank(radius, missing):
    random = np.random.default_rng(0)
    X, W = random.standard_normal((60, 3)), random.standard_normal((8, 3))
    X[:, 1:][random.random((60, 2)) < missing] = np.nan
    weights = random.integers(0, 3, 60).astype(float)
    expected = oracle.gas_epoch(X, W, radius, weights)
    np.testing.assert_allclose(gas_epoch(Codebook(W), X, weights, radius, 2), expected, atol=1e-12)


def test_a_gas_covers_clusters_from_any_start_and_is_no_map():
    random = np.random.default_rng(1)
    X = np.vstack([random.standard_normal((50, 2)) * 0.2 + place for place in 6 * np.eye(4)[:, :2]])
    options = {"topology": "gas", "init": "sample", "random_state": 0, "radius": (2, 0.1)}
    som = SelfOrganizingMap((3, 1), **options).fit(X)
    assert som.quantization_error_ < 0.4
    assert np.isnan(som.topographic_error_)
    other = SelfOrganizingMap((3, 1), **options).fit(sparse.csr_array(X))
    np.testing.assert_allclose(other.weights_, som.weights_, atol=1e-10)
    for ask in (som.u_matrix, som.topographic_product, lambda: SOMDisplay.from_estimator(som)):
        with pytest.raises(ValueError, match="topology must be that of a map here, got 'gas'"):
            ask()
    model = SOMClassifier((5, 5), topology="gas").fit(X_IRIS, Y_IRIS)
    assert model.score(X_IRIS, Y_IRIS) > 0.94


def test_one_unit_alone_cannot_say_where_to_grow():
    with pytest.raises(ValueError, match="two units at least where growth is set, got"):
        SelfOrganizingMap((1, 1), growth=0.5).fit(X_IRIS)
    assert SelfOrganizingMap((1, 2), growth=0.5).fit(X_IRIS).n_units_ > 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"topology": "gas", "algorithm": "online"},
            "must be 'batch', 'planar' for topology='gas'",
        ),
        ({"topology": "gas", "growth": 0.5}, "growth must be None for topology='gas'"),
        ({"boundary": "toroidal", "growth": 0.5}, "growth must be None"),
        ({"growth": 1.0}, "growth"),
    ],
)
def test_what_does_not_go_together_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SelfOrganizingMap((4, 4), **options).fit(X_IRIS)
