"""Checks of what an algorithm does with its environments."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.vec_env import VecNormalize

from rlextras.testing.probes import PLACES, Keeper
from rlextras.testing.subject import ACTION_SPACES, N_STEPS, Subject, expect, refuses

OBSERVATION_SPACES: Mapping[str, spaces.Space] = {
    "numbers": spaces.Box(-1, 1, (2, 3), np.float64),
    "a choice": spaces.Discrete(4),
    "choices": spaces.MultiDiscrete([2, 3]),
    "switches": spaces.MultiBinary(3),
    "an image": spaces.Box(0, 255, (36, 36, 3), np.uint8),
    "a dict": spaces.Dict({"place": PLACES, "room": spaces.Discrete(3)}),
}
POLICIES = {"an image": "CnnPolicy", "a dict": "MultiInputPolicy"}
FAR = spaces.Box(900, 1100, (2,))
CLIP_OBS = 10.0


def check_action_spaces(subject: Subject) -> None:
    """A space of actions is refused at once, or learned on with actions that lie in it.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    for name, space in ACTION_SPACES.items():
        if not subject.takes(space):
            continue
        env = subject.env(action_space=space)
        model = subject.make(env)
        model.learn(N_STEPS)
        refused = [action for each in env.get_attr("refused") for action in each]
        expect(not refused, f"{name}: {refused[:1]} does not lie in {space}")
        action, _ = model.predict(subject.places()[0])
        action = action if space.shape else np.int64(action)
        expect(space.contains(action), f"{name}: predict gave {action!r}, not in {space}")


def check_observation_spaces(subject: Subject) -> None:
    """Every space of observations that the host knows is learned on.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    for name, space in OBSERVATION_SPACES.items():
        policy = POLICIES.get(name, "MlpPolicy")
        if policy not in subject.algorithm.policy_aliases:
            continue
        env = subject.env(observation_space=space)
        model = subject.make(env, policy)
        model.learn(N_STEPS // 2)
        actions, _ = model.predict(model.get_env().reset())
        expect(len(actions) == env.num_envs, f"{name}: {len(actions)} actions from predict")


def check_truncation_is_not_termination(subject: Subject) -> None:
    """What follows a time limit counts, what follows the end of the task does not.

    In the buffer, every episode has one step: from observation 0 to observation 1, reward 1.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    for is_end in (False, True):
        env = subject.env(is_clock=True, **{"length" if is_end else "limit": 1})
        model, looked = subject.make(env, learning_rate=0.0), Look()
        model.learn(N_STEPS, callback=looked)
        if hasattr(model, "replay_buffer"):
            _check_replay(model.replay_buffer.sample(N_STEPS), is_end)
        elif getattr(model, "rollout_buffer", None) is not None:
            with torch.no_grad():
                value = model.policy.predict_values(torch.ones(1, 2)).item()
            expected = 1.0 if is_end else 1 + model.gamma * value
            wrong = [each for each in looked.returns if abs(each - expected) > 1e-4]  # float32
            how = "the task ended" if is_end else "a time limit struck"
            expect(looked.returns, "the rollout buffer holds no returns")
            expect(not wrong, f"where {how} a return is {wrong[:1]}, not {expected:.4f}")


def _check_replay(samples: Any, is_end: bool) -> None:
    """Look at transitions that an off-policy algorithm learns from."""
    dones, following = samples.dones.flatten().tolist(), samples.next_observations
    how = "ends of the task" if is_end else "time limits"
    expect(all(each == is_end for each in dones), f"{how} are learned from with done={dones[0]}")
    expect(
        bool((following == 1).all()),
        "after a final step, next_observations must be the final one, not that of the reset",
    )


def check_normalized_observations(subject: Subject) -> None:
    """With ``VecNormalize`` the policy sees normalised observations only, in training too.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    largest = [0.0]

    class _Recorder(FlattenExtractor):
        def forward(self, observations: torch.Tensor) -> torch.Tensor:
            largest[0] = max(largest[0], observations.abs().max().item())
            return super().forward(observations)

    env: Any = VecNormalize(subject.env(observation_space=FAR), clip_obs=CLIP_OBS)
    policy_kwargs = {"net_arch": [8], "features_extractor_class": _Recorder}
    model = subject.make(env, policy_kwargs=policy_kwargs)
    expect(model.get_vec_normalize_env() is env, "get_vec_normalize_env must return it")
    model.learn(N_STEPS)
    expect(
        0 < largest[0] <= CLIP_OBS,
        f"the policy must see at most {CLIP_OBS}, it saw {largest[0]:.0f}",
    )
    n_seen = round(env.obs_rms.count)
    n_first = n_seen - model.num_timesteps  # of the resets that the algorithm asked for
    expect(
        n_first > 0 and n_first % env.num_envs == 0,
        f"the normaliser counts {n_seen} observations of {model.num_timesteps} steps",
    )


def check_what_environments_gave_is_not_written(subject: Subject) -> None:
    """Observations, rewards and ends of episodes stay as the environment returned them.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    env = Keeper(subject.env(limit=3))
    subject.make(env).learn(N_STEPS)
    env.look()
    expect(not env.n_written, f"arrays of the environment were written into {env.n_written} times")


def check_environments_can_be_changed(subject: Subject) -> None:
    """``set_env`` takes an environment of the same spaces, and refuses others.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    model, env = subject.trained(), subject.env(limit=3)
    model.set_env(env)
    model.learn(N_STEPS)
    expect(all(env.get_attr("n_all_steps")), "after set_env, learn did not step that environment")
    other = subject.env(observation_space=spaces.Box(-1, 1, (5,)))
    expect(
        refuses(lambda: model.set_env(other)),
        "set_env must refuse an environment with other observations",
    )


class Look(BaseCallback):
    """Notes the returns in the rollout buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.returns: list[float] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer = getattr(self.model, "rollout_buffer", None)
        if buffer is not None:
            self.returns += np.ravel(buffer.returns).tolist()


CHECKS = (
    check_action_spaces,
    check_observation_spaces,
    check_truncation_is_not_termination,
    check_normalized_observations,
    check_what_environments_gave_is_not_written,
    check_environments_can_be_changed,
)
