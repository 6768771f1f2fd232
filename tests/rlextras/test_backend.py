"""Which path runs, and that memory shared with the kernels is the policy's own."""

import copy

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.env_util import make_vec_env
from torch import nn
from torch.testing import assert_close

from rlextras import PPO, TRPO
from tests.rlextras.environments import Sampled, limited

SMALL = {"n_steps": 32, "batch_size": 16, "seed": 0, "device": "cpu"}


def cart_pole(**options):
    return PPO("MlpPolicy", make_vec_env("CartPole-v1", n_envs=2), **(SMALL | options))


def pendulum(algorithm=PPO, **options):
    return algorithm("MlpPolicy", make_vec_env("Pendulum-v1", n_envs=2), **(SMALL | options))


class Mine(RolloutBuffer):
    """A buffer that does nothing else."""


@pytest.mark.parametrize("algorithm", [PPO, TRPO])
def test_small_networks_run_by_kernels(algorithm):
    model = pendulum(algorithm)
    assert (model.backend.name, model.backend.reason) == ("numba", "the kernels know this policy")
    assert str(model.backend) == "numba (the kernels know this policy)"
    assert str(pendulum(algorithm, backend="torch").backend) == "torch (as asked)"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"use_sde": True}, "the policy uses gSDE"),
        ({"policy_kwargs": {"activation_fn": nn.GELU}}, "its activation is GELU"),
        ({"policy_kwargs": {"optimizer_class": torch.optim.AdamW}}, "its optimizer is AdamW"),
        (
            {"policy_kwargs": {"optimizer_kwargs": {"weight_decay": 0.1}}},
            "its optimizer has weight_decay=0.1",
        ),
        ({"policy_kwargs": {"net_arch": [512, 512]}}, "torch's own products are as fast"),
        ({"rollout_buffer_class": Mine}, "its rollout buffer is a Mine"),
    ],
    ids=str,
)
def test_what_the_kernels_do_not_know_runs_by_torch_or_is_refused(options, reason):
    backend = pendulum(**options).backend
    assert backend.name == "torch"
    assert reason in backend.reason
    if "net_arch" in str(options):
        assert pendulum(**options, backend="numba").backend.name == "numba"
        return
    message = rf"^PPO: backend must be 'auto' or 'torch' here, got 'numba': .*{reason}.*\. 'auto'"
    with pytest.raises(ValueError, match=message):
        pendulum(**options, backend="numba")


def test_a_backend_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="backend must be 'auto', 'torch' or 'numba', got 'jax'"):
        pendulum(backend="jax")


@pytest.mark.parametrize(
    "change",
    [
        lambda policy: setattr(policy, "forward", policy.forward),
        lambda policy: policy.action_net.register_forward_hook(lambda *_: None),
        lambda policy: policy.action_net.requires_grad_(False),
        lambda policy: policy.double(),
        lambda policy: setattr(policy, "value_net", nn.Sequential(policy.value_net)),
    ],
    ids=["method replaced", "hook", "frozen", "float64", "layer replaced"],
)
def test_a_policy_that_was_changed_runs_by_torch(change):
    model = pendulum().learn(64)
    observation = np.zeros(3, np.float32)
    before, _ = model.predict(observation, deterministic=True)
    change(model.policy)
    assert model.backend.name == "torch"
    after, _ = (
        model.predict(observation.astype(np.float32), deterministic=True)
        if (model.policy.action_net.weight.dtype == torch.float32)
        else (before, None)
    )
    assert_close(after, before)


def test_a_layer_put_in_place_of_another_is_used():
    model = pendulum().learn(64)
    model.predict(np.zeros(3, np.float32))
    model.policy.action_net = nn.Linear(64, 1)
    seen = torch.zeros(1, 3)
    expected = model.policy._predict(seen, deterministic=True).detach().numpy()[0]
    got, _ = model.predict(np.zeros(3, np.float32), deterministic=True)
    assert got == pytest.approx(np.clip(expected, -2, 2), abs=1e-6)


