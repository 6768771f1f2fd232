"""An ONNX file computes what ``predict`` does."""

import copy
import importlib.util
import logging
import warnings

import gymnasium
import numpy as np
import onnxruntime
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.envs import IdentityEnvMultiBinary, IdentityEnvMultiDiscrete
from stable_baselines3.common.policies import ActorCriticPolicy

from rlextras import PPO, TRPO
from tests.rlextras.environments import Sampled, limited

SMALL = {"n_steps": 8, "batch_size": 8, "seed": 0, "device": "cpu"}
IMAGE = spaces.Box(0, 255, (36, 36, 3), np.uint8)
SEVERAL = spaces.Dict(
    {"image": IMAGE, "place": spaces.Box(-1, 1, (3,)), "room": spaces.Discrete(3)}
)
SQUASHED = {"use_sde": True, "policy_kwargs": {"squash_output": True}}


def sampled(space):
    return lambda: limited(lambda: Sampled(copy.deepcopy(space)), limit=5, n_envs=1)


CASES = {  # each takes torch's exporter some seconds
    "a choice": ("MlpPolicy", lambda: "CartPole-v1", {}),
    "choices": ("MlpPolicy", lambda: IdentityEnvMultiDiscrete(4), {}),
    "bits": ("MlpPolicy", lambda: IdentityEnvMultiBinary(3), {}),
    "gSDE": ("MlpPolicy", lambda: "Pendulum-v1", {"use_sde": True}),
    "squashed": ("MlpPolicy", lambda: "Pendulum-v1", SQUASHED),
    "images": ("CnnPolicy", sampled(IMAGE), {}),
    "dict": ("MultiInputPolicy", sampled(SEVERAL), {}),
}


def seen(space, n):
    """Some observations, as the network takes them and as ONNX does."""
    space.seed(0)
    samples = [space.sample() for _ in range(n)]
    if isinstance(space, spaces.Dict):
        batch = {key: np.stack([each[key] for each in samples]) for key in space.spaces}
        return batch, batch
    batch = np.stack(samples)
    return batch, {"observation": batch}


@pytest.mark.parametrize("name", CASES)
def test_an_exported_policy_acts_as_predict(name, tmp_path):
    policy, make_env, options = CASES[name]
    model = PPO(policy, make_env(), **SMALL, **options).learn(8)
    with torch.no_grad():  # actions that differ, and reach their bounds
        model.policy.action_net.weight.mul_(100.0)
    model.policy.set_training_mode(True)
    model.export_onnx(tmp_path / "policy.onnx")
    assert model.policy.training
    session = onnxruntime.InferenceSession(tmp_path / "policy.onnx")
    for n in (1, 5):  # the batch may have any size
        observations, inputs = seen(model.observation_space, n)
        [got] = session.run(["action"], inputs)
        expected, _ = model.predict(observations, deterministic=True)
        assert got.shape == expected.shape
        # a bit whose logit is zero to within rounding could fall either way: none is, here
        assert got == pytest.approx(expected, abs=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["policy.onnx"]  # weights included


def test_the_export_is_quiet_and_leaves_logs_and_warnings_as_they_were(tmp_path, capfd):
    before = logging.root.manager.disable, list(warnings.filters)
    TRPO("MlpPolicy", gymnasium.make("CartPole-v1"), **SMALL).export_onnx(tmp_path / "x.onnx")
    assert capfd.readouterr() == ("", "")
    assert (logging.root.manager.disable, list(warnings.filters)) == before


class Contrary(ActorCriticPolicy):
    """One that does not do what it thinks best."""

    def _predict(self, observation, deterministic=False):
        return 1 - super()._predict(observation, deterministic)


def test_a_policy_that_chooses_in_its_own_way_is_refused(tmp_path):
    model = PPO(Contrary, "CartPole-v1", **SMALL)
    with pytest.raises(
        TypeError, match="PPO: policy must choose as the host's does to be exported"
    ):
        model.export_onnx(tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_its_cure(tmp_path, monkeypatch):
    model = PPO("MlpPolicy", "CartPole-v1", **SMALL)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnx" else find_spec(name)
    )
    with pytest.raises(
        ModuleNotFoundError, match=r'onnx is not installed. Run: pip install "mlextras'
    ):
        model.export_onnx(tmp_path / "x.onnx")
