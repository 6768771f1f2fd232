"""Callbacks that may look at a step, and those that never do."""

import inspect

import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    ConvertCallback,
    EvalCallback,
    ProgressBarCallback,
)
from stable_baselines3.common.env_util import make_vec_env

from rlextras import DDPG, GRPO, PPO
from rlextras.host.callbacks import listens

SMALL = {"n_steps": 16, "batch_size": 16, "n_epochs": 1, "seed": 0, "device": "cpu"}
INNER = {"idx", "done", "terminal_obs", "terminal_value"}  # of the host's loop over environments


class Reader(BaseCallback):
    """Keep what the last step was."""

    def _on_step(self):
        self.seen = {name: self.locals[name] for name in self.locals if name != "self"}
        return True


class Own(CheckpointCallback):
    """A subclass may read what its parent does not."""


SILENT = [
    lambda: ConvertCallback(None),
    lambda: CheckpointCallback(8, "unused"),
    lambda: CallbackList([ConvertCallback(None), CheckpointCallback(8, "unused")]),
]
HEARING = [
    Reader,
    lambda: ConvertCallback(lambda *_: True),
    lambda: Own(8, "unused"),
    lambda: EvalCallback(make_vec_env("CartPole-v1")),
    lambda: CallbackList([ConvertCallback(None), Reader()]),
]


@pytest.mark.parametrize("make", SILENT)
def test_the_hosts_own_that_never_look_are_not_told(make):
    assert not listens(make())


@pytest.mark.parametrize("make", HEARING)
def test_all_others_are_told(make):
    assert listens(make())


@pytest.mark.parametrize("method", [CheckpointCallback._on_step, ProgressBarCallback._on_step])
def test_this_host_does_not_look_where_it_is_not_told(method):
    assert "locals" not in inspect.getsource(method)


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1"])
@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_a_callback_finds_what_the_host_would_show(name, backend):
    shown = []
    for algorithm, options in ((PPO, {"backend": backend}), (stable_baselines3.PPO, {})):
        env, reader = make_vec_env(name, n_envs=2, seed=0), Reader()
        algorithm("MlpPolicy", env, **SMALL, **options).learn(32, callback=reader)
        shown.append(reader.seen)
    ours, host = shown
    assert set(host) - INNER <= set(ours)
    for each in ("obs_tensor", "actions", "values", "log_probs", "clipped_actions", "rewards"):
        assert type(ours[each]) is type(host[each]), each
        assert ours[each].shape == host[each].shape, each
        assert ours[each].dtype == host[each].dtype, each
        torch.testing.assert_close(ours[each], host[each], atol=1e-5, rtol=1e-5, msg=each)


@pytest.mark.parametrize("algorithm", [PPO, GRPO, DDPG])
def test_training_is_the_same_whether_somebody_looks_or_not(algorithm):
    own = {PPO: SMALL, DDPG: {"learning_starts": 16, "policy_kwargs": {"net_arch": [16]}}}
    options = {"seed": 0, "device": "cpu"} | own.get(algorithm, {})
    name = "Pendulum-v1" if algorithm is DDPG else "CartPole-v1"
    results = []
    for callback in (None, Reader()):
        model = algorithm("MlpPolicy", make_vec_env(name, n_envs=4, seed=0), **options)
        model.learn(64, callback=callback)
        results.append(model.policy.state_dict())
    for name, value in results[0].items():
        assert np.array_equal(value, results[1][name]), name


def test_what_is_saved_between_two_steps_is_where_the_training_stands(tmp_path):
    own = {"learning_starts": 8, "policy_kwargs": {"net_arch": [16]}}
    options = {"seed": 0, "device": "cpu", **own}
    stopped = DDPG("MlpPolicy", "Pendulum-v1", **options).learn(24)
    model = DDPG("MlpPolicy", "Pendulum-v1", **options)
    model.learn(32, callback=CheckpointCallback(24, str(tmp_path), name_prefix="x"))
    saved = DDPG.load(tmp_path / "x_24_steps.zip", device="cpu")
    at_the_step = stopped._n_updates - 1  # the file is written before the update that follows
    assert saved._n_updates == at_the_step
    [steps] = {int(s["step"]) for s in saved.critic.optimizer.state.values()}
    assert steps == at_the_step
