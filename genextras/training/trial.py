"""One question to the network before training, so that what does not fit is told at once."""

from typing import Any

import torch
from torch import Tensor

from genextras.training.data import Examples
from genextras.training.network import Network, null_class
from genextras.training.path import TrainingPath
from genextras.training.pictures import can_draw
from genextras.training.settings import Settings
from genextras.validation import message

__all__ = ["try_model"]

OWNER = "Trainer"


@torch.no_grad()
def try_model(
    model: Any, path: TrainingPath, examples: Examples, settings: Settings
) -> tuple[int, ...]:
    """Ask for one prediction, and compare data, classes and options with the network.

    Parameters
    ----------
    model : Module
        The network; it is as before afterwards.
    path : TrainingPath
        Of its scheduler.
    examples : TensorData or StoredData
        The data.
    settings : Settings
        Options of the run.

    Returns
    -------
    tuple of int
        Shape of one sample.

    Raises
    ------
    ValueError
        If something does not fit.
    """
    rows = iter([torch.zeros(1, dtype=torch.int64)])
    x, classes = next(iter(examples.batches(rows)))
    shape = tuple(x.shape[1:])
    if settings.sample_every and not can_draw(shape):
        cure = "Leave sample_every out, and draw trainer.sample(n) yourself."
        allowed = "images of 1 or 3 channels, or points in the plane, with sample_every"
        raise ValueError(message(OWNER, "data", allowed, shape, cure))
    null = null_class(model)
    if classes is not None:
        if null is None:
            got, cure = (
                type(model).__name__,
                "Leave classes out of the data, or set num_class_embeds.",
            )
            raise ValueError(message(OWNER, "model", "one with classes", got, cure))
        known = getattr(examples, "classes", None)
        _check_classes(classes if known is None else known, null, settings.label_dropout)
    elif null is not None:
        got, cure = type(model).__name__, "Pass classes, or construct it without num_class_embeds."
        raise ValueError(message(OWNER, "model", "one without classes, as the data", got, cure))
    _check_output(model, path, x, classes)
    return shape


def _check_classes(classes: Tensor, null: int, rate: float) -> None:
    top = null - 1 if rate > 0 else null
    low, high = int(classes.min()), int(classes.max())
    if low < 0 or high > top:
        cure = "The network's last class stands for none; raise num_class_embeds"
        cure += ", or set label_dropout=0." if rate > 0 and high == null else "."
        raise ValueError(message(OWNER, "classes", f"from 0 to {top}", (low, high), cure))


def _check_output(model: Any, path: TrainingPath, x: Tensor, classes: Tensor | None) -> None:
    label = path.labels_at(torch.tensor([0.5], dtype=torch.float64)).to(x.device)
    label = label.long() if path.is_whole else label.float()
    was_training = model.training
    model.eval()
    try:
        output = Network(model)(x, label, classes)
    finally:
        model.train(was_training)
    n_channels = x.shape[1] * (2 if path.learns_variance else 1)
    wanted = (len(x), n_channels, *x.shape[2:])
    if not isinstance(output, Tensor) or tuple(output.shape) != wanted:
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        cure = "It is the data's, with twice the channels for a learned variance."
        raise ValueError(message(OWNER, "output of the model", f"of shape {wanted}", got, cure))
