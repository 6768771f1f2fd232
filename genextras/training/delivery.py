"""What training leaves: a pipeline, from the averaged weights and the scheduler."""

from copy import deepcopy
from typing import Any

from diffusers.pipelines.ddpm.pipeline_ddpm import DDPMPipeline
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.training_utils import EMAModel as HostEMAModel

from genextras.training.network import null_class
from genextras.training.pipeline import DenoisingPipeline

__all__ = ["copies", "deliver", "fits_host"]


def fits_host(model: Any, scheduler: Any, shape: tuple[int, ...] | None) -> bool:
    """Whether diffusers' DDPMPipeline will do, which scales nothing and knows no classes.

    Parameters
    ----------
    model : Module
        The network.
    scheduler : SchedulerMixin
        That samples.
    shape : tuple of int or None
        Of a sample, if it is known.

    Returns
    -------
    bool
        True for diffusers' networks of square images on variance preserving paths and flows.
    """
    is_host_model = type(model).__module__.startswith("diffusers.")
    is_scaled = getattr(scheduler, "_scales_input", False) or scheduler.init_noise_sigma != 1
    is_image = shape is None or (len(shape) == 3 and shape[1] == shape[2])
    return is_host_model and not is_scaled and is_image and null_class(model) is None


def copies(model: Any, scheduler: Any, ema: HostEMAModel | None) -> tuple[Any, Any]:
    """A network for sampling, and a scheduler of its own.

    Parameters
    ----------
    model : Module
        The network.
    scheduler : SchedulerMixin
        That samples.
    ema : EMAModel or None
        Weights to take instead of the network's own.

    Returns
    -------
    model, scheduler : Module, SchedulerMixin
        Apart from those that go on being trained.
    """
    copied = deepcopy(model).eval().requires_grad_(False)
    if ema is not None:
        ema.copy_to(copied.parameters())
    return copied, type(scheduler).from_config(scheduler.config)


def deliver(
    model: Any, scheduler: Any, shape: tuple[int, ...] | None, ema: HostEMAModel | None
) -> DiffusionPipeline:
    """Copies of a network and its scheduler as a pipeline.

    Parameters
    ----------
    model : Module
        The network.
    scheduler : SchedulerMixin
        That samples.
    shape : tuple of int or None
        Of a sample, if it is known.
    ema : EMAModel or None
        Weights to take instead of the network's own.

    Returns
    -------
    DiffusionPipeline
        diffusers' DDPMPipeline where it fits, else ``DenoisingPipeline``.
    """
    copied, own = copies(model, scheduler, ema)
    pipe: DiffusionPipeline
    if fits_host(copied, own, shape):
        pipe = DDPMPipeline(copied, own)
    else:
        pipe = DenoisingPipeline(copied, own, shape=shape)
    pipe.set_progress_bar_config(disable=True)
    return pipe
