"""DDIM backwards: from data to the noise that DDIM would turn into them."""

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin  # from_pretrained reads it here
from torch import Tensor

from genextras.core.predictions import Solution, solve
from genextras.core.steps import Rows, make_rows, preserving_levels
from genextras.schedulers.betas import LabelScheduler


@final
class DDIMInverseScheduler(LabelScheduler, SchedulerMixin):
    """Invert DDIM [1]_, in place of diffusers' class of the same name.

    A step solves DDIM's line x_s = k x_t + m F for x_t, so it undoes that step to the last digit
    for every kind of prediction when the network says the same. diffusers reads F at the wrong
    level unless it is epsilon, and comes from ``t - T // n``.

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
    clip_sample : bool, default=True
        Clip the predicted x_0, which cannot be undone.
    set_alpha_to_one : bool, default=True
        Start at clean data; otherwise at the level of timestep 0.
    steps_offset : int, default=0
        Added to every timestep of the "leading" spacing.
    prediction_type : str, default="epsilon"
        What the network predicts.
    clip_sample_range : float, default=1.0
        Bound of ``clip_sample``, in data units.
    timestep_spacing : str, default="leading"
        As of the DDIM sampler that is inverted.
    rescale_betas_zero_snr : bool, default=False
        Rescale β so that the last level holds no signal.
    compat : {"none", "diffusers"}, default="none"
        "diffusers" comes from ``t - T // n``.

    References
    ----------
    .. [1] Song, Meng, Ermon (2021), Denoising diffusion implicit models, arXiv:2010.02502.

    Examples
    --------
    >>> scheduler = DDIMInverseScheduler()
    >>> scheduler.set_timesteps(4)
    >>> scheduler.timesteps.tolist()
    [0, 250, 500, 750]
    """

    _flags: ClassVar[tuple[str, ...]] = (
        "clip_sample",
        "rescale_betas_zero_snr",
        "set_alpha_to_one",
    )
    _host_strides = True
    _ascends = True

    @register_to_config
    def __init__(  # noqa: PLR0917 - diffusers' own signature, positions included
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        beta_schedule: str = "linear",
        trained_betas: Sequence[float] | None = None,
        clip_sample: bool = True,
        set_alpha_to_one: bool = True,
        steps_offset: int = 0,
        prediction_type: str = "epsilon",
        clip_sample_range: float = 1.0,
        timestep_spacing: str = "leading",
        rescale_betas_zero_snr: bool = False,
        compat: str = "none",
    ) -> None:
        self._start()

    @property
    def initial_alpha_cumprod(self) -> Tensor:
        """The same under diffusers' name.

        Returns
        -------
        Tensor, 0-d
            ᾱ.
        """
        return self.final_alpha_cumprod

    def _rows_between(
        self, levels: np.ndarray, levels_before: np.ndarray, labels: np.ndarray, options: tuple
    ) -> Rows:
        a, b, a_prev, b_prev = preserving_levels(levels, levels_before)
        p, q, r, s = solve(self.config["prediction_type"], a, b)
        kept = 1 / (a_prev * p + b_prev * r)  # DDIM: x_s = x_t / kept + (a_s q + b_s s) F
        gain = -kept * (a_prev * q + b_prev * s)
        solution = Solution(p * kept, p * gain + q, r * kept, r * gain + s)
        return make_rows(solution, a, b * solution.r, model=b * solution.s)
