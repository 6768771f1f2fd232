"""A twin of EnvPool that keeps its contract: what it returns, in which order, and when it resets.

After the package's own Python sources: ``reset(env_id)`` and ``step(action, env_id)`` answer with
one row per environment asked, ``info["env_id"]`` says whose; an environment that ended is reset by
its next step, which ignores the action, unless it is reset before.
"""

import gymnasium
import numpy as np


class Pool(gymnasium.Env):
    """Environments behind EnvPool's interface; ``shuffles`` answers in an order of its own."""

    def __init__(self, make_env, *, num_envs, seed=42, batch_size=None, shuffles=False):
        self.envs = [make_env() for _ in range(num_envs)]
        self.observation_space = self.envs[0].observation_space
        self.action_space = self.envs[0].action_space
        batch_size = num_envs if batch_size is None else batch_size
        self.config = {"num_envs": num_envs, "batch_size": batch_size, "seed": seed}
        self.over, self.n_reset_steps = [True] * num_envs, 0
        self.order = np.random.default_rng(0) if shuffles else None
        self.seeds = [seed + i for i in range(num_envs)]
        self.actions = None

    def send(self, action, env_id=None):
        assert action.dtype == self.action_space.dtype
        self.actions = action

    def async_reset(self):
        self.actions = None

    def recv(self):
        raise AssertionError("the whole pool steps together")

    def reset(self, env_id=None):
        ids = np.arange(len(self.envs), dtype=np.int32) if env_id is None else env_id
        assert ids.dtype == np.int32
        rows = [(self._begin(i),) for i in ids]
        return self._answer(ids, rows)

    def step(self, action, env_id=None):
        self.send(action, env_id)
        ids = np.arange(len(self.envs), dtype=np.int32)
        return self._answer(ids, [self._step(i, action[i]) for i in ids])

    def _begin(self, i):
        seed, self.seeds[i], self.over[i] = self.seeds[i], None, False
        return self.envs[i].reset(seed=seed)[0]

    def _step(self, i, action):
        if self.over[i]:
            self.n_reset_steps += 1
            return self._begin(i), 0.0, False, False
        *row, _ = self.envs[i].step(action)
        self.over[i] = row[2] or row[3]
        return row

    def _answer(self, ids, rows):
        order = np.arange(len(ids)) if self.order is None else self.order.permutation(len(ids))
        columns = list(zip(*(rows[k] for k in order), strict=True))
        observations = stacked(columns[0])
        numbers = [np.array(column) for column in columns[1:]]
        return observations, *numbers, {"env_id": ids[order], "elapsed_step": ids[order] * 0}


def stacked(observations):
    if isinstance(observations[0], dict):
        return {key: np.stack([each[key] for each in observations]) for key in observations[0]}
    return np.stack(observations)
