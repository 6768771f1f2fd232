"""PPO with the defaults of Stable-Baselines3, one torch thread, kernels compiled beforehand.

Training: seconds are for 1000 environment steps, all of `learn` included, 2048 rows a rollout.
Quality is minus the mean return of the last hundred training episodes; one seed, so the tolerance
is wide. Prediction: seconds are for 1000 calls on one observation; quality is the share of actions
that differ from those of the peer. Cold start: a fresh process that imports rlextras and learns for
one rollout, with Numba's cache empty and then filled; the peer has nothing to compile.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

import rlextras
from benchmarks.harness import Contest, Contestant

SEED, N_ROWS, N_CALLS = 0, 2048, 1000
TASKS = {  # environment: how many, steps, whether normalised, tolerance of the return
    "CartPole-v1": ((1, 16_384, False, 60.0), (8, 16_384, False, 60.0)),
    "Pendulum-v1": ((4, 16_384, False, 200.0),),
    "HalfCheetah-v5": ((8, 16_384, True, 300.0),),
}
PEERS = (rlextras, stable_baselines3)


def contests() -> Iterator[Contest]:
    """Environments in one process, then predictions, then fresh processes."""
    torch.set_num_threads(1)
    for name, tasks in TASKS.items():
        for task in tasks:
            yield training(name, *task)
    yield predicting()
    yield starting(is_cold=True)
    yield starting(is_cold=False)


def training(
    name: str, n_envs: int, n_steps: int, is_normalized: bool, tolerance: float
) -> Contest:
    """Train from scratch on environments in one process."""

    def train(PPO: Any) -> Any:
        env = make_vec_env(name, n_envs=n_envs, seed=SEED)
        env = VecNormalize(env) if is_normalized else env
        model = PPO("MlpPolicy", env, n_steps=N_ROWS // n_envs, seed=SEED, device="cpu")
        return model.learn(n_steps)

    wrapped = " and VecNormalize" if is_normalized else ""
    return Contest(
        task=f"{name}, {n_envs} DummyVecEnv{wrapped}",
        units=n_steps / 1000,
        quality_name="minus return",
        tolerance=tolerance,
        contestants=contestants(train, minus_return),
    )


def minus_return(model: Any) -> float:
    """Minus the mean return of the last hundred episodes."""
    episodes = [episode["r"] for episode in model.ep_info_buffer]
    return -sum(episodes) / len(episodes)


def predicting() -> Contest:
    """Ask for the most likely action of single observations."""
    places = np.random.default_rng(0).normal(size=(N_CALLS, 4)).astype(np.float32)
    models = {
        module.PPO: module.PPO("MlpPolicy", "CartPole-v1", seed=SEED, device="cpu")
        for module in PEERS
    }

    def predict(PPO: Any) -> np.ndarray:
        ask = models[PPO].predict
        return np.array([ask(place, deterministic=True)[0] for place in places])

    expected = predict(stable_baselines3.PPO)
    return Contest(
        task="predict, one observation",
        units=N_CALLS / 1000,
        quality_name="share that differs",
        tolerance=0.001,
        contestants=contestants(predict, lambda given: float((given != expected).mean())),
    )


def starting(*, is_cold: bool) -> Contest:
    """Import and learn for one rollout in a fresh process."""
    warm = tempfile.mkdtemp()

    def start(PPO: Any) -> int:
        module = PPO.__module__.partition(".")[0]
        code = f"import {module}\nPPO = {module}.PPO\n"
        code += "PPO('MlpPolicy', 'CartPole-v1', n_steps=128, device='cpu').learn(128)"
        with tempfile.TemporaryDirectory() as cold:
            env = os.environ | {"NUMBA_CACHE_DIR": cold if is_cold else warm}
            done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True)
        return done.returncode

    return Contest(
        task=f"fresh process, Numba's cache {'empty' if is_cold else 'filled'}",
        quality_name="exit status",
        tolerance=0.0,
        contestants=contestants(start, float),
    )


def contestants(run: Callable[[Any], Any], quality: Callable[[Any], float]) -> list[Contestant]:
    """Ours, then the peer."""
    return [
        Contestant(name=f"{module.__name__}.PPO", run=partial(run, module.PPO), quality=quality)
        for module in PEERS
    ]
