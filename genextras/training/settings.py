"""Options of a trainer, checked at the door, and what accelerate makes of them."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch import nn

from genextras.training.compilation import can_compile
from genextras.training.loop import Share
from genextras.validation import (
    check_choice,
    check_flag,
    check_integer,
    check_number,
    message,
)

__all__ = ["Settings", "can_fuse", "check_model"]

OWNER = "Trainer"
WHOLE = {"batch_size": 1, "gradient_accumulation_steps": 1, "log_every": 1, "num_workers": 0}
WHOLE |= {"seed": 0}
FLAGS = ("gradient_checkpointing", "channels_last", "progress_bar")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Options of ``Trainer``, which documents them."""

    batch_size: int
    learning_rate: float
    lr_schedule: Callable[[int], float] | None
    max_grad_norm: float | None
    label_dropout: float
    seed: int
    gradient_accumulation_steps: int
    mixed_precision: str
    gradient_checkpointing: bool
    compile: bool | str
    channels_last: bool
    folder: Path | None
    save_every: int | None
    sample_every: int | None
    snapshot_every: int | None
    log_every: int
    log_with: str | None
    data_range: float | str | None
    num_workers: int
    progress_bar: bool

    def __post_init__(self) -> None:
        for name, low in WHOLE.items():
            check_integer(OWNER, name, getattr(self, name), low=low)
        for name in FLAGS:
            check_flag(OWNER, name, getattr(self, name))
        check_choice(OWNER, "mixed_precision", self.mixed_precision, ("no", "bf16"))
        rate, usual = self.learning_rate, "1e-3 is usual for small networks."
        check_number(OWNER, "learning_rate", rate, low=1e-12, high=1e3, cure=usual)
        check_number(
            OWNER, "label_dropout", self.label_dropout, low=0, high=1, cure="0.1 is usual."
        )
        if self.max_grad_norm is not None:
            norm = self.max_grad_norm
            check_number(OWNER, "max_grad_norm", norm, low=1e-12, high=inf, cure="1.0 is usual.")
        if self.lr_schedule is not None and not callable(self.lr_schedule):
            cure = "Pass a function of the number of the update."
            raise TypeError(message(OWNER, "lr_schedule", "callable", self.lr_schedule, cure))
        self._check_backend()
        self._check_range()
        self._check_folder()

    def _check_backend(self) -> None:
        if isinstance(self.compile, bool):
            return
        cure = "True takes torch's default backend."
        if not isinstance(self.compile, str):
            raise TypeError(message(OWNER, "compile", "a bool or a backend", self.compile, cure))
        known = torch.compiler.list_backends(exclude_tags=())
        if self.compile not in known:
            allowed = "one of torch's backends (" + ", ".join(known) + ")"
            raise ValueError(message(OWNER, "compile", allowed, self.compile, cure))

    def _check_range(self) -> None:
        wanted = self.data_range
        if wanted is None or wanted == "auto":
            return
        cure = "'auto' asks the scheduler, None takes any data."
        check_number(OWNER, "data_range", wanted, low=1e-12, high=inf, cure=cure)

    def _check_folder(self) -> None:
        if self.folder is not None and self.folder.exists() and not self.folder.is_dir():
            cure = "Name another one: checkpoints, pictures and logs go there."
            raise ValueError(message(OWNER, "folder", "a folder", str(self.folder), cure))
        for name in ("save_every", "sample_every", "snapshot_every", "log_with"):
            value = getattr(self, name)
            if value is None:
                continue
            if name != "log_with":
                check_integer(OWNER, name, value, low=1)
            if self.folder is None:
                cure = f"It is where {name} writes."
                raise ValueError(message(OWNER, "folder", f"given with {name}", None, cure))

    def limit(self, scheduler: Any) -> float | None:
        """Largest magnitude that data may have.

        Parameters
        ----------
        scheduler : DiffusionScheduler
            One that clips the predicted data could never sample larger ones.

        Returns
        -------
        float or None
            Infinity where only signs and spread are looked at, None where nothing is.
        """
        if self.data_range is None:
            return None
        if self.data_range != "auto":
            return float(self.data_range)
        bound = scheduler._bound()
        return bound if isinstance(bound, float) else inf

    # ------------------------------------------------------------ accelerate

    def make_accelerator(self) -> Any:
        """Accelerate's view of the devices and processes.

        Returns
        -------
        Accelerator
            With a tracker if one was asked for.

        Raises
        ------
        ModuleNotFoundError
            If accelerate is not installed.
        ValueError
            If it was launched with fp16, which needs scaled losses, or a tracker is not installed.
        """
        try:
            from accelerate import Accelerator
            from accelerate.tracking import get_available_trackers
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                'Trainer: accelerate is not installed. Run: pip install "mlextras[train]".',
                name=error.name,
            ) from error
        if self.log_with is not None:  # accelerate would log nothing, and say nothing
            known = [each.value for each in get_available_trackers()]
            if self.log_with not in known:
                allowed = f"a tracker that is installed ({', '.join(known) or 'none'})"
                cure = "Run: pip install tensorboard, say."
                raise ValueError(message(OWNER, "log_with", allowed, self.log_with, cure))
        folder = None if self.folder is None else str(self.folder)
        accelerator = Accelerator(log_with=self.log_with, project_dir=folder)
        if accelerator.mixed_precision not in ("no", "bf16"):
            got, cure = accelerator.mixed_precision, "Launch with --mixed_precision bf16 or no."
            raise ValueError(message(OWNER, "mixed_precision", "'no' or 'bf16'", got, cure))
        return accelerator

    def share(self, accelerator: Any) -> Share:
        """This process's part of a batch.

        Parameters
        ----------
        accelerator : Accelerator
            Knows the processes.

        Returns
        -------
        Share
            Of ``batch_size`` examples.

        Raises
        ------
        ValueError
            If they cannot be parted evenly.
        """
        n, pieces = accelerator.num_processes, self.gradient_accumulation_steps
        if self.batch_size % (n * pieces):
            parts = f"{n} processes x {pieces} gradient_accumulation_steps"
            cure = f"Take {max(self.batch_size // (n * pieces), 1) * n * pieces}."
            allowed = f"a multiple of {parts}"
            raise ValueError(message(OWNER, "batch_size", allowed, self.batch_size, cure))
        return Share(self.batch_size, n, accelerator.process_index, pieces)

    def wrapped(self, model: nn.Module, accelerator: Any) -> Any:
        """The network as it is called: compiled if asked for, and exchanged between processes.

        Parameters
        ----------
        model : Module
            Plain.
        accelerator : Accelerator
            Knows the processes.

        Returns
        -------
        Module
            It shares the weights of ``model``.
        """
        called: Any = model
        backend = self.compile if isinstance(self.compile, str) else "inductor"
        is_told = accelerator.is_local_main_process
        if self.compile and (
            backend != "inductor" or can_compile(accelerator.device, is_told=is_told)
        ):
            called = torch.compile(model, backend=backend)
        return accelerator.prepare_model(called)


