"""The kernels of GRPO beside autograd, on random networks and episodes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from rlextras.kernels.group_objectives import MIRROR, SEQUENCE, TOKEN
from rlextras.kernels.grouped import CHUNK, epoch
from rlextras.kernels.plan import GAUSSIAN
from tests.oracles.rlextras_kernels import Twin, grouped_loss
from tests.rlextras.kernels.networks import HEADS, SLOPE, actor, made, networks, rollout

CLOSE = {"atol": 2e-4, "rtol": 2e-4}  # float32; log-probabilities of 100 have five digits left


def episodes(rng, n_rows):
    """Lengths that sum to a number of rows."""
    lengths = []
    while sum(lengths) < n_rows:
        lengths.append(int(rng.integers(1, 40)))
    lengths[-1] -= sum(lengths) - n_rows
    return np.array(lengths)


def filled(table, theta, rng, n_rows, lengths):
    """Rows whose old and reference policies are near the present one; advantages by episode."""
    rows, n = rollout(table, rng, n_rows), table[1, 0] + table[0, 1]
    with torch.no_grad():
        inputs, actions = (
            torch.from_numpy(each) for each in np.split(rows[:, :n], [table[1, 0]], 1)
        )
        log_prob = Twin(theta, table, SLOPE).log_prob(inputs, actions).numpy()
    rows[:, n + 1] = log_prob + 0.2 * rng.standard_normal(n_rows)
    rows[:, n + 2] = log_prob + 0.3 * rng.standard_normal(n_rows)
    per_episode = rng.standard_normal(len(lengths)), rng.random(len(lengths)) + 0.5
    for column, values in zip((n, n + 3), per_episode, strict=True):
        rows[:, column] = np.repeat(values, lengths)
    return rows


def options_of(mode, *, estimator=3):
    """Options of the objective."""
    return {
        "clip_low": 0.1,
        "clip_high": 0.25,
        "ent_coef": 0.05,
        "beta": 0.3,
        "estimator": estimator,
        "mode": mode,
        "tau": 0.4,
    }


def numbers(options, max_norm=np.inf):
    """Settings of an epoch."""
    return np.array([3e-4, 0.9, 0.999, 1e-5, 0.0, max_norm, *options.values()])


@settings(deadline=None, max_examples=60)
@given(
    networks(),
    st.sampled_from([TOKEN, SEQUENCE, MIRROR]),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([7, 96, CHUNK + 50]),
)
def test_a_step_goes_down_the_twins_gradient(network, mode, estimator, n_rows):
    table, theta, rng = actor(network)
    theta *= 0.5
    lengths = episodes(rng, n_rows)
    rows = filled(table, theta, rng, n_rows, lengths)
    options = {
        "clip_low": 0.1,
        "clip_high": 0.25,
        "ent_coef": 0.05,
        "beta": 0.3,
        "estimator": estimator,
        "mode": mode,
        "tau": 0.4,
    }
    twin = Twin(theta, table, SLOPE)
    expected = grouped_loss(twin, torch.from_numpy(rows), lengths, **options)
    expected.backward()
    memory = np.zeros((4, theta.size), np.float32)
    memory[0] = theta
    cuts = np.array([0, n_rows])
    [told] = epoch(memory, table, rows, cuts, lengths, numbers(options))
    scale = 1 + twin.theta.grad.abs().max()
    assert_close(torch.from_numpy(memory[1]) / scale, twin.theta.grad / scale, **CLOSE)
    assert told[-1] == pytest.approx(expected.item(), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("head", HEADS, ids=str)
@pytest.mark.parametrize("mode", [TOKEN, SEQUENCE, MIRROR])
def test_parameters_after_many_minibatches_are_torchs(head, mode):
    table, theta, rng = actor(networks_of(head))
    lengths = np.full(64, 16)
    rows = filled(table, theta, rng, 1024, lengths)
    options = {
        "clip_low": 0.2,
        "clip_high": 0.2,
        "ent_coef": 0.01,
        "beta": 0.1,
        "estimator": 3,
        "mode": mode,
        "tau": 1.0,
    }
    twin = Twin(theta.copy(), table, SLOPE)
    optimizer = torch.optim.Adam([twin.theta], lr=3e-4, eps=1e-5)
    memory = np.zeros((4, theta.size), np.float32)
    memory[0] = theta
    told = epoch(memory, table, rows, np.arange(0, 1025, 64), lengths, numbers(options, 0.5))
    for start in range(0, 1024, 64):
        optimizer.zero_grad()
        part = torch.from_numpy(rows[start : start + 64])
        grouped_loss(twin, part, lengths[:4], **options).backward()
        torch.nn.utils.clip_grad_norm_([twin.theta], 0.5)
        optimizer.step()
    assert len(told) == 16
    assert_close(torch.from_numpy(memory[0]), twin.theta.detach(), atol=2e-5, rtol=1e-4)


def networks_of(head):
    """A network with two layers for a head."""
    return made(head, [32, 32], 1, 5, seed=1)


def test_a_step_that_counts_nothing_changes_nothing():
    table, theta, rng = actor(networks_of((GAUSSIAN, [1, 1])))
    lengths = np.full(4, 5)
    rows = filled(table, theta, rng, 20, lengths)
    rows[:, -1] = 0.0
    options = {
        "clip_low": 0.2,
        "clip_high": 0.2,
        "ent_coef": 0.0,
        "beta": 0.1,
        "estimator": 3,
        "mode": TOKEN,
        "tau": 1.0,
    }
    memory = np.zeros((4, theta.size), np.float32)
    memory[0] = theta
    epoch(memory, table, rows, np.array([0, 20]), lengths, numbers(options))
    assert np.array_equal(memory[0], theta)
