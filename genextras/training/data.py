"""Data of a run: checked at the door, read in an order that a seed and the step decide.

The order has no state, so that a resumed run reads on where the unbroken one would, and each of
several processes takes its share of the same batch.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from numbers import Real
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from genextras.training.fetching import as_tensor, fetched, parted
from genextras.training.pipeline import sample_shape
from genextras.validation import message

__all__ = ["Batch", "Examples", "StoredData", "TensorData", "as_examples", "batch_rows"]

Batch = tuple[Tensor, Tensor | None]  # x_0 of shape (B, ...), classes of shape (B,)
LOOKED_AT = 16  # items of a dataset, before training
WIDE = 20.0  # data whose std is beyond this or below its inverse need another scale


def batch_rows(step: int, *, n_rows: int, batch_size: int, seed: int) -> Tensor:
    """Rows of the batch of a step: each epoch is a permutation of its own, and batches span them.

    Parameters
    ----------
    step : int
        From 0 on.
    n_rows : int
        Number of examples.
    batch_size : int
        Over all processes.
    seed : int
        Of the order.

    Returns
    -------
    LongTensor of shape (batch_size,)
        Rows.

    Examples
    --------
    >>> rows = [batch_rows(step, n_rows=4, batch_size=2, seed=0) for step in range(2)]
    >>> sorted(torch.cat(rows).tolist())
    [0, 1, 2, 3]
    """
    start, stop = step * batch_size, (step + 1) * batch_size
    parts = []
    for epoch in range(start // n_rows, (stop - 1) // n_rows + 1):
        order = _order(epoch, n_rows, seed)
        low, high = max(start - epoch * n_rows, 0), min(stop - epoch * n_rows, n_rows)
        parts.append(order[low:high])
    return torch.cat(parts)


_LATEST: dict[tuple[int, int, int], Tensor] = {}  # the last two epochs' orders


def _order(epoch: int, n_rows: int, seed: int) -> Tensor:
    key = (epoch, n_rows, seed)
    if key not in _LATEST:
        generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
        while len(_LATEST) > 1:
            _LATEST.pop(next(iter(_LATEST)))
        _LATEST[key] = torch.randperm(n_rows, generator=generator)
    return _LATEST[key]


class TensorData:
    """Examples in memory, on the device of the network from the start.

    Parameters
    ----------
    x : Tensor of shape (N, ...)
        Data.
    classes : LongTensor of shape (N,) or None
        Labels.
    device : torch.device
        Where they are kept.
    """

    def __init__(self, x: Tensor, classes: Tensor | None, device: torch.device) -> None:
        self.x = x.to(device, torch.float32)
        self.classes = None if classes is None else classes.to(device)

    def __len__(self) -> int:
        return len(self.x)

    def batches(self, rows: Iterator[Tensor], *, seed: int = 0, first: int = 0) -> Iterator[Batch]:
        """Examples of given rows.

        Parameters
        ----------
        rows : iterator of LongTensor of shape (B,)
            One for each batch.
        seed, first : int, default=0
            Not read: nothing is drawn.

        Yields
        ------
        x, classes : Tensor of shape (B, ...), LongTensor of shape (B,) or None
            Copies.
        """
        del seed, first
        for each in rows:
            chosen = each.to(self.x.device, non_blocking=True)
            classes = None if self.classes is None else self.classes[chosen]
            yield self.x.index_select(0, chosen), classes


class StoredData:
    """Examples of a map-style dataset, fetched in this process or by others ahead of time.

    Parameters
    ----------
    dataset : Dataset
        Its items are x, (x, class), or dicts with names of ``DATA`` and ``CLASSES``.
    classes : LongTensor of shape (n,) or None
        Labels of the items that were looked at.
    device : torch.device
        Where batches are sent.
    n_workers : int
        Processes that fetch; 0 for none.
    """

    def __init__(
        self, dataset: Any, classes: Tensor | None, device: torch.device, n_workers: int
    ) -> None:
        self.dataset, self.classes = dataset, classes
        self.device, self.n_workers = device, n_workers

    def __len__(self) -> int:
        return len(self.dataset)

    def batches(self, rows: Iterator[Tensor], *, seed: int = 0, first: int = 0) -> Iterator[Batch]:
        """Examples of given rows.

        Parameters
        ----------
        rows : iterator of LongTensor of shape (B,)
            One for each batch.
        seed : int, default=0
            Of what a dataset draws in other processes.
        first : int, default=0
            Number of the first batch, which with the seed decides those draws.

        Yields
        ------
        x, classes : Tensor of shape (B, ...), LongTensor of shape (B,) or None
            Of these rows.
        """
        lists = (each.tolist() for each in rows)
        for x, classes in fetched(
            self.dataset,
            lists,
            n_workers=self.n_workers,
            is_pinned=self.device.type == "cuda",
            seed=seed,
            first=first,
        ):
            if classes is not None:
                classes = classes.to(self.device, torch.int64, non_blocking=True)
            yield x.to(self.device, torch.float32, non_blocking=True), classes


Examples = TensorData | StoredData


def as_examples(
    data: Any,
    classes: Any,
    model: Any,
    *,
    device: torch.device,
    limit: float | None,
    n_workers: int,
) -> Examples:
    """Check data and make them readable by rows.

    Parameters
    ----------
    data : Tensor of shape (N, ...), array, or Dataset
        x_0; of a dataset some items are looked at.
    classes : LongTensor of shape (N,), array, or None
        Labels of data in memory.
    model : Module
        Its config may know the shape of a sample.
    device : torch.device
        Where batches are needed.
    limit : float or None
        Largest allowed magnitude; None for any.
    n_workers : int
        Processes that fetch items of a dataset.

    Returns
    -------
    TensorData or StoredData
        The examples.

    Raises
    ------
    TypeError
        If data are of the wrong kind.
    ValueError
        If they are of the wrong shape or range.
    """
    _check_kind(data)
    if not hasattr(data, "__array__") and not _is_nested(data):
        if not len(data):
            _refuse("not empty", "no example", "Check the path of the dataset.")
        x, labels = _some(data)
        check_data(x, model, limit=limit)
        if classes is not None:
            cure = "Let the dataset's items be (x, class)."
            _refuse("a Tensor where classes are given", type(data).__name__, cure, TypeError)
        _check_labels(labels, (len(x),))
        return StoredData(data, labels, device, n_workers)
    x = as_tensor(data)
    check_data(x, model, limit=limit)
    labels = None if classes is None else as_tensor(classes)
    _check_labels(labels, (len(x),))
    return TensorData(x, None if labels is None else labels.long(), device)


def _check_kind(data: Any) -> None:
    """Refuse what has no items by number, which an order that resumes needs."""
    kind, allowed = type(data).__name__, "a Tensor or a dataset"
    if isinstance(data, DataLoader):
        cure = "Pass its dataset; batches and their order are the trainer's."
        _refuse(allowed, kind, cure, TypeError)
    if isinstance(data, Mapping):
        names = ", ".join(map(repr, list(data)[:5]))
        _refuse(allowed, f"{kind} of {names}", "Pass one of its parts.", TypeError)
    has_items = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    if isinstance(data, IterableDataset) or (isinstance(data, Iterable) and not has_items):
        cure = "Items are asked for by number, so that a run can resume: pass list(data), say."
        _refuse(allowed, kind, cure, TypeError)
    if isinstance(data, str | bytes) or not (has_items or hasattr(data, "__array__")):
        _refuse(allowed, kind, "Pass (N, ...) numbers, or a dataset of Tensors.", TypeError)


def _is_nested(data: Any) -> bool:
    """Whether data are lists of lists of numbers."""
    while isinstance(data, Sequence) and len(data) and not isinstance(data, str):
        data = data[0]
    return isinstance(data, Real)


def _some(data: Any) -> tuple[Tensor, Tensor | None]:
    """Some items of a dataset, and their classes."""
    rows = sorted({round(i) for i in torch.linspace(0, len(data) - 1, LOOKED_AT).tolist()})
    items = [parted(data[i]) for i in rows]
    x = [as_tensor(each) for each, _ in items]
    shapes = sorted({tuple(each.shape) for each in x})
    if len(shapes) > 1:
        _refuse("examples of one shape", ", ".join(map(str, shapes)), "Crop them, or pad them.")
    labels = [as_tensor(each) for _, each in items if each is not None]
    if labels and len(labels) < len(x):
        _refuse("with a class for every example, or none", "some without", "Give each a class.")
    return torch.stack(x), torch.stack(labels) if labels else None


def _check_labels(labels: Tensor | None, shape: tuple[int]) -> None:
    if labels is not None and (labels.shape != shape or labels.is_floating_point()):
        got = f"{labels.dtype} of shape {tuple(labels.shape)}"
        text = f"whole numbers of shape {shape}"
        raise ValueError(message("Trainer", "classes", text, got, "Pass one for each example."))


def check_data(x: Tensor, model: Any, *, limit: float | None) -> None:
    """Refuse data that training would turn to nonsense; the message shows what they are.

    Parameters
    ----------
    x : Tensor of shape (N, ...)
        Data.
    model : Module
        Its config may know the shape of a sample.
    limit : float or None
        Largest allowed magnitude; infinity looks at signs and spread, None at neither.

    Raises
    ------
    TypeError
        If they are no floats.
    ValueError
        If they are empty, not finite, of the wrong shape or the wrong range.
    """
    shape = tuple(x.shape)
    if x.layout is not torch.strided:
        _refuse("dense", str(x.layout), "Pass x.to_dense().", TypeError)
    if not x.is_floating_point():
        is_ordered = x.numel() and not x.is_complex()
        found = f"{x.dtype}, {_range(x)}" if is_ordered else str(x.dtype)
        _refuse("floats", found, "Bytes become data by x.float() / 127.5 - 1.", TypeError)
    if x.ndim < 2 or not x.numel():
        _refuse("of shape (N, ...)", f"shape {shape}", "Stack the examples along dimension 0.")
    wanted = sample_shape(model)
    if wanted is not None and shape[1:] != wanted:
        got, cure = f"{_range(x)}", "Match in_channels and sample_size of the model."
        _refuse(f"of shape (N, {', '.join(map(str, wanted))})", got, cure)
    if not x.isfinite().all():
        _refuse("finite", _range(x), "Drop or fill the examples with NaN or infinity.")
    if limit is None:
        return
    bounds = f"in [-{limit:g}, {limit:g}]" if limit < inf else "centred near 0"
    if x.abs().max() > limit * 1.001:
        cure = "Scale them, or set data_range (and the scheduler's clip_sample_range)."
        _refuse(bounds, _range(x), cure)
    if x.ndim > 2 and x.min() >= 0:
        cure = "Scale them by 2 * x - 1, or set data_range=None."
        _refuse(f"{bounds}, of both signs", _range(x), cure)
    std = float(x.float().std()) if x.numel() > 1 else 1.0
    if limit == inf and not 1 / WIDE < std < WIDE:
        cure = "Divide by the standard deviation, or set data_range=None."
        _refuse(f"of std between {1 / WIDE:g} and {WIDE:g}", f"{_range(x)}, std {std:.3g}", cure)


def _range(x: Tensor) -> str:
    low, high = x.min().item(), x.max().item()
    return f"min {low:.4g}, max {high:.4g}, shape {tuple(x.shape)}"


def _refuse(allowed: str, got: str, cure: str, kind: type[Exception] = ValueError) -> None:
    raise kind(message("Trainer", "data", allowed, got, cure).replace(repr(got), got))
