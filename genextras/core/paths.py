"""Noise schedules, and the paths x_t = a_t x_0 + b_t ε that they define.

β_t is the variance that one training step adds (DDPM, eq. 2); ᾱ_t = Π (1 - β_s) for s up to t is
the share of variance that is still data, so a_t = √ᾱ_t and b_t = √(1 - ᾱ_t) (DDPM, eq. 4).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

BETA_MAX = 0.999  # keeps ᾱ_T above zero, improved DDPM section 3.2

# Scale of data a as a function of σ = b/a: what families of diffusions differ in
SIGNALS: dict[str, Callable[[Any], Any]] = {
    "vp": lambda sigma: (1 + sigma**2) ** -0.5,  # a² + b² = 1
    "ve": lambda sigma: 0 * sigma + 1,
    "sub-vp": lambda sigma: 2 / ((sigma**2 + 4) ** 0.5 + sigma),  # b = 1 - a², arXiv:2011.13456
    "flow": lambda sigma: 1 / (1 + sigma),  # a + b = 1
}


def _linear(n_levels: int, start: float, end: float) -> Tensor:
    """β evenly spaced (DDPM, arXiv:2006.11239, section 4)."""
    return torch.linspace(start, end, n_levels, dtype=torch.float32)


def _scaled_linear(n_levels: int, start: float, end: float) -> Tensor:
    """√β evenly spaced (latent diffusion, arXiv:2112.10752)."""
    return torch.linspace(start**0.5, end**0.5, n_levels, dtype=torch.float32) ** 2


def _sigmoid(n_levels: int, start: float, end: float) -> Tensor:
    """β along a logistic curve over [-6, 6] (GeoDiff, arXiv:2203.02923)."""
    return torch.sigmoid(torch.linspace(-6, 6, n_levels)) * (end - start) + start


def _cosine(n_levels: int, start: float, end: float) -> Tensor:
    """ᾱ = cos² ((u + 0.008) / 1.008 · π/2) over u = t/T (arXiv:2102.09672, eq. 17)."""
    del start, end
    return betas_from(lambda u: torch.cos((u + 0.008) / 1.008 * torch.pi / 2) ** 2, n_levels)


def _laplace(n_levels: int, start: float, end: float) -> Tensor:
    """log-SNR after a Laplace law (arXiv:2407.03297); ᾱ is a square root, as in diffusers."""
    del start, end

    def _alpha_bar(u: Tensor) -> Tensor:
        side = torch.where(u <= 0.5, 1.0, -1.0)
        log_snr = -0.5 * side * torch.log(1 - 2 * (0.5 - u).abs() + 1e-6)
        return torch.sigmoid(log_snr).sqrt()  # √(snr / (1 + snr))

    return betas_from(_alpha_bar, n_levels)


def betas_from(alpha_bar: Callable[[Tensor], Tensor], n_levels: int) -> Tensor:
    """Betas of a continuous schedule: β_t = 1 - ᾱ(t+1)/ᾱ(t), capped.

    Parameters
    ----------
    alpha_bar : callable
        ᾱ of a Tensor of times in [0, 1]; with a log-SNR λ it is ``sigmoid(λ)``.
    n_levels : int
        Number of training timesteps T.

    Returns
    -------
    Tensor of shape (T,), float32
        The β of every timestep, computed in float64; give it as ``trained_betas``.
    """
    shares = alpha_bar(torch.arange(n_levels + 1, dtype=torch.float64) / n_levels)  # (T + 1,)
    return (1 - shares[1:] / shares[:-1]).clamp(max=BETA_MAX).float()


# (T, first β, last β) -> β of every timestep, float32 as the host keeps it
BETA_SCHEDULES: dict[str, Callable[[int, float, float], Tensor]] = {
    "linear": _linear,
    "scaled_linear": _scaled_linear,
    "squaredcos_cap_v2": _cosine,
    "sigmoid": _sigmoid,
    "laplace": _laplace,
}


def zero_terminal_snr(betas: Tensor) -> Tensor:
    """Shift and scale √ᾱ so that the last level holds no signal (arXiv:2305.08891, algorithm 1).

    Parameters
    ----------
    betas : Tensor of shape (T,)
        Variance added by each training step; left unchanged.

    Returns
    -------
    Tensor of shape (T,), dtype of ``betas``
        New β with the same first level and ᾱ_T = 0 exactly.
    """
    a = torch.cumprod(1 - betas, dim=0).sqrt()
    a = (a - a[-1]) * (a[0] / (a[0] - a[-1]))
    alphas_cumprod = a**2
    return 1 - torch.cat([alphas_cumprod[:1], alphas_cumprod[1:] / alphas_cumprod[:-1]])


def signal_and_noise(alphas_cumprod: Tensor) -> tuple[Tensor, Tensor]:
    """Split each level into the scales of x_t = a x_0 + b ε.

    Parameters
    ----------
    alphas_cumprod : Tensor of shape (n,), any floating dtype
        ᾱ, the share of variance that is data.

    Returns
    -------
    a, b : Tensor of shape (n,), float64, on the device of ``alphas_cumprod``
        √ᾱ and √(1 - ᾱ); NaN where ᾱ is outside [0, 1].
    """
    shares = alphas_cumprod.double()
    return shares.sqrt(), (1 - shares).sqrt()


def mix(first: Tensor, second: Tensor, u: Tensor, w: Tensor) -> Tensor:
    """Weighted sum u·first + w·second with one pair of weights a sample.

    With (u, w) = (a, b) this is the forward process, with (-b, a) the velocity. Half precision is
    computed in float32 and rounded once: √(1 - ᾱ) is 0 in bfloat16 for small t.

    Parameters
    ----------
    first, second : Tensor of shape (B, ...), same units
        Data and noise, say.
    u, w : Tensor of shape (B,) or (1,), dimensionless
        Weights in float32 or wider.

    Returns
    -------
    Tensor of shape (B, ...)
        In the wider of the two inputs' dtypes.
    """
    dtype = torch.promote_types(first.dtype, second.dtype)
    per_sample = (-1,) + (1,) * (first.ndim - 1)
    mixed = torch.addcmul(first * u.view(per_sample), second, w.view(per_sample))
    return mixed.to(dtype)
