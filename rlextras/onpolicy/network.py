"""A policy of the host and its optimiser, on memory that they share with the kernels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import BernoulliDistribution, DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from rlextras.kernels import plan as table
from rlextras.kernels.plan import (
    ACTIONS,
    BERNOULLI,
    CATEGORICAL,
    GAUSSIAN,
    VALUES,
    Layer,
    noise_size,
    plan,
)
from rlextras.onpolicy.actor import ActorPolicy
from rlextras.onpolicy.backend import linear_layers
from rlextras.onpolicy.compiling import load

_CODES = {
    nn.Identity: (table.IDENTITY, None),
    nn.Tanh: (table.TANH, None),
    nn.ReLU: (table.RELU, None),
    nn.LeakyReLU: (table.LEAKY_RELU, "negative_slope"),
    nn.ELU: (table.ELU, "alpha"),
    nn.Sigmoid: (table.SIGMOID, None),
}
"""Codes of a plan, and the attribute that holds the slope below zero."""

THETA, MEAN, SQUARE = 0, 2, 3


class SharedNetwork:
    """Actor and critic of a policy, run by the kernels.

    Parameters and Adam's moments are views of one array, so that the policy and its optimiser see
    every step of the kernels, and the kernels see what is loaded into them. Whoever replaces the
    memory of a parameter is found by its address, and the values are taken over.

    Parameters
    ----------
    policy : ActorCriticPolicy
        One that ``backend.obstacle`` has nothing against.
    """

    def __init__(self, policy: ActorCriticPolicy) -> None:
        self._acting = load("acting")
        self.table = _plan_of(policy)
        self.memory = np.zeros((4, int(self.table[0, 5])), np.float32)
        self.parameters = _parameters(policy)
        self._space = policy.observation_space
        views = [_views(row, self.parameters) for row in torch.from_numpy(self.memory)]
        self._homes, self._means, self._squares = views[THETA], views[MEAN], views[SQUARE]
        self._counts = np.zeros(len(self.parameters), np.float32)
        self._steps = torch.from_numpy(self._counts).unbind()
        self._addresses = [home.data_ptr() for home in self._homes]
        self.n_parts = int(self.table[0, 1])
        self._has_critic = bool(self.table[0, 4] > self.table[0, 3])
        self._n_noise = noise_size(self.table)
        self._sizes = [int(size) for size in self.table[1 + self.table[0, 4] :, 0]]
        self._noise: dict[int, tuple[list[Tensor], np.ndarray]] = {}
        self.theta = self.memory[THETA]
        self.n_in = int(self.table[1, 0])
        self._act = _unchecked(self._acting.act)
        self._n_rows = len(load("network").workspace(self.table, 1))
        self._watched: Any = None
        self.refresh()

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies share nothing: a copied model makes its own."""
        return type(None), ()

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

    def watch(self, policy: ActorCriticPolicy) -> None:
        """Note what a policy is made of, so that a change to it is seen at little cost.

        Parameters
        ----------
        policy : ActorCriticPolicy
            One that the kernels know.
        """
        self._watched = policy
        self._n_entries = len(vars(policy))
        self._hooks = [
            getattr(module, name)
            for module in policy.modules()
            for name in ("_forward_hooks", "_forward_pre_hooks")
        ]
        self._parts = [
            (owner, name, part)
            for module in policy.modules()
            for owner in (module._modules, module._parameters)
            for name, part in owner.items()
        ]

    def is_watched(self, policy: Any) -> bool:
        """Whether a policy is the one that is watched, and made of the same parts.

        Parameters
        ----------
        policy : object
            The policy that is about to be used.

        Returns
        -------
        bool
            Whether nothing was added, replaced or hooked.
        """
        return (
            policy is self._watched
            and len(vars(policy)) == self._n_entries
            and not any(self._hooks)
            and all([owner[name] is part for owner, name, part in self._parts])  # noqa: C419  # fast
        )

    def refresh(self) -> None:
        """Take over parameters whose memory was replaced."""
        if [each.data_ptr() for each in self.parameters] == self._addresses:
            return
        with torch.no_grad():
            for parameter, home in zip(self.parameters, self._homes, strict=True):
                if parameter.data_ptr() != home.data_ptr():
                    home.copy_(parameter)
                    parameter.data = home

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
        """Choose actions, with their values and log-probabilities.

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
        self.refresh()
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

    def n_adam_steps(self, optimizer: torch.optim.Adam, parameters: Sequence[Tensor]) -> int | None:
        """Share Adam's moments of some parameters.

        Parameters
        ----------
        optimizer : Adam
            Its state becomes views of the shared memory, with the same values.
        parameters : sequence of Tensor
            Of this network.

        Returns
        -------
        int or None
            The steps done so far; None, and nothing is shared, if they differ.
        """
        counts = {int(state["step"]) if (state := optimizer.state[p]) else 0 for p in parameters}
        if len(counts) != 1:
            return None
        [n_steps] = counts
        wanted = {id(parameter) for parameter in parameters}
        rows = zip(self.parameters, self._means, self._squares, self._steps, strict=True)
        for parameter, mean, square, step in rows:
            if id(parameter) not in wanted:
                continue
            state = optimizer.state[parameter]
            for name, home in {"step": step, "exp_avg": mean, "exp_avg_sq": square}.items():
                if name not in state:
                    home.zero_()
                elif state[name].data_ptr() != home.data_ptr():
                    home.copy_(state[name])
                state[name] = home
        return n_steps

    def count_adam_steps(self, n_steps: float, parameters: Sequence[Tensor]) -> None:
        """Tell the optimiser how many steps the kernels have done.

        Parameters
        ----------
        n_steps : float
            In all.
        parameters : sequence of Tensor
            For these.
        """
        wanted = {id(parameter) for parameter in parameters}
        for i, parameter in enumerate(self.parameters):
            if id(parameter) in wanted:
                self._counts[i] = n_steps

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


def _views(row: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Pieces of a vector in the shapes of parameters."""
    pieces = row.split([parameter.numel() for parameter in parameters])
    return [piece.view_as(p) for piece, p in zip(pieces, parameters, strict=True)]


def _plan_of(policy: ActorCriticPolicy) -> np.ndarray:
    """The table of a policy."""
    extractor: Any = policy.mlp_extractor
    distribution = policy.action_dist
    actor = _layers(extractor.policy_net, policy.action_net)
    has_critic = type(policy) is not ActorPolicy
    critic = _layers(extractor.value_net, policy.value_net) if has_critic else []
    n_out = actor[-1].n_out
    if isinstance(distribution, DiagGaussianDistribution):
        return plan(actor, critic, kind=GAUSSIAN, sizes=[1] * n_out)
    if isinstance(distribution, BernoulliDistribution):
        return plan(actor, critic, kind=BERNOULLI, sizes=[1] * n_out)
    sizes = [int(n) for n in getattr(distribution, "action_dims", [n_out])]
    return plan(actor, critic, kind=CATEGORICAL, sizes=sizes)


def _layers(trunk: Any, head: Any) -> list[Layer]:
    """Layers of a trunk with its activations, and of the head behind it."""
    layers = []
    for linear, activation in zip(trunk[::2], trunk[1::2], strict=True):
        code, name = _CODES[type(activation)]
        slope = getattr(activation, name) if name else 0.0
        widths = {"n_in": linear.in_features, "n_out": linear.out_features}
        layers.append(Layer(**widths, activation=code, slope=float(slope)))
    return [*layers, Layer(n_in=int(head.in_features), n_out=int(head.out_features))]


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
