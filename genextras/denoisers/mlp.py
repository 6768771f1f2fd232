"""A residual network of dense layers, for tables and points."""

from collections.abc import Sequence
from math import prod
from typing import Any, final

from diffusers.configuration_utils import register_to_config
from diffusers.models.modeling_utils import ModelMixin  # from_pretrained reads it here
from torch import Tensor, nn

from genextras.denoisers.base import Denoiser
from genextras.denoisers.conditioning import Modulation, modulated

__all__ = ["MLPDenoiser"]


class MLPBlock(nn.Module):
    """x + gate · MLP(modulated x).

    Parameters
    ----------
    width : int
        Numbers of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.modulation = Modulation(width, 3)
        self.layers = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """One step of refinement.

        Parameters
        ----------
        x, condition : Tensor of shape (B, width)
            Tokens, and what is known of them.

        Returns
        -------
        Tensor of shape (B, width)
            New tokens.
        """
        shift, scale, gate = self.modulation(condition, 0)
        return x + gate * self.layers(modulated(x, shift, scale))


@final
class MLPDenoiser(Denoiser, ModelMixin):
    """Dense residual network for rows of tables, points, and small samples of any shape.

    Residual blocks of two layers, conditioned by AdaLN-zero ([1]_, there for transformers): the
    untrained network says 0.

    Parameters
    ----------
    in_channels : int, default=2
        Numbers of a point or row; channels where samples have more axes.
    sample_size : int or sequence of int, default=()
        Shape behind the channels: nothing for points of shape (B, in_channels).
    out_channels : int, optional
        Channels of the prediction, by default ``in_channels``; twice as many with a learned
        variance.
    hidden_size : int, default=256
        Width of the blocks.
    num_layers : int, default=4
        Number of blocks.
    num_class_embeds : int, optional
        Number of classes; the label ``num_class_embeds`` stands for no class.
    timestep_scale : float, default=1.0
        Factor of timesteps: 1 suits labels up to 1000, 250 those of ``EDMScheduler``.

    Raises
    ------
    TypeError, ValueError
        If an option is of the wrong kind, or out of its range.

    References
    ----------
    .. [1] Peebles, Xie (2023), Scalable diffusion models with transformers, arXiv:2212.09748.

    Examples
    --------
    >>> import torch
    >>> model = MLPDenoiser(in_channels=2, hidden_size=32)
    >>> model(torch.randn(5, 2), 10).sample.shape
    torch.Size([5, 2])
    """

    _no_split_modules = ["MLPBlock"]  # type: ignore[assignment]  # noqa: RUF012 - as diffusers states it
    _repeated_blocks = ["MLPBlock"]  # noqa: RUF012

    @register_to_config
    def __init__(  # noqa: PLR0917 - a config's words, as diffusers' models take them
        self,
        in_channels: int = 2,
        sample_size: int | Sequence[int] = (),
        out_channels: int | None = None,
        hidden_size: int = 256,
        num_layers: int = 4,
        num_class_embeds: int | None = None,
        timestep_scale: float = 1.0,
    ) -> None:
        super().__init__()
        shape, channels = self._start()
        self.shape = channels, *shape
        blocks = nn.ModuleList(MLPBlock(hidden_size) for _ in range(num_layers))
        self._surround(blocks, in_channels * prod(shape), channels * prod(shape))

    def _check_sample(self, sample: Tensor) -> None:
        super()._check_sample(sample)
        self._check_fixed(sample)

    def _predict(self, sample: Tensor, timestep: Any, class_labels: Tensor | None) -> Tensor:
        condition = self.conditioning(timestep, class_labels, sample)
        x = self._through(self.blocks, self.first(sample.flatten(1)), condition)
        return self._finish(x, condition).view(len(sample), *self.shape)
