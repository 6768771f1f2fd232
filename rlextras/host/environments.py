"""What users give as environments, in the form that the host takes."""

from typing import Any

from gymnasium.vector import VectorEnv
from stable_baselines3.common.base_class import maybe_make_env
from stable_baselines3.common.vec_env import VecEnv

from rlextras.validation import OptionError
from rlextras.vec_env.conversion import as_vec_env
from rlextras.vec_env.envpool import is_envpool


def for_host(env: Any) -> Any:
    """Wrap what the host does not take.

    Parameters
    ----------
    env : VecEnv, gymnasium.Env, gymnasium.vector.VectorEnv, EnvPool or str
        What a user gave.

    Returns
    -------
    VecEnv or gymnasium.Env
        Native vector environments become a VecEnv, of an id an environment is made; all else is
        returned as it is.
    """
    if isinstance(env, str):
        return maybe_make_env(env, verbose=0)
    is_native = isinstance(env, VectorEnv) or is_envpool(env)
    return as_vec_env(env) if is_native and not isinstance(env, VecEnv) else env


def check_env(owner: str, env: Any) -> None:
    """Refuse to learn nowhere.

    Parameters
    ----------
    owner : str
        Who speaks.
    env : VecEnv or None
        Where to learn.

    Raises
    ------
    ValueError
        If there is none.
    """
    if env is None:
        raise OptionError(
            f"{owner}: env must be set to learn, got None. Call set_env, or hand env to load."
        )


def check_begun(owner: str, observations: Any) -> None:
    """Refuse to act where nothing was seen, as after environments were changed midway.

    Parameters
    ----------
    owner : str
        Who speaks.
    observations : ndarray, dict of them, or None
        The last ones.

    Raises
    ------
    ValueError
        If there are none.
    """
    if observations is None:
        raise ValueError(
            f"{owner}: env must not be reset while learn runs, got a set_env from a callback. Let "
            "the callback end the training, and call set_env and learn again."
        )
