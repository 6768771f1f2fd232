"""Epochs by the kernels: rows as they read them, and Adam's moments on shared memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.optim import Adam

from rlextras.grouped.batches import Batch
from rlextras.host.compiling import load
from rlextras.onpolicy.network import SharedNetwork


class CompiledEpochs:
    """Passes over the episodes of a rollout by the kernels.

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
        self._network, self._optimizer = network, optimizer
        self._n_steps = network.n_adam_steps(optimizer, network.parameters)
        n = len(batch.log_prob)
        columns = (batch.advantages, batch.log_prob, batch.reference, batch.weights)
        self._rows = np.concatenate(
            [
                network.encoded(batch.observations.numpy()),
                batch.actions.reshape(n, -1).numpy().astype(np.float32),
                *(column.reshape(n, 1).numpy() for column in columns),
            ],
            axis=1,
        )

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
            The limit of the gradient's norm, then the settings of ``kernels.grouped.epoch``.

        Returns
        -------
        ndarray of shape (minibatches, 6)
            What each minibatch tells of itself.
        """
        order = np.concatenate([rows for rows, _ in parts])
        cuts = np.cumsum([0, *(len(rows) for rows, _ in parts)])
        lengths = np.concatenate([each for _, each in parts])
        [group] = self._optimizer.param_groups
        adam = (group["lr"], *group["betas"], group["eps"], self._n_steps)
        settings = np.array([*adam, *options], np.float64)
        network: Any = self._network
        rows = self._rows.take(order, axis=0)
        told = load("grouped").epoch(network.memory, network.table, rows, cuts, lengths, settings)
        self._n_steps = int(settings[4])
        network.count_adam_steps(settings[4], network.parameters)
        return told
