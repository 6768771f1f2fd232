"""Environments with verifiable rewards, and wrappers that see groups."""

from rlextras.envs.tasks import Addition, Brackets, Reverse, TokenTask
from rlextras.envs.token_env import TokenEnv, TokenVecEnv

__all__ = ["Addition", "Brackets", "Reverse", "TokenEnv", "TokenTask", "TokenVecEnv"]
