"""Checkpoints that are whole or not there: written beside the old one, then renamed onto it."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import torch

from genextras.validation import message

__all__ = ["FORMAT", "check_same", "claim", "described", "load", "save", "write_whole"]

FORMAT = 1  # of the file


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file under another name, force it to the disk, and rename it.

    Parameters
    ----------
    path : Path
        The file.
    write : callable
        Writes to the path that it is given.

    Raises
    ------
    OSError
        If that fails, a full disk included; the old file is as it was, and no part of the new one
        is left.
    """
    partial = path.with_name(f".{path.name}.partial")  # what a killed run left is written over
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch.save turns a full disk into a RuntimeError
        with suppress(OSError):
            partial.unlink()
        state = "The old one is kept" if path.exists() else "There is no older one"
        raise OSError(
            f"Trainer: {path} could not be written ({error}). {state}. Free space and resume."
        ) from error
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def claim(folder: Path) -> None:
    """Make a folder before any work, so that a run does not end where it cannot write.

    Parameters
    ----------
    folder : Path
        Where checkpoints will go.

    Raises
    ------
    OSError
        If it cannot be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"Trainer: folder must be one to write in, got {str(folder)!r} ({error}). Name another."
        ) from error


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint.

    Parameters
    ----------
    path : Path
        The file.
    state : dict
        Tensors and plain values.

    Raises
    ------
    OSError
        If it cannot be written; the old one is kept.
    """
    write_whole(path, lambda partial: _dump({"format": FORMAT, **state}, partial))


def _dump(state: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:  # by its own writer torch would not say what failed
        torch.save(state, file)


def load(path: Path, *, mmap: bool = False) -> dict[str, Any]:
    """Read a checkpoint, on the CPU.

    Parameters
    ----------
    path : Path
        The file.
    mmap : bool, default=False
        Whether tensors are read when they are used.

    Returns
    -------
    dict
        What was saved.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If the file is no checkpoint of this version.
    """
    if not path.exists():
        cure = "Train with this folder first, or leave resume out."
        raise FileNotFoundError(
            message("Trainer", "folder", "one with a checkpoint", str(path), cure)
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:  # unpickling has many
        cure = "It is damaged or of another program."
        raise ValueError(message("Trainer", "checkpoint", "readable", str(path), cure)) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        cure = "It was written by another version."
        raise ValueError(message("Trainer", "checkpoint", f"of format {FORMAT}", str(path), cure))
    return state


def described(scheduler: Any) -> str:
    """What a scheduler was constructed with, in one line.

    Parameters
    ----------
    scheduler : SchedulerMixin
        Any.

    Returns
    -------
    str
        As if it were code.
    """
    known = sorted((k, v) for k, v in scheduler.config.items() if not k.startswith("_"))
    return f"{type(scheduler).__name__}({', '.join(f'{k}={v!r}' for k, v in known)})"


def check_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Refuse to go on from another run.

    Parameters
    ----------
    found, wanted : dict
        What identifies the saved run and this one.

    Raises
    ------
    ValueError
        If they differ.
    """
    for name, value in wanted.items():
        saved = found.get(name)
        if saved != value:
            cure = "Resume with the options and data of that run."
            raise ValueError(message("Trainer", name, f"{saved!r}, as saved", value, cure))
