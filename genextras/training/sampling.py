"""The loop from noise to samples, for any network, scheduler and shape."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from genextras.training.network import Network

__all__ = ["draw_samples"]


@torch.no_grad()
def draw_samples(
    module: Any,
    scheduler: Any,
    like: Tensor,
    *,
    classes: Tensor | None = None,
    guidance_scale: float = 1.0,
    generator: Any = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> Tensor:
    """Follow a scheduler's timesteps from noise to data.

    Parameters
    ----------
    module : Module
        The network.
    scheduler : SchedulerMixin
        After ``set_timesteps``.
    like : Tensor of shape (B, ...)
        Tells shape, device and dtype; its values are not read.
    classes : LongTensor of shape (B,), optional
        For networks with classes.
    guidance_scale : float, default=1.0
        Of classifier-free guidance.
    generator : torch.Generator or list of them, optional
        Source of noise.
    progress : callable, default=iter
        Wraps the timesteps.

    Returns
    -------
    Tensor of shape (B, ...), data units
        Samples.
    """
    network = Network(module)
    x = randn_tensor(like.shape, generator=generator, device=like.device, dtype=like.dtype)
    x = x * scheduler.init_noise_sigma
    options = {} if generator is None else {"generator": generator}
    for t in progress(scheduler.timesteps):
        output = network.guided(scheduler.scale_model_input(x, t), t, classes, guidance_scale)
        x = scheduler.step(output, t, x, **options)[0]
    return x
