"""Laws of the shell: what a rollout holds, and how often the critic is asked."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from rlextras import PPO
from tests.rlextras.callbacks import AtEnd
from tests.rlextras.environments import Clock, limited

GAMMA, LAM = 0.9, 0.8


def clocks(*, end=100, limit=100, n_envs=3, as_dict=False):
    return limited(lambda: Clock(end, as_dict=as_dict), limit=limit, n_envs=n_envs)


def make(env, **options):
    defaults = {"n_steps": 8, "batch_size": 8, "n_epochs": 1, "seed": 0, "device": "cpu"}
    options = defaults | {"gamma": GAMMA, "gae_lambda": LAM} | options
    policy = "MultiInputPolicy" if isinstance(env.observation_space, spaces.Dict) else "MlpPolicy"
    return PPO(policy, env, **options)


def value_at(model, step):
    """V of the observation of a step."""
    with torch.no_grad():
        return model.policy.predict_values(torch.full((1, 1), float(step))).item()


def advantages_by_hand(model, *, ends, bootstraps):
    """Â of one environment's eight steps, from the clock's readings and the critic's values."""
    values, clock = [], 0
    for is_end in ends:
        values.append(value_at(model, clock))
        clock = 0 if is_end else clock + 1
    advantages, following = [0.0] * len(ends), 0.0
    for t in reversed(range(len(ends))):
        if ends[t]:
            next_value, following = bootstraps(t), 0.0
        else:
            next_value = values[t + 1] if t + 1 < len(ends) else value_at(model, clock)
        following = 1 + GAMMA * next_value - values[t] + GAMMA * LAM * following
        advantages[t] = following
    return advantages


@pytest.mark.parametrize("as_dict", [False, True], ids=["array", "dict"])
@pytest.mark.parametrize("length", [3, 8, 100])
@pytest.mark.parametrize("is_truncated", [True, False], ids=["truncated", "terminated"])
def test_advantages_bootstrap_from_the_final_observation_of_a_truncated_episode_only(
    is_truncated, length, as_dict
):
    env = clocks(**{"limit" if is_truncated else "end": length}, as_dict=as_dict)
    model = make(env)
    if as_dict:
        _reads_dicts(model)
    ends = [(t + 1) % length == 0 for t in range(8)]
    seen = []

    def look(callback):
        model = callback.model
        expected = advantages_by_hand(
            model, ends=ends, bootstraps=lambda _: value_at(model, length) * is_truncated
        )
        seen.append((model.rollout_buffer.advantages.copy(), expected))
        assert np.all(model.rollout_buffer.rewards == 1)

    model.learn(1, callback=AtEnd(look))
    ((advantages, expected),) = seen
    for column in advantages.T:
        assert column == pytest.approx(expected, abs=1e-5)  # float32, sums of eight terms


def _reads_dicts(model):
    """Let ``value_at`` hand a bare tensor to a policy that reads dicts."""
    predict_values = model.policy.predict_values
    model.policy.predict_values = lambda observed: predict_values(
        observed if isinstance(observed, dict) else {"step": observed}
    )


def test_returns_are_advantages_plus_values():
    def look(callback):
        buffer = callback.model.rollout_buffer
        assert np.array_equal(buffer.returns, buffer.advantages + buffer.values)

    make(clocks(limit=3)).learn(1, callback=AtEnd(look))


def test_the_critic_is_asked_once_for_all_environments_that_a_limit_stops(monkeypatch):
    model, asked = make(clocks(limit=4, n_envs=5)), []
    predict_values = model.policy.predict_values
    monkeypatch.setattr(
        model.policy,
        "predict_values",
        lambda observed: asked.append(len(observed)) or predict_values(observed),
    )
    model.learn(1)
    assert asked == [5, 5, 5]  # after steps 4 and 8, and for the observation after the last step


@pytest.mark.parametrize("as_dict", [False, True])
def test_the_space_chooses_the_buffer(as_dict):
    expected = DictRolloutBuffer if as_dict else RolloutBuffer
    assert type(make(clocks(as_dict=as_dict)).rollout_buffer) is expected


def test_a_buffer_class_receives_its_own_keywords():
    class Scaled(RolloutBuffer):
        def __init__(self, *args, scale, **kwargs):
            super().__init__(*args, **kwargs)
            self.scale = scale

        def compute_returns_and_advantage(self, last_values, dones):
            super().compute_returns_and_advantage(last_values, dones)
            self.advantages *= self.scale

    options = {"rollout_buffer_class": Scaled, "rollout_buffer_kwargs": {"scale": 0.0}}
    make(clocks(), **options).learn(1, callback=AtEnd(_all_advantages_are_zero))


def _all_advantages_are_zero(callback):
    assert not callback.model.rollout_buffer.advantages.any()


def test_a_short_rollout_gets_advantages_too():
    model = make(clocks())
    _, callback = model._setup_learn(1, None)
    assert model.collect_rollouts(model.env, callback, model.rollout_buffer, n_rollout_steps=3)
    assert model.rollout_buffer.advantages[:3].all()
    assert not model.rollout_buffer.advantages[3:].any()


def test_a_callback_that_changes_a_reward_in_place_is_heeded():
    class Bonus(BaseCallback):
        def _on_step(self):
            self.locals["rewards"] += 5.0
            return True

    model = make(clocks())
    model.learn(1, callback=Bonus())
    assert np.all(model.rollout_buffer.rewards == 6)


def test_a_final_observation_that_is_none_is_named():
    env = clocks(limit=3, n_envs=1)
    step_wait = env.step_wait

    def spoiled():
        observations, rewards, dones, infos = step_wait()
        for info in infos:
            if "terminal_observation" in info:
                info["terminal_observation"] = np.full(1, np.nan, np.float32)
        return observations, rewards, dones, infos

    env.step_wait = spoiled
    with pytest.raises(ValueError, match="PPO: terminal_observation must be finite, got nan"):
        make(env).learn(1)


@pytest.mark.parametrize("frequency", [-1, 2])
def test_gsde_noise_is_drawn_as_often_as_asked(frequency, monkeypatch):
    env = make_vec_env("Pendulum-v1", n_envs=2)
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=16, use_sde=True, sde_sample_freq=frequency)
    drawn = []
    reset_noise = model.policy.reset_noise
    monkeypatch.setattr(model.policy, "reset_noise", lambda n: drawn.append(n) or reset_noise(n))
    model.learn(1)
    assert drawn == [2] * (1 if frequency == -1 else 1 + 8 // frequency)
