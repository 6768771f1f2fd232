"""The parts of a loop, made from a network and the options of a trainer."""

from inspect import Parameter, signature
from numbers import Real
from typing import Any

import torch
from diffusers.training_utils import EMAModel as HostEMAModel

from genextras.training.ema import NARROWEST, WIDEST, EMAModel
from genextras.training.loop import Loop
from genextras.training.network import Network
from genextras.training.objective import Objective
from genextras.training.path import TrainingPath
from genextras.training.settings import Settings, can_fuse, check_model
from genextras.training.snapshots import follow
from genextras.validation import check_number, message

__all__ = ["assemble"]


def assemble(  # noqa: PLR0917 - the parts, in the order of Trainer's arguments
    model: Any,
    optimizer: torch.optim.Optimizer | None,
    ema: Any,
    objective: Objective,
    path: TrainingPath,
    settings: Settings,
    accelerator: Any,
) -> Loop:
    """Put a network on its device, wrap it, and give it an optimizer and an average.

    Parameters
    ----------
    model : Module
        The network.
    optimizer : Optimizer or None
        None for AdamW.
    ema : float, EMAModel or None
        The average, or its relative width.
    objective : Objective
        What is minimised.
    path : TrainingPath
        Of the scheduler.
    settings : Settings
        Options of the run.
    accelerator : Accelerator
        Knows device and processes.

    Returns
    -------
    Loop
        Ready for its first step.

    Raises
    ------
    TypeError
        If one of the parts is of the wrong kind.
    ValueError
        If one cannot do what the options say.
    """
    check_model(model, settings)
    if objective.matching == "sliced" and settings.compile is not False:
        allowed = "False with sliced matching"
        cure = "Torch differentiates what it compiles once, and that takes a second derivative."
        raise ValueError(message("Trainer", "compile", allowed, settings.compile, cure))
    if settings.gradient_checkpointing:
        model.enable_gradient_checkpointing()
    model.to(accelerator.device)
    layout = torch.channels_last if settings.channels_last else torch.preserve_format
    if settings.channels_last:
        model.to(memory_format=layout)
    model.train()
    if optimizer is None:
        rate, is_fused = settings.learning_rate, can_fuse(model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate, fused=is_fused)
    elif not isinstance(optimizer, torch.optim.Optimizer):
        cure = "Pass torch.optim.SGD(model.parameters(), lr=0.1), say."
        raise TypeError(message("Trainer", "optimizer", "an Optimizer", optimizer, cure))
    else:
        _check_weights(model, optimizer)
    return Loop(
        accelerator=accelerator,
        network=Network(settings.wrapped(model, accelerator), model),
        optimizer=optimizer,
        objective=objective,
        path=path,
        share=settings.share(accelerator),
        ema=_as_average(model, ema),
        seed=settings.seed,
        label_dropout=settings.label_dropout,
        max_grad_norm=settings.max_grad_norm,
        mixed_precision=settings.mixed_precision,
        memory_format=layout,
        profiles=follow(model) if settings.snapshot_every else [],
    )


def _check_weights(model: Any, optimizer: torch.optim.Optimizer) -> None:
    """Refuse an optimizer that moves something else, and would leave the model as it is."""
    known = {id(p) for p in model.parameters()}
    moved = [p for group in optimizer.param_groups for p in group["params"]]
    if not all(id(p) in known for p in moved):
        cure = "Construct it with the parameters of the model that the trainer is given."
        raise ValueError(message("Trainer", "optimizer", "over the model", "other weights", cure))
    closure = signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is Parameter.empty:
        allowed, cure = "one that needs no closure", "AdamW, Adam and SGD need none."
        got = type(optimizer).__name__
        raise TypeError(message("Trainer", "optimizer", allowed, got, cure))


def _check_average(model: Any, ema: HostEMAModel) -> None:
    """Refuse an average of other weights, which would be noticed after the first update."""
    if [each.shape for each in ema.shadow_params] != [each.shape for each in model.parameters()]:
        cure = "Construct it with model.parameters()."
        raise ValueError(message("Trainer", "ema", "of the model's weights", "others", cure))


def _as_average(model: Any, ema: Any) -> HostEMAModel | None:
    if isinstance(ema, HostEMAModel):
        _check_average(model, ema)
    if ema is None or isinstance(ema, HostEMAModel):
        return ema
    if isinstance(ema, Real) and not isinstance(ema, bool):
        cure = "0.1 is usual; pass EMAModel(model.parameters(), decay=...) for a decay."
        check_number("Trainer", "ema", ema, low=NARROWEST, high=WIDEST, cure=cure)
        return EMAModel(model.parameters(), sigma_rel=float(ema))
    cure = "0.1 is a usual width."
    raise TypeError(message("Trainer", "ema", "a number, an EMAModel or None", ema, cure))
