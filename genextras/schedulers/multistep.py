"""Multistep solvers: DPM-Solver++ with its SDE variants, and Adams' in a chosen coordinate."""

from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin  # from_pretrained reads it here

from genextras.core.grids import GRIDS
from genextras.core.multistep import adams_rows, exponential_rows
from genextras.core.steps import Levels, Rows, levels_to
from genextras.schedulers.betas import BetaScheduler
from genextras.schedulers.grid import FLAGGED, GridScheduler

SHORT = 15  # below so many steps the host lowers the order of the last ones


@final
class MultistepScheduler(BetaScheduler, GridScheduler, SchedulerMixin):
    """Sample with a multistep solver, in place of diffusers' DPMSolverMultistepScheduler and kin.

    Labels between whole numbers stay so; diffusers rounds them, which shows the network another
    level. At order 3 the curvature counts in full; diffusers takes half and converges with order 2.

    Parameters
    ----------
    num_train_timesteps : int, default=1000
        Number of noise levels T that the model was trained on.
    beta_start : float, default=0.0001
        Variance added by the first training step.
    beta_end : float, default=0.02
        Variance added by the last one.
    beta_schedule : str, default="linear"
        How β runs from one to the other: a key of ``BETA_SCHEDULES``.
    trained_betas : array-like of shape (T,), optional
        β itself, instead of the three options above.
    solver_order : {1, 2, 3, 4}, default=2
        Nodes of the polynomial; 1 is Euler's method and DDIM.
    prediction_type : str, default="epsilon"
        What the network predicts.
    thresholding : bool, default=False
        Clip each sample's x_0 to a quantile of itself (Imagen).
    dynamic_thresholding_ratio : float, default=0.995
        That quantile.
    sample_max_value : float, default=1.0
        Its upper bound.
    algorithm_type : {"dpmsolver++", "sde-dpmsolver++", "adams"}, default="dpmsolver++"
        Exponential integrator [1]_ of the ODE or the SDE, or Adams-Bashforth in σ / (1 + κσ).
    solver_type : {"midpoint", "heun"}, default="midpoint"
        Form of "dpmsolver++" at order 2; "heun" is the exact integral.
    lower_order_final : bool, default=True
        Lower the order of "dpmsolver++" in the last two steps of less than 15.
    euler_at_final : bool, default=False
        Take order 1 in the last step, of however many.
    use_karras_sigmas : bool, default=False
        Another name of ``timestep_spacing="karras"``.
    use_exponential_sigmas : bool, default=False
        Another name of "exponential".
    use_beta_sigmas : bool, default=False
        Another name of "beta".
    use_lu_lambdas : bool, default=False
        Yet another name of "exponential".
    final_sigmas_type : {"zero", "sigma_min"}, default="zero"
        Where the last step arrives.
    timestep_spacing : str, default="linspace"
        A key of ``GRIDS`` or ``SIGMA_GRIDS``; "rectified" suits "adams".
    steps_offset : int, default=0
        Added to every timestep of the "leading" spacing.
    rescale_betas_zero_snr : bool, default=False
        Rescale β so that the last level holds no signal; that level is then left out.
    kappa : float, default=1.0
        κ of "adams", about the inverse standard deviation of data; the grid "rectified" takes half
        of it. Order 2 suits fewer than 8 calls, a corrector of order 3 more, order 3 from 16 on.
    corrector_order : int, default=0
        From 2 on, correct the last step of "adams" by the newest prediction, at no further call.
    compat : {"none", "diffusers"}, default="none"
        "diffusers" rounds labels, halves the curvature of order 3 and mistakes its sign in the SDE,
        and visits the level without signal as if it held a little.

    References
    ----------
    .. [1] Lu et al. (2022), DPM-Solver++, arXiv:2211.01095.

    Examples
    --------
    >>> scheduler = MultistepScheduler(use_karras_sigmas=True)
    >>> scheduler.set_timesteps(4)
    >>> [round(t, 1) for t in scheduler.timesteps.tolist()]
    [999.0, 775.1, 301.0, 0.0]
    """

    _choices: ClassVar = {
        **BetaScheduler._choices,
        "algorithm_type": ("dpmsolver++", "sde-dpmsolver++", "adams"),
        "solver_type": ("midpoint", "heun"),
        "final_sigmas_type": ("zero", "sigma_min"),
    }
    _flags: ClassVar[tuple[str, ...]] = (
        "thresholding",
        "rescale_betas_zero_snr",
        "lower_order_final",
        "euler_at_final",
        *FLAGGED,
    )

    @register_to_config
    def __init__(  # noqa: PLR0917 - diffusers' own signature, positions included
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        beta_schedule: str = "linear",
        trained_betas: Sequence[float] | None = None,
        solver_order: int = 2,
        prediction_type: str = "epsilon",
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        sample_max_value: float = 1.0,
        algorithm_type: str = "dpmsolver++",
        solver_type: str = "midpoint",
        lower_order_final: bool = True,
        euler_at_final: bool = False,
        use_karras_sigmas: bool = False,
        use_exponential_sigmas: bool = False,
        use_beta_sigmas: bool = False,
        use_lu_lambdas: bool = False,
        final_sigmas_type: str = "zero",
        timestep_spacing: str = "linspace",
        steps_offset: int = 0,
        rescale_betas_zero_snr: bool = False,
        kappa: float = 1.0,
        corrector_order: int = 0,
        compat: str = "none",
    ) -> None:
        self._start()
        if solver_order not in (1, 2, 3, 4):
            cure = "2 is the usual one."
            raise ValueError(self._message("solver_order", "1, 2, 3 or 4", solver_order, cure))
        if rescale_betas_zero_snr and compat == "diffusers":
            self.alphas_cumprod[-1] = 2**-24  # a level that has a logarithm, and is visited

    @property
    def _n_past(self) -> int:  # type: ignore[override]  # a fact of the solver
        config = self._internal_dict
        n_past, corrector = int(config["solver_order"]) - 1, int(config["corrector_order"])
        if config["algorithm_type"] != "adams" or corrector < 2:
            return n_past
        return max(n_past + 1, corrector - 1)

    @property
    def _spacing(self) -> str:
        return self._flagged_spacing or str(self.config["timestep_spacing"])

    def _plan(self, n_steps: Any, timesteps: Any, sigmas: Any) -> tuple[np.ndarray, Levels]:
        is_host, spacing = self.config["compat"] == "diffusers", self._spacing
        if sigmas is not None or (timesteps is None and spacing not in GRIDS):
            if sigmas is None:
                sigma = self._spaced_sigmas(n_steps, spacing, self.config["kappa"] / 2)
            else:
                sigma = self._own_sigmas(sigmas, 0.0, self._highest())
            labels = self._labels_of(sigma)
            labels = self._rounded(labels) if is_host else labels
        else:
            own = None if timesteps is None else self._descending("timesteps", timesteps)
            labels = self._host_grid(n_steps) if own is None else own
            self._check_labels(labels)
            sigma = self._sigmas_at(labels)
        a, b = (1 + sigma**2) ** -0.5, (1 + sigma**-2) ** -0.5
        a_end, b_end = 1.0, 0.0
        if self.config["final_sigmas_type"] == "sigma_min":
            lowest = float(self._sigmas_at(np.zeros(1))[0])
            a_end, b_end = (1 + lowest**2) ** -0.5, (1 + lowest**-2) ** -0.5
        if (
            b[-1] <= b_end * (1 + 1e-6) and len(b) > 1 and not is_host
        ):  # the host calls the network in vain
            labels, a, b = labels[:-1], a[:-1], b[:-1]
        return labels, levels_to(a, b, a_end, b_end)

    def _rounded(self, labels: np.ndarray) -> np.ndarray:
        """Whole labels as diffusers has them: rounded for two spacings, cut for the others."""
        rounds = self.config["use_karras_sigmas"] or self.config["use_lu_lambdas"]
        is_cut = not rounds or self.config["beta_schedule"] == "squaredcos_cap_v2"
        return np.floor(labels) if is_cut else labels.round()

    def _host_grid(self, n_steps: Any) -> np.ndarray:
        """Labels of n steps, none of them spent on the level of label 0."""
        spacing = self.config["timestep_spacing"]
        leaves_out = self.config["rescale_betas_zero_snr"] and self.config["compat"] == "none"
        n_levels = len(self) - bool(leaves_out)
        if spacing == "trailing":
            labels = GRIDS[spacing](n_levels, n_steps, 0)
        elif spacing == "linspace":
            labels = np.rint(np.arange(n_steps, 0, -1) * ((n_levels - 1) / n_steps))
        else:
            stride = n_levels // (n_steps + 1)
            labels = np.arange(n_steps, 0, -1) * stride + self.config["steps_offset"]
        return np.asarray(labels, dtype=float)

    def _choose(self, n_steps: Any, timesteps: Any, sigmas: Any) -> np.ndarray:
        labels = super()._choose(n_steps, timesteps, sigmas)
        whole = labels.astype(np.int64)
        return whole if (whole == labels).all() else labels

    def _orders(self, have: int) -> np.ndarray:
        """Order of each row, given the past that a run which starts in the middle may lack."""
        n, config = len(self._grid.a), self.config
        orders = np.minimum(np.arange(n) + 1, config["solver_order"])
        orders = np.minimum(orders, have + 1)
        is_adams = config["algorithm_type"] == "adams"  # whose last step needs no logarithm of 0
        is_short = config["lower_order_final"] and n < SHORT and not is_adams
        if is_short or config["euler_at_final"]:
            orders[-1] = 1
        if is_short and n > 1:
            orders[-2] = min(orders[-2], 2)
        return orders

    def _rows(self, labels: np.ndarray | None, have: int, options: tuple) -> Rows:
        config, levels = self.config, self._grid
        prediction, orders = config["prediction_type"], self._orders(have)
        if config["algorithm_type"] == "adams":
            corrector = min(int(config["corrector_order"]), have + 1)
            return adams_rows(
                levels, prediction, orders=orders, kappa=config["kappa"], corrector=corrector
            )
        return exponential_rows(
            levels,
            prediction,
            orders=orders,
            rate=2.0 if config["algorithm_type"].startswith("sde") else 1.0,
            is_midpoint=config["solver_type"] == "midpoint",
            is_halved=config["compat"] == "diffusers",
        )
