"""One row of coefficients applied to samples, with its noise and its past; the forward process.

``step`` has no hidden state but one: multistep solvers keep the h of the rows before, under their
row numbers. Row i reads rows i-1, i-2, ... and writes its own, so repeating a call repeats its
result; ``set_timesteps`` and ``set_begin_index`` forget them, and a row without a past does with
less. Under torch.compile coefficients are tensors, looked up by the timestep on its device, or by a
counter where rows need a past or visit a level twice.
"""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMSchedulerOutput
from diffusers.utils.outputs import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from torch import Generator, Tensor

from genextras.core.paths import mix
from genextras.core.predictions import target_weights
from genextras.core.steps import LEARNED, Rows
from genextras.core.tables import CHUNK, Table, as_matrix, gathered_step, result_dtypes
from genextras.core.thresholding import dynamic_threshold
from genextras.schedulers.cursor import CursorScheduler

Generators = Generator | list[Generator] | None


class StepTuple(tuple):
    """(x at the next level, predicted x_0), the second computed when it is read."""

    _predict: Callable[[], Tensor]

    def __new__(cls, previous: Tensor, predict: Callable[[], Tensor]) -> "StepTuple":
        """Hold the first entry and the way to the second."""
        pair = super().__new__(cls, (previous,))
        pair._predict = predict
        return pair

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[Tensor]:
        return iter((tuple.__getitem__(self, 0), self._predict()))

    def __getitem__(self, index: Any) -> Any:
        if index == 0:
            return tuple.__getitem__(self, 0)
        return tuple(self)[index]

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
        previous, predict = self._take(model_output, timestep, sample, generator)
        return self._result(previous, predict, return_dict)

    def _take(
        self,
        model_output: Tensor,
        timestep: Any,
        sample: Tensor,
        generator: Generators = None,
        *,
        options: tuple = (),
        noise: Tensor | None = None,
        predicted: Tensor | None = None,
    ) -> tuple[Tensor, Callable[[], Tensor]]:
        """x at the next level, and a way to the predicted x_0."""
        self._check_shapes(model_output, sample)
        if self._is_stale():
            self._refresh()
        dtype, working = result_dtypes(model_output, sample)
        index = self._index(timestep, sample.shape[0] if sample.ndim else 1)
        if isinstance(index, Tensor) or torch.compiler.is_compiling():
            return self._gathered(
                index,
                model_output,
                sample,
                generator=generator,
                options=options,
                noise=noise,
                predicted=predicted,
            )
        table, i, past = self._table(index, working, options)
        if table.is_finite is not None and not table.is_finite[i]:
            self._refuse(self._labels[index] if index >= 0 else ~index)
        extras = [(column[i], each) for column, each in zip(table.past, past, strict=False)]
        learned = None
        if table.draws[i]:
            noise = self._noise(model_output, generator) if noise is None else noise
            learned = self._spread(table, i, predicted)
            if learned is None:
                extras.append((table.noise[i], noise))
        previous = self._mean(table, i, model_output, sample, extras=extras)
        if learned is not None and noise is not None:
            previous = torch.addcmul(previous.to(working), learned.to(working), noise.to(working))
        self._keep(index, table, i, model_output, sample)
        self._step_index = index + 1 if index >= 0 else None
        previous = previous if previous.dtype is dtype else previous.to(dtype)

        def predict() -> Tensor:
            return self._data(table, i, model_output, sample.to(working)).to(dtype)

        return previous, predict

    def _spread(self, table: Table, i: int, predicted: Tensor | None) -> Tensor | None:
        """Standard deviation that the network predicts, float32 at least, where noise is added."""
        if predicted is None or not table.noise[i]:
            return None
        wide = predicted.to(torch.promote_types(predicted.dtype, torch.float32))
        variance: Tensor = LEARNED[self.config["variance_type"]](
            wide, table.small[i], table.large[i]
        )
        return variance.sqrt()

    def _mean(
        self, table: Table, i: int, model_output: Tensor, sample: Tensor, *, extras: list
    ) -> Tensor:
        """x at the next level but for a learned noise."""
        dtype, working = result_dtypes(model_output, sample)
        if self._thresholds:
            sample = sample.to(working)
            previous = torch.mul(self._data(table, i, model_output, sample), table.data[i])
            previous.add_(sample, alpha=table.after[i]).add_(model_output, alpha=table.model[i])
        elif dtype is not working and sample.numel() > CHUNK and _is_plain(model_output, sample):
            return table.rounded_mean(i, model_output, sample, extras)
        else:
            previous = table.mean(i, model_output, sample, working)
        for weight, each in extras:
            previous.add_(each, alpha=weight)
        return previous

    def _data(self, table: Table, i: int, model_output: Tensor, sample: Tensor) -> Tensor:
        """Predicted x_0 of row i, bounded as the config says."""
        data = table.predicted(i, model_output, sample, self._limit)
        return self._threshold_sample(data) if self._thresholds else data

    def _keep(self, index: int, table: Table, i: int, model_output: Tensor, sample: Tensor) -> None:
        """Leave h of this row to the next ones."""
        if not self._n_past:
            return
        left = sample = sample.to(result_dtypes(model_output, sample)[1])
        if table.keep_data[i]:
            left = self._data(table, i, model_output, sample)
            if table.keep_data[i] != 1:
                left = left.mul_(table.keep_data[i])
            if table.keep_sample[i]:
                left = left.add_(sample, alpha=table.keep_sample[i])
        elif not table.keep_sample[i]:
            return
        self._history[index] = left
        self._history.pop(index - self._n_past - 1, None)

    def _table(
        self, index: int, working: torch.dtype, options: tuple
    ) -> tuple[Table, int, list[Tensor]]:
        """Table, row in it, and the past that this row can use, the latest first."""
        past: list[Tensor] = []
        if self._n_past:
            past = self._past(index)
        key = (working, options, len(past)) if index >= 0 else (working, options, index)
        table = self._tables.get(key)
        if table is None:
            self._check_config()
            rows = self._rows(None if index >= 0 else [~index], len(past), options)
            table = self._tables[key] = Table(rows, working, self._limit)
        return table, max(index, 0), past

    def _past(self, index: int) -> list[Tensor]:
        past: list[Tensor] = []
        while len(past) < self._n_past and index - 1 - len(past) in self._history:
            past.append(self._history[index - 1 - len(past)])
        return past

    def _gathered(
        self,
        index: int | Tensor,
        model_output: Tensor,
        sample: Tensor,
        *,
        generator: Generators,
        options: tuple,
        noise: Tensor | None,
        predicted: Tensor | None,
    ) -> tuple[Tensor, Callable[[], Tensor]]:
        """A step whose coefficients are tensors: one row for each sample, or a traced one."""
        dtype, working = result_dtypes(model_output, sample)
        past = self._past(index) if isinstance(index, int) else []
        self._prepare(sample.device, working, options)
        matrix, draws = self._tables["matrix", sample.device, working, options, len(past)]
        row = matrix[index] if isinstance(index, int) else matrix.index_select(0, index.reshape(-1))
        if row.ndim == 2:
            row = row.T.reshape(-1, len(row), *[1] * (sample.ndim - 1))  # (K, B, 1, ...)
        wide, output = sample.to(working), model_output.to(working)
        previous, data, spread, left = gathered_step(row, output, wide, self._bound, past)
        if draws[index] if isinstance(index, int) else any(draws):
            noise = self._noise(model_output, generator) if noise is None else noise
            if predicted is not None:
                learn = LEARNED[self.config["variance_type"]]
                spread = spread * learn(predicted.to(working), row[7], row[8]).sqrt()
            previous = previous + spread * noise.to(working)
        if isinstance(index, int):
            if self._n_past:
                self._history[index] = left
            self._step_index = index + 1 if index + 1 < len(self._labels) else None
        data = data.to(dtype)
        return previous.to(dtype), lambda: data

    @torch.compiler.assume_constant_result
    def _prepare(self, device: torch.device, working: torch.dtype, options: tuple) -> bool:
        """Put the coefficients for any past on a device unless they are there; not traced."""
        for have in range(self._n_past + 1):
            key = ("matrix", device, working, options, have)
            if key not in self._tables:
                rows = self._matrix_rows(have, options)
                nothing = np.full((1, 11 + len(rows.past)), np.nan)
                matrix = torch.from_numpy(np.concatenate([as_matrix(rows), nothing]))
                self._tables[key] = matrix.to(device, working), rows.draws.tolist()
        return True

    def _matrix_rows(self, have: int, options: tuple) -> Rows:
        return self._rows(None, have, options)

    def _bound(self, data: Tensor) -> Tensor:
        if self._thresholds:
            return self._threshold_sample(data)
        return data if self._limit is None else data.clamp(-self._limit, self._limit)

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
        return randn_tensor(like.shape, generator, device=like.device, dtype=like.dtype)

    def _result(self, previous: Tensor, predict: Callable[[], Tensor], return_dict: bool) -> Any:
        if return_dict:
            return self._output(prev_sample=previous, pred_original_sample=predict())
        if torch.compiler.is_compiling():
            return previous, predict()
        return StepTuple(previous, predict)

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
        labels = torch.as_tensor(timesteps, device=sample.device).flatten()
        if len(labels) not in (1, len(sample)):
            allowed, cure = f"1 or {len(sample)} labels", "Pass one for each sample."
            raise ValueError(self._message("timesteps", allowed, len(labels), cure))
        a, b = self._levels(labels.double())
        dtype = torch.promote_types(sample.dtype, torch.float32)
        return a.to(dtype), b.to(dtype)


def _is_plain(model_output: Tensor, sample: Tensor) -> bool:
    """Whether halves can be widened piece by piece: on the host, alike, and not differentiated."""
    return (
        sample.device.type == "cpu"
        and model_output.dtype is sample.dtype
        and sample.is_contiguous()
        and model_output.is_contiguous()
        and not (torch.is_grad_enabled() and (sample.requires_grad or model_output.requires_grad))
    )
