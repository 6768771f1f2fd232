"""Data of a run: checked at the door, read in an order that a seed and the step decide.

The order has no state, so that a resumed run reads on where the unbroken one would, and each of
several processes takes its share of the same batch.
"""

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

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

    def batches(self, rows: Iterator[Tensor]) -> Iterator[Batch]:
        """Examples of given rows.

        Parameters
        ----------
        rows : iterator of LongTensor of shape (B,)
            One for each batch.

        Yields
        ------
        x, classes : Tensor of shape (B, ...), LongTensor of shape (B,) or None
            Copies.
        """
        for each in rows:
            chosen = each.to(self.x.device, non_blocking=True)
            classes = None if self.classes is None else self.classes[chosen]
            yield self.x.index_select(0, chosen), classes


class StoredData:
    """Examples of a map-style dataset, fetched in this process or by others ahead of time.

    Parameters
    ----------
    dataset : Dataset
        Its items are x, (x, class), or dicts of ``x`` or ``images`` and ``class_labels``.
    device : torch.device
        Where batches are sent.
    n_workers : int
        Processes that fetch; 0 for none.
    """

    def __init__(self, dataset: Any, device: torch.device, n_workers: int) -> None:
        self.dataset, self.device, self.n_workers = dataset, device, n_workers

    def __len__(self) -> int:
        return len(self.dataset)

    def batches(self, rows: Iterator[Tensor]) -> Iterator[Batch]:
        """Examples of given rows.

        Parameters
        ----------
        rows : iterator of LongTensor of shape (B,)
            One for each batch.

        Yields
        ------
        x, classes : Tensor of shape (B, ...), LongTensor of shape (B,) or None
            Of these rows.
        """
        lists = (each.tolist() for each in rows)
        items: Any
        if self.n_workers:
            items = DataLoader(
                self.dataset,
                batch_sampler=lists,
                num_workers=self.n_workers,
                pin_memory=self.device.type == "cuda",
                generator=torch.Generator(),  # the global one is left alone
            )
        else:
            items = (default_collate([self.dataset[i] for i in each]) for each in lists)
        for item in items:
            x, classes = parted(item)
            classes = None if classes is None else classes.to(self.device, non_blocking=True)
            yield x.to(self.device, torch.float32, non_blocking=True), classes


Examples = TensorData | StoredData


def parted(item: Any) -> tuple[Any, Any]:
    """Data and classes of a batch as a dataset gives it.

    Parameters
    ----------
    item : Tensor, sequence or mapping
        x, (x, class), or a mapping.

    Returns
    -------
    x, classes : object
        The latter may be None.
    """
    if isinstance(item, dict):
        key = next((name for name in ("x", "images", "pixel_values") if name in item), None)
        return item[key] if key else item, item.get("class_labels")
    if isinstance(item, Sequence) and not isinstance(item, str):
        return item[0], item[1] if len(item) > 1 else None
    return item, None


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
    is_stored = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    if is_stored and not hasattr(data, "shape") and not isinstance(data, str):
        if not len(data):
            _refuse("not empty", "no example", "Check the path of the dataset.")
        check_data(_some(data), model, limit=limit)
        if classes is not None:
            cure = "Let the dataset's items be (x, class)."
            _refuse("a Tensor where classes are given", type(data).__name__, cure, TypeError)
        return StoredData(data, device, n_workers)
    x = _as_tensor(data)
    check_data(x, model, limit=limit)
    labels = None if classes is None else torch.as_tensor(classes)
    if labels is not None and (labels.shape != (len(x),) or labels.is_floating_point()):
        got = f"{labels.dtype} of shape {tuple(labels.shape)}"
        text = f"whole numbers of shape ({len(x)},)"
        raise ValueError(message("Trainer", "classes", text, got, "Pass one for each example."))
    return TensorData(x, None if labels is None else labels.long(), device)


def _some(data: Any) -> Tensor:
    """Some items of a dataset."""
    rows = sorted({round(i) for i in torch.linspace(0, len(data) - 1, LOOKED_AT).tolist()})
    items = [_as_tensor(parted(data[i])[0]) for i in rows]
    shapes = sorted({tuple(each.shape) for each in items})
    if len(shapes) > 1:
        _refuse("examples of one shape", ", ".join(map(str, shapes)), "Crop them, or pad them.")
    return torch.stack(items)


def _as_tensor(x: Any) -> Tensor:
    try:
        return torch.as_tensor(x)
    except (TypeError, ValueError, RuntimeError) as error:
        got, cure = type(x).__name__, "Pass (N, ...) numbers, or a dataset of Tensors."
        raise TypeError(message("Trainer", "data", "a Tensor or a dataset", got, cure)) from error


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
    if not x.is_floating_point():
        found = f"{x.dtype}, {_range(x)}" if x.numel() else str(x.dtype)
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
