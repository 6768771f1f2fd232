"""The Stable-Baselines3 life cycle of on-policy algorithms: collect, advantages, update.

A member (``ppo.py``) states its own options and its ``train``. All else stands here: options and
their checks, the rollout, bootstraps, advantages, and what the host expects around them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, Unpack

import numpy as np
from stable_baselines3.common.policies import (
    ActorCriticCnnPolicy,
    ActorCriticPolicy,
    BasePolicy,
    MultiInputActorCriticPolicy,
)
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.vec_env import VecEnv

from rlextras.host.environments import check_env, for_host
from rlextras.host.guards import check_computed
from rlextras.host.phases import PhaseClock
from rlextras.onpolicy.export import write_onnx
from rlextras.onpolicy.files import Filed
from rlextras.onpolicy.masking import masked, minibatches
from rlextras.onpolicy.masks import checked_masks, mask_rows
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
    check_known,
    check_minibatches,
    check_options,
    check_policy,
    check_scheduled,
    unshared,
)


class OnPolicy(Filed):
    """Shell of the on-policy algorithms; abstract: a member adds ``train``.

    Parameters
    ----------
    policy : str or type of ActorCriticPolicy
        A name from ``policy_aliases``, or a class.
    env : VecEnv, gymnasium.Env, gymnasium.vector.VectorEnv, EnvPool, str or None
        Where to learn; a string is the id of a registered environment, None is for loading.
    learning_rate : float or callable
        Of the optimiser; a callable maps the progress remaining, 1 to 0, to it.
    batch_size : int
        Steps in a minibatch.
    own : mapping of str to object
        The member's own options, checked and kept as attributes under their names; "n_steps" is T,
        the steps per environment between two updates, of those that collect so.
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
    shared: ClassVar[Mapping[str, Any]] = DEFAULTS  # of the shared options, those that it has
    normalizes_by_minibatch: ClassVar[bool] = True  # or over the whole rollout

    batch_size: int
    normalize_advantage: bool

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: GymEnv | str | None,
        *,
        learning_rate: float | Schedule,
        batch_size: int,
        own: Mapping[str, Any],
        **common: Unpack[OnPolicyOptions],
    ) -> None:
        named = {"learning_rate": learning_rate, "batch_size": batch_size}
        options: dict[str, Any] = {**named, **own, **self.shared, **common}
        owner = type(self).__name__
        check_known(owner, common, known=[*named, *own, *self.shared])
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
        self._clock = PhaseClock()
        self._find_masks()
        if "n_steps" in own:
            check_minibatches(
                owner,
                self.batch_size,
                None if env is None else self.n_steps * self.n_envs,
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
            self._stand, self._is_alone = None, False

    @staticmethod
    def _wrap_env(env: Any, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
        return Filed._wrap_env(for_host(env), verbose, monitor_wrapper)

    def set_env(self, env: Any, force_reset: bool = True) -> None:
        """Learn in other environments from here on.

        Parameters
        ----------
        env : VecEnv, gymnasium.Env, gymnasium.vector.VectorEnv or EnvPool
            As many as before, with the same spaces.
        force_reset : bool, default=True
            Whether they are reset before training goes on.
        """
        super().set_env(env, force_reset)
        if force_reset:
            self._masks = None
        self._find_masks()

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
        action_masks: Any = None,
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
        action_masks : array_like of bool, shape (M,) or (n, M), optional
            What may be chosen, for each observation; None allows everything.

        Returns
        -------
        action : ndarray
            One action, or several.
        state : tuple of ndarray or None
            The state given.
        """
        if action_masks is None:
            return super().predict(observation, state, episode_start, deterministic)
        rows = mask_rows(action_masks)
        masks = checked_masks(type(self).__name__, rows, self.action_space)
        with masked(self.policy, masks):
            return self.policy.predict(observation, state, episode_start, deterministic)

    def export_onnx(self, path: str | Path) -> None:
        """Write what ``predict(..., deterministic=True)`` computes as an ONNX file.

        Its inputs are batches of observations as the policy's space has them, images with channels
        first: one named "observation", or one for each key of a Dict. Its output is "action",
        within the bounds of the space. What they are divided by or made one-hot with is part of it.

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
        write_onnx(type(self).__name__, self.policy, path)

    def dump_logs(self, iteration: int = 0) -> None:
        """Write the log; ``time/env_pct`` and its like say where the time of this ``learn`` went.

        Parameters
        ----------
        iteration : int, default=0
            Rollouts so far.
        """
        for name, share in self._clock.shares().items():
            self.logger.record(f"time/{name}_pct", round(share, 1))
        super().dump_logs(iteration)

    def _minibatches(self, batch_size: int | None) -> Iterator[tuple[Any, np.ndarray | None]]:
        """Pass over the rollout: minibatches, and the masks of their steps."""
        return minibatches(self.rollout_buffer, batch_size, self._rollout_masks)

    def _begin_update(self) -> None:
        """Make policy and optimiser ready for an update."""
        self._clock.enter("update")
        self._stand = None
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)

    def _check_update(self, *told: np.ndarray) -> None:
        """Refuse an update whose losses are no numbers."""
        check_computed(type(self).__name__, *told)

    def _scheduled(self, name: str) -> float:
        """Value, at this point of the training, of an option that may be a schedule."""
        value = getattr(self, name)(self._current_progress_remaining)
        return check_scheduled(type(self).__name__, name, value)
