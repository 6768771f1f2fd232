"""Policies of the host without their critic: no value network, and nothing learnt of values."""

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import (
    ActorCriticCnnPolicy,
    ActorCriticPolicy,
    MultiInputActorCriticPolicy,
)
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor, nn


class CriticFree(ActorCriticPolicy):
    """What makes a policy of the host critic-free; abstract.

    Where the host expects values, it finds zeros.

    Parameters
    ----------
    observation_space : Space
        What is seen.
    action_space : Space
        What is done.
    lr_schedule : callable
        Learning rate by the progress remaining.
    *args : object
        Further options of the host's policy.
    **kwargs : object
        The same, by name. What ``net_arch`` says of a critic is not built.

    Raises
    ------
    ValueError
        If a critic's own features extractor is asked for.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        lr_schedule: Schedule,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if not kwargs.get("share_features_extractor", True):
            raise ValueError(
                f"{type(self).__name__}: share_features_extractor must be True, got False. There "
                "is no critic that could have its own."
            )
        super().__init__(observation_space, action_space, lr_schedule, *args, **kwargs)

    def _build_mlp_extractor(self) -> None:
        net_arch = self.net_arch
        layers = net_arch.get("pi", []) if isinstance(net_arch, dict) else net_arch
        self.net_arch = {"pi": layers, "vf": []}
        super()._build_mlp_extractor()
        self.net_arch = net_arch

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        self.value_net = nn.Identity()  # type: ignore[assignment]
        self.optimizer = self.optimizer_class(
            self.parameters(),
            lr=lr_schedule(1),  # type: ignore[call-arg]
            **self.optimizer_kwargs,
        )

    def forward(
        self, obs: PyTorchObs, deterministic: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Choose actions.

        Parameters
        ----------
        obs : Tensor of shape (n, ...), or dict of them
            What is seen.
        deterministic : bool, default=False
            Whether to take the most likely action.

        Returns
        -------
        actions : Tensor of shape (n, ...)
            What is done.
        values : Tensor of shape (n, 1)
            Zeros.
        log_prob : Tensor of shape (n,), nats
            log π(a|s).
        """
        distribution = self.get_distribution(obs)
        actions = distribution.get_actions(deterministic=deterministic)
        log_prob = distribution.log_prob(actions)
        actions = actions.reshape((-1, *self.action_space.shape))  # type: ignore[misc]
        return actions, torch.zeros_like(log_prob)[:, None], log_prob

    def evaluate_actions(
        self, obs: PyTorchObs, actions: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Log-probabilities of actions.

        Parameters
        ----------
        obs : Tensor of shape (n, ...), or dict of them
            What was seen.
        actions : Tensor of shape (n, ...)
            What was done.

        Returns
        -------
        values : Tensor of shape (n, 1)
            Zeros.
        log_prob : Tensor of shape (n,), nats
            log π(a|s).
        entropy : Tensor of shape (n,), nats, or None
            Of the distributions that they came from; None without a closed form.
        """
        distribution = self.get_distribution(obs)
        log_prob = distribution.log_prob(actions)
        return torch.zeros_like(log_prob)[:, None], log_prob, distribution.entropy()

    def predict_values(self, obs: PyTorchObs) -> Tensor:
        """Zeros: there is no critic.

        Parameters
        ----------
        obs : Tensor of shape (n, ...), or dict of them
            What is seen.

        Returns
        -------
        Tensor of shape (n, 1)
            Zeros.
        """
        first = next(iter(obs.values())) if isinstance(obs, dict) else obs
        return torch.zeros(len(first), 1, device=first.device)


class ActorPolicy(CriticFree):
    """The host's ``MlpPolicy`` without its critic."""


class ActorCnnPolicy(CriticFree, ActorCriticCnnPolicy):
    """The host's ``CnnPolicy`` without its critic."""


class ActorMultiInputPolicy(CriticFree, MultiInputActorCriticPolicy):
    """The host's ``MultiInputPolicy`` without its critic."""
