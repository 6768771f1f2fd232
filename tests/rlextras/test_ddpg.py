"""DDPG is Stable-Baselines3's, number for number, whichever path computes it."""

import copy
import os
from concurrent.futures import ThreadPoolExecutor

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn
from torch.testing import assert_close

from rlextras import DDPG

SMALL = {
    "batch_size": 40,
    "buffer_size": 500,
    "learning_starts": 60,
    "seed": 1,
    "device": "cpu",
}
N_STEPS = 80  # 20 updates


def pendulum(n_envs=1, **options):
    """Pendulums that a time limit stops now and then."""
    make = lambda: gymnasium.make("Pendulum-v1", max_episode_steps=27, **options)  # noqa: E731
    return make_vec_env(make, n_envs=n_envs)


def normal(sigma=0.1):
    return NormalActionNoise(np.zeros(1), sigma * np.ones(1))


def ornstein():
    return OrnsteinUhlenbeckActionNoise(np.zeros(1), 0.2 * np.ones(1))


def made(**options):
    """Options of a small model; a new dict each time, since the host writes into it."""
    return SMALL | {"policy_kwargs": {"net_arch": [16, 24]}} | options


ARRANGED = {"policy_kwargs": {"net_arch": [100, 104]}, "batch_size": 40}  # samples are put in order

CASES = {
    "defaults": ({}, {}),
    "arranged": ({}, ARRANGED),
    "several environments": ({"n_envs": 3}, {"learning_starts": 20}),
    "steps and gradients": ({}, {"train_freq": (7, "step"), "gradient_steps": 5}),
    "episodes": ({}, {"train_freq": (1, "episode"), "gradient_steps": -1}),
    "n-step returns": ({}, {"n_steps": 3}),
    "noise": ({}, {"action_noise": normal}),
    "noise with a memory": ({"n_envs": 2}, {"action_noise": ornstein, "learning_starts": 20}),
    "a schedule": ({}, {"learning_rate": lambda progress: 1e-3 * progress}),
    "tanh": ({}, {"policy_kwargs": {"net_arch": [16], "activation_fn": nn.Tanh}}),
    "linear": ({}, {"policy_kwargs": {"net_arch": []}}),
    "two critics": ({}, {"policy_kwargs": {"net_arch": [16], "n_critics": 2}}),
    "two architectures": ({}, {"policy_kwargs": {"net_arch": {"pi": [8], "qf": [40, 33, 9]}}}),
    "tau and gamma": ({}, {"tau": 0.3, "gamma": 0.8}),
    "one sample": ({}, {"batch_size": 1}),
}


@pytest.mark.parametrize("backend", ["numba", "torch"])
@pytest.mark.parametrize("name", CASES)
def test_parameters_after_twenty_updates_are_the_hosts(name, backend):
    envs, options = CASES[name]
    models = []
    for algorithm, more in ((DDPG, {"backend": backend}), (stable_baselines3.DDPG, {})):
        given = copy.deepcopy(made(**options, **more))
        if "action_noise" in given:
            given["action_noise"] = given["action_noise"]()
        models.append(algorithm("MlpPolicy", pendulum(**envs), **given).learn(N_STEPS))
    ours, theirs = models
    assert ours.backend.name == backend
    assert ours._n_updates == theirs._n_updates > 0
    assert_close(dict(ours.policy.state_dict()), dict(theirs.policy.state_dict()), **CLOSE)
    for part in ("actor.optimizer", "critic.optimizer"):
        mine, others = (each.get_parameters()[part] for each in models)
        assert_close(mine["state"], others["state"], atol=1e-4, rtol=1e-3)
    for key in ("train/actor_loss", "train/critic_loss", "train/n_updates"):
        mine, others = (each.logger.name_to_value[key] for each in models)
        assert mine == pytest.approx(others, rel=1e-4, abs=1e-5)


CLOSE = {"atol": 1e-5, "rtol": 0}  # float32 sums in another order


@pytest.mark.parametrize("size", [{}, ARRANGED], ids=["small", "arranged"])
@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_with_the_options_of_td3_it_is_td3(backend, size):
    fixes = {"policy_delay": 2, "target_policy_noise": 0.2, "target_noise_clip": 0.5}
    more = fixes | {"n_critics": 2, "backend": backend}
    states = []
    for algorithm, options in ((DDPG, more), (stable_baselines3.TD3, fixes)):
        model = algorithm("MlpPolicy", pendulum(), **made(**options, **size)).learn(N_STEPS + 1)
        states.append(dict(model.policy.state_dict()))
    assert_close(*states, **CLOSE)


def test_a_normalised_environment_is_learnt_as_by_the_host():
    states = []
    for algorithm in (DDPG, stable_baselines3.DDPG):
        env = VecNormalize(pendulum(2))
        model = algorithm("MlpPolicy", env, **made()).learn(2 * N_STEPS)
        states.append(dict(model.policy.state_dict()))
    assert_close(*states, **CLOSE)


