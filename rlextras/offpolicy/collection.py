"""The part of the shell that acts in the environments and fills the replay buffer."""

from typing import Any

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import RolloutReturn, TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.utils import should_collect_more_steps
from stable_baselines3.common.vec_env import VecEnv

from rlextras.host.bystanders import is_alone
from rlextras.host.callbacks import listens
from rlextras.host.environments import check_begun
from rlextras.host.guards import StepGuard, check_computed, check_finite, note_the_environment
from rlextras.host.phases import PhaseClock
from rlextras.host.resume import MIDWAY
from rlextras.host.stepping import step
from rlextras.offpolicy.bias import Episodes
from rlextras.offpolicy.compiled import CompiledPath
from rlextras.offpolicy.replay import end_trajectories, final_observations, write_step


class Collection(CompiledPath):
    """An off-policy algorithm that collects transitions; abstract."""

    _last_obs: Any  # (N, ...) or a dict of such; None before the first reset
    _last_original_obs: Any  # the same, before a VecNormalize changed it
    _clock: PhaseClock
    _guard: StepGuard  # of the environments of this learn
    _stand: dict[str, Any] | None = None  # where a file could be resumed from; None is here
    _episodes: Episodes | None = None  # those that the critic is compared with
    bias_episodes: int
    _is_under_way: bool = False  # whether learn runs
    _is_resumed: bool = False  # whether the next learn goes on where a file stood in another

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        before = self._last_obs
        done = super()._setup_learn(*args, **kwargs)
        if self._last_obs is not before and self.replay_buffer is not None:
            end_trajectories(self.replay_buffer)  # a reset cut off what was under way
        check_finite(type(self).__name__, "observation", self._last_obs)
        self._is_under_way, self._trusted = True, None
        self._is_alone = is_alone(self, done[1])
        n_kept, n_envs = self.bias_episodes, self.n_envs
        if n_kept and (self._episodes is None or self._last_obs is not before):
            self._episodes = Episodes(n_kept, n_envs)
        self._clock = PhaseClock()
        self._guard = StepGuard(type(self).__name__, self.env)  # type: ignore[arg-type]  # it is set
        return done

    def collect_rollouts(  # noqa: PLR0917  # the host's signature
        self,
        env: VecEnv,
        callback: BaseCallback,
        train_freq: TrainFreq,
        replay_buffer: ReplayBuffer,
        action_noise: ActionNoise | None = None,
        learning_starts: int = 0,
        log_interval: int | None = None,
    ) -> RolloutReturn:
        """Act in N environments until it is time for an update, and store the transitions.

        Parameters
        ----------
        env : VecEnv
            N environments.
        callback : BaseCallback
            Called after each step; it finds the host's names among its ``locals``, unless it is one
            of the host's that never look.
        train_freq : TrainFreq
            After how many steps or episodes there is an update.
        replay_buffer : ReplayBuffer
            Where transitions go.
        action_noise : ActionNoise, optional
            Added to the actions of the policy, which are scaled to [-1, 1].
        learning_starts : int, default=0
            Steps before which actions are drawn from their space.
        log_interval : int, optional
            Episodes between two logs.

        Returns
        -------
        RolloutReturn
            Transitions and episodes collected, and False if the callback stopped the training.

        Raises
        ------
        ValueError
            If the environment gave NaN, infinity or a wrong shape.
        """
        clock, num_collected_steps, num_collected_episodes = self._clock, 0, 0
        self._begin_collection(env, callback, train_freq)
        continue_training, is_heard = True, listens(callback)
        while should_collect_more_steps(train_freq, num_collected_steps, num_collected_episodes):
            clock.enter("policy")
            actions, buffer_actions = self._sample_action(
                learning_starts, action_noise, env.num_envs
            )
            clock.enter("env")
            new_obs, rewards, dones, infos = self._step(env, actions)
            clock.enter("callback")
            self.num_timesteps += env.num_envs
            num_collected_steps += 1
            if is_heard:
                callback.update_locals(locals())
            continue_training = bool(callback.on_step())
            clock.enter("rest")
            if not continue_training:
                break
            self._update_info_buffer(infos, dones)
            self._store_transition(replay_buffer, buffer_actions, new_obs, rewards, dones, infos)
            self._update_current_progress_remaining(self.num_timesteps, self._total_timesteps)
            self._on_step()
            if np.count_nonzero(dones):
                num_collected_episodes += int(np.sum(dones))
                self._end_episodes(dones, action_noise, log_interval)
        n_transitions = num_collected_steps * env.num_envs
        if continue_training:
            clock.enter("callback")
            callback.on_rollout_end()
            clock.enter("rest")
        return RolloutReturn(n_transitions, num_collected_episodes, continue_training)

    def _begin_collection(self, env: VecEnv, callback: BaseCallback, train_freq: TrainFreq) -> None:
        """Make policy and callback ready; refuse what cannot be counted."""
        if env.num_envs > 1 and train_freq.unit != TrainFrequencyUnit.STEP:
            raise AssertionError(
                f"{type(self).__name__}: train_freq must count steps with {env.num_envs} "
                "environments, got episodes: You must use only one env when doing episodic "
                "training."
            )
        if self.policy.training:
            self.policy.set_training_mode(False)  # batch norm and dropout
        self._clock.enter("callback")
        self._stand = None  # what the callback saves now is resumed from here
        callback.on_rollout_start()
        check_begun(type(self).__name__, self._last_obs)
        self._stand = MIDWAY
        self._clock.enter("rest")

    def _step(self, env: VecEnv, actions: np.ndarray) -> Any:
        """Observations, rewards, dones and infos of one step."""
        try:
            given = step(env, actions)
        except Exception as error:
            note_the_environment(type(self).__name__, self.num_timesteps, error)
            raise
        self._guard.check(given)
        return given

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """Actions (N, ...) as the environment takes them, and scaled to [-1, 1] as stored."""
        if self.num_timesteps < learning_starts:
            chosen = np.array([self.action_space.sample() for _ in range(n_envs)])
        else:
            is_ours = self._predicts_itself()
            actions = self._act(self._last_obs) if is_ours else None
            if actions is not None and action_noise is None:
                check_computed(type(self).__name__, actions[1])
                return actions[2], actions[1]
            if actions is not None:
                chosen = actions[0]
            else:  # by torch, or by whoever put another predict in the place of ours
                owner: Any = super(CompiledPath, self) if is_ours else self
                chosen, _ = owner.predict(self._last_obs)
        scaled = self.policy.scale_action(chosen)
        if action_noise is not None:
            scaled = np.minimum(np.maximum(scaled + action_noise(), -1), 1)
        check_computed(type(self).__name__, scaled)
        return self.policy.unscale_action(scaled), scaled

    def _store_transition(  # noqa: PLR0917  # the host's signature
        self,
        replay_buffer: ReplayBuffer,
        buffer_action: np.ndarray,
        new_obs: Any,
        reward: np.ndarray,
        dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Store what a step came to, as it was before a VecNormalize, and go on from there."""
        check_begun(type(self).__name__, self._last_obs)
        normalizer, new_obs_, reward_ = self._vec_normalize_env, new_obs, reward
        if normalizer is None:
            self._last_original_obs = self._last_obs
        else:
            new_obs_, reward_ = normalizer.get_original_obs(), normalizer.get_original_reward()
        next_obs = final_observations(new_obs_, dones, infos, normalizer)
        if next_obs is not new_obs_:
            check_finite(type(self).__name__, "terminal_observation", next_obs)
        transition = (self._last_original_obs, next_obs, buffer_action, reward_, dones, infos)
        write_step(replay_buffer, transition)
        if self._episodes is not None:
            self._episodes.note(self._last_obs, buffer_action, reward, dones, infos)
        self._last_obs = new_obs
        if normalizer is not None:
            self._last_original_obs = new_obs_

    def _end_episodes(
        self, dones: np.ndarray, action_noise: ActionNoise | None, log_interval: int | None
    ) -> None:
        """Count episodes, begin the noise anew, and log where it is time to."""
        for i in np.flatnonzero(dones).tolist():
            self._episode_num += 1
            if action_noise is not None:
                only: dict[str, Any] = {"indices": [i]} if len(dones) > 1 else {}
                action_noise.reset(**only)
            if log_interval is not None and self._episode_num % log_interval == 0:
                self.dump_logs()
