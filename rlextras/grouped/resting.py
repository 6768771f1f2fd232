"""Environments whose episode is over rest until those of the others are."""

from copy import deepcopy
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

__all__ = ["can_rest", "step_some"]


def can_rest(env: VecEnv) -> bool:
    """Whether some environments may take a step without the others.

    Parameters
    ----------
    env : VecEnv
        As the algorithm has it: a wrapper would see what the others did not do.

    Returns
    -------
    bool
        True for the host's ``DummyVecEnv`` itself, whose environments are at hand.
    """
    return type(env) is DummyVecEnv


def step_some(env: DummyVecEnv, actions: np.ndarray, who: np.ndarray) -> Any:
    """Take a step in some environments, as ``env.step`` does in all.

    Parameters
    ----------
    env : DummyVecEnv
        N environments.
    actions : ndarray of shape (N, ...)
        Those of the others are not taken.
    who : ndarray of bool, shape (N,)
        Which take a step.

    Returns
    -------
    observations, rewards, dones, infos
        Of all N: the others see what they saw, get no reward, do not end and have nothing to say.
    """
    rewards, dones = np.zeros(env.num_envs, np.float32), np.zeros(env.num_envs, bool)
    infos: list[dict[str, Any]] = [{} for _ in range(env.num_envs)]
    for i in np.flatnonzero(who).tolist():
        seen, rewards[i], terminated, truncated, info = env.envs[i].step(actions[i])
        info["TimeLimit.truncated"] = truncated and not terminated
        dones[i] = terminated or truncated
        if dones[i]:
            info["terminal_observation"] = seen
            seen, env.reset_infos[i] = env.envs[i].reset()
        env._save_obs(i, seen)
        infos[i] = deepcopy(info)  # as the host gives it: what the environment keeps may change
    return env._obs_from_buf(), rewards, dones, infos
