"""Hindsight goals with n-step returns: the goal first, then the rewards on the way to it."""

import copy

import numpy as np
import pytest
import stable_baselines3
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import BitFlippingEnv
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer
from torch.testing import assert_close

from rlextras import DDPG
from rlextras.offpolicy.hindsight import NStepHerReplayBuffer
from rlextras.offpolicy.prioritized import PrioritizedNStepHerReplayBuffer
from tests.oracles.rlextras_hindsight import n_step_outcome
from tests.rlextras.test_ddpg import made

NAMES = ("observation", "achieved_goal", "desired_goal")
SPACE = spaces.Dict({name: spaces.Box(-1e6, 1e6, (1,)) for name in NAMES})


class Line:
    """What a buffer asks its environments."""

    def env_method(self, name, reached, goals, infos, indices):
        assert (name, indices, len(infos)) == ("compute_reward", [0], len(goals))
        bonus = np.array([info.get("bonus", 0.0) for info in infos])
        return [-np.abs(reached - goals)[:, 0] + bonus]


def filled(kind, rng, n_envs, n_rows, **options):
    """A buffer written around its end, and the episode and place in it of each observation."""
    buffer = kind(n_rows * n_envs, SPACE, spaces.Box(-1, 1, (1,)), Line(), "cpu", n_envs, **options)
    places, under_way = {}, [[] for _ in range(n_envs)]
    for row in range(2 * n_rows + 3):
        seen, following = ({name: rng.normal(size=(n_envs, 1)) for name in NAMES} for _ in range(2))
        seen["observation"][:, 0] = row * n_envs + np.arange(n_envs)
        actions, rewards = rng.uniform(-1, 1, (n_envs, 1)), rng.normal(size=n_envs)
        dones, limits = rng.random(n_envs) < 0.3, rng.random(n_envs) < 0.5
        dones |= [len(each) >= n_rows - 2 for each in under_way]
        infos = [
            {"TimeLimit.truncated": bool(a), "bonus": float(b)}
            for a, b in zip(limits & dones, rng.normal(size=n_envs), strict=True)
        ]
        buffer.add(copy.deepcopy(seen), copy.deepcopy(following), actions, rewards, dones, infos)
        for i in range(n_envs):
            step = {key: each[i] for key, each in following.items()} | infos[i]
            step |= {"reward": rewards[i], "done": dones[i], "goal": seen["desired_goal"][i, 0]}
            under_way[i].append(step)
            places[row * n_envs + i] = (under_way[i], len(under_way[i]) - 1)
            if dones[i]:
                under_way[i] = []
    return buffer, places


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([NStepHerReplayBuffer, PrioritizedNStepHerReplayBuffer]),
    st.sampled_from(["future", "final", "episode"]),
    st.integers(1, 3),
    st.integers(4, 12),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.9, 1.0]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_each_sample_is_what_a_walk_along_its_episode_finds(
    kind, strategy, n_envs, n_rows, n_steps, gamma, has_infos, seed
):
    rng = np.random.default_rng(seed)
    options = {"goal_selection_strategy": strategy, "copy_info_dict": has_infos}
    options |= {"n_steps": n_steps, "gamma": gamma, "n_sampled_goal": 2}
    buffer, places = filled(kind, rng, n_envs, n_rows, **options)
    if not buffer.ep_length.any():
        return
    batch, n_virtual = buffer.sample(12), 0
    for b in range(12):
        episode, t = places[int(batch.observations["observation"][b])]
        goal = batch.observations["desired_goal"][b, 0].item()
        is_virtual = goal != np.float32(episode[t]["goal"])
        n_virtual += is_virtual

        def reward_of(step, goal=goal, is_virtual=is_virtual):
            near = -abs(step["achieved_goal"][0] - goal) + has_infos * step["bonus"]
            return near if is_virtual else step["reward"]

        total, discount, last = n_step_outcome(episode, t, n_steps, gamma, reward_of)
        ended = float(last["done"] and not last["TimeLimit.truncated"])
        told = [getattr(batch, name)[b, 0].item() for name in ("rewards", "discounts", "dones")]
        assert_close(told, [total, discount, ended], atol=1e-5, rtol=1e-5)
        following = {key: each[b, 0].item() for key, each in batch.next_observations.items()}
        expected = {key: last[key][0] for key in NAMES}
        expected |= {"desired_goal": goal} if is_virtual else {}
        assert_close(following, expected, atol=1e-6, rtol=1e-6)
        if is_virtual:
            first = {"future": t, "final": -1, "episode": 0}[strategy]
            reached = [np.float32(step["achieved_goal"][0]) for step in episode[first:]]
            assert goal in reached
    assert n_virtual == int(12 * buffer.her_ratio)


