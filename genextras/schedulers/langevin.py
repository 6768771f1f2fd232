"""Annealed Langevin dynamics (SMLD, NCSN): noisy ascents of the score at falling levels."""

from math import inf
from typing import Any, ClassVar, final

import numpy as np
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin  # from_pretrained reads it here
from torch import Tensor, ones_like

from genextras.core.sde import denoise_last, langevin_rows
from genextras.core.steps import Levels, Rows, levels_to
from genextras.schedulers.base import DiffusionScheduler
from genextras.schedulers.grid import GridScheduler


@final
class AnnealedLangevinScheduler(GridScheduler, SchedulerMixin):
    """Sample with annealed Langevin dynamics (algorithm 1 of [1]_), in any pipeline.

    Parameters
    ----------
    num_train_timesteps : int, default=1000
        Not used; labels are σ.
    sigma_min : float, default=0.01
        Lowest noise level.
    sigma_max : float, default=1.0
        Highest one; n of them are a geometric sequence.
    n_each : int, default=100
        Langevin steps at a level.
    step_size : float, default=2e-5
        ε at the lowest level; it grows with σ².
    denoise : bool, default=True
        Let the very last step be the predicted data (section 3.1 of [2]_).
    prediction_type : str, default="score"
        What the network predicts.
    compat : {"none", "diffusers"}, default="none"
        No difference here: diffusers has no such class.

    References
    ----------
    .. [1] Song, Ermon (2019), Generative modeling by estimating gradients, arXiv:1907.05600.
    .. [2] Jolicoeur-Martineau et al. (2021), Adversarial score matching, arXiv:2009.05475.

    Examples
    --------
    >>> scheduler = AnnealedLangevinScheduler(n_each=2)
    >>> scheduler.set_timesteps(3)
    >>> [round(sigma, 2) for sigma in scheduler.timesteps.tolist()]
    [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    """

    _choices: ClassVar = DiffusionScheduler._choices
    _flags: ClassVar[tuple[str, ...]] = ("denoise",)
    _label_range = (0.0, inf)

    @register_to_config
    def __init__(  # noqa: PLR0917 - a config is one list of options
        self,
        num_train_timesteps: int = 1000,
        sigma_min: float = 0.01,
        sigma_max: float = 1.0,
        n_each: int = 100,
        step_size: float = 2e-5,
        denoise: bool = True,
        prediction_type: str = "score",
        compat: str = "none",
    ) -> None:
        self._start()

    @property
    def order(self) -> int:  # type: ignore[override]  # the host's is a class attribute
        """Calls of the network at a level.

        Returns
        -------
        int
            ``n_each``.
        """
        return int(self._internal_dict["n_each"])

    @property
    def init_noise_sigma(self) -> float:
        """Scale of the first x.

        Returns
        -------
        float
            The highest level.
        """
        return float(self.config["sigma_max"])

    def _levels(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        return ones_like(labels), labels

    def _labels_of(self, sigmas: np.ndarray) -> np.ndarray:
        return sigmas

    def _plan(self, n_steps: Any, timesteps: Any, sigmas: Any) -> tuple[np.ndarray, Levels]:
        if n_steps is None:
            name = "sigmas" if timesteps is None else "timesteps"
            levels = self._descending(name, sigmas if timesteps is None else timesteps)
        else:
            levels = np.geomspace(self.config["sigma_max"], self.config["sigma_min"], n_steps)
        return levels, levels_to(np.ones_like(levels), levels)

    def _rows(self, labels: np.ndarray | None, have: int, options: tuple) -> Rows:
        ones, b = self._rows_levels()
        size = 0.5 * self.config["step_size"] * (b / b[-1]) ** 2  # α_i / 2
        rows = langevin_rows(Levels(ones, b, ones, b), self.config["prediction_type"], size)
        return denoise_last(rows) if self.config["denoise"] else rows
