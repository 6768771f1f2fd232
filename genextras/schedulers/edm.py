"""Elucidated diffusion models: Karras' levels, Euler and Heun, churn, preconditioning."""

from math import inf, sqrt
from typing import Any, ClassVar, final

import numpy as np
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin  # from_pretrained reads it here
from torch import Tensor, as_tensor, ones_like

from genextras.core.grids import SIGMA_GRIDS
from genextras.core.predictions import solve
from genextras.core.steps import Levels, Rows, euler_rows, heun_rows
from genextras.schedulers.base import DiffusionScheduler
from genextras.schedulers.grid import GridScheduler

# what the host's words mean for a preconditioned network (EDM, section 5)
PRECONDITIONED = {"epsilon": "edm", "v_prediction": "edm_negative"}


@final
class EDMScheduler(GridScheduler, SchedulerMixin):
    """Sample with EDM [1]_ (algorithms 1 and 2), in place of diffusers' EDMEulerScheduler.

    Churn raises x to the level where the network is asked, before it is asked; diffusers asks first
    and adds the noise afterwards.

    Parameters
    ----------
    sigma_min : float, default=0.002
        Lowest noise level, in data units.
    sigma_max : float, default=80.0
        Highest one.
    sigma_data : float, default=0.5
        Standard deviation of data.
    sigma_schedule : {"karras", "exponential", "beta", "aligned", "rectified"}, default="karras"
        Spacing of the levels.
    num_train_timesteps : int, default=1000
        Levels that ``sigmas`` and ``timesteps`` show before ``set_timesteps``, for trainings to
        draw from; labels are log(σ)/4.
    prediction_type : str, default="epsilon"
        With ``precondition``, "epsilon" and "edm" are the network F of D = c_skip x + c_out F and
        "v_prediction" is -F, as in diffusers; "sample", "score" and "flow_prediction" stay so.
    rho : float, default=7.0
        Exponent of "karras"; for "rectified" the inverse scale of data, κ.
    final_sigmas_type : {"zero", "sigma_min"}, default="zero"
        Where the last step arrives.
    solver : {"heun", "euler"}, default="heun"
        Heun calls the network twice a step, but once in the last one.
    s_churn : float, default=0.0
        Amount of churn, over all steps.
    s_tmin : float, default=0.0
        Lowest level where it acts.
    s_tmax : float, default=inf
        Highest one.
    s_noise : float, default=1.0
        Scale of its noise.
    precondition : bool, default=True
        Whether the network is EDM's; False takes ``prediction_type`` literally.
    compat : {"none", "diffusers"}, default="none"
        "diffusers" starts from √(σ² + 1) in place of σ.

    References
    ----------
    .. [1] Karras, Aittala, Aila, Laine (2022), Elucidating the design space of diffusion-based
       generative models, arXiv:2206.00364.

    Examples
    --------
    >>> scheduler = EDMScheduler(solver="euler")
    >>> scheduler.set_timesteps(3)
    >>> [round(sigma, 3) for sigma in scheduler.sigmas.tolist()]
    [80.0, 2.515, 0.002, 0.0]
    """

    _choices: ClassVar = {
        **DiffusionScheduler._choices,
        "sigma_schedule": tuple(SIGMA_GRIDS),
        "final_sigmas_type": ("zero", "sigma_min"),
        "solver": ("heun", "euler"),
    }
    _flags: ClassVar[tuple[str, ...]] = ("precondition",)
    _scales_input = True

    _heun = ("solver", "heun")

    @register_to_config
    def __init__(  # noqa: PLR0917 - diffusers' own signature, positions included
        self,
        sigma_min: float = 0.002,
        sigma_max: float = 80.0,
        sigma_data: float = 0.5,
        sigma_schedule: str = "karras",
        num_train_timesteps: int = 1000,
        prediction_type: str = "epsilon",
        rho: float = 7.0,
        final_sigmas_type: str = "zero",
        solver: str = "heun",
        s_churn: float = 0.0,
        s_tmin: float = 0.0,
        s_tmax: float = inf,
        s_noise: float = 1.0,
        precondition: bool = True,
        compat: str = "none",
    ) -> None:
        self._start()
        plain = self._spaced(num_train_timesteps)
        self._show(self._labels_of(plain), np.append(plain, self._end))

    @property
    def init_noise_sigma(self) -> float:
        """Scale of the first x, that of its level after churn.

        Returns
        -------
        float
            In data units.
        """
        first = self.config["sigma_max"]
        if self.num_inference_steps is None:
            raised = first
        else:
            first, raised = float(self._plain[0]), float(self._grid.b[0])
        if self.config["compat"] == "diffusers":
            return sqrt(first**2 + 1)
        return sqrt(first**2 + self.config["s_noise"] ** 2 * (raised**2 - first**2))

    def precondition_inputs(self, sample: Tensor, sigma: float | Tensor) -> Tensor:
        """Input of the network: c_in x (EDM, table 1).

        Parameters
        ----------
        sample : Tensor of shape (B, ...), data units
            x.
        sigma : float or Tensor that broadcasts against ``sample``
            Its level.

        Returns
        -------
        Tensor of shape (B, ...)
            What ``scale_model_input`` gives in a run.
        """
        return sample * (sigma**2 + self._sigma_data() ** 2) ** -0.5

    def precondition_noise(self, sigma: float | Tensor) -> Tensor:
        """Label of a level: c_noise = log(σ)/4.

        Parameters
        ----------
        sigma : float or Tensor
            The level.

        Returns
        -------
        Tensor
            In the shape of ``sigma``, or (1,).
        """
        return as_tensor([sigma] if isinstance(sigma, float | int) else sigma).log() / 4

    def precondition_outputs(
        self, sample: Tensor, model_output: Tensor, sigma: float | Tensor
    ) -> Tensor:
        """What the network says of the data: D = c_skip x + c_out F.

        Parameters
        ----------
        sample, model_output : Tensor of shape (B, ...)
            x and F.
        sigma : float or Tensor that broadcasts against ``sample``
            The level of x.

        Returns
        -------
        Tensor of shape (B, ...), data units
            Predicted x_0.
        """
        known = solve(self._prediction, sigma**0, sigma, self.config["sigma_data"])
        return known.p * sample + known.q * model_output

    @property
    def _prediction(self) -> str:
        """What the network predicts, as ``TARGETS`` calls it."""
        name = self.config["prediction_type"]
        return PRECONDITIONED.get(name, name) if self.config["precondition"] else name

    def _sigma_data(self) -> float:
        return float(self.config["sigma_data"]) if self.config["precondition"] else 1.0

    def _levels(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        return ones_like(labels), (4 * labels).exp()

    def _labels_of(self, sigmas: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(sigmas) / 4)

    def _spaced(self, n: int) -> np.ndarray:
        """Levels in the spacing that the config names."""
        config = self.config
        low, high, spacing = config["sigma_min"], config["sigma_max"], config["sigma_schedule"]
        return SIGMA_GRIDS[spacing](n, low, high, config["rho"])

    @property
    def _end(self) -> float:
        """Where the last step arrives."""
        config = self.config
        return 0.0 if config["final_sigmas_type"] == "zero" else float(config["sigma_min"])

    def _plan(self, n_steps: Any, timesteps: Any, sigmas: Any) -> tuple[np.ndarray, Levels]:
        config, end = self.config, self._end
        if sigmas is not None:
            plain = self._descending("sigmas", sigmas)
        elif timesteps is not None:
            plain = np.exp(4 * self._descending("timesteps", timesteps))
        else:
            plain = self._spaced(n_steps)
        if end == plain[-1] and len(plain) > 1:  # the host asks twice at the same level
            plain = plain[:-1] if config["compat"] == "none" else plain
        self._plain, raised = plain, plain
        if config["s_churn"]:
            gamma = min(config["s_churn"] / len(plain), sqrt(2) - 1)
            churned = (plain >= config["s_tmin"]) & (plain <= config["s_tmax"])
            raised = plain * np.where(churned, 1 + gamma, 1.0)
        ones = np.ones_like(plain)
        return self._labels_of(raised), Levels(ones, raised, ones, np.append(plain[1:], end))

    def _rows(self, labels: np.ndarray | None, have: int, options: tuple) -> Rows:
        config, levels = self.config, self._grid
        make = heun_rows if self.order == 2 else euler_rows
        rows = make(levels, self._prediction, config["sigma_data"])
        up = levels.b[1:] ** 2 - levels.b_next[:-1] ** 2  # churn before the next call
        if not up.any():
            return rows
        noise = np.zeros(len(rows.p))
        noise[self.order - 1 : len(noise) - 1 : self.order] = config["s_noise"] * np.sqrt(up)
        return rows._replace(noise=noise, draws=noise > 0)
