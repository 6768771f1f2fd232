"""What models of T discrete noise levels share: β, ᾱ, and the walk over whole-number labels."""

from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from genextras.core.grids import CLEAN, GRIDS, SIGMA_GRIDS, previous_labels
from genextras.core.paths import BETA_SCHEDULES, signal_and_noise, zero_terminal_snr
from genextras.core.steps import Rows, posterior_variance, transition_variance
from genextras.schedulers.base import DiffusionScheduler
from genextras.validation import as_betas, check_integer, check_number


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
        self._check_config()
        self.betas = self._make_betas()  # (T,), float32 as the host keeps it
        self.alphas = 1.0 - self.betas
        self.alphas_cumprod = torch.cumprod(self.alphas, dim=0)
        super()._start()
        self.init_noise_sigma = 1.0
        self.custom_timesteps = False
        labels = self._first_labels()
        self._place(torch.tensor(labels), labels)

    def _first_labels(self) -> list[int]:
        """Every level, until a grid is chosen."""
        return []

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
        key = ("levels", labels.device)
        table = self._tables.get(key)
        if table is None:
            a, b = signal_and_noise(self.alphas_cumprod.cpu())
            table = torch.stack([(b / a).log(), a, b]).to(labels.device)  # (3, T)
            self._tables[key] = table
        low = labels.floor().long().clamp(0, table.shape[1] - 1)
        share = labels - low
        log_sigma, a, b = table.index_select(1, low)
        above = table[0].index_select(0, (low + 1).clamp(max=table.shape[1] - 1))
        between = torch.where(share > 0, torch.lerp(log_sigma, above, share), log_sigma).exp()
        scale = (1 + between**2).rsqrt()
        is_whole = share == 0
        return torch.where(is_whole, a, scale), torch.where(is_whole, b, between * scale)

    def _sigmas(self) -> np.ndarray:
        """σ = b/a of every label, ascending; shape (T,), float64, cached."""
        if "sigmas" not in self._tables:
            a, b = signal_and_noise(self.alphas_cumprod.cpu())
            with np.errstate(divide="ignore"):
                self._tables["sigmas"] = b.numpy() / a.numpy()
        return np.asarray(self._tables["sigmas"])

    def _labels_of(self, sigmas: np.ndarray) -> np.ndarray:
        """Labels between whole numbers, where log σ is interpolated."""
        known = self._sigmas()
        is_finite = np.isfinite(known)
        return np.interp(np.log(sigmas), np.log(known[is_finite]), np.flatnonzero(is_finite))

    def _check_labels(self, labels: list[int]) -> None:
        n_levels = len(self.alphas_cumprod)
        wrong = [label for label in labels if not 0 <= label < n_levels]
        if wrong:
            cure = "Check steps_offset, and that there are num_train_timesteps betas."
            raise ValueError(self._message("timesteps", f"in [0, {n_levels})", wrong, cure))

    def _own_labels(self, timesteps: Sequence[int]) -> list[int]:
        labels = timesteps.tolist() if hasattr(timesteps, "tolist") else list(timesteps)
        for label in labels:
            check_integer(type(self).__name__, "timesteps", label, low=0)
        self._check_descending("timesteps", labels)
        return [int(label) for label in labels]

    def _own_sigmas(self, sigmas: Sequence[float]) -> list[float]:
        """Own noise levels without the clean one that other schedulers list at the end."""
        values = [float(sigma) for sigma in sigmas]
        self._check_descending("sigmas", values)
        kept = values[:-1] if len(values) > 1 and values[-1] == 0 else values
        known = self._sigmas()
        for sigma in kept:
            low, high, cure = 0.0, float(known[-1]), "Levels beyond training are not known."
            check_number(type(self).__name__, "sigmas", sigma, low=low, high=high, cure=cure)
        return kept

    def _check_descending(self, name: str, values: list) -> None:
        if not values or not all(s < t for t, s in pairwise(values)):
            cure = "Sort them, largest first, each once."
            raise ValueError(self._message(name, "in descending order", values, cure))

    def _spaced_sigmas(self, n_steps: int, spacing: str, kappa: float = 1.0) -> np.ndarray:
        """Levels of a spacing that is even in some function of σ."""
        known = self._sigmas()
        low, high = float(known[0]), float(known[np.isfinite(known)][-1])
        rho = kappa if spacing == "rectified" else 7.0
        return SIGMA_GRIDS[spacing](n_steps, low, high, rho)


