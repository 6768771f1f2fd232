"""Options that on-policy algorithms share: their kinds, defaults and rules."""

from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer

from rlextras.host.options import FLAG, KEYWORDS, RULES
from rlextras.validation import Rule, number, optional, whole


class OnPolicyOptions(TypedDict, total=False):
    """Options that every on-policy algorithm takes, in the host's words and with its meanings."""

    gamma: float
    gae_lambda: float
    normalize_advantage: bool
    use_sde: bool
    sde_sample_freq: int
    rollout_buffer_class: type[RolloutBuffer] | None
    rollout_buffer_kwargs: dict[str, Any] | None
    stats_window_size: int
    tensorboard_log: str | None
    policy_kwargs: dict[str, Any] | None
    verbose: int
    seed: int | None
    device: torch.device | str
    backend: str
    use_masks: bool | str
    _init_setup_model: bool


DEFAULTS: OnPolicyOptions = {
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "normalize_advantage": True,
    "use_sde": False,
    "sde_sample_freq": -1,
    "rollout_buffer_class": None,
    "rollout_buffer_kwargs": None,
    "stats_window_size": 100,
    "tensorboard_log": None,
    "policy_kwargs": None,
    "verbose": 0,
    "seed": None,
    "device": "auto",
    "backend": "auto",
    "use_masks": False,
    "_init_setup_model": True,
}

HOST_OPTIONS = (
    *("learning_rate", "n_steps", "gamma", "gae_lambda", "ent_coef", "vf_coef", "max_grad_norm"),
    *("use_sde", "sde_sample_freq", "rollout_buffer_class", "rollout_buffer_kwargs"),
    *("stats_window_size", "tensorboard_log", "policy_kwargs", "verbose", "device", "seed"),
)
UNUSED: dict[str, Any] = {
    "ent_coef": 0.0,
    "vf_coef": 0.0,
    "max_grad_norm": 0.0,
    "n_steps": 1,
    "gae_lambda": 1.0,
    "use_sde": False,
    "sde_sample_freq": -1,
}
"""What the host's constructor demands, for algorithms that have no such options."""
ACTION_SPACES = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)

_BUFFER_CLASS = Rule(
    kind="a RolloutBuffer class",
    is_kind=callable,  # functools.partial of one included
    allowed="a RolloutBuffer class",
    is_allowed=callable,
    cure="None lets the observation space choose.",
)

COMMON_RULES: Mapping[str, Rule] = {
    **RULES,
    "n_steps": whole(1, cure="Typical is 2048 divided by the number of environments."),
    "gae_lambda": number("in [0, 1]", lambda x: 0 <= x <= 1, cure="Typical is 0.95."),
    "ent_coef": number("0 or more", lambda x: x >= 0, cure="Typical is 0 to 0.01."),
    "vf_coef": number("0 or more", lambda x: x >= 0, cure="Typical is 0.5."),
    "max_grad_norm": number(
        "above 0", lambda x: x > 0, cure="Typical is 0.5; inf clips nothing.", allow_infinity=True
    ),
    "normalize_advantage": FLAG,
    "use_sde": FLAG,
    "sde_sample_freq": whole(-1, cure="-1 samples once per rollout."),
    "rollout_buffer_class": optional(_BUFFER_CLASS),
    "rollout_buffer_kwargs": KEYWORDS,
    "use_masks": Rule(
        kind="True, False or 'auto'",
        is_kind=lambda value: isinstance(value, bool | np.bool_ | str),
        allowed="True, False or 'auto'",
        is_allowed=lambda value: not isinstance(value, str) or value == "auto",
        cure="'auto' takes masks where the environment has some.",
    ),
}
"""Rules of the options that several algorithms share."""
