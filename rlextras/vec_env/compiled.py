"""Compiled vector versions of Gymnasium's classic control tasks."""

import importlib
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from rlextras.vec_env.batch import BatchVecEnv

TASKS: Mapping[str, str] = {
    "CartPole-v1": "cartpole",
    "Pendulum-v1": "pendulum",
    "MountainCar-v0": "mountain_car",
    "Acrobot-v1": "acrobot",
}
"""Environments that there are compiled versions of, and the files of their physics."""


class CompiledVecEnv(BatchVecEnv):
    """N copies of a classic control task [1]_ that step in one call of compiled code.

    Seeds, states, observations, rewards, time limits and infos equal those of N environments of
    Gymnasium in the host's ``DummyVecEnv``, to the last bit on the platforms that it was tested on.

    Parameters
    ----------
    env_id : {"CartPole-v1", "Pendulum-v1", "MountainCar-v0", "Acrobot-v1"}
        The task.
    n_envs : int, default=1
        N.
    seed : int, optional
        Environment i is seeded with ``seed + i``; None takes fresh entropy.
    max_episode_steps : int, optional
        The time limit; that of the registered environment if None.

    Raises
    ------
    TypeError
        If a number is not an int.
    ValueError
        If there is no compiled version of the task, or a number is out of range.

    References
    ----------
    .. [1] M. Towers et al., "Gymnasium: A Standard Interface for Reinforcement Learning
       Environments", 2024, https://arxiv.org/abs/2407.17032.

    Examples
    --------
    >>> from rlextras.vec_env import CompiledVecEnv
    >>> env = CompiledVecEnv("CartPole-v1", n_envs=8, seed=0)
    >>> env.reset().shape
    (8, 4)
    """

    def __init__(
        self,
        env_id: str,
        *,
        n_envs: int = 1,
        seed: int | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        if env_id not in TASKS:
            raise ValueError(
                f"CompiledVecEnv: env_id must be one of {', '.join(TASKS)}, got {env_id!r}. "
                "as_vec_env takes any other environment."
            )
        for name, value in {"n_envs": n_envs, "max_episode_steps": max_episode_steps}.items():
            _check_count(name, value)
        self.spec = gymnasium.spec(env_id)
        self.max_episode_steps: Any = max_episode_steps or self.spec.max_episode_steps
        # Imported here, since importing compiles.
        self._task = importlib.import_module(f"rlextras.vec_env.dynamics.{TASKS[env_id]}").TASK
        self._kernels = importlib.import_module("rlextras.vec_env.dynamics.episodes")
        self._two = importlib.import_module("rlextras.vec_env.dynamics.task").TWO
        single = gymnasium.make(env_id).unwrapped
        super().__init__(n_envs, single.observation_space, single.action_space)
        self.states = np.zeros((n_envs, self._task.n_states))  # (N, S)
        self._rngs: list[Any] = [None] * n_envs
        self.seed(seed)

    def reset(self) -> VecEnvObs:
        """Start an episode in each environment, with the seeds chosen since the last time.

        Returns
        -------
        ndarray of shape (N, O)
            First observations.
        """
        if any(self._options):
            raise ValueError(
                "CompiledVecEnv: options must be empty, got "
                f"{self._options[0]!r}. Use the host's DummyVecEnv to change how episodes start."
            )
        for i, seed in enumerate(self._seeds):
            if seed is not None or self._rngs[i] is None:
                sequence = np.random.SeedSequence(seed)
                self._rngs[i] = np.random.Generator(np.random.PCG64(sequence))  # as Gymnasium does
        self._reset_seeds()
        self._begin_episodes()
        return np.stack([self._start(i) for i in range(self.num_envs)])

    def step_wait(self) -> VecEnvStepReturn:
        """Take the step.

        Returns
        -------
        observations, rewards, dones, infos
            As ``DummyVecEnv`` gives them.

        Raises
        ------
        TypeError
            If actions are not numbers of the task's kind.
        ValueError
            If an action is not allowed, or their number is wrong.
        """
        actions = self._as_actions(self.actions)
        n = self.num_envs
        observations = np.empty((n, *self.observation_space.shape), dtype=np.float32)  # type: ignore[misc]
        rewards, terminated, truncated = np.empty(n), np.empty(n, bool), np.empty(n, bool)
        wrong = self._task.step(self.states, actions, observations, rewards, terminated, self._two)
        if wrong >= 0:
            raise ValueError(
                f"CompiledVecEnv: actions must be in {self.action_space}, got "
                f"{actions[wrong]} for environment {wrong}. Look at how they were computed."
            )
        n_ended = self._kernels.count_step(
            rewards, terminated, self.lengths, self.returns, self.max_episode_steps, truncated
        )
        if not n_ended:
            infos: list[dict[str, Any]] = [{"TimeLimit.truncated": False} for _ in range(n)]
            return observations, rewards.astype(np.float32), terminated, infos
        dones = terminated | truncated
        infos = self._step_infos(dones, truncated & ~terminated)
        for i in np.flatnonzero(dones).tolist():
            infos[i]["terminal_observation"] = observations[i].copy()
            observations[i] = self._start(i)
        self._begin_episodes(dones)
        return observations, rewards.astype(np.float32), dones, infos

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Attribute of each environment.

        Parameters
        ----------
        attr_name : str
            "spec" or "render_mode"; no other is known.
        indices : int or iterable of int, optional
            Which environments; all if None.

        Returns
        -------
        list
            Their values.
        """
        if attr_name == "spec":
            return [self.spec for _ in self._get_indices(indices)]
        return super().get_attr(attr_name, indices)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the compiled code."""
        compiled = ("_task", "_kernels", "_two")
        return {name: each for name, each in self.__dict__.items() if name not in compiled}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Everything, and the compiled code found again."""
        fresh = CompiledVecEnv(state["spec"].id, n_envs=state["num_envs"])
        self.__dict__.update(fresh.__dict__ | state)

    def _start(self, i: int) -> np.ndarray:
        """Begin an episode in one environment; its first observation (O,)."""
        state = self._task.draw(self._rngs[i])
        self.states[i] = state
        return self._task.observe(state)

    def _as_actions(self, given: Any) -> np.ndarray:
        """Actions (N,) as the kernel takes them."""
        actions = np.asarray(given)
        is_discrete = isinstance(self.action_space, spaces.Discrete)
        if actions.dtype.kind not in ("iu" if is_discrete else "iuf"):
            raise TypeError(
                f"CompiledVecEnv: actions must be in {self.action_space}, got numbers of type "
                f"{actions.dtype}. Look at how they were computed."
            )
        if actions.size != self.num_envs:
            raise ValueError(
                f"CompiledVecEnv: actions must be one per environment, {self.num_envs}, got shape "
                f"{actions.shape}. Look at how they were computed."
            )
        return np.ascontiguousarray(actions.reshape(-1), dtype=self._task.action_dtype)


def make_compiled(env_id: str, *, n_envs: int = 1, seed: int | None = None) -> CompiledVecEnv:
    """Make a compiled vector environment, in the words of the host's ``make_vec_env``.

    Parameters
    ----------
    env_id : {"CartPole-v1", "Pendulum-v1", "MountainCar-v0", "Acrobot-v1"}
        The task.
    n_envs : int, default=1
        How many.
    seed : int, optional
        Environment i is seeded with ``seed + i``; None takes fresh entropy.

    Returns
    -------
    CompiledVecEnv
        Ready for an algorithm.
    """
    return CompiledVecEnv(env_id, n_envs=n_envs, seed=seed)


def _check_count(name: str, value: object) -> None:
    """Refuse what is no count; None stands for a default."""
    cure = "Typical is 8." if name == "n_envs" else "None takes the registered limit."
    if value is None and name != "n_envs":
        return
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        got = f"{value!r} of type {type(value).__name__}"
        raise TypeError(f"CompiledVecEnv: {name} must be an int, got {got}. {cure}")
    if value < 1:
        raise ValueError(f"CompiledVecEnv: {name} must be 1 or more, got {value}. {cure}")
