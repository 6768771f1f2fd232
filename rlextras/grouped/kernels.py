"""Epochs by the kernels: rows as they read them, and Adam's moments on shared memory."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.optim import Adam

from rlextras.grouped.batches import Batch
from rlextras.host.compiling import load
from rlextras.host.memory import FOLLOWER, SharedMemory
from rlextras.onpolicy.network import SharedNetwork
from rlextras.sequences.compiled import CompiledTransformer

GRADIENT = FOLLOWER
"""Row of the memory: without target networks it is the kernels'."""


class CompiledEpochs(ABC):
    """Passes over the episodes of a rollout by the kernels; abstract.

    Parameters
    ----------
    network : SharedMemory
        What learns.
    optimizer : Adam
        Whose moments and settings count.
    batch : Batch
        What it learns from.
    """

    def __init__(self, network: SharedMemory, optimizer: Adam, batch: Batch) -> None:
        self._memory, self._optimizer = network, optimizer
        self._n_steps = network.n_adam_steps(optimizer, network.parameters)
        columns = (batch.advantages, batch.log_prob, batch.reference, batch.weights)
        self._notes = np.stack([column.numpy() for column in columns], axis=1)  # (B, 4)

    @property
    def is_possible(self) -> bool:
        """Whether Adam has stepped all parameters equally often, as the kernels do.

        Returns
        -------
        bool
            If not, torch has to update.
        """
        return self._n_steps is not None

    def epoch(
        self, parts: Sequence[tuple[np.ndarray, np.ndarray]], options: Sequence[float]
    ) -> np.ndarray:
        """Pass over the rollout once.

        Parameters
        ----------
        parts : sequence of (ndarray, ndarray)
            Rows, and lengths of whole episodes, of each minibatch.
        options : sequence of float
            The limit of the gradient's norm, then the settings of ``kernels.group_objectives``.

        Returns
        -------
        ndarray of shape (minibatches, 6)
            What each minibatch tells of itself.
        """
        [group] = self._optimizer.param_groups
        adam = (group["lr"], *group["betas"], group["eps"], self._n_steps)
        settings = np.array([*adam, *options], np.float64)
        told = self._pass(parts, settings)
        self._n_steps = int(settings[4])
        self._memory.count_adam_steps(settings[4], self._memory.parameters)
        return told

    @abstractmethod
    def _pass(
        self, parts: Sequence[tuple[np.ndarray, np.ndarray]], settings: np.ndarray
    ) -> np.ndarray:
        """Descend minibatch by minibatch; the settings count the steps."""


class StepEpochs(CompiledEpochs):
    """Passes over steps that are rows of numbers.

    Parameters
    ----------
    network : SharedNetwork
        What learns.
    optimizer : Adam
        Whose moments and settings count.
    batch : Batch
        What it learns from.
    """

    def __init__(self, network: SharedNetwork, optimizer: Adam, batch: Batch) -> None:
        super().__init__(network, optimizer, batch)
        self._network, n = network, len(batch.log_prob)
        seen = network.encoded(batch.observations.numpy())
        actions = batch.actions.reshape(n, -1).numpy().astype(np.float32)
        self._rows = np.concatenate([seen, actions, self._notes], axis=1)

    def _pass(
        self, parts: Sequence[tuple[np.ndarray, np.ndarray]], settings: np.ndarray
    ) -> np.ndarray:
        order = np.concatenate([rows for rows, _ in parts])
        cuts = np.cumsum([0, *(len(rows) for rows, _ in parts)])
        lengths = np.concatenate([each for _, each in parts])
        network: Any = self._network
        rows = self._rows.take(order, axis=0)
        return load("grouped").epoch(network.memory, network.table, rows, cuts, lengths, settings)


class TokenEpochs(CompiledEpochs):
    """Passes over whole sequences of tokens.

    Parameters
    ----------
    network : CompiledTransformer
        What learns.
    optimizer : Adam
        Whose moments and settings count.
    batch : Batch
        What it learns from; its observations are "tokens" and "mask".
    """

    def __init__(self, network: CompiledTransformer, optimizer: Adam, batch: Batch) -> None:
        super().__init__(network, optimizer, batch)
        self._network = network
        seen = batch.observations
        self._tokens = seen["tokens"].numpy().astype(np.int64, copy=False)  # (B, T)
        self._n_seen = seen["mask"].numpy().sum(axis=1, dtype=np.int64)  # (B,)
        self._actions = batch.actions.numpy()
        self._kernels = load("grouped_tokens")

    def _pass(
        self, parts: Sequence[tuple[np.ndarray, np.ndarray]], settings: np.ndarray
    ) -> np.ndarray:
        told = np.zeros((len(parts), 6))
        for (rows, lengths), each in zip(parts, told, strict=True):
            self._descend(rows, lengths, settings, each)
        return told

    def _descend(
        self, rows: np.ndarray, lengths: np.ndarray, settings: np.ndarray, told: np.ndarray
    ) -> None:
        """Take one step; fill in its measures."""
        network, ends = self._network, rows[np.cumsum(lengths) - 1]
        episode, places = np.repeat(np.arange(len(lengths)), lengths), self._n_seen[rows] - 1
        where = self._tokens[ends], self._n_seen[ends], episode, places
        reading, asked, nodes = network.asked(*where)
        room = reading.read(0, asked)
        logits, (deltas, by) = reading.said(room, len(asked)), reading.deltas(len(asked))
        batch = nodes, self._actions[rows], self._notes[rows], lengths
        ratios, numbers = np.empty(2 * len(rows)), np.empty((3, max(logits.shape)), np.float32)
        given = ratios, settings, by, numbers, told
        self._kernels.push(logits, *batch, *given, network.n_actions)
        reading.gradient(room, asked, deltas, network.memory[GRADIENT])
        self._kernels.step(network.memory.reshape(-1), settings)
