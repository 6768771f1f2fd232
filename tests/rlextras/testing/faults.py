"""Algorithms with one fault each, and the check that must find it."""

import numpy as np
import stable_baselines3
import torch


class Swallows(stable_baselines3.PPO):
    """Takes any option."""

    def __init__(self, policy, env, *, learning_rate=3e-4, gamma=0.99, seed=None, **options):
        own = {"n_steps": 16, "batch_size": 16, "n_epochs": 2, "_init_setup_model": True}
        own = {name: options.get(name, value) for name, value in own.items()}
        kwargs = {"policy_kwargs": options.get("policy_kwargs")}
        own |= kwargs | {"learning_rate": learning_rate, "gamma": gamma, "seed": seed}
        super().__init__(policy, env, device="cpu", **own)


class Forgets(stable_baselines3.DQN):
    """Has a discount of its own."""

    def _setup_model(self):
        super()._setup_model()
        self.gamma = 0.95


class Falls(stable_baselines3.A2C):
    """Falls back on another policy."""

    def _get_policy_from_name(self, policy_name):
        return self.policy_aliases.get(policy_name, self.policy_aliases["MlpPolicy"])


class WritesOptions(stable_baselines3.PPO):
    """Writes into the options it was handed."""

    def __init__(self, *args, policy_kwargs=None, **options):
        policy_kwargs = {} if policy_kwargs is None else policy_kwargs
        policy_kwargs["ortho_init"] = False
        super().__init__(*args, policy_kwargs=policy_kwargs, **options)


class Flat(stable_baselines3.PPO):
    """Gives a batch of one where one was asked."""

    def predict(self, observation, *args, **kwargs):
        actions, state = super().predict(observation, *args, **kwargs)
        return (actions[None] if np.ndim(observation) == 1 else actions), state


class Wavers(stable_baselines3.PPO):
    """Always samples."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return super().predict(observation, state, episode_start, deterministic=False)


class WritesObservations(stable_baselines3.SAC):
    """Centres observations in place."""

    def predict(self, observation, *args, **kwargs):
        observation -= 0.1
        return super().predict(observation, *args, **kwargs)


class StaysInTraining(stable_baselines3.PPO):
    """Leaves dropout on when it predicts."""

    def predict(self, *args, **kwargs):
        answer = super().predict(*args, **kwargs)
        self.policy.set_training_mode(True)
        return answer


class Unseeded(stable_baselines3.PPO):
    """Ignores the seed."""

    def set_random_seed(self, seed=None):
        super().set_random_seed(None)


class OneSeed(stable_baselines3.DQN):
    """Has a seed of its own."""

    def set_random_seed(self, seed=None):
        super().set_random_seed(1)


class Idle(stable_baselines3.PPO):
    """Learns nothing."""

    def train(self):
        self._n_updates += self.n_epochs
        self.logger.record("train/n_updates", self._n_updates)


class Explodes(stable_baselines3.DQN):
    """Lets a parameter become NaN."""

    def train(self, *args, **kwargs):
        super().train(*args, **kwargs)
        with torch.no_grad():
            next(self.policy.parameters())[0] = torch.nan


class Silent(stable_baselines3.PPO):
    """Returns nothing from learn."""

    def learn(self, *args, **kwargs):
        super().learn(*args, **kwargs)


class CountsTwice(stable_baselines3.PPO):
    """Counts the steps of a rollout again."""

    def train(self):
        super().train()
        self.num_timesteps += self.n_steps


class Deaf(stable_baselines3.PPO):
    """Goes on when a callback asks to stop."""

    def _init_callback(self, callback, progress_bar=False):
        callback = super()._init_callback(callback, progress_bar)
        on_step = callback.on_step
        callback.on_step = lambda: on_step() or True
        return callback


class NeverEnds(stable_baselines3.DQN):
    """Does not tell callbacks that the training ends."""

    def _init_callback(self, callback, progress_bar=False):
        callback = super()._init_callback(callback, progress_bar)
        callback.on_training_end = lambda: None
        return callback


class SwallowsInterrupts(stable_baselines3.PPO):
    """Hides Ctrl-C from its caller."""

    def learn(self, *args, **kwargs):
        try:
            return super().learn(*args, **kwargs)
        except KeyboardInterrupt:
            return self


class ConstantRate(stable_baselines3.SAC):
    """Never follows its learning rate's schedule."""

    def _update_learning_rate(self, optimizers):
        self.logger.record("train/learning_rate", 1e-3)


class Unlogged(stable_baselines3.PPO):
    """Logs nothing of episodes."""

    def _update_info_buffer(self, infos, dones=None):
        pass


class MisreadsEpisodes(stable_baselines3.DQN):
    """Logs returns that are not those of the episodes."""

    def _update_info_buffer(self, infos, dones=None):
        super()._update_info_buffer(infos, dones)
        for episode in self.ep_info_buffer:
            episode["r"] = 7.0


