"""Does hindsight reach goals that chance does not?

A point in a square is pushed towards a goal; the reward is 0 within reach of it and -1 elsewhere,
so that random steps earn next to nothing. DDPG learns once from what happened and once with most of
its replays told as if what was reached had been the goal. Prints both shares of goals reached.
"""

from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from rlextras import DDPG

REACH, N_STEPS = 0.1, 2_000


class Point(gymnasium.Env):
    """Steps of at most 0.3 in a square of side 2."""

    def __init__(self) -> None:
        box = spaces.Box(-1, 1, (2,), np.float32)
        keys = ("observation", "achieved_goal", "desired_goal")
        self.observation_space, self.action_space = spaces.Dict(dict.fromkeys(keys, box)), box

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.place, self.goal = self.np_random.uniform(-1, 1, (2, 2)).astype(np.float32)
        return self.seen(), {}

    def seen(self) -> dict[str, np.ndarray]:
        return {k: self.goal if k[0] == "d" else self.place for k in self.observation_space}

    def step(self, action: np.ndarray) -> Any:
        self.place = np.clip(self.place + 0.3 * action, -1, 1).astype(np.float32)
        reward = float(self.compute_reward(self.place, self.goal, {}))
        return self.seen(), reward, False, False, {"is_success": reward == 0}

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> np.ndarray:
        return (np.linalg.norm(achieved - desired, axis=-1) < REACH) - 1.0


torch.set_num_threads(1)
reached = {}
for name, buffer in {"with hindsight": HerReplayBuffer, "without": None}.items():
    env = gymnasium.wrappers.TimeLimit(Point(), 12)
    options = {"policy_kwargs": {"net_arch": [64, 64]}, "batch_size": 128, "buffer_size": N_STEPS}
    noise = NormalActionNoise(np.zeros(2), 0.2 * np.ones(2))
    options |= {"action_noise": noise, "gamma": 0.9, "tau": 0.02, "seed": 0, "device": "cpu"}
    model = DDPG("MultiInputPolicy", env, replay_buffer_class=buffer, **options).learn(N_STEPS)
    reached[name] = float(np.mean(model.ep_success_buffer))
    print(f"{name}: {100 * reached[name]:.0f}% of the last {len(model.ep_success_buffer)} goals")
assert reached["with hindsight"] > 0.6
