"""The algorithm under test: how a small model of it is made, and how a check fails."""

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from rlextras.testing.probes import probes

SMALL: Mapping[str, Any] = {
    "n_steps": 16,
    "batch_size": 16,
    "n_epochs": 2,
    "learning_starts": 8,
    "buffer_size": 256,
    "train_freq": 4,
    "target_update_interval": 8,
    "n_critic_updates": 2,
    "group_size": 2,
    "n_groups": 1,
}
"""Options of a small model; of these, an algorithm is given those that it knows."""
ACTION_SPACES: Mapping[str, spaces.Space] = {
    "a number": spaces.Box(-1, 1, (1,)),
    "a choice": spaces.Discrete(3),
    "numbers with bounds of their own": spaces.Box(
        np.array([-2, 0], np.float32), np.array([3, 0.5], np.float32)
    ),
    "a matrix": spaces.Box(-1, 1, (2, 2)),
    "choices": spaces.MultiDiscrete([2, 3]),
    "switches": spaces.MultiBinary(3),
}
REFUSALS = (ValueError, TypeError, AssertionError)
N_STEPS = 64


class CheckFailedError(AssertionError):
    """What a check raises if the algorithm does not keep the rule."""


def expect(condition: object, message: str) -> None:
    """Fail a check unless a condition holds.

    Parameters
    ----------
    condition : object
        Whether the rule is kept.
    message : str
        What was expected, and what happened.

    Raises
    ------
    CheckFailedError
        If the condition is false.
    """
    if not condition:
        raise CheckFailedError(message)


def refuses(call: Callable[[], object]) -> bool:
    """Whether a call is refused as bad input.

    Parameters
    ----------
    call : callable
        What to try.

    Returns
    -------
    bool
        Whether it raised a ValueError, TypeError or AssertionError; any other error says that the
        input was taken, and something broke.
    """
    try:
        call()
    except REFUSALS:
        return True
    except Exception:
        return False
    return False


def same(one: Any, other: Any) -> bool:
    """Whether two nests of dicts, sequences, arrays and tensors are equal to the last bit.

    Parameters
    ----------
    one, other : object
        The nests.

    Returns
    -------
    bool
        Whether they are.
    """
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return bool(one == other)


class Subject:
    """An algorithm under test.

    Parameters
    ----------
    algorithm : type of BaseAlgorithm
        The class.
    options : mapping of str to object, optional
        Options that its models need; they win over those of `SMALL`.
    """

    def __init__(
        self, algorithm: type[BaseAlgorithm], options: Mapping[str, Any] | None = None
    ) -> None:
        self.algorithm = algorithm
        self.name = algorithm.__name__
        self.own_options = dict(options or {})

    @cached_property
    def known(self) -> frozenset[str]:
        """Names of the options in the signatures of the class and its bases.

        Returns
        -------
        frozenset of str
            The names.
        """
        makers = [vars(each).get("__init__") for each in self.algorithm.__mro__]
        signatures = [inspect.signature(each).parameters for each in makers if each is not None]
        return frozenset(name for each in signatures for name in each)

    @cached_property
    def action_space(self) -> spaces.Space:
        """The first space of actions that the algorithm takes.

        Returns
        -------
        Space
            The space.
        """
        for space in ACTION_SPACES.values():
            if self.takes(space):
                return space
        raise CheckFailedError(
            f"no action space is taken, of {', '.join(map(str, ACTION_SPACES.values()))}"
        )

    @cached_property
    def n_envs(self) -> int:
        """Two environments, or one where the algorithm takes no more.

        Returns
        -------
        int
            How many.
        """
        return 1 if refuses(lambda: self.make(self.env(n_envs=2))) else 2

    def takes(self, action_space: spaces.Space) -> bool:
        """Whether a model for a space of actions can be made.

        Parameters
        ----------
        action_space : Space
            The space.

        Returns
        -------
        bool
            Whether the constructor takes it.
        """
        return not refuses(lambda: self.make(probes(action_space=action_space)))

    def env(self, **given: Any) -> VecEnv:
        """Environments that the algorithm can learn on.

        Parameters
        ----------
        **given : object
            What `probes` should be given beyond the space of actions.

        Returns
        -------
        VecEnv
            The environments.
        """
        if "n_envs" not in given:
            given["n_envs"] = self.n_envs
        return probes(**{"action_space": self.action_space} | given)

    def make(self, env: Any = None, policy: Any = "MlpPolicy", **given: Any) -> Any:
        """Make a small model.

        Parameters
        ----------
        env : VecEnv, optional
            Where it learns; new probes if None.
        policy : str or type, default="MlpPolicy"
            The policy.
        **given : object
            Options that win over all others.

        Returns
        -------
        BaseAlgorithm
            The model.
        """
        small = {name: value for name, value in SMALL.items() if name in self.known}
        if "buffer_size" in small:
            small.pop("n_steps", None)  # of an n-step return, for an algorithm with a replay buffer
        if "group_size" in small:
            small.pop("n_steps", None)  # the host's, for an algorithm that plays whole episodes
        usual: dict[str, Any] = {"seed": 0, "device": "cpu", "policy_kwargs": {"net_arch": [8]}}
        options = usual | small | self.own_options | given
        return self.algorithm(policy, self.env() if env is None else env, **options)

    def trained(self, **given: Any) -> Any:
        """Make a small model and train it a little.

        Parameters
        ----------
        **given : object
            What `make` takes.

        Returns
        -------
        BaseAlgorithm
            The model.
        """
        model = self.make(**given)
        model.learn(N_STEPS)
        return model

    def places(self, n: int = 7) -> np.ndarray:
        """A few observations.

        Parameters
        ----------
        n : int, default=7
            How many.

        Returns
        -------
        ndarray of shape (n, 2), float32
            Evenly spread over the probes' space.
        """
        return np.linspace(-1, 1, 2 * n, dtype=np.float32).reshape(n, 2)

    def choices(self, model: BaseAlgorithm) -> np.ndarray:
        """What a model does in a few places.

        Parameters
        ----------
        model : BaseAlgorithm
            The model.

        Returns
        -------
        ndarray of shape (7, ...)
            Its deterministic actions.
        """
        return model.predict(self.places(), deterministic=True)[0]


def optimizers_of(model: BaseAlgorithm) -> dict[str, torch.optim.Optimizer]:
    """Find the optimisers of a model, wherever they are kept.

    Parameters
    ----------
    model : BaseAlgorithm
        The model.

    Returns
    -------
    dict of str to Optimizer
        By the name of who keeps them.
    """
    keepers: dict[str, Any] = {"model": model}
    keepers |= {f"policy.{name}": each for name, each in model.policy.named_modules()}
    return {
        f"{keeper}.{name}": value
        for keeper, owner in keepers.items()
        for name, value in vars(owner).items()
        if isinstance(value, torch.optim.Optimizer)
    }
