"""An EnvPool as the host's ``VecEnv``."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from rlextras.vec_env.batch import BatchVecEnv
from rlextras.vec_env.rows import copied, row, write_row


def is_envpool(env: object) -> bool:
    """Whether an object steps like an EnvPool.

    Parameters
    ----------
    env : object
        Anything.

    Returns
    -------
    bool
        Whether it sends and receives, and has a configuration.
    """
    return all(hasattr(env, name) for name in ("send", "recv", "async_reset", "config"))


class EnvPoolVecEnv(BatchVecEnv):
    """An EnvPool [1]_ with the interface of Stable-Baselines3.

    EnvPool resets an environment in the step after its last, and ignores the action then. This
    class resets environments that ended at once, by ``reset(env_id)``, so that no such step is
    ever taken. Rows are put in order by ``info["env_id"]``.

    Parameters
    ----------
    env : object
        What ``envpool.make(..., env_type="gymnasium")`` returns, with ``batch_size`` equal to
        ``num_envs``.

    Raises
    ------
    TypeError
        If it does not step like an EnvPool.
    ValueError
        If it answers for some of its environments only.

    References
    ----------
    .. [1] J. Weng et al., "EnvPool: A Highly Parallel Reinforcement Learning Environment Execution
       Engine", NeurIPS 2022, https://arxiv.org/abs/2206.10558.

    Examples
    --------
    >>> import envpool  # doctest: +SKIP
    >>> env = envpool.make("Ant-v4", env_type="gymnasium", num_envs=8)  # doctest: +SKIP
    >>> model = PPO("MlpPolicy", EnvPoolVecEnv(env)).learn(100_000)  # doctest: +SKIP
    """

    def __init__(self, env: Any) -> None:
        if not is_envpool(env):
            raise TypeError(
                f"EnvPoolVecEnv: env must be an EnvPool, got a {type(env).__name__}. "
                "as_vec_env takes other environments."
            )
        n_envs, batch_size = env.config["num_envs"], env.config.get("batch_size", 0)
        if batch_size not in {0, n_envs}:
            raise ValueError(
                f"EnvPoolVecEnv: batch_size must be num_envs = {n_envs}, got {batch_size}. "
                "The host steps all environments together; leave batch_size out."
            )
        self.env = env
        self._action_dtype = env.action_space.dtype
        super().__init__(n_envs, env.observation_space, env.action_space)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Warn if a seed is asked for that the pool was not made with.

        Parameters
        ----------
        seed : int, optional
            The seed that the algorithm was given.

        Returns
        -------
        list of int
            The seeds that the pool was made with.
        """
        first = self.env.config.get("seed", 0)
        if seed is not None and seed != first:
            warnings.warn(
                f"EnvPoolVecEnv: the pool was made with seed {first} and cannot be given seed "
                f"{seed}. Hand it to envpool.make(..., seed={seed}).",
                stacklevel=2,
            )
        return [first + i for i in range(self.num_envs)]

    def reset(self) -> VecEnvObs:
        """Reset all environments.

        Returns
        -------
        ndarray of shape (N, ...), or dict of them
            First observations.
        """
        given, said = self.env.reset()
        observations = copied(given)
        self.reset_infos = [{} for _ in range(self.num_envs)]
        _tell(self.reset_infos, said, self._order(observations, given, said))
        self._begin_episodes()
        return observations

    def step_wait(self) -> VecEnvStepReturn:
        """Take the step.

        Returns
        -------
        observations, rewards, dones, infos
            As the host wants them.
        """
        actions = np.asarray(self.actions, dtype=self._action_dtype)
        given, *numbers, said = self.env.step(actions)
        observations = copied(given)
        places = self._order(observations, given, said)
        rewards, terminated, truncated = (_ordered(each, places) for each in numbers)
        dones = (terminated | truncated).astype(bool)
        self.lengths += 1
        self.returns += rewards
        infos = self._step_infos(dones, dones & ~terminated.astype(bool))
        _tell(infos, said, places)
        if dones.any():
            self._end_episodes(observations, dones, infos)
        return observations, rewards.astype(np.float32), dones, infos

    def close(self) -> None:
        """Free what the pool holds."""
        self.env.close()

    def _end_episodes(
        self, observations: Any, dones: np.ndarray, infos: list[dict[str, Any]]
    ) -> None:
        """Keep the final observations, and put first ones in their place."""
        ended = np.flatnonzero(dones).astype(np.int32)
        for i in ended.tolist():
            infos[i]["terminal_observation"] = row(observations, i)
        first, said = self.env.reset(ended)
        places = self._order(observations, first, said, asked=ended)
        for i in ended.tolist():
            self.reset_infos[i] = {}
        _tell(self.reset_infos, said, places)
        self._begin_episodes(ended)

    @staticmethod
    def _order(
        observations: Any, given: Any, said: Mapping[str, Any], asked: np.ndarray | None = None
    ) -> np.ndarray | None:
        """Write rows into the places of their environments; the places, None if all in order."""
        places = np.asarray(said["env_id"]) if "env_id" in said else asked
        if places is None or (asked is None and np.array_equal(places, np.arange(len(places)))):
            return None
        for k, place in enumerate(places.tolist()):
            write_row(observations, place, row(given, k))
        return places


def _tell(infos: list[dict[str, Any]], said: Mapping[str, Any], places: np.ndarray | None) -> None:
    """Write what a pool said into the infos of its environments; all in order if places is None."""
    which = range(len(infos)) if places is None else places.tolist()
    for key, values in said.items():
        if isinstance(values, np.ndarray) and len(values) == len(which):
            for i, value in zip(which, values, strict=True):
                infos[i][key] = value


def _ordered(values: np.ndarray, places: np.ndarray | None) -> np.ndarray:
    """Values (N, ...) by environment, from values by place in the answer."""
    if places is None:
        return np.array(values)
    ordered = np.empty_like(values)
    ordered[places] = values
    return ordered
