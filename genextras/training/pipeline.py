"""A pipeline for any denoiser: images, points, tables, with or without classes.

``DiffusionPipeline.from_pretrained`` looks a pipeline's class up by its name among those of
diffusers, so importing this module puts it there.
"""

from collections.abc import Sequence
from typing import Any

import diffusers
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.utils.outputs import BaseOutput
from torch import Generator, Tensor

from genextras.training.sampling import draw_samples
from genextras.validation import check_integer, check_number, message

__all__ = ["DenoisingPipeline", "SamplesOutput", "sample_shape"]


class SamplesOutput(BaseOutput):
    """What a run gives: ``samples``, a Tensor of shape (B, ...)."""

    samples: Tensor


def sample_shape(model: Any) -> tuple[int, ...] | None:
    """Shape of one sample, from a network's config.

    Parameters
    ----------
    model : Module
        Of diffusers, or of its kind.

    Returns
    -------
    tuple of int or None
        (channels, ...): two sides where ``sample_size`` is a number, else those that it lists.
    """
    config: Any = getattr(model, "config", None)
    if not hasattr(config, "get") or config.get("in_channels") is None:
        return None
    channels, size = config.get("in_channels"), config.get("sample_size", ())
    if size is None:
        return None
    return (channels, size, size) if isinstance(size, int) else (channels, *size)


class DenoisingPipeline(DiffusionPipeline):
    """Sample any network with any scheduler.

    Parameters
    ----------
    unet : ModelMixin
        The network: (x, label, class_labels) to a prediction.
    scheduler : SchedulerMixin
        Of this package or of diffusers.
    shape : sequence of int, optional
        Of one sample; by default what the network's config says.

    References
    ----------
    .. [1] Ho, Salimans (2022), Classifier-free diffusion guidance, arXiv:2207.12598.

    Examples
    --------
    >>> from genextras import FlowMatchScheduler
    >>> from diffusers import UNet2DModel
    >>> blocks = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}
    >>> options = {"in_channels": 1, "out_channels": 1, "layers_per_block": 1, "norm_num_groups": 4}
    >>> unet = UNet2DModel(sample_size=8, block_out_channels=(8,), **options, **blocks)
    >>> pipe = DenoisingPipeline(unet, FlowMatchScheduler())
    >>> pipe.set_progress_bar_config(disable=True)
    >>> pipe(batch_size=2, num_inference_steps=2).samples.shape
    torch.Size([2, 1, 8, 8])
    """

    def __init__(self, unet: Any, scheduler: Any, shape: Sequence[int] | None = None) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)
        self.register_to_config(shape=None if shape is None else list(shape))

    @torch.no_grad()
    def __call__(
        self,
        batch_size: int = 1,
        *,
        class_labels: Tensor | None = None,
        guidance_scale: float = 1.0,
        num_inference_steps: int = 50,
        generator: Generator | list[Generator] | None = None,
        return_dict: bool = True,
    ) -> Any:
        """Draw samples.

        Parameters
        ----------
        batch_size : int, default=1
            How many.
        class_labels : LongTensor of shape (batch_size,), optional
            Classes.
        guidance_scale : float, default=1.0
            Classifier-free guidance [1]_: how far to go from the prediction without a class towards
            that with it, and beyond it above 1.
        num_inference_steps : int, default=50
            Steps.
        generator : torch.Generator or list of them, optional
            Source of noise.
        return_dict : bool, default=True
            Whether to return an object with a name, or a tuple.

        Returns
        -------
        SamplesOutput or tuple
            Samples in data units, on the network's device.

        References
        ----------
        .. [1] Ho, Salimans (2022), Classifier-free diffusion guidance, arXiv:2207.12598.
        """
        owner = type(self).__name__
        check_integer(owner, "batch_size", batch_size, low=1)
        check_number(owner, "guidance_scale", guidance_scale, low=0, high=1e3, cure="4 is usual.")
        shape = self.config.get("shape") or sample_shape(self.unet)
        if shape is None:
            cure = "Pass shape to the pipeline."
            raise ValueError(message(owner, "shape", "known", None, cure))
        labels = class_labels
        if labels is not None:
            labels = torch.as_tensor(labels, device=self._execution_device)
            if labels.shape != (batch_size,):
                got, cure = tuple(labels.shape), "Pass one for each sample."
                raise ValueError(message(owner, "class_labels", f"({batch_size},)", got, cure))
        device = self._execution_device
        self.scheduler.set_timesteps(num_inference_steps, device=device)
        x = draw_samples(
            self.unet,
            self.scheduler,
            torch.empty(batch_size, *shape, device=device, dtype=self.unet.dtype),
            classes=labels,
            guidance_scale=guidance_scale,
            generator=generator,
            progress=self.progress_bar,
        )
        return SamplesOutput(samples=x) if return_dict else (x,)


diffusers.DenoisingPipeline = DenoisingPipeline  # type: ignore[attr-defined]  # where from_pretrained looks
