"""A run that was stopped, saved, loaded and resumed equals the run that was not, to the bit."""

import copy
import io
import random

import cloudpickle
import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize
from torch.testing import assert_close

from rlextras import PPO, TRPO
from tests.rlextras.environments import Masked, limited

SMALL = {"n_steps": 16, "batch_size": 16, "seed": 3, "device": "cpu"}
ROLLOUT = 32


def pendulum():
    """Two pendulums whose time limit falls inside a rollout."""
    return make_vec_env(lambda: gymnasium.make("Pendulum-v1", max_episode_steps=11), n_envs=2)


def disturb():
    """Move every generator that there is."""
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002  # the one that the host draws from
    random.seed(99)


def sent(model, env, *, resume=True):
    """The model and its environments after a way through files, as into another process."""
    file, normalizer = io.BytesIO(), model.get_vec_normalize_env()
    model.save(file)
    inner = cloudpickle.loads(cloudpickle.dumps(env.venv if normalizer else env))
    file.seek(0)
    disturb()
    env = VecNormalize(inner) if normalizer else inner
    return type(model).load(file, env=env, device="cpu", resume=resume)


def state_of(model):
    """All that a run leaves behind."""
    normalizer = model.get_vec_normalize_env()
    return {
        "parameters": copy.deepcopy(model.get_parameters()),
        "counts": [model.num_timesteps, model._n_updates, model._episode_num],
        "last": [model._last_obs, model._last_episode_starts],
        "episodes": [[each["r"], each["l"]] for each in model.ep_info_buffer],
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state()[1],  # noqa: NPY002
        "normalizer": []
        if normalizer is None
        else [normalizer.obs_rms.mean, normalizer.ret_rms.var, normalizer.returns],
    }


def assert_same(one, other):
    assert_close(state_of(one), other, atol=0, rtol=0)


OPTIONS = {
    "numba": {"backend": "numba"},
    "torch": {"backend": "torch"},
    "gSDE": {"use_sde": True, "sde_sample_freq": 4},
    "schedule": {"learning_rate": lambda progress: 1e-3 * progress},
    "penalty": {"kl_coef": 0.5, "kl_coef_target": 1e-4},
}


@pytest.mark.parametrize("normalized", [False, True], ids=["plain", "VecNormalize"])
@pytest.mark.parametrize(
    ("algorithm", "name"),
    [(PPO, name) for name in OPTIONS] + [(TRPO, name) for name in OPTIONS if name != "penalty"],
)
def test_a_resumed_run_equals_the_one_that_was_not_stopped(algorithm, name, normalized):
    runs = []
    for is_stopped in (False, True):
        env = VecNormalize(pendulum()) if normalized else pendulum()
        model = algorithm("MlpPolicy", env, **(SMALL | OPTIONS[name])).learn(2 * ROLLOUT)
        if is_stopped:
            model = sent(model, env)
        model.learn(3 * ROLLOUT, reset_num_timesteps=False)
        runs.append((model, state_of(model)))
    (_, unbroken), (resumed, _) = runs
    assert_same(resumed, unbroken)
    assert resumed.num_timesteps == 5 * ROLLOUT


def test_a_run_that_is_loaded_and_not_resumed_goes_elsewhere():
    env = pendulum()
    model = PPO("MlpPolicy", env, **SMALL).learn(ROLLOUT)
    resumed, loaded = sent(model, env), sent(model, env, resume=False)
    for each in (resumed, loaded):
        each.learn(ROLLOUT, reset_num_timesteps=False)
    first, second = (each.policy.log_std.detach() for each in (resumed, loaded))
    assert not torch.equal(first, second)


def test_masks_are_resumed_too():
    space = gymnasium.spaces.Discrete(4)
    states = []
    for is_stopped in (False, True):
        env = limited(lambda: Masked(space, by_method=False), limit=5, n_envs=2)
        model = PPO("MlpPolicy", env, **SMALL, use_masks=True).learn(ROLLOUT)
        model = sent(model, env) if is_stopped else model
        states.append(state_of(model.learn(ROLLOUT, reset_num_timesteps=False)))
    assert_close(*states, atol=0, rtol=0)


class Checkpoint(BaseCallback):
    """Save model and environments at the start of a rollout, and be interrupted in the next."""

    def __init__(self):
        super().__init__()
        self.file = self.env = None

    def _on_rollout_start(self):
        torch.rand(1)  # a callback that draws, whenever it is called
        if self.num_timesteps == 2 * ROLLOUT and self.file is None:
            self.file = io.BytesIO()
            self.model.save(self.file)
            self.env = cloudpickle.dumps(self.training_env)

    def _on_step(self):
        if self.file is not None and self.num_timesteps > 3 * ROLLOUT:
            raise KeyboardInterrupt
        return True


