"""The kernels of DDPG beside autograd, on random networks and data."""

from itertools import pairwise
from threading import Thread

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from rlextras.kernels import deterministic
from rlextras.kernels.actor_critic import BIAS, N_OUT, blueprint
from rlextras.kernels.plan import IDENTITY, RELU, TANH, Layer
from rlextras.kernels.teams import ALONE, BELL, CLOSED, HELP, LEAD
from tests.oracles.rlextras_deterministic import run, twin_of_updates

SLOPE, N_ROWS, NONE = 0.3, 60, np.empty(0, np.float32)
# An epsilon well above the rounding of gradients: below it Adam steps by their mere sign.
OF_ACTOR, OF_CRITICS = (1e-3, 0.9, 0.999, 1e-3, 0), (2e-3, 0.8, 0.99, 2e-3, 0)


def layers(widths, activation, last):
    kinds = [activation] * (len(widths) - 2) + [last]
    pairs = zip(pairwise(widths), kinds, strict=True)
    return [Layer(n_in=a, n_out=b, activation=kind, slope=SLOPE) for (a, b), kind in pairs]


def drawn_storage(rng, n_seen, n_actions, *, is_full):
    """Transitions, with discounts and weights of their own or without."""

    def rows(n):
        return rng.normal(size=(N_ROWS, n)).astype(np.float32)

    def column():
        return rng.random(N_ROWS).astype(np.float32)

    flags = [(column() < 0.3).astype(np.float32) for _ in range(2)]
    optional = (column(), column()) if is_full else (NONE, NONE)
    return (rows(n_seen), rows(n_actions), rows(n_seen)), (column(), *flags, *optional)


def silence(memory, plan, rng, share):
    """Give a share of the hidden units biases that no sample overcomes."""
    last = {int(end) - 1 for end in plan.ends}
    for i, layer in enumerate(plan.table):
        if i not in last:
            biases = memory[..., layer[BIAS] : layer[BIAS] + layer[N_OUT]]
            biases[rng.random(biases.shape) < share] = -1e3


@settings(deadline=None, max_examples=60)
@example([25, 23, 38], 2, 1, 1, 2, 31, False, False, 0.0, 0)
@example([60, 60], RELU, 3, 1, 1, 150, False, True, 0.6, 0)
@example([60, 60], RELU, 3, 2, 2, 150, True, True, 0.6, 0)
@given(
    st.lists(st.integers(1, 60), max_size=3),
    st.integers(0, 5),
    st.integers(1, 9),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from([1, 31, 32, 70, 150]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 0.6, 1.0]),
    st.integers(0, 2**32 - 1),
)
def test_three_updates_are_those_of_autograd(
    hidden, activation, n_seen, n_actions, n_critics, size, is_full, has_order, share, seed
):
    rng, delay = np.random.default_rng(seed), 1 + seed % 2
    actor = layers([n_seen, *hidden, n_actions], activation, TANH)
    critics = [layers([n_seen + n_actions, *hidden, 1], activation, IDENTITY)] * n_critics
    plan = blueprint(actor, critics, size)
    n_parameters = sum(layer.n_out * (layer.n_in + 1) for net in (actor, *critics) for layer in net)
    memory = np.zeros((4, n_parameters), np.float32)
    memory[:2] = 0.5 * rng.normal(size=(2, n_parameters))
    silence(memory[:2], plan, rng, share if activation == RELU else 0.0)
    storage = drawn_storage(rng, n_seen, n_actions, is_full=is_full)
    indices = rng.integers(N_ROWS, size=(3, size))
    noise = rng.normal(size=(3, size, n_actions)).astype(np.float32)
    noise = noise if is_full else np.empty((3, 0, 0), np.float32)
    settings_ = np.array([0.9, 0.1, 0.4, delay, 0, *OF_ACTOR, *OF_CRITICS])
    expected, losses, far = twin_of_updates(
        memory, (actor, *critics), storage, indices, noise, settings_, SLOPE
    )
    told, errors = np.zeros((3, plan.n_panels, 2)), np.empty((3, size), np.float32)
    sizes = (plan.n_deltas * plan.n_panels, plan.n_inputs, plan.n_work)
    field = tuple(np.full(n, np.nan, np.float32) for n in sizes)
    words = np.zeros(deterministic.count_words(3), np.int64)
    order = np.empty((3, size) if has_order else (0, 0), np.int64)
    given_ = (*storage, indices.copy(), noise.copy(), settings_, field, words, told, errors, order)
    deterministic.update(memory.reshape(-1), plan.table, plan.ends, *given_, ALONE)
    assert_close(torch.from_numpy(memory[:2]), expected, atol=2e-5, rtol=1e-4)
    assert_close(told[:, 0], losses, atol=1e-4, rtol=1e-3)
    assert_close(errors, far, atol=1e-4, rtol=1e-3)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 40), max_size=3),
    st.integers(0, 5),
    st.integers(1, 19),
    st.sampled_from([1, 3, 4, 33, 130]),
    st.sampled_from([0.0, 0.6, 1.0]),
    st.integers(0, 2**32 - 1),
)
def test_the_actor_is_its_twin_for_few_rows_and_for_panels(
    hidden, activation, n_seen, n, share, seed
):
    rng = np.random.default_rng(seed)
    actor = layers([n_seen, *hidden, 2], activation, TANH)
    critic = layers([n_seen + 2, 1], activation, IDENTITY)
    plan = blueprint(actor, [critic], 1)
    n_parameters = sum(layer.n_out * (layer.n_in + 1) for layer in (*actor, *critic))
    theta = (0.5 * rng.normal(size=n_parameters)).astype(np.float32)
    silence(theta, plan, rng, share if activation == RELU else 0.0)
    seen = rng.normal(size=(n, n_seen)).astype(np.float32)
    bounds = np.sort(rng.normal(size=(2, 2)), axis=0).astype(np.float32) + np.float32([[0], [0.5]])
    out, work = np.empty((3, n, 2), np.float32), np.full(plan.n_work, np.nan, np.float32)
    deterministic.act(theta, plan.table, plan.ends[0], seen, bounds, out, work)
    expected = run(torch.from_numpy(theta), 0, actor, torch.from_numpy(seen), SLOPE)
    low, high = torch.from_numpy(bounds)
    assert_close(torch.from_numpy(out[1]), expected, atol=2e-5, rtol=2e-5)
    expected = low + (0.5 * (expected + 1.0) * (high - low))
    assert_close(torch.from_numpy(out[0]), expected, atol=1e-4, rtol=1e-4)
    scaled = 2.0 * ((out[0] - bounds[0]) / (bounds[1] - bounds[0])) - 1.0  # the host's order
    np.testing.assert_array_equal(out[1], scaled)
    again = bounds[0] + (0.5 * (scaled + 1.0) * (bounds[1] - bounds[0]))
    np.testing.assert_array_equal(out[2], again)


