"""Who hears of the steps of a rollout."""

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
