"""Environments of one process, stepped by several threads."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from rlextras.vec_env.rows import copied_info


class ThreadedVecEnv(DummyVecEnv):
    """A ``DummyVecEnv`` whose environments step at the same time, in threads.

    For environments that release the interpreter's lock while they step, as MuJoCo's do [1]_; pure
    Python environments become slower. Results are those of ``DummyVecEnv``, whatever the number of
    threads: each environment belongs to one thread and has its own generator.

    Parameters
    ----------
    env_fns : list of callable
        Each makes one environment.
    n_threads : int, optional
        Threads, this one included; as many as this process has cores if None.

    Raises
    ------
    TypeError
        If the number of threads is not an int.
    ValueError
        If it is below 1.

    References
    ----------
    .. [1] E. Todorov, T. Erez, Y. Tassa, "MuJoCo: A physics engine for model-based control", IROS
       2012, https://doi.org/10.1109/IROS.2012.6386109.

    Examples
    --------
    >>> from stable_baselines3.common.env_util import make_vec_env
    >>> from rlextras.vec_env import ThreadedVecEnv
    >>> env = make_vec_env("Pendulum-v1", n_envs=4, seed=0, vec_env_cls=ThreadedVecEnv)
    >>> env.reset().shape
    (4, 3)
    >>> env.close()
    """

    def __init__(
        self, env_fns: list[Callable[[], gymnasium.Env]], *, n_threads: int | None = None
    ) -> None:
        n_threads = _n_cores() if n_threads is None else n_threads
        if not isinstance(n_threads, int) or isinstance(n_threads, bool):
            raise TypeError(
                "ThreadedVecEnv: n_threads must be an int or None, got "
                f"{n_threads!r} of type {type(n_threads).__name__}. None takes one per core."
            )
        if n_threads < 1:
            raise ValueError(
                f"ThreadedVecEnv: n_threads must be 1 or more, got {n_threads}. "
                "None takes one per core."
            )
        super().__init__(env_fns)
        n_threads = min(n_threads, self.num_envs)
        places = np.array_split(np.arange(self.num_envs), n_threads)
        self._shares = [each.tolist() for each in places]
        self._pool = ThreadPoolExecutor(max(1, n_threads - 1), thread_name_prefix="ThreadedVecEnv")
        self._pending: list[Future[None]] = []

    def step_async(self, actions: np.ndarray) -> None:
        """Let the other threads begin.

        Parameters
        ----------
        actions : ndarray of shape (N, ...)
            One per environment.
        """
        super().step_async(actions)
        self._pending = [self._pool.submit(self._step_some, each) for each in self._shares[1:]]

    def step_wait(self) -> VecEnvStepReturn:
        """Step this thread's share, and wait for the others.

        Returns
        -------
        observations, rewards, dones, infos
            As ``DummyVecEnv`` gives them.
        """
        try:
            self._step_some(self._shares[0])
        finally:
            wait(self._pending)  # an error must not leave threads at work
        for each in self._pending:
            each.result()
        infos, self.buf_infos = self.buf_infos, [{} for _ in range(self.num_envs)]
        return self._obs_from_buf(), self.buf_rews.copy(), self.buf_dones.copy(), infos

    def close(self) -> None:
        """End the threads and close the environments."""
        self._pool.shutdown()
        super().close()

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the threads."""
        return self.__dict__ | {"_pool": len(self._shares), "_pending": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Everything, and new threads."""
        pool = ThreadPoolExecutor(max(1, state["_pool"] - 1), thread_name_prefix="ThreadedVecEnv")
        self.__dict__.update(state | {"_pool": pool})

    def _step_some(self, places: Sequence[int]) -> None:
        """Step some environments and reset those that ended, as the host does."""
        for i in places:
            env = self.envs[i]
            observation, reward, terminated, truncated, given = env.step(self.actions[i])
            info = dict(given)
            info["TimeLimit.truncated"] = truncated and not terminated
            if terminated or truncated:
                info["terminal_observation"] = observation
                observation, self.reset_infos[i] = env.reset()
            self._save_obs(i, observation)
            self.buf_rews[i] = reward
            self.buf_dones[i] = terminated or truncated
            self.buf_infos[i] = copied_info(info)


def _n_cores() -> int:
    """Cores that this process may use, where the platform says so."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1
