"""Small environments whose every number is known."""

import copy

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnvWrapper

from rlextras.onpolicy.masks import mask_sizes


class Line(gymnasium.Env):
    """A point on a line, pushed by the action; the reward is its nearness to zero."""

    observation_space = spaces.Box(-10, 10, (2,), np.float64)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, *, spoil=None, spoil_at=20):
        self.spoil, self.spoil_at, self.n_steps = spoil, spoil_at, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-1, 1)
        return np.array([self.place, 0.0]), {}

    def step(self, action):
        self.n_steps += 1
        self.place += 0.3 * float(np.asarray(action).mean())
        observation, reward = np.array([self.place, 1.0]), -abs(self.place)
        if self.n_steps == self.spoil_at and self.spoil is not None:
            observation, reward = self.spoil(observation, reward)
        return observation, reward, abs(self.place) > 3, False, {}


class Clock(gymnasium.Env):
    """Observe the step of the episode, earn 1 a step; the task itself ends after ``end`` steps."""

    def __init__(self, end, *, as_dict=False):
        box = spaces.Box(0, 100, (1,))
        self.observation_space = spaces.Dict({"step": box}) if as_dict else box
        self.action_space = spaces.Discrete(2)
        self.end, self.as_dict = end, as_dict

    def observe(self):
        observation = np.array([self.n_steps], np.float32)
        return {"step": observation} if self.as_dict else observation

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.n_steps = 0
        return self.observe(), {}

    def step(self, action):
        self.n_steps += 1
        return self.observe(), 1.0, self.n_steps == self.end, False, {}


class Sampled(gymnasium.Env):
    """Observations drawn from a space; the mean of a 2 x 2 continuous action is the reward."""

    def __init__(self, space):
        self.observation_space, self.action_space = space, spaces.Box(-1, 1, (2, 2))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), float(action.mean()), False, False, {}


class Keeper(VecEnvWrapper):
    """Hand out the same arrays that are kept, as an environment that saves copies does."""

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        self.given = self.venv.step_wait()
        self.kept = copy.deepcopy(self.given)
        return self.given


def limited(make_env, *, limit, n_envs):
    """Several environments, each stopped after a number of steps."""
    return make_vec_env(lambda: gymnasium.wrappers.TimeLimit(make_env(), limit), n_envs=n_envs)


class Masked(gymnasium.Env):
    """A mask drawn at random in every step, shown as the observation; it refuses what that forbids.

    ``spoil`` replaces the mask of one step.
    """

    def __init__(self, action_space, *, by_method=True, as_dict=False, spoil=None, spoil_at=5):
        self.action_space, self.by_method, self.as_dict = action_space, by_method, as_dict
        self.spoil, self.spoil_at, self.n_steps = spoil, spoil_at, 0
        self.sizes = mask_sizes(action_space)
        box = spaces.Box(0, 1, (sum(self.sizes),))
        self.observation_space = spaces.Dict({"mask": box}) if as_dict else box
        if by_method:
            self.action_masks = self._told

    def _told(self):
        is_spoilt = self.spoil is not None and self.n_steps == self.spoil_at
        return self.spoil(self.mask) if is_spoilt else self.mask

    def _drawn(self):
        parts = [self.np_random.random(n) < 0.5 for n in self.sizes]
        for part in parts:
            part[self.np_random.integers(len(part))] = True
        self.mask = np.concatenate(parts)
        observation = self.mask.astype(np.float32)
        info = {} if self.by_method else {"action_mask": self._told()}
        return {"mask": observation} if self.as_dict else observation, info

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._drawn()

    def step(self, action):
        starts = np.cumsum([0, *self.sizes[:-1]])
        assert self.mask[starts + np.ravel(action).astype(int)].all(), "a forbidden action"
        self.n_steps += 1
        observation, info = self._drawn()
        return observation, float(np.sum(action)), self.n_steps % 9 == 0, False, info
