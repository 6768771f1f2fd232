"""The part of the shell that chooses between kernels and torch, and predicts."""

from typing import Any, cast

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch import Tensor
from torch.optim import Adam

from rlextras.host.backend import Backend, optimizer_obstacle
from rlextras.onpolicy.backend import buffer_obstacle, obstacle
from rlextras.onpolicy.network import SharedNetwork
from rlextras.onpolicy.update import CompiledUpdate
from rlextras.validation import OptionError


class CompiledPath(OnPolicyAlgorithm):
    """An on-policy algorithm that runs its policy by kernels where they know it; abstract."""

    _requested_backend: str = "auto"
    _shared: SharedNetwork | None = None

    @property
    def backend(self) -> Backend:
        """Which path computes the next rollout and update, and why.

        Returns
        -------
        Backend
            Its name and the reason.
        """
        if self._requested_backend == "torch":
            return Backend("torch", "as asked")
        against = self._obstacle()
        if not against:
            return Backend("numba", "the kernels know this policy")
        if self._requested_backend == "numba":
            raise OptionError(
                f"{type(self).__name__}: backend must be 'auto' or 'torch' here, got 'numba': "
                f"{against}. 'auto' takes the kernels where they know the policy."
            )
        return Backend("torch", against)

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

    def _update_by_kernels(self, parameters: list[Tensor]) -> CompiledUpdate | None:
        """An update that moves some parameters by the kernels; None if torch has to."""
        network = self._network()
        if network is None:
            return None
        optimizer = cast(Adam, self.policy.optimizer)
        update = CompiledUpdate(network, self.rollout_buffer, optimizer, parameters)
        return update if update.is_possible else None

    def _excluded_save_params(self) -> list[str]:
        is_default = self._requested_backend == "auto"
        own = ["_shared", "_requested_backend"] if is_default else ["_shared"]
        return [*super()._excluded_save_params(), *own]

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
        if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
            actions = actions.astype(np.int64)
        return actions.reshape(-1, *space.shape)  # type: ignore[misc]  # these spaces have shapes

    def _predictor(self, observation: Any) -> Any:
        """Network, encoded observations and shape of the actions; None if the host predicts."""
        space = self.observation_space
        if type(observation) is not np.ndarray or not isinstance(space, spaces.Box):
            return None
        n_dims = len(space.shape)
        if observation.shape == space.shape:
            batch: tuple[int, ...] = ()
        elif observation.ndim == n_dims + 1 and observation.shape[1:] == space.shape:
            batch = observation.shape[:1]
        else:
            return None
        network = self._shared
        if network is None or not network.is_watched(self.policy):
            network = self._network()
            if network is None:
                return None
            network.watch(self.policy)
        return network, network.encoded(observation), (*batch, *(self.action_space.shape or ()))
