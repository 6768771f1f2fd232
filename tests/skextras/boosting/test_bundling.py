"""Boosting on bins whose features share columns: what comes out is the same, wherever rows are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from skextras import GradientBoostingClassifier, GradientBoostingRegressor
from skextras.boosting.sources import (
    Binning,
    BlockSource,
    DenseSource,
    Source,
    SparseSource,
    rows_of,
)
from skextras.tables import SparseTable
from skextras.trees.edges import fit_mapper
from skextras.trees.sampling import RowSample
from skextras.trees.threads import Threads
from tests.oracles import trees_bundling as oracle
from tests.oracles.trees_growing import bins_of
from tests.skextras.boosting.test_laws import same

QUICK = {"max_iter": 6, "min_samples_leaf": 5, "random_state": 0}


def one_hot(n=900, seed=0, n_numbers=2):
    """Two numbers, three categories as columns of 0 and 1, and a score."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, [4, 9, 3], (n, 3))
    blocks = [np.eye(k)[codes[:, j]] for j, k in enumerate([4, 9, 3])]
    X = np.concatenate([rng.normal(size=(n, n_numbers)), *blocks], axis=1)
    score = X @ np.random.default_rng(1).normal(size=X.shape[1]) + 0.3 * rng.normal(size=n)
    return X, score


def mapper_of(X):
    none = [None] * X.shape[1]
    return fit_mapper(lambda j: X[:, j], none, weights=None, max_bins=255, n_threads=1)


@pytest.fixture
def alone(monkeypatch):
    """Runs a function where no features share a column."""
    binned = Source.binned

    def run(function):
        with monkeypatch.context() as patch:
            patch.setattr(
                Source,
                "binned",
                lambda self, mapper, threads: binned(self, mapper, threads, may_share=False),
            )
            return function()

    return run


def source_of(kind, X, *, n_sampled=10_000):
    if kind == "dense":
        return DenseSource(X)
    if kind == "sparse":
        return SparseSource(SparseTable(sparse.csr_matrix(X)).stored, len(X))
    sample = RowSample(np.random.default_rng(0), size=n_sampled)
    blocks = np.array_split(X, 7)
    for block in blocks:
        sample.add(block)
    return BlockSource(blocks, sample, len(X))


# ------------------------------------------------------------ bins
@pytest.mark.parametrize("kind", ["dense", "sparse", "blocks"])
def test_every_source_finds_the_categories_and_keeps_the_bins(kind):
    X, _ = one_hot()
    mapper = mapper_of(X)
    with Threads(2) as threads:
        binned = source_of(kind, X).binned(mapper, threads)
        plain = source_of(kind, X).binned(mapper, threads, may_share=False)
    assert len(binned.columns.n_bins) == 2 + 3
    assert len(plain.columns.n_bins) == X.shape[1]
    expected = bins_of(X, mapper)
    np.testing.assert_array_equal(oracle.decoded(binned.words, binned.columns), expected)
    rows = np.arange(0, 900, 7)
    some = rows_of(binned, rows)
    np.testing.assert_array_equal(oracle.decoded(some.words, some.columns), expected[rows])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from([np.float32, np.float64]))
def test_a_sparse_table_has_the_bins_of_the_dense_one(seed, dtype):
    random = np.random.default_rng(seed)
    n = int(random.integers(5, 300))
    X = random.standard_normal((n, 12)).round(int(random.integers(0, 4)))
    X[random.random(X.shape) < random.random(12)] = 0
    X[random.random(X.shape) < 0.02] = np.nan
    X[random.random(X.shape) < 0.01] = -np.inf
    X[:, 3] = random.integers(-2, 6, n) * (random.random(n) < 0.5)
    X = X.astype(dtype)
    options = Binning(
        categories=(*[None] * 3, np.array([-1.0, 0.0, 3.0])[seed % 2 :], *[None] * 8),
        max_bins=int(random.integers(2, 256)),
        seed=0,
    )
    rows = np.flatnonzero(random.random(n) < 0.8)
    weight = random.integers(1, 4, len(rows)).astype(float) if seed % 3 else None
    found = []
    for kind in ("dense", "sparse"):
        source = source_of(kind, X)
        mapper = source.mapper(options, rows, weight, 1)
        with Threads(1) as threads:
            for may_share in (False, True):
                binned = source.binned(mapper, threads, may_share=may_share)
                found.append(oracle.decoded(binned.words, binned.columns))
    for bins in found:
        np.testing.assert_array_equal(bins, bins_of(X, mapper))


