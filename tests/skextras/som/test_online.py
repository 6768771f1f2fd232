"""Kohonen's own algorithm: a row, then the next; MiniSom's update to float accuracy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from skextras import SelfOrganizingMap
from skextras.som.online import SHAPES, Steps, learn_online
from skextras.som.search import METRICS
from tests.oracles import som as oracle
from tests.skextras.som.test_grid import grids


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    grid=grids(),
    neighborhood=st.sampled_from(sorted(SHAPES)),
    metric=st.sampled_from(sorted(METRICS)),
    missing=st.sampled_from([0.0, 0.2]),
)
def test_an_epoch_is_the_rule_row_by_row(seed, grid, neighborhood, metric, missing):
    random = np.random.default_rng(seed)
    X, W = random.standard_normal((25, 4)), random.standard_normal((grid.n_units, 4))
    if metric in ("euclidean", "manhattan"):
        X[:, 1:][random.random((25, 3)) < missing] = np.nan
    steps = Steps(np.linspace(2.5, 0.0, 25), np.linspace(0.5, 0.1, 25))
    weights = random.integers(0, 3, 25).astype(float)
    expected = oracle.online_epoch(X, W, grid, neighborhood, steps, weights, metric)
    own = learn_online(W, grid, X, weights, steps, metric=metric, neighborhood=neighborhood)
    np.testing.assert_allclose(own, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("neighborhood", "rate"),
    [("gaussian", 0.4), ("mexican_hat", 0.01)],  # (a hat of 0.4 drives both maps off)
)
def test_the_map_is_that_of_minisom(neighborhood, rate):
    minisom = pytest.importorskip("minisom", reason="a peer that only `make bench` installs")
    X = np.random.default_rng(0).standard_normal((300, 5))
    peer = minisom.MiniSom(
        6,
        7,
        5,
        sigma=2.5,
        learning_rate=rate,
        decay_function="linear_decay_to_zero",
        sigma_decay_function="linear_decay_to_one",
        neighborhood_function=neighborhood,
        random_seed=0,
    )
    start = peer.get_weights().copy()
    peer.train(X, 300)

    def decay(start, end, share):
        return start + (end - start) * share * 299 / 300  # MiniSom never reaches the end

    own = SelfOrganizingMap(
        (6, 7),
        algorithm="online",
        n_epochs=1,
        radius=(2.5, 1),
        learning_rate=(rate, 0),
        decay=decay,
        neighborhood=neighborhood,
        init=start,
    ).fit(X)
    np.testing.assert_allclose(own.weights_, peer.get_weights(), rtol=1e-9, atol=1e-11)


def test_one_unit_is_a_running_mean():
    X = np.random.default_rng(1).standard_normal((50, 3))

    def harmonic(start, end, share):
        return 1 / (1 + round(share * 49)) if start == 1 else 0.0

    som = SelfOrganizingMap(
        (1, 1), algorithm="online", n_epochs=1, learning_rate=(1, 0.1), decay=harmonic
    )
    np.testing.assert_allclose(som.fit(X).weights_[0, 0], X.mean(axis=0))


def test_the_order_of_the_rows_counts_and_their_storage_does_not():
    X = np.random.default_rng(2).standard_normal((100, 4))
    X[np.abs(X) < 0.8] = 0
    som = SelfOrganizingMap((4, 4), algorithm="online", n_epochs=2)
    W = som.fit(X).weights_
    # (the plane to start from is summed in another order)
    np.testing.assert_allclose(som.fit(sparse.csr_array(X)).weights_, W, atol=1e-12)
    np.testing.assert_allclose(som.fit(X.astype(np.float32)).weights_, W, atol=1e-5)
    assert np.abs(som.fit(X[::-1]).weights_ - W).max() > 1e-3


def test_a_mini_batch_of_all_rows_at_rate_1_is_a_batch_epoch():
    X = np.random.default_rng(3).standard_normal((90, 3))
    options = {"shape": (4, 5), "n_epochs": 6, "learning_rate": (1, 1)}
    batch = SelfOrganizingMap(**options).fit(X)
    mini = SelfOrganizingMap(**options, algorithm="minibatch", batch_size=90).fit(X)
    np.testing.assert_allclose(mini.weights_, batch.weights_, atol=1e-12)


@pytest.mark.parametrize("algorithm", ["online", "minibatch"])
def test_algorithms_of_small_steps_find_clusters(algorithm):
    random = np.random.default_rng(4)
    centres = np.array([[5, 0], [-5, 0], [0, 5], [0, -5]])
    X = np.vstack([random.standard_normal((80, 2)) * 0.3 + centre for centre in centres])
    X = random.permutation(X)
    som = SelfOrganizingMap((2, 2), algorithm=algorithm, batch_size=32, radius=(1, 0.2)).fit(X)
    assert som.quantization_error_ < 0.6
    streamed = SelfOrganizingMap((2, 2), algorithm=algorithm, batch_size=32, radius=(1, 0.2))
    for start in range(0, 320, 16):
        streamed.partial_fit(X[start : start + 16])
    assert -streamed.score(X) < 1
