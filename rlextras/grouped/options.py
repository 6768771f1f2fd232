"""Options of algorithms that compare episodes of a group: their rules."""

from collections.abc import Collection, Mapping
from numbers import Integral
from typing import Any

import numpy as np

from rlextras.onpolicy.options import COMMON_RULES
from rlextras.validation import Rule, number, of_kind, optional, schedule, whole

SNAPSHOTS = ("seed", "deepcopy", "mujoco")


def choice(names: Collection[str], *, cure: str) -> Rule:
    """Rule of an option that is one of some words.

    Parameters
    ----------
    names : collection of str
        The words.
    cure : str
        What to do.

    Returns
    -------
    Rule
        The rule.
    """
    allowed = ", ".join(map(repr, names))
    return Rule(
        kind=f"one of {allowed}",
        is_kind=lambda value: isinstance(value, str),
        allowed=f"one of {allowed}",
        is_allowed=lambda value: value in names,
        cure=cure,
    )


def _is_update(value: Any) -> bool:
    """Whether a number says how a reference follows."""
    if isinstance(value, Integral):
        return bool(value >= 1)  # type: ignore[operator]
    return bool(0 < value < 1)


_CLIP = schedule(number("in (0, 1)", lambda x: 0 < x < 1, cure="Typical is 0.2."))
_FLAG = of_kind("True or False", (bool, np.bool_), cure="Give a bool.")
_SNAPSHOT = choice(SNAPSHOTS, cure="'seed' is right where reset(seed=...) decides all.")

GROUP_RULES: Mapping[str, Rule] = {
    **COMMON_RULES,
    "group_size": whole(2, cure="One episode alone has nothing to be compared with. Typical is 8."),
    "n_groups": whole(1, cure="Typical is 4."),
    "n_epochs": whole(1, cure="Typical is 1 to 10."),
    "start": choice(("same", "random"), cure="'same' is GRPO's, and needs resets by seed."),
    "snapshot": Rule(
        kind=f"{_SNAPSHOT.kind}, or a function",
        is_kind=lambda value: isinstance(value, str) or callable(value),
        allowed=f"{_SNAPSHOT.allowed}, or a function",
        is_allowed=lambda value: callable(value) or value in SNAPSHOTS,
        cure=_SNAPSHOT.cure,
    ),
    "common_noise": _FLAG,
    "max_episode_steps": whole(1, cure="Longer episodes are truncated there."),
    "advantage": choice(
        ("outcome", "return_to_go", "process"), cure="'outcome' is one number an episode."
    ),
    "scale": choice(("group", "batch", "none"), cure="'none' is that of Dr. GRPO."),
    "average": choice(("step", "episode"), cure="'episode' is GRPO's, 'step' that of DAPO."),
    "objective": choice(
        ("clipped", "mirror_descent"), cure="'clipped' is GRPO's, the other one that of Kimi k1.5."
    ),
    "clip_range": _CLIP,
    "clip_range_high": optional(
        schedule(number("above 0", lambda x: x > 0, cure="None takes clip_range; DAPO takes 0.28."))
    ),
    "importance": choice(("token", "sequence"), cure="'sequence' is that of GSPO."),
    "tau": number("above 0", lambda x: x > 0, cure="In reward units; typical is 0.1 to 1."),
    "baseline": choice(("mean", "soft"), cure="'soft' is the one with an exact fixed point."),
    "beta": number("0 or more", lambda x: x >= 0, cure="0 is no penalty; GRPO's paper takes 0.04."),
    "kl_estimator": choice(("k1", "k2", "k3"), cure="'k3' is GRPO's."),
    "reference_update": Rule(
        kind="None, an int, or a number in (0, 1)",
        is_kind=lambda value: (
            value is None
            or (isinstance(value, int | float | np.number) and not isinstance(value, bool))
        ),
        allowed="None, an int of 1 or more, or a number in (0, 1)",
        is_allowed=lambda value: value is None or _is_update(value),
        cure="None keeps the first policy, n takes every n-th, a share follows by moving average.",
    ),
    "mask_truncated": _FLAG,
    "reset_optimizer": _FLAG,
    "n_replayed": whole(0, cure="0 learns from the last rollout alone."),
}
"""Rules of the options of such an algorithm."""
