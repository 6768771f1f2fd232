"""What users give as environments, in the form that the host takes."""

from typing import Any

from gymnasium.vector import VectorEnv
from stable_baselines3.common.vec_env import VecEnv

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
    VecEnv, gymnasium.Env or str
        Native vector environments become a VecEnv; all else is returned as it is.
    """
    is_native = isinstance(env, VectorEnv) or is_envpool(env)
    return as_vec_env(env) if is_native and not isinstance(env, VecEnv) else env
