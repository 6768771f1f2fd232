"""What vector environments that step all at once share: episodes, seeds, and what they lack."""

import time
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices


class BatchVecEnv(VecEnv):
    """N environments behind one ``step``; abstract: a member adds ``reset`` and ``step_wait``.

    It counts episodes as the host's ``Monitor`` does, so that the logger has its numbers.

    Parameters
    ----------
    n_envs : int
        N.
    observation_space : Space
        Of one environment.
    action_space : Space
        Of one environment.
    """

    draws_noise: bool = False
    """Whether its steps draw random numbers."""

    def __init__(
        self, n_envs: int, observation_space: spaces.Space, action_space: spaces.Space
    ) -> None:
        self.lengths = np.zeros(n_envs, dtype=np.int64)  # (N,), steps of the episodes under way
        self.returns = np.zeros(n_envs)  # (N,), their undiscounted returns
        self.actions: Any = None
        self._started = time.time()
        super().__init__(n_envs, observation_space, action_space)

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`.

        Parameters
        ----------
        actions : ndarray of shape (N, ...)
            One per environment.
        """
        self.actions = actions

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Choose the seeds of the next `reset`: seed, seed + 1, ... as the host does.

        Parameters
        ----------
        seed : int, optional
            Fresh entropy if None; no global generator is asked.

        Returns
        -------
        list of int
            One per environment.
        """
        first = np.random.SeedSequence().generate_state(1)[0] if seed is None else seed
        self._seeds = [int(first) + i for i in range(self.num_envs)]
        return self._seeds

    def close(self) -> None:
        """Free what the environments hold."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Attribute of each environment.

        Parameters
        ----------
        attr_name : str
            Its name.
        indices : int or iterable of int, optional
            Which environments; all if None.

        Returns
        -------
        list
            Their values.

        Raises
        ------
        AttributeError
            If it is out of reach.
        """
        if attr_name != "render_mode":
            self._refuse(f"get_attr({attr_name!r})")
        return [None for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of each environment.

        Parameters
        ----------
        attr_name : str
            Its name.
        value : object
            What they all get.
        indices : int or iterable of int, optional
            Which environments; all if None.

        Raises
        ------
        AttributeError
            If it is out of reach.
        """
        self._refuse(f"set_attr({attr_name!r})")

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Call a method of each environment.

        Parameters
        ----------
        method_name : str
            Its name.
        *method_args : object
            What it gets by position.
        indices : int or iterable of int, optional
            Which environments; all if None.
        **method_kwargs : object
            What it gets by name.

        Returns
        -------
        list
            What they returned.

        Raises
        ------
        AttributeError
            If it is out of reach.
        """
        self._refuse(f"env_method({method_name!r})")

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """Whether each environment does what a wrapper does.

        Parameters
        ----------
        wrapper_class : type
            The wrapper.
        indices : int or iterable of int, optional
            Which environments; all if None.

        Returns
        -------
        list of bool
            True for ``Monitor``, whose statistics this class keeps itself.
        """
        return [wrapper_class is Monitor for _ in self._get_indices(indices)]

    def _refuse(self, what: str) -> NoReturn:
        """Say that single environments are out of reach."""
        raise AttributeError(
            f"{type(self).__name__}: {what} needs single environments in this process, which it "
            "does not have. Use gymnasium.vector.SyncVectorEnv, or the host's DummyVecEnv."
        )

    def _begin_episodes(self, which: Any = slice(None)) -> None:
        """Start counting anew in some environments."""
        self.lengths[which] = 0
        self.returns[which] = 0.0

    def _step_infos(self, dones: np.ndarray, truncated: np.ndarray) -> list[dict[str, Any]]:
        """A new info for each environment, with its time limit and its finished episode.

        Return, length and time of an episode stand there in the words of ``Monitor``.
        """
        infos: list[dict[str, Any]] = [{"TimeLimit.truncated": False} for _ in range(self.num_envs)]
        ended = np.flatnonzero(dones)
        if len(ended):
            seconds = round(time.time() - self._started, 6)
            rows = (ended, truncated[ended], self.returns[ended], self.lengths[ended])
            for i, is_cut, total, n in zip(*(each.tolist() for each in rows), strict=True):
                infos[i]["TimeLimit.truncated"] = bool(is_cut)
                infos[i]["episode"] = {"r": round(total, 6), "l": n, "t": seconds}
        return infos
