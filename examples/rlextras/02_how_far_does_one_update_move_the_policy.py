"""How far does one update move the policy?

TRPO promises that no update exceeds a bound on the KL divergence from the old to the new policy;
with PPO that depends on the learning rate, here 1e-3 for both. After each update on CartPole the
divergence is measured on the rollout's observations. Prints the largest, the median and the bound.
"""

import copy
import statistics

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

import rlextras
from rlextras.trpo import mean_divergence

BOUND, N_STEPS = 0.01, 16_384


class Distances(BaseCallback):
    """Measure KL(old || new) of each update, on the rollout that it was made from."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[float] = []

    def _on_rollout_end(self) -> None:
        observations = self.model.rollout_buffer.observations
        self.seen = torch.as_tensor(observations.reshape(-1, observations.shape[-1]))
        with torch.no_grad():
            self.old = copy.copy(self.model.policy.get_distribution(self.seen))

    def _on_rollout_start(self) -> None:
        if self.n_calls:
            with torch.no_grad():
                new = self.model.policy.get_distribution(self.seen)
            self.found.append(mean_divergence(self.old, new).item())

    def _on_step(self) -> bool:
        return True


def largest(algorithm: type[BaseAlgorithm], **options: float) -> float:
    """Train, print how far the updates went, return the farthest."""
    env, distances = make_vec_env("CartPole-v1", n_envs=8, seed=0), Distances()
    model = algorithm("MlpPolicy", env, 1e-3, n_steps=128, seed=0, device="cpu", **options)
    model.learn(N_STEPS, callback=distances)
    found, middle = distances.found, statistics.median(distances.found)
    print(f"{algorithm.__name__:4}  largest {max(found):.4f}  median {middle:.4f} nats")
    return max(found)


torch.set_num_threads(1)  # small networks: a second thread costs more than it brings
print(f"bound {BOUND} nats")
within, beyond = largest(rlextras.TRPO, target_kl=BOUND), largest(rlextras.PPO)
assert within <= BOUND * 1.001 < beyond  # float32
