"""Steps of the host's ``VecNormalize``: the same numbers from fewer calls."""

from typing import Any

import numpy as np
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize

_NAMES = ("step_wait", "normalize_obs", "normalize_reward", "_normalize_obs", "_update_reward")
_METHODS = {name: getattr(VecNormalize, name) for name in _NAMES}


def can_normalize(env: Any) -> bool:
    """Whether a wrapper is one whose steps are done here.

    Parameters
    ----------
    env : VecEnv
        Any.

    Returns
    -------
    bool
        True for the host's own ``VecNormalize``, nothing of it replaced, unless it has moments for
        each key of a dict.
    """
    if type(env) is not VecNormalize or not _METHODS.keys().isdisjoint(vars(env)):
        return False
    if any(getattr(VecNormalize, name) is not method for name, method in _METHODS.items()):
        return False
    moments = [env.ret_rms, *([env.obs_rms] if env.norm_obs else [])]
    return all(type(each) is RunningMeanStd and "update" not in vars(each) for each in moments)


def normalized_step(env: Any) -> Any:
    """Wait for a step and normalise it.

    Parameters
    ----------
    env : VecNormalize
        One that ``can_normalize``.

    Returns
    -------
    tuple
        Observations, rewards, dones and infos, to the last bit as the host's ``step_wait``.
    """
    seen, rewards, dones, infos = env.venv.step_wait()
    env.old_obs, env.old_reward = seen, rewards
    if env.norm_obs:
        if env.training:
            observe(env.obs_rms, seen)
        seen = _scaled(seen - env.obs_rms.mean, env.obs_rms, env.epsilon, env.clip_obs)
    else:
        seen = env.normalize_obs(seen)
    if env.training:
        env.returns = env.returns * env.gamma + rewards
        observe(env.ret_rms, env.returns)
    if env.norm_reward:
        rewards = _scaled(rewards, env.ret_rms, env.epsilon, env.clip_reward)
    else:
        rewards = env.normalize_reward(rewards)
    if np.count_nonzero(dones):
        for i in np.flatnonzero(dones).tolist():
            if "terminal_observation" in infos[i]:
                final = env.normalize_obs(infos[i]["terminal_observation"])
                infos[i]["terminal_observation"] = final
        env.returns[dones] = 0
    return seen, rewards, dones, infos


def observe(moments: RunningMeanStd, rows: np.ndarray) -> None:
    """Add rows to running moments.

    Parameters
    ----------
    moments : RunningMeanStd
        What the host's ``update`` would change.
    rows : ndarray of shape (n, ...)
        They count once each.
    """
    if rows.dtype.kind != "f" or rows.dtype.itemsize < 4:
        moments.update(rows)  # whose sums are wider than the rows
        return
    n = len(rows)
    mean = np.add.reduce(rows, axis=0) / n
    apart = rows - mean
    apart *= apart
    moments.update_from_moments(mean, np.add.reduce(apart, axis=0) / n, n)


def _scaled(given: np.ndarray, moments: RunningMeanStd, epsilon: float, most: float) -> np.ndarray:
    """Numbers over their deviation, within ±most."""
    scaled = given / np.sqrt(moments.var + epsilon)
    return np.minimum(np.maximum(scaled, -most), most).astype(np.float32)
