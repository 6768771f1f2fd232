"""A table of rows brought to the host, or to a device, and applied to samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genextras.core.steps import Rows

CHUNK = 1 << 16  # numbers of half precision that are widened at a time: they stay in the cache


def result_dtypes(model_output: Tensor, sample: Tensor) -> tuple[torch.dtype, torch.dtype]:
    """Dtype of a step's result, and the one to compute it in: the same, but float32 at least.

    Parameters
    ----------
    model_output, sample : Tensor of shape (B, ...)
        F and x.

    Returns
    -------
    dtype, working : torch.dtype
        Both floating.
    """
    dtype = sample.dtype
    if model_output.dtype is not dtype:
        dtype = torch.promote_types(dtype, model_output.dtype)
    working = dtype if dtype.itemsize >= 4 else torch.promote_types(dtype, torch.float32)
    return dtype, working


class Table:
    """Columns of host numbers, folded so that a step multiplies once and adds the rest.

    Without a bound x' = lead x + gain F; with one, x' = bound(lead x + gain F) + after x + model F,
    where the bound is that of D times ``data``. ``lead`` holds 0-d tensors of the working dtype:
    the cheapest number to multiply by. No step asks a device for any of them.

    Parameters
    ----------
    rows : Rows
        n of them.
    working : torch.dtype
        Of ``lead``.
    limit : float or None
        Bound of D.
    """

    __slots__ = (
        "after",
        "bounds",
        "data",
        "draws",
        "gain",
        "is_finite",
        "keep_data",
        "keep_sample",
        "large",
        "lead",
        "model",
        "noise",
        "p",
        "past",
        "q",
        "small",
    )

    def __init__(self, rows: Rows, working: torch.dtype, limit: float | None) -> None:
        is_folded = limit is None
        with np.errstate(invalid="ignore"):  # a prediction that cannot be inverted is refused later
            lead = rows.data * rows.p + (rows.sample if is_folded else 0)
            gain = rows.data * rows.q + (rows.model if is_folded else 0)
            finite = np.isfinite(lead + gain + rows.noise + rows.sample + rows.model)
        self.is_finite = None if finite.all() else finite.tolist()
        self.lead = torch.from_numpy(lead).to(working).unbind()
        self.gain = gain.tolist()
        self.bounds = None if is_folded else (np.abs(rows.data) * limit).tolist()
        self.after, self.model = rows.sample.tolist(), rows.model.tolist()
        self.noise, self.draws = rows.noise.tolist(), rows.draws.tolist()
        self.small, self.large = rows.small.tolist(), rows.large.tolist()
        self.p, self.q, self.data = rows.p.tolist(), rows.q.tolist(), rows.data.tolist()
        self.keep_sample, self.keep_data = rows.keep_sample.tolist(), rows.keep_data.tolist()
        self.past = [column.tolist() for column in rows.past]

    def mean(self, i: int, model_output: Tensor, sample: Tensor, working: torch.dtype) -> Tensor:
        """x' of row i but for its noise and its past; a new tensor in the working dtype.

        Parameters
        ----------
        i : int
            The row.
        model_output, sample : Tensor of shape (B, ...)
            F and x.
        working : torch.dtype
            To compute in.

        Returns
        -------
        Tensor of shape (B, ...)
            The part of x' that is no sum of extras.
        """
        if sample.dtype is not working:
            sample = sample.to(working)
        previous = torch.mul(sample, self.lead[i]).add_(model_output, alpha=self.gain[i])
        if self.bounds is not None:
            bound = self.bounds[i]
            previous.clamp_(-bound, bound)
            if self.after[i]:
                previous.add_(sample, alpha=self.after[i])
            if self.model[i]:
                previous.add_(model_output, alpha=self.model[i])
        return previous

    def rounded_mean(
        self, i: int, model_output: Tensor, sample: Tensor, extras: list[tuple[float, Tensor]]
    ) -> Tensor:
        """x' of halves on the host with its weighted extras, widened by pieces, rounded once.

        Parameters
        ----------
        i : int
            The row.
        model_output, sample : Tensor of shape (B, ...)
            F and x.
        extras : list of (float, Tensor)
            Weights, and what they multiply.

        Returns
        -------
        Tensor of shape (B, ...)
            x' in the dtype of ``sample``.
        """
        previous = torch.empty_like(sample)
        tensors = (previous, model_output, sample, *[each.reshape(-1) for _, each in extras])
        wide = torch.empty(2, min(CHUNK, sample.numel()))
        for pieces in zip(*[x.view(-1).split(CHUNK) for x in tensors], strict=True):
            F, x = wide[:, : len(pieces[0])]
            mean = self.mean(i, F.copy_(pieces[1]), x.copy_(pieces[2]), torch.float32)
            for (weight, _), each in zip(extras, pieces[3:], strict=True):
                mean.add_(each, alpha=weight)
            pieces[0].copy_(mean)
        return previous

    def predicted(self, i: int, model_output: Tensor, sample: Tensor, limit: Any) -> Tensor:
        """D of row i, bounded by ±limit unless that is None; working dtype as ``sample``.

        Parameters
        ----------
        i : int
            The row.
        model_output, sample : Tensor of shape (B, ...)
            F and x.
        limit : float or None
            The bound.

        Returns
        -------
        Tensor of shape (B, ...)
            D.
        """
        data = torch.mul(sample, self.p[i]).add_(model_output, alpha=self.q[i])
        return data if limit is None else data.clamp_(-limit, limit)


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
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x' without its noise, D, the noise's scale and h, from coefficients that are tensors.

    ``columns`` has shape (11 + k, B, 1, ...), one row of ``as_matrix`` for each sample, or
    (11 + k,) for all; ``bound`` maps D to D.

    Parameters
    ----------
    columns : Tensor of shape (11 + k, B, 1, ...) or (11 + k,)
        Coefficients.
    model_output, sample : Tensor of shape (B, ...)
        F and x.
    bound : callable
        Maps D to D.
    past : sequence of Tensor
        h of the rows before, the latest first.

    Returns
    -------
    previous, predicted, noise, left : Tensor
        x' without its noise, D, the scale of the noise, h.
    """
    p, q, data, kept, model, noise, _, _, _, keep_sample, keep_data = columns[:11]
    predicted = bound(p * sample + q * model_output)
    previous = data * predicted + kept * sample + model * model_output
    for weight, each in zip(columns[11:], past, strict=False):
        previous = previous + weight * each
    return previous, predicted, noise, keep_sample * sample + keep_data * predicted
