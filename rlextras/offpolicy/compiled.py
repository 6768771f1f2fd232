"""The part of the shell that chooses between kernels and torch, and predicts."""

from typing import Any

import numpy as np
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from rlextras.host.backend import ChosenBackend, optimizer_obstacle
from rlextras.host.prediction import batch_shape
from rlextras.offpolicy.backend import obstacle
from rlextras.offpolicy.network import AdamCounts, SharedActorCritic


class CompiledPath(ChosenBackend, OffPolicyAlgorithm):
    """An off-policy algorithm that runs its networks by kernels where they know them; abstract."""

    actor: Any
    actor_target: Any
    critic: Any
    critic_target: Any
    replay_buffer: Any
    _shared: SharedActorCritic | None = None
    _is_alone: bool = False  # whether nobody is by who could replace what the kernels work on
    _trusted: SharedActorCritic | None = None  # that was found to be in order since then

    def _obstacle(self) -> str:
        """Why the kernels cannot run this model; empty if they can."""
        return obstacle(self.policy) or self._optimizer_obstacle()

    def _optimizer_obstacle(self) -> str:
        """Why the kernels cannot stand in for the optimisers; empty if they can."""
        parts = (self.actor, self.critic)
        found = (optimizer_obstacle(each.optimizer, each.parameters()) for each in parts)
        return next(filter(None, found), "")

    def _adam_counts(self, network: SharedActorCritic) -> AdamCounts | None:
        """Steps of the optimisers; None if the kernels cannot stand in for them."""
        pair = self.actor.optimizer, self.critic.optimizer
        if network is self._trusted:
            return network.last_counts(*pair)
        if not network.knows(pair):
            if self._obstacle():
                return None
            network.know(pair)
        counts = network.count_steps(*pair)
        if counts is not None and self._is_alone:
            self._trusted = network
        return counts

    def _network(self) -> SharedActorCritic | None:
        """The policy on memory that the kernels share; None if torch runs it."""
        if self._trusted is not None:
            return self._trusted
        network, policy = self._shared, self.policy
        if network is None or not network.is_watched(policy):
            if self.backend.name == "torch":
                return None
            if network is None or not network.fits(policy):
                network = self._shared = SharedActorCritic(policy)  # type: ignore[arg-type]  # it is
            network.watch(policy)
        network.refresh()
        return network

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
            Not used: the policy is deterministic.

        Returns
        -------
        action : ndarray
            One action, or several.
        state : tuple of ndarray or None
            The state given.
        """
        actions = self._act(observation)
        if actions is None:
            return super().predict(observation, state, episode_start, deterministic)
        return actions[0], state

    def _act(self, observation: Any) -> np.ndarray | None:
        """Actions (3, ...) by the kernels: as predicted, as stored, as stepped with; or None."""
        batch = batch_shape(self.observation_space, observation)
        network = None if batch is None else self._network()
        if network is None or not network.has_single_actions:
            return None
        if self.policy.training:
            self.policy.set_training_mode(False)
        rows = observation.reshape(*(batch or (1,)), -1)
        actions = network.act(np.ascontiguousarray(rows, np.float32))
        return actions.reshape(3, *(batch or ()), *(self.action_space.shape or ()))

    def _predicts_itself(self) -> bool:
        """Whether nobody has put another ``predict`` in the place of this one."""
        return type(self).predict is CompiledPath.predict and "predict" not in vars(self)
