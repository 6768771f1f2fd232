"""How much the error at each noise level counts.

Every loss of the literature is λ(σ) ‖D - x_0‖², the error of the predicted data with a weight. On a
path x = a x_0 + b ε a target F = u x_0 + w ε has the error F̂ - F = -(det F / b) (D - x_0), with
det F = a w - b u. So a weighting is one number g = b √λ a level, and a network that predicts P
minimises (g / det P)² ‖P̂ - P‖². Unlike λ, g is finite at both ends of a path.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from genextras.core.predictions import target_weights

__all__ = ["OPTIONS", "WEIGHTINGS", "determinant", "error_weights", "weighting"]

MIN_SNR = 5.0  # γ of min-SNR (arXiv:2303.09556, section 3.4)
SOFT_MIN_SNR = 4.0  # γ of soft-min-SNR (arXiv:2401.11605, section 3.4)
P2_GAMMA, P2_K = 1.0, 1.0  # (arXiv:2204.00227, section 3.3)
OPTIONS: dict[str, dict[str, float]] = {
    "min-snr": {"gamma": MIN_SNR},
    "soft-min-snr": {"gamma": SOFT_MIN_SNR},
    "p2": {"gamma": P2_GAMMA, "k": P2_K},
}
"""Options of weightings, with their usual values."""


def _min_snr(a: Tensor, b: Tensor, std: float, gamma: float = MIN_SNR) -> Tensor:
    """λ = min(a²/b², γ)."""
    return torch.minimum(a**2, gamma * b**2)


def _soft_min_snr(a: Tensor, b: Tensor, std: float, gamma: float = SOFT_MIN_SNR) -> Tensor:
    """λ = 1 / (σ² + 1/γ), half the harmonic mean of SNR and γ."""
    return gamma * (a * b) ** 2 / (a**2 + gamma * b**2)


def _p2(a: Tensor, b: Tensor, std: float, gamma: float = P2_GAMMA, k: float = P2_K) -> Tensor:
    """λ = SNR / (k + SNR)^γ."""
    return a**2 * (b**2 / (k * b**2 + a**2)) ** gamma


# g² = b² λ of (a, b, std of data)
WEIGHTINGS: dict[str, Callable[..., Tensor]] = {
    "epsilon": lambda a, b, std: a**2,  # λ = SNR: ‖ε̂ - ε‖², DDPM eq. 14
    "sample": lambda a, b, std: b**2,  # λ = 1: ‖D - x_0‖²
    "v_prediction": lambda a, b, std: (a**2 + b**2) ** 2,  # ‖v̂ - v‖², arXiv:2202.00512; SNR + 1
    "flow_prediction": lambda a, b, std: (a + b) ** 2,  # of ε - x_0, arXiv:2209.03003 eq. 1
    "score": lambda a, b, std: a**2,  # b² ‖ŝ - s‖², arXiv:1907.05600 eq. 6
    "edm": lambda a, b, std: (b**2 + (a * std) ** 2) / std**2,  # (σ² + std²)/(σ std)², EDM table 1
    "snr": lambda a, b, std: a**2,
    "truncated-snr": lambda a, b, std: torch.maximum(a**2, b**2),  # arXiv:2202.00512 section 4
    "min-snr": _min_snr,
    "soft-min-snr": _soft_min_snr,
    "p2": _p2,
}


def determinant(prediction: str, a: Tensor, b: Tensor, sigma_data: float = 1.0) -> Tensor:
    """How far a target turns away from x: a w - b u of F = u x_0 + w ε.

    Parameters
    ----------
    prediction : str
        What the network predicts, a key of ``genextras.core.predictions.TARGETS``.
    a, b : Tensor of shape (n,)
        Scales of signal and noise.
    sigma_data : float, default=1.0
        Standard deviation of data, for "edm".

    Returns
    -------
    Tensor of shape (n,)
        Zero where F says nothing about x_0 that x does not.
    """
    u, w = target_weights(prediction, a, b, sigma_data)
    return a * w - b * u


def weighting(name: str, a: Tensor, b: Tensor, sigma_data: float = 1.0, **options: float) -> Tensor:
    """Weight λ of ‖D - x_0‖² at noise levels.

    Parameters
    ----------
    name : str
        A key of ``WEIGHTINGS``; names of predictions measure the error in their unit.
    a, b : Tensor of shape (n,)
        Scales of signal and noise.
    sigma_data : float, default=1.0
        Standard deviation of data, for "edm".
    **options : float
        ``gamma`` of "min-snr", "soft-min-snr" and "p2", and ``k`` of "p2".

    Returns
    -------
    Tensor of shape (n,)
        λ, infinite where b = 0 for most.

    Examples
    --------
    >>> a, b = torch.tensor([0.8, 0.6]), torch.tensor([0.6, 0.8])
    >>> weighting("min-snr", a, b, gamma=1.0).round(decimals=4).tolist()  # min(SNR, 1)
    [1.0, 0.5625]
    """
    return WEIGHTINGS[name](a, b, sigma_data, **options) / b**2


def error_weights(
    name: str,
    prediction: str,
    scales: tuple[Tensor, Tensor],
    sigma_data: float = 1.0,
    options: Mapping[str, Any] | None = None,
) -> Tensor:
    """Weight of ‖P̂ - P‖², the error of a network that predicts P, under a weighting.

    Parameters
    ----------
    name : str
        A key of ``WEIGHTINGS``.
    prediction : str
        P, a key of ``genextras.core.predictions.TARGETS``.
    scales : tuple of Tensor of shape (n,)
        a and b.
    sigma_data : float, default=1.0
        Standard deviation of data.
    options : mapping, optional
        Options of the weighting.

    Returns
    -------
    Tensor of shape (n,)
        (g / det P)², so that every P is given the same gradient with respect to D.

    Examples
    --------
    >>> a, b = torch.tensor([0.8]), torch.tensor([0.6])
    >>> weights = error_weights("epsilon", "v_prediction", (a, b))  # ε̂ - ε = a (v̂ - v)
    >>> round(weights.item(), 4)
    0.64
    """
    squares = WEIGHTINGS[name](*scales, sigma_data, **(options or {}))
    return squares / determinant(prediction, *scales, sigma_data) ** 2
