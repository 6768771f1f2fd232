"""Noise schedules, and the path x_t = a_t x_0 + b_t ε that they define, with a_t² + b_t² = 1.

β_t is the variance that one training step adds (DDPM, eq. 2); ᾱ_t = Π (1 - β_s) for s up to t is
the share of variance that is still data, so a_t = √ᾱ_t and b_t = √(1 - ᾱ_t) (DDPM, eq. 4).
"""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = [
    "BETA_SCHEDULES",
    "cosine_betas",
    "laplace_betas",
    "linear_betas",
    "mix",
    "scaled_linear_betas",
    "sigmoid_betas",
    "signal_and_noise",
    "zero_terminal_snr",
]

BETA_MAX = 0.999  # keeps ᾱ_T above zero, improved DDPM section 3.2


def linear_betas(n_levels: int, start: float, end: float) -> Tensor:
    """Space β evenly (DDPM [1]_, section 4).

    Parameters
    ----------
    n_levels : int
        Number of training timesteps T.
    start, end : float
        First and last β, variances.

    Returns
    -------
    Tensor of shape (T,), float32
        The β of every timestep.

    References
    ----------
    .. [1] Ho, Jain, Abbeel (2020), Denoising diffusion probabilistic models, arXiv:2006.11239.
    """
    return torch.linspace(start, end, n_levels, dtype=torch.float32)


def scaled_linear_betas(n_levels: int, start: float, end: float) -> Tensor:
    """Space √β evenly (latent diffusion [1]_).

    Parameters
    ----------
    n_levels : int
        Number of training timesteps T.
    start, end : float
        First and last β, variances.

    Returns
    -------
    Tensor of shape (T,), float32
        The β of every timestep.

    References
    ----------
    .. [1] Rombach et al. (2022), High-resolution image synthesis with latent diffusion models,
       arXiv:2112.10752.
    """
    return torch.linspace(start**0.5, end**0.5, n_levels, dtype=torch.float32) ** 2


def sigmoid_betas(n_levels: int, start: float, end: float) -> Tensor:
    """Let β rise along a logistic curve over [-6, 6] (GeoDiff [1]_).

    Parameters
    ----------
    n_levels : int
        Number of training timesteps T.
    start, end : float
        Asymptotes of β, variances.

    Returns
    -------
    Tensor of shape (T,), float32
        The β of every timestep.

    References
    ----------
    .. [1] Xu et al. (2022), GeoDiff: a geometric diffusion model for molecular conformation
       generation, arXiv:2203.02923.
    """
    return torch.sigmoid(torch.linspace(-6, 6, n_levels)) * (end - start) + start


def cosine_betas(n_levels: int, start: float = 0.0, end: float = 0.0) -> Tensor:
    """Let ᾱ fall as cos² ((u + 0.008) / 1.008 · π/2) over u = t/T (improved DDPM [1]_, eq. 17).

    Parameters
    ----------
    n_levels : int
        Number of training timesteps T.
    start, end : float
        Not used: the curve has no free ends.

    Returns
    -------
    Tensor of shape (T,), float32
        The β of every timestep, at most 0.999.

    References
    ----------
    .. [1] Nichol, Dhariwal (2021), Improved denoising diffusion probabilistic models,
       arXiv:2102.09672.
    """
    del start, end
    return _betas_from(lambda u: torch.cos((u + 0.008) / 1.008 * torch.pi / 2) ** 2, n_levels)


def laplace_betas(n_levels: int, start: float = 0.0, end: float = 0.0) -> Tensor:
    """Let the log-SNR follow a Laplace law [1]_; ᾱ is a square root, as in diffusers.

    Parameters
    ----------
    n_levels : int
        Number of training timesteps T.
    start, end : float
        Not used: the curve has no free ends.

    Returns
    -------
    Tensor of shape (T,), float32
        The β of every timestep, at most 0.999.

    References
    ----------
    .. [1] Hang et al. (2024), Improved noise schedule for diffusion training, arXiv:2407.03297.
    """
    del start, end

    def _alpha_bar(u: Tensor) -> Tensor:
        side = torch.where(u <= 0.5, 1.0, -1.0)
        log_snr = -0.5 * side * torch.log(1 - 2 * (0.5 - u).abs() + 1e-6)
        return torch.sigmoid(log_snr).sqrt()  # √(snr / (1 + snr))

    return _betas_from(_alpha_bar, n_levels)


def _betas_from(alpha_bar: Callable[[Tensor], Tensor], n_levels: int) -> Tensor:
    """β_t = 1 - ᾱ(t+1)/ᾱ(t), capped; computed in float64, stored in float32."""
    shares = alpha_bar(torch.arange(n_levels + 1, dtype=torch.float64) / n_levels)  # (T + 1,)
    return (1 - shares[1:] / shares[:-1]).clamp(max=BETA_MAX).float()


BETA_SCHEDULES: dict[str, Callable[[int, float, float], Tensor]] = {
    "linear": linear_betas,
    "scaled_linear": scaled_linear_betas,
    "squaredcos_cap_v2": cosine_betas,
    "sigmoid": sigmoid_betas,
    "laplace": laplace_betas,
}


def zero_terminal_snr(betas: Tensor) -> Tensor:
    """Shift and scale √ᾱ so that the last level holds no signal (Lin et al. [1]_, algorithm 1).

    Parameters
    ----------
    betas : Tensor of shape (T,)
        Variance added by each training step; left unchanged.

    Returns
    -------
    Tensor of shape (T,), dtype of ``betas``
        New β with the same first level and ᾱ_T = 0 exactly.

    References
    ----------
    .. [1] Lin et al. (2023), Common diffusion noise schedules and sample steps are flawed,
       arXiv:2305.08891.
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
