"""A policy of the host and its optimiser, on memory that they share with the kernels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import BernoulliDistribution, DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from rlextras.host.compiling import load
from rlextras.host.layers import layers_of
from rlextras.host.memory import THETA, SharedMemory
from rlextras.kernels.plan import (
    ACTIONS,
    BERNOULLI,
    CATEGORICAL,
    GAUSSIAN,
    VALUES,
    noise_size,
    plan,
)
from rlextras.onpolicy.actor import ActorPolicy
from rlextras.onpolicy.backend import linear_layers


class SharedNetwork(SharedMemory):
    """Actor and critic of a policy, run by the kernels.

    Parameters
    ----------
    policy : ActorCriticPolicy
        One that ``backend.obstacle`` has nothing against.
    """

    def __init__(self, policy: ActorCriticPolicy) -> None:
        self._acting = load("acting")
        self.table = _plan_of(policy)
        super().__init__(_parameters(policy))
        self._space = policy.observation_space
        self.n_parts = int(self.table[0, 1])
        self._has_critic = bool(self.table[0, 4] > self.table[0, 3])
        self._n_noise = noise_size(self.table)
        self._sizes = [int(size) for size in self.table[1 + self.table[0, 4] :, 0]]
        self._noise: dict[int, tuple[list[Tensor], np.ndarray]] = {}
        self.theta = self.memory[THETA]
        self.n_in = int(self.table[1, 0])
        self._act = _unchecked(self._acting.act)
        self._n_rows = len(load("network").workspace(self.table, 1))

    def fits(self, policy: ActorCriticPolicy) -> bool:
        """Whether the policy still has the parameters that this network shares.

        Parameters
        ----------
        policy : ActorCriticPolicy
            The policy, perhaps changed.

        Returns
        -------
        bool
            Compared by identity; their values are ``refresh``'s business.
        """
        now = _parameters(policy)
        return len(now) == len(self.parameters) and all(
            one is other for one, other in zip(now, self.parameters, strict=True)
        )

    def encoded(self, observations: np.ndarray) -> np.ndarray:
        """Observations as the network reads them.

        Parameters
        ----------
        observations : ndarray of shape (n, ...)
            As the space has them.

        Returns
        -------
        ndarray of float32, shape (n, n_in)
            Choices are one-hot.
        """
        if isinstance(self._space, spaces.Discrete):
            return _one_hot(observations.reshape(-1, 1), [int(self._space.n)])
        if isinstance(self._space, spaces.MultiDiscrete):
            sizes = [int(n) for n in self._space.nvec]
            return _one_hot(observations.reshape(-1, len(sizes)), sizes)
        rows = observations.reshape(-1, self.n_in)
        return np.ascontiguousarray(rows, np.float32)

    def act(self, observations: np.ndarray, *, deterministic: bool = False) -> np.ndarray:
        """Choose actions, with their values and log-probabilities, as of the last ``refresh``.

        Parameters
        ----------
        observations : ndarray of float32, shape (n, n_in)
            Encoded.
        deterministic : bool, default=False
            Whether to take the most likely action; otherwise torch's generator draws one, with the
            numbers that the host would draw.

        Returns
        -------
        ndarray of float32, shape (n, parts + 2)
            Action, V(s) and log π(a|s); V(s) is 0 where there is no critic.
        """
        n = len(observations)
        noise, out = self._drawn(n, deterministic), np.empty((n, self.n_parts + 2), np.float32)
        if self._has_critic:
            self._run(observations, noise, out, ACTIONS + VALUES)
        else:
            out[:, self.n_parts] = 0.0
            self._run(observations, noise, out, ACTIONS)
        return out

    def choose(self, observations: np.ndarray, deterministic: bool) -> np.ndarray:
        """Choose actions and nothing else.

        Parameters
        ----------
        observations : ndarray of float32, shape (n, n_in)
            Encoded.
        deterministic : bool
            Whether to take the most likely action.

        Returns
        -------
        ndarray of float32, shape (n, parts)
            The actions.
        """
        self.refresh()
        n = len(observations)
        noise, out = self._drawn(n, deterministic), np.empty((n, self.n_parts), np.float32)
        self._run(observations, noise, out, ACTIONS)
        return out

    def judge(self, observations: np.ndarray) -> np.ndarray:
        """Value of observations.

        Parameters
        ----------
        observations : ndarray of float32, shape (n, n_in)
            Encoded.

        Returns
        -------
        ndarray of float32, shape (n,)
            V(s).
        """
        self.refresh()
        values = np.empty((len(observations), 1), np.float32)
        self._run(observations, _NO_NOISE, values, VALUES)
        return values[:, 0]

    def _run(
        self, observations: np.ndarray, noise: np.ndarray, out: np.ndarray, asked: int
    ) -> None:
        """Let the kernel fill an array, in room of its own: others may run it at the same time."""
        ld = self._acting.columns(len(observations))
        units = np.empty(self._n_rows * ld, np.float32)
        self._act(self.theta, self.table, observations, noise, out, units, ld, asked)

    @property
    def critic_parameters(self) -> list[Tensor]:
        """Weights and biases of the critic's layers.

        Returns
        -------
        list of Tensor
            In the order of the plan.
        """
        n_layers = int(self.table[0, 4] - self.table[0, 3])
        return self.parameters[-2 * n_layers :]

    def _drawn(self, n: int, deterministic: bool) -> np.ndarray:
        """Noise of n actions, from the calls to torch's generator that the host makes."""
        if deterministic:
            return _NO_NOISE
        found = self._noise.get(n)
        if found is None:
            block = torch.empty(n * self._n_noise)
            pieces = list(block.split([n * size for size in self._sizes]))
            found = self._noise[n] = (pieces, block.numpy())
            if self.table[0, 0] != CATEGORICAL:
                found = self._noise[n] = ([block], block.numpy())
        pieces, noise = found
        if self.table[0, 0] == GAUSSIAN:
            pieces[0].normal_()
        elif self.table[0, 0] == BERNOULLI:
            pieces[0].uniform_()
        else:
            for piece in pieces:
                piece.exponential_()
        return noise