def bits(n_envs=1):
    make = lambda: BitFlippingEnv(n_bits=3, continuous=True, max_steps=5)  # noqa: E731
    return make_vec_env(make, n_envs=n_envs)


@pytest.mark.parametrize("is_normalized", [False, True], ids=["plain", "VecNormalize"])
def test_one_step_is_the_hosts_buffer(is_normalized):
    batches = []
    for kind in (HerReplayBuffer, NStepHerReplayBuffer):
        options = made(replay_buffer_class=kind, learning_starts=10**6)
        env = VecNormalize(bits(2), norm_obs=False) if is_normalized else bits(2)
        more = {"n_steps": 1} if kind is NStepHerReplayBuffer else {}
        model = DDPG("MultiInputPolicy", env, **options, replay_buffer_kwargs=more).learn(60)
        model.set_random_seed(3)
        batches.append(model.replay_buffer.sample(30, env=model.get_vec_normalize_env()))
    theirs, ours = (batch._asdict() for batch in batches)
    assert (ours.pop("discounts") == np.float32(0.99)).all()
    assert theirs.pop("discounts") is None
    assert_close(ours, theirs, atol=0, rtol=0)


@pytest.mark.parametrize("is_prioritized", [False, True], ids=["alike", "by priority"])
def test_ddpg_learns_from_several_steps_towards_new_goals(is_prioritized, tmp_path):
    options = made(replay_buffer_class=HerReplayBuffer, n_steps=3, prioritized=is_prioritized)
    kwargs = {"copy_info_dict": True}
    model = DDPG("MultiInputPolicy", bits(2), **options, replay_buffer_kwargs=kwargs).learn(100)
    kind = PrioritizedNStepHerReplayBuffer if is_prioritized else NStepHerReplayBuffer
    buffer = model.replay_buffer
    assert (type(buffer), buffer.n_steps, buffer.gamma) == (kind, 3, 0.99)
    assert kwargs == {"copy_info_dict": True}
    assert model._n_updates > 0
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    back = DDPG.load(tmp_path / "model", env=bits(2))
    back.load_replay_buffer(tmp_path / "buffer", truncate_last_traj=False)
    assert type(back.replay_buffer) is kind
    back.learn(10, reset_num_timesteps=False)
    with pytest.warns(UserWarning, match="n_steps"):  # the host tells of its option, not the kwargs
        theirs = stable_baselines3.DDPG.load(tmp_path / "model", env=bits(2))
    assert theirs.learn(80)._n_updates > 0


def test_without_a_whole_episode_there_is_nothing_to_draw():
    buffer = NStepHerReplayBuffer(10, SPACE, spaces.Box(-1, 1, (1,)), Line(), "cpu")
    with pytest.raises(RuntimeError, match=r"^NStepHerReplayBuffer: it must hold a whole episode"):
        buffer.sample(3)


def test_rewards_need_an_environment():
    buffer, _ = filled(NStepHerReplayBuffer, np.random.default_rng(0), 1, 9)
    buffer.env = None
    with pytest.raises(RuntimeError, match=r"env must be set to compute rewards, got None"):
        buffer.sample(9)


@pytest.mark.parametrize("options", [{"n_steps": 0}, {"gamma": 1.5}], ids=str)
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match=rf"{next(iter(options))} must be .*, got"):
        NStepHerReplayBuffer(10, SPACE, spaces.Box(-1, 1, (1,)), Line(), "cpu", **options)
