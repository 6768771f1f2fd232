"""What schedulers share that walk over a grid of noise levels by position, labels being derived."""

from abc import abstractmethod
from math import inf, nan
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.compiler import is_compiling

from genextras.core.steps import Levels
from genextras.schedulers.base import DiffusionScheduler

FLAGGED = {  # the host's flags for a spacing
    "use_karras_sigmas": "karras",
    "use_exponential_sigmas": "exponential",
    "use_beta_sigmas": "beta",
    "use_lu_lambdas": "exponential",
}


class GridScheduler(DiffusionScheduler):
    """A walk over noise levels; a level may be visited twice, and labels need not be whole."""

    sigmas: Tensor
    _grid: Levels
    _heun: ClassVar[tuple[str, str] | None] = None  # option and value of a call at either end
    _scales_input = False  # whether the network sees x / √(b² + (a σ_data)²)

    @property
    def order(self) -> int:  # type: ignore[override]  # the host's is a class attribute
        """Calls of the network in a step.

        Returns
        -------
        int
            2 for Heun.
        """
        return 1 + self._n_past if self._heun else 1

    @property
    def _n_past(self) -> int:  # type: ignore[override]  # a fact of the solver
        return int(self._heun is not None and self._internal_dict[self._heun[0]] == self._heun[1])

    def _check_config(self) -> None:
        super()._check_config()
        chosen = self._chosen_flags()
        if len(chosen) > 1:
            cure = "Set the others to False."
            raise ValueError(self._message(chosen[1], f"False with {chosen[0]}", True, cure))

    @property
    def _flagged_spacing(self) -> str | None:
        """Spacing that a flag of the host asks for."""
        chosen = self._chosen_flags()
        return FLAGGED[chosen[0]] if chosen else None

    def _chosen_flags(self) -> list[str]:
        return [flag for flag in FLAGGED if flag in self._flags and self.config[flag]]

    def _show(self, labels: np.ndarray, sigmas: np.ndarray) -> None:
        """Let trainings draw from a grid before there is a run; no step knows it."""
        self._timesteps, self.sigmas = (
            torch.from_numpy(each.astype(np.float32)) for each in (labels, sigmas)
        )

    @abstractmethod
    def _plan(self, n_steps: Any, timesteps: Any, sigmas: Any) -> tuple[np.ndarray, Levels]:
        """Labels and levels of n steps, one model call each."""

    def _choose(self, n_steps: Any, timesteps: Any, sigmas: Any) -> np.ndarray:
        if n_steps is not None and timesteps is None and sigmas is None:
            n_steps = self._check_count(n_steps)
        with np.errstate(invalid="ignore", divide="ignore"):
            labels, levels = self._plan(n_steps, timesteps, sigmas)
            sigma = np.append(levels.b / levels.a, levels.b_next[-1] / levels.a_next[-1])
        if not 0 < levels.b.min() <= levels.b.max() < inf:
            allowed, cure = "positive and finite", "Clean data need no step."
            raise ValueError(self._message("sigmas", allowed, levels.b.tolist(), cure))
        self._grid = levels
        self.sigmas = torch.from_numpy(self._visible_sigmas(sigma).astype(np.float32))
        return self._visits(labels).astype(np.float32)

    def _visible_sigmas(self, sigma: np.ndarray) -> np.ndarray:
        """What ``sigmas`` shows of n + 1 levels b/a."""
        return sigma

    def _visits(self, labels: np.ndarray) -> np.ndarray:
        """Labels of the calls: each of them repeated, or both ends of each of Heun's steps."""
        if not (self._heun and self._n_past):
            return np.repeat(labels, self.order)
        twice = np.repeat(labels, 2)[1:]
        return np.append(twice, self._end_label()) if self._grid.b_next[-1] != 0 else twice

    def _end_label(self) -> float:
        """Label of the level where the last step arrives."""
        return float(self._labels_of(self._grid.b_next[-1:] / self._grid.a_next[-1:])[0])

    @abstractmethod
    def _labels_of(self, sigmas: np.ndarray) -> np.ndarray:
        """Labels of noise levels b/a."""

    def _n_steps(self, labels: np.ndarray) -> int:
        return len(self._grid.a)

    def _adopt(self, labels: np.ndarray) -> np.ndarray:
        """Rows of labels that a pipeline assigned."""
        wanted, n = labels.tolist(), len(labels)
        for start in range(len(self._labels) - n + 1):
            if self.order == 1 and self._labels[start : start + n] == wanted:
                self._grid = Levels(*(column[start : start + n] for column in self._grid))
                return labels
        return self._choose(None, labels[np.append(True, np.diff(labels) != 0)], None)

    def scale_model_input(self, sample: Tensor, timestep: int | Tensor | None = None) -> Tensor:
        """Input of the network: x, or x divided by its standard deviation.

        Parameters
        ----------
        sample : Tensor of shape (B, ...)
            Current sample.
        timestep : number or Tensor of 1 or B elements
            Label of its level.

        Returns
        -------
        Tensor of shape (B, ...)
            ``sample`` itself, or a scaled copy.
        """
        if not self._scales_input:
            return sample
        if self._internal_dict is not self._read:
            self._refresh()
        if is_compiling():
            self._prepare_inputs()
            return sample * self._chosen_inputs(self._traced_index(timestep), sample)
        scales = self._tables.get("inputs") or self._input_scales()
        index = self._index(timestep, sample)
        if index.__class__ is not int:
            self._prepare_inputs()
            return sample * self._chosen_inputs(index, sample)
        scale = scales[index]
        if type(scale) is float:  # a 0-d tensor is cheaper to multiply by, but dear to make
            with torch.inference_mode(mode=False):
                scale = scales[index] = torch.scalar_tensor(scale, device="cpu")
        return torch.mul(sample, scale)

    def _input_scales(self) -> list[float | Tensor]:
        """Scale of the network's input in every row, and NaN for no row."""
        if self.num_inference_steps is None:
            cure = "Call set_timesteps(n) first."
            raise ValueError(self._message("num_inference_steps", "set before", None, cure))
        a, b = self._rows_levels()
        scales = (b**2 + (a * self._sigma_data()) ** 2) ** -0.5
        self._tables["inputs"] = [*scales.tolist(), nan]
        return self._tables["inputs"]

    @torch.compiler.assume_constant_result
    def _prepare_inputs(self) -> bool:
        """The same as one tensor; not traced."""
        self._inputs = torch.tensor([float(scale) for scale in self._input_scales()])
        return True

    def _chosen_inputs(self, index: int | Tensor, sample: Tensor) -> Tensor:
        """Scale of one row, or one for each sample."""
        if isinstance(index, int):
            return self._inputs[index]
        chosen = self._inputs.to(sample.device).index_select(0, index.reshape(-1))
        return chosen.to(sample.dtype).reshape(-1, *[1] * (sample.ndim - 1))

    def _sigma_data(self) -> float:
        return 1.0

    def _rows_levels(self) -> tuple[np.ndarray, np.ndarray]:
        """(a, b) of every model call."""
        a, b, a_next, b_next = self._grid
        if not (self._heun and self._n_past):
            return np.repeat(a, self.order), np.repeat(b, self.order)
        pairs = [np.stack(pair, axis=1).reshape(-1) for pair in ((a, a_next), (b, b_next))]
        n_calls = len(self._labels)
        return pairs[0][:n_calls], pairs[1][:n_calls]
