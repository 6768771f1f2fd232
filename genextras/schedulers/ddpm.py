"""Denoising diffusion probabilistic models: ancestral sampling from the posterior."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_ddpm import DDPMSchedulerOutput
from diffusers.schedulers.scheduling_utils import SchedulerMixin  # from_pretrained reads it here
from torch import Tensor

from genextras.core.grids import CLEAN
from genextras.core.steps import LEARNED, VARIANCES, Rows, ddpm_rows
from genextras.schedulers.base import Generators
from genextras.schedulers.betas import LabelScheduler


@final
class DDPMScheduler(LabelScheduler, SchedulerMixin):
    """Sample with DDPM [1]_, in place of diffusers' class of the same name.

    The step to clean data adds no noise, whatever its timestep, and ``fixed_large_log`` is finite;
    neither holds in diffusers.

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
    variance_type : str, default="fixed_small"
        Variance of the noise: "fixed_small" or "fixed_small_log" (β̃), "fixed_large" or
        "fixed_large_log" (β), "learned" (a second half of the network's channels) or
        "learned_range" (the same, between β̃ and β [2]_).
    clip_sample : bool, default=True
        Clip the predicted x_0 to ±``clip_sample_range``.
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
    steps_offset : int, default=0
        Added to every timestep of the "leading" spacing.
    rescale_betas_zero_snr : bool, default=False
        Rescale β so that the last level holds no signal [3]_; it cannot be inverted for "epsilon".
    compat : {"none", "diffusers"}, default="none"
        "diffusers" adds noise in the last step too, unless it is timestep 0, as that library does.

    Raises
    ------
    TypeError, ValueError
        If an option is of the wrong kind, or out of its range.

    References
    ----------
    .. [1] Ho, Jain, Abbeel (2020), Denoising diffusion probabilistic models, arXiv:2006.11239.
    .. [2] Nichol, Dhariwal (2021), Improved denoising diffusion probabilistic models,
       arXiv:2102.09672.
    .. [3] Lin et al. (2023), Common diffusion noise schedules and sample steps are flawed,
       arXiv:2305.08891.

    Examples
    --------
    >>> import torch
    >>> scheduler = DDPMScheduler(variance_type="fixed_large", timestep_spacing="trailing")
    >>> scheduler.set_timesteps(4)
    >>> x = torch.ones(1, 3, 8, 8)
    >>> last = scheduler.step(0.5 * x, scheduler.timesteps[-1], x)
    >>> torch.equal(last.prev_sample, last.pred_original_sample)  # no noise in the last step
    True
    """

    _output = DDPMSchedulerOutput
    _choices = {**LabelScheduler._choices, "variance_type": tuple(VARIANCES)}  # noqa: RUF012 - a ClassVar there

    @register_to_config
    def __init__(  # noqa: PLR0917 - diffusers' own signature, positions included
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        beta_schedule: str = "linear",
        trained_betas: Sequence[float] | None = None,
        variance_type: str = "fixed_small",
        clip_sample: bool = True,
        prediction_type: str = "epsilon",
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        clip_sample_range: float = 1.0,
        sample_max_value: float = 1.0,
        timestep_spacing: str = "leading",
        steps_offset: int = 0,
        rescale_betas_zero_snr: bool = False,
        compat: str = "none",
    ) -> None:
        self._start()
        self.one = torch.tensor(1.0)

    @property
    def variance_type(self) -> str:
        """Option of this name, as the config holds it now.

        Returns
        -------
        str
            A key of ``VARIANCES``.
        """
        return str(self.config["variance_type"])

    def _rows_between(
        self, levels: np.ndarray, levels_before: np.ndarray, labels: np.ndarray, options: tuple
    ) -> Rows:
        positive = labels > 0  # draw as often as diffusers does
        clean = np.asarray(self._arrivals(labels)) == CLEAN
        noisy = positive if self.config["compat"] == "diffusers" else ~clean
        rows = ddpm_rows(
            levels,
            levels_before,
            prediction=self.config["prediction_type"],
            variance_type=self.config["variance_type"],
            noisy=noisy,
        )
        return rows._replace(draws=positive)

    def _get_variance(
        self, t: int, predicted_variance: Tensor | None = None, variance_type: str | None = None
    ) -> Tensor:
        """Variance of the noise of the step from t, never its logarithm or root."""
        label = int(t)
        small, large = self._variances(label, int(self._arrivals(np.array([label]))[0]))
        kind = variance_type or self.config["variance_type"]
        if kind in LEARNED and predicted_variance is not None:
            return LEARNED[kind](predicted_variance, float(small), float(large))
        return VARIANCES[kind](small, large)

    def step(  # type: ignore[override]  # the host names its timestep int
        self,
        model_output: Tensor,
        timestep: int,
        sample: Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> Any:
        """Draw x at the next timestep from the posterior given x_t and x_0 (DDPM, eq. 6-7).

        Parameters
        ----------
        model_output : Tensor of shape (B, C, ...), or (B, 2C, ...) with a learned variance
            The network's prediction at ``sample``.
        timestep : int or Tensor of one element
            Label of the current level.
        sample : Tensor of shape (B, C, ...), data units
            x_t.
        generator : torch.Generator or list of B of them, optional
            Source of the noise.
        return_dict : bool, default=True
            Whether to return an object with names, or a tuple.

        Returns
        -------
        DDPMSchedulerOutput or tuple
            ``prev_sample`` and ``pred_original_sample``, Tensors of shape (B, C, ...), data units.

        Raises
        ------
        ValueError
            For shapes that do not fit, or a level where the prediction cannot be inverted.
        """
        model_output, predicted = self._split(model_output, sample)
        return self._take(
            model_output, timestep, sample, generator, return_dict, predicted=predicted
        )

    def _split(self, model_output: Tensor, sample: Tensor) -> tuple[Tensor, Tensor | None]:
        """Prediction and learned variance, each (B, C, ...)."""
        if self._internal_dict["variance_type"] not in LEARNED:
            return model_output, None
        if model_output.ndim < 2 or model_output.shape[1] != 2 * sample.shape[1]:
            allowed = f"of twice the {sample.shape[1]} channels of the sample (learned variance)"
            cure = "Set variance_type='fixed_small' for a network without a variance."
            raise ValueError(
                self._message("model_output", allowed, tuple(model_output.shape), cure)
            )
        prediction, predicted = model_output.chunk(2, dim=1)
        return prediction, predicted
