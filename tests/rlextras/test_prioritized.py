"""Transitions are drawn in proportion to their priorities, from every kind of buffer."""

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.envs import BitFlippingEnv
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer
from torch.testing import assert_close

from rlextras import DDPG
from rlextras.kernels.priorities import assign, draw, levels, planted
from rlextras.offpolicy.prioritized import (
    PrioritizedDictReplayBuffer,
    PrioritizedHerReplayBuffer,
    PrioritizedNStepReplayBuffer,
    PrioritizedReplayBuffer,
)
from tests.oracles.rlextras_priorities import drawn
from tests.rlextras.test_ddpg import made, pendulum

BOX = spaces.Box(-1, 1, (2,))
N_ROWS = 12


@settings(deadline=None)
@given(st.integers(1, 700), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_the_tree_draws_what_a_walk_along_the_sums_finds(n, size, seed):
    rng = np.random.default_rng(seed)
    tree, starts, priorities = planted(n), levels(n), np.zeros(n)
    for _ in range(3):
        leaves = rng.integers(n, size=5)
        values = rng.integers(0, 9, size=5) / 8.0  # sums without rounding
        assign(tree, starts, leaves, values)
        for leaf, value in zip(leaves, values, strict=True):
            priorities[leaf] = value
    assert tree[-1] == priorities.sum()
    assert np.array_equal(tree[:n], priorities)
    if not tree[-1]:
        return
    uniform, found = rng.integers(0, 16, size=size) / 16.0, np.empty(size, np.int64)
    shares = np.empty(size, np.float32)
    draw(tree, starts, uniform.copy(), found, shares)
    assert_close(shares, (priorities[found] / priorities.sum()).astype(np.float32))
    assert (priorities[found] > 0).all()
    sums, sought = np.cumsum(priorities), (np.arange(size) + uniform) / size * priorities.sum()
    assert (sums[found] >= sought).all()
    assert (sums[found] - priorities[found] <= sought).all()
    if size & (size - 1) == 0:  # otherwise what is sought is rounded, and may lie on an edge
        assert np.array_equal(found, drawn(priorities, uniform))


@settings(deadline=None)
@given(st.integers(1, 10_000_000))
def test_a_tree_takes_ten_bytes_for_each_of_many(n):
    starts = levels(n)
    widths = np.diff(starts)
    assert (widths[1:] * 8 >= widths[:-1]).all()
    assert (widths[0] >= n, widths[-1]) == (True, 1)
    assert n < 1000 or 8 * starts[-1] < 10 * n


def test_frequencies_are_the_shares():
    rng, n = np.random.default_rng(0), 37
    tree, starts, priorities = planted(n), levels(n), rng.random(n)
    assign(tree, starts, np.arange(n), priorities)
    found, shares = np.empty(20_000, np.int64), np.empty(20_000, np.float32)
    draw(tree, starts, rng.random(20_000), found, shares)
    expected = 20_000 * priorities / priorities.sum()
    assert (np.abs(np.bincount(found, minlength=n) - expected) < 3).all()  # stratified


def filled(algorithm, n_envs=2, n_steps=17, **options):
    """A buffer that has been written around its end."""
    buffer = algorithm(N_ROWS * n_envs, BOX, BOX, "cpu", n_envs=n_envs, **options)
    rng = np.random.default_rng(1)
    for step in range(n_steps):
        seen, following, actions = rng.normal(size=(3, n_envs, 2)).astype(np.float32)
        dones = np.array([step % 5 == 4, step % 7 == 3][:n_envs])
        infos = [{"TimeLimit.truncated": bool(step % 2)} for _ in range(n_envs)]
        buffer.add(seen, following, actions, rng.normal(size=n_envs), dones, infos)
    return buffer


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (PrioritizedReplayBuffer, ReplayBuffer, {}),
        (
            PrioritizedReplayBuffer,
            ReplayBuffer,
            {"optimize_memory_usage": True, "handle_timeout_termination": False},
        ),
        (PrioritizedNStepReplayBuffer, NStepReplayBuffer, {"n_steps": 3, "gamma": 0.9}),
    ],
    ids=["plain", "one array", "n steps"],
)
def test_what_is_drawn_is_what_the_host_would_hand_out(ours, theirs, options, monkeypatch):
    mine, others = filled(ours, **options), filled(theirs, **options)
    samples, weights, leaves = mine.sample_weighted(30)
    rows, envs = leaves // 2, leaves % 2
    monkeypatch.setattr(np.random, "randint", lambda *_, **__: envs)  # the host draws these anew
    expected = others._get_samples(rows)
    for name in ("observations", "actions", "next_observations", "dones", "rewards"):
        assert_close(getattr(samples, name).double(), getattr(expected, name).double())
    if "n_steps" in options:
        assert_close(samples.discounts.double(), expected.discounts.double())
    assert (weights == 1).all()  # all are new