def a_task(n_updates=2, size=150, delay=2):
    """Arguments of ``update`` but the work and the role, and how much work a thread needs."""
    rng = np.random.default_rng(3)
    actor, critic = layers([3, 40, 30, 2], 2, TANH), layers([5, 40, 30, 1], 2, IDENTITY)
    plan = blueprint(actor, [critic], size)
    n_parameters = sum(layer.n_out * (layer.n_in + 1) for layer in (*actor, *critic))
    memory = np.zeros((4, n_parameters), np.float32)
    memory[:2] = 0.3 * rng.normal(size=(2, n_parameters))
    storage = drawn_storage(rng, 3, 2, is_full=False)
    indices = rng.integers(N_ROWS, size=(n_updates, size))
    settings_ = np.array([0.9, 0.1, 0.4, delay, 0, *OF_ACTOR, *OF_CRITICS])
    shared = [np.zeros(n, np.float32) for n in (plan.n_deltas * plan.n_panels, plan.n_inputs)]
    words = np.zeros(deterministic.count_words(n_updates), np.int64)
    order = np.empty((n_updates, size), np.int64)
    told, errors = np.zeros((n_updates, plan.n_panels, 2)), np.empty((n_updates, size), np.float32)
    noise = np.empty((n_updates, 0, 0), np.float32)

    def call(role):
        field = (*shared, np.zeros(plan.n_work, np.float32))
        given_ = (*storage, indices, noise, settings_, field, words, told, errors, order)
        deterministic.update(memory.reshape(-1), plan.table, plan.ends, *given_, role)

    return call, memory, settings_, words


def test_helpers_change_no_bit_of_any_call():
    results = []
    for n_helpers in (0, 1, 3):
        call, memory, settings_, words = a_task()
        helpers = [Thread(target=call, args=(HELP,)) for _ in range(n_helpers)]
        for helper in helpers:
            helper.start()
        for n_before in range(0, 60, 2):
            settings_[deterministic.N_BEFORE] = n_before
            settings_[deterministic.ACTOR_ADAM + 4] = n_before // 2
            settings_[deterministic.CRITIC_ADAM + 4] = n_before
            call(LEAD if n_helpers else ALONE)
        words[BELL] = CLOSED
        for helper in helpers:
            helper.join()
        results.append(memory.copy())
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_who_comes_late_finds_nothing_to_do(delay):
    call, memory, settings_, _ = a_task(delay=delay)
    call(LEAD)
    before = memory.copy()
    settings_[deterministic.N_BEFORE] += 1  # now the actor would be due in other updates
    settings_[deterministic.ACTOR_ADAM :: 5] = 1.0  # and all steps would be large
    call(HELP)  # in the round that is over; returns when it has waited for the next one
    np.testing.assert_array_equal(memory, before)


def test_a_helper_leaves_when_it_is_told_to():
    call, memory, _, words = a_task()
    before, words[BELL] = memory.copy(), CLOSED
    call(HELP)
    np.testing.assert_array_equal(memory, before)
