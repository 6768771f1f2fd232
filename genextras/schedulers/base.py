"""The shell that diffusers sees: config, timesteps, noise, and one row of coefficients applied.

A member states its options and its rows; everything that a pipeline reads, calls or rewrites is
here. Config values are read when they are used, because pipelines replace ``_internal_dict`` after
construction. Tables made from them live in ``_tables`` and are dropped when one of ``SOURCES`` is
assigned.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from numbers import Real
from typing import Any, ClassVar

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers, SchedulerMixin
from diffusers.utils.import_utils import DummyObject
from diffusers.utils.outputs import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from torch import Generator, Tensor

from genextras.core.grids import CLEAN, GRIDS, previous_labels
from genextras.core.paths import BETA_SCHEDULES, mix, signal_and_noise, zero_terminal_snr
from genextras.core.predictions import TARGETS, target_weights
from genextras.core.steps import Rows, Step, as_steps, posterior_variance, transition_variance
from genextras.core.thresholding import dynamic_threshold
from genextras.validation import as_betas, check_integer, check_options, message

Generators = Generator | list[Generator] | None
SOURCES = ("_internal_dict", "_labels", "alphas_cumprod")  # what tables are made from


class DiffusionScheduler(SchedulerMixin, ConfigMixin, ABC):
    """Shared life cycle of the schedulers; a member adds ``step``, its rows and its last level."""

    config_name: ClassVar[str] = SchedulerMixin.config_name  # type: ignore[assignment, misc]  # both bases state it
    _compatibles = [c.name for c in KarrasDiffusionSchedulers]  # noqa: RUF012 - declared by diffusers
    order = 1
    _output: ClassVar[type[BaseOutput]]
    _host_strides: ClassVar[bool] = False  # diffusers' class goes to t - T // n, come what may
    _choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "beta_schedule": tuple(BETA_SCHEDULES),
        "prediction_type": tuple(TARGETS),
        "timestep_spacing": tuple(GRIDS),
        "compat": ("none", "diffusers"),
    }
    _flags: ClassVar[tuple[str, ...]] = ("clip_sample", "thresholding", "rescale_betas_zero_snr")

    def _start(self) -> None:
        """Check the config and build the noise schedule; the body of each member's ``__init__``."""
        self._check_config()
        self.betas = self._make_betas()  # (T,), float32 as the host keeps it
        self.alphas = 1.0 - self.betas
        self.alphas_cumprod = torch.cumprod(self.alphas, dim=0)
        self.init_noise_sigma = 1.0
        self.num_inference_steps: int | None = None
        self.custom_timesteps = False
        self._labels: list[int] = []
        self.timesteps = torch.arange(len(self) - 1, -1, -1)

    def _make_betas(self) -> Tensor:
        config = self.config
        if config["trained_betas"] is not None:
            betas = as_betas(type(self).__name__, config["trained_betas"])
        else:
            schedule = BETA_SCHEDULES[config["beta_schedule"]]
            betas = schedule(len(self), config["beta_start"], config["beta_end"])
        return zero_terminal_snr(betas) if config["rescale_betas_zero_snr"] else betas

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name in SOURCES:
            super().__setattr__("_tables", {})

    def __len__(self) -> int:
        return int(self.config["num_train_timesteps"])

    @classmethod
    def _get_compatibles(cls) -> list[type]:
        """Schedulers that understand this config: ours, then those of diffusers."""
        ours = DiffusionScheduler.__subclasses__()
        own = [c for c in ours if c.__module__.startswith("genextras.")]
        host = [c for c in super()._get_compatibles() if not isinstance(c, DummyObject)]
        return own + sorted(set(host) - set(own), key=lambda c: c.__name__)

    # ------------------------------------------------------------ what a member adds

    @property
    @abstractmethod
    def final_alpha_cumprod(self) -> Tensor:
        """ᾱ that the last step arrives at; 0-d Tensor."""

    @abstractmethod
    def _rows(
        self, levels: Tensor, levels_before: Tensor, labels: list[int], options: tuple
    ) -> Rows:
        """Rows of the steps from ``levels`` to ``levels_before``, ᾱ of shape (n,), float64."""

    # ------------------------------------------------------------ checks

    def _check_config(self) -> None:
        check_options(type(self).__name__, self.config, choices=self._choices, flags=self._flags)

    def _message(self, name: str, allowed: str, got: object, cure: str) -> str:
        return message(type(self).__name__, name, allowed, got, cure)

    def _check_labels(self, labels: list[int]) -> None:
        n_levels = len(self.alphas_cumprod)
        wrong = [label for label in labels if not 0 <= label < n_levels]
        if wrong:
            cure = "Check steps_offset, and that there are num_train_timesteps betas."
            raise ValueError(self._message("timesteps", f"in [0, {n_levels})", wrong, cure))

    def _check_shapes(self, model_output: Tensor, sample: Tensor) -> None:
        if model_output.shape != sample.shape:
            allowed, got = f"of the sample's shape {tuple(sample.shape)}", tuple(model_output.shape)
            cure = "A network that also predicts a variance needs DDPMScheduler's variance_type."
            raise ValueError(self._message("model_output", allowed, got, cure))

    def _refuse(self, label: int) -> None:
        got, cure = self.config["prediction_type"], "At zero SNR use 'v_prediction' or 'sample'."
        allowed = f"invertible at timestep {label}, where x is all noise or all data"
        raise ValueError(self._message("prediction_type", allowed, got, cure))

    # ------------------------------------------------------------ timesteps

    @property
    def timesteps(self) -> Tensor:
        """Label every model call, from noise to data.

        Returns
        -------
        LongTensor of shape (n,)
            Labels in [0, T), on the device given to ``set_timesteps``.
        """
        return self._timesteps

    @timesteps.setter
    def timesteps(self, timesteps: Tensor) -> None:
        """Follow timesteps that a pipeline assigns.

        Parameters
        ----------
        timesteps : LongTensor of shape (n,)
            Labels in [0, T), descending.
        """
        self._place(timesteps, timesteps.tolist())

    def _place(self, timesteps: Tensor, labels: list[int]) -> None:
        self._timesteps = timesteps  # on its device; labels and all that follows from them: host
        if labels != self._labels:
            self._labels = labels
            self._next_label = dict(zip(labels, previous_labels(labels), strict=True))

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: str | torch.device | None = None,
        timesteps: Sequence[int] | None = None,
    ) -> None:
        """Choose the timesteps of the next run.

        Parameters
        ----------
        num_inference_steps : int, optional
            Number of model calls n up to ``num_train_timesteps``, by ``timestep_spacing``.
        device : str or torch.device, optional
            Where ``timesteps`` is put; the coefficients stay on the host.
        timesteps : sequence of int, optional
            Labels of your own, descending; instead of ``num_inference_steps``.

        Raises
        ------
        TypeError
            If a count or label is not a whole number.
        ValueError
            If both or none are given, or labels are out of range or not descending.
        """
        self._check_config()
        if (num_inference_steps is None) == (timesteps is None):
            allowed, got = "given if and only if timesteps is not", (num_inference_steps, timesteps)
            raise ValueError(
                self._message("num_inference_steps", allowed, got, "Pass one of them.")
            )
        labels = self._spaced(num_inference_steps) if timesteps is None else self._own(timesteps)
        self._check_labels(labels)
        self.custom_timesteps = timesteps is not None
        self.num_inference_steps = len(labels)
        self._place(torch.tensor(labels).to(device), labels)

    def _spaced(self, n_steps: Any) -> list[int]:
        check_integer(type(self).__name__, "num_inference_steps", n_steps, low=1)
        if n_steps > len(self):
            allowed, cure = f"at most num_train_timesteps={len(self)}", "Take fewer steps."
            raise ValueError(self._message("num_inference_steps", allowed, n_steps, cure))
        grid = GRIDS[self.config["timestep_spacing"]]
        return grid(len(self), int(n_steps), self.config["steps_offset"])

    def _own(self, timesteps: Sequence[int]) -> list[int]:
        labels = timesteps.tolist() if hasattr(timesteps, "tolist") else list(timesteps)
        for label in labels:
            check_integer(type(self).__name__, "timesteps", label, low=0)
        if not labels or any(s >= t for t, s in pairwise(labels)):
            cure = "Sort them, largest first, each once."
            raise ValueError(self._message("timesteps", "in descending order", labels, cure))
        return [int(label) for label in labels]

    def previous_timestep(self, timestep: int | Tensor) -> int | Tensor:
        """Label that the step from ``timestep`` arrives at.

        It is the next one of ``timesteps``; off the grid, T // n less than ``timestep``.

        Parameters
        ----------
        timestep : int or Tensor of one element
            A label.

        Returns
        -------
        int or Tensor, as ``timestep``
            -1 stands for clean data.
        """
        before = self._before(self._label(timestep))
        return torch.full_like(timestep, before) if isinstance(timestep, Tensor) else before

    def _before(self, label: int) -> int:
        strides = self._host_strides and self.config["compat"] == "diffusers"
        if strides or label not in self._next_label:
            return max(label - len(self) // len(self._labels), CLEAN)
        return self._next_label[label]

    def _label(self, timestep: int | Tensor) -> int:
        """Host integer of a timestep; a view of ``timesteps`` is not read back from its device."""
        if isinstance(timestep, Tensor):
            if timestep._base is self._timesteps and timestep.ndim == 0:
                offset = timestep.storage_offset() - self._timesteps.storage_offset()
                return self._labels[offset]
            if timestep.numel() != 1:
                got, cure = tuple(timestep.shape), "Step other timesteps separately."
                raise ValueError(self._message("timestep", "one label for the batch", got, cure))
            return int(timestep)
        if not isinstance(timestep, Real) or timestep != int(timestep):
            cure = "Pass an element of scheduler.timesteps."
            raise TypeError(self._message("timestep", "a whole number", timestep, cure))
        return int(timestep)

    # ------------------------------------------------------------ one step

    def scale_model_input(self, sample: Tensor, timestep: int | Tensor | None = None) -> Tensor:
        """Input of the network: the sample itself, on a variance preserving path.

        Parameters
        ----------
        sample : Tensor of shape (B, ...)
            Current sample.
        timestep : int or Tensor, optional
            Not used; other schedulers scale by it.

        Returns
        -------
        Tensor of shape (B, ...)
            ``sample``, not a copy.
        """
        del timestep
        return sample

    def _row(self, label: int, dtype: torch.dtype, *options: object) -> Step:
        """Coefficients of the step from ``label``, made for the whole grid on first use."""
        table = self._tables.get((dtype, options))
        if table is None:
            table = self._tables[dtype, options] = self._tabulate(self._labels, dtype, options)
        if label not in table:
            table.update(self._tabulate([label], dtype, options))
        row: Step = table[label]
        if not row.is_finite:
            self._refuse(label)
        return row

    def _tabulate(self, labels: list[int], dtype: torch.dtype, options: tuple) -> dict[int, Step]:
        self._check_config()
        self._check_labels(labels)
        levels = self._alpha_bars(labels)
        levels_before = self._alpha_bars([self._before(label) for label in labels])
        rows = self._rows(levels, levels_before, labels, options)
        return dict(zip(labels, as_steps(rows, dtype), strict=True))

    def _alpha_bars(self, labels: list[int]) -> Tensor:
        """ᾱ at labels, the final one at CLEAN = -1; Tensor of shape (n,), float64, on the host."""
        levels = torch.cat([self.alphas_cumprod.cpu(), self.final_alpha_cumprod.cpu().reshape(1)])
        return levels.double()[torch.tensor(labels)]

    def _variances(self, label: int, before: int) -> tuple[Tensor, Tensor]:
        """β̃ and β of the step between two labels, 0-d float32."""
        self._check_labels([label])
        level, level_before = self._alpha_bars([label, max(before, CLEAN)])
        small = posterior_variance(level, level_before)
        return small.float(), transition_variance(level, level_before).float()

    def _advance(
        self, row: Step, model_output: Tensor, sample: Tensor, working: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """x_s without its noise, and D; both new tensors in the working dtype."""
        config = self.config
        if sample.dtype is not working:
            sample = sample.to(working)
        data = torch.mul(sample, row.p).add_(model_output, alpha=row.q)  # D = p x + q F
        if config["thresholding"]:
            data = self._threshold_sample(data)
        elif config["clip_sample"]:
            data.clamp_(-config["clip_sample_range"], config["clip_sample_range"])
        previous = torch.mul(data, row.data)
        if row.sample:
            previous.add_(sample, alpha=row.sample)
        if row.model:
            previous.add_(model_output, alpha=row.model)
        return previous, data

    def _threshold_sample(self, sample: Tensor) -> Tensor:
        ratio, top = self.config["dynamic_thresholding_ratio"], self.config["sample_max_value"]
        return dynamic_threshold(sample, ratio=ratio, max_value=top)

    def _noise(self, like: Tensor, generator: Generators) -> Tensor:
        return randn_tensor(like.shape, generator, device=like.device, dtype=like.dtype)

    def _result(self, previous: Tensor, data: Tensor, dtype: torch.dtype, return_dict: bool) -> Any:
        if previous.dtype is not dtype:
            previous, data = previous.to(dtype), data.to(dtype)
        if not return_dict:
            return previous, data
        return self._output(prev_sample=previous, pred_original_sample=data)

    # ------------------------------------------------------------ the forward process

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Diffuse data: x_t = √ᾱ_t x_0 + √(1 - ᾱ_t) ε (DDPM, eq. 4), weights in float32 at least.

        Parameters
        ----------
        original_samples : Tensor of shape (B, ...), data units
            x_0.
        noise : Tensor of shape (B, ...), dimensionless
            ε, standard normal.
        timesteps : LongTensor of shape (B,) or (1,)
            Labels in [0, T).

        Returns
        -------
        Tensor of shape (B, ...)
            x_t, in the wider of the two dtypes.

        Raises
        ------
        TypeError
            If ``timesteps`` are not whole numbers.
        ValueError
            If there is neither one timestep nor one a sample, or one is out of range.
        """
        return mix(original_samples, noise, *self._scales(timesteps, original_samples))

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Target of a ``v_prediction`` network: v = √ᾱ_t ε - √(1 - ᾱ_t) x_0.

        Parameters
        ----------
        sample : Tensor of shape (B, ...), data units
            x_0.
        noise : Tensor of shape (B, ...), dimensionless
            ε, standard normal.
        timesteps : LongTensor of shape (B,) or (1,)
            Labels in [0, T).

        Returns
        -------
        Tensor of shape (B, ...)
            v, in the wider of the two dtypes.
        """
        a, b = self._scales(timesteps, sample)
        return mix(sample, noise, *target_weights("v_prediction", a, b))

    def _scales(self, timesteps: Tensor, sample: Tensor) -> tuple[Tensor, Tensor]:
        """√ᾱ and √(1 - ᾱ) of each sample, Tensors of shape (B,) or (1,) on the samples' device."""
        device, dtype = sample.device, torch.promote_types(sample.dtype, torch.float32)
        scales = self._tables.get((device, dtype))
        if scales is None:
            scales = torch.stack(signal_and_noise(self.alphas_cumprod.cpu()))  # (2, T)
            scales = self._tables[device, dtype] = scales.to(dtype).to(device)
        labels = torch.as_tensor(timesteps, device=device).flatten()
        if labels.dtype not in (torch.int64, torch.int32):
            allowed, cure = "a tensor of int64", "Draw them with torch.randint."
            raise TypeError(self._message("timesteps", allowed, labels.dtype, cure))
        if len(labels) not in (1, len(sample)):
            allowed, cure = f"1 or {len(sample)} labels", "Pass one for each sample."
            raise ValueError(self._message("timesteps", allowed, len(labels), cure))
        try:
            a, b = scales.index_select(1, labels)
        except (IndexError, RuntimeError):  # which one depends on how torch was built
            self._check_labels(labels.tolist())
            raise
        return a, b
