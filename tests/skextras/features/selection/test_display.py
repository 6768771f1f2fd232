"""Pictures of selections show what the selectors found."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from skextras import BorutaSelector, L1L2Selector, MRMRSelector, StabilitySelector
from skextras.inspection import SelectionDisplay

SELECTORS = [
    L1L2Selector(0.3),
    MRMRSelector(3),
    StabilitySelector(n_pairs=5, random_state=0),
    BorutaSelector(max_trials=4, random_state=0),
]


@pytest.fixture(autouse=True)
def _figures_are_closed():
    yield
    mpl.pyplot.close("all")


@pytest.fixture(params=SELECTORS, ids=str)
def selector(request):
    random = np.random.default_rng(0)
    X = pd.DataFrame(random.normal(size=(90, 6)), columns=list("abcdef"))
    return request.param.fit(X, (X["b"] - X["e"] > 0).to_numpy())


def test_bars_are_scores_and_the_selected_come_first(selector):
    display = SelectionDisplay.from_estimator(selector, max_features=4)
    widths = [bar.get_width() for bar in display.ax_.patches]
    np.testing.assert_allclose(widths, selector.scores_[display.order_])
    names = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert names == ["abcdef"[j] for j in display.order_]
    assert (np.diff(selector.support_[display.order_].astype(int)) <= 0).all()
    n = selector.support_.sum()
    assert display.ax_.get_title() == f"{n} of 6 selected"
    colours = {bar.get_facecolor() for bar in display.ax_.patches[:n]}
    assert len(colours) == 1


def test_a_path_has_a_line_a_feature(selector):
    _, ax = mpl.pyplot.subplots()
    display = SelectionDisplay.from_estimator(selector, kind="path", ax=ax)
    assert display.ax_ is ax
    lines = [line for line in ax.lines if len(line.get_xdata()) == len(selector.path_)]
    drawn = {tuple(np.nan_to_num(line.get_ydata(), nan=-1)) for line in lines}
    wanted = {tuple(np.nan_to_num(column, nan=-1)) for column in selector.path_.T}
    assert wanted <= drawn
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "abcdef"[j] for j in display.order_ if selector.support_[j]
    ]


def test_pictures_that_do_not_exist_are_refused(selector):
    with pytest.raises(ValueError, match="kind must be 'scores' or 'path', got 'pie'"):
        SelectionDisplay.from_estimator(selector, kind="pie")
    with pytest.raises(ValueError, match="max_features must be at least 1, got 0"):
        SelectionDisplay.from_estimator(selector, max_features=0)
