"""Whatever a user hands in, the host can learn on it."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from rlextras import PPO
from rlextras.vec_env import EnvPoolVecEnv, GymnasiumVecEnv, as_vec_env, make_compiled
from tests.oracles.rlextras_vec_env import Walk, dummy, limited_walk, record
from tests.rlextras.vec_env.comparison import assert_same
from tests.rlextras.vec_env.pool import Pool

GIVEN = {
    "id": (lambda: "CartPole-v1", DummyVecEnv),
    "function": (lambda: limited_walk, DummyVecEnv),
    "class": (lambda: Walk, DummyVecEnv),
    "env": (limited_walk, DummyVecEnv),
    "monitored env": (lambda: Monitor(limited_walk()), DummyVecEnv),
    "vector env": (lambda: SyncVectorEnv([limited_walk] * 2), GymnasiumVecEnv),
    "native": (lambda: gymnasium.make_vec("CartPole-v1", num_envs=2), GymnasiumVecEnv),
    "pool": (lambda: Pool(limited_walk, num_envs=2), EnvPoolVecEnv),
}


@pytest.mark.parametrize(("make", "expected"), GIVEN.values(), ids=GIVEN)
def test_an_environment_becomes_one_that_a_model_learns_on(make, expected):
    env = as_vec_env(make())
    assert type(env) is expected
    model = PPO("MlpPolicy", env, n_steps=16, batch_size=16, n_epochs=1, device="cpu")
    assert model.learn(160).ep_info_buffer  # episodes are counted


@pytest.mark.parametrize(
    "make", [lambda: make_vec_env("CartPole-v1"), lambda: make_compiled("CartPole-v1")]
)
def test_what_the_host_knows_is_untouched(make):
    env = make()
    assert as_vec_env(env) is env
    wrapped = VecNormalize(env)
    assert as_vec_env(wrapped) is wrapped


def test_a_monitor_is_not_put_around_a_monitor():
    env = Monitor(limited_walk())
    assert as_vec_env(env).envs[0] is env


def test_numbers_and_seeds_arrive():
    ours = as_vec_env("CartPole-v1", n_envs=3, seed=4)
    assert_same(record(ours, n_steps=5), record(dummy("CartPole-v1", n_envs=3, seed=4), n_steps=5))
    seeded = as_vec_env(SyncVectorEnv([limited_walk] * 2), seed=4).reset()
    np.testing.assert_array_equal(seeded, dummy(limited_walk, n_envs=2, seed=4).reset())


@pytest.mark.parametrize("name", ["env", "vector env", "pool"])
def test_a_number_that_env_does_not_hold_is_refused(name):
    with pytest.raises(ValueError, match=r"as_vec_env: n_envs must be what env holds, [12], got 5"):
        as_vec_env(GIVEN[name][0](), n_envs=5)


@pytest.mark.parametrize("wrong", [None, 3, [limited_walk]])
def test_anything_else_is_refused(wrong):
    with pytest.raises(TypeError, match=r"as_vec_env: env must be a VecEnv, a gymnasium.Env"):
        as_vec_env(wrong)