def can_fuse(model: nn.Module) -> bool:
    """Whether one call can update all weights.

    Parameters
    ----------
    model : Module
        The network.

    Returns
    -------
    bool
        True on CPUs and GPUs for floating weights.
    """
    known = ("cpu", "cuda")
    return all(p.is_floating_point() and p.device.type in known for p in model.parameters())


def check_model(model: object, settings: Settings) -> None:
    """Refuse what cannot be trained as the options say.

    Parameters
    ----------
    model : object
        What was given as the network.
    settings : Settings
        The options.

    Raises
    ------
    TypeError
        If it is no network.
    ValueError
        If it has nothing to train, weights of low precision, or no checkpointing.
    """
    if not isinstance(model, nn.Module):
        cure = "Pass a UNet2DModel, say."
        raise TypeError(message(OWNER, "model", "a torch Module", model, cure))
    if not any(p.requires_grad for p in model.parameters()):
        cure = "Call model.requires_grad_()."
        raise ValueError(message(OWNER, "model", "one with weights to train", "none", cure))
    others = {p.dtype for p in model.parameters()} - {torch.float32}
    if others:
        cure = "Call model.float(); mixed_precision='bf16' computes in less."
        got = ", ".join(sorted(map(str, others)))
        raise ValueError(message(OWNER, "weights of the model", "torch.float32", got, cure))
    if settings.gradient_checkpointing and not hasattr(model, "enable_gradient_checkpointing"):
        name, cure = type(model).__name__, "Leave gradient_checkpointing out."
        allowed = "one with enable_gradient_checkpointing"
        raise ValueError(message(OWNER, "model", allowed, name, cure))
