"""Does a group of episodes replace the critic on CartPole?

GRPO has no value network: sixteen episodes begin in the same state, and each step is told apart by
what the others of its group earned from there on. The environment steps in compiled code, so does
the policy. Prints the seconds and the steps until 64 episodes in a row average 475, and the mean
return of the policy when it takes the most likely action.
"""

import time

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy

from rlextras import GRPO
from rlextras.vec_env import make_compiled

OPTIONS = {"group_size": 16, "n_groups": 1, "n_epochs": 8, "advantage": "return_to_go"}


class UntilSolved(BaseCallback):
    """Stop when the last 64 episodes average 475."""

    def _on_step(self) -> bool:
        return not self.is_solved

    def _on_training_start(self) -> None:
        self.is_solved = False

    def _on_rollout_end(self) -> None:
        last = [episode["r"] for episode in self.model.ep_info_buffer]
        self.is_solved = len(last) == 64 and np.mean(last) >= 475


def make(seed: int) -> GRPO:
    env = make_compiled("CartPole-v1", n_envs=16, seed=seed)
    kept = {"stats_window_size": 64, "seed": seed, "device": "cpu"}
    return GRPO("MlpPolicy", env, learning_rate=3e-3, **OPTIONS, **kept)


torch.set_num_threads(1)  # small networks: a second thread costs more than it brings
make(seed=1).learn(1_000)  # compiles the kernels, once after an install
model = make(seed=0)
start = time.perf_counter()
model.learn(400_000, callback=UntilSolved())
seconds = time.perf_counter() - start

names = [name for name, _ in model.policy.named_parameters()]
mean, _ = evaluate_policy(model, make_compiled("CartPole-v1", n_envs=4, seed=2), 20, warn=False)
print(f"computed by {model.backend}, parameters of a critic: {sum('value' in n for n in names)}")
print(f"475 reached after {seconds:.2f} s and {model.num_timesteps:,} steps")
print(f"mean return of the policy: {mean:.0f} of 500")
assert not any("value" in name for name in names)
assert mean > 400
