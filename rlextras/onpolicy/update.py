"""An update by the kernels: the rollout as they read it, and Adam's moments on shared memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.buffers import RolloutBuffer
from torch import Tensor
from torch.optim import Adam

from rlextras.core.objectives import normalized
from rlextras.core.trust_region import Product
from rlextras.host.compiling import load
from rlextras.onpolicy.ledger import flatten
from rlextras.onpolicy.network import SharedNetwork

CRITIC = 1
"""Column of what an epoch returns that holds the critic's loss."""


class CompiledUpdate:
    """Passes over a rollout by the kernels.

    Parameters
    ----------
    network : SharedNetwork
        What learns.
    buffer : RolloutBuffer
        Of the host's own class, and full; its arrays are flattened, as by its own ``get``.
    optimizer : Adam
        Whose moments and settings count.
    parameters : sequence of Tensor
        What moves.
    """

    def __init__(
        self,
        network: SharedNetwork,
        buffer: RolloutBuffer,
        optimizer: Adam,
        parameters: Sequence[Tensor],
    ) -> None:
        self.network, self._optimizer, self._parameters = network, optimizer, parameters
        self._n_steps = network.n_adam_steps(optimizer, parameters)
        flatten(buffer)
        n = len(buffer.values)
        columns = (buffer.advantages, buffer.returns, buffer.log_probs, buffer.values)
        self.rollout = np.concatenate(
            [
                network.encoded(buffer.observations),
                buffer.actions.reshape(n, -1).astype(np.float32),
                *(column.reshape(n, 1) for column in columns),
            ],
            axis=1,
        )

    @property
    def is_possible(self) -> bool:
        """Whether Adam has stepped all parameters equally often, as the kernels do.

        Returns
        -------
        bool
            If not, nothing was changed but the buffer, and torch has to update.
        """
        return self._n_steps is not None

    def epoch(self, options: Sequence[float]) -> np.ndarray:
        """Pass over the rollout once, in an order from the generator that the host uses.

        Parameters
        ----------
        options : sequence of float
            The limit of the gradient's norm, then the settings of ``kernels.clipped.epoch``.

        Returns
        -------
        ndarray of shape (minibatches, 6)
            What each minibatch tells of itself.
        """
        order = np.random.permutation(len(self.rollout))  # noqa: NPY002  # as the host's buffer
        [group] = self._optimizer.param_groups
        adam = (group["lr"], *group["betas"], group["eps"], self._n_steps)
        settings = np.array([*adam, *options], np.float64)
        network: Any = self.network
        told = load("clipped").epoch(network.memory, network.table, self.rollout, order, settings)
        self._n_steps = int(settings[4])
        network.count_adam_steps(settings[4], self._parameters)
        return told


class CompiledRegion:
    """Objective, divergence and their derivatives by the actor's numbers, for a trust region step.

    Parameters
    ----------
    update : CompiledUpdate
        Its network and its rollout.
    """

    def __init__(self, update: CompiledUpdate) -> None:
        self._kernels = load("natural")
        network = update.network
        self._vector, self._table = network.memory.reshape(-1), network.table
        self._work = load("network").workspace(network.table, self._kernels.CHUNK, 2)
        first_of_critic = int(network.table[1 + network.table[0, 3], 2])
        self.theta = torch.from_numpy(network.theta[:first_of_critic])  # (P,) of the actor
        self._rows, self._n_in, self._n_parts = update.rollout, network.n_in, network.n_parts

    def take_rows(self, every: int, *, is_normalized: bool) -> None:
        """Keep some steps of the rollout, chosen as the host's buffer would hand them out.

        Parameters
        ----------
        every : int
            Of the shuffled steps, each such one.
        is_normalized : bool
            Whether their advantages get mean 0 and standard deviation 1.
        """
        order = np.random.permutation(len(self._rows))  # noqa: NPY002  # as the host's buffer
        self._rows = self._rows[order[::every]]
        column = self._n_in + self._n_parts
        if is_normalized:
            advantages = torch.from_numpy(self._rows[:, column].copy())
            self._rows[:, column] = normalized(advantages).numpy()

    def begin(self) -> float:
        """Take the policy as it stands for the old one.

        Returns
        -------
        float
            The objective.
        """
        n_layers = self._table[0, 3]
        width = int(self._table[n_layers, 1]) + self._n_parts
        self._old = np.zeros((len(self._rows), width), np.float32)
        objective, _ = self._kernels.weigh(*self._place, self._old, True)
        return objective

    def evaluate(self) -> tuple[Tensor, Tensor]:
        """Objective and divergence of the policy as it stands.

        Returns
        -------
        objective, divergence : Tensor of shape ()
            Without graphs.
        """
        objective, divergence = self._kernels.weigh(*self._place, self._old, False)
        return torch.tensor(objective).double(), torch.tensor(divergence).double()

    def gradient(self) -> Tensor:
        """Gradient of the objective.

        Returns
        -------
        Tensor of shape (P,)
            By the actor's numbers.
        """
        out = np.empty(len(self.theta), np.float32)
        self._kernels.ascent(*self._place, out)
        return torch.from_numpy(out)

    def product(self, damping: float) -> Product:
        """Product with the damped Fisher matrix.

        Parameters
        ----------
        damping : float
            λ.

        Returns
        -------
        callable
            Maps v of shape (P,) to (F + λI) v.
        """

        def _product(vector: Tensor) -> Tensor:
            out = np.empty(len(vector), np.float32)
            self._kernels.fisher_product(*self._place, vector.numpy(), out)
            return torch.from_numpy(out) + damping * vector

        return _product

    @property
    def _place(self) -> tuple[np.ndarray, ...]:
        """Parameters, table, steps and room, as all kernels want them first."""
        return self._vector, self._table, self._rows, self._work
