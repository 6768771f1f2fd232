"""The part of the shell that chooses between kernels and torch, and predicts."""

from typing import Any, cast

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch import Tensor
from torch.optim import Adam

from rlextras.host.backend import ChosenBackend, optimizer_obstacle
from rlextras.host.prediction import batch_shape
from rlextras.onpolicy.backend import buffer_obstacle, obstacle
from rlextras.onpolicy.network import SharedNetwork
from rlextras.onpolicy.update import CompiledUpdate

WHOLE = (spaces.Discrete, spaces.MultiDiscrete)
"""Spaces of whole numbers."""


class CompiledPath(ChosenBackend, OnPolicyAlgorithm):
    """An on-policy algorithm that runs its policy by kernels where they know it; abstract."""

    _shared: SharedNetwork | None = None
    _is_alone: bool = False  # whether nobody is by who could replace what the kernels work on

    def _obstacle(self) -> str:
        """Why the kernels cannot run this model; empty if they can."""
        policy = self.policy
        return (
            obstacle(policy, any_size=self._requested_backend == "numba")
            or optimizer_obstacle(policy.optimizer, policy.parameters())
            or buffer_obstacle(getattr(self, "rollout_buffer", None))
        )

    def _network(self) -> SharedNetwork | None:
        """The policy on memory that the kernels share; None if torch runs it."""
        if self.backend.name == "torch":
            return None
        policy = self.policy
        if self._shared is None or not self._shared.fits(policy):
            self._shared = SharedNetwork(policy)
        self._shared.refresh()
        return self._shared

    def _present(self, network: SharedNetwork | None) -> SharedNetwork | None:
        """What a rollout began with, or what there is now if somebody may have changed the policy.

        Torch, None, runs whatever the policy is.
        """
        if network is None or self._is_alone:
            return network
        now = self._shared
        if now is not None and now.is_watched(self.policy):
            now.refresh()
            return now
        now = self._network()
        if now is not None:
            now.watch(self.policy)
        return now

    def _update_by_kernels(self, parameters: list[Tensor]) -> CompiledUpdate | None:
        """An update that moves some parameters by the kernels; None if torch has to."""
        network = self._network()
        if network is None:
            return None
        optimizer = cast(Adam, self.policy.optimizer)
        update = CompiledUpdate(network, self.rollout_buffer, optimizer, parameters)
        return update if update.is_possible else None

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), *self._own_attributes()]

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """Actions of the policy.

        Parameters
        ----------
        observation : ndarray, or dict of them
            One observation, or several.
        state : tuple of ndarray, optional
            Of a recurrent policy; returned as it came.
        episode_start : ndarray, optional
            Not used: no policy here is recurrent.
        deterministic : bool, default=False
            Whether to take the most likely action.

        Returns
        -------
        action : ndarray
            One action, or several.
        state : tuple of ndarray or None
            The state given.
        """
        found = self._predictor(observation)
        if found is None:
            return super().predict(observation, state, episode_start, deterministic)
        network, rows, shape = found
        policy = self.policy
        if policy.training:
            policy.set_training_mode(False)
        actions = network.choose(rows, deterministic)
        taken = self._as_taken(actions).reshape(shape)
        space = self.action_space
        if isinstance(space, spaces.Box):
            taken = np.minimum(np.maximum(taken, space.low), space.high)
        return taken, state

    def _as_taken(self, actions: np.ndarray) -> np.ndarray:
        """Actions (n, parts) of the kernels, in the shape and type that the policy would give."""
        space = self.action_space
        if isinstance(space, WHOLE):
            actions = actions.astype(np.int64)
        return actions.reshape(-1, *space.shape)  # type: ignore[misc]  # these spaces have shapes

    def _predictor(self, observation: Any) -> Any:
        """Network, encoded observations and shape of the actions; None if the host predicts."""
        batch = batch_shape(self.observation_space, observation)
        if batch is None:
            return None
        network = self._shared
        if network is None or not network.is_watched(self.policy):
            network = self._network()
            if network is None:
                return None
            network.watch(self.policy)
        return network, network.encoded(observation), (*batch, *(self.action_space.shape or ()))