class LosesMoments(stable_baselines3.PPO):
    """Saves no optimiser."""

    def _get_torch_save_params(self):
        return ["policy"], []


class LosesWeights(stable_baselines3.PPO):
    """Saves no policy."""

    def set_parameters(self, load_path_or_dict, exact_match=True, device="auto"):
        pass


class LosesCount(stable_baselines3.DQN):
    """Starts to count anew in each file."""

    def _excluded_save_params(self):
        return [*super()._excluded_save_params(), "num_timesteps"]


class TruncationEnds(stable_baselines3.PPO):
    """Takes a time limit for the end of the task."""

    def _update_info_buffer(self, infos, dones=None):
        super()._update_info_buffer(infos, dones)
        for info in infos:
            info["TimeLimit.truncated"] = False


class EndTruncates(stable_baselines3.A2C):
    """Takes the end of the task for a time limit."""

    def _update_info_buffer(self, infos, dones=None):
        super()._update_info_buffer(infos, dones)
        for info in infos:
            info["TimeLimit.truncated"] = "terminal_observation" in info


class ReplayTruncationEnds(stable_baselines3.DQN):
    """Takes a time limit for the end of the task, in its replay buffer."""

    def _store_transition(self, replay_buffer, *args):
        replay_buffer.handle_timeout_termination = False
        super()._store_transition(replay_buffer, *args)


class ReplayFromReset(stable_baselines3.DQN):
    """Learns that an episode goes on where the next one starts."""

    def _store_transition(self, replay_buffer, buffer_action, new_obs, reward, dones, infos):
        for info in infos:
            info.pop("terminal_observation", None)
        super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones * 0, infos)
        self._last_obs = new_obs


class IgnoresNormalizer(stable_baselines3.DQN):
    """Replays raw observations."""

    def train(self, *args, **kwargs):
        normalizer, self._vec_normalize_env = self._vec_normalize_env, None
        super().train(*args, **kwargs)
        self._vec_normalize_env = normalizer


class WritesRewards(stable_baselines3.DQN):
    """Scales rewards in place."""

    def _store_transition(self, replay_buffer, buffer_action, new_obs, reward, dones, infos):
        reward *= 0.1
        super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)


class LeavesBounds(stable_baselines3.DDPG):
    """Acts outside the space of actions."""

    def _sample_action(self, *args):
        action, stored = super()._sample_action(*args)
        return action * 0 + 100, stored


class TakesAnything(stable_baselines3.PPO):
    """Lets an environment of other observations be set."""

    def set_env(self, env, force_reset=True):
        self.env = env


class OnlyNumbers(stable_baselines3.PPO):
    """Breaks on observations that are no vectors of numbers."""

    def train(self):
        if self.observation_space.shape != (2,) and self.observation_space.dtype != np.float32:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
        super().train()


FAULTS = {
    Swallows: "check_unknown_options_are_refused",
    Forgets: "check_options_are_kept",
    Falls: "check_unknown_policies_are_refused",
    WritesOptions: "check_options_handed_in_are_not_written",
    stable_baselines3.PPO: "check_impossible_options_are_refused",
    Flat: "check_predict_shapes",
    Wavers: "check_predict_is_deterministic",
    WritesObservations: "check_predict_changes_nothing",
    StaysInTraining: "check_predict_changes_nothing",
    Unseeded: "check_same_seed_gives_the_same_model",
    OneSeed: "check_other_seed_gives_another_model",
    Idle: "check_learning_changes_parameters",
    Explodes: "check_learning_changes_parameters",
    Silent: "check_learn_counts_steps",
    CountsTwice: "check_callbacks_are_called",
    Deaf: "check_callbacks_stop_training",
    NeverEnds: "check_callbacks_are_called",
    SwallowsInterrupts: "check_interrupted_models_stay_usable",
    ConstantRate: "check_learning_rate_schedules",
    Unlogged: "check_logger_keys",
    MisreadsEpisodes: "check_logger_keys",
    LosesMoments: "check_loaded_models_keep_their_optimizers",
    LosesWeights: "check_loaded_models_act_the_same",
    LosesCount: "check_loaded_models_keep_their_options",
    TruncationEnds: "check_truncation_is_not_termination",
    EndTruncates: "check_truncation_is_not_termination",
    ReplayTruncationEnds: "check_truncation_is_not_termination",
    ReplayFromReset: "check_truncation_is_not_termination",
    IgnoresNormalizer: "check_normalized_observations",
    WritesRewards: "check_what_environments_gave_is_not_written",
    LeavesBounds: "check_action_spaces",
    TakesAnything: "check_environments_can_be_changed",
    OnlyNumbers: "check_observation_spaces",
}
