"""A table of rows brought to the host, or to a device, and applied to samples."""

from collections.abc import Sequence
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genextras.core.steps import Rows

CHUNK = 1 << 16  # numbers of half precision that are widened at a time: they stay in the cache


def result_dtypes(
    model_output: torch.dtype, sample: torch.dtype
) -> tuple[torch.dtype, torch.dtype]:
    """Dtype of a step's result, and the one to compute it in: the same, but float32 at least.

    Parameters
    ----------
    model_output, sample : torch.dtype
        Of F and x.

    Returns
    -------
    dtype, working : torch.dtype
        Both floating.
    """
    dtype = torch.promote_types(sample, model_output)
    return dtype, torch.promote_types(dtype, torch.float32)


Line = tuple[float | Tensor | None, float]  # weights of x and F; the former as ``line`` left it


def line(lines: list[Line], i: int, model_output: Tensor, sample: Tensor) -> Tensor:
    """Lead x + gain F of row i as a new tensor.

    A lead of one costs no operation. Another one becomes a 0-d Tensor when its row is first used:
    the cheapest number to multiply by, but dear to make, and no device is asked for it.

    Parameters
    ----------
    lines : list of (lead, gain)
        One for each row; the row's own is overwritten in the cheaper form.
    i : int
        The row.
    model_output, sample : Tensor of shape (B, ...)
        F and x.

    Returns
    -------
    Tensor of shape (B, ...)
        In the dtype of ``sample``.
    """
    lead, gain = lines[i]
    if type(lead) is float:
        dtype = sample.dtype
        with torch.inference_mode(mode=False):  # a later run may ask for gradients
            lead = None if lead == 1 else torch.scalar_tensor(lead, dtype=dtype, device="cpu")
        lines[i] = lead, gain
    if lead is None:
        return torch.add(sample, model_output, alpha=gain)
    return torch.mul(sample, lead).add_(model_output, alpha=gain)


def bounded(data: Tensor, bound: Any) -> Tensor:
    """Keep a predicted x_0 inside the range of data.

    Parameters
    ----------
    data : Tensor of shape (B, ...)
        D, which may be overwritten.
    bound : float or callable or None
        Its limit, or what maps D to D.

    Returns
    -------
    Tensor of shape (B, ...)
        D inside the range.
    """
    if bound is None:
        return data
    if callable(bound):
        return bound(data)
    return data.clamp_(-bound, bound)


