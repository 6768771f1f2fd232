"""One reverse step as a row of numbers: every solver is a table of such rows, in float64.

    D  = bound(p x + q F)                                predicted x_0, F the network's output
    x' = data D + sample x + model F + noise z + Σ past_j h_j      z ~ N(0, I)
    h  = keep_sample x + keep_data D                     what later rows call h_1, h_2, ...

DDIM (arXiv:2010.02502, eq. 12) is x_s = √ᾱ_s D + √(1 - ᾱ_s - σ²) ε + σ z. DDPM's posterior mean
(arXiv:2006.11239, eq. 7) is the same line with σ² = β̃ and ε = (x_t - √ᾱ_t D) / √(1 - ᾱ_t).
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from genextras.core.predictions import Solution, solve

MIN_VARIANCE = 1e-20  # log β̃ is -∞ for the step to clean data, improved DDPM section 3.1


class Levels(NamedTuple):
    """Where steps start, x = a x_0 + b ε, and where they arrive; arrays of shape (n,), float64."""

    a: np.ndarray
    b: np.ndarray
    a_next: np.ndarray
    b_next: np.ndarray


def levels_to(a: np.ndarray, b: np.ndarray, a_end: float = 1.0, b_end: float = 0.0) -> Levels:
    """Steps from each level to the next one, and from the last to an end.

    Parameters
    ----------
    a, b : array of shape (n,)
        Scales of signal and noise.
    a_end, b_end : float, default=1.0, 0.0
        The end, clean data unless another is given.

    Returns
    -------
    Levels
        n of them.
    """
    return Levels(a, b, np.append(a[1:], a_end), np.append(b[1:], b_end))


def preserving_levels(alpha_bar: np.ndarray, alpha_bar_prev: np.ndarray) -> Levels:
    """Steps of variance preserving diffusion, a² + b² = 1.

    Parameters
    ----------
    alpha_bar, alpha_bar_prev : array of shape (n,), float64
        ᾱ_t and ᾱ_s, the shares of variance that are data.

    Returns
    -------
    Levels
        n of them.
    """
    ends = (alpha_bar, 1 - alpha_bar, alpha_bar_prev, 1 - alpha_bar_prev)
    return Levels(*map(np.sqrt, ends))


class Rows(NamedTuple):
    """Coefficients of n steps; every field is an array of shape (n,), float64."""

    p: np.ndarray
    q: np.ndarray
    data: np.ndarray
    sample: np.ndarray
    model: np.ndarray
    noise: np.ndarray
    draws: np.ndarray  # whether z is drawn, if only to keep a shared generator in step
    small: np.ndarray  # β̃ and β, the ends between which a network may place its own variance
    large: np.ndarray
    keep_sample: np.ndarray
    keep_data: np.ndarray
    past: tuple[np.ndarray, ...] = ()


def make_rows(solution: Solution, data: Any, sample: Any, **others: Any) -> Rows:
    """Rows whose other coefficients are zero; one that adds noise draws it.

    Parameters
    ----------
    solution : Solution
        Of n levels.
    data, sample : array of shape (n,) or number
        Weights of D and x.
    **others : array of shape (n,)
        Other fields of ``Rows``.

    Returns
    -------
    Rows
        n of them.
    """
    zeros = np.zeros(len(solution.p))
    draws = others["noise"] != 0 if "noise" in others else zeros > 0
    columns = {**dict.fromkeys(Rows._fields[4:-1], zeros), "draws": draws, "past": (), **others}
    return Rows(solution.p, solution.q, zeros + data, zeros + sample, **columns)


def posterior_variance(alpha_bar: Any, alpha_bar_prev: Any) -> Any:
    """Variance of x_s given x_t and x_0: β̃ = (1 - ᾱ_s)/(1 - ᾱ_t) · (1 - ᾱ_t/ᾱ_s) (DDPM, eq. 7).

    Parameters
    ----------
    alpha_bar, alpha_bar_prev : array of shape (n,), float64
        ᾱ_t and ᾱ_s, ᾱ_s ≥ ᾱ_t.

    Returns
    -------
    array of shape (n,)
        Squared units of x; 0 where s is clean data.
    """
    return (1 - alpha_bar_prev) / (1 - alpha_bar) * transition_variance(alpha_bar, alpha_bar_prev)


def transition_variance(alpha_bar: Any, alpha_bar_prev: Any) -> Any:
    """Variance of x_t given x_s: β = 1 - ᾱ_t / ᾱ_s (DDPM, eq. 2, over any stride).

    Parameters
    ----------
    alpha_bar, alpha_bar_prev : array of shape (n,), float64
        ᾱ_t and ᾱ_s, ᾱ_s ≥ ᾱ_t.

    Returns
    -------
    array of shape (n,)
        Squared units of x.
    """
    return 1 - alpha_bar / alpha_bar_prev


# Variance of the noise of a DDPM step, from β̃ (small) and β (large). The log types are the same
# numbers, stored as logarithms elsewhere; the learned ones multiply what the network predicts.
VARIANCES: dict[str, Callable[[Any, Any], Any]] = {
    "fixed_small": lambda small, large: small,
    "fixed_small_log": lambda small, large: small,
    "fixed_large": lambda small, large: large,
    "fixed_large_log": lambda small, large: large,
    "learned": lambda small, large: 0 * large + 1,
    "learned_range": lambda small, large: 0 * large + 1,
}


def _range_variance(predicted: Tensor, small: Any, large: Any) -> Tensor:
    """exp(v log β + (1 - v) log β̃) with v = (predicted + 1) / 2, improved DDPM eq. 15."""
    low, high = (v.log() if isinstance(v, Tensor) else math.log(v) for v in (small, large))
    return torch.exp((predicted + 1) * ((high - low) / 2) + low)


# Variance of the noise from what a network predicts, β̃ and β.
LEARNED: dict[str, Callable[[Tensor, Any, Any], Tensor]] = {
    "learned": lambda predicted, small, large: predicted,
    "learned_range": _range_variance,
}


def euler_rows(
    levels: Levels,
    prediction: str,
    sigma_data: float = 1.0,
    *,
    eta: float = 0.0,
    rederive: bool = True,
) -> Rows:
    """DDIM in any family of (a, b), Euler's step in σ = b/a; η > 0 draws a share of ε anew.

    With η = 1 that is ancestral sampling: the noise then has the posterior's variance
    b_s² (1 - σ_s²/σ_t²), DDIM's eq. 16. ``rederive`` takes ε from (x, D) after D was bounded, not
    from the network's output. Rows are not finite where the prediction cannot be inverted.

    Parameters
    ----------
    levels : Levels
        Of n steps.
    prediction : str
        What the network predicts.
    sigma_data : float, default=1.0
        Standard deviation of data, for "edm".
    eta : float in [0, 1], default=0
        Share of the posterior's standard deviation that is drawn anew.
    rederive : bool, default=True
        Where ε comes from.

    Returns
    -------
    Rows
        n of them.
    """
    a, b, a_next, b_next = levels
    ratio = b_next * a / (b * a_next)  # σ_s / σ_t
    std = eta * b_next * np.sqrt(np.maximum(1 - ratio**2, 0))  # < 0 by rounding alone, as below
    direction = np.sqrt(np.maximum(b_next**2 - std**2, 0))
    solution = solve(prediction, a, b, sigma_data)
    if rederive:  # ε = (x - a D) / b
        sample = direction / b
        terms = {"data": a_next - a * sample, "sample": sample}
    else:  # ε = r x + s F
        terms = {"data": a_next, "sample": direction * solution.r, "model": direction * solution.s}
    return make_rows(solution, noise=std, draws=np.full(len(a), eta > 0), **terms)


def ddpm_rows(
    alpha_bar: np.ndarray,
    alpha_bar_prev: np.ndarray,
    *,
    prediction: str,
    variance_type: str,
    noisy: np.ndarray,
) -> Rows:
    """Ancestral sampling: the posterior's mean (DDPM, eq. 7) and one of ``VARIANCES``.

    β̃ is exact for a single datum, β for standard normal data (section 3.2). ``noisy`` marks the
    steps that add noise; the one to clean data should not.

    Parameters
    ----------
    alpha_bar, alpha_bar_prev : array of shape (n,), float64
        ᾱ_t and ᾱ_s, ᾱ_s ≥ ᾱ_t.
    prediction : str
        What the network predicts.
    variance_type : str
        A key of ``VARIANCES``.
    noisy : bool array of shape (n,)
        Steps that add noise.

    Returns
    -------
    Rows
        n of them; ``noise`` is a standard deviation, or 1 if the network brings its own.
    """
    rows = euler_rows(preserving_levels(alpha_bar, alpha_bar_prev), prediction, eta=1.0)
    small = np.maximum(posterior_variance(alpha_bar, alpha_bar_prev), MIN_VARIANCE)
    large = transition_variance(alpha_bar, alpha_bar_prev)
    std = np.sqrt(VARIANCES[variance_type](small, large))
    return rows._replace(noise=np.where(noisy, std, 0.0), draws=noisy, small=small, large=large)


def heun_rows(levels: Levels, prediction: str, sigma_data: float, kappa: float = 0.0) -> Rows:
    """Heun's method in τ = b / (a + κ b); two rows a step, one for the step to clean data.

    κ = 0 is the σ of EDM (Karras et al. 2022, arXiv:2206.00364, algorithm 1), κ = 1 the time of
    rectified flow. The second row keeps nothing and averages with the x that the first one left.

    Parameters
    ----------
    levels : Levels
        Of n steps.
    prediction : str
        What the network predicts.
    sigma_data : float
        Standard deviation of data, for "edm".
    kappa : float, default=0
        κ.

    Returns
    -------
    Rows
        2n of them, or 2n - 1 if the last step goes to clean data.
    """
    a, b, a_next, b_next = levels
    scale, scale_next = a + kappa * b, a_next + kappa * b_next  # y = x / scale, dy/dτ = ε - κ D
    stride = b_next / scale_next - b / scale
    final = b_next == 0
    first = np.stack([b_next / b, a_next - a * b_next / b, 0 * a, np.ones_like(a)])
    with np.errstate(divide="ignore", invalid="ignore"):  # at the step to clean data, dropped
        gain = scale_next * stride / (2 * b_next)
    second = np.stack([0.5 + gain, -scale_next * gain, 0.5 * scale_next / scale, 0 * a])
    table = np.stack([first, second], axis=2).reshape(4, -1)  # columns in the order of the steps
    solutions = zip(
        solve(prediction, a, b, sigma_data), _arrivals(prediction, levels, sigma_data), strict=True
    )
    kept = ~np.stack([np.zeros_like(final), final], axis=1).reshape(-1)
    solution = Solution(*(np.stack(pair, axis=1).reshape(-1)[kept] for pair in solutions))
    sample, data, past, keep = table[:, kept]
    return make_rows(solution, data, sample, past=(past,), keep_sample=keep)


def _arrivals(prediction: str, levels: Levels, sigma_data: float) -> Solution:
    """What predictions mean at the levels of arrival; nothing at clean data."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return solve(prediction, levels.a_next, levels.b_next, sigma_data)
