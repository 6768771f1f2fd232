"""The life cycle of algorithms that compare episodes of a group: collect whole episodes."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, ClassVar

import numpy as np
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv

from rlextras.grouped.episodes import NOBODY, Cast, Episodes, Logbook
from rlextras.grouped.snapshots import snapshot_of
from rlextras.grouped.starts import RandomStarts, SameStarts, Starts
from rlextras.grouped.wrappers import Outcome, group_wrappers
from rlextras.host.guards import check_finite
from rlextras.host.stepping import can_rest, step
from rlextras.onpolicy import OnPolicy
from rlextras.onpolicy.actor import (
    ActorCnnPolicy,
    ActorMultiInputPolicy,
    ActorPolicy,
    CriticFree,
)
from rlextras.onpolicy.network import SharedNetwork
from rlextras.onpolicy.options import DEFAULTS
from rlextras.sequences import CausalTransformerPolicy, HuggingFacePolicy, SequencePolicy
from rlextras.validation import OptionError

ABSENT = (
    *("gae_lambda", "normalize_advantage", "use_sde", "sde_sample_freq", "use_masks"),
    *("rollout_buffer_class", "rollout_buffer_kwargs"),
)
"""Shared options that need a critic, or one step at a time."""


class Grouped(OnPolicy):
    """Shell of the algorithms that compare episodes of a group; abstract: a member adds ``train``.

    It takes what the shell of on-policy algorithms takes. Rollouts consist of whole episodes, so
    that its members have no ``n_steps``.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": ActorPolicy,
        "CnnPolicy": ActorCnnPolicy,
        "MultiInputPolicy": ActorMultiInputPolicy,
        "CausalTransformerPolicy": CausalTransformerPolicy,
        "HuggingFacePolicy": HuggingFacePolicy,
    }
    shared: ClassVar[Mapping[str, Any]] = {
        name: value for name, value in DEFAULTS.items() if name not in ABSENT
    }

    group_size: int
    n_groups: int
    start: str
    snapshot: Any
    common_noise: bool
    max_episode_steps: int
    _episodes: Episodes | None = None  # of the last rollout
    _starts: Starts | None = None

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        policy = self.policy_class(
            self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs
        )
        if not isinstance(policy, CriticFree):
            raise OptionError(
                f"{type(self).__name__}: policy must have no critic, got a "
                f"{type(policy).__name__}. Derive it from rlextras.onpolicy.actor.CriticFree."
            )
        self.policy = policy.to(self.device)
        self.rollout_buffer = None  # type: ignore[assignment]  # rollouts are of no fixed size
        self._maybe_recommend_cpu("ActorPolicy")

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        self._starts = None  # options may have changed, and environments
        return super()._setup_learn(*args, **kwargs)

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        super()._update_current_progress_remaining(num_timesteps, total_timesteps)
        left = self._current_progress_remaining
        self._current_progress_remaining = max(0.0, left)  # the last episodes are finished

    def _obstacle(self) -> str:
        policy = self.policy
        if isinstance(policy, SequencePolicy):
            return policy.obstacle(any_size=self._requested_backend == "numba")
        return super()._obstacle()

    def _network(self) -> SharedNetwork | None:
        policy = self.policy
        if isinstance(policy, SequencePolicy):
            policy.run_by_kernels(self.backend.name == "numba")
            return None  # the policy asks its kernels itself
        return super()._network()

    def _predictor(self, observation: Any) -> Any:
        if isinstance(self.policy, SequencePolicy):
            self._network()
            return None  # the host predicts, by the policy
        return super()._predictor(observation)

    def _find_masks(self, *, is_reset: bool = False) -> None:
        """Masks are not known here."""

    def _excluded_save_params(self) -> list[str]:
        own = ["_episodes", "_starts", "rollout_buffer"]
        return [*super()._excluded_save_params(), *own]

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Play all episodes of all groups.

        Parameters
        ----------
        env : VecEnv
            N environments.
        callback : BaseCallback
            Called after each step; it finds the host's names among its ``locals``.
        rollout_buffer : RolloutBuffer
            Not used.
        n_rollout_steps : int
            Not used: episodes are played to their ends.

        Returns
        -------
        bool
            False if the callback stopped the rollout.

        Raises
        ------
        ValueError
            If the environment gave NaN, infinity or a wrong shape, or cannot be put into the same
            state twice.
        """
        self._begin_rollout(env, callback, None)
        network, starts, logbook = self._network(), self._starts_of_groups(), Logbook()
        self._clock.enter("env")
        drawn = starts.draw(env, self.n_groups)
        cast = Cast(
            self.n_groups * self.group_size,
            env.num_envs,
            max_episode_steps=self.max_episode_steps,
            refills=starts.refills,
        )
        n_played = 0
        with getattr(self.policy, "remembering", nullcontext)():
            while not cast.is_over:
                self._clock.enter("env")
                self._last_obs = self._asked(starts.begin, env, cast.begin())
                self._last_episode_starts = np.ones(env.num_envs, bool)
                while cast.is_playing:
                    if not self._play(env, callback, (network, cast, logbook, n_played)):
                        return False
                    n_played += 1
        self._clock.enter("rest")
        self._episodes = self._judged(env, drawn, logbook.episodes(cast.truncated), cast.succeeded)
        callback.update_locals(locals())
        self._clock.enter("callback")
        callback.on_rollout_end()
        self._clock.enter("rest")
        return True

    def _judged(
        self, env: VecEnv, starts: np.ndarray, episodes: Episodes, succeeded: np.ndarray
    ) -> Episodes:
        """Episodes with what wrappers reward them for beyond."""
        last = episodes.starts + episodes.lengths - 1
        for wrapper in group_wrappers(env):
            outcome = Outcome(
                starts=starts,
                group_size=self.group_size,
                returns=episodes.returns,
                lengths=episodes.lengths,
                succeeded=succeeded,
            )
            bonus = np.asarray(wrapper.judge(outcome), np.float64)
            check_finite(type(self).__name__, "reward", bonus)
            episodes.rewards[last] += bonus
        return episodes

    def _play(self, env: VecEnv, callback: BaseCallback, stage: tuple[Any, ...]) -> bool:
        """Take one step in all environments; False if the callback wants to stop."""
        network, cast, logbook, n_played = stage
        clock = self._clock
        clock.enter("policy")
        actions, _, log_probs = self._act(n_played, env.num_envs, network)
        taken_actions = self._within_bounds(actions)
        clock.enter("env")
        new_obs, rewards, dones, infos = self._step_of(env, taken_actions, cast.playing)
        clock.enter("callback")

        if self._is_heard:
            callback.update_locals(locals())
        goes_on = callback.on_step()
        clock.enter("rest")
        if goes_on:
            playing = cast.playing
            if np.count_nonzero(dones):
                # What those play on who wait for the others counts for nothing.
                heard = [info for info, who in zip(infos, playing, strict=True) if who != NOBODY]
                self._update_info_buffer(heard, dones[playing != NOBODY])
            logbook.note(playing, (self._last_obs, actions, log_probs, rewards))
            cast.advance(dones, infos)
        self._last_obs, self._last_episode_starts = new_obs, dones
        return bool(goes_on)

    def _step_of(self, env: VecEnv, actions: np.ndarray, playing: np.ndarray) -> Any:
        """What a step gives; environments that nobody plays in rest where they can."""
        is_playing = playing != NOBODY
        if not can_rest(env) or is_playing.all():
            given, n_steps = self._step(env, actions), env.num_envs
        else:
            given, n_steps = self._asked(step, env, actions, is_playing), is_playing.sum()
            self._guard.check(given)
        self.num_timesteps += int(n_steps)
        return given

    def _starts_of_groups(self) -> Starts:
        """How the episodes of a group begin."""
        if self._starts is None:
            self._starts = (
                RandomStarts()
                if self.start == "random"
                else SameStarts(
                    type(self).__name__,
                    group_size=self.group_size,
                    has_common_noise=self.common_noise,
                    snapshot=snapshot_of(self.snapshot),
                )
            )
        return self._starts