def test_weights_undo_the_choice():
    buffer = filled(PrioritizedReplayBuffer, alpha=1.0, beta=1.0)
    buffer.reprioritize(np.arange(24), np.arange(1.0, 25.0))
    _, weights, leaves = buffer.sample_weighted(50)
    assert_close(
        weights, (leaves.min() + 1.0) / (leaves + 1.0), atol=1e-5, rtol=0, check_dtype=False
    )
    assert buffer.largest == pytest.approx(24.0)
    assert buffer.tree.nbytes <= 16 * 24


def test_alpha_zero_draws_all_alike():
    buffer = filled(PrioritizedReplayBuffer, alpha=0.0)
    buffer.reprioritize(np.arange(24), np.arange(24.0))
    assert set(buffer.tree[:24]) == {1.0}


@pytest.mark.parametrize("backend", ["numba", "torch"])
@pytest.mark.parametrize("options", [{}, {"n_steps": 3}], ids=["one step", "n steps"])
def test_without_preference_ddpg_learns_from_weights_of_one(backend, options):
    kwargs = {"alpha": 0.0}
    more = {"prioritized": True, "replay_buffer_kwargs": kwargs, "backend": backend}
    model = DDPG("MlpPolicy", pendulum(2), **made(**more, **options)).learn(120)
    assert model._n_updates > 0
    assert np.ptp(model.replay_buffer.tree[: 2 * model.replay_buffer.pos]) == 0
    assert kwargs == {"alpha": 0.0}


@pytest.mark.parametrize("net_arch", [[16], [100, 104]], ids=["small", "arranged"])
def test_both_paths_learn_the_same(net_arch):
    states = []
    for backend in ("numba", "torch"):
        options = made(prioritized=True, backend=backend, policy_kwargs={"net_arch": net_arch})
        model = DDPG("MlpPolicy", pendulum(2), **options).learn(120)
        states.append(dict(model.policy.state_dict()))
        leaves = model.replay_buffer.tree[: model.replay_buffer.levels[1]]
        assert len(set(leaves[leaves > 0].tolist())) > 20
    assert_close(*states, atol=1e-5, rtol=0)


def bits():
    return BitFlippingEnv(n_bits=3, continuous=True, max_steps=5)


@pytest.mark.parametrize("buffer_class", [HerReplayBuffer, None], ids=["hindsight", "dict"])
def test_goals_are_learnt_by_priority(buffer_class):
    options = made(prioritized=True, replay_buffer_class=buffer_class, buffer_size=60)
    model = DDPG("MultiInputPolicy", bits(), **options).learn(130)
    buffer = model.replay_buffer
    kind = PrioritizedHerReplayBuffer if buffer_class else PrioritizedDictReplayBuffer
    assert (type(buffer), model._n_updates) == (kind, 70)
    if buffer_class:  # what can be drawn are the episodes that have ended
        assert np.array_equal(buffer.tree[:60] > 0, buffer.ep_length.ravel() > 0)
    samples, weights, leaves = buffer.sample_weighted(20)
    assert_close(samples.actions.numpy(), buffer.actions[leaves, 0])
    assert weights.max() == 1


def test_nothing_to_draw_is_said():
    options = made(prioritized=True, replay_buffer_class=HerReplayBuffer, learning_starts=1)
    with pytest.raises(RuntimeError, match="unable to sample before the end of the first episode"):
        DDPG("MultiInputPolicy", bits(), **options).learn(4)


class Mine(ReplayBuffer):
    """A buffer that nobody knows."""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replay_buffer_class": Mine}, "replay_buffer_class must be one of the host's own to be"),
        ({"replay_buffer_kwargs": {"alpha": -1}}, "alpha must be 0 or more, got -1"),
        ({"replay_buffer_kwargs": {"beta": 2.0}}, r"beta must be in \[0, 1\], got 2.0"),
    ],
    ids=str,
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DDPG("MlpPolicy", pendulum(), **made(prioritized=True, **options))


def test_the_host_loads_a_file_with_priorities(tmp_path):
    import stable_baselines3

    model = DDPG("MlpPolicy", pendulum(), **made(prioritized=True)).learn(80)
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    theirs = stable_baselines3.DDPG.load(tmp_path / "model", env=pendulum())
    theirs.load_replay_buffer(tmp_path / "buffer")
    theirs.learn(10, reset_num_timesteps=False)
    assert np.array_equal(theirs.replay_buffer.tree.shape, model.replay_buffer.tree.shape)
