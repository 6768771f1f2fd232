"""The order of samples beside its twin, and on samples that no order fits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import types

from rlextras.kernels.compiler import BLOCK, INDICES, MATRIX, TABLE, entry
from rlextras.kernels.neighbours import arrange, find_order, restore
from rlextras.kernels.teams import ALONE, WORDS, begin
from rlextras.kernels.tiles import LANES
from tests.oracles.rlextras_neighbours import leaves


@entry(types.void(MATRIX, INDICES, INDICES, MATRIX, TABLE))
def _find(rows, batch, order, x, integers):
    find_order(rows, batch, order, (x, integers))


@entry(types.void(MATRIX, TABLE, BLOCK, TABLE, MATRIX, TABLE, INDICES))
def _arrange(rows, indices, noise, order, x, integers, words):
    number = begin(words, ALONE, np.int64(1), np.int64(0))
    arrange(rows, (indices, noise), order, (x, integers), words, number)


@entry(types.void(MATRIX, TABLE, MATRIX, TABLE))
def _restore(values, order, x, integers):
    restore(values, order, (x, integers))


def room(rows, size):
    return np.empty((1 + rows.shape[1], size), np.float32), np.empty((2, size), np.int64)


def order_of(rows, batch):
    order = np.full(len(batch), -1)
    _find(rows, batch, order, *room(rows, len(batch)))
    return order


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_samples_are_split_as_by_the_twin(n, width, seed):
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(400, width)) * 3.0 ** np.arange(width)).astype(np.float32)
    batch = rng.permutation(400)[:n]
    order = order_of(rows, batch)
    found = [set(order[start : start + LANES].tolist()) for start in range(0, n, LANES)]
    assert found == leaves(rows[batch], LANES)


@settings(deadline=None)
@given(
    st.integers(1, 200),
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1e30]),
    st.sampled_from([0.0, 0.2, 1.0]),
    st.integers(0, 2**32 - 1),
)
def test_every_sample_is_there_once_whatever_it_holds(n, value, share, seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(3, size=(n, 4)).astype(np.float32)
    rows[rng.random(rows.shape) < share] = value
    batch = rng.integers(n, size=n)
    np.testing.assert_array_equal(np.sort(order_of(rows, batch)), np.arange(n))


def test_samples_of_nothing_stay_as_they_come():
    order = order_of(np.empty((40, 0), np.float32), np.arange(40))
    np.testing.assert_array_equal(order, np.arange(40))


@pytest.mark.parametrize("n_actions", [0, 2])
def test_indices_and_noise_move_together_and_numbers_come_back(n_actions):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(90, 3)).astype(np.float32)
    indices = rng.integers(90, size=(2, 70))
    noise = rng.normal(size=(2, 70 if n_actions else 0, n_actions)).astype(np.float32)
    batches, order = (indices.copy(), noise.copy()), np.empty((2, 70), np.int64)
    words = np.zeros(2 * WORDS, np.int64)
    _arrange(rows, *batches, order, *room(rows, 70), words)
    for u in range(2):
        assert not np.array_equal(order[u], np.arange(70))
        np.testing.assert_array_equal(batches[0][u], indices[u][order[u]])
        if n_actions:
            np.testing.assert_array_equal(batches[1][u], noise[u][order[u]])
    values = batches[0].astype(np.float32)
    _restore(values, order, *room(rows, 70))
    np.testing.assert_array_equal(values, indices)
