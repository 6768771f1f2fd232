"""Which path runs: compiled kernels for policies that they know to the last detail, or torch."""

from collections.abc import Iterator
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.distributions import (
    BernoulliDistribution,
    CategoricalDistribution,
    DiagGaussianDistribution,
    MultiCategoricalDistribution,
)
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import FlattenExtractor, MlpExtractor
from torch import nn

from rlextras.host.backend import layer_obstacles, module_obstacles
from rlextras.onpolicy.actor import ActorPolicy

MAX_PARAMETERS = 200_000
"""Beyond, torch's own matrix products are as fast as ours; "numba" takes larger networks, too."""

DISTRIBUTIONS = (
    CategoricalDistribution,
    MultiCategoricalDistribution,
    BernoulliDistribution,
    DiagGaussianDistribution,
)
POLICIES = (ActorCriticPolicy, ActorPolicy)
OBSERVATIONS = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
_REPLACEABLE = frozenset(
    name for name in dir(ActorCriticPolicy) if callable(getattr(ActorCriticPolicy, name))
)


def obstacle(policy: Any, *, any_size: bool = False) -> str:
    """Why the kernels cannot stand in for a policy.

    Parameters
    ----------
    policy : ActorCriticPolicy
        What they would stand in for.
    any_size : bool, default=False
        Whether large networks are welcome.

    Returns
    -------
    str
        A clause; empty if they can.
    """
    return next(_obstacles(policy, any_size), "")


def _obstacles(policy: Any, any_size: bool) -> Iterator[str]:
    """Reasons, the most general one first; each may rely on those before it being absent."""
    if type(policy) not in POLICIES:
        yield f"the policy is a {type(policy).__name__}, not the host's MlpPolicy"
    if policy.use_sde or policy.squash_output:
        yield "the policy uses gSDE"
    replaced = sorted(_REPLACEABLE & vars(policy).keys())
    if replaced:
        yield f"the policy's {replaced[0]} was replaced"
    yield from _unknown_parts(policy)
    yield from module_obstacles(policy)
    n_parameters = sum(each.numel() for each in policy.parameters())
    if n_parameters > MAX_PARAMETERS and not any_size:
        yield f"with {n_parameters} parameters, torch's own products are as fast"


def _unknown_parts(policy: ActorCriticPolicy) -> Iterator[str]:
    """Reasons that lie in the spaces, the distribution and the layers."""
    space = policy.observation_space
    is_image = is_image_space(space) and policy.normalize_images
    if type(space) not in OBSERVATIONS or is_image:
        yield f"observations are {'images' if is_image else f'of a {type(space).__name__} space'}"
    for extractor in (policy.pi_features_extractor, policy.vf_features_extractor):
        if type(extractor) is not FlattenExtractor:
            yield f"its features extractor is a {type(extractor).__name__}"
    if type(policy.mlp_extractor) is not MlpExtractor:
        yield f"its mlp_extractor is a {type(policy.mlp_extractor).__name__}"
    if type(policy.action_dist) not in DISTRIBUTIONS:
        yield f"its distribution is a {type(policy.action_dist).__name__}"
    trunks: Any = (policy.mlp_extractor.policy_net, policy.mlp_extractor.value_net)
    activations = [layer for trunk in trunks for layer in trunk[1::2]]
    yield from layer_obstacles(linear_layers(policy), activations)


def linear_layers(policy: ActorCriticPolicy) -> list[nn.Module]:
    """Linear layers in the order of a plan.

    Parameters
    ----------
    policy : ActorCriticPolicy
        A policy of the host's own class.

    Returns
    -------
    list of Module
        The actor's and then the critic's, if it has one.
    """
    extractor: Any = policy.mlp_extractor
    actor = [*extractor.policy_net[::2], policy.action_net]
    if type(policy) is ActorPolicy:
        return actor
    return [*actor, *extractor.value_net[::2], policy.value_net]


def buffer_obstacle(buffer: object) -> str:
    """Why the kernels cannot read a rollout buffer.

    Parameters
    ----------
    buffer : RolloutBuffer or None
        What they would read.

    Returns
    -------
    str
        A clause; empty if they can.
    """
    if buffer is None or (type(buffer) is RolloutBuffer and "get" not in vars(buffer)):
        return ""
    return f"its rollout buffer is a {type(buffer).__name__}"
