"""How the episodes of a group begin: all in the same state, or each in one of its own."""

from typing import Any, Protocol

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, is_vecenv_wrapped
from stable_baselines3.common.vec_env.vec_normalize import VecNormalize

from rlextras.grouped.episodes import NOBODY
from rlextras.grouped.snapshots import Snapshot, rehearse, singles_of
from rlextras.grouped.wrappers import start_chooser
from rlextras.vec_env.rows import row, write_row

MAX_SEED = 2**31 - 1  # whatever environments do with a seed, they take this one


class Starts(Protocol):
    """How episodes begin."""

    refills: bool
    """Whether an environment that reset itself has begun an episode that can be used."""

    def draw(self, env: VecEnv, n_groups: int) -> np.ndarray:
        """Choose where the groups of a rollout begin.

        Parameters
        ----------
        env : VecEnv
            N environments.
        n_groups : int
            How many groups.

        Returns
        -------
        ndarray of int64, shape (n_groups,)
            A number for each start.
        """

    def begin(self, env: VecEnv, playing: np.ndarray) -> Any:
        """Reset the environments.

        Parameters
        ----------
        env : VecEnv
            N environments.
        playing : ndarray of int64, shape (N,)
            The episode that each is to play, or NOBODY.

        Returns
        -------
        ndarray of shape (N, ...), or dict of them
            First observations.
        """


class RandomStarts:
    """Each episode begins where the environment likes."""

    refills = True

    def draw(self, env: VecEnv, n_groups: int) -> np.ndarray:
        """Nothing to choose.

        Parameters
        ----------
        env : VecEnv
            N environments.
        n_groups : int
            How many groups.

        Returns
        -------
        ndarray of int64, shape (n_groups,)
            Their indices.

        Raises
        ------
        ValueError
            If a wrapper wants to choose.
        """
        chooser = start_chooser(env)
        if chooser is not None:
            raise ValueError(
                f"GRPO: start must be 'same' with a {type(chooser).__name__}, which chooses where "
                "groups begin, got 'random'. Leave the wrapper out, or set start='same'."
            )
        return np.arange(n_groups)

    def begin(self, env: VecEnv, playing: np.ndarray) -> Any:
        """Reset the environments.

        Parameters
        ----------
        env : VecEnv
            N environments.
        playing : ndarray of int64, shape (N,)
            Not used.

        Returns
        -------
        ndarray of shape (N, ...), or dict of them
            First observations.
        """
        return env.reset()


