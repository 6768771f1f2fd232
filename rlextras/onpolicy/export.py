"""A deterministic policy as an ONNX file."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from rlextras.host.export import check_packages, write_module


class DeterministicPolicy(nn.Module):
    """The most likely action of a policy of the host, as an environment takes it.

    Parameters
    ----------
    policy : ActorCriticPolicy
        One that makes its distributions as the host's do.
    """

    bounds: Tensor  # (2, ...)

    def __init__(self, policy: ActorCriticPolicy) -> None:
        super().__init__()
        self.policy = policy
        space = policy.action_space
        if isinstance(space, spaces.Box):
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
        space: Any = self.policy.observation_space
        given: Any = observations[0]
        if isinstance(space, spaces.Dict):
            given = dict(zip(space.spaces, observations, strict=True))
        extractor = self.policy.pi_features_extractor
        features = super(ActorCriticPolicy, self.policy).extract_features(given, extractor)
        numbers = self.policy.action_net(self.policy.mlp_extractor.forward_actor(features))
        return self._taken(numbers)

    def _taken(self, numbers: Tensor) -> Tensor:
        """Actions from what the last layer of the actor gives, (n, outputs)."""
        space: Any = self.policy.action_space
        if isinstance(space, spaces.Discrete):
            return numbers.argmax(dim=1)
        if isinstance(space, spaces.MultiDiscrete):
            parts = numbers.split([int(n) for n in space.nvec], dim=1)
            return torch.stack([part.argmax(dim=1) for part in parts], dim=1)
        if isinstance(space, spaces.MultiBinary):
            return numbers.sigmoid().round()
        actions = numbers.reshape(-1, *space.shape)
        low, high = self.bounds
        if self.policy.squash_output:
            return low + 0.5 * (actions.tanh() + 1.0) * (high - low)
        return actions.clamp(low, high)


def write_onnx(owner: str, policy: ActorCriticPolicy, path: str | Path) -> None:
    """Write a policy's most likely actions as an ONNX file.

    Parameters
    ----------
    owner : str
        Who speaks.
    policy : ActorCriticPolicy
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
    _check_choice(owner, policy)
    write_module(policy, DeterministicPolicy(policy), path)


def _check_choice(owner: str, policy: Any) -> None:
    """Refuse a policy whose actions do not come from its ``action_net`` as the host's do."""
    for name in ("get_distribution", "_predict", "_get_action_dist_from_latent", "predict"):
        if getattr(type(policy), name, None) is not getattr(ActorCriticPolicy, name):
            raise TypeError(
                f"{owner}: policy must choose as the host's does to be exported, got a "
                f"{type(policy).__name__} with a {name} of its own. Export it by torch.onnx.export."
            )
