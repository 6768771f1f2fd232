"""Denoisers whose tokens are patches of a sample."""

from abc import abstractmethod
from typing import Any, ClassVar

from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from genextras.denoisers.base import Denoiser
from genextras.denoisers.patches import from_patches, to_patches
from genextras.validation import message

__all__ = ["PatchDenoiser"]


class PatchDenoiser(Denoiser, ModelMixin):
    """Patches, blocks, patches; members make the blocks and say what these are told."""

    _wholes: ClassVar[tuple[str, ...]] = (*Denoiser._wholes, "patch_size")

    @abstractmethod
    def _told(self, tokens: Tensor, grid: tuple[int, ...]) -> tuple[Any, ...]:
        """Tokens for the first block, and what every block is told besides the condition."""

    def _start(self) -> tuple[tuple[int, ...], int]:
        """Refuse as well a shape that has no axes, or that patches do not fill."""
        shape, channels = super()._start()
        owner, given, patch = type(self).__name__, self.config["sample_size"], "patch_size"
        if not shape:
            cure = "Take MLPDenoiser for points."
            raise ValueError(message(owner, "sample_size", "a number or sizes", given, cure))
        if any(size % self.config[patch] for size in shape):
            allowed = f"a multiple of patch_size={self.config[patch]}"
            raise ValueError(message(owner, "sample_size", allowed, given, "Pad the samples."))
        return shape, channels

    def _surround_patches(self, blocks: nn.ModuleList, n_axes: int, channels: int) -> None:
        """Layers around blocks whose tokens are patches."""
        area = self.config["patch_size"] ** n_axes
        self._surround(blocks, self.config["in_channels"] * area, channels * area)

    def _check_sample(self, sample: Tensor) -> None:
        """Refuse as well sizes that patches do not fill."""
        super()._check_sample(sample)
        patch = self.config["patch_size"]
        if any(size % patch for size in sample.shape[2:]):
            allowed, cure = f"of sizes that are multiples of {patch}", "Pad it, or crop it."
            got = tuple(sample.shape)
            raise ValueError(message(type(self).__name__, "sample", allowed, got, cure))

    def _predict(self, sample: Tensor, timestep: Any, class_labels: Tensor | None) -> Tensor:
        condition = self.conditioning(timestep, class_labels, sample)
        patches, grid = to_patches(sample, self.config["patch_size"])
        tokens, *context = self._told(self.first(patches), grid)
        tokens = self._through(self.blocks, tokens, condition, *context)
        return from_patches(self._finish(tokens, condition), grid, self.config["patch_size"])
