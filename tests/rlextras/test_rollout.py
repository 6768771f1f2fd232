"""Environments as users have them, in the constructor, ``load`` and ``set_env``."""

import io
from typing import ClassVar

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize
from torch.testing import assert_close

from rlextras import DDPG, PPO, TRPO
from rlextras.vec_env import EnvPoolVecEnv, GymnasiumVecEnv
from tests.rlextras.environments import Clock
from tests.rlextras.vec_env.pool import Pool

SMALL = {"n_steps": 32, "batch_size": 16, "seed": 0, "device": "cpu"}
N_ENVS = 2


def short():
    """CartPole whose episodes end in both ways."""
    return gymnasium.make("CartPole-v1", max_episode_steps=13)


def dummy():
    return make_vec_env(short, n_envs=N_ENVS)


def native(mode):
    return lambda: SyncVectorEnv([short] * N_ENVS, autoreset_mode=mode)


def pool(**options):
    return lambda: Pool(short, num_envs=N_ENVS, seed=SMALL["seed"], **options)


NATIVE = {
    "next step": (native(AutoresetMode.NEXT_STEP), GymnasiumVecEnv),
    "same step": (native(AutoresetMode.SAME_STEP), GymnasiumVecEnv),
    "pool": (pool(), EnvPoolVecEnv),
    "shuffled pool": (pool(shuffles=True), EnvPoolVecEnv),
}


@pytest.fixture(params=NATIVE)
def made(request):
    """An environment as its own package makes it, and the class that it is wrapped in."""
    make_env, kind = NATIVE[request.param]
    return make_env(), kind


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("algorithm", [PPO, TRPO])
def test_a_native_vector_environment_trains_as_the_hosts_own(algorithm, backend, made):
    env, kind = made
    results = []
    for each in (dummy(), env):
        model = algorithm("MlpPolicy", each, **SMALL, backend=backend)
        results.append(model.learn(4 * 64).get_parameters())
    assert isinstance(model.get_env(), kind)
    assert_close(*results, atol=0, rtol=0)
    assert len(model.ep_info_buffer) > 0


def test_load_and_set_env_take_them_too(made):
    env, kind = made
    model, file = PPO("MlpPolicy", dummy(), **SMALL).learn(64), io.BytesIO()
    model.save(file)
    file.seek(0)
    loaded = PPO.load(file, env=env, device="cpu")
    assert isinstance(loaded.get_env(), kind)
    model.set_env(env)
    assert isinstance(model.get_env(), kind)
    for each in (loaded, model):
        each.learn(64, reset_num_timesteps=False)
        assert each.num_timesteps == 128


@pytest.mark.parametrize("algorithm", [PPO, TRPO])
def test_single_environments_and_ids_are_taken_as_before(algorithm):
    for env in ("CartPole-v1", short(), make_vec_env("CartPole-v1")):
        model = algorithm("MlpPolicy", env, **SMALL).learn(32)
        assert (model.n_envs, model.num_timesteps) == (1, 32)
        assert model.ep_info_buffer


def test_wrappers_of_the_host_go_around_a_native_environment():
    env = VecNormalize(VecFrameStack(GymnasiumVecEnv(native(AutoresetMode.SAME_STEP)()), 2))
    model = PPO("MlpPolicy", env, **SMALL).learn(64)
    assert model.get_vec_normalize_env() is env
    assert env.obs_rms.count > 64


def test_images_of_a_native_environment_are_turned_as_the_host_does():
    class Camera(Clock):
        def __init__(self):
            super().__init__(7)
            self.observation_space = gymnasium.spaces.Box(0, 255, (36, 40, 3), np.uint8)

        def observe(self):
            return np.full((36, 40, 3), self.n_steps, np.uint8)

    small = {"features_extractor_kwargs": {"features_dim": 8}}
    env = SyncVectorEnv([Camera] * N_ENVS)
    model = PPO("CnnPolicy", env, **SMALL, policy_kwargs=small).learn(64)
    assert model.observation_space.shape == (3, 36, 40)


def test_an_environment_that_cannot_be_reset_by_mask_is_refused_with_its_cure():
    class Own(gymnasium.vector.VectorEnv):
        num_envs = 2
        single_observation_space = gymnasium.spaces.Box(-1, 1, (3,))
        single_action_space = gymnasium.spaces.Discrete(2)
        metadata: ClassVar = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    with pytest.raises(ValueError, match=r"env must reset in the same step or by mask.*SAME_STEP"):
        PPO("MlpPolicy", Own(), **SMALL)


def test_what_is_no_environment_is_refused():
    with pytest.raises(ValueError, match="environment is of type <class 'object'>"):
        PPO("MlpPolicy", object(), **SMALL)


KINDS = [(PPO, "CartPole-v1", SMALL), (DDPG, "Pendulum-v1", {"buffer_size": 99, "device": "cpu"})]


@pytest.mark.parametrize(("algorithm", "name", "options"), KINDS)
def test_load_and_set_env_take_an_id(algorithm, name, options, tmp_path):
    algorithm("MlpPolicy", name, **options).save(tmp_path / "model")
    model = algorithm.load(tmp_path / "model", env=name, device="cpu")
    model.learn(32).set_env(name)
    assert model.learn(32, reset_num_timesteps=False).num_timesteps == 64
    with pytest.raises(ValueError, match="spaces do not match"):
        algorithm.load(tmp_path / "model", env="Acrobot-v1", device="cpu")


@pytest.mark.parametrize(("algorithm", "name", "options"), KINDS)
def test_without_an_environment_there_is_nothing_to_learn(algorithm, name, options, tmp_path):
    algorithm("MlpPolicy", name, **options).save(tmp_path / "model")
    message = f"^{algorithm.__name__}: env must be set to learn, got None. Call set_env"
    with pytest.raises(ValueError, match=message):
        algorithm.load(tmp_path / "model", device="cpu").learn(32)


class Leaving(BaseCallback):
    """Goes over to another environment in the midst of a training."""

    def __init__(self, at, name):
        super().__init__()
        self.at, self.name, self.is_done = at, name, False

    def leave(self):
        if not self.is_done and self.num_timesteps >= 40:
            self.is_done = True
            self.model.set_env(self.name)

    def _on_rollout_start(self):
        if self.at == "start":
            self.leave()

    def _on_step(self):
        if self.at == "step":
            self.leave()
        return True


@pytest.mark.parametrize("at", ["start", "step"])
@pytest.mark.parametrize(("algorithm", "name", "options"), KINDS)
def test_an_environment_that_is_changed_midway_is_named(algorithm, name, options, at):
    model = algorithm("MlpPolicy", name, **options)
    message = f"^{algorithm.__name__}: env must not be reset while learn runs"
    with pytest.raises(ValueError, match=message):
        model.learn(96, callback=Leaving(at, name))
    assert model.learn(32).num_timesteps == 32
