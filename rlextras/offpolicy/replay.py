"""What is written into the host's replay buffers, and how large they may be."""

import copy
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from rlextras.validation import OptionError


def final_observations(
    observations: Any,
    dones: np.ndarray,
    infos: Sequence[dict[str, Any]],
    normalizer: VecNormalize | None,
) -> Any:
    """Observations that ended the step, where the environments show the next episode's first ones.

    Parameters
    ----------
    observations : ndarray of shape (N, ...), or dict of them
        What the step returned, not normalised.
    dones : ndarray of bool, shape (N,)
        Whether an episode ended.
    infos : sequence of dict
        They hold ``terminal_observation`` where one did.
    normalizer : VecNormalize or None
        What normalised the latter.

    Returns
    -------
    ndarray of shape (N, ...), or dict of them
        The observations given if no episode ended, otherwise a copy.
    """
    if not np.count_nonzero(dones):  # a third of what dones.any() takes
        return observations
    found = copy.deepcopy(observations)
    for i in np.flatnonzero(dones).tolist():
        final = infos[i].get("terminal_observation")
        if final is None:
            continue
        if normalizer is not None:
            final = normalizer.unnormalize_obs(final)
        if isinstance(found, dict):
            for key, rows in found.items():
                rows[i] = final[key]
        else:
            found[i] = final
    return found


def write_step(buffer: ReplayBuffer, step: Sequence[Any]) -> None:
    """Add the step of all environments to a buffer.

    Parameters
    ----------
    buffer : ReplayBuffer
        A plain buffer of the host's own class is written to directly, any other by its ``add``.
    step : sequence
        Observations, next observations, actions, rewards, dones and infos.
    """
    is_plain = type(buffer) in {ReplayBuffer, NStepReplayBuffer} and "add" not in vars(buffer)
    if not is_plain or buffer.optimize_memory_usage:
        if isinstance(buffer, DictReplayBuffer):  # it writes into the dicts that it is given
            step = (dict(step[0]), dict(step[1]), *step[2:])
        buffer.add(*step)
        return
    observations, next_observations, actions, rewards, dones, infos = step
    at = buffer.pos
    for rows, given in (
        (buffer.observations, observations),
        (buffer.next_observations, next_observations),
        (buffer.actions, actions),
    ):
        row = rows[at]
        row[...] = given.reshape(row.shape)
    buffer.rewards[at], buffer.dones[at] = rewards, dones
    if buffer.handle_timeout_termination:
        limits = [info.get("TimeLimit.truncated", False) for info in infos]
        buffer.timeouts[at] = limits
    buffer.pos = at + 1
    if buffer.pos == buffer.buffer_size:
        buffer.full, buffer.pos = True, 0


def end_trajectories(buffer: ReplayBuffer) -> None:
    """Mark the latest transitions as the last of their episodes: what follows starts from a reset.

    The host's buffers would join the two: n-step returns and hindsight goals across the cut. A
    transition that did not end the task is marked as stopped by a time limit, which bootstraps.

    Parameters
    ----------
    buffer : ReplayBuffer
        It may be empty.
    """
    if buffer.size() == 0:
        return
    if isinstance(buffer, HerReplayBuffer):
        for i in np.flatnonzero(buffer._current_ep_start != buffer.pos).tolist():
            _mark_limit(buffer, i)
            buffer._compute_episode_length(i)
    elif isinstance(buffer, NStepReplayBuffer):
        for i in np.flatnonzero(buffer.dones[buffer.pos - 1] == 0).tolist():
            _mark_limit(buffer, i)


def _mark_limit(buffer: ReplayBuffer, i: int) -> None:
    buffer.dones[buffer.pos - 1, i] = buffer.timeouts[buffer.pos - 1, i] = True


def bytes_needed(options: dict[str, Any], observation_space: Any, action_space: Any) -> int:
    """Memory that a replay buffer takes.

    Parameters
    ----------
    options : dict
        ``buffer_size`` and ``optimize_memory_usage``.
    observation_space, action_space : Space
        Of what is stored.

    Returns
    -------
    int
        In bytes: observations (twice, unless memory is optimised), action, reward and two flags.
    """
    is_dict = isinstance(observation_space, spaces.Dict)
    parts = observation_space.spaces.values() if is_dict else (observation_space,)
    n_copies = 1 if options["optimize_memory_usage"] else 2
    observation = sum(
        int(np.prod(part.shape or (1,))) * np.dtype(part.dtype).itemsize for part in parts
    )
    action = int(np.prod(action_space.shape)) * 4
    return int(options["buffer_size"]) * (n_copies * observation + action + 3 * 4)


def check_memory(owner: str, n_bytes: int, buffer_size: int) -> None:
    """Refuse a replay buffer that is larger than the memory of the machine.

    Parameters
    ----------
    owner : str
        Who speaks.
    n_bytes : int
        What it takes.
    buffer_size : int
        Its transitions.

    Raises
    ------
    ValueError
        If it cannot fit; says how many bytes it takes, and how many transitions would fit.
    """
    present = _memory()
    if n_bytes > present:
        fitting = int(0.8 * present / n_bytes * buffer_size)
        raise OptionError(
            f"{owner}: buffer_size must fit into memory ({present:,} bytes), got {buffer_size:,} "
            f"transitions that need {n_bytes:,} bytes. Choose at most {fitting:,}, or "
            "optimize_memory_usage=True, which halves them."
        )


def _memory() -> float:
    """Bytes of memory of this machine; infinitely many where the platform does not say."""
    if not hasattr(os, "sysconf"):
        return math.inf
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
