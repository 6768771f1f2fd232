"""PPO on CartPole-v1 with the defaults of Stable-Baselines3, one torch thread.

Seconds are for 1000 environment steps, all of `learn` included. Quality is minus the mean return of
the last hundred training episodes; one seed, so the tolerance is wide.
"""

from collections.abc import Iterator
from functools import partial

import stable_baselines3
import torch
from stable_baselines3.common.env_util import make_vec_env

import rlextras
from benchmarks.harness import Contest, Contestant

ENV, N_STEPS, SEED, RETURN_TOLERANCE = "CartPole-v1", 16_384, 0, 60.0
OPTIONS = {1: {}, 8: {"n_steps": 256}}  # environments: 2048 rows a rollout


def contests() -> Iterator[Contest]:
    """One environment, then eight."""
    torch.set_num_threads(1)
    for n_envs, options in OPTIONS.items():
        yield training(n_envs, options)


def training(n_envs: int, options: dict[str, int]) -> Contest:
    """Train from scratch on environments in one process."""

    def train(PPO):
        env = make_vec_env(ENV, n_envs=n_envs, seed=SEED)
        model = PPO("MlpPolicy", env, seed=SEED, device="cpu", **options)
        return model.learn(N_STEPS)

    def mean_return(model):
        episodes = [episode["r"] for episode in model.ep_info_buffer]
        return -sum(episodes) / len(episodes)

    return Contest(
        task=f"{ENV}, {n_envs} DummyVecEnv",
        units=N_STEPS / 1000,
        quality_name="minus return",
        tolerance=RETURN_TOLERANCE,
        contestants=[
            Contestant(
                name=f"{module.__name__}.PPO", run=partial(train, module.PPO), quality=mean_return
            )
            for module in (rlextras, stable_baselines3)
        ],
    )
