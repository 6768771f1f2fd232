"""Wrappers that see whole groups: where they begin, and what they are rewarded for beyond."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from stable_baselines3.common.vec_env import VecEnv


@runtime_checkable
class ChoosesStarts(Protocol):
    """A wrapper of environments that chooses where groups begin."""

    def choose_starts(self, n_groups: int) -> np.ndarray:
        """Choose.

        Parameters
        ----------
        n_groups : int
            How many groups.

        Returns
        -------
        ndarray of int64, shape (n_groups,)
            A seed for each.
        """


def start_chooser(env: VecEnv) -> ChoosesStarts | None:
    """The outermost wrapper that chooses starts.

    Parameters
    ----------
    env : VecEnv
        Environments in wrappers.

    Returns
    -------
    ChoosesStarts or None
        None if there is no such wrapper.
    """
    inner: Any = env
    while inner is not None:
        if isinstance(inner, ChoosesStarts):
            return inner
        inner = getattr(inner, "venv", None)
    return None
