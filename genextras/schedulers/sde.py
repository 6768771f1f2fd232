"""Stochastic differential equations of scores: VP, VE and sub-VP, reversed by many predictors."""

from collections.abc import Callable
from math import inf
from typing import Any, ClassVar, final

import numpy as np
import torch
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin  # from_pretrained reads it here
from torch import Tensor

from genextras.core.ode import rk45
from genextras.core.predictions import solve
from genextras.core.sde import (
    PREDICTORS,
    Diffusion,
    denoise_last,
    exploding,
    interleave,
    langevin_rows,
    preserving,
)
from genextras.core.steps import Levels, Rows, heun_rows, levels_to
from genextras.schedulers.base import DiffusionScheduler
from genextras.schedulers.grid import GridScheduler

CLEANEST = {"vp": 1e-3, "sub-vp": 1e-3, "ve": 1e-5}  # last time that is evaluated, in score_sde


@final
class SDEScheduler(GridScheduler, SchedulerMixin):
    """Sample a score-based SDE [1]_, in any pipeline.

    The last step gives the predicted data without noise. Correctors take the step size
    2 α (snr b)², to which the norms of the paper's algorithms 4 and 5 come on average, so that a
    sample does not depend on its batch.

    Parameters
    ----------
    num_train_timesteps : int, default=1000
        Labels are t (T - 1), or σ for "ve".
    sde : {"vp", "sub-vp", "ve"}, default="vp"
        The forward process.
    beta_min : float, default=0.1
        β(0) of "vp" and "sub-vp".
    beta_max : float, default=20.0
        β(1) of them.
    sigma_min : float, default=0.01
        σ(0) of "ve".
    sigma_max : float, default=50.0
        σ(1) of it.
    predictor : str, default="reverse_diffusion"
        Or "euler_maruyama", "ancestral", and for the probability flow "ode_euler" and "ode_heun".
    n_corrector_steps : int, default=0
        Langevin steps before each predictor.
    snr : float, default=0.16
        Their signal-to-noise ratio r.
    prediction_type : str, default="score"
        What the network predicts.
    compat : {"none", "diffusers"}, default="none"
        No difference here: the peers' classes do not fit pipelines.

    References
    ----------
    .. [1] Song et al. (2021), Score-based generative modeling through stochastic differential
       equations, arXiv:2011.13456.

    Examples
    --------
    >>> scheduler = SDEScheduler(sde="ve", n_corrector_steps=1)
    >>> scheduler.set_timesteps(3)
    >>> [round(sigma, 2) for sigma in scheduler.timesteps.tolist()]
    [50.0, 50.0, 0.71, 0.71, 0.01, 0.01]
    """

    _choices: ClassVar = {
        **DiffusionScheduler._choices,
        "sde": tuple(CLEANEST),
        "predictor": (*PREDICTORS, "ode_heun"),
    }

    _heun = ("predictor", "ode_heun")

    @register_to_config
    def __init__(  # noqa: PLR0917 - a config is one list of options
        self,
        num_train_timesteps: int = 1000,
        sde: str = "vp",
        beta_min: float = 0.1,
        beta_max: float = 20.0,
        sigma_min: float = 0.01,
        sigma_max: float = 50.0,
        predictor: str = "reverse_diffusion",
        n_corrector_steps: int = 0,
        snr: float = 0.16,
        prediction_type: str = "score",
        compat: str = "none",
    ) -> None:
        self._start()
        if self._n_past and n_corrector_steps:
            allowed, cure = "0 with predictor='ode_heun'", "Take predictor='ode_euler'."
            raise ValueError(self._message("n_corrector_steps", allowed, n_corrector_steps, cure))

    @property
    def order(self) -> int:  # type: ignore[override]  # the host's is a class attribute
        """Calls of the network in a step.

        Returns
        -------
        int
            2 for Heun, else one more than there are correctors.
        """
        return super().order if self._n_past else 1 + int(self._internal_dict["n_corrector_steps"])

    @property
    def init_noise_sigma(self) -> float:
        """Scale of the first x.

        Returns
        -------
        float
            1, or the highest σ of "ve".
        """
        return float(self.config["sigma_max"]) if self.config["sde"] == "ve" else 1.0

    @property
    def diffusion(self) -> Diffusion:
        """Scales and rates of the forward process.

        Returns
        -------
        Diffusion
            Functions of t.
        """
        config = self.config
        if config["sde"] == "ve":
            return exploding(config["sigma_min"], config["sigma_max"])
        return preserving(config["beta_min"], config["beta_max"], is_sub=config["sde"] == "sub-vp")

    @property
    def _label_range(self) -> tuple[float, float]:  # type: ignore[override]  # a fact of the config
        return 0.0, inf if self.config["sde"] == "ve" else len(self) - 1.0

    def _times(self, labels: Any) -> Any:
        """Times of labels, arrays or tensors."""
        if self.config["sde"] != "ve":
            return labels / (len(self) - 1)
        low, high = self.config["sigma_min"], self.config["sigma_max"]
        logs = np.log(labels) if isinstance(labels, np.ndarray) else labels.log()
        return (logs - np.log(low)) / np.log(high / low)

    def _labels_at(self, times: np.ndarray) -> np.ndarray:
        """Labels of times."""
        if self.config["sde"] == "ve":
            return np.asarray(self.diffusion.b(times))
        return times * (len(self) - 1)

    def _levels(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        times = self._times(labels)
        return self.diffusion.a(times), self.diffusion.b(times)

    def _labels_of(self, sigmas: np.ndarray) -> np.ndarray:
        fine = np.linspace(1e-6, 1, 20_001)
        known = np.log(self.diffusion.b(fine) / self.diffusion.a(fine))
        return self._labels_at(np.interp(np.log(sigmas), known, fine))

    def _plan(self, n_steps: Any, timesteps: Any, sigmas: Any) -> tuple[np.ndarray, Levels]:
        if sigmas is not None:
            ends = np.array([1e-6, 1.0])
            low, high = self.diffusion.b(ends) / self.diffusion.a(ends) * [1 - 1e-6, 1 + 1e-6]
            levels = self._own_sigmas(sigmas, low, high)
            times = self._times(self._labels_of(levels))
        elif timesteps is not None:
            labels = self._descending("timesteps", timesteps)
            self._check_labels(labels)
            times = self._times(labels)
        else:
            times = np.linspace(1, CLEANEST[self.config["sde"]], n_steps)
        self._grid_times = np.append(times, 0.0)
        a, b = self.diffusion.a(times), self.diffusion.b(times)
        return self._labels_at(times), levels_to(a, b)

    def _rows(self, labels: np.ndarray | None, have: int, options: tuple) -> Rows:
        config, levels = self.config, self._grid
        prediction = config["prediction_type"]
        if self._n_past:
            return heun_rows(levels, prediction, 1.0)
        rows = PREDICTORS[config["predictor"]](levels, prediction, self.diffusion, self._grid_times)
        rows = denoise_last(rows)
        n_correctors = int(config["n_corrector_steps"])
        if not n_correctors:
            return rows
        alpha = np.minimum((levels.a / levels.a_next) ** 2, 1.0)
        corrector = langevin_rows(levels, prediction, 2 * alpha * (config["snr"] * levels.b) ** 2)
        return interleave([corrector] * n_correctors + [rows])

    def velocity(self, model_output: Tensor, time: float, sample: Tensor) -> Tensor:
        """Slope dx/dt of the probability flow, f x - g² s / 2 (eq. 13 there).

        Parameters
        ----------
        model_output : Tensor of shape (B, ...)
            The network's prediction at ``sample``.
        time : float in (0, 1]
            t.
        sample : Tensor of shape (B, ...)
            x.

        Returns
        -------
        Tensor of shape (B, ...)
            Units of x, as t has none.
        """
        t, flow = np.array([time]), self.diffusion
        a, b = flow.a(t), flow.b(t)
        solution = solve(self.config["prediction_type"], a, b)
        half = 0.5 * flow.rate(t) / b  # s = -ε/b
        kept, gain = flow.drift(t) + half * solution.r, half * solution.s
        return float(kept[0]) * sample + float(gain[0]) * model_output

    @torch.no_grad()
    def integrate(
        self,
        model: Callable[[Tensor, Tensor], Tensor],
        sample: Tensor,
        *,
        start: float = 1.0,
        stop: float | None = None,
        tolerance: float = 1e-5,
    ) -> Tensor:
        """Follow the probability flow by RK45 with adaptive steps, in either direction.

        Parameters
        ----------
        model : callable
            Maps (x, label) to a prediction.
        sample : Tensor of shape (B, ...)
            x at ``start``.
        start, stop : float in (0, 1], default=1.0, the last time of the SDE
            Times; from small to large is inversion.
        tolerance : float, default=1e-5
            Absolute and relative, of one step.

        Returns
        -------
        Tensor of shape (B, ...)
            x at ``stop``.
        """
        stop = CLEANEST[self.config["sde"]] if stop is None else stop

        def _slope(time: float, x: Tensor) -> Tensor:
            label = torch.tensor(self._labels_at(np.array(time)), dtype=x.dtype, device=x.device)
            return self.velocity(model(x, label), time, x)

        return rk45(_slope, start, stop, sample, tolerance=tolerance)
