"""What holds of every selector: it finds what is planted, and weights are repetitions."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skextras.features.selection import (
    BorutaSelector,
    L1L2Selector,
    MRMRSelector,
    StabilitySelector,
)

SELECTORS = [
    L1L2Selector(0.4),
    MRMRSelector(2),
    MRMRSelector(2, relevance="f", scheme="quotient"),
    StabilitySelector(n_pairs=10, random_state=0),
    BorutaSelector(max_trials=15, random_state=0),
]
TARGETS = {
    "number": lambda f: f,
    "two classes": lambda f: f > 0,
    "words": lambda f: np.array(["low", "middle", "high"])[np.digitize(f, [-0.7, 0.7])],
}


SURE = (MRMRSelector, StabilitySelector)  # the others may take noise that goes with the target


def check_found(selector):
    """Features 2 and 5 are, and hardly any others."""
    found = set(selector.get_support(indices=True).tolist())
    assert {2, 5} <= found
    assert len(found) <= (2 if isinstance(selector, SURE) else 4)


def planted(n=250, d=8, seed=0):
    """Features 2 and 5 matter."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, d))
    return X, X[:, 2] - X[:, 5] + 0.3 * random.normal(size=n)


@pytest.mark.parametrize("selector", SELECTORS, ids=str)
@pytest.mark.parametrize("target", TARGETS)
def test_planted_features_are_found(selector, target):
    X, f = planted()
    found = clone(selector).fit(X, TARGETS[target](f))
    check_found(found)
    assert found.scores_.shape == (8,)
    assert set(np.argsort(-found.scores_)[:2]) == {2, 5}
    assert found.path_.shape[1] == 8
    assert np.array_equal(found.transform(X), X[:, found.support_])


@pytest.mark.parametrize("selector", SELECTORS, ids=str)
def test_weights_are_repetitions_and_the_order_of_rows_does_not_matter(selector):
    X, f = planted(60)
    random = np.random.default_rng(1)
    times = random.integers(0, 4, len(X))
    order = random.permutation(np.repeat(np.arange(len(X)), times))
    weighted = clone(selector).fit(X, f, sample_weight=times)
    repeated = clone(selector).fit(X[order], f[order])
    assert np.array_equal(weighted.support_, repeated.support_)
    assert np.array_equal(weighted.scores_, repeated.scores_)


@pytest.mark.parametrize("selector", SELECTORS, ids=str)
def test_threads_do_not_change_the_choice(selector):
    X, f = planted(100)
    y = TARGETS["words"](f)
    one = clone(selector).fit(X, y)
    two = clone(selector).set_params(n_jobs=2).fit(X, y)
    np.testing.assert_allclose(one.scores_, two.scores_, rtol=1e-12)
    assert np.array_equal(one.support_, two.support_)


@pytest.mark.parametrize("selector", SELECTORS, ids=str)
def test_frames_keep_their_names_in_a_pipeline(selector, capsys):
    X, f = planted()
    frame = pd.DataFrame(X, columns=[f"f{j}" for j in range(8)])
    own = clone(selector).set_params(verbose=1)
    pipeline = make_pipeline(own, LogisticRegression()).set_output(transform="pandas")
    pipeline.fit(frame, f > 0)
    names = pipeline[:-1].transform(frame).columns.tolist()
    assert names == [f"f{j}" for j in np.flatnonzero(own.support_)]
    check_found(own)
    assert pipeline.score(frame, f > 0) > 0.85
    assert capsys.readouterr().out.startswith(f"[{type(selector).__name__}] ")


@pytest.mark.parametrize("selector", SELECTORS, ids=str)
def test_faults_are_told_in_words(selector):
    X, f = planted(40)
    name = type(selector).__name__
    with pytest.raises(ValueError, match=f"{name}: task must be one of auto, .* got 'guess'"):
        clone(selector).set_params(task="guess").fit(X, f)
    with pytest.raises(ValueError, match=f"{name}: y must hold classes .* Pass task='regression'"):
        clone(selector).set_params(task="classification").fit(X, f)
    with pytest.raises(ValueError, match=f"{name}: y must hold at least 2 classes, got one class"):
        clone(selector).fit(X, np.ones(40, int))
    weight = (f > 0).astype(float)
    with pytest.raises(ValueError, match=f"{name}: y must hold at least 2 classes"):
        clone(selector).fit(X, f > 0, sample_weight=weight)


@pytest.mark.parametrize("selector", SELECTORS, ids=str)
def test_a_whole_number_may_be_a_number(selector):
    X, f = planted()
    found = clone(selector).set_params(task="regression").fit(X, np.round(4 * f).astype(int))
    assert found.classes_ is None
    check_found(found)


@pytest.mark.parametrize(
    ("selector", "takes"),
    [
        (L1L2Selector(), False),
        (MRMRSelector(), True),
        (MRMRSelector(relevance="f"), False),
        (StabilitySelector(), False),
        (BorutaSelector(max_trials=2), True),
        (BorutaSelector(LogisticRegression()), False),
    ],
    ids=str,
)
def test_missing_values_are_taken_where_it_is_said(selector, takes):
    X, f = planted(60)
    X[::5, 1] = np.nan
    if takes:
        assert selector.fit(X, f > 0).transform(X).shape[0] == 60
    else:
        with pytest.raises(ValueError, match="NaN"):
            selector.fit(X, f > 0)


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda own: type(own).__name__)
def test_a_sparse_table_is_refused_with_the_cure_and_transformed(selector):
    random = np.random.default_rng(0)
    X = np.where(random.random((60, 4)) < 0.5, 0.0, random.normal(size=(60, 4)))
    y = X[:, 1] + 0.1 * random.normal(size=60)
    assert not selector.__sklearn_tags__().input_tags.sparse
    with pytest.raises(
        TypeError, match=r"X must be dense in fit, got sparse .* Pass X.toarray\(\)"
    ):
        clone(selector).fit(sparse.csr_array(X), y)
    fitted = clone(selector).fit(X, y)
    out = fitted.transform(sparse.csr_array(X))
    np.testing.assert_array_equal(out.toarray(), fitted.transform(X))
