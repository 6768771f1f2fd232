"""The pictures: shapes where units are, colours and pies of what they stand for."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Wedge
from sklearn.datasets import load_iris

from skextras import SelfOrganizingMap, SOMClassifier
from skextras.inspection import SOMDisplay

FRAME, Y = load_iris(return_X_y=True, as_frame=True)


@pytest.fixture
def som():
    yield SelfOrganizingMap((5, 6), topology="hexagonal").fit(FRAME)
    plt.close("all")


def shapes(display):
    [drawn] = display.ax_.collections
    display.figure_.canvas.draw()
    return [path.vertices[:-1] for path in drawn.get_paths()]


@pytest.mark.parametrize(
    ("topology", "sides", "area"), [("rectangular", 4, 1), ("hexagonal", 6, 0.866)]
)
def test_units_are_squares_or_hexagons_that_leave_no_gap(topology, sides, area):
    som = SelfOrganizingMap((4, 3), topology=topology).fit(FRAME)
    outlines = shapes(SOMDisplay.from_estimator(som))
    assert len(outlines) == 12
    for outline, place in zip(outlines, som._fitted_grid.coordinates, strict=True):
        assert len(outline) == sides
        np.testing.assert_allclose(outline.mean(axis=0), place, atol=1e-12)
        x, y = outline.T
        assert abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2 == pytest.approx(
            area, abs=1e-3
        )
    plt.close("all")


def test_the_u_matrix_is_the_mean_distance_to_direct_neighbours(som):
    display = SOMDisplay.from_estimator(som)
    W, grid = som.weights_.reshape(30, 4), som._fitted_grid
    for unit in range(30):
        near = [v for v in range(30) if v != unit and grid.are_touching(np.r_[unit], np.r_[v])[0]]
        expected = np.mean([np.linalg.norm(W[unit] - W[v]) for v in near])
        assert display.values_[unit] == pytest.approx(expected)
    np.testing.assert_allclose(som.u_matrix().ravel(), display.values_)


def test_hits_count_rows_and_components_are_weights(som):
    hits = SOMDisplay.from_estimator(som, FRAME, kind="hits")
    np.testing.assert_array_equal(hits.values_, np.bincount(som.labels_, minlength=30))
    name = FRAME.columns[2]
    component = SOMDisplay.from_estimator(som, kind="component", feature=name)
    np.testing.assert_array_equal(component.values_, som.weights_[..., 2].ravel())
    assert component.figure_.axes[-1].get_ylabel() == name


def test_pies_hold_each_row_once(som):
    display = SOMDisplay.from_estimator(som, FRAME, y=Y, kind="classes")
    wedges = [patch for patch in display.ax_.patches if isinstance(patch, Wedge)]
    total = sum((wedge.theta2 - wedge.theta1) / 360 for wedge in wedges)
    assert total == pytest.approx(np.count_nonzero(np.bincount(som.labels_, minlength=30)))
    assert display.values_.sum() == 150
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["0", "1", "2"]


@pytest.mark.parametrize("kind", ["u_matrix", "hits", "component", "classes"])
def test_a_picture_says_what_it_shows_however_low_the_map_is(kind):
    row = SelfOrganizingMap((1, 9)).fit(FRAME)
    display = SOMDisplay.from_estimator(row, FRAME, y=Y, kind=kind)
    assert display.ax_.get_title().lower().startswith(kind.replace("_", "-"))
    display.figure_.canvas.draw()
    for axes in display.figure_.axes:
        if axes.get_ylabel():
            words = axes.yaxis.label.get_window_extent()
            assert words.y0 >= 0
            assert words.y1 <= display.figure_.bbox.height
    plt.close("all")


def test_a_classifier_is_drawn_and_an_axes_may_be_given():
    _, ax = plt.subplots()
    model = SOMClassifier((3, 3)).fit(FRAME, Y)
    assert SOMDisplay.from_estimator(model, FRAME, kind="hits", ax=ax).ax_ is ax
    plt.close("all")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "map"}, "kind must be one of u_matrix, hits"),
        ({"kind": "hits"}, "X must be rows for kind='hits', got None"),
        ({"kind": "classes", "X": FRAME}, "y must hold the class of each row"),
        ({"kind": "classes", "X": FRAME, "y": Y[:9]}, "got '9 classes'"),
        ({"kind": "component", "feature": 4}, "feature must be a name or a number below 4, got 4"),
        ({"kind": "component", "feature": "size"}, "got 'size'"),
        ({"kind": "component", "feature": 1.5}, "got 1.5"),
    ],
)
def test_what_cannot_be_drawn_is_refused(som, options, message):
    with pytest.raises(ValueError, match=message):
        SOMDisplay.from_estimator(som, **options)
