"""Denoising diffusion implicit models: an ODE step at η = 0, ancestral sampling at η = 1."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_ddim import DDIMSchedulerOutput
from diffusers.schedulers.scheduling_utils import SchedulerMixin  # from_pretrained reads it here
from torch import Tensor

from genextras.core.steps import Rows, euler_rows, preserving_levels
from genextras.schedulers.base import Generators
from genextras.schedulers.betas import LabelScheduler


@final
class DDIMScheduler(LabelScheduler, SchedulerMixin):
    """Sample with DDIM [1]_, in place of diffusers' class of the same name.

    Each step goes to the next timestep that will be evaluated. diffusers goes to ``t - T // n``,
    another level in every step of ``linspace`` and in many of ``trailing`` unless n divides T.

    Parameters
    ----------
    num_train_timesteps : int, default=1000
        Number of noise levels T that the model was trained on.
    beta_start : float, default=0.0001
        Variance added by the first training step.
    beta_end : float, default=0.02
        Variance added by the last one.
    beta_schedule : {"linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace"}
        How β runs from one to the other, default "linear".
    trained_betas : array-like of shape (T,), optional
        β itself, instead of the three options above.
    clip_sample : bool, default=True
        Clip the predicted x_0 to ±``clip_sample_range``.
    set_alpha_to_one : bool, default=True
        End at clean data; otherwise at the level of timestep 0.
    steps_offset : int, default=0
        Added to every timestep of the "leading" spacing.
    prediction_type : {"epsilon", "sample", "v_prediction"}, default="epsilon"
        What the network predicts.
    thresholding : bool, default=False
        Clip each sample's x_0 to a quantile of itself instead (Imagen).
    dynamic_thresholding_ratio : float, default=0.995
        That quantile.
    clip_sample_range : float, default=1.0
        Bound of ``clip_sample``, in data units.
    sample_max_value : float, default=1.0
        Upper bound of the quantile.
    timestep_spacing : {"leading", "trailing", "linspace"}, default="leading"
        How ``set_timesteps`` spaces n timesteps over T. "leading" starts below T - 1, where x
        still holds some data; the noise that pipelines start from is right at T - 1 alone.
    rescale_betas_zero_snr : bool, default=False
        Rescale β so that the last level holds no signal [2]_; it cannot be inverted for "epsilon".
    compat : {"none", "diffusers"}, default="none"
        "diffusers" goes to ``t - T // n`` as that library does.

    Raises
    ------
    TypeError, ValueError
        If an option is of the wrong kind, or out of its range.

    References
    ----------
    .. [1] Song, Meng, Ermon (2021), Denoising diffusion implicit models, arXiv:2010.02502.
    .. [2] Lin et al. (2023), Common diffusion noise schedules and sample steps are flawed,
       arXiv:2305.08891.

    Examples
    --------
    >>> import torch
    >>> scheduler = DDIMScheduler(timestep_spacing="linspace")
    >>> scheduler.set_timesteps(4)
    >>> scheduler.timesteps.tolist(), scheduler.previous_timestep(666)
    ([999, 666, 333, 0], 333)
    >>> x = torch.ones(1, 3, 8, 8)
    >>> scheduler.step(0.5 * x, scheduler.timesteps[0], x).prev_sample.shape
    torch.Size([1, 3, 8, 8])
    """

    _output = DDIMSchedulerOutput
    _host_strides = True
    _flags = (*LabelScheduler._flags, "set_alpha_to_one")

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
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        clip_sample_range: float = 1.0,
        sample_max_value: float = 1.0,
        timestep_spacing: str = "leading",
        rescale_betas_zero_snr: bool = False,
        compat: str = "none",
    ) -> None:
        self._start()

    def _rows_between(
        self, levels: np.ndarray, levels_before: np.ndarray, labels: np.ndarray, options: tuple
    ) -> Rows:
        eta, rederive = options
        rederive = rederive or self._bound() is None  # the cheaper form of the same
        steps, prediction = preserving_levels(levels, levels_before), self.config["prediction_type"]
        return euler_rows(steps, prediction, eta=eta, rederive=rederive)

    def _get_variance(self, timestep: int, prev_timestep: int) -> Tensor:
        """β̃ of the step between two timesteps, as editing pipelines ask for it."""
        return self._variances(int(timestep), int(prev_timestep))[0]

    def _check_noise(self, eta: float, noise: Tensor | None, generator: Generators) -> None:
        if not 0 <= eta <= 1:
            raise ValueError(self._message("eta", "in [0, 1]", eta, "0 is DDIM, 1 is DDPM."))
        if noise is not None and generator is not None:
            allowed, cure = "None with variance_noise", "Pass one of the two."
            raise ValueError(self._message("generator", allowed, generator, cure))

    def step(  # type: ignore[override]  # noqa: PLR0917 - diffusers' own signature, positions included
        self,
        model_output: Tensor,
        timestep: int,
        sample: Tensor,
        eta: float = 0.0,
        use_clipped_model_output: bool = False,
        generator: Generators = None,
        variance_noise: Tensor | None = None,
        return_dict: bool = True,
    ) -> Any:
        """Go from x_t to the next timestep (DDIM, eq. 12).

        Parameters
        ----------
        model_output : Tensor of shape (B, ...)
            The network's prediction at ``sample``.
        timestep : int or Tensor of one element
            Label of the current level.
        sample : Tensor of shape (B, ...), data units
            x_t.
        eta : float in [0, 1], default=0
            Share of the posterior's standard deviation that is drawn anew; 1 is DDPM.
        use_clipped_model_output : bool, default=False
            Take ε from x_t and the bounded x_0, not from the network.
        generator : torch.Generator or list of B of them, optional
            Source of the noise.
        variance_noise : Tensor of shape (B, ...), optional
            The noise itself, standard normal.
        return_dict : bool, default=True
            Whether to return an object with names, or a tuple.

        Returns
        -------
        DDIMSchedulerOutput or tuple
            ``prev_sample`` and ``pred_original_sample``, Tensors of shape (B, ...) in data units.

        Raises
        ------
        ValueError
            Before ``set_timesteps``; for shapes that differ, ``eta`` out of range, two sources of
            noise, or a level where the prediction cannot be inverted.
        """
        if eta:
            self._check_noise(eta, variance_noise, generator)
        return self._take(
            model_output,
            timestep,
            sample,
            generator,
            return_dict,
            options=(eta, use_clipped_model_output),
            noise=variance_noise,
        )
