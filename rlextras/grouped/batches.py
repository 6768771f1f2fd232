"""Minibatches of episodes: of single steps where those stand for themselves, or of whole ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlextras.grouped.episodes import taken


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What an update learns from: B steps of M episodes, one episode after the other.

    Attributes
    ----------
    observations : Tensor of shape (B, ...), or dict of them
        What was seen.
    actions : Tensor of shape (B, ...)
        What was done.
    log_prob : Tensor of shape (B,), nats
        log π_old(a|s).
    advantages : Tensor of shape (B,)
        Â.
    weights : Tensor of shape (B,)
        How much a step counts; 1 on average.
    reference : Tensor of shape (B,), nats
        log π_ref(a|s); zeros where there is no reference.
    lengths : LongTensor of shape (M,)
        Steps of each episode; of shape (0,) where the steps stand for themselves.
    """

    observations: Any
    actions: Tensor
    log_prob: Tensor
    advantages: Tensor
    weights: Tensor
    reference: Tensor
    lengths: Tensor

    @property
    def episode(self) -> Tensor:
        """The episode that each step belongs to.

        Returns
        -------
        LongTensor of shape (B,)
            From 0 to M - 1.
        """
        n = len(self.lengths)
        return torch.arange(n, device=self.lengths.device).repeat_interleave(self.lengths)

    @property
    def first_rows(self) -> Tensor:
        """First step of each episode.

        Returns
        -------
        LongTensor of shape (M,)
            Its row.
        """
        return self.lengths.cumsum(0) - self.lengths

    def part(self, rows: np.ndarray, lengths: np.ndarray) -> "Batch":
        """A minibatch.

        Parameters
        ----------
        rows : ndarray of int64, shape (b,)
            Its steps.
        lengths : ndarray of int64, shape (m,)
            Of its episodes, if they are whole.

        Returns
        -------
        Batch
            Of b steps.
        """
        chosen = torch.from_numpy(rows).to(self.log_prob.device)
        columns = ("actions", "log_prob", "advantages", "weights", "reference")
        return Batch(
            observations=taken(self.observations, chosen),
            lengths=torch.from_numpy(lengths).to(self.lengths.device),
            **{name: getattr(self, name)[chosen] for name in columns},
        )


def shuffled_steps(n_steps: int, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Split single steps into minibatches, in an order from the generator that the host uses.

    Parameters
    ----------
    n_steps : int
        B.
    batch_size : int
        Steps in a minibatch.

    Yields
    ------
    rows : ndarray of int64
        Its steps.
    lengths : ndarray of int64, shape (0,)
        No episode is whole.
    """
    order = np.random.permutation(n_steps)  # noqa: NPY002  # as the host's buffer
    for start in range(0, n_steps, batch_size):
        yield order[start : start + batch_size], np.zeros(0, np.int64)


def shuffled_episodes(
    lengths: np.ndarray, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Split whole episodes into minibatches, in an order from the generator that the host uses.

    Parameters
    ----------
    lengths : ndarray of int64, shape (M,)
        Steps of each episode.
    batch_size : int
        A minibatch takes episodes until it has that many steps.

    Yields
    ------
    rows : ndarray of int64
        The steps of its episodes, one episode after the other.
    lengths : ndarray of int64
        Of its episodes.
    """
    order = np.random.permutation(len(lengths))  # noqa: NPY002  # as the host's buffer
    starts = np.cumsum(lengths) - lengths
    chosen: list[int] = []
    n_steps = 0
    for episode in order.tolist():
        chosen.append(episode)
        n_steps += int(lengths[episode])
        if n_steps >= batch_size:
            yield _rows(starts, lengths, chosen), lengths[chosen]
            chosen, n_steps = [], 0
    if chosen:
        yield _rows(starts, lengths, chosen), lengths[chosen]


def step_weights(lengths: np.ndarray, is_left_out: np.ndarray, *, average: str) -> np.ndarray:
    """How much each step counts in the mean over all of them.

    Parameters
    ----------
    lengths : ndarray of int64, shape (M,)
        Steps of each episode.
    is_left_out : ndarray of bool, shape (M,)
        Episodes that do not count.
    average : {"step", "episode"}
        Whether all steps count alike, or all episodes, and in them their steps.

    Returns
    -------
    ndarray of float64, shape (B,)
        With mean 1; zeros if nothing counts.
    """
    each = np.ones(len(lengths)) if average == "step" else 1.0 / lengths
    weights = np.repeat(np.where(is_left_out, 0.0, each), lengths)
    total = weights.sum()
    return weights * (len(weights) / total) if total else weights


def _rows(starts: np.ndarray, lengths: np.ndarray, chosen: list[int]) -> np.ndarray:
    """Steps of some episodes."""
    counts = lengths[chosen]
    before = np.cumsum(counts) - counts  # steps of the chosen ones so far
    return np.arange(counts.sum()) + np.repeat(starts[chosen] - before, counts)
