"""The map as a place: distances against coordinates and all copies of the map."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.som.grid import BOUNDARIES, Grid
from skextras.som.schedules import DECAYS, NEIGHBORHOODS, decayed, neighborhood, shares_done
from tests.oracles import som as oracle


@st.composite
def grids(draw):
    topology, boundary = (
        draw(st.sampled_from(("rectangular", "hexagonal"))),
        draw(st.sampled_from(BOUNDARIES)),
    )
    n_rows, n_cols = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    if topology == "hexagonal" and boundary == "toroidal":
        n_rows *= 2
    return Grid(n_rows, n_cols, topology, boundary)


@settings(max_examples=40, deadline=None)
@given(grid=grids())
def test_distances_are_the_shortest_over_all_copies_of_the_map(grid):
    units = range(grid.n_units)
    expected = [[oracle.map_distance(grid, a, b) ** 2 for b in units] for a in units]
    np.testing.assert_allclose(grid.squared_distances(np.arange(grid.n_units)), expected, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(grid=grids())
def test_offsets_of_a_row_are_distances_of_its_units(grid):
    squared = grid.squared_distances(np.arange(grid.n_units)).reshape(
        grid.n_rows, grid.n_cols, grid.n_rows, grid.n_cols
    )
    for row in range(grid.n_rows):
        offsets = grid.squared_offsets(row)
        for first in range(grid.n_cols):
            for second in range(grid.n_cols):
                step = second - first + grid.n_cols - 1
                np.testing.assert_allclose(offsets[:, step], squared[row, first, :, second])


@pytest.mark.parametrize(
    ("topology", "boundary", "n_neighbours"),
    [
        ("rectangular", "planar", (2, 4)),
        ("rectangular", "cylindrical", (3, 4)),
        ("rectangular", "toroidal", (4, 4)),
        ("hexagonal", "planar", (2, 6)),
        ("hexagonal", "cylindrical", (4, 6)),
        ("hexagonal", "toroidal", (6, 6)),
    ],
)
def test_units_have_four_or_six_neighbours_fewer_at_open_edges(topology, boundary, n_neighbours):
    grid = Grid(6, 5, topology, boundary)
    counts = np.bincount(grid.edges.ravel(), minlength=grid.n_units)
    assert (counts.min(), counts.max()) == n_neighbours
    assert np.all(grid.are_touching(*grid.edges.T))


def test_hexagons_are_drawn_where_the_formula_says():
    grid = Grid(3, 2, "hexagonal")
    half, height = 0.5, np.sqrt(3) / 2
    expected = [
        [0, 0],
        [1, 0],
        [half, height],
        [1 + half, height],
        [0, 2 * height],
        [1, 2 * height],
    ]
    np.testing.assert_allclose(grid.coordinates, expected)


@pytest.mark.parametrize("name", NEIGHBORHOODS)
def test_a_neighbourhood_is_1_at_the_unit_and_shrinks_to_it(name):
    squared = np.array([0.0, 1.0, 3.0, 4.0])
    assert neighborhood(name, squared, 2.0)[0] == 1
    for radius in (0.0, 1e-9, 1e-4):
        np.testing.assert_array_equal(neighborhood(name, squared, radius), [1, 0, 0, 0])
    expected = [oracle.NEIGHBORHOODS[name](d**0.5, 1.5) for d in squared.tolist()]
    np.testing.assert_allclose(neighborhood(name, squared, 1.5), expected)


@pytest.mark.parametrize("decay", DECAYS)
def test_a_decay_goes_from_its_start_to_its_end_and_never_back(decay):
    values = decayed(decay, (8.0, 0.5), shares_done(0, 10, 10))
    assert values[0] == 8.0
    assert values[-1] == pytest.approx(0.5)
    assert np.all(np.diff(values) < 0)
    assert shares_done(99, 1, 10) == 1.0
    assert shares_done(0, 1, 1) == 0.0
