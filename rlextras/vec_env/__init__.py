"""Environments as users have them, made into the host's ``VecEnv``; and fast ones."""

from rlextras.vec_env.compiled import CompiledVecEnv, make_compiled
from rlextras.vec_env.conversion import as_vec_env
from rlextras.vec_env.envpool import EnvPoolVecEnv
from rlextras.vec_env.gymnasium_vector import GymnasiumVecEnv
from rlextras.vec_env.threaded import ThreadedVecEnv

__all__ = [
    "as_vec_env",
    "make_compiled",
    "CompiledVecEnv",
    "EnvPoolVecEnv",
    "GymnasiumVecEnv",
    "ThreadedVecEnv",
]
