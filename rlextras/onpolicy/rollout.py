"""The part of the shell that acts in the environments and fills the rollout buffer."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from rlextras.host.bystanders import is_alone
from rlextras.host.callbacks import listens
from rlextras.host.environments import check_begun
from rlextras.host.guards import (
    StepGuard,
    check_computed,
    check_finite,
    naming_divergence,
    note_the_environment,
)
from rlextras.host.phases import PhaseClock
from rlextras.host.resume import MIDWAY, taken_down
from rlextras.host.stacking import stack
from rlextras.host.stepping import step
from rlextras.onpolicy.choices import Choices
from rlextras.onpolicy.compiled import CompiledPath
from rlextras.onpolicy.ledger import has_host_advantages, write_advantages, write_step
from rlextras.onpolicy.masking import masked
from rlextras.onpolicy.masks import MaskReader, find_reader, forbids
from rlextras.onpolicy.network import SharedNetwork


class Rollouts(CompiledPath):
    """An on-policy algorithm that collects rollouts, within masks if there are any; abstract."""

    use_masks: bool | str = False
    _last_obs: Any  # (N, ...) or a dict of such; None before the first reset
    _last_episode_starts: Any  # (N,)
    _clock: PhaseClock
    _guard: StepGuard  # of the environments of this rollout
    _is_heard = True  # whether its callback reads the host's names
    _stand: dict[str, Any] | None = None  # where a file could be resumed from; None is here
    _mask_reader: MaskReader | None = None
    _masks: np.ndarray | None = None  # (N, M), of the last observations
    _rollout_masks: np.ndarray | None = None  # (T, N, M)

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        before = self._last_obs
        done = super()._setup_learn(*args, **kwargs)
        if before is None or self._last_obs is not before:  # the environments were reset
            self._masks = None
        self._clock, self._is_alone = PhaseClock(), is_alone(self, done[1])
        self._find_masks(is_reset=True)
        return done

    def _find_masks(self, *, is_reset: bool = False) -> None:
        """Find out whether the environments say what can be done."""
        if self.env is not None:
            owner = type(self).__name__
            self._mask_reader = find_reader(owner, self.env, self.use_masks, is_reset=is_reset)

    def _obstacle(self) -> str:
        if self._mask_reader is not None or self.use_masks is True:
            return "actions are masked"
        return super()._obstacle()

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Act for T steps in N environments and fill the buffer, advantages and returns included.

        Parameters
        ----------
        env : VecEnv
            N environments.
        callback : BaseCallback
            Called after each step; it finds the host's names among its ``locals``, unless it is one
            of the host's that never look.
        rollout_buffer : RolloutBuffer
            What to fill. Rewards are kept as the environment gave them, unless the buffer has its
            own ``compute_returns_and_advantage``: that one finds the bootstraps added to them.
        n_rollout_steps : int
            T.

        Returns
        -------
        bool
            False if the callback stopped the rollout.

        Raises
        ------
        ValueError
            If the environment gave NaN, infinity, a wrong shape or a mask that allows nothing.
        """
        truncated = np.zeros((n_rollout_steps, env.num_envs), dtype=bool)  # (T, N)
        final_values = np.zeros((n_rollout_steps, env.num_envs), dtype=np.float32)  # (T, N)
        rewrites, network = not has_host_advantages(rollout_buffer), self._network()
        clock = self._clock
        self._begin_rollout(env, callback, rollout_buffer)
        check_begun(type(self).__name__, self._last_obs)
        for n_steps in range(n_rollout_steps):
            clock.enter("policy")
            chosen = self._act(n_steps, env.num_envs, network)
            actions = chosen.actions
            clipped_actions = self._within_bounds(actions)
            clock.enter("env")
            new_obs, rewards, dones, infos = self._step(env, clipped_actions)
            clock.enter("callback")
            self.num_timesteps += env.num_envs

            if self._is_heard:
                obs_tensor = obs_as_tensor(self._last_obs, self.device)
                values, log_probs = chosen.tensors(self.device)
                callback.update_locals(locals())
            goes_on = callback.on_step()
            clock.enter("rest")
            if goes_on:
                self._update_info_buffer(infos, dones)
                kept = rewards
                if np.count_nonzero(dones):  # a tenth of the time of any()
                    limits = self._final_values(infos, dones, network)
                    truncated[n_steps], final_values[n_steps] = limits
                    kept = rewards + self.gamma * final_values[n_steps] if rewrites else rewards
                starts = self._last_episode_starts
                check_begun(type(self).__name__, self._last_obs)
                write_step(rollout_buffer, (self._last_obs, chosen, kept, starts))
            self._last_obs, self._last_episode_starts = new_obs, dones
            if not goes_on:
                return False

        clock.enter("policy")
        values = self._values(new_obs, network)
        clock.enter("rest")
        if rewrites:
            rollout_buffer.compute_returns_and_advantage(last_values=values, dones=dones)
        else:
            last_values = values.flatten().cpu().numpy()
            write_advantages(rollout_buffer, last_values, dones, truncated, final_values)
        callback.update_locals(locals())
        clock.enter("callback")
        callback.on_rollout_end()
        clock.enter("rest")
        return True

    def _begin_rollout(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer | None
    ) -> None:
        """Make policy, buffer, if there is one, and callback ready for a rollout."""
        owner = type(self).__name__
        self._clock.enter("rest")
        check_finite(owner, "observation", self._last_obs)
        self.policy.set_training_mode(False)  # batch norm and dropout
        if rollout_buffer is not None:
            rollout_buffer.reset()
        self._guard, self._is_heard = StepGuard(owner, env), listens(callback)
        self._stand = taken_down(self)  # what the callback saves is resumed before the noise
        if self.use_sde:
            self.policy.reset_noise(env.num_envs)
        self._clock.enter("callback")
        callback.on_rollout_start()
        self._clock.enter("rest")
        self._stand = MIDWAY
        self._rollout_masks = None
        if self._mask_reader is not None and rollout_buffer is not None:
            self._masks = self._mask_reader.first() if self._masks is None else self._masks
            shape = rollout_buffer.buffer_size, *self._masks.shape
            self._rollout_masks = np.ones(shape, bool)

    def _step(self, env: VecEnv, actions: np.ndarray) -> Any:
        """Observations, rewards, dones and infos of one step, and the masks that go with them."""
        given, reader = self._asked(step, env, actions), self._mask_reader
        self._guard.check(given)
        if reader is not None:
            self._masks = reader.checked(self._asked(reader.given, given[3], given[2]))
        return given

    def _asked(self, ask: Callable[..., Any], *given: Any) -> Any:
        """What the environments answer; what they raise gets a note."""
        try:
            return ask(*given)
        except Exception as error:
            note_the_environment(type(self).__name__, self.num_timesteps, error)
            raise

    def _act(self, n_steps: int, n_envs: int, network: SharedNetwork | None) -> Choices:
        """What the policy chooses for the last observations."""
        owner, network = type(self).__name__, self._present(network)
        if network is not None:
            done, n = network.act(network.encoded(self._last_obs)), network.n_parts
            check_computed(owner, done)
            return Choices(self._as_taken(done[:, :n]), done[:, n], done[:, n + 1])
        if self.use_sde and self.sde_sample_freq > 0 and n_steps % self.sde_sample_freq == 0:
            self.policy.reset_noise(n_envs)
        masks = None if self._mask_reader is None else self._masks
        with naming_divergence(owner), torch.no_grad(), masked(self.policy, masks):
            given = self.policy(obs_as_tensor(self._last_obs, self.device))
        actions, values, log_probs = (each.cpu().numpy() for each in given)
        check_computed(owner, actions, values, log_probs)
        if masks is not None:
            self._note_masks(n_steps, masks, actions)
        return Choices(actions, values.reshape(-1), log_probs)

    def _note_masks(self, n_steps: int, masks: np.ndarray, actions: np.ndarray) -> None:
        """Keep the masks of a step; refuse a policy that does not heed them."""
        if forbids(masks, actions, self.action_space).any():
            raise ValueError(
                f"{type(self).__name__}: policy must choose by its action_dist to be masked, got "
                f"forbidden actions from a {type(self.policy).__name__}. Set use_masks=False, or "
                "leave the distribution to the host's policy."
            )
        if self._rollout_masks is not None:
            self._rollout_masks[n_steps] = masks

    def _within_bounds(self, actions: np.ndarray) -> np.ndarray:
        """Actions as the environment may take them; those of the policy may lie outside."""
        if not isinstance(self.action_space, spaces.Box):
            return actions
        if self.policy.squash_output:
            return self.policy.unscale_action(actions)
        return np.minimum(np.maximum(actions, self.action_space.low), self.action_space.high)

    def _values(self, observations: Any, network: SharedNetwork | None) -> Tensor:
        """V(s) of N observations, (N, 1)."""
        network = self._present(network)
        if network is not None:
            return torch.from_numpy(network.judge(network.encoded(observations)))[:, None]
        with torch.no_grad():
            return self.policy.predict_values(obs_as_tensor(observations, self.device))

    def _final_values(
        self, infos: Sequence[dict[str, Any]], dones: np.ndarray, network: SharedNetwork | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Whether a time limit stopped each environment, and V of where it stopped; both (N,)."""
        truncated, values = np.zeros(len(dones), bool), np.zeros(len(dones), np.float32)
        final = {i: infos[i].get("terminal_observation") for i in np.flatnonzero(dones).tolist()}
        stopped = [
            i
            for i, observation in final.items()
            if observation is not None and infos[i].get("TimeLimit.truncated", False)
        ]
        if stopped:
            observations = stack([final[i] for i in stopped])
            check_finite(type(self).__name__, "terminal_observation", observations)
            network = self._present(network)
            if network is not None:
                values[stopped] = network.judge(network.encoded(observations))
            else:  # the host adds what images want
                batch, _ = self.policy.obs_to_tensor(observations)
                with torch.no_grad():
                    values[stopped] = self.policy.predict_values(batch).flatten().cpu().numpy()
            truncated[stopped] = True
        return truncated, values
