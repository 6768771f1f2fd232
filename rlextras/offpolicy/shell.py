"""The Stable-Baselines3 life cycle of off-policy algorithms: collect, store, sample, update.

A member (``ddpg.py``) states its own options and its ``train``. All else stands here: options and
their checks, the replay buffer, the collection, and what the host expects around them.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, Unpack

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import maybe_make_env
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import VectorizedActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer
from stable_baselines3.td3.policies import CnnPolicy, MlpPolicy, MultiInputPolicy, TD3Policy

from rlextras.host.environments import check_env, for_host
from rlextras.host.guards import check_computed
from rlextras.host.phases import PhaseClock
from rlextras.offpolicy.compact import CompactReplayBuffer
from rlextras.offpolicy.export import write_onnx
from rlextras.offpolicy.files import Filed
from rlextras.offpolicy.hindsight import NStepHerReplayBuffer
from rlextras.offpolicy.options import (
    ACTION_SPACES,
    COMMON_RULES,
    DEFAULTS,
    HOST_OPTIONS,
    OffPolicyOptions,
)
from rlextras.offpolicy.policies import NORMALIZED
from rlextras.offpolicy.prioritized import KIN, Prioritized
from rlextras.offpolicy.replay import bytes_needed, check_memory
from rlextras.validation import (
    OptionError,
    Rule,
    check_known,
    check_options,
    check_policy,
    check_scheduled,
    unshared,
)


class OffPolicy(Filed):
    """Shell of the off-policy algorithms; abstract: a member adds ``train``.

    Parameters
    ----------
    policy : str or type of TD3Policy
        A name from ``policy_aliases``, or a class.
    env : VecEnv, gymnasium.Env, gymnasium.vector.VectorEnv, EnvPool, str or None
        Where to learn; a string is the id of a registered environment, None is for loading.
    named : mapping of str to object
        The host's options that the member names itself.
    own : mapping of str to object
        The member's own options, checked and kept as attributes under their names.
    **common : OffPolicyOptions
        The options that all members share.

    Raises
    ------
    TypeError
        If an option is of the wrong kind, or unknown.
    ValueError
        If an option is out of range.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": MlpPolicy,
        "CnnPolicy": CnnPolicy,
        "MultiInputPolicy": MultiInputPolicy,
    }
    rules: ClassVar[Mapping[str, Rule]] = COMMON_RULES

    prioritized: bool
    layer_norm: bool

    def __init__(
        self,
        policy: str | type[TD3Policy],
        env: GymEnv | str | None,
        *,
        named: Mapping[str, Any],
        own: Mapping[str, Any],
        **common: Unpack[OffPolicyOptions],
    ) -> None:
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
        if env is not None:
            env = maybe_make_env(env, options["verbose"])
            check_actions(owner, env.action_space)

        if options["layer_norm"] and env is not None:
            policy = normalized(owner, policy)
        host = {name: options.pop(name) for name in HOST_OPTIONS}
        super().__init__(
            policy,
            env,  # type: ignore[arg-type]  # None is for loading; the host says so one class up
            **host,
            sde_support=False,
            support_multi_env=True,
            supported_action_spaces=ACTION_SPACES,
        )
        self.__dict__.update(options)
        self._clock = PhaseClock()
        if is_set_up:
            self._setup_model()
            _ = self.backend  # says at once if what was asked for cannot be

    def _setup_model(self) -> None:
        owner, space = type(self).__name__, self.observation_space
        options = {name: getattr(self, name) for name in ("buffer_size", "optimize_memory_usage")}
        if self.replay_buffer is None:
            n_bytes = bytes_needed(options, space, self.action_space)
            check_memory(owner, n_bytes, self.buffer_size)
            is_dict = isinstance(space, spaces.Dict)
            if is_dict and self.n_steps > 1 and self.replay_buffer_class is None:
                raise OptionError(
                    f"{owner}: n_steps must be 1 with Dict observations, got {self.n_steps}. "
                    "The host's replay buffer for them has no n-step returns: leave it at 1, or "
                    "take HerReplayBuffer where there are goals."
                )
            is_her = self.replay_buffer_class is not None and issubclass(
                self.replay_buffer_class, HerReplayBuffer
            )
            if is_her and self.env is None:
                raise OptionError(
                    f"{owner}: env must be given with a HerReplayBuffer, which asks it for "
                    "rewards, got None. You must pass an environment."
                )
            if self.n_steps > 1 and self.replay_buffer_class is HerReplayBuffer:
                self.replay_buffer_class = NStepHerReplayBuffer
                self._tell_buffer_of_steps()
            if self.prioritized:
                self._choose_prioritized()
        if self._keeps_time_limits():
            self.replay_buffer_class = CompactReplayBuffer
        with warnings.catch_warnings():
            if self.prioritized or self.replay_buffer_class is NStepHerReplayBuffer:  # it has them
                warnings.filterwarnings("ignore", "`n_steps=")
            super()._setup_model()
        self._name_networks()

    def _choose_prioritized(self) -> None:
        """Take the buffer that draws by priority in place of the one that the host would take."""
        chosen = self.replay_buffer_class
        if chosen is None:
            is_dict = isinstance(self.observation_space, spaces.Dict)
            plain = NStepReplayBuffer if self.n_steps > 1 else ReplayBuffer
            chosen = DictReplayBuffer if is_dict else plain
            if self.n_steps > 1:
                self._tell_buffer_of_steps()
        if not issubclass(chosen, Prioritized):
            if chosen not in KIN:
                raise OptionError(
                    f"{type(self).__name__}: replay_buffer_class must be one of the host's own to "
                    f"be prioritized, got {chosen.__name__}. Derive it from "
                    "rlextras.offpolicy.prioritized.Prioritized, and leave prioritized out."
                )
            chosen = KIN[chosen]
        self.replay_buffer_class = chosen

    def _tell_buffer_of_steps(self) -> None:
        """Put what n-step returns go by among the options of the replay buffer."""
        more = {"n_steps": self.n_steps, "gamma": self.gamma}
        self.replay_buffer_kwargs = {**self.replay_buffer_kwargs, **more}

    def _keeps_time_limits(self) -> bool:
        """Whether the host's buffer with one array would be asked for what it cannot do."""
        is_plain = self.replay_buffer_class is None and self.n_steps == 1
        is_asked = self.replay_buffer_kwargs.get("handle_timeout_termination", True)
        is_dict = isinstance(self.observation_space, spaces.Dict)
        return self.optimize_memory_usage and is_plain and is_asked and not is_dict

    def _name_networks(self) -> None:
        """Let the model name the networks of its policy, as the host's does."""
        policy: Any = self.policy
        self.actor, self.actor_target = policy.actor, policy.actor_target
        self.critic, self.critic_target = policy.critic, policy.critic_target

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        noise, n_envs = self.action_noise, self.n_envs
        if isinstance(noise, VectorizedActionNoise) and noise.n_envs != n_envs:
            raise OptionError(
                f"{type(self).__name__}: action_noise must be of {n_envs} environments, got one "
                f"of {noise.n_envs}. Give the noise of one; it is repeated."
            )
        if not self._is_resumed:
            return super()._setup_learn(*args, **kwargs)
        self._is_resumed, self.action_noise = False, None  # it goes on: nothing begins it anew
        try:
            return super()._setup_learn(*args, **kwargs)
        finally:
            self.action_noise = noise

    def learn(  # noqa: PLR0917  # the host's signature: callers pass these by position
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 4,
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
            Steps over all environments.
        callback : callable, BaseCallback or list of them, optional
            Called after each step and around each rollout.
        log_interval : int, default=4
            Episodes between two logs.
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
        check_env(type(self).__name__, self.env)
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
        finally:
            self._stand, self._is_under_way = None, False
            self._trusted, self._is_alone = None, False
            if self._shared is not None:
                self._shared.close()

    @staticmethod
    def _wrap_env(env: Any, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
        return Filed._wrap_env(for_host(env), verbose, monitor_wrapper)

    def export_onnx(self, path: str | Path) -> None:
        """Write what ``predict`` computes as an ONNX file.

        Its inputs are batches of observations as the policy's space has them, images with channels
        first: one named "observation", or one for each key of a Dict. Its output is "action",
        within the bounds of the space.

        Parameters
        ----------
        path : str or Path
            Where to.

        Raises
        ------
        ModuleNotFoundError
            If the packages that write ONNX are missing.
        TypeError
            If the policy chooses in a way of its own.
        """
        write_onnx(type(self).__name__, self.policy, path)  # type: ignore[arg-type]  # checked there

    def dump_logs(self) -> None:
        """Write the log; ``time/env_pct`` and its like say where the time of ``learn`` went."""
        for name, share in self._clock.shares().items():
            self.logger.record(f"time/{name}_pct", round(share, 1))
        for name, value in self.critic_bias().items():
            self.logger.record(f"train/{name}", value)
        super().dump_logs()

    def critic_bias(self) -> dict[str, float]:
        """Compare what the critic says of the last ``bias_episodes`` episodes with what they gave.

        Returns
        -------
        dict of str to float
            Means of Q and of Q less the discounted return, and the latter's standard deviation, as
            the log has them: ``q_mean``, ``q_bias``, ``q_bias_std``. Empty without episodes.
        """
        if self._episodes is None:
            return {}
        return self._episodes.bias(self.policy, self.gamma)

    def _begin_update(self) -> None:
        """Make policy and optimisers ready for an update."""
        self._clock.enter("update")
        rate = check_scheduled(
            type(self).__name__,
            "learning_rate",
            self.lr_schedule(self._current_progress_remaining),
        )
        self.logger.record("train/learning_rate", rate)
        for optimizer in (self.actor.optimizer, self.critic.optimizer):
            for group in optimizer.param_groups:
                group["lr"] = rate

    def _check_update(self, *told: np.ndarray) -> None:
        """Refuse an update whose losses are no numbers."""
        check_computed(type(self).__name__, *told)


def normalized(owner: str, policy: Any) -> Any:
    """Find the policy with layer norm that goes by a name.

    Parameters
    ----------
    owner : str
        Who speaks.
    policy : str or type
        What was asked for.

    Returns
    -------
    type
        Its class.

    Raises
    ------
    ValueError
        If it is a class of the user's own.
    """
    if policy not in NORMALIZED:
        raise OptionError(
            f"{owner}: layer_norm must be False with a policy class, got True with "
            f"{policy.__name__}. Build the norm into the class, or give a name."
        )
    return NORMALIZED[policy]


def check_actions(owner: str, space: spaces.Space) -> None:
    """Refuse actions that are not numbers within finite bounds.

    Parameters
    ----------
    owner : str
        Who speaks.
    space : Space
        Of the actions.

    Raises
    ------
    ValueError
        If it is no Box, or one without bounds.
    """
    if not isinstance(space, spaces.Box):
        raise OptionError(
            f"{owner}: action_space must be a Box, got {space}. The algorithm only supports "
            "continuous actions; PPO takes others."
        )
    if not np.isfinite([space.low, space.high]).all():
        raise OptionError(
            f"{owner}: action_space must have a finite lower and upper bound, got {space}. Wrap "
            "the environment in gymnasium.wrappers.RescaleAction, or give bounds."
        )
