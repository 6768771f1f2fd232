"""What holds of every selector: it finds what is planted, and weights are repetitions."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
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


def spotted(n=150, d=8, seed=0):
    """Three numbers in four are 0; features 2 and 5 matter, 0 is constant, rows are repeated."""
    random = np.random.default_rng(seed)
    X = np.where(random.random((n, d)) < 0.75, 0.0, np.round(random.normal(size=(n, d)), 2))
    X[:, 0] = 3.0
    X[-20:] = X[:20]
    return X, X[:, 2] - X[:, 5] + 0.1 * np.round(random.normal(size=n), 1)


@pytest.mark.parametrize("selector", SELECTORS, ids=str)
@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("target", TARGETS)
def test_a_sparse_table_gives_what_the_dense_one_does(selector, kind, target):
    X, f = spotted()
    y = TARGETS[target](f)
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    dense = clone(selector).fit(X, y, sample_weight=weight)
    table = kind(X)
    own = clone(selector).fit(table, y, sample_weight=weight)
    assert selector.__sklearn_tags__().input_tags.sparse
    assert np.array_equal(own.support_, dense.support_)
    np.testing.assert_allclose(own.scores_, dense.scores_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(own.path_, dense.path_, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(own.transform(table).toarray(), dense.transform(X))


def test_entries_that_are_stored_twice_are_added_up_and_left_alone():
    X, f = spotted()
    rows, columns = X.nonzero()
    half = X[rows, columns] / 2
    twice = sparse.coo_array((np.r_[half, half], (np.r_[rows, rows], np.r_[columns, columns])))
    n = len(rows)
    order = np.argsort(np.r_[rows, rows], kind="stable")
    starts = np.r_[0, np.cumsum(2 * np.bincount(rows, minlength=len(X)))]
    table = sparse.csr_array((twice.data[order], twice.col[order], starts), shape=X.shape)
    found = MRMRSelector(2, relevance="f").fit(table, f)
    assert table.nnz == 2 * n
    assert np.array_equal(found.ranking_, MRMRSelector(2, relevance="f").fit(X, f).ranking_)


def test_missing_numbers_of_a_sparse_table_are_a_value():
    X, f = spotted()
    X[::7, 3] = np.nan
    weight = np.random.default_rng(1).uniform(0.5, 2, len(f))
    dense = MRMRSelector(3).fit(X, f, sample_weight=weight)
    own = MRMRSelector(3).fit(sparse.csc_array(X), f, sample_weight=weight)
    np.testing.assert_allclose(own.relevance_, dense.relevance_, atol=1e-12)
    np.testing.assert_allclose(own.pvalues_, dense.pvalues_, rtol=1e-9)
    assert np.array_equal(own.ranking_, dense.ranking_)


@pytest.mark.parametrize("selector", [StabilitySelector, BorutaSelector])
def test_an_estimator_that_takes_no_sparse_table_is_named_as_the_reason(selector):
    X, f = spotted()
    own = selector(HistGradientBoostingRegressor())
    assert not own.__sklearn_tags__().input_tags.sparse
    with pytest.raises(TypeError, match=r"X must be dense for this estimator.* Pass X.toarray\(\)"):
        own.fit(sparse.csr_array(X), f)


def test_a_wide_sparse_table_is_not_written_out():
    """2,000 rows of 20,000 words: 320 MB if it were dense."""
    random = np.random.default_rng(0)
    table = sparse.random_array((2_000, 20_000), density=1e-3, rng=random, format="lil")
    y = np.arange(2_000) % 2
    table[:, [7]] = y[:, None] + 1.0
    table = table.tocsr()
    tracemalloc.start()
    found = MRMRSelector(1, relevance="f").fit(table, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.ranking_.tolist() == [7]
    assert peak < 50e6
