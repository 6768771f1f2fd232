"""Transitions as the kernels read them: where they lie in the buffer, or as it hands them out."""

from collections.abc import Sequence
from operator import is_
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.buffers import ReplayBuffer

from rlextras.offpolicy.calls import Storage
from rlextras.validation import OptionError

_NONE = np.empty(0, np.float32)


class Reader:
    """Reads the transitions of a plain buffer of float32 where they lie."""

    def __init__(self) -> None:
        self._arrays: tuple[np.ndarray, ...] = ()
        self._storage: Storage | None = None

    def storage(self, buffer: ReplayBuffer, normalizer: Any) -> Storage | None:
        """Find the transitions of a buffer.

        Parameters
        ----------
        buffer : ReplayBuffer
            Of any class.
        normalizer : VecNormalize or None
            What the host would apply to them.

        Returns
        -------
        tuple or None
            Matrices and columns: all of the buffer, not copied, and the same tuple as long as it
            has the same arrays; None if they do not mean what the host's ``sample`` would return.
        """
        is_plain = type(buffer) is ReplayBuffer and not buffer.optimize_memory_usage
        if not is_plain or normalizer is not None:
            return None
        if "sample" in vars(buffer) or "_get_samples" in vars(buffer):
            return None
        rows = (buffer.observations, buffer.actions, buffer.next_observations)
        arrays = (*rows, buffer.rewards, buffer.dones, buffer.timeouts)
        if not (len(self._arrays) and all(map(is_, arrays, self._arrays))):
            self._arrays, self._storage = arrays, _in_place(arrays)
        return self._storage


def _in_place(arrays: tuple[np.ndarray, ...]) -> Storage | None:
    """Views of a buffer's arrays, one row a transition."""
    if not all(each.dtype == np.float32 and each.flags.c_contiguous for each in arrays):
        return None
    n = arrays[3].size
    matrices = tuple(each.reshape(n, -1) for each in arrays[:3])
    return matrices, (*(each.reshape(-1) for each in arrays[3:]), _NONE, _NONE)


def drawn_rows(buffer: ReplayBuffer, n_updates: int, batch_size: int) -> np.ndarray:
    """Draw transitions with the numbers that the host would draw.

    Parameters
    ----------
    buffer : ReplayBuffer
        One that can be read in place.
    n_updates, batch_size : int
        How many batches, and how large.

    Returns
    -------
    ndarray of int64, shape (n_updates, batch_size)
        Rows of the storage.

    Raises
    ------
    ValueError
        If the buffer is empty.
    """
    n_rows, n_envs = buffer.size(), buffer.n_envs
    if n_rows == 0:
        raise OptionError(
            "replay buffer: it must hold transitions to learn from, got none. Collect some first."
        )
    drawn = np.empty((n_updates, batch_size), np.int64)
    for batch in drawn:  # one draw after the other, as the host's buffer makes them
        rows = np.random.randint(0, n_rows, size=batch_size)  # noqa: NPY002
        if n_envs > 1:  # among one there is nothing to draw, and the host's generator rests
            rows = rows * n_envs + np.random.randint(0, n_envs, size=batch_size)  # noqa: NPY002
        batch[...] = rows
    return drawn


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