_NO_NOISE = np.empty(0, np.float32)


def _unchecked(kernel: Any) -> Any:
    """The compiled function of a kernel's only signature, without the search for it."""
    [overload] = kernel.overloads.values()
    return overload.entry_point


def _parameters(policy: ActorCriticPolicy) -> list[Tensor]:
    """Parameters in the order of a plan."""
    has_deviation = isinstance(policy.action_dist, DiagGaussianDistribution)
    first: list[Any] = [policy.log_std] if has_deviation else []
    pairs: list[Any] = [(linear.weight, linear.bias) for linear in linear_layers(policy)]
    return [*first, *(parameter for pair in pairs for parameter in pair)]


def _plan_of(policy: ActorCriticPolicy) -> np.ndarray:
    """The table of a policy."""
    extractor: Any = policy.mlp_extractor
    distribution = policy.action_dist
    actor = layers_of([*extractor.policy_net[::2], policy.action_net], extractor.policy_net[1::2])
    critic = []
    if type(policy) is not ActorPolicy:
        critic = layers_of([*extractor.value_net[::2], policy.value_net], extractor.value_net[1::2])
    n_out = actor[-1].n_out
    if isinstance(distribution, DiagGaussianDistribution):
        return plan(actor, critic, kind=GAUSSIAN, sizes=[1] * n_out)
    if isinstance(distribution, BernoulliDistribution):
        return plan(actor, critic, kind=BERNOULLI, sizes=[1] * n_out)
    sizes = [int(n) for n in getattr(distribution, "action_dims", [n_out])]
    return plan(actor, critic, kind=CATEGORICAL, sizes=sizes)


def _one_hot(choices: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Choices (n, k) as rows with one 1 for each of the k."""
    rows = np.zeros((len(choices), sum(sizes)), np.float32)
    start = 0
    for column, size in zip(choices.T, sizes, strict=True):
        index = column.astype(np.int64)
        if len(index) and (index.min() < 0 or index.max() >= size):
            raise ValueError(f"observation: a choice must be in [0, {size - 1}], got {column}.")
        rows[np.arange(len(rows)), start + index] = 1.0
        start += size
    return rows