def test_loaded_and_replaced_memory_is_taken_over():
    model, other = pendulum(seed=0).learn(64), pendulum(seed=1).learn(64)
    model.set_parameters(copy.deepcopy(other.get_parameters()))
    for parameter in model.policy.parameters():
        parameter.data = parameter.data.clone()  # as a move to a device and back does
    model.policy.to("cpu")
    for each in (model, other):
        each.set_env(make_vec_env("Pendulum-v1", n_envs=2))
        each.set_random_seed(5)
        each.learn(128)
    first, second = model.get_parameters(), other.get_parameters()
    assert_close(first["policy"], second["policy"], atol=0, rtol=0)
    states = [each["policy.optimizer"]["state"] for each in (first, second)]
    assert_close(*states, atol=0, rtol=0)


def test_moments_that_torch_stepped_unequally_are_left_to_torch():
    model = pendulum().learn(64)
    state = model.policy.optimizer.state[model.policy.log_std]
    state["step"] = state["step"] + 3
    model.learn(64, reset_num_timesteps=False)
    steps = {int(each["step"]) for each in model.policy.optimizer.state.values()}
    assert len(steps) == 2


def test_a_copy_shares_no_memory():
    model = pendulum().learn(64)
    twin = copy.deepcopy(model.policy)
    before = copy.deepcopy(twin.state_dict())
    model.learn(64, reset_num_timesteps=False)
    assert_close(twin.state_dict(), before, atol=0, rtol=0)


def test_the_choice_of_a_path_survives_a_file(tmp_path):
    pendulum(backend="torch").save(tmp_path / "model")
    assert PPO.load(tmp_path / "model").backend.name == "torch"
    assert PPO.load(tmp_path / "model", backend="numba").backend.name == "numba"


def test_torchs_number_of_threads_stays():
    before = torch.get_num_threads()
    pendulum().learn(64)
    assert torch.get_num_threads() == before


SPACES = {
    "vector": spaces.Box(-1, 1, (3,)),
    "matrix": spaces.Box(-1, 1, (2, 3), np.float64),
    "choice": spaces.Discrete(4),
    "choices": spaces.MultiDiscrete([3, 2]),
    "bits": spaces.MultiBinary(3),
}


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("deterministic", [True, False])
def test_predictions_are_those_of_the_hosts_policy(name, deterministic):
    env = limited(lambda: Sampled(copy.deepcopy(SPACES[name])), limit=5, n_envs=2)
    model = PPO("MlpPolicy", env, **SMALL).learn(64)
    assert model.backend.name == "numba"
    env.observation_space.seed(0)
    samples = [env.observation_space.sample() for _ in range(4)]
    for observation in (samples[0], np.stack(samples), np.stack(samples)[:1]):
        answers = []
        for predict in (model.predict, model.policy.predict):
            torch.manual_seed(3)
            answers.append(predict(observation, deterministic=deterministic)[0])
        assert answers[0].dtype == answers[1].dtype
        assert answers[0].shape == answers[1].shape
        assert_close(answers[0], answers[1], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("deterministic", [True, False])
def test_choices_are_those_of_the_hosts_policy(deterministic):
    model = cart_pole().learn(64)
    observations = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    for observation in (*observations[:20], observations):
        answers = []
        for predict in (model.predict, model.policy.predict):
            torch.manual_seed(3)
            answers.append(predict(observation, deterministic=deterministic)[0])
        assert (answers[0].dtype, answers[0].shape) == (answers[1].dtype, answers[1].shape)
        assert np.array_equal(*answers)


def test_a_wrong_observation_is_refused_as_the_host_does():
    model = cart_pole()
    with pytest.raises(ValueError, match="Unexpected observation shape"):
        model.predict(np.zeros(5, np.float32))
    with pytest.raises(ValueError, match="mixing Gym API"):
        model.predict((np.zeros(4, np.float32), {}))
