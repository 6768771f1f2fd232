"""Slow and obvious twins of rlextras' vector environments: the host's DummyVecEnv, one by one."""

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env


class Walk(gymnasium.Env):
    """A random walk that ends at a border; it says where it stands, and how its reset went."""

    def __init__(self, *, border=3, as_dict=False):
        box = spaces.Box(-9, 9, (2,), np.float32)
        self.observation_space = spaces.Dict({"place": box}) if as_dict else box
        self.action_space, self.border, self.as_dict = spaces.Discrete(3), border, as_dict
        self.n_resets = 0

    def observe(self):
        place = np.array([self.place, self.n_steps], np.float32)
        return {"place": place} if self.as_dict else place

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.n_steps = float(self.np_random.uniform(-1, 1)), 0
        self.n_resets += 1
        return self.observe(), {"begins_at": self.place}

    def step(self, action):
        self.place += float(action) - 1 + float(self.np_random.normal()) / 4
        self.n_steps += 1
        is_over = abs(self.place) > self.border
        return self.observe(), self.place, is_over, False, {"at": self.place}


def limited_walk(limit=5, **options):
    """A walk with a time limit."""
    return gymnasium.wrappers.TimeLimit(Walk(**options), limit)


def dummy(make_env, *, n_envs, seed):
    """The host's own vector environment, monitored."""
    return make_vec_env(make_env, n_envs=n_envs, seed=seed)


def record(vec_env, *, n_steps, seed=0):
    """Everything a vector environment says in some steps of random actions."""
    rng = np.random.default_rng(seed)
    said = [(vec_env.reset(), list(vec_env.reset_infos))]
    for _ in range(n_steps):
        actions = random_actions(rng, vec_env.action_space, vec_env.num_envs)
        said.append((*vec_env.step(actions), list(vec_env.reset_infos)))
    return said


def random_actions(rng, space, n):
    """Actions (n, ...), now and then as far as the space goes."""
    if isinstance(space, spaces.Discrete):
        return rng.integers(space.n, size=n)
    actions = rng.uniform(1.2 * space.low, 1.2 * space.high, size=(n, *space.shape))
    return actions.clip(space.low, space.high).astype(space.dtype)
