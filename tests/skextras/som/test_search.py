"""The search: brute force in float64 with ties to the lowest unit, whatever the route."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skextras.som import search
from skextras.som.search import METRICS, Codebook, rows_of
from tests.oracles import som as oracle


def near_ties(random, n, n_units, n_features, dtype):
    """Rows and units of which many are equal, or nearly so, far from the origin or not."""
    offset = random.choice([0.0, 3.0, 1e4])
    W = np.round(random.standard_normal((n_units, n_features)), int(random.integers(0, 4))) + offset
    W[random.integers(0, n_units, n_units // 3)] = W[0]
    X = np.round(random.standard_normal((n, n_features)), 1) + offset
    X[::3] = W[random.integers(0, n_units, len(X[::3]))]
    X[1::5] = (W[random.integers(0, n_units, len(X[1::5]))] + W[0]) / 2
    return np.ascontiguousarray(X.astype(dtype)), W.astype(dtype).astype(np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_best=st.sampled_from([1, 2]))
def test_units_are_those_of_brute_force(dtype, seed, n_best):
    random = np.random.default_rng(seed)
    n_units = int(random.integers(2, 150))
    X, W = near_ties(
        random, int(random.integers(1, 60)), n_units, int(random.integers(1, 9)), dtype
    )
    found, _ = Codebook(W).nearest(X, n_best=n_best)
    np.testing.assert_array_equal(found, oracle.nearest(X, W, n_best=n_best))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), metric=st.sampled_from(["euclidean", "manhattan"]))
@example(seed=43, metric="manhattan")  # two sums that are equal only when they are scaled
def test_missing_values_do_not_count(seed, metric):
    random = np.random.default_rng(seed)
    X, W = near_ties(random, 40, int(random.integers(2, 80)), 5, np.float64)
    X[random.random(X.shape) < 0.3] = np.nan
    X[:, 0] = np.where(np.isnan(X).all(axis=1), 1.0, X[:, 0])
    found, distances = Codebook(W, metric).nearest(X, n_best=2, with_distance=True)
    np.testing.assert_array_equal(found, oracle.nearest(X, W, metric, n_best=2))
    known = (~np.isnan(X)).sum(axis=1)
    sums = [oracle.score(x, W[j], metric) for x, j in zip(X, found[:, 0], strict=True)]
    expected = np.array(sums) * 5 / known
    np.testing.assert_allclose(distances, np.sqrt(expected) if metric == "euclidean" else expected)


@pytest.mark.parametrize("metric", METRICS)
def test_all_metrics_equal_their_definition(metric):
    random = np.random.default_rng(0)
    X, W = random.standard_normal((50, 6)) + 1, random.standard_normal((70, 6)) + 1
    X[3], X[4], W[5] = 0.0, 2.0, 0.0  # no direction; no variance
    expected = np.array([[oracle.score(x, w, metric) for w in W] for x in X])
    expected = np.sqrt(expected) if metric == "euclidean" else expected
    book = Codebook(W, metric)
    np.testing.assert_allclose(book.distances(X), expected, atol=1e-12)
    found, distances = book.nearest(X, n_best=2, with_distance=True)
    np.testing.assert_array_equal(
        found, np.argsort(expected.round(12), axis=1, kind="stable")[:, :2]
    )
    np.testing.assert_allclose(distances, expected.min(axis=1), atol=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-30, 1.0, 1e18, 1e30, 1e120])
def test_numbers_beyond_the_range_of_float32_are_compared_exactly(scale):
    random = np.random.default_rng(1)
    X, W = near_ties(random, 30, 40, 3, np.float64)
    if scale < 1e-150:  # squares vanish: all distances are 0 for brute force too
        X, W = X * 1e20, W * 1e20
    found, _ = Codebook(W * scale).nearest(X * scale)
    np.testing.assert_array_equal(found, oracle.nearest(X * scale, W * scale))
    far = np.full((1, 3), 1e25)
    np.testing.assert_array_equal(Codebook(W).nearest(far)[0], oracle.nearest(far, W))


def test_few_rows_need_a_second_look_and_blocks_change_nothing(monkeypatch):
    random = np.random.default_rng(2)
    X = random.standard_normal((700, 8)).astype(np.float32)
    book = Codebook(random.standard_normal((200, 8)))
    again = []
    original = search.settle_rows
    monkeypatch.setattr(
        search, "settle_rows", lambda X, *a: again.append(len(X)) or original(X, *a)
    )
    together, _ = book.nearest(X)
    assert sum(again) < 0.01 * len(X)
    alone = np.vstack([book.nearest(X[i : i + 1])[0] for i in range(len(X))])
    np.testing.assert_array_equal(alone, together)
    monkeypatch.setattr(search, "CELLS", 1)
    np.testing.assert_array_equal(book.nearest(X)[0], together)


def test_rows_are_views_where_they_can_be():
    X = np.zeros((10, 3), np.float32)
    assert np.shares_memory(rows_of(X, slice(2, 5)), X)
    assert rows_of(np.zeros((4, 2), np.int64), slice(0, 4)).dtype == np.float64
    assert rows_of(np.asfortranarray(X), slice(2, 5)).flags.c_contiguous
