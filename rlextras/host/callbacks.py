"""Who hears of the steps of a rollout."""

from typing import Any

from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    ConvertCallback,
    ProgressBarCallback,
)


def listens(callback: BaseCallback) -> bool:
    """Whether a callback may read the ``locals`` of a step.

    To put the host's names together takes a tenth of a step; mostly nobody reads them.

    Parameters
    ----------
    callback : BaseCallback
        What ``learn`` was given, as the host wraps it.

    Returns
    -------
    bool
        False for those of the host that never do, and for lists of nothing else.
    """
    if type(callback) is ConvertCallback:
        return callback.callback is not None
    if type(callback) is CallbackList:
        return any(listens(each) for each in callback.callbacks)
    return type(callback) not in {ProgressBarCallback, CheckpointCallback}


def is_alone(model: Any, callback: BaseCallback) -> bool:
    """Whether no code but ours runs between the steps of a training.

    Then nothing that the kernels work on can be replaced, and one look at it will do.

    Parameters
    ----------
    model : BaseAlgorithm
        That trains.
    callback : BaseCallback
        What ``learn`` was given, as the host wraps it.

    Returns
    -------
    bool
        False for callbacks that listen, for derived classes, and where a method was replaced.
    """
    kind = type(model)
    has_own_methods = any(callable(getattr(kind, name, None)) for name in vars(model))
    is_ours = kind.__module__.startswith(f"{__name__.partition('.')[0]}.")
    return is_ours and not has_own_methods and not listens(callback)