class Table:
    """Rows as host numbers, folded so that a step multiplies at most once and adds the rest.

    Where D is free, x' and h are lead x + gain F. Where it is clipped,
    x' = clip(lead x + gain F) + after x + model F with the limit of D times ``data``.

    Parameters
    ----------
    rows : Rows
        n of them.
    dtypes : tuple of torch.dtype
        Of a step's result, and to compute it in.
    bound : float or callable or None
        Limit of D, or what maps D to D.
    """

    def __init__(self, rows: Rows, dtypes: tuple[torch.dtype, torch.dtype], bound: Any) -> None:
        (self.dtype, self.working), self._bound, self._rows = dtypes, bound, rows
        with np.errstate(invalid="ignore"):  # a prediction that cannot be inverted is refused later
            lead, gain = rows.data * rows.p, rows.data * rows.q
            if bound is None:
                lead, gain = lead + rows.sample, gain + rows.model
            total = lead + gain + rows.noise + rows.sample + rows.model
        self.is_finite = None if isfinite(sum(total.tolist())) else np.isfinite(total).tolist()
        self._means = _in_rows(lead, gain)
        self._limits = (np.abs(rows.data) * bound).tolist() if isinstance(bound, float) else None
        self._rest = [] if bound is None else _in_rows(rows.data, rows.sample, rows.model)
        self.noise, self.draws = rows.noise.tolist(), rows.draws.tolist()
        self.past = _in_rows(*rows.past) or [()] * len(self.noise)  # a short run may need none

    @cached_property
    def _data(self) -> list[Line]:
        """D = p x + q F."""
        return _in_rows(self._rows.p, self._rows.q)

    @cached_property
    def _left(self) -> list[Line]:
        """h = keep_sample x + keep_data D where D is free."""
        rows = self._rows
        return _in_rows(rows.keep_sample + rows.keep_data * rows.p, rows.keep_data * rows.q)

    @cached_property
    def _keeps(self) -> list[tuple[float, float]]:
        return _in_rows(self._rows.keep_data, self._rows.keep_sample)

    def ends(self, i: int) -> tuple[float, float]:
        """Variances β̃ and β of row i.

        Parameters
        ----------
        i : int
            The row.

        Returns
        -------
        small, large : float
            Between them a network may place its own.
        """
        return float(self._rows.small[i]), float(self._rows.large[i])

    def step(
        self, i: int, model_output: Tensor, sample: Tensor, extras: list[tuple[float, Tensor]]
    ) -> Tensor:
        """x' of row i, computed in the working dtype and rounded once.

        Parameters
        ----------
        i : int
            The row.
        model_output, sample : Tensor of shape (B, ...)
            F and x.
        extras : list of (float, Tensor)
            Weights of noise and past, and what they multiply.

        Returns
        -------
        Tensor of shape (B, ...)
            A new tensor.
        """
        if sample.dtype is not self.working:
            if sample.numel() > CHUNK and _is_plain(model_output, sample):
                return self._step_by_pieces(i, model_output, sample, extras)
            sample = sample.to(self.working)
        if self._bound is None:
            previous = line(self._means, i, model_output, sample)
        else:
            previous = self._mean(i, model_output, sample)
        for weight, each in extras:
            previous.add_(each, alpha=weight)
        return previous if self.dtype is self.working else previous.to(self.dtype)

    def _step_by_pieces(
        self, i: int, model_output: Tensor, sample: Tensor, extras: list[tuple[float, Tensor]]
    ) -> Tensor:
        """``step`` of halves on the host, widened piece by piece while they are in the cache."""
        previous = torch.empty_like(sample)
        tensors = (previous, model_output, sample, *[each.reshape(-1) for _, each in extras])
        wide = torch.empty(2, CHUNK)
        for pieces in zip(*[x.view(-1).split(CHUNK) for x in tensors], strict=True):
            F, x = wide[:, : len(pieces[0])]
            mean = self._mean(i, F.copy_(pieces[1]), x.copy_(pieces[2]))
            for (weight, _), each in zip(extras, pieces[3:], strict=True):
                mean.add_(each, alpha=weight)
            pieces[0].copy_(mean)
        return previous

    def _mean(self, i: int, model_output: Tensor, sample: Tensor) -> Tensor:
        """x' of row i but for its extras; a new tensor, of wide numbers as ``sample``."""
        if self._bound is None:
            return line(self._means, i, model_output, sample)
        data, after, model = self._rest[i]
        if self._limits is None:
            previous = torch.mul(self._bounded(i, model_output, sample), data)
        else:
            limit = self._limits[i]
            previous = line(self._means, i, model_output, sample).clamp_(-limit, limit)
        if after:
            previous.add_(sample, alpha=after)
        if model:
            previous.add_(model_output, alpha=model)
        return previous

    def predicted(self, i: int, model_output: Tensor, sample: Tensor) -> Tensor:
        """D of row i, bounded and rounded.

        Parameters
        ----------
        i : int
            The row.
        model_output, sample : Tensor of shape (B, ...)
            F and x.

        Returns
        -------
        Tensor of shape (B, ...)
            In the dtype of a step's result.
        """
        return self._bounded(i, model_output, sample.to(self.working)).to(self.dtype)

    def _bounded(self, i: int, model_output: Tensor, sample: Tensor) -> Tensor:
        return bounded(line(self._data, i, model_output, sample), self._bound)

    def left(self, i: int, model_output: Tensor, sample: Tensor) -> Tensor | None:
        """h of row i, what it leaves to later ones.

        Parameters
        ----------
        i : int
            The row.
        model_output, sample : Tensor of shape (B, ...)
            F and x.

        Returns
        -------
        Tensor of shape (B, ...) or None
            In the working dtype; x itself if h is x, None if no row wants it.
        """
        if sample.dtype is not self.working:
            sample = sample.to(self.working)
        keep_data, keep_sample = self._keeps[i]
        if not keep_data:
            return sample if keep_sample else None
        if self._bound is None:
            return line(self._left, i, model_output, sample)
        data = torch.mul(self._bounded(i, model_output, sample), keep_data)
        return data.add_(sample, alpha=keep_sample) if keep_sample else data


def _is_plain(model_output: Tensor, sample: Tensor) -> bool:
    """Whether halves can be widened piece by piece: on the host, alike, and not differentiated."""
    return (
        sample.device.type == "cpu"
        and model_output.dtype is sample.dtype
        and sample.is_contiguous()
        and model_output.is_contiguous()
        and not (torch.is_grad_enabled() and (sample.requires_grad or model_output.requires_grad))
    )


def _in_rows(*columns: np.ndarray) -> list[tuple]:
    """Columns as one tuple of host numbers a row."""
    return list(zip(*[column.tolist() for column in columns], strict=True))


def as_matrix(rows: Rows) -> np.ndarray:
    """One row of 11 + k numbers for each step, in the order of ``Rows``; shape (n, 11 + k).

    Parameters
    ----------
    rows : Rows
        n of them.

    Returns
    -------
    array of shape (n, 11 + k)
        k columns of past.
    """
    return np.stack([*rows[:-1], *rows.past], axis=1)


def gathered_step(
    columns: Tensor, model_output: Tensor, sample: Tensor, bound: Any, past: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """x' without its noise, D and h, from coefficients that are tensors.

    ``columns`` has shape (11 + k, B, 1, ...), one row of ``as_matrix`` for each sample, or
    (11 + k,) for all.

    Parameters
    ----------
    columns : Tensor of shape (11 + k, B, 1, ...) or (11 + k,)
        Coefficients.
    model_output, sample : Tensor of shape (B, ...)
        F and x.
    bound : float or callable or None
        Limit of D, or what maps D to D.
    past : sequence of Tensor
        h of the rows before, the latest first.

    Returns
    -------
    previous, predicted, left : Tensor
        x' without its noise, D, h.
    """
    p, q, data, kept, model, _, _, _, _, keep_sample, keep_data = columns[:11]
    predicted = bounded(p * sample + q * model_output, bound)
    previous = data * predicted + kept * sample + model * model_output
    for weight, each in zip(columns[11:], past, strict=False):
        previous = previous + weight * each
    return previous, predicted, keep_sample * sample + keep_data * predicted
