"""Where a run stands: config, checks, grid, and the row that a timestep stands for.

A row is found by the position of its timestep in ``timesteps``, read from the address of that view,
so no device is asked. Config values are read when they are used, because pipelines replace
``_internal_dict`` after construction; what was made from them is dropped when it is another object.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from inspect import signature
from math import inf
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers, SchedulerMixin
from diffusers.utils.import_utils import DummyObject
from torch import Tensor
from torch.compiler import is_compiling

from genextras.core.predictions import TARGETS
from genextras.core.steps import Rows
from genextras.validation import check_integer, check_number, check_options, message

TRAINED = {  # facts of a network: in a swap they stay, also where the host would drop a default
    *("num_train_timesteps", "prediction_type", "beta_start", "beta_end", "beta_schedule"),
    *("sigma_min", "sigma_max", "sigma_data", "shift"),
}
METHODS = {"dpmsolver", "deis", "data_prediction", "noise_prediction", "logrho", "bh1", "bh2"}
"""Of other classes of the host; ours takes its default in their place, as the host's own do."""


class CursorScheduler(SchedulerMixin, ConfigMixin, ABC):
    """Life cycle and cursor; a member adds its grid, its levels and its rows."""

    config_name: ClassVar[str] = SchedulerMixin.config_name  # type: ignore[assignment, misc]  # both bases state it
    _compatibles = [c.name for c in KarrasDiffusionSchedulers] + ["DDIMInverseScheduler"]
    order = 1
    _internal_dict: Mapping[str, Any]
    _step_index: int | None
    _begin_index: int | None
    _n_past = 0  # rows before this one that a row may use
    _choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "prediction_type": tuple(TARGETS),
        "compat": ("none", "diffusers"),
    }
    _flags: ClassVar[tuple[str, ...]] = ()
    _trained = TRAINED
    _label_range: tuple[float, float] = (-inf, inf)  # of all labels that have a level

    def _start(self) -> None:
        """Check the config and take the first grid; the body of each member's ``__init__``."""
        unset = [word for word in self.config.get("_use_default_values", ()) if word not in TRAINED]
        self.register_to_config(_use_default_values=unset)  # which the host would drop in a swap
        self.num_inference_steps: int | None = None
        self._request: tuple | None = None
        self._refresh()
        labels = self._first_labels()
        self._place(torch.from_numpy(labels), labels)

    def _first_labels(self) -> np.ndarray:
        """Labels before a grid is chosen."""
        return np.empty(0, np.float32)

    def __len__(self) -> int:
        return int(self.config["num_train_timesteps"])

    @classmethod
    def _get_compatibles(cls) -> list[type]:
        """Schedulers that understand this config: ours, then those of diffusers."""
        below: list[type] = [CursorScheduler]
        for each in below:
            below.extend(each.__subclasses__())
        own = [
            c for c in below if issubclass(c, SchedulerMixin) and c.__bases__[-1] is SchedulerMixin
        ]
        own = [c for c in own if c.__module__.startswith("genextras.")]
        host = [c for c in super()._get_compatibles() if not isinstance(c, DummyObject)]
        found: list[type] = own
        return found + sorted(set(host) - set(own), key=lambda c: c.__name__)

    @classmethod
    def extract_init_dict(cls, config_dict: Mapping[str, Any], **kwargs: Any) -> tuple:
        """Read a config, of another class maybe, whose defaults the host would drop.

        Parameters
        ----------
        config_dict : mapping of str to object
            The config.
        **kwargs : object
            Options that go before it.

        Returns
        -------
        init_dict, unused_kwargs, hidden_dict : dict
            As the host makes them.
        """
        config, own = dict(config_dict), signature(cls.__init__).parameters
        dropped = {*config.pop("_use_default_values", ())} - (cls._trained & own.keys())
        for word in own.keys() & config.keys():
            is_unset = config[word] is None and own[word].default is not None
            if is_unset or str(config[word]) in METHODS:
                dropped.add(word)
        if config.get("use_flow_sigmas") and "shift" not in own:
            cure = "The network is one of flows: take FlowMatchScheduler."
            raise ValueError(message(cls.__name__, "use_flow_sigmas", "False", True, cure))
        if "flow_shift" in config:
            config.setdefault("shift", config["flow_shift"])
        kept = {word: value for word, value in config.items() if word not in dropped}
        return super().extract_init_dict(kept, **kwargs)

    # ------------------------------------------------------------ what a member adds

    @abstractmethod
    def _levels(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Scales (a, b) of data and noise at any labels; float64, on the labels' device."""

    @abstractmethod
    def _choose(self, n_steps: Any, timesteps: Any, sigmas: Any) -> np.ndarray:
        """Check a request and give the labels of all rows, int64 or float32."""

    @abstractmethod
    def _rows(self, labels: np.ndarray | None, have: int, options: tuple) -> Rows:
        """Rows of the grid, or of single labels, with so many rows of history."""

    # ------------------------------------------------------------ checks

    def _check_config(self) -> None:
        words = self._get_init_keys(type(self))  # a config may hold another class's options, too
        own = {word: value for word, value in self.config.items() if word in words}
        check_options(type(self).__name__, own, choices=self._choices, flags=self._flags)

    def _message(self, name: str, allowed: str, got: object, cure: str) -> str:
        return message(type(self).__name__, name, allowed, got, cure)

    def _refuse_shape(self, model_output: Any, sample: Tensor) -> None:
        if not isinstance(model_output, Tensor):
            kind, cure = type(model_output).__name__, "Networks of diffusers return it as .sample."
            raise TypeError(self._message("model_output", "a Tensor", kind, cure))
        allowed, got = f"of the sample's shape {tuple(sample.shape)}", tuple(model_output.shape)
        cure = "A network that also predicts a variance needs DDPMScheduler's variance_type."
        raise ValueError(self._message("model_output", allowed, got, cure))

    def _check_count(self, n_steps: Any) -> int:
        check_integer(type(self).__name__, "num_inference_steps", n_steps, low=1)
        if n_steps > len(self):
            allowed, cure = f"at most num_train_timesteps={len(self)}", "Take fewer steps."
            raise ValueError(self._message("num_inference_steps", allowed, n_steps, cure))
        return int(n_steps)

    def _descending(self, name: str, values: Sequence[float]) -> np.ndarray:
        """Own levels or labels as an array, without the clean level that may stand at the end."""
        try:
            numbers = np.array([float(value) for value in values])
        except (TypeError, ValueError) as error:
            cure = "Pass a list."
            raise TypeError(self._message(name, "numbers", values, cure)) from error
        if len(numbers) > 1 and name == "sigmas" and numbers[-1] == 0:
            numbers = numbers[:-1]
        if not len(numbers) or not (np.diff(numbers) < 0).all():
            cure = "Sort them, largest first, each once."
            raise ValueError(self._message(name, "in descending order", list(values), cure))
        return numbers

    def _own_sigmas(self, sigmas: Sequence[float], low: float, high: float) -> np.ndarray:
        """Levels of the user's own that the network knows."""
        values = self._descending("sigmas", sigmas)
        for sigma in (values[0], values[-1]):
            owner, cure = type(self).__name__, "Levels beyond training are not known."
            check_number(owner, "sigmas", float(sigma), low=low, high=high, cure=cure)
        return values

    def _check_labels(self, labels: np.ndarray) -> None:
        low, high = self._label_range
        wrong = labels[~((labels >= low) & (labels <= high))]
        if wrong.size:
            allowed, cure = f"in [{low:g}, {high:g}]", "Levels beyond training are not known."
            raise ValueError(self._message("timesteps", allowed, wrong.tolist(), cure))

    def _refuse(self, label: float) -> None:
        got, cure = self.config["prediction_type"], "At zero SNR use 'v_prediction' or 'sample'."
        allowed = f"invertible at timestep {label}, where x is all noise or all data"
        raise ValueError(self._message("prediction_type", allowed, got, cure))

    def _refresh(self) -> None:
        """Drop what was made from another config or noise schedule."""
        self._check_config()
        self._read, self._depth = self._internal_dict, self._n_past
        self._known: dict[Any, Any] = {}  # of the noise schedule
        self._tables: dict[Any, Any] = {}  # of the grid
        self._rewind()

    # ------------------------------------------------------------ timesteps and the cursor

    @property
    def timesteps(self) -> Tensor:
        """Label of every model call, from noise to data.

        Returns
        -------
        Tensor of shape (n,)
            Labels as the network knows them, on the device given to ``set_timesteps``.
        """
        return self._timesteps

    @timesteps.setter
    def timesteps(self, timesteps: Tensor) -> None:
        """Follow timesteps that a pipeline assigns.

        Parameters
        ----------
        timesteps : Tensor of shape (n,)
            Labels, descending.
        """
        self._place(timesteps, self._adopt(np.array(timesteps.tolist())))
        self._request = None

    def _adopt(self, labels: np.ndarray) -> np.ndarray:
        """Rows of labels that a pipeline assigned."""
        return labels

    def _place(self, timesteps: Tensor, labels: np.ndarray) -> None:
        self._timesteps, self._label_array, self._labels = timesteps, labels, labels.tolist()
        self._width = timesteps.itemsize
        self._positions: dict[float, int] = {}
        self._tables = {}
        self._rewind()

    def _rewind(self) -> None:
        self._step_index, self._begin_index = None, None
        self._history: dict[int, Tensor] = {}

    @property
    def step_index(self) -> int | None:
        """Row that comes next.

        Returns
        -------
        int or None
            None before the first step.
        """
        return self._step_index

    @property
    def begin_index(self) -> int | None:
        """Row that the run starts with, as a pipeline set it.

        Returns
        -------
        int or None
            None unless ``set_begin_index`` was called.
        """
        return self._begin_index

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Announce the row that a run starts with, as image-to-image pipelines do.

        Parameters
        ----------
        begin_index : int, default=0
            Position in ``timesteps``.
        """
        self._rewind()
        self._begin_index = begin_index

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: str | torch.device | None = None,
        timesteps: Sequence[float] | None = None,
        sigmas: Sequence[float] | None = None,
    ) -> None:
        """Choose the timesteps of the next run; the same request again costs nothing.

        Parameters
        ----------
        num_inference_steps : int, optional
            Number of steps n, spaced as the config says.
        device : str or torch.device, optional
            Where ``timesteps`` is put; the coefficients stay on the host.
        timesteps : sequence of numbers, optional
            Labels of your own, descending; instead of ``num_inference_steps``.
        sigmas : sequence of float, optional
            Noise levels b/a of your own, descending; instead of the two.

        Raises
        ------
        TypeError
            If a count or label is of the wrong kind.
        ValueError
            Unless one of the three is given, or if they are out of range or not descending.
        """
        request = (num_inference_steps, device)
        is_known = timesteps is None and sigmas is None and type(num_inference_steps) is int
        if is_known and request == self._request and self._internal_dict is self._read:
            self._rewind()
            self.num_inference_steps = num_inference_steps
            return
        if self._internal_dict is not self._read:
            self._refresh()
        given = (num_inference_steps, timesteps, sigmas)
        if sum(value is not None for value in given) != 1:
            allowed, cure = "given if and only if timesteps is not", "Pass one of them."
            raise ValueError(self._message("num_inference_steps", allowed, given, cure))
        labels = self._choose(num_inference_steps, timesteps, sigmas)
        self.custom_timesteps = timesteps is not None
        self.num_inference_steps = self._n_steps(labels)
        self._place(torch.from_numpy(labels).to(device), labels)
        self._request = request if is_known else None

    def _n_steps(self, labels: np.ndarray) -> int:
        return len(labels)

    def _index(self, timestep: Any, sample: Tensor) -> int | Tensor:
        """Row of a timestep: a number, or a Tensor where the device has to look it up."""
        if isinstance(timestep, Tensor):
            if not timestep.ndim or timestep.numel() == 1:
                start = timestep.data_ptr() - self._timesteps.data_ptr()
                row, rest = divmod(start, self._width)
                if not rest and 0 <= row < len(self._labels):
                    return row
                return self._find(timestep.item())
            if sample.ndim and timestep.numel() == len(sample):
                return self._device_index(timestep)
            allowed = f"1 or {len(sample) if sample.ndim else 1} labels"
            cure, got = "Pass one for each sample.", tuple(timestep.shape)
            raise ValueError(self._message("timestep", allowed, got, cure))
        if not isinstance(timestep, Real):
            cure = "Pass an element of scheduler.timesteps."
            raise TypeError(self._message("timestep", "a number", timestep, cure))
        return self._find(float(timestep))

    def _find(self, value: float) -> int:
        """Row of a label: the one that comes next, or the last one that has it."""
        expected = self._step_index if self._step_index is not None else (self._begin_index or 0)
        if expected < len(self._labels) and self._labels[expected] == value:
            return expected
        if not self._positions:
            self._positions = {label: i for i, label in enumerate(self._labels)}
        found = self._positions.get(value)
        if found is None:
            return self._off_grid(value, expected)
        return found

    def _off_grid(self, value: float, expected: int) -> int:
        """Row of a label that is not on the grid: the one that comes next if a run is on."""
        if (self._step_index or self._begin_index) is not None and expected < len(self._labels):
            return expected  # a pipeline that rounds the labels it passes on
        raise ValueError(self._off_grid_message(value))

    def _off_grid_message(self, label: Any) -> str:
        is_set = self.num_inference_steps is not None
        cure = "Pass elements of scheduler.timesteps." if is_set else "Call set_timesteps(n) first."
        return self._message("timestep", "on the grid of set_timesteps", label, cure)

    def _traced_index(self, timestep: Any) -> int | Tensor:
        """Inside torch.compile: a counter where rows need a past, else a look-up on the device."""
        if isinstance(timestep, Tensor) and not self._depth and self.order == 1:
            return self._device_index(timestep)
        index = self._step_index if self._step_index is not None else (self._begin_index or 0)
        return index if index < len(self._labels) else self._begin_index or 0

    def _device_index(self, timestep: Tensor) -> Tensor:
        """Rows of labels, found without asking a device; the row behind the last one is NaN."""
        if self.order > 1:
            cure = "Call step once for each sample, or choose a solver of one stage."
            allowed = "one label for the batch, as the solver's rows come in pairs"
            raise ValueError(self._message("timestep", allowed, tuple(timestep.shape), cure))
        if not self._labels:
            raise ValueError(self._off_grid_message(tuple(timestep.shape)))
        grid = self._timesteps
        dtype = grid.dtype if grid.is_floating_point() else timestep.dtype  # 3.7 is not label 3
        labels = timestep.reshape(-1, 1).to(dtype)
        is_hit = labels == grid.to(labels.device, dtype)  # (B, n)
        if self._is_readable(labels) and not is_hit.any(dim=1).all():
            raise ValueError(self._off_grid_message(timestep.tolist()))
        found = is_hit.int().argmax(dim=1)
        return torch.where(is_hit.any(dim=1), found, len(self._labels))

    @staticmethod
    def _is_readable(numbers: Tensor) -> bool:
        """Whether the host may look: no device has to wait, and no compiler to break off."""
        return numbers.device.type == "cpu" and not is_compiling()
