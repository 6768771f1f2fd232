"""Pictures show what the model says."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from skextras import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from skextras.inspection import MarginDisplay, ShapDisplay, TreeDisplay
from tests.skextras.boosting.tables import labels, numbers

QUICK = {"max_iter": 5, "min_samples_leaf": 5, "random_state": 0}


@pytest.fixture(autouse=True)
def _figures_are_closed():
    mpl.use("Agg")
    yield
    mpl.pyplot.close("all")


@pytest.fixture
def model():
    X, y = numbers(300, n_missing=50)
    return GradientBoostingRegressor(**QUICK).fit(X, y)


def test_a_tree_shows_each_node_and_each_condition(model):
    display = TreeDisplay.from_estimator(model, 2)
    tree = display.tree
    assert len(display.texts_) == tree.n_nodes
    assert f"n = {tree.count[0]}" in display.texts_[0].get_text()
    shown = [text.get_text() for text in display.ax_.texts if text not in display.texts_]
    assert len(shown) == tree.n_nodes - 1
    assert any(words.startswith(f"x[{tree.feature[0]}] <= ") for words in shown)


def test_a_tree_may_be_cut_off_and_drawn_where_the_user_wants(model):
    _, ax = mpl.pyplot.subplots()
    display = TreeDisplay.from_estimator(model, max_depth=1, ax=ax)
    assert display.ax_ is ax
    assert len(display.texts_) == 3


def test_categories_and_features_bear_their_names():
    X = pd.DataFrame({"town": pd.Categorical(["Ulm", "Bonn", "Kiel", "Jena"] * 50)})
    y = X["town"].isin(["Ulm", "Jena"]).to_numpy(float)
    model = GradientBoostingRegressor(**QUICK, max_leaf_nodes=2).fit(X, y)
    words = " ".join(text.get_text() for text in TreeDisplay.from_estimator(model).ax_.texts)
    assert "town in {Bonn, Kiel}" in words
    assert "town in {Jena, Ulm}" in words
    assert "town in {Bonn, Kiel}" in model.tree_text(0)


@pytest.mark.parametrize("kind", [RandomForestClassifier, RandomForestRegressor])
def test_trees_of_forests_are_drawn_too(kind):
    X = pd.DataFrame({"town": pd.Categorical(["Ulm", "Bonn", "Kiel", "Jena"] * 50)})
    model = kind(3, random_state=0).fit(X, X["town"].isin(["Ulm", "Jena"]).to_numpy(int))
    display = TreeDisplay.from_estimator(model, tree=-1)
    assert len(display.texts_) == model.estimators_[-1].tree_.node_count == 3
    words = " ".join(text.get_text() for text in display.ax_.texts)
    assert "town in {Bonn, Kiel}" in words
    with pytest.raises(IndexError, match="number must be below 3"):
        TreeDisplay.from_estimator(model, 3)


def test_there_is_no_tree_beyond_the_last(model):
    with pytest.raises(IndexError, match="number must be below 5"):
        TreeDisplay.from_estimator(model, 5)


@pytest.mark.parametrize("kind", ["beeswarm", "bar", "row"])
def test_features_stand_in_the_order_of_their_importance(model, kind):
    X, _ = numbers(100, n_missing=30)
    display = ShapDisplay.from_estimator(model, X, kind=kind, row=3, max_features=4)
    values = np.abs(display.shap_values[[3]] if kind == "row" else display.shap_values)
    assert np.all(np.diff(values.mean(axis=0)[display.order_]) <= 0)
    ticks = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert len(ticks) == 4
    assert ticks[0].startswith(f"x[{display.order_[0]}]")


def test_a_row_leads_from_the_expected_value_to_its_prediction(model):
    X, _ = numbers(20)
    display = ShapDisplay.from_estimator(model, X, kind="row", row=7)
    bars = display.ax_.patches
    ends = [bar.get_x() + bar.get_width() for bar in bars]
    assert ends[0] == pytest.approx(model.predict(X)[7], abs=1e-6)
    assert bars[-1].get_x() == pytest.approx(display.expected_value, abs=1e-6)


def test_bars_are_mean_sizes_and_dots_are_values(model):
    X, _ = numbers(50)
    display = ShapDisplay.from_estimator(model, X, kind="bar")
    widths = [bar.get_width() for bar in display.ax_.patches]
    np.testing.assert_allclose(widths, np.abs(model.shap_values(X)).mean(0)[display.order_])
    display.plot(kind="beeswarm")
    dots = display.ax_.collections[0].get_offsets()
    np.testing.assert_allclose(dots[:, 0], model.shap_values(X)[:, display.order_[0]])
    assert np.abs(dots[:, 1]).max() < 0.5


def test_a_class_has_a_picture_of_its_own():
    X, y = labels(200, n_classes=3)
    model = GradientBoostingClassifier(**QUICK).fit(X, y)
    display = ShapDisplay.from_estimator(model, X[:20], target=2, background=X[:10])
    expected = model.shap_values(X[:20], background=X[:10])[..., 2]
    assert np.array_equal(display.shap_values, expected)
    for target in (None, 3):
        with pytest.raises(ValueError, match=r"target must be one of the classes \[0, 1, 2\]"):
            ShapDisplay.from_estimator(model, X[:5], target=target)


def test_a_picture_that_does_not_exist_is_refused(model):
    with pytest.raises(ValueError, match="kind must be one of beeswarm, bar, row, got 'pie'"):
        ShapDisplay.from_estimator(model, numbers(5)[0], kind="pie")


def test_margins_are_curves_from_the_error_on():
    X, y = labels(300)
    y[::10] = 1 - y[::10]
    model = AdaBoostClassifier(n_estimators=30, random_state=0).fit(X, y)
    display = MarginDisplay.from_estimator(model, X, y, rounds=(1, 30))
    for line, (number, score) in zip(
        display.lines_, [*enumerate(model.staged_score(X, y), 1)][:: 30 - 1], strict=True
    ):
        margins, share = line.get_data()
        assert (np.diff(margins) >= 0).all()
        assert share[-1] == 1
        assert (margins <= 0).mean() == pytest.approx(1 - score)
        assert line.get_label() == ("1 round" if number == 1 else "30 rounds")
    assert len(MarginDisplay.from_estimator(model, X, y).lines_) == 2


def test_margins_of_rounds_that_are_not_there_are_refused():
    X, y = labels(100)
    model = AdaBoostClassifier(n_estimators=5).fit(X, y)
    with pytest.raises(ValueError, match="rounds must be from 1 to"):
        MarginDisplay.from_estimator(model, X, y, rounds=(99,))
