"""Averages of two widths, kept on the disk during a run, from which others are made after it."""

from pathlib import Path

import torch

from genextras.training import checkpoint
from genextras.training.ema import EMAModel, Snapshot, blend
from genextras.validation import message

__all__ = ["WIDTHS", "follow", "forget_snapshots", "from_snapshots", "read_snapshots", "write"]

WIDTHS = (0.05, 0.1)  # of the averages that are followed (arXiv:2312.02696, section 3.2)
PATTERN = "snapshot-*.pt"


def follow(model: torch.nn.Module) -> list[EMAModel]:
    """Averages of the weights to keep.

    Parameters
    ----------
    model : Module
        The network, on its device.

    Returns
    -------
    list of EMAModel
        One of each of ``WIDTHS``.
    """
    return [EMAModel(model.parameters(), sigma_rel=width) for width in WIDTHS]


def write(folder: Path, step: int, averages: list[EMAModel]) -> None:
    """Keep averages as they stand.

    Parameters
    ----------
    folder : Path
        Of the run.
    step : int
        Updates so far.
    averages : list of EMAModel
        From ``follow``.

    Raises
    ------
    OSError
        If they cannot be written; no part of them is left.
    """
    weights = [[each.cpu() for each in average.shadow_params] for average in averages]
    state = {"step": step, "widths": list(WIDTHS), "weights": weights}
    checkpoint.save(folder / PATTERN.replace("*", f"{step:07d}"), state)


def forget_snapshots(folder: Path) -> None:
    """Remove what an older run kept, which would be blended with that of a new one.

    Parameters
    ----------
    folder : Path
        Of the run.
    """
    for path in folder.glob(PATTERN):
        path.unlink()


def read_snapshots(folder: str | Path) -> list[Snapshot]:
    """What a run with ``snapshot_every`` kept, for ``blend``; files are read when they are used.

    Parameters
    ----------
    folder : str or Path
        Of the run.

    Returns
    -------
    list of Snapshot
        Two for each file, in the order of steps.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If a file is damaged, or of another program.

    Examples
    --------
    >>> import tempfile
    >>> from genextras import FlowMatchScheduler
    >>> from genextras.denoisers import MLPDenoiser
    >>> from genextras.training import Trainer, blend
    >>> folder, model = tempfile.TemporaryDirectory(), MLPDenoiser(2, hidden_size=8)
    >>> options = {"folder": folder.name, "snapshot_every": 2, "progress_bar": False}
    >>> _ = Trainer(model, FlowMatchScheduler(), **options).fit(torch.randn(99, 2), n_steps=4)
    >>> kept = read_snapshots(folder.name)
    >>> [(each.step, each.sigma_rel) for each in kept]
    [(2, 0.05), (2, 0.1), (4, 0.05), (4, 0.1)]
    >>> len(blend(kept, sigma_rel=0.08)) == len(list(model.parameters()))
    True
    >>> folder.cleanup()
    """
    kept = []
    for path in sorted(Path(folder).glob(PATTERN)):
        state = checkpoint.load(path, mmap=True)
        for width, weights in zip(state["widths"], state["weights"], strict=True):
            kept.append(Snapshot(state["step"], width, weights))
    if not kept:
        cure = "Train with snapshot_every and this folder."
        raise FileNotFoundError(
            message("Trainer", "folder", "one with snapshots", str(folder), cure)
        )
    return kept


def from_snapshots(folder: Path | None, model: torch.nn.Module, sigma_rel: float) -> EMAModel:
    """The average of another width, for this network.

    Parameters
    ----------
    folder : Path or None
        Of the run.
    model : Module
        The network.
    sigma_rel : float
        The wanted width.

    Returns
    -------
    EMAModel
        To copy from.

    Raises
    ------
    FileNotFoundError
        If there is no snapshot.
    ValueError
        If there is no folder, or the snapshots are of another network.
    """
    if folder is None:
        cure = "It is where snapshots are."
        raise ValueError(message("Trainer", "folder", "given for weights of a width", None, cure))
    kept = read_snapshots(folder)
    sizes = [tuple(each.shape) for each in model.parameters()]
    if sizes != [tuple(each.shape) for each in kept[0].weights]:
        cure = "Take the folder of this network's run."
        raise ValueError(message("Trainer", "folder", "one of this network", str(folder), cure))
    return EMAModel(torch.nn.Parameter(each) for each in blend(kept, sigma_rel=sigma_rel))
