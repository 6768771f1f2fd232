"""What models of T discrete noise levels share: β, ᾱ, and the walk over whole-number labels."""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from genextras.core.grids import CLEAN, GRIDS, SIGMA_GRIDS, previous_labels
from genextras.core.paths import BETA_SCHEDULES, signal_and_noise, zero_terminal_snr
from genextras.core.steps import Rows, posterior_variance, transition_variance
from genextras.schedulers.base import DiffusionScheduler
from genextras.validation import as_betas, check_integer


class BetaScheduler(DiffusionScheduler):
    """A scheduler of models trained on T levels of variance preserving noise."""

    _choices: ClassVar = {
        **DiffusionScheduler._choices,
        "beta_schedule": tuple(BETA_SCHEDULES),
        "timestep_spacing": (*GRIDS, *SIGMA_GRIDS),
    }
    _flags: ClassVar[tuple[str, ...]] = ("clip_sample", "thresholding", "rescale_betas_zero_snr")
    init_noise_sigma: Any = 1.0

    def _start(self) -> None:
        betas = self.config["trained_betas"]
        if isinstance(betas, Tensor):  # which no file can hold
            self.register_to_config(trained_betas=betas.tolist())
        self._refresh()
        self.betas = self._make_betas()  # (T,), float32 as the host keeps it
        self.alphas = 1.0 - self.betas
        self.alphas_cumprod = torch.cumprod(self.alphas, dim=0)
        super()._start()
        self.init_noise_sigma = 1.0
        self.custom_timesteps = False

    def _make_betas(self) -> Tensor:
        config = self.config
        if config["trained_betas"] is not None:
            betas = as_betas(type(self).__name__, config["trained_betas"])
        else:
            schedule = BETA_SCHEDULES[config["beta_schedule"]]
            betas = schedule(len(self), config["beta_start"], config["beta_end"])
        return zero_terminal_snr(betas) if config["rescale_betas_zero_snr"] else betas

    @property
    def alphas_cumprod(self) -> Tensor:
        """ᾱ of every level.

        Returns
        -------
        Tensor of shape (T,)
            Share of variance that is data, float32.
        """
        return self._alphas_cumprod

    @alphas_cumprod.setter
    def alphas_cumprod(self, alphas_cumprod: Tensor) -> None:
        """Follow a noise schedule that a training script assigns.

        Parameters
        ----------
        alphas_cumprod : Tensor of shape (T,)
            ᾱ of every level.
        """
        self._alphas_cumprod, self._request = alphas_cumprod, None
        self._refresh()

    # ------------------------------------------------------------ levels

    def _levels(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """a and b at labels; between whole ones log σ is interpolated, as in ``_labels_of``."""
        known = self._known.get(labels.device)
        if known is None:
            known = self._known[labels.device] = torch.from_numpy(self._log_sigmas()).to(
                labels.device
            )
        low = labels.floor().long().clamp(0, len(known) - 1)
        share, log_sigma = labels - low, known[low]
        between = torch.lerp(log_sigma, known[(low + 1).clamp(max=len(known) - 1)], share)
        sigma = torch.where(share > 0, between, log_sigma).exp()
        return (1 + sigma**2).rsqrt(), (1 + sigma**-2).rsqrt()

    def _log_sigmas(self) -> np.ndarray:
        """log(b/a) of every label, ascending; shape (T,), float64, cached."""
        known = self._known.get("log σ")
        if known is None:
            a, b = signal_and_noise(self.alphas_cumprod.cpu())
            known = self._known["log σ"] = (b / a).log().numpy()
        return np.asarray(known)

    def _labels_of(self, sigmas: np.ndarray) -> np.ndarray:
        """Labels between whole numbers, where log σ is interpolated."""
        known = self._log_sigmas()
        known = known[: len(known) - np.isinf(known[-1])]  # all but that of pure noise
        return np.interp(np.log(sigmas), known, np.arange(len(known)))

    def _sigmas_at(self, labels: np.ndarray) -> np.ndarray:
        """Noise levels b/a of labels, the inverse of ``_labels_of``."""
        known = self._log_sigmas()
        return np.exp(np.interp(labels, np.arange(len(known)), known))

    def _check_labels(self, labels: np.ndarray) -> None:
        n_levels = self.alphas_cumprod.shape[0]
        is_known = (labels >= 0) & (labels < n_levels)
        if not is_known.all():
            wrong = labels[~is_known].tolist()
            cure = "Check steps_offset, and that there are num_train_timesteps betas."
            raise ValueError(self._message("timesteps", f"in [0, {n_levels})", wrong, cure))

    def _highest(self) -> float:
        return float(np.exp(self._log_sigmas()[-1]))

    def _spaced_sigmas(self, n_steps: int, spacing: str, kappa: float = 1.0) -> np.ndarray:
        """Levels of a spacing that is even in some function of σ."""
        known = self._log_sigmas()
        low, high = np.exp(known[[0, -1 - np.isinf(known[-1])]]).tolist()
        rho = kappa if spacing == "rectified" else 7.0
        return SIGMA_GRIDS[spacing](n_steps, low, high, rho)


class LabelScheduler(BetaScheduler):
    """A walk over whole-number labels; a step may start at any of them, on the grid or not."""

    _host_strides: ClassVar[bool] = False  # diffusers' class goes to t - T // n, which asks for n
    _ascends: ClassVar[bool] = False  # from data to noise, where "arrive" reads "come from"

    @property
    def final_alpha_cumprod(self) -> Tensor:
        """ᾱ at the clean end of the walk.

        Returns
        -------
        Tensor, 0-d
            1, clean data; ᾱ_0 where ``set_alpha_to_one`` is an option, and False.
        """
        is_clean = "set_alpha_to_one" not in self._flags or self.config["set_alpha_to_one"]
        return torch.tensor(1.0) if is_clean else self.alphas_cumprod[0]

    @abstractmethod
    def _rows_between(
        self, levels: np.ndarray, levels_before: np.ndarray, labels: np.ndarray, options: tuple
    ) -> Rows:
        """Rows of the steps from ``levels`` to ``levels_before``, ᾱ of shape (n,), float64."""

    def _first_labels(self) -> np.ndarray:
        """Every level."""
        return np.arange(len(self))[:: 1 if self._ascends else -1].copy()

    def _choose(self, n_steps: Any, timesteps: Any, sigmas: Any) -> np.ndarray:
        if timesteps is not None:
            for label in timesteps.tolist() if hasattr(timesteps, "tolist") else timesteps:
                check_integer(type(self).__name__, "timesteps", label, low=0)
            labels = self._descending("timesteps", timesteps).astype(np.int64)
        elif sigmas is not None:
            labels = self._nearest(self._own_sigmas(sigmas, 0.0, self._highest()))
        else:
            n_steps, spacing = self._check_count(n_steps), self.config["timestep_spacing"]
            if spacing in GRIDS:
                labels = GRIDS[spacing](len(self), n_steps, self.config["steps_offset"])
            else:
                labels = self._nearest(self._spaced_sigmas(n_steps, spacing))
        self._check_labels(labels)
        return labels[:: -1 if self._ascends else 1].copy()

    def _nearest(self, sigmas: np.ndarray) -> np.ndarray:
        """Whole labels near to levels, and as many: where they crowd, they stand side by side."""
        places = np.arange(len(sigmas))
        near = self._labels_of(sigmas).round().astype(np.int64)[::-1] - places
        apart = np.minimum(np.maximum.accumulate(near), self.alphas_cumprod.shape[0] - len(near))
        return np.asarray((apart + places)[::-1])

    def _off_grid(self, value: float, expected: int) -> int:
        if value % 1 != 0:
            cure = "Pass an element of scheduler.timesteps."
            raise TypeError(self._message("timestep", "a whole number", value, cure))
        self._check_labels(np.array([int(value)]))
        return ~int(value)

    def _device_index(self, timestep: Tensor) -> Tensor:
        """The label itself: there is a row for each."""
        labels = timestep.reshape(-1).long()
        if self._is_readable(labels):
            for label in timestep.reshape(-1).tolist():
                self._off_grid(label, 0)
        return labels

    def _matrix_rows(self, have: int, options: tuple) -> Rows:
        return self._rows(np.arange(len(self.alphas_cumprod)), have, options)

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
        before = int(self._arrivals(np.array([int(timestep)]))[0])
        return torch.full_like(timestep, before) if isinstance(timestep, Tensor) else before

    def _arrivals(self, labels: np.ndarray) -> np.ndarray:
        """Label that each step goes to."""
        stride = len(self) // len(self._labels)
        if self._host_strides and self.config["compat"] == "diffusers":
            return np.maximum(labels - stride, CLEAN)
        walk = self._label_array[:: -1 if self._ascends else 1]
        before = previous_labels(walk)
        if labels is self._label_array:
            return before[:: -1 if self._ascends else 1]
        following = dict(zip(walk.tolist(), before.tolist(), strict=True))
        wanted = labels.tolist()
        return np.array([following.get(label, max(label - stride, CLEAN)) for label in wanted])

    def _rows(self, labels: np.ndarray | None, have: int, options: tuple) -> Rows:
        if self._host_strides and self.num_inference_steps is None:
            cure = "Call set_timesteps(n) first."
            raise ValueError(self._message("num_inference_steps", "set before step", None, cure))
        labels = self._label_array if labels is None else labels
        self._check_labels(labels)
        levels, before = self._alpha_bars(labels), self._alpha_bars(self._arrivals(labels))
        with np.errstate(divide="ignore", invalid="ignore"):  # at zero SNR; such rows are refused
            return self._rows_between(levels, before, labels, options)

    def _alpha_bars(self, labels: np.ndarray) -> np.ndarray:
        """ᾱ at labels, the final one at CLEAN = -1; array of shape (n,), float64."""
        levels = self._known.get("shares")
        if levels is None:
            shares = self.alphas_cumprod.detach().cpu().double().numpy()
            levels = np.append(shares, self.final_alpha_cumprod.detach().cpu().numpy())
            self._known["shares"] = levels
        return np.asarray(levels[labels])

    def _variances(self, label: int, before: int) -> tuple[Tensor, Tensor]:
        """β̃ and β of the step between two labels, 0-d float32."""
        self._check_labels(np.array([label]))
        level, level_before = self._alpha_bars(np.array([label, max(before, CLEAN)]))
        with np.errstate(invalid="ignore"):
            small = posterior_variance(level, level_before)
        large = transition_variance(level, level_before)
        return torch.tensor(small).float(), torch.tensor(large).float()

    def _scales(self, timesteps: Tensor, sample: Tensor) -> tuple[Tensor, Tensor]:
        device, dtype = sample.device, torch.promote_types(sample.dtype, torch.float32)
        scales = self._known.get((device, dtype))
        if scales is None:
            scales = torch.stack(signal_and_noise(self.alphas_cumprod.cpu()))  # (2, T)
            scales = self._known[device, dtype] = scales.to(dtype).to(device)
        labels = self._labels_for(timesteps, sample)
        if labels.dtype not in (torch.int64, torch.int32):
            allowed, cure = "a tensor of int64", "Draw them with torch.randint."
            raise TypeError(self._message("timesteps", allowed, labels.dtype, cure))
        try:
            a, b = scales.index_select(1, labels)
        except (IndexError, RuntimeError):  # which one depends on how torch was built
            self._check_labels(labels.cpu().numpy())
            raise
        return a, b
