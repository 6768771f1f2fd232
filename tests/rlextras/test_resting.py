"""Environments that wait for the others of a group take no steps, and nothing else changes."""

import numpy as np
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from rlextras import GRPO
from rlextras.grouped import shell
from rlextras.host.stepping import can_rest, step

N = 5


def test_those_who_rest_stay_where_they_are():
    env = make_vec_env("CartPole-v1", n_envs=N, seed=3)
    before, who = env.reset(), np.array([True, False, True, False, False])
    states = [np.array(each.unwrapped.state) for each in env.envs]
    seen, rewards, dones, infos = step(env, np.zeros(N, int), who)
    moved = [
        bool(np.any(each.unwrapped.state != state))
        for each, state in zip(env.envs, states, strict=True)
    ]
    assert moved == who.tolist()
    np.testing.assert_array_equal((seen != before).any(axis=1), who)
    np.testing.assert_array_equal(rewards, who.astype(np.float32))
    assert not dones.any()
    assert [bool(info) for info in infos] == who.tolist()


def test_a_wrapper_sees_all_steps():
    env = make_vec_env("CartPole-v1", n_envs=2)
    assert can_rest(env)
    assert not can_rest(VecNormalize(env))


def test_what_is_learnt_is_the_same_with_fewer_steps(monkeypatch):
    models, n_played = [], []
    for rests in (True, False):
        monkeypatch.setattr(shell, "can_rest", lambda env, rests=rests: rests)
        env = make_vec_env("CartPole-v1", n_envs=N, seed=0)
        model = GRPO("MlpPolicy", env, group_size=N, n_groups=2, seed=0, device="cpu")
        n_played.append(0)
        for _ in range(3):  # a rollout each
            model.learn(1, reset_num_timesteps=False)
            n_played[-1] += int(model._episodes.lengths.sum())
        models.append(model)
    rested, stepped = models
    assert n_played[0] == n_played[1] == rested.num_timesteps < stepped.num_timesteps
    for one, other in zip(rested.policy.parameters(), stepped.policy.parameters(), strict=True):
        assert torch.equal(one, other)
