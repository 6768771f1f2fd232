"""Sparse rows: what dense rows give, from the stored values alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from skextras import SelfOrganizingMap
from skextras.som.batch import tally
from skextras.som.search import METRICS, Codebook
from skextras.som.stored import StoredRows
from tests.oracles import som as oracle

ALL = slice(None)


def sparse_table(random, n, d, dtype):
    """Rows with empty ones, explicit zeros, values out of order and values in two parts."""
    X = np.round(random.standard_normal((n, d)) * (random.random((n, d)) < 0.4), 1)
    X[::7] = 0.0
    row, column = np.nonzero(X)
    order = random.permutation(len(row) + 3)
    row = np.append(row, random.integers(0, n, 3))[order]  # zeros, beside values or alone
    column = np.append(column, random.integers(0, d, 3))[order]
    value = np.append(X[np.nonzero(X)], np.zeros(3))[order]
    by_row = np.argsort(row, kind="stable")
    half = np.repeat(value[by_row] / 2, 2).astype(dtype)
    indptr = np.append(0, 2 * np.cumsum(np.bincount(row, minlength=n)))
    return sparse.csr_array((half, np.repeat(column[by_row], 2), indptr), shape=(n, d))


def near_units(random, dense, n_units):
    """Units of which some are equal to others, to rows, or midway between rows."""
    W = dense[random.integers(0, len(dense), n_units)].astype(np.float64)
    W[1::3] = (W[1::3] + W[0]) / 2
    W[2::5] += random.standard_normal(W[2::5].shape)
    return W


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    metric=st.sampled_from(["euclidean", "cosine"]),
    offset=st.sampled_from([0.0, 1.0, 1e4]),
)
def test_stored_values_give_what_dense_rows_give(dtype, seed, metric, offset):
    random = np.random.default_rng(seed)
    n, d = int(random.integers(1, 60)), int(random.integers(1, 40))
    X = sparse_table(random, n, d, dtype)
    X.data[X.data != 0] += dtype(offset)
    dense, before = X.toarray(), [part.copy() for part in (X.data, X.indices, X.indptr)]
    weights = random.random(n)
    book = Codebook(near_units(random, dense, int(random.integers(2, 150))), metric)
    part = book.part(X, ALL)
    assert isinstance(part, StoredRows)
    for n_best in (1, 2):
        found, distances = book.nearest(part, n_best=n_best, with_distance=True)
        expected, far = book.nearest(dense, n_best=n_best, with_distance=True)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_allclose(distances, far, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(book.distances(part), book.distances(dense), rtol=1e-11, atol=1e-14)
    own, other = tally(book, X, weights), tally(book, dense, weights)
    np.testing.assert_array_equal(own.sums, other.sums)
    np.testing.assert_array_equal(own.counts, other.counts)
    for array, copy in zip((X.data, X.indices, X.indptr), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_best=st.sampled_from([1, 2]))
def test_units_are_those_of_brute_force(seed, n_best):
    random = np.random.default_rng(seed)
    X = sparse_table(random, 30, 6, np.float64)
    W = near_units(random, X.toarray(), int(random.integers(2, 80)))
    book = Codebook(W)
    found, _ = book.nearest(book.part(X, ALL), n_best=n_best)
    np.testing.assert_array_equal(found, oracle.nearest(X.toarray(), W, n_best=n_best))


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e18, 1e30, 1e120])
def test_numbers_beyond_the_range_of_float32_are_compared_exactly(scale):
    random = np.random.default_rng(1)
    X = sparse_table(random, 40, 5, np.float64)
    W = near_units(random, X.toarray(), 30) * scale
    X = X * scale
    book = Codebook(W)
    found, _ = book.nearest(book.part(X, ALL))
    np.testing.assert_array_equal(found, book.nearest(X.toarray())[0])


def test_some_rows_of_a_table_are_views_of_it():
    random = np.random.default_rng(4)
    X = sparse.random_array((100, 30), density=0.3, format="csr", rng=random)
    for matrix in (X, X[::-1]):
        part = StoredRows.of(matrix, slice(20, 50))
        np.testing.assert_array_equal(part.dense(np.arange(30)), matrix.toarray()[20:50])
    assert np.shares_memory(StoredRows.of(X, slice(20, 50)).data, X.data)
    X.indices[:2] = X.indices[1::-1]  # out of order
    X = sparse.csr_array((X.data, X.indices, X.indptr), shape=X.shape)
    expected = X.toarray()[:9]
    np.testing.assert_array_equal(StoredRows.of(X, slice(0, 9)).dense(np.arange(9)), expected)
    assert X.indices[0] > X.indices[1]  # what was given is as it was


def test_few_rows_are_made_dense(monkeypatch):
    random = np.random.default_rng(2)
    X = sparse.random_array((1000, 50), density=0.2, format="csr", rng=random)
    book, again = Codebook(random.standard_normal((200, 50))), []
    original = StoredRows.dense
    monkeypatch.setattr(
        StoredRows, "dense", lambda self, rows: again.append(len(rows)) or original(self, rows)
    )
    book.nearest(book.part(X, ALL))
    assert sum(again) < 10
    W = np.zeros((3, 50))  # all rows are in doubt: a few at a time
    found, _ = Codebook(W).nearest(book.part(X, ALL))
    assert not found.any()


def test_bits_do_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr("skextras.som.search.STRIPE", 64)
    X = sparse_table(np.random.default_rng(3), 1000, 20, np.float32)
    one, three = (
        SelfOrganizingMap((4, 5), n_epochs=3, n_jobs=n_jobs, random_state=0).fit(X)
        for n_jobs in (1, 3)
    )
    np.testing.assert_array_equal(one.weights_, three.weights_)
    np.testing.assert_array_equal(one.labels_, three.labels_)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_makes_the_same_map(metric):
    X = sparse_table(np.random.default_rng(4), 200, 8, np.float64)
    options = {"metric": metric, "n_epochs": 3, "init": "sample", "random_state": 0}
    som = SelfOrganizingMap((3, 4), **options).fit(X)
    dense = SelfOrganizingMap((3, 4), **options).fit(X.toarray())
    np.testing.assert_allclose(som.weights_, dense.weights_, atol=1e-12)
    np.testing.assert_array_equal(som.predict(X), dense.labels_)
    np.testing.assert_allclose(som.transform(X), dense.transform(X.toarray()), atol=1e-11)
    np.testing.assert_allclose(som.score_samples(X), dense.score_samples(X.toarray()), atol=1e-11)


def test_stored_missing_values_are_left_out():
    X = sparse_table(np.random.default_rng(5), 100, 6, np.float64)
    X.sum_duplicates()
    X.data[::9] = np.nan
    dense = SelfOrganizingMap((3, 4), n_epochs=3).fit(X.toarray())
    som = SelfOrganizingMap((3, 4), n_epochs=3).fit(X)
    np.testing.assert_allclose(som.weights_, dense.weights_, atol=1e-12)
    np.testing.assert_array_equal(som.labels_, dense.labels_)
