"""Transitions as the kernels read them: where they lie in the buffer, or as it hands them out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.buffers import ReplayBuffer

from rlextras.validation import OptionError

Storage = tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]
_NONE = np.empty(0, np.float32)


def can_be_read(buffer: ReplayBuffer, normalizer: Any) -> bool:
    """Whether transitions can be taken from where they lie, and mean what the host's would.

    Parameters
    ----------
    buffer : ReplayBuffer
        Of any class.
    normalizer : VecNormalize or None
        What the host would apply to them.

    Returns
    -------
    bool
        For a plain buffer of float32.
    """
    if type(buffer) is not ReplayBuffer or buffer.optimize_memory_usage or normalizer is not None:
        return False
    is_original = not {"sample", "_get_samples"} & vars(buffer).keys()
    arrays = (buffer.observations, buffer.next_observations, buffer.actions, buffer.rewards)
    return is_original and all(each.dtype == np.float32 for each in arrays)


def read_in_place(
    buffer: ReplayBuffer, n_updates: int, batch_size: int
) -> tuple[Storage, np.ndarray]:
    """Draw transitions with the numbers that the host would draw, and say where they are.

    Parameters
    ----------
    buffer : ReplayBuffer
        One that can be read.
    n_updates, batch_size : int
        How many batches, and how large.

    Returns
    -------
    storage : tuple
        Matrices and columns: all of the buffer, not copied.
    indices : ndarray of int64, shape (n_updates, batch_size)
        Its rows.
    """
    n_rows, n_envs = buffer.size(), buffer.n_envs
    if n_rows == 0:
        raise OptionError(
            "replay buffer: it must hold transitions to learn from, got none. Collect some first."
        )
    indices = np.empty((n_updates, batch_size), np.int64)
    for row in indices:  # one draw after the other, as the host's buffer makes them
        row[:] = np.random.randint(0, n_rows, size=batch_size)  # noqa: NPY002
        row *= n_envs
        row += np.random.randint(0, n_envs, size=batch_size)  # noqa: NPY002
    n = len(buffer.rewards) * n_envs
    rows = (buffer.observations, buffer.actions, buffer.next_observations)
    columns = (buffer.rewards, buffer.dones, buffer.timeouts)
    matrices = tuple(each.reshape(n, -1) for each in rows)
    return (matrices, (*(each.reshape(-1) for each in columns), _NONE, _NONE)), indices


def as_storage(batches: Sequence[Any], weights: Any = None) -> tuple[Storage, np.ndarray]:
    """Bring batches that a buffer handed out into the form that the kernels read.

    Parameters
    ----------
    batches : sequence of ReplayBufferSamples
        Of one size.
    weights : ndarray of float32, optional
        Of their transitions; 1 if None.

    Returns
    -------
    storage : tuple
        Matrices and columns.
    indices : ndarray of int64, shape (updates, B)
        Its rows, one batch behind the other.
    """
    names = ("observations", "actions", "next_observations")
    matrices = tuple(_joined(batches, name).reshape(_n_rows(batches), -1) for name in names)
    columns = [_joined(batches, name).reshape(-1) for name in ("rewards", "dones")]
    has_discounts = batches[0].discounts is not None
    discounts = _joined(batches, "discounts").reshape(-1) if has_discounts else _NONE
    given = _NONE if weights is None else np.ascontiguousarray(weights, np.float32)
    indices = np.arange(_n_rows(batches)).reshape(len(batches), -1)
    return (matrices, (*columns, _NONE, discounts, given)), indices


def _joined(batches: Sequence[Any], name: str) -> np.ndarray:
    parts = [getattr(batch, name) for batch in batches]
    return torch.cat(parts).to(torch.float32).numpy()


def _n_rows(batches: Sequence[Any]) -> int:
    return sum(len(batch.rewards) for batch in batches)
