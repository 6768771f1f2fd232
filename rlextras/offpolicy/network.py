"""Actor, critics and targets of a policy of the host, on memory shared with the kernels."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3.td3.policies import TD3Policy
from torch import Tensor

from rlextras.host.compiling import load
from rlextras.host.layers import layers_of
from rlextras.host.memory import SharedMemory
from rlextras.kernels.room import cleared
from rlextras.offpolicy.backend import activations, linear_layers, networks
from rlextras.offpolicy.calls import Call, Pace, Storage
from rlextras.offpolicy.sampling import Reader

FEW_PRODUCTS = 20_000_000
"""Products of a batch below which a second thread costs more than it brings."""


@dataclass(frozen=True)
class AdamCounts:
    """The optimisers of actor and critics, and the steps that they have done.

    Attributes
    ----------
    actor, critic : Adam
        With one group each.
    n_actor, n_critic : int
        Steps.
    """

    actor: Any
    critic: Any
    n_actor: int
    n_critic: int

    @property
    def settings(self) -> tuple[float, ...]:
        """What their steps go by, as the kernels read it.

        Returns
        -------
        tuple of float
            Learning rate, β₁, β₂, ε and steps of the actor's, then of the critics'.
        """
        actor, critic = self.actor.param_groups[0], self.critic.param_groups[0]
        of_actor = (actor["lr"], *actor["betas"], actor["eps"], self.n_actor)
        return (*of_actor, critic["lr"], *critic["betas"], critic["eps"], self.n_critic)


class SharedActorCritic(SharedMemory):
    """Actor and critics of a policy with their targets, run by the kernels.

    Parameters
    ----------
    policy : TD3Policy
        One that ``backend.obstacle`` has nothing against.
    """

    def __init__(self, policy: TD3Policy) -> None:
        super().__init__(_parameters(policy), _parameters(policy, "_target"))
        self._kernels = load("deterministic")
        n_actor = len(list(policy.actor.parameters()))
        self._own = self.parameters[:n_actor], self.parameters[n_actor:]
        self._layers = [
            layers_of(linear_layers(each), activations(each)) for each in networks(policy)
        ]
        self._rooms: dict[int, Any] = {}  # by the size of the batch
        self._own_room = threading.local()  # of each thread that acts
        self._call: Call | None = None  # the last one
        self.reader = Reader()
        space: Any = policy.action_space
        self._bounds = np.stack([space.low.ravel(), space.high.ravel()])
        self._known: list[Any] = []  # of each optimiser: itself, its attributes, its settings

    def fits(self, policy: Any) -> bool:
        """Whether the policy still has the parameters that this memory shares.

        Parameters
        ----------
        policy : TD3Policy
            The policy, perhaps changed.

        Returns
        -------
        bool
            Compared by identity; their values are ``refresh``'s business.
        """
        now = [*_parameters(policy), *_parameters(policy, "_target")]
        return len(now) == len(self._residents) and all(
            one is other for one, other in zip(now, self._residents, strict=True)
        )

    def know(self, optimizers: Iterable[Any]) -> None:
        """Note optimisers that the kernels can stand in for.

        Parameters
        ----------
        optimizers : iterable of Adam
            Of actor and critics.
        """
        self._known = [_settled(optimizer) for optimizer in optimizers]

    def knows(self, optimizers: Iterable[Any]) -> bool:
        """Whether optimisers are those that were noted, and reach what they did.

        Parameters
        ----------
        optimizers : iterable of Optimizer
            Of actor and critics.

        Returns
        -------
        bool
            Whether nothing but the learning rate was changed, and nothing replaced, added, hooked
            or frozen.
        """
        return self.is_free and self._known == [_settled(optimizer) for optimizer in optimizers]

    @property
    def has_single_actions(self) -> bool:
        """Whether actions are float32, as those of the kernels.

        Returns
        -------
        bool
            Others are computed by the host.
        """
        return self._bounds.dtype == np.float32

    def act(self, observations: np.ndarray) -> np.ndarray:
        """Run the actor.

        Parameters
        ----------
        observations : ndarray of float32, shape (n, n_in)
            What is seen.

        Returns
        -------
        ndarray of float32, shape (3, n, A)
            Actions within their bounds, scaled to [-1, 1], and scaled back.
        """
        plan, _, works, *_ = self._room(1)
        work = getattr(self._own_room, "work", None)
        if work is None:  # other threads may act at the same time
            work = self._own_room.work = cleared(works[0].size, np.float32)
        out = np.empty((3, len(observations), self._bounds.shape[1]), np.float32)
        given: Any = (self.memory.reshape(-1), plan.table, plan.ends[0], observations)
        self._kernels.act(*given, self._bounds, out, work)
        return out

    def update(
        self,
        storage: Storage,
        indices: np.ndarray,
        noise: np.ndarray,
        options: Sequence[float],
        counts: AdamCounts,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run updates.

        Parameters
        ----------
        storage : tuple
            Matrices and columns of transitions.
        indices : ndarray of int64, shape (updates, B)
            Which of them are in each batch.
        noise : ndarray of float32, shape (updates, B, A) or (updates, 0, 0)
            For the targets' actions.
        options : sequence of float
            The first settings of ``kernels.deterministic``, up to Adam's.
        counts : AdamCounts
            The optimisers; it is told what was done.

        Returns
        -------
        told : ndarray of shape (updates, 2)
            Losses of critics and actor.
        errors : ndarray of float32, shape (updates, B)
            How far the critics were from their targets; the next call writes over them.
        """
        *_, n_products, _ = self._room(indices.shape[1])
        n_threads = torch.get_num_threads() if n_products > FEW_PRODUCTS else 1
        call = self._call_of(storage, (indices.shape, noise.shape), n_threads)
        call.indices[...], call.noise[...], call.told[...] = indices, noise, 0.0
        call.settings[...] = (*options, *counts.settings)
        call.run(n_threads)
        n_updates = len(indices)
        n_before, delay = int(options[4]), int(options[3])
        self._note(counts, n_updates, (n_before + n_updates) // delay - n_before // delay)
        return call.told[:, 0].copy(), call.errors

    def close(self) -> None:
        """Let the threads go that stand by for the next update."""
        if self._call is not None:
            self._call.close()

    def count_steps(self, actor: Any, critic: Any) -> AdamCounts | None:
        """Share the moments of both optimisers.

        Parameters
        ----------
        actor, critic : Adam
            With one group each.

        Returns
        -------
        AdamCounts or None
            How far they are; None, and torch has to go on, if their parameters differ in that.
        """
        pairs = zip((actor, critic), self._own, strict=True)
        steps = [self.n_adam_steps(optimizer, own) for optimizer, own in pairs]
        if steps[0] is None or steps[1] is None:
            return None
        return AdamCounts(actor, critic, steps[0], steps[1])

    def last_counts(self, actor: Any, critic: Any) -> AdamCounts:
        """How far both optimisers are, if nobody else has moved them since they were counted.

        Parameters
        ----------
        actor, critic : Adam
            Those of ``count_steps``.

        Returns
        -------
        AdamCounts
            What it would return.
        """
        n_actor, n_critic = self._counts[0], self._counts[len(self._own[0])]
        return AdamCounts(actor, critic, int(n_actor), int(n_critic))

    def _note(self, counts: AdamCounts, n_critic: int, n_actor: int) -> None:
        """Tell the optimisers how many steps they have done."""
        n_first = len(self._own[0])
        self._counts[:n_first] = counts.n_actor + n_actor
        self._counts[n_first:] = counts.n_critic + n_critic

    def _call_of(
        self, storage: Storage, shapes: tuple[tuple[int, ...], tuple[int, ...]], n_threads: int
    ) -> Call:
        """The last call, if it was of this kind, or one with arguments of its own."""
        call = self._call
        if call is not None and call.fits(storage, shapes, n_threads):
            return call
        self.close()
        plan, field, works, _, pace = self._room(shapes[0][1])
        for _ in range(len(works), min(n_threads, plan.n_panels)):
            works.append(cleared(works[0].size, np.float32))
        networks_ = (self.memory.reshape(-1), plan.table, plan.ends)
        given = networks_, storage, shapes, (field, works), pace
        call = self._call = Call(*given, is_arranged=plan.gains_by_order)
        return call

    def _room(self, n: int) -> Any:
        """Blueprint, shared field, works of threads, products and pace of batches of n."""
        found = self._rooms.get(n)
        if found is None:
            maker = load("actor_critic")
            plan = maker.blueprint(self._layers[0], self._layers[1:], n)
            sizes = (plan.n_deltas * plan.n_panels, plan.n_inputs)
            field = tuple(cleared(size, np.float32) for size in sizes)
            n_products = n * int((plan.table[:, 0] * plan.table[:, 1]).sum())
            works = [cleared(plan.n_work, np.float32)]
            found = self._rooms[n] = (plan, field, works, n_products, Pace())
        return found


def _settled(optimizer: Any) -> tuple[Any, ...]:
    """What of an optimiser the kernels rely on; its learning rate is read for each update."""
    groups = [
        [value for name, value in group.items() if name not in {"params", "lr"}]
        for group in optimizer.param_groups
    ]
    kinds = [type(group["lr"]) for group in optimizer.param_groups]
    hooks = (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks)
    return id(optimizer), len(vars(optimizer)), groups, kinds, any(hooks)


def _parameters(policy: Any, suffix: str = "") -> list[Tensor]:
    """Parameters in the order of a blueprint."""
    return [
        parameter
        for network in networks(policy, suffix)
        for linear in linear_layers(network)
        for parameter in (linear.weight, linear.bias)
    ]
