"""The deterministic path from noise to data that a network and its scheduler define.

With y = x / a and σ = b / a the probability flow of every family of diffusions is the same equation
dy/dσ = ε(y, σ) (Karras et al. 2022, arXiv:2206.00364, eq. 1 with s = 1): y is data at σ = 0.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genextras.core.paths import SIGNALS
from genextras.core.predictions import solve
from genextras.schedulers.base import DiffusionScheduler
from genextras.schedulers.edm import EDMScheduler
from genextras.schedulers.flow import FlowMatchScheduler
from genextras.schedulers.langevin import AnnealedLangevinScheduler
from genextras.schedulers.sde import CLEANEST, SDEScheduler
from genextras.validation import message

Model = Callable[[Tensor, Tensor], Tensor]
FAMILIES: dict[type, Callable[[Any], str]] = {
    EDMScheduler: lambda config: "ve",
    AnnealedLangevinScheduler: lambda config: "ve",
    FlowMatchScheduler: lambda config: "flow",
    SDEScheduler: lambda config: str(config["sde"]),
}
"""Keys of ``SIGNALS``; any other scheduler preserves variance."""
HIGHEST = 1e3  # where σ = ∞, at the noisy end of flows, is cut


class SchedulerPath:
    """The path that a scheduler means: its family, kind of prediction, labels and levels.

    Parameters
    ----------
    scheduler : DiffusionScheduler
        Of this package; it knows labels, levels and the kind of prediction.
    owner : str
        For messages.

    Raises
    ------
    TypeError
        If the scheduler is of another kind.
    """

    def __init__(self, scheduler: Any, owner: str) -> None:
        if not isinstance(scheduler, DiffusionScheduler):
            cure = "Take X.from_config(yours.config)."
            got = scheduler if isinstance(scheduler, str) else type(scheduler).__name__
            raise TypeError(message(owner, "scheduler", "one of genextras", got, cure))
        self.scheduler = scheduler
        self.family = FAMILIES.get(type(scheduler), lambda config: "vp")(scheduler.config)
        self.prediction, self.sigma_data = str(scheduler.config["prediction_type"]), 1.0
        if isinstance(scheduler, EDMScheduler):  # others may hold its options, and not mean them
            self.sigma_data = float(scheduler.config["sigma_data"])
            self.prediction = scheduler._prediction

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest σ that the network knows.

        Returns
        -------
        low, high : float
            The highest one is finite.
        """
        scheduler, config = self.scheduler, self.scheduler.config
        if isinstance(scheduler, SDEScheduler):
            labels = scheduler._labels_at(np.array([CLEANEST[config["sde"]], 1.0]))
        elif isinstance(scheduler, FlowMatchScheduler):
            labels = scheduler._turned(np.array([1 / HIGHEST, 1.0])) * len(scheduler)
        elif self.family == "ve":
            return float(config["sigma_min"]), float(config["sigma_max"])
        else:
            labels = np.array([0.0, len(scheduler) - 1.0])
        low, high = self.sigmas(labels).tolist()
        return low, min(high, HIGHEST)

    def sigmas(self, labels: np.ndarray) -> np.ndarray:
        """Noise levels b/a of labels.

        Parameters
        ----------
        labels : array of shape (n,)
            As the network knows them.

        Returns
        -------
        array of shape (n,)
            σ.
        """
        a, b = self.scheduler._levels(torch.from_numpy(np.asarray(labels, dtype=float)))
        with np.errstate(divide="ignore"):
            return np.asarray(b.numpy() / a.numpy())

    def labels(self, sigmas: np.ndarray) -> np.ndarray:
        """Labels of noise levels, as the scheduler finds them.

        Parameters
        ----------
        sigmas : array of shape (n,)
            σ.

        Returns
        -------
        array of shape (n,)
            Labels, between whole numbers too.
        """
        return np.asarray(self.scheduler._labels_of(np.asarray(sigmas, dtype=float)))

    def input_scale(self, a: Any, b: Any) -> Any:
        """Factor on x that the network sees, as ``scale_model_input`` applies it.

        Parameters
        ----------
        a, b : float or Tensor of shape (n,)
            Scales of signal and noise.

        Returns
        -------
        float or Tensor of shape (n,)
            One where the network sees x itself.
        """
        if not getattr(self.scheduler, "_scales_input", False):
            return 0 * a + 1
        return (b**2 + (a * self.scheduler._sigma_data()) ** 2) ** -0.5


class ProbabilityFlow(SchedulerPath):
    """A network as its scheduler sees it, at any noise level.

    Parameters
    ----------
    model : callable
        Maps (x, label) to a prediction, as in a sampling loop: x is scaled by
        ``scale_model_input`` where there is such a scale, the label is a 0-d Tensor.
    scheduler : DiffusionScheduler
        Of this package; it knows labels, levels and the kind of prediction.
    owner : str, default="ProbabilityFlow"
        For messages.

    Raises
    ------
    TypeError
        If one of the two is of another kind.

    References
    ----------
    .. [1] Karras, Aittala, Aila, Laine (2022), Elucidating the design space of diffusion-based
       generative models, arXiv:2206.00364.

    Examples
    --------
    >>> from genextras import EDMScheduler
    >>> scheduler = EDMScheduler(precondition=False, prediction_type="sample")
    >>> flow = ProbabilityFlow(lambda x, t: 0 * x, scheduler)  # all data are 0, so ε = y/σ
    >>> flow.epsilon(torch.full((1, 2), 3.0), 2.0).tolist()
    [[1.5, 1.5]]
    """

    def __init__(self, model: Model, scheduler: Any, owner: str = "ProbabilityFlow") -> None:
        if not callable(model):
            cure = "Pass a function of (x, label), such as lambda x, t: unet(x, t).sample."
            raise TypeError(message(owner, "model", "callable", model, cure))
        super().__init__(scheduler, owner)
        self.model, self.n_calls = model, 0

    def epsilon(self, y: Tensor, sigma: float) -> Tensor:
        """Noise ε that the network sees in y = x_0 + σ ε: the slope dy/dσ.

        Parameters
        ----------
        y : Tensor of shape (B, ...), data units
            Where.
        sigma : float
            The level.

        Returns
        -------
        Tensor of shape (B, ...)
            ε in the dtype of ``y``.
        """
        label = self.labels(np.array([sigma]))[0]
        a = SIGNALS[self.family](sigma)
        b = sigma * a
        scale = a * self.input_scale(a, b)
        t = torch.tensor(label, dtype=torch.float32, device=y.device)
        output = self.model(scale * y, t)
        self.n_calls += 1
        _, _, r, s = solve(self.prediction, np.float64(a), np.float64(b), self.sigma_data)
        return float(r) * a * y + float(s) * output.to(y.dtype)  # ε = r x + s F
