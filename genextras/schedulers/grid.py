"""What schedulers share that walk over a grid of noise levels by position, labels being derived."""

from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genextras.core.steps import Levels
from genextras.schedulers.base import DiffusionScheduler


class GridScheduler(DiffusionScheduler):
    """A walk over noise levels; a level may be visited twice, and labels need not be whole."""

    sigmas: Tensor
    _grid: Levels
    _scales_input = False  # whether the network sees x / √(b² + (a σ_data)²)

    @abstractmethod
    def _plan(self, n_steps: Any, timesteps: Any, sigmas: Any) -> tuple[np.ndarray, Levels]:
        """Labels and levels of n steps, one model call each."""

    def _choose(self, n_steps: Any, timesteps: Any, sigmas: Any) -> list:
        if n_steps is not None and timesteps is None and sigmas is None:
            n_steps = self._check_count(n_steps)
        labels, levels = self._plan(n_steps, timesteps, sigmas)
        self._grid = levels
        with np.errstate(divide="ignore"):
            sigma = np.append(levels.b / levels.a, levels.b_next[-1:] / levels.a_next[-1:])
        self.sigmas = torch.from_numpy(self._visible_sigmas(sigma)).float()
        return self._visits(labels)

    def _visible_sigmas(self, sigma: np.ndarray) -> np.ndarray:
        """What ``sigmas`` shows of n + 1 levels b/a."""
        return sigma

    def _visits(self, labels: np.ndarray) -> list:
        """Labels of the calls: each once, or as a two-stage method visits them."""
        if self.order == 1:
            return list(labels.astype(np.float32).tolist())
        twice = np.repeat(labels, 2)[1:]
        if self._grid.b_next[-1] != 0:
            twice = np.append(twice, self._end_label())
        return list(twice.astype(np.float32).tolist())

    def _end_label(self) -> float:
        """Label of the level where the last step arrives."""
        return float(self._labels_of(self._grid.b_next[-1:] / self._grid.a_next[-1:])[0])

    @abstractmethod
    def _labels_of(self, sigmas: np.ndarray) -> np.ndarray:
        """Labels of noise levels b/a."""

    def _n_steps(self, labels: list) -> int:
        return len(self._grid.a)

    def _descending(self, name: str, values: Sequence[float]) -> np.ndarray:
        """Own levels or labels as an array, without the clean one that may stand at the end."""
        numbers = np.asarray([float(value) for value in values])
        if len(numbers) > 1 and name == "sigmas" and numbers[-1] == 0:
            numbers = numbers[:-1]
        if not len(numbers) or not all(s < t for t, s in pairwise(numbers)):
            cure = "Sort them, largest first, each once."
            raise ValueError(self._message(name, "in descending order", list(values), cure))
        return numbers

    def _adopt(self, labels: list) -> list:
        """Rows of labels that a pipeline assigned."""
        for start in range(len(self._labels) - len(labels) + 1):
            if self.order == 1 and self._labels[start : start + len(labels)] == labels:
                chosen = slice(start, start + len(labels))
                self._grid = Levels(*(column[chosen] for column in self._grid))
                return labels
        kept = [label for i, label in enumerate(labels) if i == 0 or label != labels[i - 1]]
        return self._choose(None, kept, None)

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
        self._prepare_inputs()
        scales = self._inputs
        index = self._index(timestep, sample)
        if isinstance(index, int):
            return torch.mul(sample, scales[index])
        chosen = torch.stack(scales).to(sample.device).index_select(0, index.reshape(-1))
        return sample * chosen.to(sample.dtype).reshape(-1, *[1] * (sample.ndim - 1))

    @torch.compiler.assume_constant_result
    def _prepare_inputs(self) -> bool:
        """Scale of the network's input in every row, as 0-d tensors, and one for no row."""
        if not self._inputs:
            if self.num_inference_steps is None:
                cure = "Call set_timesteps(n) first."
                raise ValueError(self._message("num_inference_steps", "set before", None, cure))
            a, b = self._rows_levels()
            scales = (b**2 + (a * self._sigma_data()) ** 2) ** -0.5
            self._inputs = torch.from_numpy(np.append(scales, np.nan)).float().unbind()
        return True

    def _sigma_data(self) -> float:
        return 1.0

    def _rows_levels(self) -> tuple[np.ndarray, np.ndarray]:
        """(a, b) of every model call."""
        a, b, a_next, b_next = self._grid
        if self.order == 1:
            return a, b
        pairs = [np.stack(pair, axis=1).reshape(-1) for pair in ((a, a_next), (b, b_next))]
        n_calls = len(self._labels)
        return pairs[0][:n_calls], pairs[1][:n_calls]
