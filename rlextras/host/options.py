"""Rules of options that every algorithm shares, in the host's words and with its meanings."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from rlextras.host.backend import NAMES
from rlextras.validation import Rule, number, of_kind, optional, schedule, whole

FLAG = of_kind("True or False", (bool, np.bool_), cure="Give a bool.")
KEYWORDS = optional(of_kind("a dict", dict, cure="Give a dict of keyword arguments."))


def _is_device(value: Any) -> bool:
    try:
        torch.device(value)
    except RuntimeError:
        return False
    return True


RULES: Mapping[str, Rule] = {
    "learning_rate": schedule(number("0 or more", lambda x: x >= 0, cure="Typical is 3e-4.")),
    "batch_size": whole(1, cure="Typical is 64."),
    "gamma": number("in [0, 1]", lambda x: 0 <= x <= 1, cure="Typical is 0.99."),
    "stats_window_size": whole(1, cure="Typical is 100."),
    "tensorboard_log": optional(
        of_kind("a path", (str, os.PathLike), cure="Give the path of a folder.")
    ),
    "policy_kwargs": KEYWORDS,
    "verbose": of_kind("an int", (int, np.integer), cure="0 is silent, 1 informs, 2 debugs."),
    "device": Rule(
        kind="a str or a torch.device",
        is_kind=lambda value: isinstance(value, str | torch.device),
        allowed="'auto' or a device of torch",
        is_allowed=lambda value: value == "auto" or _is_device(value),
        cure="'auto' takes CUDA where there is one.",
    ),
    "backend": Rule(
        kind="a str",
        is_kind=lambda value: isinstance(value, str),
        allowed="'auto', 'torch' or 'numba'",
        is_allowed=lambda value: value in NAMES,
        cure="'auto' takes the kernels where they know the policy.",
    ),
    "seed": optional(whole(0, maximum=2**32 - 1, cure="None seeds nothing.")),
}
"""Rules of the options that all algorithms share."""
