"""What every denoiser is to diffusers: a saved model with the words of ``UNet2DModel``."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.outputs import BaseOutput
from torch import Tensor, nn

from genextras.denoisers.conditioning import Conditioning, Modulation, modulated
from genextras.denoisers.patches import spatial_shape
from genextras.validation import check_integer, check_number, message

__all__ = ["Denoiser", "DenoiserOutput"]

WIDTHS = (torch.bfloat16, torch.float16, torch.float32, torch.float64)  # that weights compute in


@dataclass
class DenoiserOutput(BaseOutput):
    """What a network says.

    Attributes
    ----------
    sample : Tensor of shape (B, C, ...)
        The prediction.
    """

    sample: Tensor


class Denoiser(ModelMixin, ConfigMixin):
    """A network (sample, timestep, class_labels) -> prediction; members say what it computes."""

    config_name: ClassVar[str] = ModelMixin.config_name  # type: ignore[assignment, misc]  # both bases state it
    _supports_gradient_checkpointing = True
    gradient_checkpointing = False
    _wholes: ClassVar[tuple[str, ...]] = ("in_channels", "hidden_size", "num_layers")

    @abstractmethod
    def _predict(self, sample: Tensor, timestep: Any, class_labels: Tensor | None) -> Tensor:
        """The prediction, for a sample of the right shape."""

    def forward(
        self,
        sample: Tensor,
        timestep: float | Tensor,
        class_labels: Tensor | None = None,
        return_dict: bool = True,
    ) -> DenoiserOutput | tuple[Tensor]:
        """Predict what the scheduler's ``prediction_type`` says.

        Parameters
        ----------
        sample : Tensor of shape (B, C, ...)
            Noised samples, as ``scale_model_input`` left them.
        timestep : number or Tensor of 1 or B elements
            Labels of their noise levels.
        class_labels : LongTensor of shape (B,), optional
            Classes; ``num_class_embeds``, or no labels at all, stands for no class.
        return_dict : bool, default=True
            Whether to return an object with names, or a tuple.

        Returns
        -------
        DenoiserOutput or tuple
            ``sample``, a Tensor of shape (B, out_channels, ...).

        Raises
        ------
        TypeError
            If samples are not of the weights' dtype, or class labels are no whole numbers.
        ValueError
            If a shape does not fit or has no elements, or a class is unknown.
        """
        self._check_dtype(sample)
        self._check_sample(sample)
        output = self._predict(sample, timestep, class_labels)
        return DenoiserOutput(sample=output) if return_dict else (output,)

    # ------------------------------------------------------------ for members

    def _start(self) -> tuple[tuple[int, ...], int]:
        """Check the options that all have in common; spatial shape and channels of the output."""
        config, owner = self.config, type(self).__name__
        for name in self._wholes:
            check_integer(owner, name, config[name], low=1)
        if config["num_class_embeds"] is not None:
            check_integer(owner, "num_class_embeds", config["num_class_embeds"], low=1)
        cure = "1 suits labels up to 1000, 250 the log(σ)/4 of EDM."
        scale = config["timestep_scale"]
        check_number(owner, "timestep_scale", scale, low=1e-6, high=1e6, cure=cure)
        shape = self._check_size(config["sample_size"])
        if config["out_channels"] is None:
            self.register_to_config(out_channels=config["in_channels"])
        check_integer(owner, "out_channels", self.config["out_channels"], low=1)
        return shape, self.config["out_channels"]

    def _check_size(self, sample_size: Any) -> tuple[int, ...]:
        owner = type(self).__name__
        sizes = sample_size if isinstance(sample_size, Sequence) else [sample_size]
        for size in sizes:
            check_integer(owner, "sample_size", size, low=1)
        return spatial_shape(sample_size)

    def _surround(self, blocks: nn.ModuleList, n_in: int, n_out: int) -> None:
        """Put layers around the blocks; the last one starts at zero.

        Parameters
        ----------
        blocks : ModuleList
            What ``_through`` applies.
        n_in, n_out : int
            Numbers of a token of the sample, and of the prediction.
        """
        config, name = self.config, type(self).__name__
        width, scale = config["hidden_size"], config["timestep_scale"]
        self.conditioning = Conditioning(name, width, config["num_class_embeds"], scale)
        self.first = nn.Linear(n_in, width)
        self.blocks = blocks
        self.modulation = Modulation(width, 2)
        self.last = nn.Linear(width, n_out)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def _finish(self, x: Tensor, condition: Tensor) -> Tensor:
        """What the last tokens say."""
        return self.last(modulated(x, *self.modulation(condition, x.ndim - 2)))

    def _check_dtype(self, sample: Any) -> None:
        """Refuse what is no Tensor of the weights' dtype; autocast takes floats up to 32 bits."""
        owner, wanted = type(self).__name__, self.first.weight.dtype
        if not isinstance(sample, Tensor):
            cure = "Pass torch.as_tensor(sample), with a batch axis."
            raise TypeError(message(owner, "sample", "a Tensor", type(sample).__name__, cure))
        kind = sample.device.type
        is_cast = torch.is_autocast_enabled(kind) and sample.dtype in WIDTHS[:3]
        if sample.dtype == wanted or is_cast or wanted not in WIDTHS:  # others are cast by hooks
            return
        cure = "Pass sample.to(model.dtype)."
        text = message(owner, "sample", f"of dtype {wanted}", sample.dtype, cure)
        raise TypeError(text)

    def _check_sample(self, sample: Tensor) -> None:
        """Refuse another number of axes or channels; members know what sizes they take."""
        shape = spatial_shape(self.config["sample_size"])
        if sample.ndim != 2 + len(shape) or sample.shape[1] != self.config["in_channels"]:
            self._refuse(sample, shape)
        if not sample.numel():
            got, cure = tuple(sample.shape), "Leave empty batches out."
            allowed = "of one sample or more, and no axis of length 0"
            raise ValueError(message(type(self).__name__, "sample", allowed, got, cure))

    def _check_fixed(self, sample: Tensor) -> None:
        """Refuse any size but that of the config."""
        shape = spatial_shape(self.config["sample_size"])
        if tuple(sample.shape[2:]) != shape:
            self._refuse(sample, shape)

    def _refuse(self, sample: Tensor, shape: tuple[int, ...]) -> None:
        named = ", ".join(["B", str(self.config["in_channels"]), *map(str, shape)])
        got, cure = tuple(sample.shape), "Construct it with in_channels and sample_size."
        raise ValueError(message(type(self).__name__, "sample", f"of shape ({named})", got, cure))

    def _through(self, blocks: nn.ModuleList, x: Tensor, *context: Any) -> Tensor:
        """Apply blocks one after the other, with checkpoints if they are enabled.

        The last quarter of the blocks keep their activations. The very last are needed first, so
        computing them again would save nothing; the others buy a quarter of the time that
        checkpoints cost.
        """
        keep = self._gradient_checkpointing_func  # what diffusers' enable_* sets
        is_kept = self.gradient_checkpointing and torch.is_grad_enabled()
        n_again = len(blocks) - max(1, len(blocks) // 4)
        for i, block in enumerate(blocks):
            if is_kept and keep is not None and i < n_again:
                x = keep(block, x, *context)
            else:
                x = block(x, *context)
        return x
