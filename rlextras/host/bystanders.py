"""Whose code runs between the steps of a training."""

from collections.abc import Iterator
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from rlextras.host.callbacks import listens

KNOWN = frozenset({"gymnasium", "rlextras", "sb3_contrib", "stable_baselines3"})
"""Packages whose environments, noise, buffers, schedules and logs leave a model alone."""
_TYPES = frozenset({"builtins", "numpy"})  # of numbers
_PARTS = ("env", "action_noise", "replay_buffer", "rollout_buffer", "lr_schedule", "_logger")
_INNER = ("venv", "env", "envs", "base_noise", "noises", "value_schedule", "output_formats")


def is_alone(model: Any, callback: BaseCallback) -> bool:
    """Whether no code but ours and the host's runs between the steps of a training.

    Then nothing that the kernels work on can be replaced, and one look at it will do. A user's
    environment, wrapper, noise, buffer or schedule may hold the model and change it at any time.

    Parameters
    ----------
    model : BaseAlgorithm
        That trains.
    callback : BaseCallback
        What ``learn`` was given, as the host wraps it.

    Returns
    -------
    bool
        False for callbacks that listen, for derived classes, where a method was replaced, and for
        parts that neither the host nor Gymnasium made.
    """
    kind = type(model)
    has_own_methods = any(callable(getattr(kind, name, None)) for name in vars(model))
    parts = (getattr(model, name, None) for name in _PARTS)
    return (
        _is_from(kind, {"rlextras"})
        and not has_own_methods
        and not listens(callback)
        and all(map(_is_known, parts))
    )


def _is_known(part: Any) -> bool:
    """Whether a part, what it calls, and the parts inside of it are of known packages."""
    return part is None or (_is_from(part, KNOWN) and all(map(_is_known, _inside(part))))


def _inside(part: Any) -> Iterator[Any]:
    """Parts of a part that may run."""
    for name, value in getattr(part, "__dict__", {}).items():
        if name in _INNER:
            yield from value if isinstance(value, list | tuple) else [value]
        elif callable(value) and not _is_from(value, KNOWN | _TYPES):
            yield value


def _is_from(thing: Any, packages: Any) -> bool:
    """Whether a class, a function or an object was made by one of some packages."""
    return str(getattr(thing, "__module__", None)).partition(".")[0] in packages
