"""Wrappers that see whole groups: where they begin, and what they are rewarded for beyond."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from rlextras.core.groups import length_rewards


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the episodes of a rollout ended; those of a group stand side by side.

    Attributes
    ----------
    starts : ndarray of int64, shape (n_groups,)
        The seed that each group began with.
    group_size : int
        G.
    returns : ndarray of float64, shape (M,)
        Of each episode.
    lengths : ndarray of int64, shape (M,)
        Its steps.
    succeeded : ndarray of float64, shape (M,)
        1 or 0 where the environment's last info said ``is_success``, NaN where it did not.
    """

    starts: np.ndarray
    group_size: int
    returns: np.ndarray
    lengths: np.ndarray
    succeeded: np.ndarray

    def is_right(self, threshold: float) -> np.ndarray:
        """Whether each episode reached its goal.

        Parameters
        ----------
        threshold : float
            The return that counts as success where the environment does not say.

        Returns
        -------
        ndarray of bool, shape (M,)
            As the environment says, if it does.
        """
        is_told = ~np.isnan(self.succeeded)
        return np.where(is_told, self.succeeded > 0, self.returns >= threshold)


class GroupWrapper(VecEnvWrapper):
    """A wrapper that algorithms which compare groups ask; abstract."""

    chooses_starts: bool = False
    """Whether ``choose_starts`` is to be asked."""

    def reset(self) -> VecEnvObs:
        """Reset.

        Returns
        -------
        ndarray, or dict of them
            First observations.
        """
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """Take a step.

        Returns
        -------
        observations, rewards, dones, infos
            As the environments gave them.
        """
        return self.venv.step_wait()

    def choose_starts(self, n_groups: int) -> np.ndarray:
        """Choose where groups begin.

        Parameters
        ----------
        n_groups : int
            How many groups.

        Returns
        -------
        ndarray of int64, shape (n_groups,)
            A seed for each.
        """
        raise TypeError(f"{type(self).__name__}: this wrapper chooses no starts.")

    def judge(self, outcome: Outcome) -> np.ndarray:
        """Take note of a rollout, and reward its episodes beyond what the environment gave.

        Parameters
        ----------
        outcome : Outcome
            How they ended.

        Returns
        -------
        ndarray of shape (M,)
            Added to the reward of the last step of each.
        """
        return np.zeros(len(outcome.returns))


class LengthReward(GroupWrapper):
    """Reward short right answers, and punish long wrong ones, beside those of their group.

    λ = 0.5 - (length - min) / (max - min) over the group, and min(0, λ) for a wrong answer: section
    2.3.3 of [1]_.

    Parameters
    ----------
    venv : VecEnv
        The environments.
    weight : float, default=1.0
        What λ is multiplied with; an attribute that a callback may raise slowly, as in [1]_.
    threshold : float, default=1.0
        The return that counts as right where the environment does not say ``is_success``.

    References
    ----------
    .. [1] Kimi Team, "Kimi k1.5: Scaling Reinforcement Learning with LLMs", 2025,
       https://arxiv.org/abs/2501.12599.
    """

    def __init__(self, venv: VecEnv, *, weight: float = 1.0, threshold: float = 1.0) -> None:
        super().__init__(venv)
        self.weight, self.threshold = weight, threshold

    def judge(self, outcome: Outcome) -> np.ndarray:
        """Reward lengths.

        Parameters
        ----------
        outcome : Outcome
            How the episodes ended.

        Returns
        -------
        ndarray of shape (M,)
            The weight times λ.
        """
        is_right = torch.from_numpy(outcome.is_right(self.threshold))
        lengths = torch.from_numpy(outcome.lengths)
        reward = length_rewards(lengths, is_right, group_size=outcome.group_size)
        return self.weight * reward.double().numpy()


class SuccessRateStarts(GroupWrapper):
    """Begin groups more often where they fail: with weight 1 - success rate, section 2.3.4 of [1]_.

    Parameters
    ----------
    venv : VecEnv
        The environments.
    seeds : int or iterable of int
        The starts to choose from; an int n takes 0 to n - 1.
    threshold : float, default=1.0
        The return that counts as success where the environment does not say ``is_success``.
    least_weight : float, default=0.01
        Of a start that always succeeds, so that it is not forgotten.
    seed : int, optional
        Of the choice.

    Raises
    ------
    ValueError
        If there are no starts, or the weight is not in (0, 1].

    References
    ----------
    .. [1] Kimi Team, "Kimi k1.5: Scaling Reinforcement Learning with LLMs", 2025,
       https://arxiv.org/abs/2501.12599.
    """

    chooses_starts = True

    def __init__(
        self,
        venv: VecEnv,
        seeds: int | Iterable[int],
        *,
        threshold: float = 1.0,
        least_weight: float = 0.01,
        seed: int | None = None,
    ) -> None:
        super().__init__(venv)
        self.starts = np.array(list(range(seeds) if isinstance(seeds, int) else seeds), np.int64)
        if not len(self.starts):
            raise ValueError("SuccessRateStarts: seeds must hold one or more, got none.")
        if not 0 < least_weight <= 1:
            raise ValueError(
                f"SuccessRateStarts: least_weight must be in (0, 1], got {least_weight}. Typical "
                "is 0.01."
            )
        self.threshold, self.least_weight = threshold, least_weight
        self.n_played, self.n_succeeded = np.zeros((2, len(self.starts)))
        self._rng = np.random.default_rng(seed)

    @property
    def success_rates(self) -> np.ndarray:
        """Share of episodes that succeeded, by start; 0 where none was played.

        Returns
        -------
        ndarray of float64
            In the order of the starts.
        """
        return self.n_succeeded / np.maximum(self.n_played, 1)

    def choose_starts(self, n_groups: int) -> np.ndarray:
        """Draw starts.

        Parameters
        ----------
        n_groups : int
            How many groups.

        Returns
        -------
        ndarray of int64, shape (n_groups,)
            Seeds.
        """
        weights = np.maximum(1 - self.success_rates, self.least_weight)
        return self._rng.choice(self.starts, size=n_groups, p=weights / weights.sum())

    def judge(self, outcome: Outcome) -> np.ndarray:
        """Count successes.

        Parameters
        ----------
        outcome : Outcome
            How the episodes ended.

        Returns
        -------
        ndarray of shape (M,)
            Zeros.
        """
        places = {start: k for k, start in enumerate(self.starts.tolist())}
        which = np.array([places[start] for start in outcome.starts.tolist()])
        which = which.repeat(outcome.group_size)
        np.add.at(self.n_played, which, 1)
        np.add.at(self.n_succeeded, which, outcome.is_right(self.threshold))
        return super().judge(outcome)


def group_wrappers(env: VecEnv) -> Iterator[GroupWrapper]:
    """Wrappers that see groups, from the inside out.

    Parameters
    ----------
    env : VecEnv
        Environments in wrappers.

    Yields
    ------
    GroupWrapper
        Each of them.
    """
    layers: list[Any] = [env]
    while isinstance(layers[-1], VecEnvWrapper):
        layers.append(layers[-1].venv)
    for layer in reversed(layers):
        if isinstance(layer, GroupWrapper):
            yield layer


def start_chooser(env: VecEnv) -> GroupWrapper | None:
    """The outermost wrapper that chooses starts.

    Parameters
    ----------
    env : VecEnv
        Environments in wrappers.

    Returns
    -------
    GroupWrapper or None
        None if there is no such wrapper.
    """
    choosing = [wrapper for wrapper in group_wrappers(env) if wrapper.chooses_starts]
    return choosing[-1] if choosing else None
