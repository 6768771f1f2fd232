"""A replay buffer with one array of observations that knows time limits."""

from typing import Any

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize


class CompactReplayBuffer(ReplayBuffer):
    """The host's ``ReplayBuffer`` with ``optimize_memory_usage`` and time limits at once.

    What follows a transition is the observation of the next one, so that each is stored once. The
    last observation of an episode, which the next episode's first one overwrites, is kept aside;
    the host loses it, and with it what a truncated episode is bootstrapped from.

    Parameters
    ----------
    *args : object
        Of the host's buffer.
    **kwargs : object
        Of the host's buffer; ``optimize_memory_usage`` and ``handle_timeout_termination`` are on.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {"optimize_memory_usage": True, "handle_timeout_termination": False}
        super().__init__(*args, **kwargs)
        self.handle_timeout_termination = True
        self.finals: dict[int, np.ndarray] = {}  # by row and environment

    def add(  # noqa: PLR0917  # the host's signature
        self,
        obs: np.ndarray,
        next_obs: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Add the step of all environments.

        Parameters
        ----------
        obs, next_obs : ndarray of shape (N, ...)
            Before and after the step.
        action : ndarray of shape (N, ...)
            Scaled to [-1, 1].
        reward, done : ndarray of shape (N,)
            Of the step.
        infos : list of dict
            They say whether a time limit stopped an episode.
        """
        at = self.pos * self.n_envs
        super().add(obs, next_obs, action, reward, done, infos)
        for i in range(self.n_envs):
            if done[i]:
                self.finals[at + i] = np.array(next_obs[i]).reshape(self.observations.shape[2:])
            else:
                self.finals.pop(at + i, None)

    def _get_samples(
        self, batch_inds: np.ndarray, env: VecNormalize | None = None
    ) -> ReplayBufferSamples:
        envs = np.random.randint(0, high=self.n_envs, size=len(batch_inds))  # noqa: NPY002
        following = self.observations[(batch_inds + 1) % self.buffer_size, envs]
        for b in np.flatnonzero(self.dones[batch_inds, envs]).tolist():
            final = self.finals.get(int(batch_inds[b]) * self.n_envs + int(envs[b]))
            following[b] = following[b] if final is None else final
        ended = self.dones[batch_inds, envs] * (1 - self.timeouts[batch_inds, envs])
        given: Any = (
            self._normalize_obs(self.observations[batch_inds, envs], env),
            self.actions[batch_inds, envs],
            self._normalize_obs(following, env),
            ended.reshape(-1, 1),
            self._normalize_reward(self.rewards[batch_inds, envs].reshape(-1, 1), env),
        )
        return ReplayBufferSamples(*map(self.to_torch, given))
