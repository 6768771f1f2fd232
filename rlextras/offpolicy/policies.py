"""The host's policies with layer norm: behind each linear layer but the last."""

from typing import Any

from stable_baselines3.common.policies import BasePolicy, ContinuousCritic
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.td3.policies import Actor, CnnPolicy, MultiInputPolicy, TD3Policy
from torch import nn


def with_layer_norm(network: nn.Sequential) -> nn.Sequential:
    """Put layer norm between linear layers and their activations.

    Parameters
    ----------
    network : Sequential
        Its layers are used, not copied.

    Returns
    -------
    Sequential
        With ``LayerNorm`` behind each linear layer but the last; it starts as the identity of a
        normalised input, so that no random number is drawn.
    """
    layers: list[Any] = list(network)
    *hidden, _ = [i for i, layer in enumerate(layers) if isinstance(layer, nn.Linear)]
    for i in reversed(hidden):
        layers.insert(i + 1, nn.LayerNorm(layers[i].out_features))
    return nn.Sequential(*layers)


class _Normalized(TD3Policy):
    """A policy whose networks have layer norm; abstract: a class of the host's comes after it."""

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Actor:
        actor = super().make_actor(features_extractor)
        actor.mu = with_layer_norm(actor.mu).to(self.device)
        return actor

    def make_critic(
        self, features_extractor: BaseFeaturesExtractor | None = None
    ) -> ContinuousCritic:
        critic: Any = super().make_critic(features_extractor)
        for i, network in enumerate(critic.q_networks):
            critic.q_networks[i] = with_layer_norm(network).to(self.device)
            setattr(critic, f"qf{i}", critic.q_networks[i])
        return critic


class LayerNormMlpPolicy(_Normalized):
    """The host's ``MlpPolicy`` with layer norm."""


class LayerNormCnnPolicy(_Normalized, CnnPolicy):
    """The host's ``CnnPolicy`` with layer norm behind the images' features."""


class LayerNormMultiInputPolicy(_Normalized, MultiInputPolicy):
    """The host's ``MultiInputPolicy`` with layer norm."""


NORMALIZED: dict[str, type[BasePolicy]] = {
    "MlpPolicy": LayerNormMlpPolicy,
    "CnnPolicy": LayerNormCnnPolicy,
    "MultiInputPolicy": LayerNormMultiInputPolicy,
}
"""By the host's names."""