@pytest.mark.parametrize("name", ["numba", "gSDE", "schedule"])
def test_a_checkpoint_at_the_start_of_a_rollout_goes_on_exactly_schedules_included(name):
    class Draws(Checkpoint):
        def _on_step(self):
            return True

    options = SMALL | OPTIONS[name]
    unbroken = PPO("MlpPolicy", pendulum(), **options).learn(5 * ROLLOUT, callback=Draws())
    expected = state_of(unbroken)

    checkpoint = Checkpoint()
    with pytest.raises(KeyboardInterrupt):
        PPO("MlpPolicy", pendulum(), **options).learn(5 * ROLLOUT, callback=checkpoint)
    disturb()
    checkpoint.file.seek(0)
    env = cloudpickle.loads(checkpoint.env)
    model = PPO.load(checkpoint.file, env=env, device="cpu", resume=True)
    assert model.num_timesteps == 2 * ROLLOUT
    rest = 5 * ROLLOUT - model.num_timesteps
    model.learn(rest, reset_num_timesteps=False, callback=Draws())
    assert_same(model, expected)


def test_environments_may_be_saved_in_the_file():
    states = []
    for is_stopped in (False, True):
        model = PPO("MlpPolicy", pendulum(), **SMALL).learn(ROLLOUT)
        if is_stopped:
            file = io.BytesIO()
            model.save(file, include=["env"])
            disturb()
            file.seek(0)
            model = PPO.load(file, device="cpu", resume=True)
        states.append(state_of(model.learn(ROLLOUT, reset_num_timesteps=False)))
    assert_close(*states, atol=0, rtol=0)


def test_a_reset_after_resuming_is_the_one_that_would_have_been():
    starts = []
    for is_stopped in (False, True):
        env = pendulum()
        model = PPO("MlpPolicy", env, **SMALL).learn(ROLLOUT)
        model = sent(model, env) if is_stopped else model
        starts.append(model.get_env().reset())
    assert np.array_equal(*starts)


def test_the_host_loads_and_trains_on_what_ours_saved_and_it_is_not_resumed_then():
    model, file, again = PPO("MlpPolicy", pendulum(), **SMALL).learn(ROLLOUT), *twice(io.BytesIO)
    model.save(file)
    file.seek(0)
    theirs = stable_baselines3.PPO.load(file, env=pendulum(), device="cpu")
    theirs.learn(ROLLOUT, reset_num_timesteps=False).save(again)
    again.seek(0)
    with pytest.raises(ValueError, match="PPO: path must be a file that rlextras saved last"):
        PPO.load(again, env=pendulum(), device="cpu", resume=True)


def twice(make):
    return make(), make()


# What cannot be resumed


class AtStep(BaseCallback):
    """Save in the midst of a rollout."""

    def _on_step(self):
        if self.n_calls == 3:
            self.file = io.BytesIO()
            self.model.save(self.file)
        return True


def saved(make=PPO, env=None, callback=None):
    model = make("MlpPolicy", pendulum() if env is None else env, **SMALL)
    model.learn(ROLLOUT, callback=callback)
    file = io.BytesIO()
    model.save(file)
    return file


@pytest.mark.parametrize(
    ("make_file", "make_env", "message"),
    [
        (
            lambda: saved(stable_baselines3.PPO),
            pendulum,
            "a file that rlextras saved to be resumed",
        ),
        (lambda: _midway(), pendulum, "saved between two rollouts to be resumed exactly, got one"),
        (saved, lambda: None, "env must be given to be resumed on, got None. Hand it to load"),
        (saved, lambda: make_vec_env("Pendulum-v1"), "env must hold 2 environments to be resumed"),
        (saved, lambda: VecNormalize(pendulum()), "env must have no VecNormalize around it"),
        (lambda: saved(env=VecNormalize(pendulum())), pendulum, "env must have a VecNormalize"),
    ],
    ids=["the host's", "midway", "no env", "fewer envs", "normalised", "not normalised"],
)
def test_what_cannot_be_exact_is_refused(make_file, make_env, message):
    file = make_file()
    file.seek(0)
    with pytest.raises(ValueError, match=rf"^PPO: .*{message}"):
        PPO.load(file, env=make_env(), device="cpu", resume=True)
    file.seek(0)
    assert PPO.load(file, device="cpu").num_timesteps > 0  # and is loaded without


def _midway():
    callback = AtStep()
    saved(callback=callback)
    return callback.file


def test_a_normaliser_is_not_saved_without_what_is_inside():
    model = PPO("MlpPolicy", VecNormalize(pendulum()), **SMALL)
    with pytest.raises(ValueError, match="PPO: include must not name 'env' where it has a VecNorm"):
        model.save(io.BytesIO(), include=["env"])
