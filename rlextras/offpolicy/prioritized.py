"""Replay buffers that draw the surprising transitions more often.

T. Schaul et al., "Prioritized Experience Replay", ICLR 2016, https://arxiv.org/abs/1511.05952.
"""

from typing import Any

import numpy as np
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import DictReplayBufferSamples, ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from rlextras.host.compiling import load
from rlextras.offpolicy.hindsight import NStepHerReplayBuffer, joined
from rlextras.validation import check_options, number

_RULES = {
    "alpha": number("0 or more", lambda x: x >= 0, cure="0 draws all alike; typical is 0.6."),
    "beta": number("in [0, 1]", lambda x: 0 <= x <= 1, cure="1 corrects all; typical is 0.4."),
    "epsilon": number("above 0", lambda x: x > 0, cure="Typical is 1e-6."),
}


class Prioritized(ReplayBuffer):
    """What a replay buffer of the host needs to draw by priority; abstract.

    P(i) = p_i^α / Σ p^α with p = |δ| + ε, eq. 1 of [1]_; a new transition gets the largest priority
    so far. To the buffer it adds 10 bytes for each transition.

    Parameters
    ----------
    *args : object
        Of the host's buffer.
    alpha : float, default=0.6
        α; 0 draws all alike.
    beta : float in [0, 1], default=0.4
        β, how much the weights correct for the choice; may be changed while training goes on.
    epsilon : float, default=1e-6
        ε, so that no transition is lost.
    **kwargs : object
        Of the host's buffer.

    References
    ----------
    .. [1] T. Schaul et al., "Prioritized Experience Replay", ICLR 2016,
       https://arxiv.org/abs/1511.05952.
    """

    def __init__(
        self,
        *args: Any,
        alpha: float = 0.6,
        beta: float = 0.4,
        epsilon: float = 1e-6,
        **kwargs: Any,
    ) -> None:
        given = {"alpha": alpha, "beta": beta, "epsilon": epsilon}
        check_options(type(self).__name__, given, _RULES)
        super().__init__(*args, **kwargs)
        self.alpha, self.beta, self.epsilon = alpha, beta, epsilon
        kernels, n = load("priorities"), self.buffer_size * self.n_envs
        self.tree, self.levels = kernels.planted(n), kernels.levels(n)
        self.largest = 1.0

    def add(self, *args: Any, **kwargs: Any) -> None:
        """Add the step of all environments.

        Parameters
        ----------
        *args, **kwargs : object
            As the host's buffer takes them.
        """
        at = self.pos
        super().add(*args, **kwargs)
        self._set(at * self.n_envs + np.arange(self.n_envs), self.largest)

    def sample_weighted(
        self, batch_size: int, env: VecNormalize | None = None
    ) -> tuple[Any, np.ndarray, np.ndarray]:
        """Draw transitions by priority.

        Parameters
        ----------
        batch_size : int
            B.
        env : VecNormalize, optional
            What normalises them.

        Returns
        -------
        samples : ReplayBufferSamples or DictReplayBufferSamples
            The batch.
        weights : ndarray of float32, shape (B,)
            (n P(i))^-β over the largest of the batch, section 3.4 of the paper.
        leaves : ndarray of int64, shape (B,)
            For ``reprioritize``.

        Raises
        ------
        RuntimeError
            If no transition can be drawn yet.
        """
        if not self.tree[-1] > 0:
            raise RuntimeError(
                f"{type(self).__name__}: it must hold a transition to draw, got none: unable to "
                "sample before the end of the first episode. Raise learning_starts."
            )
        uniform = np.random.random_sample(batch_size)  # noqa: NPY002  # the host's generator
        leaves = np.empty(batch_size, np.int64)
        shares = np.empty(batch_size, np.float32)
        load("priorities").draw(self.tree, self.levels, uniform, leaves, shares)
        weights = (shares / shares.min()) ** np.float32(-self.beta)
        samples = self._take(leaves // self.n_envs, leaves % self.n_envs, env)
        return samples, weights, leaves

    def reprioritize(self, leaves: np.ndarray, errors: np.ndarray) -> None:
        """Set priorities to how wrong the critics were.

        Parameters
        ----------
        leaves : ndarray of int64, shape (B,)
            What was drawn.
        errors : ndarray of shape (B,)
            |δ|.
        """
        priorities = (np.abs(errors, dtype=np.float64) + self.epsilon) ** self.alpha
        self.largest = max(self.largest, float(priorities.max()))
        self._set(leaves, priorities)

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> Any:
        """Draw transitions by priority, without their weights, as the host asks for them.

        Parameters
        ----------
        batch_size : int
            B.
        env : VecNormalize, optional
            What normalises them.

        Returns
        -------
        ReplayBufferSamples or DictReplayBufferSamples
            The batch.
        """
        return self.sample_weighted(batch_size, env)[0]

    def reset(self) -> None:
        """Forget all transitions."""
        super().reset()
        if hasattr(self, "tree"):  # the host calls this before there is one
            self.tree[:], self.largest = 0.0, 1.0

    def _set(self, leaves: np.ndarray, priorities: Any) -> None:
        given = np.full(leaves.shape, priorities, np.float64)
        chosen = np.ascontiguousarray(leaves, np.int64)
        load("priorities").assign(self.tree, self.levels, chosen, given)

    def _take(self, rows: np.ndarray, envs: np.ndarray, env: VecNormalize | None) -> Any:
        """Transitions of some rows and environments."""
        raise NotImplementedError("a buffer knows its own transitions")

    def _ends(self, rows: np.ndarray, envs: np.ndarray) -> np.ndarray:
        """Whether the task itself ended with a transition, (B, 1)."""
        ended = self.dones[rows, envs] * (1 - self.timeouts[rows, envs])
        return ended.reshape(-1, 1)


class PrioritizedReplayBuffer(Prioritized):
    """The host's ``ReplayBuffer`` that draws by priority."""

    def _take(self, rows: np.ndarray, envs: np.ndarray, env: VecNormalize | None) -> Any:
        is_one = self.optimize_memory_usage
        following = (rows + 1) % self.buffer_size if is_one else rows
        source = self.observations if is_one else self.next_observations
        rewards = self.rewards[rows, envs].reshape(-1, 1)
        given: Any = (
            self._normalize_obs(self.observations[rows, envs], env),
            self.actions[rows, envs],
            self._normalize_obs(source[following, envs], env),
            self._ends(rows, envs),
            self._normalize_reward(rewards, env),
        )
        return ReplayBufferSamples(*map(self.to_torch, given))


class PrioritizedNStepReplayBuffer(Prioritized, NStepReplayBuffer):
    """The host's ``NStepReplayBuffer`` that draws by priority."""

    def _take(self, rows: np.ndarray, envs: np.ndarray, env: VecNormalize | None) -> Any:
        goes_on = np.ones(len(rows), bool)  # whether the episode does
        returns, discounts = np.zeros(len(rows), np.float32), np.ones(len(rows), np.float32)
        last = rows.copy()
        for k in range(self.n_steps):
            here = (rows + k) % self.buffer_size
            rewards = self._normalize_reward(self.rewards[here, envs], env)
            returns += np.where(goes_on, discounts * rewards, 0)
            discounts = np.where(goes_on, discounts * np.float32(self.gamma), discounts)
            last = np.where(goes_on, here, last)
            is_end = self.dones[here, envs] + self.timeouts[here, envs] > 0
            newest = (self.pos - 1) % self.buffer_size
            goes_on &= ~is_end & (here != newest)
        given: Any = (
            self._normalize_obs(self.observations[rows, envs], env),
            self.actions[rows, envs],
            self._normalize_obs(self.next_observations[last, envs], env),
            self._ends(last, envs),
            returns.reshape(-1, 1),
            discounts.reshape(-1, 1),
        )
        return ReplayBufferSamples(*map(self.to_torch, given))


class PrioritizedDictReplayBuffer(Prioritized, DictReplayBuffer):
    """The host's ``DictReplayBuffer`` that draws by priority."""

    def _take(self, rows: np.ndarray, envs: np.ndarray, env: VecNormalize | None) -> Any:
        seen, following = (
            self._as_tensors({key: each[rows, envs] for key, each in arrays.items()}, env)
            for arrays in (self.observations, self.next_observations)
        )
        rewards = self._normalize_reward(self.rewards[rows, envs].reshape(-1, 1), env)
        actions, ended = self.actions[rows, envs], self._ends(rows, envs)
        told = [self.to_torch(each) for each in (ended, rewards)]
        return DictReplayBufferSamples(seen, self.to_torch(actions), following, *told)

    def _as_tensors(self, observations: dict[str, np.ndarray], env: VecNormalize | None) -> Any:
        normalized: Any = self._normalize_obs(observations, env)
        return {key: self.to_torch(part) for key, part in normalized.items()}


class PrioritizedHerReplayBuffer(Prioritized, HerReplayBuffer):
    """The host's ``HerReplayBuffer`` that draws by priority, among episodes that have ended."""

    def add(self, *args: Any, **kwargs: Any) -> None:
        """Add the step of all environments; it can be drawn once its episode has ended.

        Parameters
        ----------
        *args, **kwargs : object
            As the host's buffer takes them.
        """
        at, lengths, starts = self.pos, self.ep_length[self.pos].copy(), self.ep_start[self.pos]
        ends = starts + lengths  # of the episodes that are written over, and lost as a whole
        super().add(*args, **kwargs)
        for i in range(self.n_envs):
            rows = np.arange(at, ends[i] if lengths[i] else at + 1) % self.buffer_size
            lost = rows[self.ep_length[rows, i] == 0]
            self._set(lost * self.n_envs + i, 0.0)

    def _compute_episode_length(self, env_idx: int) -> None:
        super()._compute_episode_length(env_idx)
        self._admit((self.pos - 1) % self.buffer_size, env_idx)

    def _admit(self, at: int, i: int) -> None:
        """Let the episode be drawn that ends in a row."""
        rows = np.arange(self.ep_start[at, i], self.ep_start[at, i] + self.ep_length[at, i])
        self._set(rows % self.buffer_size * self.n_envs + i, self.largest)

    def _take(self, rows: np.ndarray, envs: np.ndarray, env: VecNormalize | None) -> Any:
        n_virtual = int(self.her_ratio * len(rows))
        order = np.random.permutation(len(rows))  # noqa: NPY002  # drawn in the order of the tree
        is_virtual = np.zeros(len(rows), bool)
        is_virtual[order[:n_virtual]] = True
        real = self._get_real_samples(rows[~is_virtual], envs[~is_virtual], env)
        virtual = self._get_virtual_samples(rows[is_virtual], envs[is_virtual], env)
        parts = [np.flatnonzero(~is_virtual), np.flatnonzero(is_virtual)]
        places = np.argsort(np.concatenate(parts))
        return DictReplayBufferSamples(
            *(_ordered(field, places) for field in map(joined, real, virtual))
        )


class PrioritizedNStepHerReplayBuffer(PrioritizedHerReplayBuffer, NStepHerReplayBuffer):
    """``NStepHerReplayBuffer`` that draws by priority, among episodes that have ended."""


def _ordered(field: Any, places: np.ndarray) -> Any:
    """A field of a batch in another order."""
    if isinstance(field, dict):
        return {key: part[places] for key, part in field.items()}
    return None if field is None else field[places]


KIN: dict[type[ReplayBuffer], type[Prioritized]] = {
    ReplayBuffer: PrioritizedReplayBuffer,
    NStepReplayBuffer: PrioritizedNStepReplayBuffer,
    DictReplayBuffer: PrioritizedDictReplayBuffer,
    HerReplayBuffer: PrioritizedHerReplayBuffer,
    NStepHerReplayBuffer: PrioritizedNStepHerReplayBuffer,
}
"""Buffers of the host, and those that draw by priority in their place."""
