"""The Stable-Baselines3 life cycle of on-policy algorithms: collect, advantages, update.

A member (``ppo.py``) states its own options and its ``train``. All else stands here: options and
their checks, the rollout, bootstraps, advantages, and what the host expects around them.
"""

from collections.abc import Mapping, Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import Any, ClassVar, Self, Unpack

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import (
    ActorCriticCnnPolicy,
    ActorCriticPolicy,
    BasePolicy,
    MultiInputActorCriticPolicy,
)
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, PyTorchObs, Schedule
from stable_baselines3.common.utils import obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from rlextras.onpolicy.compiled import CompiledPath
from rlextras.onpolicy.ledger import has_host_advantages, stack, write_advantages, write_step
from rlextras.onpolicy.network import SharedNetwork
from rlextras.onpolicy.options import (
    ACTION_SPACES,
    COMMON_RULES,
    DEFAULTS,
    HOST_OPTIONS,
    UNUSED,
    OnPolicyOptions,
)
from rlextras.validation import (
    Rule,
    check_finite,
    check_known,
    check_minibatches,
    check_options,
    check_policy,
    check_scheduled,
    unshared,
)


class OnPolicy(CompiledPath):
    """Shell of the on-policy algorithms; abstract: a member adds ``train``.

    Parameters
    ----------
    policy : str or type of ActorCriticPolicy
        A name from ``policy_aliases``, or a class.
    env : VecEnv, gymnasium.Env, str or None
        Where to learn; a string is the id of a registered environment, None is for loading.
    learning_rate : float or callable
        Of the optimiser; a callable maps the progress remaining, 1 to 0, to it.
    n_steps : int
        T, the steps per environment between two updates.
    batch_size : int
        Steps in a minibatch.
    own : mapping of str to object
        The member's own options, checked and kept as attributes under their names.
    **common : OnPolicyOptions
        The options that all members share.

    Raises
    ------
    TypeError
        If an option is of the wrong kind, or unknown.
    ValueError
        If an option is out of range.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": ActorCriticPolicy,
        "CnnPolicy": ActorCriticCnnPolicy,
        "MultiInputPolicy": MultiInputActorCriticPolicy,
    }
    rules: ClassVar[Mapping[str, Rule]] = COMMON_RULES
    normalizes_by_minibatch: ClassVar[bool] = True  # or over the whole rollout

    batch_size: int
    normalize_advantage: bool
    _last_obs: Any  # (N, ...) or a dict of such; None before the first reset
    _last_episode_starts: Any  # (N,)

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: GymEnv | str | None,
        *,
        learning_rate: float | Schedule,
        n_steps: int,
        batch_size: int,
        own: Mapping[str, Any],
        **common: Unpack[OnPolicyOptions],
    ) -> None:
        named = {"learning_rate": learning_rate, "n_steps": n_steps, "batch_size": batch_size}
        options: dict[str, Any] = {**named, **own, **DEFAULTS, **common}
        owner = type(self).__name__
        check_known(owner, common, known=[*named, *own, *DEFAULTS])
        check_options(owner, options, self.rules)
        options = {name: unshared(value) for name, value in options.items()}
        is_set_up = options.pop("_init_setup_model")
        self._requested_backend = options.pop("backend")
        check_policy(owner, policy, aliases=self.policy_aliases)
        if env is None and is_set_up:
            raise TypeError(f"{owner}: env must be an environment or the id of one, got None.")

        host = UNUSED | {name: options.pop(name) for name in HOST_OPTIONS if name in options}
        super().__init__(
            policy,
            env,  # type: ignore[arg-type]  # None is for loading; the host says so one class up
            **host,
            _init_setup_model=False,
            supported_action_spaces=ACTION_SPACES,
        )
        self.__dict__.update(options)
        n_rows = None if env is None else self.n_steps * self.n_envs
        check_minibatches(
            owner,
            self.batch_size,
            n_rows,
            is_normalized=self.normalize_advantage,
            by_minibatch=self.normalizes_by_minibatch,
        )
        if is_set_up:
            self._setup_model()
            _ = self.backend  # says at once if what was asked for cannot be

    def learn(  # noqa: PLR0917  # the host's signature: callers pass these by position
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str | None = None,
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Collect and update until that many steps are done.

        An exception, Ctrl-C included, leaves the model usable and savable; the next ``learn``
        starts from a reset of the environment, since nobody knows where the last one stood.

        Parameters
        ----------
        total_timesteps : int
            Steps over all environments; rollouts are finished, so a few more may be taken.
        callback : callable, BaseCallback or list of them, optional
            Called after each step and around each rollout.
        log_interval : int, default=1
            Rollouts between two logs.
        tb_log_name : str, optional
            Name of the run for TensorBoard; the class name if None.
        reset_num_timesteps : bool, default=True
            False continues the count, and the episodes under way.
        progress_bar : bool, default=False
            Whether to show one.

        Returns
        -------
        Self
            The model itself, trained.
        """
        try:
            return super().learn(
                total_timesteps,
                callback,
                log_interval,
                tb_log_name=type(self).__name__ if tb_log_name is None else tb_log_name,
                reset_num_timesteps=reset_num_timesteps,
                progress_bar=progress_bar,
            )
        except BaseException:
            self._last_obs = None
            raise

    @classmethod
    def load(  # noqa: PLR0917  # the host's signature: callers pass these by position
        cls,
        path: str | Path | BufferedIOBase,
        env: GymEnv | None = None,
        device: torch.device | str = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Make a model from a file that this class or the host's class of that name saved.

        Parameters
        ----------
        path : str, Path or binary file
            What ``save`` wrote.
        env : VecEnv or gymnasium.Env, optional
            Where to learn on; not needed to predict.
        device : torch.device or str, default="auto"
            Where the networks live.
        custom_objects : dict, optional
            Attributes to take from here and not from the file, by name.
        print_system_info : bool, default=False
            Whether to print the versions that saved and that load.
        force_reset : bool, default=True
            Whether ``env`` is reset before training goes on.
        **kwargs : object
            Options to change, by name.

        Returns
        -------
        Self
            The model, ready to predict, and to learn if it has an environment.

        Raises
        ------
        TypeError
            If an option given is of the wrong kind.
        ValueError
            If an option given is out of range, or ``env`` has other spaces than the file.
        """
        check_options(cls.__name__, kwargs, cls.rules)
        if "backend" in kwargs:
            kwargs["_requested_backend"] = kwargs.pop("backend")
        return super().load(
            path, env, device, custom_objects, print_system_info, force_reset, **kwargs
        )

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
            Called after each step; it finds the host's names among its ``locals``.
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
            If the environment gave NaN or infinity.
        """
        truncated = np.zeros((n_rollout_steps, env.num_envs), dtype=bool)  # (T, N)
        final_values = np.zeros((n_rollout_steps, env.num_envs), dtype=np.float32)  # (T, N)
        rewrites, network = not has_host_advantages(rollout_buffer), self._network()
        self._begin_rollout(env, callback, rollout_buffer)
        for n_steps in range(n_rollout_steps):
            obs_tensor, actions, values, log_probs = self._act(n_steps, env.num_envs, network)
            clipped_actions = self._within_bounds(actions)
            new_obs, rewards, dones, infos = env.step(clipped_actions)
            check_finite(type(self).__name__, "observation", new_obs)
            check_finite(type(self).__name__, "reward", rewards)
            self.num_timesteps += env.num_envs

            callback.update_locals(locals())
            goes_on = callback.on_step()
            if goes_on:
                self._update_info_buffer(infos, dones)
                kept = rewards
                if dones.any():
                    limits = self._final_values(infos, dones, network)
                    truncated[n_steps], final_values[n_steps] = limits
                    kept = rewards + self.gamma * final_values[n_steps] if rewrites else rewards
                starts = self._last_episode_starts
                row = (self._last_obs, self._as_stored(actions), kept, starts, values, log_probs)
                write_step(rollout_buffer, row)
            self._last_obs, self._last_episode_starts = new_obs, dones
            if not goes_on:
                return False

        values = self._values(new_obs, network)
        if rewrites:
            rollout_buffer.compute_returns_and_advantage(last_values=values, dones=dones)
        else:
            last_values = values.flatten().cpu().numpy()
            write_advantages(rollout_buffer, last_values, dones, truncated, final_values)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _begin_rollout(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer
    ) -> None:
        """Make policy, buffer and callback ready for a rollout."""
        check_finite(type(self).__name__, "observation", self._last_obs)
        self.policy.set_training_mode(False)  # batch norm and dropout
        rollout_buffer.reset()
        if self.use_sde:
            self.policy.reset_noise(env.num_envs)
        callback.on_rollout_start()

    def _act(
        self, n_steps: int, n_envs: int, network: SharedNetwork | None
    ) -> tuple[PyTorchObs, np.ndarray, Tensor, Tensor]:
        """Observations (N, ...), actions (N, ...), values (N, 1), log π(a|s) (N,) of one step."""
        obs_tensor = obs_as_tensor(self._last_obs, self.device)
        if network is not None:
            done = network.act(network.encoded(self._last_obs))
            made, n = torch.from_numpy(done), network.n_parts
            actions = self._as_taken(done[:, :n])
            return obs_tensor, actions, made[:, n : n + 1], made[:, n + 1]
        if self.use_sde and self.sde_sample_freq > 0 and n_steps % self.sde_sample_freq == 0:
            self.policy.reset_noise(n_envs)
        with torch.no_grad():
            actions, values, log_probs = self.policy(obs_tensor)
        return obs_tensor, actions.cpu().numpy(), values, log_probs

    def _within_bounds(self, actions: np.ndarray) -> np.ndarray:
        """Actions as the environment may take them; those of the policy may lie outside."""
        if not isinstance(self.action_space, spaces.Box):
            return actions
        if self.policy.squash_output:
            return self.policy.unscale_action(actions)
        return np.minimum(np.maximum(actions, self.action_space.low), self.action_space.high)

    def _as_stored(self, actions: np.ndarray) -> np.ndarray:
        """Actions as the host's buffers store them: (N, 1) where an action is a scalar."""
        is_scalar = isinstance(self.action_space, spaces.Discrete)
        return actions.reshape(-1, 1) if is_scalar else actions

    def _values(self, observations: Any, network: SharedNetwork | None) -> Tensor:
        """V(s) of N observations, (N, 1)."""
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
            if network is not None:
                values[stopped] = network.judge(network.encoded(observations))
            else:  # the host adds what images want
                batch, _ = self.policy.obs_to_tensor(observations)
                with torch.no_grad():
                    values[stopped] = self.policy.predict_values(batch).flatten().cpu().numpy()
            truncated[stopped] = True
        return truncated, values

    def _begin_update(self) -> None:
        """Make policy and optimiser ready for an update."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)

    def _scheduled(self, name: str) -> float:
        """Value, at this point of the training, of an option that may be a schedule."""
        value = getattr(self, name)(self._current_progress_remaining)
        return check_scheduled(type(self).__name__, name, value)
