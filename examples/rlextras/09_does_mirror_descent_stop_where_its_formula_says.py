"""Does mirror descent, as in Kimi k1.5, stop where its formula says, while clipping goes on?

A bandit with three arms that pay 0, 0.5 and 1. Clipping goes after the best arm until nothing else
is left. Mirror descent trades, in each update, reward against τ for each nat that the policy moves,
and its optimum is known: p_old exp(r/τ) / Z. Prints what both end with, beside that formula.
"""

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env

from rlextras import GRPO

PAYS, TAU, N_EPISODES = np.array([0.0, 0.5, 1.0]), 0.5, 512


class Bandit(gymnasium.Env):
    """One choice, one payment."""

    observation_space, action_space = spaces.Box(0, 1, (1,)), spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        return np.ones(1, np.float32), {}

    def step(self, action: int) -> tuple:
        return np.ones(1, np.float32), float(PAYS[action]), True, False, {}


def probabilities(model: GRPO) -> np.ndarray:
    """What the policy would choose."""
    with torch.no_grad():
        return model.policy.get_distribution(torch.ones(1, 1)).distribution.probs[0].numpy()


def train(n_updates: int, n_epochs: int, **options: object) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities before and after."""
    env = make_vec_env(Bandit, n_envs=64)
    groups = {"group_size": N_EPISODES, "n_groups": 1, "scale": "none", "start": "random"}
    model = GRPO("MlpPolicy", env, 3e-3, n_epochs=n_epochs, **groups, **options, seed=0)
    before = probabilities(model)
    return before, probabilities(model.learn(n_updates * N_EPISODES))


torch.set_num_threads(1)  # small networks: a second thread costs more than it brings
before, mirror = train(1, 200, objective="mirror_descent", baseline="soft", tau=TAU)
_, clipped = train(20, 10)
formula = before * np.exp(PAYS / TAU) / (before * np.exp(PAYS / TAU)).sum()
for name, found in {
    "before": before,
    "mirror descent, one update": mirror,
    "p_old exp(r/τ) / Z": formula,
    "clipped, 20 updates": clipped,
}.items():
    print(f"{name:<28}", " ".join(f"{each:.3f}" for each in found))
print(f"mirror descent is {np.abs(mirror - formula).max():.3f} from its formula")
assert np.abs(mirror - formula).max() < 0.08  # 512 samples estimate Z
assert clipped[2] > formula[2]
