"""Whatever environment a user has, as the host's ``VecEnv``."""

from typing import Any

import gymnasium
from gymnasium.vector import VectorEnv
from stable_baselines3.common.env_util import is_wrapped, make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from rlextras.vec_env.envpool import EnvPoolVecEnv, is_envpool
from rlextras.vec_env.gymnasium_vector import GymnasiumVecEnv


def as_vec_env(env: Any, *, n_envs: int | None = None, seed: int | None = None) -> VecEnv:
    """Make the environment that a user has into one that the host learns on.

    Parameters
    ----------
    env : VecEnv, VectorEnv, EnvPool, gymnasium.Env, str or callable
        A ``VecEnv`` is returned as it is. A string is the id of a registered environment, a
        callable makes an environment; single environments are given a ``Monitor``.
    n_envs : int, optional
        How many; needed of ids and callables only, where None is 1.
    seed : int, optional
        Environment i gets ``seed + i`` at the next reset; None seeds nothing.

    Returns
    -------
    VecEnv
        The same environments.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If the environment handed in is not that many.
    """
    is_made_here = isinstance(env, str) or (
        callable(env) and not isinstance(env, gymnasium.Env | VectorEnv | VecEnv)
    )
    if is_made_here and not is_envpool(env):
        return make_vec_env(env, n_envs=1 if n_envs is None else n_envs, seed=seed)
    vec_env = _wrapped(env)
    if n_envs is not None and vec_env.num_envs != n_envs:
        raise ValueError(
            f"as_vec_env: n_envs must be what env holds, {vec_env.num_envs}, got {n_envs}. "
            "Hand in an id, or a function that makes an environment, to have several made."
        )
    if seed is not None:
        vec_env.seed(seed)
    return vec_env


def _wrapped(env: Any) -> VecEnv:
    """The environment behind the host's interface."""
    if isinstance(env, VecEnv):
        return env
    if is_envpool(env):  # before the others: an EnvPool is also a VectorEnv or an Env
        return EnvPoolVecEnv(env)
    if isinstance(env, VectorEnv):
        return GymnasiumVecEnv(env)
    if isinstance(env, gymnasium.Env):
        monitored = env if is_wrapped(env, Monitor) else Monitor(env)
        return DummyVecEnv([lambda: monitored])
    raise TypeError(
        "as_vec_env: env must be a VecEnv, a gymnasium.Env or VectorEnv, an EnvPool, the id of a "
        f"registered environment or a function that makes one, got a {type(env).__name__}. "
        "Wrap it in a gymnasium.Env."
    )