@pytest.mark.parametrize("value", [1.0, np.nan])
@pytest.mark.parametrize("kind", ["dense", "blocks"])
def test_a_row_outside_of_the_sample_that_clashes_is_respected(monkeypatch, kind, value):
    X, _ = one_hot(3000)
    monkeypatch.setattr("skextras.boosting.sources.SAMPLE", 100)
    monkeypatch.setattr("skextras.boosting.sources.FEW", 100)
    mapper = mapper_of(X)
    X[1111, 8:10] = value  # of the second category; one of them may keep its place, unless missing
    with Threads(2) as threads:
        binned = source_of(kind, X, n_sampled=100).binned(mapper, threads)
    np.testing.assert_array_equal(oracle.decoded(binned.words, binned.columns), bins_of(X, mapper))
    assert not binned.columns.is_shared[9]
    assert binned.columns.is_shared[[7, 10]].all()


def test_a_table_without_sparse_features_is_left_as_it_is():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 9))
    X[:, 4:] = rng.integers(0, 5, (500, 5))
    with Threads(1) as threads:
        assert DenseSource(X).binned(mapper_of(X), threads).sharing is None


# ------------------------------------------------------------ models
VARIANTS = {
    "plain": {},
    "stops early": {"early_stopping": True},
    "goss": {"sampling": "goss", "learning_rate": 0.5},
    "subsample": {"subsample": 0.5, "max_features": 0.5},
    "dart": {"boosting": "dart", "skip_drop": 0.0},
    "l1, rising": {"l1_regularization": 2.0, "monotonic_cst": [1, 0, -1, *[1] * 15]},
    "interactions": {"interaction_cst": "pairwise"},
}


@pytest.mark.parametrize("options", VARIANTS.values(), ids=list(VARIANTS))
@pytest.mark.parametrize("weighted", [False, True])
def test_a_model_is_the_same_bit_for_bit(alone, options, weighted):
    X, score = one_hot()
    X[::50, 1] = np.nan
    cuts = [0.5] if "monotonic_cst" in options else [0.3, 0.7]  # rising is for two classes
    y = np.digitize(score, np.quantile(score, cuts))
    weight = np.random.default_rng(2).integers(0, 4, len(y)) if weighted else None
    model = GradientBoostingClassifier(**{**QUICK, **options})
    expected = alone(lambda: model.fit(X, y, sample_weight=weight).predict_proba(X))
    np.testing.assert_array_equal(model.fit(X, y, sample_weight=weight).predict_proba(X), expected)


@pytest.mark.parametrize("kind", ["sparse", "blocks"])
def test_rows_that_are_not_in_one_array_give_the_same_model(kind):
    X, y = one_hot()
    given = (sparse.csr_matrix(X), y)
    if kind == "blocks":
        given = (list(zip(np.array_split(X, 5), np.array_split(y, 5), strict=True)), None)
    expected = GradientBoostingRegressor(**QUICK).fit(X, y).predict(X)
    np.testing.assert_array_equal(
        GradientBoostingRegressor(**QUICK).fit(*given).predict(X), expected
    )


def test_rows_to_stop_on_may_be_what_no_training_row_is(alone):
    X, y = one_hot()
    X_val, y_val = one_hot(300, seed=5)
    X_val[::3, 2:] = 1  # all categories at once
    X_val[1::9, 4] = np.nan
    model = GradientBoostingRegressor(**QUICK, early_stopping=True)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    plain = GradientBoostingRegressor(**QUICK, early_stopping=True)
    alone(lambda: plain.fit(X, y, X_val=X_val, y_val=y_val))
    np.testing.assert_array_equal(model.validation_score_, plain.validation_score_)


def test_a_warm_start_may_go_on_with_rows_that_clash(alone):
    X, y = one_hot()
    other = X.copy()
    other[::4, 2:12] = 1
    other[1::4, 7] = np.nan

    def models():
        model = GradientBoostingRegressor(**QUICK, warm_start=True, early_stopping=False)
        model.fit(X, y).set_params(max_iter=12).fit(other, y).set_params(max_iter=15).fit(X, y)
        return model

    assert same(models(), alone(models))
