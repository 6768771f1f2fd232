"""Rectified flow: straight paths x = (1 - t) x_0 + t ε, Euler or Heun in t."""

from collections.abc import Sequence, Sized
from math import exp
from typing import Any, ClassVar, final

import numpy as np
import torch
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin  # from_pretrained reads it here
from torch import Tensor

from genextras.core.grids import SIGMA_GRIDS, shifted_time
from genextras.core.predictions import solve
from genextras.core.steps import Levels, Rows, euler_rows, heun_rows, levels_to, make_rows
from genextras.core.tables import result_dtypes
from genextras.schedulers.base import DiffusionScheduler, Generators
from genextras.schedulers.cursor import TRAINED
from genextras.schedulers.grid import GridScheduler

TOUCHING = 1e-6  # times no further apart are one
SHIFTS = {"exponential": exp, "linear": float}  # factor on σ that the host's mu stands for


@final
class FlowMatchScheduler(GridScheduler, SchedulerMixin):
    """Sample a rectified flow [1]_, in place of diffusers' FlowMatchEulerDiscreteScheduler.

    n steps span all of [1, 0] and the shift is applied once; diffusers shifts its end twice and
    spends its last call on the step from 0.001 (before shifts) to 0.

    Parameters
    ----------
    num_train_timesteps : int, default=1000
        Labels are t times this number.
    shift : float, default=1.0
        Factor on σ = t / (1 - t), for resolution (section 5.3.2 of [2]_).
    use_dynamic_shifting : bool, default=False
        Take the shift from ``mu`` of ``set_timesteps``.
    base_shift : float, default=0.5
        Read by pipelines, which compute ``mu`` from this and the next three.
    max_shift : float, default=1.15
        ``mu`` of the longest sequence.
    base_image_seq_len : int, default=256
        Length of which ``mu`` is ``base_shift``.
    max_image_seq_len : int, default=4096
        Length of which it is ``max_shift``.
    invert_sigmas : bool, default=False
        Whether the network's time runs from noise to data, as Mochi's: labels and ``sigmas`` tell
        1 - t, and "flow_prediction" becomes "flow_negative", x_0 - ε.
    shift_terminal : float, optional
        Stretch the grid so that its last time is this one.
    use_karras_sigmas : bool, default=False
        Space the times between the first and the last like σ of Karras' grid.
    use_exponential_sigmas : bool, default=False
        Likewise, evenly in their logarithm.
    use_beta_sigmas : bool, default=False
        Likewise, at quantiles of a Beta law.
    time_shift_type : {"exponential", "linear"}, default="exponential"
        Whether ``mu`` is the logarithm of the shift or the shift.
    stochastic_sampling : bool, default=False
        Draw all noise anew in each step.
    prediction_type : str, default="flow_prediction"
        What the network predicts.
    solver : {"euler", "heun"}, default="euler"
        Heun calls the network twice a step, but once in the last one.
    compat : {"none", "diffusers"}, default="none"
        "diffusers" takes that library's grid.

    References
    ----------
    .. [1] Liu, Gong, Liu (2022), Flow straight and fast, arXiv:2209.03003.
    .. [2] Esser et al. (2024), Scaling rectified flow transformers, arXiv:2403.03206.

    Examples
    --------
    >>> scheduler = FlowMatchScheduler(shift=3.0)
    >>> scheduler.set_timesteps(4)
    >>> [round(t) for t in scheduler.timesteps.tolist()]
    [1000, 900, 750, 500]
    """

    _choices: ClassVar = {
        **DiffusionScheduler._choices,
        "time_shift_type": tuple(SHIFTS),
        "solver": ("euler", "heun"),
    }
    _flags: ClassVar[tuple[str, ...]] = (
        "use_dynamic_shifting",
        "stochastic_sampling",
        "use_karras_sigmas",
        "use_exponential_sigmas",
        "use_beta_sigmas",
    )
    init_noise_sigma = 1.0
    _trained = TRAINED - {"prediction_type"}  # the default of a class that knows no flows

    _heun = ("solver", "heun")

    @register_to_config
    def __init__(  # noqa: PLR0917 - diffusers' own signature, positions included
        self,
        num_train_timesteps: int = 1000,
        shift: float = 1.0,
        use_dynamic_shifting: bool = False,
        base_shift: float | None = 0.5,
        max_shift: float | None = 1.15,
        base_image_seq_len: int = 256,
        max_image_seq_len: int = 4096,
        invert_sigmas: bool = False,
        shift_terminal: float | None = None,
        use_karras_sigmas: bool = False,
        use_exponential_sigmas: bool = False,
        use_beta_sigmas: bool = False,
        time_shift_type: str = "exponential",
        stochastic_sampling: bool = False,
        prediction_type: str = "flow_prediction",
        solver: str = "euler",
        compat: str = "none",
    ) -> None:
        if invert_sigmas and prediction_type == "flow_prediction":
            self.register_to_config(prediction_type="flow_negative")
        self._start()
        if stochastic_sampling and solver == "heun":
            cure = "New noise in each step leaves nothing to average; take solver='euler'."
            raise ValueError(self._message("stochastic_sampling", "False with Heun", True, cure))
        self._mu: float | None = None
        self._told: Any = None
        self.sigma_min, self.sigma_max = shifted_time(np.array([1e-3, 1.0]), self.shift).tolist()
        even = np.arange(num_train_timesteps, 0, -1) / num_train_timesteps
        time = even if use_dynamic_shifting else shifted_time(even, self.shift)
        self._show(self._turned(time) * num_train_timesteps, self._turned(time))

    @property
    def shift(self) -> float:
        """Option of this name, as the config holds it now.

        Returns
        -------
        float
            Factor on σ.
        """
        return float(self.config["shift"])

    def set_timesteps(  # type: ignore[override]  # the host's order of arguments
        self,
        num_inference_steps: int | None = None,
        device: str | torch.device | None = None,
        sigmas: Sequence[float] | None = None,
        mu: float | None = None,
        timesteps: Sequence[float] | None = None,
    ) -> None:
        """Choose the times of the next run.

        Parameters
        ----------
        num_inference_steps : int, optional
            Number of steps n over [1, 0].
        device : str or torch.device, optional
            Where ``timesteps`` is put.
        sigmas : sequence of float in (0, 1], optional
            Times t of your own before the shift, descending; their number may be given too.
        mu : float, optional
            Shift of ``use_dynamic_shifting``.
        timesteps : sequence of float, optional
            Labels of your own before the shift, descending; beside ``sigmas`` what the network is
            told in place of the shifted times, as CogView4 asks.

        Raises
        ------
        ValueError
            If dynamic shifting lacks ``mu``, a time is out of range or not descending, or lists and
            ``num_inference_steps`` are of different lengths.
        """
        if self.config["use_dynamic_shifting"] and mu is None:
            cure = "Pass the value that the pipeline computes from the image size."
            raise ValueError(self._message("mu", "given with use_dynamic_shifting", mu, cure))
        if mu != self._mu:
            self._mu, self._request = mu, None
        given: dict[str, Any] = {"sigmas": sigmas, "timesteps": timesteps}
        sizes = {name: len(each) for name, each in given.items() if isinstance(each, Sized)}
        n_steps = None if sizes else num_inference_steps
        if sizes and len({*sizes.values(), num_inference_steps} - {None}) > 1:
            got, cure = (
                {**sizes, "num_inference_steps": num_inference_steps},
                "Give as many of each.",
            )
            raise ValueError(self._message("sigmas", "as many as there are steps", got, cure))
        self._told = timesteps
        super().set_timesteps(n_steps, device, timesteps if sigmas is None else None, sigmas)

    @property
    def _label_range(self) -> tuple[float, float]:  # type: ignore[override]  # a fact of the config
        return 0.0, float(len(self))

    def _turned(self, time: Any) -> Any:
        """t as the network has it, or the other way round."""
        return 1 - time if self.config["invert_sigmas"] else time

    def _levels(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        time = self._turned(labels / len(self))
        return 1 - time, time

    def _labels_of(self, sigmas: np.ndarray) -> np.ndarray:
        return np.asarray(len(self) * self._turned(sigmas / (1 + sigmas)))

    def _visible_sigmas(self, sigma: np.ndarray) -> np.ndarray:
        return np.asarray(self._turned(np.append(self._grid.b, self._grid.b_next[-1])))

    def _plan(self, n_steps: Any, timesteps: Any, sigmas: Any) -> tuple[np.ndarray, Levels]:
        if sigmas is not None:
            time = self._descending("sigmas", sigmas)
        elif timesteps is not None:
            time = self._descending("timesteps", timesteps) / len(self)
        elif self.config["compat"] == "diffusers":
            time = np.linspace(self.sigma_max, self.sigma_min, n_steps)
        else:
            time = np.arange(n_steps, 0, -1) / n_steps
        if not (time[-1] > 0 and time[0] <= 1):
            cure = "They are shares of noise."
            raise ValueError(self._message("sigmas", "in (0, 1]", time.tolist(), cure))
        time = self._respaced(self._stretched(self._shifted(time)))
        is_told = sigmas is not None and self._told is not None
        if is_told:
            return self._descending("timesteps", self._told), levels_to(1 - time, time)
        return self._turned(time) * len(self), levels_to(1 - time, time)

    def _shifted(self, time: np.ndarray) -> np.ndarray:
        if not self.config["use_dynamic_shifting"]:
            return shifted_time(time, self.shift)
        return shifted_time(time, SHIFTS[self.config["time_shift_type"]](self._mu or 0.0))

    def _stretched(self, time: np.ndarray) -> np.ndarray:
        terminal = self.config["shift_terminal"]
        if not terminal or time[-1] == 1:
            return time
        return 1 - (1 - time) * (1 - terminal) / (1 - time[-1])

    def _respaced(self, time: np.ndarray) -> np.ndarray:
        spacing = self._flagged_spacing
        if spacing is None:
            return time
        return SIGMA_GRIDS[spacing](len(time), float(time[-1]), float(time[0]), 7.0)

    def _rows(self, labels: np.ndarray | None, have: int, options: tuple) -> Rows:
        prediction = self.config["prediction_type"]
        if self.config["stochastic_sampling"]:
            a, b, a_next, b_next = self._grid
            return make_rows(solve(prediction, a, b), a_next, 0.0, noise=b_next)
        if self.order == 2:
            return heun_rows(self._grid, prediction, 1.0, kappa=1.0)
        return euler_rows(self._grid, prediction)

    def step(
        self,
        model_output: Tensor,
        timestep: float | Tensor,
        sample: Tensor,
        generator: Generators = None,
        return_dict: bool = True,
        *,
        per_token_timesteps: Tensor | None = None,
    ) -> Any:
        """Go from the level of ``timestep`` to the next one, or each token from its own.

        Parameters
        ----------
        model_output : Tensor of shape (B, ...)
            The network's prediction; with ``per_token_timesteps`` its negative, as the host has it.
        timestep : number or Tensor of 1 or B elements
            Label of the current level, of each sample if there are B.
        sample : Tensor of shape (B, ...)
            Current sample.
        generator : torch.Generator or list of B of them, optional
            Source of the noise, where there is any.
        return_dict : bool, default=True
            Whether to return an object with names, or a tuple.
        per_token_timesteps : Tensor of shape (B, T), optional
            Label of each token of samples (B, T, C), on the grid or not: its step of Euler ends at
            the next lower level, and a token at 0 stays. The result has float32 at least.

        Returns
        -------
        DDIMSchedulerOutput or tuple
            ``prev_sample`` and ``pred_original_sample``, Tensors of shape (B, ...).
        """
        if per_token_timesteps is None:
            return self._take(model_output, timestep, sample, generator, return_dict)
        if getattr(model_output, "shape", None) != sample.shape:
            self._refuse_shape(model_output, sample)
        self._check_tokens(per_token_timesteps, sample)
        index = self._index(timestep, sample)
        sigmas = self.sigmas.to(sample.device)[:, None, None]
        here = per_token_timesteps.to(sigmas) / len(self)
        below = torch.where(sigmas < here - TOUCHING, sigmas, 0).amax(dim=0)
        wide = sample.to(result_dtypes(model_output.dtype, sample.dtype)[1])
        previous = wide + (here - below)[..., None] * model_output
        data = wide + here[..., None] * model_output
        self._step_index = index + 1 if isinstance(index, int) else None
        if not return_dict:
            return previous, data
        return self._output(prev_sample=previous, pred_original_sample=data)

    def _check_tokens(self, labels: Tensor, sample: Tensor) -> None:
        """Refuse labels that are not the tokens', and steps but those of Euler."""
        config, shape = self.config, tuple(sample.shape[:-1])
        if tuple(labels.shape) != shape or len(shape) != 2:
            allowed, cure = (
                "of shape (B, T) for samples (B, T, C)",
                "Give one label for each token.",
            )
            got = f"{tuple(labels.shape)} for {tuple(sample.shape)}"
            raise ValueError(self._message("per_token_timesteps", allowed, got, cure))
        is_plain = config["prediction_type"] == "flow_prediction" and config["solver"] == "euler"
        if not is_plain or config["stochastic_sampling"]:
            allowed = "None but with solver='euler' and prediction_type='flow_prediction'"
            cure = "Choose these, and no stochastic_sampling."
            raise ValueError(self._message("per_token_timesteps", allowed, "labels", cure))

    def scale_noise(self, sample: Tensor, timestep: Tensor, noise: Tensor) -> Tensor:
        """Diffuse data, under the name and in the order that flow pipelines use.

        Parameters
        ----------
        sample : Tensor of shape (B, ...), data units
            x_0.
        timestep : Tensor of shape (B,) or (1,)
            Labels.
        noise : Tensor of shape (B, ...), dimensionless
            ε, standard normal.

        Returns
        -------
        Tensor of shape (B, ...)
            (1 - t) x_0 + t ε.
        """
        return self.add_noise(sample, noise, timestep)
