"""A replay buffer with hindsight goals and n-step returns.

M. Andrychowicz et al., "Hindsight Experience Replay", NIPS 2017, https://arxiv.org/abs/1707.01495.
"""

import copy
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from rlextras.validation import check_options, number, whole

_RULES = {
    "n_steps": whole(1, cure="1 is the host's HerReplayBuffer; typical beyond it is 3."),
    "gamma": number("in [0, 1]", lambda x: 0 <= x <= 1, cure="Typical is 0.99."),
}


class NStepHerReplayBuffer(HerReplayBuffer):
    """The host's ``HerReplayBuffer`` with the returns of its ``NStepReplayBuffer``.

    A transition's goal is replaced first, as in [1]_. Then the n steps from it on, or those up to
    the end of its episode, get their rewards for that goal; R = Σ_k γᵏ r_k, and what follows the
    last of these k steps is discounted by γᵏ. With one step it hands out what the host's does.

    Parameters
    ----------
    *args : object
        Of the host's buffer.
    n_steps : int, default=3
        Steps whose rewards are summed, at most.
    gamma : float in [0, 1], default=0.99
        γ.
    **kwargs : object
        Of the host's buffer.

    Raises
    ------
    TypeError
        If an option is of the wrong kind.
    ValueError
        If an option is out of range.

    References
    ----------
    .. [1] M. Andrychowicz et al., "Hindsight Experience Replay", NIPS 2017,
       https://arxiv.org/abs/1707.01495.
    """

    def __init__(self, *args: Any, n_steps: int = 3, gamma: float = 0.99, **kwargs: Any) -> None:
        check_options(type(self).__name__, {"n_steps": n_steps, "gamma": gamma}, _RULES)
        super().__init__(*args, **kwargs)
        self.n_steps, self.gamma = n_steps, gamma

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> Any:
        """Draw transitions with the numbers that the host would draw.

        Parameters
        ----------
        batch_size : int
            B.
        env : VecNormalize, optional
            What normalises them.

        Returns
        -------
        DictReplayBufferSamples
            Those with their own goals first; ``discounts`` (B, 1) is what the value of
            ``next_observations`` is worth.

        Raises
        ------
        RuntimeError
            If no episode has ended yet.
        """
        places = np.flatnonzero(self.ep_length > 0)
        if not len(places):
            raise RuntimeError(
                f"{type(self).__name__}: it must hold a whole episode to draw, got none: unable "
                "to sample before the end of the first episode. Raise learning_starts."
            )
        drawn = np.random.choice(places, size=batch_size)  # noqa: NPY002  # the host's generator
        rows, envs = np.unravel_index(drawn, self.ep_length.shape)
        n = int(self.her_ratio * batch_size)
        virtual = self._get_virtual_samples(rows[:n], envs[:n], env)
        real = self._get_real_samples(rows[n:], envs[n:], env)
        return DictReplayBufferSamples(*map(joined, real, virtual))

    def _get_real_samples(
        self, batch_indices: np.ndarray, env_indices: np.ndarray, env: VecNormalize | None = None
    ) -> DictReplayBufferSamples:
        return self._from(batch_indices, env_indices, None, env)

    def _get_virtual_samples(
        self, batch_indices: np.ndarray, env_indices: np.ndarray, env: VecNormalize | None = None
    ) -> DictReplayBufferSamples:
        goals = self._sample_goals(batch_indices, env_indices)
        return self._from(batch_indices, env_indices, goals, env)

    def _from(
        self, rows: np.ndarray, envs: np.ndarray, goals: np.ndarray | None, env: VecNormalize | None
    ) -> DictReplayBufferSamples:
        """What some transitions lead to within n steps, on the way to goals that may be new."""
        past = (rows - self.ep_start[rows, envs]) % self.buffer_size
        n_used = np.minimum(self.ep_length[rows, envs] - past, self.n_steps)  # (B,)
        ahead = np.arange(self.n_steps)
        steps = (rows[:, None] + ahead) % self.buffer_size  # (B, n)
        is_used, columns = ahead < n_used[:, None], np.broadcast_to(envs[:, None], steps.shape)
        last = (rows + n_used - 1) % self.buffer_size
        seen = {key: each[rows, envs] for key, each in self.observations.items()}
        following = {key: each[last, envs] for key, each in self.next_observations.items()}
        rewards = self.rewards[steps, columns]
        if goals is not None:
            seen["desired_goal"] = following["desired_goal"] = goals
            wanted = np.repeat(goals, n_used, axis=0)
            rewards[is_used] = self._rewards_for(wanted, steps[is_used], columns[is_used])
        rewards = self._normalize_reward(rewards, env)
        weights = self.gamma**ahead * is_used
        ended = self.dones[last, envs] * (1 - self.timeouts[last, envs])
        told = (ended, (weights * rewards).sum(axis=1), self.gamma**n_used)
        return DictReplayBufferSamples(
            self._as_tensors(seen, env),
            self.to_torch(self.actions[rows, envs]),
            self._as_tensors(following, env),
            *(self.to_torch(each.astype(np.float32).reshape(-1, 1)) for each in told),
        )

    def _rewards_for(self, goals: np.ndarray, rows: np.ndarray, envs: np.ndarray) -> np.ndarray:
        """What the environments would have given some steps on the way to other goals."""
        if self.env is None:
            raise RuntimeError(
                f"{type(self).__name__}: env must be set to compute rewards, got None. Call "
                "set_env."
            )
        infos = copy.deepcopy(self.infos[rows, envs]) if self.copy_info_dict else [{} for _ in rows]
        reached = self.next_observations["achieved_goal"][rows, envs]
        given = self.env.env_method("compute_reward", reached, goals, infos, indices=[0])
        return np.asarray(given[0], np.float32)

    def _as_tensors(self, observations: dict[str, np.ndarray], env: VecNormalize | None) -> Any:
        normalized: Any = self._normalize_obs(observations, env)
        return {key: self.to_torch(part) for key, part in normalized.items()}


def joined(one: Any, other: Any) -> Any:
    """Put two parts of a batch one behind the other.

    Parameters
    ----------
    one, other : Tensor, dict of Tensor, or None
        A field of each.

    Returns
    -------
    Tensor, dict of Tensor, or None
        Of the same kind.
    """
    if one is None:
        return None
    if isinstance(one, dict):
        return {key: joined(one[key], other[key]) for key in one}
    return torch.cat([one, other])
