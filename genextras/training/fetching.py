"""Items of a dataset as batches, in this process or by others that read ahead."""

import random
import signal
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from genextras.training.randomness import seeded
from genextras.validation import message

__all__ = ["CLASSES", "DATA", "as_tensor", "collated", "fetched", "parted"]

DATA = ("x", "images", "image", "img", "pixel_values")  # what dicts may call x_0
CLASSES = ("class_labels", "labels", "label")


def parted(item: Any) -> tuple[Any, Any]:
    """Data and class of an item as a dataset gives it.

    Parameters
    ----------
    item : Tensor, array, sequence or mapping
        x, (x, class), or a mapping with one name of ``DATA`` and maybe one of ``CLASSES``.

    Returns
    -------
    x, label : object
        The latter may be None.

    Raises
    ------
    ValueError
        If a mapping has no such name.

    Examples
    --------
    >>> parted({"image": 0.5, "label": 3, "file": "a.png"})
    (0.5, 3)
    """
    if isinstance(item, Mapping):
        name = next((name for name in DATA if name in item), None)
        if name is None:
            allowed, cure = "dicts with one of " + ", ".join(DATA), "Rename the column of x_0."
            got = ", ".join(map(str, item))
            raise ValueError(message("Trainer", "items of the dataset", allowed, got, cure))
        return item[name], next((item[name] for name in CLASSES if name in item), None)
    is_pair = isinstance(item, Sequence) and not isinstance(item, str)
    if is_pair and not isinstance(item[0], Real):  # else a row of numbers
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def as_tensor(x: Any) -> Tensor:
    """Numbers as a Tensor, without a copy where they are in one or in an array.

    Parameters
    ----------
    x : Tensor, array or sequence
        Numbers.

    Returns
    -------
    Tensor
        Without a graph.

    Raises
    ------
    TypeError
        If they are no numbers.
    """
    try:
        if isinstance(x, Tensor):
            return x.detach()
        if hasattr(x, "__array__") or hasattr(x, "__array_interface__"):  # tables, images
            array = np.asarray(x)
            x = array if array.flags.writeable else array.copy()
        return torch.as_tensor(x)
    except (TypeError, ValueError, RuntimeError) as error:
        got, cure = type(x).__name__, "Pass (N, ...) numbers, or a dataset of Tensors."
        raise TypeError(message("Trainer", "data", "a Tensor or a dataset", got, cure)) from error


def collated(items: Sequence[Any]) -> tuple[Tensor, Tensor | None]:
    """A batch of items.

    Parameters
    ----------
    items : sequence
        As the dataset gives them.

    Returns
    -------
    x, classes : Tensor of shape (B, ...), Tensor of shape (B,) or None
        What else items hold is left out.
    """
    parts = [parted(each) for each in items]
    x = default_collate([as_tensor(each) for each, _ in parts])  # into shared memory, in a worker
    labels = [label for _, label in parts]
    return x, None if labels[0] is None else default_collate(labels)


class Fetch:
    """A dataset asked for (number of a batch, its rows), in a process of its own.

    What the dataset draws is decided by seed, number and first row, so that it is the same in a
    resumed run, and differs between processes that train.

    Parameters
    ----------
    dataset : Dataset
        Map-style.
    seed : int
        Of the run.
    """

    def __init__(self, dataset: Any, seed: int) -> None:
        self.dataset, self.seed = dataset, seed

    def __getitems__(self, asked: tuple[int, list[int]]) -> list[Any]:
        number, rows = asked
        start = seeded(torch.device("cpu"), self.seed, 5, number, rows[0]).initial_seed()
        torch.manual_seed(start)
        random.seed(start)
        np.random.seed(start % 2**32)  # noqa: NPY002 - what datasets may draw from
        return items_of(self.dataset, rows)


def items_of(dataset: Any, rows: list[int]) -> list[Any]:
    """Some items, at once where the dataset can.

    Parameters
    ----------
    dataset : Dataset
        Map-style.
    rows : list of int
        Their numbers.

    Returns
    -------
    list
        One for each row.
    """
    if hasattr(dataset, "__getitems__"):
        return list(dataset.__getitems__(rows))
    return [dataset[i] for i in rows]


def fetched(
    dataset: Any,
    lists: Iterator[list[int]],
    *,
    n_workers: int,
    is_pinned: bool,
    seed: int,
    first: int,
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Batches of a dataset.

    Parameters
    ----------
    dataset : Dataset
        Map-style.
    lists : iterator of list of int
        Rows of each batch.
    n_workers : int
        Processes that read ahead; 0 for none.
    is_pinned : bool
        Whether their batches lie in memory that a GPU copies from.
    seed, first : int
        What a dataset draws in those processes is decided by the seed and the number of the batch,
        which starts there.

    Returns
    -------
    iterator of (Tensor, Tensor or None)
        x and classes.
    """
    if not n_workers:
        return (collated(items_of(dataset, rows)) for rows in lists)
    return iter(
        DataLoader(
            Fetch(dataset, seed),  # type: ignore[arg-type]  # asked for whole batches alone
            batch_sampler=enumerate(lists, first),  # type: ignore[arg-type]
            collate_fn=collated,
            num_workers=n_workers,
            pin_memory=is_pinned,
            generator=torch.Generator(),  # the global one is left alone
            worker_init_fn=_leave_interrupts,
        )
    )


def _leave_interrupts(worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; the trainer stops after an update, with data."""
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
