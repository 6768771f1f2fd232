"""TRPO with the defaults of sb3-contrib, one torch thread.

Seconds are for 1000 environment steps, all of `learn` included. CartPole-v1 in eight environments,
2048 rows a rollout; quality is minus the mean return of the last hundred training episodes, one
seed, so the tolerance is wide. Images are noise of 36 x 36 pixels through the host's `CnnPolicy`,
which actor and critic share; quality is minus the last surrogate objective.
"""

from collections.abc import Iterator
from functools import partial

import sb3_contrib
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import FakeImageEnv

import rlextras
from benchmarks.harness import Contest, Contestant

SEED, RETURN_TOLERANCE, OBJECTIVE_TOLERANCE = 0, 60.0, 0.01
N_ENVS, N_STEPS, N_IMAGES = 8, 16_384, 512


def contests() -> Iterator[Contest]:
    """A pole, then images."""
    torch.set_num_threads(1)
    yield Contest(
        task=f"CartPole-v1, {N_ENVS} DummyVecEnv",
        units=N_STEPS / 1000,
        quality_name="minus return",
        tolerance=RETURN_TOLERANCE,
        contestants=contestants(balance, minus_return),
    )
    yield Contest(
        task="images, 2 DummyVecEnv",
        units=N_IMAGES / 1000,
        quality_name="minus objective",
        tolerance=OBJECTIVE_TOLERANCE,
        contestants=contestants(look, minus_objective),
    )


def contestants(train, quality) -> list[Contestant]:
    """Ours, then the peer."""
    return [
        Contestant(name=f"{host.__name__}.TRPO", run=partial(train, host.TRPO), quality=quality)
        for host in (rlextras, sb3_contrib)
    ]


def balance(algorithm: type[BaseAlgorithm]) -> BaseAlgorithm:
    """Train from scratch on environments in one process."""
    env = make_vec_env("CartPole-v1", n_envs=N_ENVS, seed=SEED)
    model = algorithm("MlpPolicy", env, n_steps=2048 // N_ENVS, seed=SEED, device="cpu")
    return model.learn(N_STEPS)


def look(algorithm: type[BaseAlgorithm]) -> BaseAlgorithm:
    """One update of a network for images."""
    env = make_vec_env(partial(FakeImageEnv, n_channels=1, screen_height=36, screen_width=36), 2)
    model = algorithm("CnnPolicy", env, n_steps=N_IMAGES // 2, seed=SEED, device="cpu")
    return model.learn(N_IMAGES)


def minus_return(model: BaseAlgorithm) -> float:
    """Minus the mean return of the last hundred episodes."""
    returns = [episode["r"] for episode in model.ep_info_buffer]
    return -sum(returns) / len(returns)


def minus_objective(model: BaseAlgorithm) -> float:
    """Minus the surrogate objective after the last update."""
    return -model.logger.name_to_value["train/policy_objective"]
