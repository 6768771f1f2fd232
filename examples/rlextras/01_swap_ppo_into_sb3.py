"""How far apart are a program with Stable-Baselines3's PPO and the same one with rlextras' PPO?

Both train on CartPole with the same seed; then each continues from the file that the other saved.
Prints the largest difference between their parameters, and the return of the trained policy.
"""

import tempfile
import time
from pathlib import Path

import stable_baselines3
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

import rlextras

N_STEPS = 16_384


def train(algorithm: type[BaseAlgorithm]) -> BaseAlgorithm:
    """The user's program; the class is all that differs."""
    env = make_vec_env("CartPole-v1", n_envs=8, seed=0)
    model = algorithm("MlpPolicy", env, n_steps=64, batch_size=256, seed=0, device="cpu")
    start = time.perf_counter()
    model.learn(N_STEPS)
    rate = N_STEPS / (time.perf_counter() - start)
    print(f"{algorithm.__module__:<24} {rate:8,.0f} steps/s")
    return model


def continued(algorithm: type[BaseAlgorithm], path: Path) -> BaseAlgorithm:
    """A model from a file, after some more training."""
    model = algorithm.load(path, env=make_vec_env("CartPole-v1", n_envs=8, seed=1), device="cpu")
    model.set_random_seed(1)
    return model.learn(2_048)


def difference(one: BaseAlgorithm, other: BaseAlgorithm) -> float:
    """Largest absolute difference between the parameters of two models."""
    pairs = zip(one.policy.parameters(), other.policy.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


torch.set_num_threads(1)  # small networks: a second thread costs more than it brings
theirs, ours = train(stable_baselines3.PPO), train(rlextras.PPO)
print(f"after {N_STEPS} steps, parameters differ by at most {difference(theirs, ours):.1e}")

with tempfile.TemporaryDirectory() as folder:
    theirs.save(Path(folder) / "theirs.zip")
    ours.save(Path(folder) / "ours.zip")
    swapped = (
        continued(rlextras.PPO, Path(folder) / "theirs.zip"),
        continued(stable_baselines3.PPO, Path(folder) / "ours.zip"),
    )
print(f"each continued from the other's file: by at most {difference(*swapped):.1e}")
mean, _ = evaluate_policy(ours, make_vec_env("CartPole-v1", seed=2), n_eval_episodes=10)
print(f"mean return of the policy: {mean:.0f} of 500")
assert difference(theirs, ours) < 1e-3
