"""Classifier-free guidance in three small functions: the mixture, its rescaling, its interval."""

from typing import Any

from torch import Tensor

from genextras.validation import check_number, message


def guided(conditional: Tensor, unconditional: Tensor, scale: Any) -> Tensor:
    """Push a prediction away from the one without a condition.

    F = F_u + w (F_c - F_u) ([1]_, eq. 6, with w one more than there); right for every kind of
    prediction, as all are linear in one another.

    Parameters
    ----------
    conditional : Tensor of shape (B, ...)
        F_c, the prediction under the condition.
    unconditional : Tensor of shape (B, ...)
        F_u, the one without it, at the same x and level.
    scale : float or Tensor that broadcasts
        w; 1 is the conditional prediction itself.

    Returns
    -------
    Tensor of shape (B, ...)
        F.

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    .. [1] Ho, Salimans (2022), Classifier-free diffusion guidance, arXiv:2207.12598.

    Examples
    --------
    >>> import torch
    >>> guided(torch.ones(1, 2), torch.zeros(1, 2), 7.5).tolist()
    [[7.5, 7.5]]
    """
    _check_shapes("guided", "unconditional", conditional, unconditional)
    return unconditional + scale * (conditional - unconditional)


def guidance_rescale(guided: Tensor, conditional: Tensor, factor: float = 0.7) -> Tensor:
    """Give a guided prediction the spread of the conditional one, against overexposure.

    F' = φ F std(F_c) / std(F) + (1 - φ) F, standard deviations of each sample ([1]_, eq. 15, 16).

    Parameters
    ----------
    guided : Tensor of shape (B, ...)
        F after guidance.
    conditional : Tensor of shape (B, ...)
        F_c.
    factor : float in [0, 1], default=0.7
        φ; 0 changes nothing.

    Returns
    -------
    Tensor of shape (B, ...)
        F'; F itself where F is constant.

    Raises
    ------
    TypeError, ValueError
        If the factor is no number in [0, 1], or the shapes differ.

    References
    ----------
    .. [1] Lin et al. (2023), Common diffusion noise schedules and sample steps are flawed,
       arXiv:2305.08891.

    Examples
    --------
    >>> import torch
    >>> conditional = torch.tensor([[-1.0, 1.0]])
    >>> guidance_rescale(3 * conditional, conditional, 0.5).tolist()
    [[-2.0, 2.0]]
    """
    cure = "0.7 is the paper's, 0 changes nothing."
    check_number("guidance_rescale", "factor", factor, low=0.0, high=1.0, cure=cure)
    _check_shapes("guidance_rescale", "conditional", guided, conditional)
    per_sample = (-1, *[1] * (guided.ndim - 1))
    spreads = [each.flatten(1).float().std(dim=1) for each in (conditional, guided)]
    ratio = (spreads[0] / spreads[1]).where(spreads[1] > 0, 1.0)  # of a constant F there is none
    return guided * (1 + factor * (ratio - 1)).to(guided.dtype).view(per_sample)


def guidance_interval(
    scale: float, sigma: float | Tensor, low: float, high: float
) -> float | Tensor:
    """Guidance scale that is used only at the levels in the middle.

    w inside (low, high], 1 outside ([1]_, eq. 5): guidance harms at high noise and is not needed
    at low noise, where the unconditional call can be saved.

    Parameters
    ----------
    scale : float
        w.
    sigma : float or Tensor
        Noise level b/a of the call: an entry of ``scheduler.sigmas``, or one a sample.
    low : float
        Lower end of the interval, in the units of ``sigma``.
    high : float
        Its upper end.

    Returns
    -------
    float or Tensor
        As ``sigma``.

    Raises
    ------
    TypeError, ValueError
        If the ends are no numbers, or in the wrong order.

    References
    ----------
    .. [1] Kynkäänniemi et al. (2024), Applying guidance in a limited interval improves sample and
       distribution quality in diffusion models, arXiv:2404.07724.

    Examples
    --------
    >>> [guidance_interval(2.0, sigma, 0.3, 5.0) for sigma in (14.6, 1.0, 0.03)]
    [1.0, 2.0, 1.0]
    """
    cure = "Swap low and high?"
    check_number("guidance_interval", "high", high, low=0.0, high=float("inf"), cure=cure)
    check_number("guidance_interval", "low", low, low=0.0, high=float(high), cure=cure)
    if isinstance(sigma, Tensor):
        inside = (sigma > low) & (sigma <= high)
        return inside.to(sigma.dtype) * (scale - 1) + 1
    return float(scale) if low < sigma <= high else 1.0


def _check_shapes(owner: str, name: str, first: Tensor, second: Tensor) -> None:
    """Refuse predictions that torch would stretch."""
    if first.shape != second.shape:
        allowed, cure = f"of shape {tuple(first.shape)}", "Split the batch by chunk(2)."
        raise ValueError(message(owner, name, allowed, tuple(second.shape), cure))
