"""Action masks: what they look like, and reading them from the environments.

A mask has one flag for each choice: n for Discrete(n), those of all parts in a row for
MultiDiscrete, and for each bit of MultiBinary two, whether it may be 0 and whether it may be 1.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from rlextras.validation import OptionError

METHOD, KEY = "action_masks", "action_mask"


def mask_sizes(space: spaces.Space) -> list[int]:
    """Choices of each part of an action.

    Parameters
    ----------
    space : Space
        Of the actions.

    Returns
    -------
    list of int
        Their sum is the length of a mask; empty if actions of this space cannot be masked.
    """
    if isinstance(space, spaces.Discrete):
        return [int(space.n)]
    if isinstance(space, spaces.MultiDiscrete):
        return [int(n) for n in space.nvec.ravel()]
    if isinstance(space, spaces.MultiBinary):
        return [2] * int(np.prod(space.shape))
    return []


class MaskReader:
    """Masks of N environments, by their method ``action_masks`` or from their infos.

    Parameters
    ----------
    owner : str
        Who speaks.
    env : VecEnv
        The environments.
    by_method : bool
        Whether they have the method; ``info["action_mask"]`` otherwise.
    """

    def __init__(self, owner: str, env: VecEnv, *, by_method: bool) -> None:
        self._owner, self._env, self._by_method = owner, env, by_method

    def first(self) -> np.ndarray:
        """Masks of the first observations after a reset.

        Returns
        -------
        ndarray of bool, shape (N, M)
            One row per environment.
        """
        infos = self._env.unwrapped.reset_infos
        return self.checked(self.given(infos, np.zeros(len(infos), bool)))

    def given(self, infos: Sequence[dict[str, Any]], dones: np.ndarray) -> Sequence[Any]:
        """What the environments say of the observations that a step returned.

        Parameters
        ----------
        infos : sequence of dict
            Of the step.
        dones : ndarray of bool, shape (N,)
            Whether it ended an episode; the mask of the next one is in the info of the reset.

        Returns
        -------
        sequence
            A mask per environment, as it came; None where there is none.
        """
        if self._by_method:
            return self._env.env_method(METHOD)
        resets = self._env.unwrapped.reset_infos
        return [(resets[i] if is_done else infos[i]).get(KEY) for i, is_done in enumerate(dones)]

    def checked(self, given: Sequence[Any]) -> np.ndarray:
        """Masks as rows of flags.

        Parameters
        ----------
        given : sequence
            What ``given`` returned.

        Returns
        -------
        ndarray of bool, shape (N, M)
            One row per environment.

        Raises
        ------
        ValueError
            If there is no mask, or it has another length, or allows nothing.
        """
        missing = [i for i, mask in enumerate(given) if mask is None]
        if missing:
            where = f"{METHOD}()" if self._by_method else f'info["{KEY}"]'
            raise ValueError(
                f"{self._owner}: {where} must be a mask in every step and reset, got none from "
                f"environment {missing[0]}. Allow everything where everything can be done."
            )
        return checked_masks(self._owner, given, self._env.action_space)


def checked_masks(owner: str, given: Sequence[Any], space: spaces.Space) -> np.ndarray:
    """Masks as rows of flags.

    Parameters
    ----------
    owner : str
        Who speaks.
    given : sequence
        One mask per environment: flags, or for MultiDiscrete a tuple of such, or for MultiBinary
        what Gymnasium's ``sample`` takes: 0, 1, or 2 for either.
    space : Space
        Of the actions.

    Returns
    -------
    ndarray of bool, shape (N, M)
        One row per environment.

    Raises
    ------
    ValueError
        If a mask has another length, or allows nothing, or there is no choice to mask.
    """
    sizes = mask_sizes(space)
    rows = [
        _flat(mask, len(sizes) if isinstance(space, spaces.MultiBinary) else 0) for mask in given
    ]
    for i, row in enumerate(rows):
        if not sizes or len(row) != sum(sizes):
            raise ValueError(
                f"{owner}: an action mask must hold {sum(sizes)} flags, got {len(row)} from "
                f"environment {i}. One for each choice of {space}."
            )
    masks = np.stack(rows)
    allowing = np.logical_or.reduceat(masks, _starts(sizes), axis=1)  # (N, parts)
    if not allowing.all():
        i, part = np.argwhere(~allowing)[0]
        raise ValueError(
            f"{owner}: an action mask must allow a choice, got none in part {part} of the action "
            f"from environment {i}. End the episode where nothing can be done."
        )
    return masks


def mask_rows(action_masks: Any) -> Sequence[Any]:
    """Masks one by one, of one or several given at once.

    Parameters
    ----------
    action_masks : array_like of bool, shape (M,) or (n, M)
        A tuple is one mask, of the parts of an action.

    Returns
    -------
    sequence
        Of n masks.
    """
    rows = [action_masks] if isinstance(action_masks, tuple) else list(action_masks)
    is_one = bool(rows) and not isinstance(rows[0], tuple | list | np.ndarray)
    return [action_masks] if is_one else rows


def _flat(mask: Any, n_bits: int) -> np.ndarray:
    """One mask as a row of flags; n bits may have one number each."""
    if isinstance(mask, tuple | list) and any(np.ndim(part) for part in mask):
        mask = np.concatenate([np.ravel(part) for part in mask])
    row = np.asarray(mask).ravel()
    if n_bits and len(row) == n_bits:
        row = np.stack([row != 1, row != 0], axis=1).ravel()
    return row.astype(bool)


def _starts(sizes: Sequence[int]) -> np.ndarray:
    """Where the flags of each part begin."""
    return np.cumsum([0, *sizes[:-1]])


def find_reader(
    owner: str, env: VecEnv, use_masks: bool | str, *, is_reset: bool
) -> MaskReader | None:
    """Find out where masks come from.

    Parameters
    ----------
    owner : str
        Who speaks.
    env : VecEnv
        The environments.
    use_masks : bool or "auto"
        True demands masks, "auto" takes them if there are any.
    is_reset : bool
        Whether the environments were reset, so that their infos can be looked at.

    Returns
    -------
    MaskReader or None
        None if there is nothing to mask.

    Raises
    ------
    ValueError
        If masks are demanded, and there are none.
    """
    if use_masks is False:
        return None
    why = ""
    if not mask_sizes(env.action_space):
        why = f"choices can be masked, {env.action_space} has none"
    elif env.has_attr(METHOD):
        return MaskReader(owner, env, by_method=True)
    elif is_reset:
        if all(KEY in info for info in env.unwrapped.reset_infos):
            return MaskReader(owner, env, by_method=False)
        why = f'env has no method {METHOD}() and no "{KEY}" in the info of its reset'
    if why and use_masks is True:
        raise OptionError(f"{owner}: use_masks must be False or 'auto' here, got True: {why}.")
    return None


def forbids(masks: np.ndarray, actions: np.ndarray, space: spaces.Space) -> np.ndarray:
    """Whether masks forbid actions.

    Parameters
    ----------
    masks : ndarray of bool, shape (N, M)
        One row per action.
    actions : ndarray of shape (N, ...)
        The actions.
    space : Space
        Of the actions.

    Returns
    -------
    ndarray of bool, shape (N,)
        Whether a part of the action is forbidden.
    """
    places = _starts(mask_sizes(space)) + actions.reshape(len(masks), -1).astype(
        np.int64
    )  # (N, parts)
    is_allowed: np.ndarray = np.take_along_axis(masks, places, axis=1)
    return np.logical_not(is_allowed.all(axis=1))
