"""Steps of environments, without copies that nobody can tell from what they copy."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper

from rlextras.host.normalizing import can_normalize, normalized_step
from rlextras.vec_env.rows import copied_info

_METHODS = frozenset({"step", "step_async", "step_wait", "_save_obs", "_obs_from_buf"})


def can_rest(env: Any) -> bool:
    """Whether some environments may take a step without the others.

    Parameters
    ----------
    env : VecEnv
        As the algorithm has it: a wrapper would see what the others did not do.

    Returns
    -------
    bool
        True for the host's own ``DummyVecEnv``, whose environments are at hand.
    """
    return type(env) is DummyVecEnv and env.keys == [None] and _METHODS.isdisjoint(vars(env))


def step(env: Any, actions: np.ndarray, who: np.ndarray | None = None) -> Any:
    """Step environments.

    The host's ``DummyVecEnv`` takes deep copies of all that it returns, half of the time of a small
    environment. Here arrays are copied as arrays, and numbers in infos, which cannot change, not at
    all; everything else is as there. Wrappers find the same below them; ``VecNormalize`` among them
    returns the same numbers from fewer calls.

    Parameters
    ----------
    env : VecEnv
        Any; one that is not the host's own at its heart steps by itself.
    actions : ndarray of shape (N, ...)
        One for each environment.
    who : ndarray of bool, shape (N,), optional
        Which take a step, of environments that can rest; all if None. The others see what they saw,
        get no reward, do not end and have nothing to say.

    Returns
    -------
    tuple
        Observations, rewards, dones and infos.
    """
    if can_rest(env):
        env.step_async(actions)
        return _answers(env, who)
    quicker = list(_quicker(env))
    for each, wait in quicker:
        each.step_wait = partial(wait, each)
    try:
        return env.step(actions)
    finally:
        for each, _ in quicker:
            del each.step_wait


def _quicker(env: Any) -> Iterator[tuple[Any, Any]]:
    """Wrappers of the host, and its environments below them, whose steps are done here."""
    while isinstance(env, VecEnvWrapper):
        if can_normalize(env):
            yield env, normalized_step
        env = env.venv
    if can_rest(env):
        yield env, _answers


def _answers(env: DummyVecEnv, who: np.ndarray | None = None) -> Any:
    """What the environments answer to the actions that they have been given."""
    actions, rewards, dones, infos = env.actions, env.buf_rews, env.buf_dones, env.buf_infos
    for i, each in enumerate(env.envs):
        if who is not None and not who[i]:
            rewards[i], dones[i], infos[i] = 0.0, False, {}
            continue
        seen, rewards[i], is_terminated, is_truncated, info = each.step(actions[i])
        infos[i], is_done = info, is_terminated or is_truncated
        dones[i], info["TimeLimit.truncated"] = is_done, is_truncated and not is_terminated
        if is_done:
            info["terminal_observation"] = seen
            seen, env.reset_infos[i] = each.reset()
        env._save_obs(i, seen)
    [seen] = env.buf_obs.values()
    return seen.copy(), rewards.copy(), dones.copy(), [copied_info(info) for info in infos]
