"""What the compiled kernels know of off-policy algorithms, to the last detail."""

from collections.abc import Iterator
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.td3.policies import Actor, TD3Policy
from torch import nn

from rlextras.host.backend import layer_obstacles, module_obstacles

_PARTS = (("actor", Actor), ("actor_target", Actor))
_CRITICS = (("critic", ContinuousCritic), ("critic_target", ContinuousCritic))


def obstacle(policy: Any) -> str:
    """Why the kernels cannot stand in for a policy.

    Parameters
    ----------
    policy : TD3Policy
        What they would stand in for.

    Returns
    -------
    str
        A clause; empty if they can.
    """
    return next(_obstacles(policy), "")


def _obstacles(policy: Any) -> Iterator[str]:
    """Reasons, the most general one first; each may rely on those before it being absent."""
    if type(policy) is not TD3Policy:
        yield f"the policy is a {type(policy).__name__}, not the host's MlpPolicy"
    space = policy.observation_space
    if type(space) is not spaces.Box or space.dtype.kind != "f":
        yield f"observations are of the space {space}"
    for name, kind in (*_PARTS, *_CRITICS):
        network = getattr(policy, name)
        if type(network) is not kind:
            yield f"its {name} is a {type(network).__name__}"
        if type(network.features_extractor) is not FlattenExtractor:
            yield f"its features extractor is a {type(network.features_extractor).__name__}"
        replaced = sorted(
            {"forward", "q1_forward", "_predict", "extract_features"} & vars(network).keys()
        )
        if replaced:
            yield f"the {name}'s {replaced[0]} was replaced"
    for network in networks(policy):
        if type(network) is not nn.Sequential:
            yield f"one of its networks is a {type(network).__name__}"
        yield from layer_obstacles(linear_layers(network), activations(network))
    yield from module_obstacles(policy)


def networks(policy: Any, suffix: str = "") -> list[nn.Sequential]:
    """Networks of a policy in the order of a blueprint.

    Parameters
    ----------
    policy : TD3Policy
        Of the host's own class.
    suffix : {"", "_target"}, default=""
        Which of the two that it has of each.

    Returns
    -------
    list of Sequential
        The actor's and those of the critics.
    """
    return [
        getattr(policy, f"actor{suffix}").mu,
        *getattr(policy, f"critic{suffix}").q_networks,
    ]


def linear_layers(network: nn.Sequential) -> list[Any]:
    """What should be linear layers.

    Parameters
    ----------
    network : Sequential
        Linear layers and activations, by turns.

    Returns
    -------
    list of Module
        From the first one on.
    """
    return list(network)[::2]


def activations(network: nn.Sequential) -> list[Any]:
    """What stands behind the linear layers.

    Parameters
    ----------
    network : Sequential
        Linear layers and activations, by turns.

    Returns
    -------
    list of Module
        One for each but a critic's last layer.
    """
    return list(network)[1::2]
