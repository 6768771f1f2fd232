"""One reverse step from level t to level s as a row of numbers, the same form for DDPM and DDIM.

    D   = bound(p x_t + q F)                       predicted x_0, F the network's output
    x_s = data D + sample x_t + model F + noise z       z ~ N(0, I)

DDIM (arXiv:2010.02502, eq. 12) is x_s = √ᾱ_s D + √(1 - ᾱ_s - σ²) ε + σ z. DDPM's posterior mean
(arXiv:2006.11239, eq. 7) is the same line with σ² = β̃ and ε = (x_t - √ᾱ_t D) / √(1 - ᾱ_t), so both
share ``_rows``.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from genextras.core.paths import signal_and_noise
from genextras.core.predictions import solve

__all__ = [
    "LEARNED",
    "VARIANCES",
    "Rows",
    "Step",
    "as_steps",
    "ddim_rows",
    "ddpm_rows",
    "posterior_variance",
    "result_dtypes",
    "transition_variance",
]

MIN_VARIANCE = 1e-20  # log β̃ is -∞ for the step to clean data, improved DDPM section 3.1


class Rows(NamedTuple):
    """Coefficients of a table of steps; every field is a Tensor of shape (n,), float64."""

    p: Tensor  # D = p x + q F
    q: Tensor
    data: Tensor  # x_s = data D + sample x + model F + noise z
    sample: Tensor
    model: Tensor
    noise: Tensor
    small: Tensor  # β̃ and β, the ends between which a network may place its own variance
    large: Tensor


def posterior_variance(alpha_bar: Tensor, alpha_bar_prev: Tensor) -> Tensor:
    """Variance of x_s given x_t and x_0: β̃ = (1 - ᾱ_s) / (1 - ᾱ_t) · (1 - ᾱ_t / ᾱ_s) (DDPM, eq. 7).

    Parameters
    ----------
    alpha_bar, alpha_bar_prev : Tensor of shape (n,), float64
        ᾱ_t and ᾱ_s, shares of variance that are data, ᾱ_s ≥ ᾱ_t.

    Returns
    -------
    Tensor of shape (n,)
        Squared units of x; 0 where s is clean data.
    """
    return (1 - alpha_bar_prev) / (1 - alpha_bar) * transition_variance(alpha_bar, alpha_bar_prev)


def transition_variance(alpha_bar: Tensor, alpha_bar_prev: Tensor) -> Tensor:
    """Variance of x_t given x_s: β = 1 - ᾱ_t / ᾱ_s (DDPM, eq. 2, over any stride).

    Parameters
    ----------
    alpha_bar, alpha_bar_prev : Tensor of shape (n,), float64
        ᾱ_t and ᾱ_s, shares of variance that are data, ᾱ_s ≥ ᾱ_t.

    Returns
    -------
    Tensor of shape (n,)
        Squared units of x.
    """
    return 1 - alpha_bar / alpha_bar_prev


class Step(NamedTuple):
    """One of ``Rows`` on the host: factors of ``mul`` as tensors, of ``add`` as floats."""

    p: Tensor
    q: float
    data: Tensor
    sample: float
    model: float
    noise: float
    small: float
    large: float
    is_finite: bool


def as_steps(rows: Rows, dtype: torch.dtype) -> list[Step]:
    """Bring a table to the host, once, so that no step asks for a number.

    Parameters
    ----------
    rows : Rows
        n rows.
    dtype : torch.dtype
        Of the 0-d factors; a 0-d tensor of the samples' own dtype is the cheapest to multiply by.

    Returns
    -------
    list of Step
        n of them.
    """
    is_finite = torch.stack(rows).isfinite().all(dim=0)
    columns = [
        column.to(dtype).unbind() if name in ("p", "data") else column.tolist()
        for name, column in zip(Step._fields, [*rows, is_finite], strict=True)
    ]
    return [Step(*step) for step in zip(*columns, strict=True)]


def result_dtypes(model_output: Tensor, sample: Tensor) -> tuple[torch.dtype, torch.dtype]:
    """Dtype of a step's result, and the one to compute it in: the same, but float32 at least.

    Parameters
    ----------
    model_output, sample : Tensor
        Arguments of the step.

    Returns
    -------
    dtype, working : torch.dtype
        Both floating.
    """
    dtype = sample.dtype
    if model_output.dtype is not dtype:
        dtype = torch.promote_types(dtype, model_output.dtype)
    return dtype, torch.promote_types(dtype, torch.float32)


# Variance of the noise of a DDPM step, from β̃ (small) and β (large). The log types are the same
# numbers, stored as logarithms elsewhere; the learned ones multiply what the network predicts.
VARIANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "fixed_small": lambda small, large: small,
    "fixed_small_log": lambda small, large: small,
    "fixed_large": lambda small, large: large,
    "fixed_large_log": lambda small, large: large,
    "learned": lambda small, large: torch.ones_like(large),
    "learned_range": lambda small, large: torch.ones_like(large),
}


def _range_variance(predicted: Tensor, small: float, large: float) -> Tensor:
    """exp(v log β + (1 - v) log β̃) with v = (predicted + 1) / 2, improved DDPM eq. 15."""
    low, high = torch.tensor([small, large], dtype=torch.float64).log().tolist()
    return torch.exp((predicted + 1) * ((high - low) / 2) + low)


# Variance of the noise from what a network predicts, β̃ and β.
LEARNED: dict[str, Callable[[Tensor, float, float], Tensor]] = {
    "learned": lambda predicted, small, large: predicted,
    "learned_range": _range_variance,
}


def ddim_rows(
    alpha_bar: Tensor,
    alpha_bar_prev: Tensor,
    *,
    prediction: str,
    eta: float = 0.0,
    rederive: bool = True,
) -> Rows:
    """Tabulate DDIM [1]_ with σ = η √β̃ (eq. 16): η = 0 is an ODE step, η = 1 is ancestral sampling.

    Parameters
    ----------
    alpha_bar, alpha_bar_prev : Tensor of shape (n,), float64
        ᾱ at the level of each step and at the level it goes to.
    prediction : {"epsilon", "sample", "v_prediction"}
        What the network predicts.
    eta : float in [0, 1], default=0
        Share of the posterior's standard deviation that is drawn anew.
    rederive : bool, default=True
        Take ε from (x, D) after D was bounded, else from the network's output.

    Returns
    -------
    Rows
        Not finite at levels the prediction cannot be inverted.

    References
    ----------
    .. [1] Song, Meng, Ermon (2021), Denoising diffusion implicit models, arXiv:2010.02502.
    """
    std = eta * posterior_variance(alpha_bar, alpha_bar_prev).sqrt()
    return _rows(alpha_bar, alpha_bar_prev, prediction, std=std, rederive=rederive)


def ddpm_rows(
    alpha_bar: Tensor,
    alpha_bar_prev: Tensor,
    *,
    prediction: str,
    variance_type: str,
    noisy: Tensor,
) -> Rows:
    """Tabulate ancestral sampling: the posterior's mean (DDPM [1]_, eq. 7), one of the variances.

    Parameters
    ----------
    alpha_bar, alpha_bar_prev : Tensor of shape (n,), float64
        ᾱ at the level of each step and at the level it goes to.
    prediction : {"epsilon", "sample", "v_prediction"}
        What the network predicts.
    variance_type : str
        A key of ``VARIANCES``; β̃ is exact for a single datum, β for standard normal data
        (section 3.2).
    noisy : BoolTensor of shape (n,)
        Which steps add noise; the step to clean data should not.

    Returns
    -------
    Rows
        ``noise`` is a standard deviation, or 1 if the network brings its own.

    References
    ----------
    .. [1] Ho, Jain, Abbeel (2020), Denoising diffusion probabilistic models, arXiv:2006.11239.
    """
    std = posterior_variance(alpha_bar, alpha_bar_prev).sqrt()
    rows = _rows(alpha_bar, alpha_bar_prev, prediction, std=std, rederive=True)
    variance = VARIANCES[variance_type](rows.small, rows.large)
    return rows._replace(noise=torch.where(noisy, variance.sqrt(), 0.0))


def _rows(
    alpha_bar: Tensor, alpha_bar_prev: Tensor, prediction: str, *, std: Tensor, rederive: bool
) -> Rows:
    """Fold ε out of x_s = a_s D + direction ε + std z."""
    a, b = signal_and_noise(alpha_bar)
    a_prev, _ = signal_and_noise(alpha_bar_prev)
    p, q, r, s = solve(prediction, a, b)
    direction = (1 - alpha_bar_prev - std**2).clamp(min=0).sqrt()  # < 0 by rounding alone
    if rederive:  # ε = (x - a D) / b
        data, sample, model = a_prev - direction * a / b, direction / b, torch.zeros_like(a)
    else:  # ε = r x + s F
        data, sample, model = a_prev, direction * r, direction * s
    small = posterior_variance(alpha_bar, alpha_bar_prev).clamp(min=MIN_VARIANCE)
    large = transition_variance(alpha_bar, alpha_bar_prev)
    return Rows(p, q, data, sample, model, std, small, large)
