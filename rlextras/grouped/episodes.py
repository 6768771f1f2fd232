"""Whole episodes: who plays which, and how what they gave is put in order."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rlextras.vec_env.rows import copied

NOBODY = -1


@dataclass(kw_only=True)
class Episodes:
    """M episodes, one after the other; those of a group stand side by side.

    Attributes
    ----------
    observations : ndarray of shape (B, ...), or dict of them
        What was seen before each step.
    actions : ndarray of shape (B, ...)
        What the policy chose there, before it is cut to the bounds of the space.
    log_probs : ndarray of float32, shape (B,)
        log π(a|s) of the policy that chose.
    rewards : ndarray of float64, shape (B,)
        As the environment gave them.
    lengths : ndarray of int64, shape (M,)
        Steps of each episode; they sum to B.
    truncated : ndarray of bool, shape (M,)
        Whether a time limit stopped it.
    """

    observations: Any
    actions: np.ndarray
    log_probs: np.ndarray
    rewards: np.ndarray
    lengths: np.ndarray
    truncated: np.ndarray

    @property
    def returns(self) -> np.ndarray:
        """Undiscounted return of each episode.

        Returns
        -------
        ndarray of float64, shape (M,)
            In reward units.
        """
        return np.add.reduceat(self.rewards, self.starts)

    @property
    def starts(self) -> np.ndarray:
        """First row of each episode.

        Returns
        -------
        ndarray of int64, shape (M,)
            The rows.
        """
        return np.cumsum(self.lengths) - self.lengths


class Cast:
    """Which environment plays which episode.

    Episodes are given out in their order, when an environment is free: none is chosen by how it
    went, so that short ones are not preferred.

    Parameters
    ----------
    n_episodes : int
        M.
    n_envs : int
        N.
    max_episode_steps : int
        An episode that is not over by then counts as truncated.
    refills : bool
        Whether an environment that has reset itself may play the next episode at once; otherwise
        it waits until all have ended theirs.
    """

    def __init__(
        self, n_episodes: int, n_envs: int, *, max_episode_steps: int, refills: bool
    ) -> None:
        self.playing = np.full(n_envs, NOBODY)  # (N,)
        self.truncated = np.zeros(n_episodes, bool)  # (M,)
        self.succeeded = np.full(n_episodes, np.nan)  # (M,), NaN where nobody says
        self._deadlines = np.zeros(n_envs, np.int64)  # (N,), in steps of all environments
        self._n_steps = self._n_given = self._n_ended = 0
        self._first_deadline = 0
        self._max_age, self._refills = max_episode_steps, refills

    @property
    def is_over(self) -> bool:
        """Whether all episodes have ended.

        Returns
        -------
        bool
            Or none has begun.
        """
        return self._n_ended == len(self.truncated)

    @property
    def is_playing(self) -> bool:
        """Whether an episode is under way.

        Returns
        -------
        bool
            In any environment.
        """
        return self._n_ended < self._n_given

    def begin(self) -> np.ndarray:
        """Give each environment its first episode, or its next one after all have waited.

        Returns
        -------
        ndarray of int64, shape (N,)
            Indices of episodes; NOBODY for those that are not needed.
        """
        for i in range(len(self.playing)):
            self._give(i)
        self._first_deadline = int(self._deadlines.min())
        return self.playing

    def advance(self, dones: np.ndarray, infos: Any) -> None:
        """Take note of a step.

        Parameters
        ----------
        dones : ndarray of bool, shape (N,)
            Whether an environment ended its episode, and reset itself.
        infos : sequence of dict
            What the environments say.
        """
        self._n_steps += 1
        if self._n_steps < self._first_deadline and not dones.any():
            return
        is_late = self._deadlines <= self._n_steps
        ended = (dones.astype(bool) | is_late) & (self.playing != NOBODY)
        for i in np.flatnonzero(ended).tolist():
            stopped = not dones[i] or bool(infos[i].get("TimeLimit.truncated", False))
            self.truncated[self.playing[i]] = stopped
            self.succeeded[self.playing[i]] = infos[i].get("is_success", np.nan)
            self.playing[i] = NOBODY
            self._n_ended += 1
            if self._refills and dones[i]:
                self._give(i)

    def _give(self, i: int) -> None:
        """Let environment i play the next episode, if there is one left."""
        if self._n_given < len(self.truncated):
            self.playing[i], self._deadlines[i] = self._n_given, self._n_steps + self._max_age
            self._n_given += 1


class Logbook:
    """Steps of all environments as they come."""

    def __init__(self) -> None:
        self._steps: list[tuple[Any, ...]] = []

    def note(self, playing: np.ndarray, step: tuple[Any, ...]) -> None:
        """Write down one step.

        Parameters
        ----------
        playing : ndarray of int64, shape (N,)
            The episodes that it belongs to.
        step : tuple
            Observations, actions, log-probabilities and rewards, each of length N.
        """
        kept = [each.copy() if type(each) is np.ndarray else copied(each) for each in step]
        self._steps.append((playing.copy(), *kept))

    def episodes(self, truncated: np.ndarray) -> Episodes:
        """Sort the steps.

        Parameters
        ----------
        truncated : ndarray of bool, shape (M,)
            Whether a time limit stopped each episode.

        Returns
        -------
        Episodes
            All of them, without the steps that belong to none.
        """
        columns = list(zip(*self._steps, strict=True))
        playing = np.concatenate(columns[0])
        order = np.argsort(playing, kind="stable")  # steps come in the order of time
        order = order[np.searchsorted(playing, 0, sorter=order) :]
        observations, actions, log_probs, rewards = (_sorted(each, order) for each in columns[1:])
        return Episodes(
            observations=observations,
            actions=actions,
            log_probs=log_probs.astype(np.float32),
            rewards=rewards.astype(np.float64),
            lengths=np.bincount(playing[order], minlength=len(truncated)),
            truncated=truncated,
        )


def taken(batch: Any, rows: Any) -> Any:
    """Some rows of a batch.

    Parameters
    ----------
    batch : ndarray or Tensor of shape (B, ...), or dict of them
        The batch.
    rows : index
        Which.

    Returns
    -------
    same type
        Those rows.
    """
    if isinstance(batch, dict):
        return {key: each[rows] for key, each in batch.items()}
    return batch[rows]


def _sorted(steps: Any, order: np.ndarray) -> Any:
    """Arrays (N, ...), or dicts of them, of all steps, put together and ordered."""
    if isinstance(steps[0], dict):
        return {key: _sorted([each[key] for each in steps], order) for key in steps[0]}
    return np.concatenate(steps)[order]


def joined(parts: list[Episodes]) -> Episodes:
    """Episodes of several rollouts.

    Parameters
    ----------
    parts : list of Episodes
        At least one.

    Returns
    -------
    Episodes
        All of them, in that order.
    """
    if len(parts) == 1:
        return parts[0]
    first = parts[0].observations
    if isinstance(first, dict):
        observations: Any = {
            key: np.concatenate([each.observations[key] for each in parts]) for key in first
        }
    else:
        observations = np.concatenate([each.observations for each in parts])
    names = ("actions", "log_probs", "rewards", "lengths", "truncated")
    columns = {name: np.concatenate([getattr(each, name) for each in parts]) for name in names}
    return Episodes(observations=observations, **columns)
