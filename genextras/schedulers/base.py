"""One row of coefficients applied to samples, with its noise and its past; the forward process.

``step`` has no hidden state but one: multistep solvers keep the h of the rows before, under their
row numbers. Row i reads rows i-1, i-2, ... and writes its own, so repeating a call repeats its
result; ``set_timesteps`` and ``set_begin_index`` forget them, and a row without a past does with
less. Under torch.compile coefficients are tensors, looked up by the timestep on its device, or by a
counter where rows need a past or visit a level twice.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMSchedulerOutput
from diffusers.utils.outputs import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from torch import Generator, Tensor
from torch.compiler import is_compiling

from genextras.core.paths import mix
from genextras.core.predictions import target_weights
from genextras.core.steps import LEARNED, Rows
from genextras.core.tables import Table, as_matrix, gathered_step, result_dtypes
from genextras.core.thresholding import dynamic_threshold
from genextras.schedulers.cursor import CursorScheduler

Generators = Generator | list[Generator] | None


class StepTuple(tuple):
    """(x at the next level, predicted x_0), the second computed when it is read.

    It is made of x, a function, and the arguments for which that returns the predicted x_0.
    """

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[Tensor]:
        previous, predict, *arguments = tuple.__iter__(self)
        return iter((previous, predict(*arguments)))

    def __getitem__(self, index: Any) -> Any:
        return tuple.__getitem__(self, 0) if index == 0 else tuple(iter(self))[index]

    def __reduce__(self) -> tuple:
        return tuple, (tuple(self),)


class DiffusionScheduler(CursorScheduler):
    """A step of every scheduler, and the forward process."""

    _output: ClassVar[type[BaseOutput]] = DDIMSchedulerOutput

    # ------------------------------------------------------------ one step

    def scale_model_input(self, sample: Tensor, timestep: int | Tensor | None = None) -> Tensor:
        """Input of the network: the sample itself unless the path needs a scale.

        Parameters
        ----------
        sample : Tensor of shape (B, ...)
            Current sample.
        timestep : int or Tensor, optional
            Label of its level.

        Returns
        -------
        Tensor of shape (B, ...)
            ``sample`` itself, or a scaled copy.
        """
        del timestep
        return sample

    def step(
        self,
        model_output: Tensor,
        timestep: float | Tensor,
        sample: Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> Any:
        """Go from the level of ``timestep`` to the next one.

        Parameters
        ----------
        model_output : Tensor of shape (B, ...)
            The network's prediction at ``scale_model_input(sample, timestep)``.
        timestep : number or Tensor of 1 or B elements
            Label of the current level, of each sample if there are B.
        sample : Tensor of shape (B, ...)
            Current sample.
        generator : torch.Generator or list of B of them, optional
            Source of the noise, where there is any.
        return_dict : bool, default=True
            Whether to return an object with names, or a tuple.

        Returns
        -------
        DDIMSchedulerOutput or tuple
            ``prev_sample`` and ``pred_original_sample``, Tensors of shape (B, ...).
        """
        return self._take(model_output, timestep, sample, generator, return_dict)

    def _take(
        self,
        model_output: Tensor,
        timestep: Any,
        sample: Tensor,
        generator: Generators,
        return_dict: bool,
        *,
        options: tuple = (),
        noise: Tensor | None = None,
        predicted: Tensor | None = None,
    ) -> Any:
        """Apply the row of a timestep; ``predicted`` is a variance that the network learned."""
        if self._internal_dict is not self._read:
            self._refresh()
        if getattr(model_output, "shape", None) != sample.shape:
            self._refuse_shape(model_output, sample)
        is_traced = is_compiling()
        index = self._traced_index(timestep) if is_traced else self._index(timestep, sample)
        if is_traced or index.__class__ is not int:
            draw = partial(self._drawn, model_output, generator, noise, predicted)
            return self._gathered(
                index, model_output, sample, options, draw, return_dict=return_dict
            )
        has_past = self._depth and index >= 0
        past, have = self._past(index) if has_past else ([], index if index < 0 else 0)
        i = index if index > 0 else 0
        key = model_output.dtype, sample.dtype, options, have
        table = self._tables.get(key) or self._make_table(key)
        if table.is_finite is not None and not table.is_finite[i]:
            self._refuse(self._labels[index] if index >= 0 else ~index)
        extras = [*zip(table.past[i], past, strict=False)] if past else []
        if table.draws[i]:
            ends = () if predicted is None else table.ends(i)
            drawn = self._drawn(model_output, generator, noise, predicted, ends)
            if table.noise[i]:
                extras.append((table.noise[i], drawn))
        previous = table.step(i, model_output, sample, extras)
        if self._depth:
            self._keep(index, table.left(i, model_output, sample))
        self._step_index = index + 1 if index >= 0 else None
        if return_dict:
            predicted_data = table.predicted(i, model_output, sample)
            return self._output(prev_sample=previous, pred_original_sample=predicted_data)
        return StepTuple((previous, table.predicted, i, model_output, sample))

    def _drawn(
        self,
        like: Tensor,
        generator: Generators,
        noise: Tensor | None,
        predicted: Tensor | None,
        ends: tuple,
    ) -> Tensor:
        """Noise of a step, of the variance that the network predicts if it does."""
        noise = self._noise(like, generator) if noise is None else noise
        if predicted is None:
            return noise
        wide = torch.promote_types(predicted.dtype, torch.float32)
        learn = LEARNED[self.config["variance_type"]]
        return learn(predicted.to(wide), *ends).sqrt() * noise.to(wide)

    def _past(self, index: int) -> tuple[list[Tensor], int]:
        """What rows before this one left, the latest first, and what a table may rely on."""
        history, past = self._history, []
        for before in range(index - 1, index - 1 - self._depth, -1):
            if before not in history:
                break
            past.append(history[before])
        return past, self._depth if len(past) == index else len(past)

    def _keep(self, index: int, left: Tensor | None) -> None:
        """Leave h of this row to the next ones."""
        if left is not None:
            self._history[index] = left
            self._history.pop(index - self._depth - 1, None)

    def _make_table(self, key: tuple) -> Table:
        """Rows of the grid with so much past, or the row of a label off the grid."""
        output, sample, options, have = key
        if not (output.is_floating_point and sample.is_floating_point):
            cure = "Divide pictures of bytes by 127.5 and subtract 1."
            raise TypeError(self._message("sample", "of a floating dtype", (output, sample), cure))
        labels = None if have >= 0 else np.array([~have])
        rows = self._rows(labels, max(have, 0), options)
        table = self._tables[key] = Table(rows, result_dtypes(output, sample), self._bound())
        return table

    def _bound(self) -> Any:
        """Limit of the predicted x_0, or its map, or None."""
        config, own = self._internal_dict, self._flags  # a config may hold another class's options
        if "thresholding" in own and config["thresholding"]:
            return self._threshold_sample
        is_clipped = "clip_sample" in own and config["clip_sample"]
        return float(config["clip_sample_range"]) if is_clipped else None

    def _gathered(
        self,
        index: int | Tensor,
        model_output: Tensor,
        sample: Tensor,
        options: tuple,
        draw: Callable[[tuple], Tensor],
        *,
        return_dict: bool,
    ) -> Any:
        """A step whose coefficients are tensors: one row for each sample, or a traced one."""
        dtype, working = result_dtypes(model_output.dtype, sample.dtype)
        past = self._past(index)[0] if isinstance(index, int) else []
        self._prepare(sample.device, working, options)
        matrix, draws = self._tables["matrix", sample.device, working, options, len(past)]
        row = matrix[index] if isinstance(index, int) else matrix.index_select(0, index.reshape(-1))
        if row.ndim == 2:
            row = row.T.reshape(-1, len(row), *[1] * (sample.ndim - 1))  # (K, B, 1, ...)
        bound = self._bound()
        previous, data, left = gathered_step(
            row, model_output.to(working), sample.to(working), bound, past
        )
        if draws[index] if isinstance(index, int) else any(draws):
            previous = previous + row[5] * draw((row[7], row[8])).to(working)
        if isinstance(index, int):
            if self._depth:
                self._history[index] = left
            self._step_index = index + 1 if index + 1 < len(self._labels) else None
        if return_dict:
            return self._output(prev_sample=previous.to(dtype), pred_original_sample=data.to(dtype))
        return previous.to(dtype), data.to(dtype)

    @torch.compiler.assume_constant_result
    def _prepare(self, device: torch.device, working: torch.dtype, options: tuple) -> bool:
        """Put the coefficients for any past on a device unless they are there; not traced."""
        for have in range(self._depth + 1):
            key = ("matrix", device, working, options, have)
            if key not in self._tables:
                rows = self._matrix_rows(have, options)
                nothing = np.full((1, 11 + len(rows.past)), np.nan)
                matrix = torch.from_numpy(np.concatenate([as_matrix(rows), nothing]))
                self._tables[key] = matrix.to(device, working), rows.draws.tolist()
        return True

    def _matrix_rows(self, have: int, options: tuple) -> Rows:
        return self._rows(None, have, options)

    def _threshold_sample(self, sample: Tensor) -> Tensor:
        ratio, top = self.config["dynamic_thresholding_ratio"], self.config["sample_max_value"]
        return dynamic_threshold(sample, ratio=ratio, max_value=top)

    def _noise(self, like: Tensor, generator: Generators) -> Tensor:
        if generator is None or (
            isinstance(generator, Generator) and generator.device.type == like.device.type
        ):
            return torch.randn(
                like.shape, generator=generator, device=like.device, dtype=like.dtype
            )
        several = generator if isinstance(generator, list) else [generator]
        is_kind = all(isinstance(each, Generator) for each in several)
        if not is_kind or len(several) not in (1, len(like)):
            allowed, cure = f"a torch.Generator or {len(like)} of them", "Pass one a sample."
            kind = ValueError if is_kind else TypeError
            raise kind(self._message("generator", allowed, generator, cure))
        return randn_tensor(like.shape, generator, device=like.device, dtype=like.dtype)

    # ------------------------------------------------------------ the forward process

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Diffuse data: x_t = a_t x_0 + b_t ε (DDPM, eq. 4), weights in float32 at least.

        Parameters
        ----------
        original_samples : Tensor of shape (B, ...), data units
            x_0.
        noise : Tensor of shape (B, ...), dimensionless
            ε, standard normal.
        timesteps : Tensor of shape (B,) or (1,)
            Labels, on the grid of the sampler or not.

        Returns
        -------
        Tensor of shape (B, ...)
            x_t, in the wider of the two dtypes.

        Raises
        ------
        TypeError
            If ``timesteps`` are of the wrong kind.
        ValueError
            If there is neither one timestep nor one a sample, or one is out of range.
        """
        return mix(original_samples, noise, *self._scales(timesteps, original_samples))

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Target of a ``v_prediction`` network: v = a_t ε - b_t x_0.

        Parameters
        ----------
        sample : Tensor of shape (B, ...), data units
            x_0.
        noise : Tensor of shape (B, ...), dimensionless
            ε, standard normal.
        timesteps : Tensor of shape (B,) or (1,)
            Labels.

        Returns
        -------
        Tensor of shape (B, ...)
            v, in the wider of the two dtypes.
        """
        a, b = self._scales(timesteps, sample)
        return mix(sample, noise, *target_weights("v_prediction", a, b))

    def _scales(self, timesteps: Tensor, sample: Tensor) -> tuple[Tensor, Tensor]:
        """a and b of each sample, Tensors of shape (B,) or (1,) on the samples' device."""
        labels = self._labels_for(timesteps, sample).double()
        if self._is_readable(labels):
            self._check_labels(labels.numpy())
        a, b = self._levels(labels)
        dtype = torch.promote_types(sample.dtype, torch.float32)
        return a.to(dtype), b.to(dtype)

    def _labels_for(self, timesteps: Tensor, sample: Tensor) -> Tensor:
        """One label, or one for each sample, on the samples' device."""
        labels = torch.as_tensor(timesteps, device=sample.device).flatten()
        if len(labels) not in (1, len(sample)):
            allowed, cure = f"1 or {len(sample)} labels", "Pass one for each sample."
            raise ValueError(self._message("timesteps", allowed, len(labels), cure))
        return labels