class SameStarts:
    """Episodes of a group begin in the same state, with noise of their own or the same noise.

    Parameters
    ----------
    owner : str
        Who speaks.
    group_size : int
        G.
    has_common_noise : bool
        Whether the generators of a group's environments stand in the same place, too.
    snapshot : Snapshot, optional
        How the state of one environment gets into another; by the seed of a reset if None.
    """

    refills = False

    def __init__(
        self, owner: str, *, group_size: int, has_common_noise: bool, snapshot: Snapshot | None
    ) -> None:
        self._owner, self._group_size = owner, group_size
        self._has_common_noise, self._snapshot = has_common_noise, snapshot
        self._rehearsed: Any = None
        self.draw_none()

    def draw_none(self) -> None:
        """Forget the starts of the last rollout."""
        self._seeds = np.zeros(0, np.int64)
        self._firsts: dict[int, Any] = {}
        self._states: dict[int, Any] = {}

    def draw(self, env: VecEnv, n_groups: int) -> np.ndarray:
        """Choose a seed for each group: of a wrapper that chooses, or at random.

        Parameters
        ----------
        env : VecEnv
            N environments.
        n_groups : int
            How many groups.

        Returns
        -------
        ndarray of int64, shape (n_groups,)
            The seeds.
        """
        self.draw_none()
        if self._snapshot is not None and self._rehearsed is not env:
            self._check_place(env)
            rehearse(self._owner, env, self._snapshot)
            self._rehearsed = env
        chooser = start_chooser(env)
        if chooser is not None:
            self._seeds = np.asarray(chooser.choose_starts(n_groups), np.int64)
        else:
            self._seeds = np.random.randint(MAX_SEED, size=n_groups)  # noqa: NPY002  # as the host
        return self._seeds

    def begin(self, env: VecEnv, playing: np.ndarray) -> Any:
        """Reset the environments, and put those of a group into one state.

        Parameters
        ----------
        env : VecEnv
            N environments.
        playing : ndarray of int64, shape (N,)
            The episode that each is to play, or NOBODY.

        Returns
        -------
        ndarray of shape (N, ...), or dict of them
            First observations.

        Raises
        ------
        ValueError
            If the environments cannot be put into one state.
        """
        groups = np.where(playing == NOBODY, NOBODY, playing // self._group_size)
        env.unwrapped._seeds = [None if g == NOBODY else int(self._seeds[g]) for g in groups]
        observations = env.reset()
        if self._snapshot is None:
            self._check_firsts(env, groups, observations)
        else:
            self._restore(env, groups, observations)
        if not self._has_common_noise:
            self._give_noise(env, playing)
        return observations

    def _check_firsts(self, env: VecEnv, groups: np.ndarray, observations: Any) -> None:
        """Refuse environments that a seed does not put into one state."""
        raw = observations
        inner: Any = env
        while hasattr(inner, "venv"):
            if isinstance(inner, VecNormalize):
                raw = inner.get_original_obs()
            inner = inner.venv
        found, first, which = np.unique(groups, return_index=True, return_inverse=True)
        is_same = _alike(raw, first[which.reshape(-1)]) | (groups == NOBODY)
        for g, i in zip(found.tolist(), first.tolist(), strict=True):
            if g != NOBODY:
                seen = row(raw, i)
                is_same[i] = _same(self._firsts.setdefault(g, seen), seen)
        if not is_same.all():
            raise ValueError(
                f"{self._owner}: env must begin in the same state when it is reset with the same "
                f"seed, got another first observation from environment {int(is_same.argmin())} "
                "than from the one before it. Draw all that is random from self.np_random after "
                "super().reset(seed=seed); or set snapshot='deepcopy', or start='random'."
            )

    def _restore(self, env: VecEnv, groups: np.ndarray, observations: Any) -> None:
        """Put the state of the first member of each group into the others."""
        snapshot: Any = self._snapshot
        singles = singles_of(self._owner, env)
        for i, g in enumerate(groups.tolist()):
            if g == NOBODY:
                continue
            if g not in self._states:
                self._states[g], self._firsts[g] = snapshot.take(singles[i]), row(observations, i)
            else:
                snapshot.put(singles[i], self._states[g])
                write_row(observations, i, self._firsts[g])

    def _give_noise(self, env: VecEnv, playing: np.ndarray) -> None:
        """Let each episode draw its noise from a generator of its own."""
        if not getattr(env.unwrapped, "draws_noise", True):
            return
        for i, episode in enumerate(playing.tolist()):
            if episode != NOBODY:
                member = episode % self._group_size
                seed = [int(self._seeds[episode // self._group_size]), member]
                self._set_generator(env, i, np.random.default_rng(seed))

    def _set_generator(self, env: VecEnv, i: int, generator: np.random.Generator) -> None:
        """Let one environment draw from a generator."""
        try:
            env.set_attr("np_random", generator, indices=i)
        except AttributeError as error:
            raise ValueError(
                f"{self._owner}: common_noise must be True with a {type(env.unwrapped).__name__} "
                f"whose generators are out of reach ({error}). Set it, or use a DummyVecEnv."
            ) from error

    def _check_place(self, env: VecEnv) -> None:
        """Refuse wrappers that remember what was seen before a state was put back."""
        if is_vecenv_wrapped(env, VecFrameStack):
            raise ValueError(
                f"{self._owner}: snapshot must be 'seed' with a VecFrameStack, which remembers "
                "the frames of another start. Stack frames by a wrapper of Gymnasium, or set "
                "snapshot='seed'."
            )


def _same(one: Any, other: Any) -> bool:
    """Whether two observations are equal to the bit."""
    if isinstance(one, dict):
        return all(_same(one[key], other[key]) for key in one)
    return np.array_equal(one, other)


def _alike(batch: Any, others: np.ndarray) -> np.ndarray:
    """Whether each observation of a batch is equal to another one of it, (N,)."""
    if isinstance(batch, dict):
        return np.logical_and.reduce([_alike(part, others) for part in batch.values()])
    return (batch == batch[others]).reshape(len(others), -1).all(axis=1)
