"""What a rollout writes down: rows of the host's buffer, and advantages."""

from typing import Any

import numpy as np
from stable_baselines3.common.buffers import RolloutBuffer

from rlextras.host.compiling import load
from rlextras.onpolicy.choices import Choices

FLATTENED = ("observations", "actions", "values", "log_probs", "advantages", "returns")
"""Arrays that the host's buffer turns from (T, N) into (N T) when it hands out minibatches."""


def has_host_advantages(buffer: RolloutBuffer) -> bool:
    """Whether a buffer leaves returns and advantages to the host's formula, which ours replaces.

    Parameters
    ----------
    buffer : RolloutBuffer
        Any.

    Returns
    -------
    bool
        Whether its method is the host's own.
    """
    method = getattr(buffer.compute_returns_and_advantage, "__func__", None)
    return method is RolloutBuffer.compute_returns_and_advantage


def write_step(buffer: RolloutBuffer, step: tuple[Any, Choices, np.ndarray, np.ndarray]) -> None:
    """Add the step of all environments to a buffer.

    Parameters
    ----------
    buffer : RolloutBuffer
        A buffer of the host's own class is written to directly, any other one by its ``add``.
    step : tuple
        Observations, choices, rewards and episode starts.
    """
    observations, chosen, rewards, starts = step
    t = buffer.pos
    if type(buffer) is not RolloutBuffer or "add" in vars(buffer):
        taken = chosen.actions[:, None] if chosen.actions.ndim == 1 else chosen.actions
        buffer.add(observations, taken, rewards, starts, *chosen.tensors())
        return
    row, actions = buffer.observations[t], buffer.actions[t]
    row[...] = observations.reshape(row.shape)
    actions[...] = chosen.actions.reshape(actions.shape)
    buffer.rewards[t], buffer.episode_starts[t] = rewards, starts
    buffer.values[t], buffer.log_probs[t] = chosen.values, chosen.log_probs
    buffer.pos = t + 1
    buffer.full = buffer.pos == buffer.buffer_size


def write_advantages(
    buffer: RolloutBuffer,
    last_values: np.ndarray,
    dones: np.ndarray,
    truncated: np.ndarray,
    final_values: np.ndarray,
) -> None:
    """Compute advantages (GAE) and TD(λ) returns of a rollout, and put them into its buffer.

    Parameters
    ----------
    buffer : RolloutBuffer
        Holds the rollout.
    last_values : ndarray of shape (N,)
        V of what follows the last step.
    dones : ndarray of bool, shape (N,)
        Whether the last step ended an episode.
    truncated : ndarray of bool, shape (T, N)
        Whether a time limit stopped an episode after a step.
    final_values : ndarray of shape (T, N)
        V of where it stopped.
    """
    n_steps = len(truncated)
    ledger = np.zeros((6, *truncated.shape), np.float32)
    ledger[0], ledger[1] = buffer.rewards[:n_steps], buffer.values[:n_steps]
    ledger[2, :-1], ledger[2, -1] = buffer.episode_starts[1:n_steps], dones
    ledger[3] = np.where(truncated, final_values, 0)
    estimate = load("returns").estimate
    estimate(ledger, last_values.astype(np.float32), buffer.gamma, buffer.gae_lambda)
    buffer.advantages[:n_steps], buffer.returns[:n_steps] = ledger[4], ledger[5]


def flatten(buffer: RolloutBuffer) -> None:
    """Do to a buffer what its own ``get`` does before it hands out minibatches.

    Parameters
    ----------
    buffer : RolloutBuffer
        Of the host's own class, and full.
    """
    if buffer.generator_ready:
        return
    for name in FLATTENED:
        setattr(buffer, name, buffer.swap_and_flatten(getattr(buffer, name)))
    buffer.generator_ready = True
