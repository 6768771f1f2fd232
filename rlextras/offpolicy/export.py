"""A deterministic actor as an ONNX file."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.td3.policies import Actor, TD3Policy
from torch import Tensor, nn

from rlextras.host.export import check_packages, write_module


class DeterministicActor(nn.Module):
    """The action of an actor of the host, as an environment takes it.

    Parameters
    ----------
    policy : TD3Policy
        Its actor acts.
    """

    bounds: Tensor  # (2, ...)

    def __init__(self, policy: TD3Policy) -> None:
        super().__init__()
        self.actor = policy.actor
        space: Any = policy.action_space
        bounds = np.stack([space.low, space.high]).astype(np.float32)
        self.register_buffer("bounds", torch.as_tensor(bounds, device=policy.device))

    def forward(self, *observations: Tensor) -> Tensor:
        """Actions (n, ...) for observations.

        Parameters
        ----------
        *observations : Tensor of shape (n, ...)
            One, or those of a Dict in the order of its keys.

        Returns
        -------
        Tensor of shape (n, ...)
            The actions.
        """
        space: Any = self.actor.observation_space
        given: Any = observations[0]
        if isinstance(space, spaces.Dict):
            given = dict(zip(space.spaces, observations, strict=True))
        low, high = self.bounds
        scaled = self.actor(given).reshape(-1, *low.shape)
        return low + 0.5 * (scaled + 1.0) * (high - low)


def write_onnx(owner: str, policy: TD3Policy, path: str | Path) -> None:
    """Write an actor as an ONNX file.

    Parameters
    ----------
    owner : str
        Who speaks.
    policy : TD3Policy
        The policy.
    path : str or Path
        Where to.

    Raises
    ------
    ModuleNotFoundError
        If a package is missing.
    TypeError
        If the policy chooses in a way of its own.
    """
    check_packages(owner)
    for each, host in ((policy, TD3Policy), (policy.actor, Actor)):
        if not isinstance(each, host) or type(each)._predict is not host._predict:
            raise TypeError(
                f"{owner}: policy must choose as the host's does to be exported, got a "
                f"{type(each).__name__} with a _predict of its own. Export it by torch.onnx.export."
            )
    write_module(policy, DeterministicActor(policy), path)