def test_one_and_two_threads_compute_the_same_bits():
    n_before, states = torch.get_num_threads(), []
    options = made(policy_kwargs={"net_arch": [400, 300]}, batch_size=160, backend="numba")
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            model = DDPG("MlpPolicy", pendulum(), **options).learn(64)
            states.append(model.get_parameters())
    finally:
        torch.set_num_threads(n_before)
    assert_close(*states, atol=0, rtol=0)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_files_pass_both_ways_and_go_on_alike(backend, tmp_path):
    ours = DDPG("MlpPolicy", pendulum(), **made(backend=backend)).learn(N_STEPS)
    ours.save(tmp_path / "model")
    ours.save_replay_buffer(tmp_path / "buffer")
    states = []
    for algorithm in (DDPG, stable_baselines3.DDPG):
        model = algorithm.load(tmp_path / "model", env=pendulum(), device="cpu")
        model.load_replay_buffer(tmp_path / "buffer")
        model.set_random_seed(2)
        model.learn(20, reset_num_timesteps=False)
        states.append(dict(model.policy.state_dict()))
        model.save(tmp_path / algorithm.__module__)
    assert_close(*states, **CLOSE)
    back = DDPG.load(tmp_path / stable_baselines3.DDPG.__module__)
    assert_close(dict(back.policy.state_dict()), states[1], atol=0, rtol=0)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"policy_kwargs": {"activation_fn": nn.GELU}}, "its activation is GELU"),
        ({"policy_kwargs": {"optimizer_class": torch.optim.AdamW}}, "its optimizer is AdamW"),
        (
            {"policy_kwargs": {"optimizer_kwargs": {"weight_decay": 0.1}}},
            "its optimizer has weight_decay=0.1",
        ),
    ],
    ids=str,
)
def test_what_the_kernels_do_not_know_runs_by_torch_or_is_refused(options, reason):
    model = DDPG("MlpPolicy", pendulum(), **made(**options)).learn(62)
    assert (model.backend.name, reason in model.backend.reason) == ("torch", True)
    with pytest.raises(ValueError, match=rf"^DDPG: backend must be 'auto' or .*{reason}"):
        DDPG("MlpPolicy", pendulum(), **made(**options, backend="numba"))


def test_a_network_that_was_changed_is_used():
    model = DDPG("MlpPolicy", pendulum(), **made()).learn(62)
    seen = np.zeros((1, 3), np.float32)
    before, _ = model.predict(seen)
    with torch.no_grad():
        model.actor.mu[-2].bias += 0.3
    moved, _ = model.predict(seen)
    assert moved[0] > before[0]
    model.actor.mu[-2] = nn.Linear(24, 1)
    expected = 2 * model.actor(torch.from_numpy(seen)).detach().numpy()
    assert_close(model.predict(seen)[0], expected)
    assert model.backend.name == "torch"  # the optimiser moves what is no longer there


@pytest.mark.parametrize("space", [spaces.Discrete(3), spaces.MultiBinary(2)], ids=str)
def test_actions_that_are_no_numbers_are_refused(space):
    env = pendulum()
    env.action_space = space
    with pytest.raises(
        ValueError, match=r"^DDPG: action_space must be a Box, got .* only supports"
    ):
        DDPG("MlpPolicy", env, **made())


def test_actions_without_bounds_are_refused():
    env = pendulum()
    env.action_space = spaces.Box(-np.inf, np.inf, (1,))
    message = r"^DDPG: action_space must have a finite lower and upper bound, got .*RescaleAction"
    with pytest.raises(ValueError, match=message):
        DDPG("MlpPolicy", env, **made())


def test_several_threads_may_predict_at_once():
    model = DDPG("MlpPolicy", pendulum(), **made(policy_kwargs={"net_arch": [256, 256]}))
    rng = np.random.default_rng(0)
    seen = [rng.normal(size=(64, 3)).astype(np.float32) for _ in range(4)]
    expected = [model.predict(each)[0] for each in seen]

    def all_are_right(i):
        return all(np.array_equal(model.predict(seen[i])[0], expected[i]) for _ in range(200))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(all_are_right, range(4)))


def test_a_platform_that_does_not_say_its_memory_is_trusted(monkeypatch):
    monkeypatch.delattr(os, "sysconf")
    assert DDPG("MlpPolicy", pendulum(), **made(buffer_size=99)).replay_buffer.buffer_size == 99


def test_a_buffer_that_memory_cannot_hold_is_refused():
    message = r"^DDPG: buffer_size must fit into memory \([\d,]+ bytes\), got 1,000,000,000,000 "
    message += r"transitions that need 40,000,000,000,000 bytes\. Choose at most [\d,]+, or optim"
    with pytest.raises(ValueError, match=message):
        DDPG("MlpPolicy", pendulum(), **made(buffer_size=10**12))


def test_a_buffer_of_other_shapes_is_refused(tmp_path):
    model = DDPG("MlpPolicy", pendulum(2), **made())
    model.save_replay_buffer(tmp_path / "two")
    message = r"observations of shape \(1, 3\), got \(2, 3\)\. Load one that was filled in"
    with pytest.raises(ValueError, match=rf"^DDPG: replay buffer must hold {message}"):
        DDPG("MlpPolicy", pendulum(), **made()).load_replay_buffer(tmp_path / "two")


def test_a_file_of_another_algorithm_is_refused(tmp_path):
    stable_baselines3.SAC("MlpPolicy", pendulum(), buffer_size=10).save(tmp_path / "sac")
    with pytest.raises(ValueError, match=r"^DDPG: path must be a file that DDPG.save wrote"):
        DDPG.load(tmp_path / "sac")
