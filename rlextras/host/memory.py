"""Parameters of torch and Adam's moments, on memory that they share with the kernels."""

from collections.abc import Sequence
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

THETA, FOLLOWER, MEAN, SQUARE = range(4)
"""Rows of the memory."""
HOOKS = ("_hooks", "_pre_hooks")
"""Where a module keeps them, behind the way that they watch."""


class SharedMemory:
    """Parameters and Adam's moments as views of one array.

    So torch and its optimiser see every step of the kernels, and the kernels see what is loaded
    into them. Whoever replaces the memory of a parameter is found by its address, and the values
    are taken over.

    Parameters
    ----------
    parameters : sequence of Tensor
        In the order in which they stand in a row of the memory.
    followers : sequence of Tensor, optional
        Parameters of target networks, in the same order; without them their row is the kernels'.
    """

    def __init__(self, parameters: Sequence[Tensor], followers: Sequence[Tensor] = ()) -> None:
        self.parameters = list(parameters)
        size = sum(parameter.numel() for parameter in self.parameters)
        self.memory = np.zeros((4, size), np.float32)
        views = [_views(row, self.parameters) for row in torch.from_numpy(self.memory)]
        self._means, self._squares = views[MEAN], views[SQUARE]
        self._residents = [*self.parameters, *followers]
        self._homes = [*views[THETA], *(views[FOLLOWER] if followers else ())]
        self._counts = np.zeros(len(self.parameters), np.float32)
        self._steps = torch.from_numpy(self._counts).unbind()
        self._places = {id(parameter): i for i, parameter in enumerate(self.parameters)}
        self._addresses = [home.data_ptr() for home in self._homes]
        self._watched: Any = None
        self._moments: dict[int, _Moments] = {}  # by the optimiser
        self.refresh()

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies share nothing: a copied model makes its own."""
        return type(None), ()

    def watch(self, policy: nn.Module) -> None:
        """Note what a policy is made of, so that a change to it is seen at little cost.

        Parameters
        ----------
        policy : Module
            One that the kernels know.
        """
        self._watched, modules = policy, list(policy.modules())
        self._entries = [vars(module) for module in modules]
        self._n_entries = list(map(len, self._entries))
        self._hooks, self._backward_hooks = (
            [getattr(module, f"_{way}{name}") for module in modules for name in HOOKS]
            for way in ("forward", "backward")
        )
        rows = [
            (owner, name, part)
            for module in modules
            for owner in (module._modules, module._parameters)
            for name, part in owner.items()
        ]
        self._owners, self._names, self._parts = zip(*rows, strict=True)

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
            and list(map(len, self._entries)) == self._n_entries
            and not any(self._hooks)
            and all(map(is_, map(dict.get, self._owners, self._names), self._parts))
        )

    @property
    def is_free(self) -> bool:
        """Whether a gradient would reach all parameters of what is watched, unseen by others.

        Returns
        -------
        bool
            False if one was frozen, or somebody hooked in on its way.
        """
        return not any(self._backward_hooks) and all(
            parameter.requires_grad and not parameter._backward_hooks
            for parameter in self.parameters
        )

    def refresh(self) -> None:
        """Take over parameters whose memory was replaced."""
        if list(map(Tensor.data_ptr, self._residents)) == self._addresses:
            return
        with torch.no_grad():
            for parameter, home in zip(self._residents, self._homes, strict=True):
                if parameter.data_ptr() != home.data_ptr():
                    home.copy_(parameter)
                    parameter.data = home

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
        moments = self._moments.get(id(optimizer))
        if moments is None or not moments.are_of(optimizer, parameters):
            counts = {int(s["step"]) if (s := optimizer.state[p]) else 0 for p in parameters}
            if len(counts) != 1:
                return None
            self._share(optimizer, parameters)
            moments = self._moments[id(optimizer)]
        counts = set(self._counts[moments.places].tolist())
        return int(counts.pop()) if len(counts) == 1 else None

    def _share(self, optimizer: torch.optim.Adam, parameters: Sequence[Tensor]) -> None:
        """Put the state of some parameters here, and note where it is."""
        homes, places = [], self._places_of(parameters)
        for i in places:
            state = optimizer.state[self.parameters[i]]
            here = {
                "step": self._steps[i],
                "exp_avg": self._means[i],
                "exp_avg_sq": self._squares[i],
            }
            for name, home in here.items():
                if name not in state:
                    home.zero_()
                elif state[name].data_ptr() != home.data_ptr():
                    home.copy_(state[name])
                state[name] = home
            homes.append(here)
        self._moments[id(optimizer)] = _Moments(optimizer, parameters, homes, places)

    def count_adam_steps(self, n_steps: float, parameters: Sequence[Tensor]) -> None:
        """Tell the optimiser how many steps the kernels have done.

        Parameters
        ----------
        n_steps : float
            In all.
        parameters : sequence of Tensor
            For these.
        """
        self._counts[self._places_of(parameters)] = n_steps

    def _places_of(self, parameters: Sequence[Tensor]) -> list[int]:
        return [self._places[id(parameter)] for parameter in parameters]


class _Moments:
    """Where an optimiser finds the moments that it was given to share."""

    def __init__(
        self,
        optimizer: torch.optim.Adam,
        parameters: Sequence[Tensor],
        homes: Sequence[dict[str, Tensor]],
        places: Sequence[int],
    ) -> None:
        self.places = np.array(places)
        self._optimizer, self._parameters = optimizer, list(parameters)
        states = [optimizer.state[parameter] for parameter in parameters]
        self._states = list(optimizer.state.values())  # compared without a look at each key
        rows = [
            (state, name, home)
            for state, here in zip(states, homes, strict=True)
            for name, home in here.items()
        ]
        self._owners, self._names, self._homes = zip(*rows, strict=True)

    def are_of(self, optimizer: torch.optim.Adam, parameters: Sequence[Tensor]) -> bool:
        """Whether an optimiser still has them, and nothing else, for the same parameters."""
        return (
            optimizer is self._optimizer
            and len(parameters) == len(self._parameters)
            and all(map(is_, parameters, self._parameters))
            and len(optimizer.state) == len(self._states)
            and all(map(is_, optimizer.state.values(), self._states))
            and all(map(is_, map(dict.get, self._owners, self._names), self._homes))
        )


def _views(row: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Pieces of a vector in the shapes of parameters."""
    pieces = row.split([parameter.numel() for parameter in parameters])
    return [piece.view_as(p) for piece, p in zip(pieces, parameters, strict=True)]
