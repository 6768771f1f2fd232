"""Keep a predicted x_0 inside the range of data."""

import torch
from torch import Tensor

__all__ = ["dynamic_threshold"]


def dynamic_threshold(sample: Tensor, *, ratio: float, max_value: float) -> Tensor:
    """Clip each sample to its own quantile s of |x_0| and divide by s (Imagen [1]_, section 2.3).

    Parameters
    ----------
    sample : Tensor of shape (B, ...), data units
        Predicted x_0; left unchanged.
    ratio : float in [0, 1]
        Quantile of |x_0| that sets s.
    max_value : float
        Upper bound of s; the lower one is 1, where this is plain clipping to [-1, 1].

    Returns
    -------
    Tensor of shape (B, ...), dtype of ``sample``
        Every value in [-1, 1]; NaN in a sample spreads over that sample only.

    References
    ----------
    .. [1] Saharia et al. (2022), Photorealistic text-to-image diffusion models with deep language
       understanding, arXiv:2205.11487.
    """
    wide = sample.to(torch.promote_types(sample.dtype, torch.float32)).flatten(1)  # (B, d)
    scale = torch.quantile(wide.abs(), ratio, dim=1, keepdim=True)  # (B, 1)
    scale = scale.clamp(min=1, max=max_value)
    return (wide.clamp(-scale, scale) / scale).view(sample.shape).to(sample.dtype)
