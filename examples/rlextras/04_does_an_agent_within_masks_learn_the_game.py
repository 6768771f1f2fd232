"""Does an agent that may choose legal moves only learn the game faster than one that is told off?

A lock with nine dials: each step one of the dials that are still closed has to be turned, and one
that is open must not be touched again. With ``use_masks=True`` PPO reads ``action_masks()`` of the
environment and never makes an illegal move; without, such a move costs a point and the turn. The
observation is a Dict. Prints the mean return over the last episodes of both, 36 is the best.
"""

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env

from rlextras import PPO

N_DIALS, N_STEPS = 9, 4_096
BEST = sum(range(N_DIALS))


class Lock(gymnasium.Env):
    """Opening dial i in turn t pays one point for each dial that was to be opened before it."""

    observation_space = spaces.Dict({"closed": spaces.MultiBinary(N_DIALS)})
    action_space = spaces.Discrete(N_DIALS)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        self.closed, self.turn, self.n_illegal = np.ones(N_DIALS, np.int8), 0, 0
        return {"closed": self.closed.copy()}, {}

    def action_masks(self) -> np.ndarray:
        """Whether each dial may be turned."""
        return self.closed.astype(bool)

    def step(self, action: int) -> tuple[dict, float, bool, bool, dict]:
        is_legal = bool(self.closed[action])
        reward = float(self.closed[:action].sum()) if is_legal else -1.0
        self.n_illegal += not is_legal
        self.closed[action], self.turn = 0, self.turn + 1
        is_over = not self.closed.any() or self.turn == 2 * N_DIALS
        info = {"n_illegal": self.n_illegal}
        return {"closed": self.closed.copy()}, reward, is_over, False, info


def train(use_masks: bool) -> tuple[float, float]:
    """Mean return and illegal moves of the last fifty episodes."""
    env = make_vec_env(Lock, n_envs=8, seed=0, monitor_kwargs={"info_keywords": ("n_illegal",)})
    options = {"n_steps": 64, "batch_size": 64, "learning_rate": 1e-3, "seed": 0, "device": "cpu"}
    model = PPO("MultiInputPolicy", env, use_masks=use_masks, **options).learn(N_STEPS)
    last = list(model.ep_info_buffer)[-50:]
    return tuple(float(np.mean([each[name] for each in last])) for name in ("r", "n_illegal"))


torch.set_num_threads(1)  # small networks: a second thread costs more than it brings
(masked, n_masked), (free, n_free) = train(use_masks=True), train(use_masks=False)
print(f"with masks     return {masked:5.2f} of {BEST}, illegal moves {n_masked:.2f} an episode")
print(f"without masks  return {free:5.2f} of {BEST}, illegal moves {n_free:.2f} an episode")
assert n_masked == 0 < n_free
assert masked > free
