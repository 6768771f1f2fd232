"""Models of GRPO on an environment whose start and noise can be told apart."""

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env

from rlextras import GRPO

SMALL = {"group_size": 3, "n_groups": 2, "n_epochs": 2, "batch_size": 32, "seed": 0}


class Noisy(gymnasium.Env):
    """A start drawn at reset, then noise in every step; the action is not heeded."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Discrete(2)

    def __init__(self, *, heeds_seeds=True, length=5):
        self.heeds_seeds, self.length, self.hidden = heeds_seeds, length, 0.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed if self.heeds_seeds else None)
        self.n_steps, self.hidden = 0, self.np_random.normal()
        return np.array([self.hidden, 0.0]), {}

    def step(self, action):
        self.n_steps += 1
        seen = np.array([self.hidden, self.np_random.normal()])
        return seen, float(action) + seen[1], self.n_steps >= self.length, False, {}


def noisy(n_envs=3, **options):
    return make_vec_env(lambda: Noisy(**options), n_envs=n_envs)


def make(env=None, policy="MlpPolicy", **options):
    given = {"device": "cpu", "policy_kwargs": {"net_arch": [8]}} | SMALL | options
    return GRPO(policy, noisy() if env is None else env, **given)


def episodes_of(model):
    """Observations of the last rollout, (groups, members, steps, ...)."""
    played = model._episodes
    assert len(set(played.lengths.tolist())) == 1
    return played.observations.reshape(model.n_groups, model.group_size, played.lengths[0], -1)
