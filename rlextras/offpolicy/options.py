"""Options that off-policy algorithms share: their kinds, defaults and rules."""

from collections.abc import Mapping
from typing import Any, TypedDict

import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import TrainFreq

from rlextras.host.options import FLAG, KEYWORDS, RULES
from rlextras.validation import Rule, number, of_kind, optional, whole


class OffPolicyOptions(TypedDict, total=False):
    """Options that every off-policy algorithm takes, in the host's words and with its meanings."""

    tau: float
    gamma: float
    train_freq: int | tuple[int, str]
    gradient_steps: int
    action_noise: ActionNoise | None
    replay_buffer_class: type[ReplayBuffer] | None
    replay_buffer_kwargs: dict[str, Any] | None
    optimize_memory_usage: bool
    n_steps: int
    stats_window_size: int
    tensorboard_log: str | None
    policy_kwargs: dict[str, Any] | None
    verbose: int
    seed: int | None
    device: torch.device | str
    backend: str
    prioritized: bool
    layer_norm: bool
    bias_episodes: int
    _init_setup_model: bool


DEFAULTS: OffPolicyOptions = {
    "tau": 0.005,
    "gamma": 0.99,
    "train_freq": 1,
    "gradient_steps": 1,
    "action_noise": None,
    "replay_buffer_class": None,
    "replay_buffer_kwargs": None,
    "optimize_memory_usage": False,
    "n_steps": 1,
    "stats_window_size": 100,
    "tensorboard_log": None,
    "policy_kwargs": None,
    "verbose": 0,
    "seed": None,
    "device": "auto",
    "backend": "auto",
    "prioritized": False,
    "layer_norm": False,
    "bias_episodes": 0,
    "_init_setup_model": True,
}

HOST_OPTIONS = (
    *("learning_rate", "buffer_size", "learning_starts", "batch_size", "tau", "gamma"),
    *("train_freq", "gradient_steps", "action_noise", "replay_buffer_class"),
    *("replay_buffer_kwargs", "optimize_memory_usage", "n_steps", "policy_kwargs"),
    *("stats_window_size", "tensorboard_log", "verbose", "device", "seed"),
)
ACTION_SPACES = (spaces.Box,)


def _is_frequency(value: Any) -> bool:
    """Whether a value says after how many steps or episodes there is an update."""
    if isinstance(value, tuple) and not isinstance(value, TrainFreq):
        is_pair = len(value) == 2 and value[1] in {"step", "episode"}
        return is_pair and _is_frequency(value[0])
    return isinstance(value, TrainFreq) or value >= 1


_BUFFER_CLASS = Rule(
    kind="a ReplayBuffer class",
    is_kind=lambda value: isinstance(value, type) and issubclass(value, ReplayBuffer),
    allowed="a ReplayBuffer class",
    is_allowed=lambda _: True,
    cure="None lets the observation space choose.",
)

COMMON_RULES: Mapping[str, Rule] = {
    **RULES,
    "buffer_size": whole(1, cure="Typical is 1_000_000."),
    "learning_starts": whole(0, cure="Typical is 100 to 10_000."),
    "tau": number("in [0, 1]", lambda x: 0 <= x <= 1, cure="Typical is 0.005."),
    "train_freq": Rule(
        kind="an int or a pair of an int and 'step' or 'episode'",
        is_kind=lambda value: (
            isinstance(value, tuple | TrainFreq)
            or (isinstance(value, int) and not isinstance(value, bool))
        ),
        allowed="1 or more, with the unit 'step' or 'episode' in a pair",
        is_allowed=_is_frequency,
        cure="Typical is 1 or (1, 'episode').",
    ),
    "gradient_steps": whole(-1, cure="-1 does as many as there were steps."),
    "action_noise": optional(
        of_kind("an ActionNoise", ActionNoise, cure="Typical is NormalActionNoise.")
    ),
    "replay_buffer_class": optional(_BUFFER_CLASS),
    "replay_buffer_kwargs": KEYWORDS,
    "optimize_memory_usage": FLAG,
    "n_steps": whole(1, cure="1 is the usual target; typical beyond it is 3."),
    "prioritized": FLAG,
    "layer_norm": FLAG,
    "bias_episodes": whole(0, cure="0 measures no bias; 4 are enough to see one."),
}
"""Rules of the options that several algorithms share."""