class LabelScheduler(BetaScheduler):
    """A walk over whole-number labels; a step may start at any of them, on the grid or not."""

    _host_strides: ClassVar[bool] = False  # diffusers' class goes to t - T // n, come what may
    _ascends: ClassVar[bool] = False  # from data to noise, where "arrive" reads "come from"

    @property
    @abstractmethod
    def final_alpha_cumprod(self) -> Tensor:
        """ᾱ that the last step arrives at; 0-d Tensor."""

    @abstractmethod
    def _rows_between(
        self, levels: np.ndarray, levels_before: np.ndarray, labels: list[int], options: tuple
    ) -> Rows:
        """Rows of the steps from ``levels`` to ``levels_before``, ᾱ of shape (n,), float64."""

    def _first_labels(self) -> list[int]:
        labels = list(range(len(self)))
        return labels if self._ascends else labels[::-1]

    def _choose(self, n_steps: Any, timesteps: Any, sigmas: Any) -> list[int]:
        if timesteps is not None:
            labels = self._own_labels(timesteps)
        elif sigmas is not None:
            labels = self._nearest(np.asarray(self._own_sigmas(sigmas)))
        else:
            n_steps, spacing = self._check_count(n_steps), self.config["timestep_spacing"]
            if spacing in GRIDS:
                labels = GRIDS[spacing](len(self), n_steps, self.config["steps_offset"])
            else:
                labels = self._nearest(self._spaced_sigmas(n_steps, spacing))
        self._check_labels(labels)
        return labels[::-1] if self._ascends else labels

    def _nearest(self, sigmas: np.ndarray) -> list[int]:
        """Whole labels nearest to levels, each once."""
        labels: list[int] = np.unique(self._labels_of(sigmas).round().astype(int)).tolist()
        return labels[::-1]

    def _as_timesteps(self, labels: list) -> Tensor:
        return torch.tensor(labels)

    def _off_grid(self, value: float, expected: int) -> int:
        if value != int(value):
            cure = "Pass an element of scheduler.timesteps."
            raise TypeError(self._message("timestep", "a whole number", value, cure))
        self._check_labels([int(value)])
        return ~int(value)

    def _device_index(self, timestep: Tensor) -> Tensor:
        """The label itself: there is a row for each."""
        return timestep.reshape(-1).long()

    def _matrix_rows(self, have: int, options: tuple) -> Rows:
        return self._rows(list(range(len(self.alphas_cumprod))), have, options)

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
        before = self._arrivals([int(timestep)])[0]
        return torch.full_like(timestep, before) if isinstance(timestep, Tensor) else before

    def _arrivals(self, labels: list[int]) -> list[int]:
        """Label that each step goes to."""
        stride = len(self) // len(self._labels)
        if self._host_strides and self.config["compat"] == "diffusers":
            return [max(label - stride, CLEAN) for label in labels]
        descending = sorted(self._labels, reverse=True) if self._ascends else self._labels
        following = dict(zip(descending, previous_labels(descending), strict=True))
        return [following.get(label, max(label - stride, CLEAN)) for label in labels]

    def _rows(self, labels: list[int] | None, have: int, options: tuple) -> Rows:
        labels = self._labels if labels is None else labels
        self._check_labels(labels)
        levels, before = self._alpha_bars(labels), self._alpha_bars(self._arrivals(labels))
        with np.errstate(divide="ignore", invalid="ignore"):  # at zero SNR; such rows are refused
            return self._rows_between(levels, before, labels, options)

    def _alpha_bars(self, labels: list[int]) -> np.ndarray:
        """ᾱ at labels, the final one at CLEAN = -1; array of shape (n,), float64."""
        levels = self._tables.get("shares")
        if levels is None:
            shares = self.alphas_cumprod.detach().cpu().double().numpy()
            levels = np.append(shares, self.final_alpha_cumprod.detach().cpu().numpy())
            self._tables["shares"] = levels
        return np.asarray(levels[labels])

    def _variances(self, label: int, before: int) -> tuple[Tensor, Tensor]:
        """β̃ and β of the step between two labels, 0-d float32."""
        self._check_labels([label])
        level, level_before = self._alpha_bars([label, max(before, CLEAN)])
        with np.errstate(invalid="ignore"):
            small = posterior_variance(level, level_before)
        large = transition_variance(level, level_before)
        return torch.tensor(small).float(), torch.tensor(large).float()

    def _scales(self, timesteps: Tensor, sample: Tensor) -> tuple[Tensor, Tensor]:
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
