"""Environments, callbacks and loggers that note what an algorithm does to them."""

import copy
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import KVWriter
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

PLACES = spaces.Box(-1, 1, (2,))


class Probe(gymnasium.Env):
    """Observations drawn from a space, a reward of 1 a step; notes actions that it cannot take.

    Parameters
    ----------
    observation_space : Space
        What is drawn.
    action_space : Space
        What is taken.
    length : int or None
        Steps after which the task ends by itself.
    is_clock : bool
        Whether observations are the steps done and not drawn.
    has_luck : bool
        Whether the reward is drawn from [0, 1), so that episodes differ in what they are worth.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        *,
        length: int | None = None,
        is_clock: bool = False,
        has_luck: bool = False,
    ) -> None:
        self.observation_space = copy.deepcopy(observation_space)
        self.action_space = copy.deepcopy(action_space)
        self.length, self.is_clock, self.has_luck = length, is_clock, has_luck
        self.n_steps = self.n_all_steps = 0
        self.refused: list[Any] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode.

        Parameters
        ----------
        seed : int, optional
            Of what is drawn.
        options : object
            Not used.

        Returns
        -------
        observation, info
            As Gymnasium wants them.
        """
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.n_steps = 0
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take a step.

        Parameters
        ----------
        action : object
            Noted if it is not in the space.

        Returns
        -------
        observation, reward, terminated, truncated, info
            As Gymnasium wants them.
        """
        if not self.action_space.contains(action):
            self.refused.append(action)
        self.n_steps += 1
        self.n_all_steps += 1
        reward = self.np_random.random() if self.has_luck else 1.0
        return self._observe(), reward, self.n_steps == self.length, False, {}

    def _observe(self) -> Any:
        if self.is_clock:
            return np.full(2, self.n_steps, np.float32)
        return self.observation_space.sample()


def probes(
    *,
    action_space: spaces.Space,
    observation_space: spaces.Space = PLACES,
    n_envs: int = 1,
    limit: int = 5,
    **options: Any,
) -> VecEnv:
    """Several probes with a time limit, monitored.

    Parameters
    ----------
    action_space : Space
        What they take.
    observation_space : Space
        What they show.
    n_envs : int, default=1
        How many.
    limit : int, default=5
        Steps after which an episode is truncated.
    **options : object
        Further options of `Probe`.

    Returns
    -------
    DummyVecEnv
        The probes.
    """

    def _make() -> gymnasium.Env:
        return gymnasium.wrappers.TimeLimit(
            Probe(observation_space, action_space, **options), limit
        )

    return make_vec_env(_make, n_envs=n_envs)


class Keeper(VecEnvWrapper):
    """Hands out arrays, and notes when somebody else has written into them.

    Parameters
    ----------
    venv : VecEnv
        The environments.
    """

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self.given: Any = None
        self.kept: Any = None
        self.n_written = 0

    def reset(self) -> VecEnvObs:
        """Reset.

        Returns
        -------
        ndarray
            First observations.
        """
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """Look at what was handed out last, and take a step.

        Returns
        -------
        observations, rewards, dones, infos
            As the environments gave them.
        """
        self.look()
        self.given = self.venv.step_wait()
        self.kept = copy.deepcopy(self.given[:3])
        return self.given

    def look(self) -> None:
        """Compare what was handed out with its copy."""
        if self.given is not None:
            pairs = zip(self.given[:3], self.kept, strict=True)
            self.n_written += not all(np.array_equal(one, other) for one, other in pairs)


class Spy(BaseCallback):
    """Notes when it is called, and stops or raises at some step.

    Parameters
    ----------
    stop_at : int, optional
        The step at which it asks to stop.
    raise_at : int, optional
        The step at which it is interrupted as by Ctrl-C.
    """

    def __init__(self, *, stop_at: int | None = None, raise_at: int | None = None) -> None:
        super().__init__()
        self.stop_at, self.raise_at = stop_at, raise_at
        self.events: list[str] = []
        self.counts: list[int] = []
        self.names: set[str] = set()

    def _on_training_start(self) -> None:
        self.events.append("training starts")

    def _on_rollout_start(self) -> None:
        self.events.append("rollout starts")

    def _on_step(self) -> bool:
        self.events.append("step")
        self.counts.append(self.model.num_timesteps)
        self.names |= self.locals.keys()
        if self.n_calls == self.raise_at:
            raise KeyboardInterrupt
        return self.n_calls != self.stop_at

    def _on_rollout_end(self) -> None:
        self.events.append("rollout ends")

    def _on_training_end(self) -> None:
        self.events.append("training ends")


class Record(KVWriter):
    """Keeps what a logger writes."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        """Keep the newest value of each key.

        Parameters
        ----------
        key_values : dict of str to object
            What is written.
        key_excluded : dict of str to tuple
            Not used.
        step : int, default=0
            Not used.
        """
        self.values |= key_values

    def close(self) -> None:
        """Nothing is held open."""
