"""How far a policy of the host is from another, or from what it was, in closed form."""

import copy
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.distributions import Distribution, kl_divergence
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from rlextras.onpolicy.masking import masked


def mean_divergence(old: Distribution, new: Distribution) -> Tensor:
    """Mean over states of the KL divergence between two policies.

    mean_t KL(π_old(·|s_t) || π_new(·|s_t)), the left side of eq. 14's constraint in [1]_. The
    dimensions of an action are independent given the state, so that their divergences add up.

    Parameters
    ----------
    old, new : Distribution
        π_old and π_new in B states.

    Returns
    -------
    Tensor of shape (), nats
        The mean.

    References
    ----------
    .. [1] J. Schulman et al., "Trust Region Policy Optimization", ICML 2015,
       https://arxiv.org/abs/1502.05477.
    """
    divergence = kl_divergence(old, new)  # (B,), or (B, A) where the host does not add them up
    return divergence.reshape(len(divergence), -1).sum(dim=1).mean()


class OldPolicy:
    """A policy as it collected the rollout, while it is updated.

    The numbers are kept, not the policy: a policy with noise that was drawn by its own parameters
    cannot be copied.

    Parameters
    ----------
    policy : ActorCriticPolicy
        Before the update.
    """

    def __init__(self, policy: ActorCriticPolicy) -> None:
        self._policy = policy
        self._homes: list[Tensor] = [*policy.parameters(), *policy.buffers()]
        self._numbers = [home.detach().clone() for home in self._homes]

    def divergence(self, observations: Any, masks: np.ndarray | None) -> Tensor:
        """How far the policy has come.

        Parameters
        ----------
        observations : Tensor of shape (B, ...), or dict of them
            B states.
        masks : ndarray of bool, shape (B, M), or None
            What may be chosen there.

        Returns
        -------
        Tensor of shape (), nats
            mean_t KL(π_old(·|s_t) || π(·|s_t)), with its graph.
        """
        policy, is_training = self._policy, self._policy.training
        with masked(policy, masks):
            policy.set_training_mode(False)  # as it collected the rollout
            self._exchange()
            try:
                with torch.no_grad():  # one object again and again: keep a copy
                    old = copy.copy(policy.get_distribution(observations))
            finally:
                self._exchange()
                policy.set_training_mode(is_training)
            return mean_divergence(old, policy.get_distribution(observations))

    def _exchange(self) -> None:
        """Put the numbers kept in the place of the present ones, and back."""
        present = [home.data for home in self._homes]
        for home, number in zip(self._homes, self._numbers, strict=True):
            home.data = number
        self._numbers = present
