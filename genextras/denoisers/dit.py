"""A transformer over patches."""

from collections.abc import Sequence
from typing import Any, final

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.modeling_utils import ModelMixin  # from_pretrained reads it here
from torch import Tensor, nn

from genextras.denoisers.conditioning import Modulation, modulated
from genextras.denoisers.patched import PatchDenoiser
from genextras.denoisers.positions import POSITIONS, Turn, turned
from genextras.validation import check_choice, check_integer, check_number, message

__all__ = ["DiT"]


class DiTBlock(nn.Module):
    """Self-attention, then a dense network, each behind a gate that starts closed.

    Parameters
    ----------
    width : int
        Numbers of a token.
    n_heads : int
        Of attention.
    mlp_ratio : float
        Width of the hidden layer over that of a token.
    """

    def __init__(self, width: int, n_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.modulation = Modulation(width, 6)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.Linear(width, width)
        hidden = round(width * mlp_ratio)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width)
        )
        for layer in self.modules():
            if isinstance(layer, nn.Linear) and layer is not self.modulation.linear:
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, condition: Tensor, turn: Turn, bias: Tensor | None) -> Tensor:
        """One step of refinement.

        Parameters
        ----------
        x : Tensor of shape (B, N, width)
            Tokens.
        condition : Tensor of shape (B, width)
            Noise level and class.
        turn : tuple of Tensor of shape (N, head_dim/2), or None
            Cosines and sines of rotary positions.
        bias : Tensor of shape (n_heads, N, N) or None
            Logits by offset.

        Returns
        -------
        Tensor of shape (B, N, width)
            New tokens.
        """
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = self.modulation(condition, 1)
        x = torch.addcmul(x, gate, self._attend(modulated(x, shift, scale), turn, bias))
        return torch.addcmul(x, mlp_gate, self.mlp(modulated(x, mlp_shift, mlp_scale)))

    def _attend(self, x: Tensor, turn: Turn, bias: Tensor | None) -> Tensor:
        n_samples, n_tokens, width = x.shape
        heads = self.to_qkv(x).view(n_samples, n_tokens, 3 * self.n_heads, -1).transpose(1, 2)
        both, value = heads.split((2 * self.n_heads, self.n_heads), dim=1)  # one copy backwards
        query, key = turned(both, turn).chunk(2, dim=1)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.to_out(mixed.transpose(1, 2).reshape(n_samples, n_tokens, width))


@final
class DiT(PatchDenoiser, ModelMixin):
    """Diffusion transformer [1]_ with a choice of positions, in the words of ``UNet2DModel``.

    Patches are tokens; the noise level and the class act through AdaLN-zero, so the untrained
    network says 0. It runs in any unconditional pipeline of diffusers, and with labels in
    ``DiTPipeline``.

    Parameters
    ----------
    sample_size : int or sequence of int, default=32
        Side of square images, or (height, width); (length,) for sequences.
    in_channels : int, default=3
        Channels of samples.
    out_channels : int, optional
        Channels of the prediction, by default ``in_channels``; twice as many with a learned
        variance.
    patch_size : int, default=2
        Side of a patch.
    hidden_size : int, default=384
        Numbers of a token; a multiple of ``num_attention_heads``.
    num_layers : int, default=12
        Number of blocks.
    num_attention_heads : int, default=6
        Heads of attention.
    mlp_ratio : float, default=4.0
        Width of the hidden layers over ``hidden_size``.
    num_class_embeds : int, optional
        Number of classes; the label ``num_class_embeds`` stands for no class.
    position : {"rope", "learned", "sinusoidal", "relative_bias"}, default="rope"
        How tokens know their place: axial rotary positions [2]_, a learned vector each, fixed
        waves, or a learned logit for each offset. The first and the third take other sizes of
        samples than ``sample_size`` too.
    rope_theta : float, default=100.0
        Ratio of the fastest to the slowest rotation; [2]_ finds 100 good for images.
    timestep_scale : float, default=1.0
        Factor of timesteps: 1 suits labels up to 1000, 250 those of ``EDMScheduler``.

    Raises
    ------
    TypeError, ValueError
        If an option is of the wrong kind, or out of its range.

    References
    ----------
    .. [1] Peebles, Xie (2023), Scalable diffusion models with transformers, arXiv:2212.09748.
    .. [2] Heo, Park, Han, Yun (2024), Rotary position embedding for vision transformer,
       arXiv:2403.13298.

    Examples
    --------
    >>> import torch
    >>> model = DiT(sample_size=8, in_channels=1, hidden_size=32, num_layers=2, num_class_embeds=10,
    ...             num_attention_heads=2)
    >>> model(torch.randn(4, 1, 8, 8), 10, class_labels=torch.arange(4)).sample.shape
    torch.Size([4, 1, 8, 8])
    """

    _no_split_modules = ["DiTBlock"]  # type: ignore[assignment]  # noqa: RUF012 - as diffusers states it
    _repeated_blocks = ["DiTBlock"]  # noqa: RUF012

    @register_to_config
    def __init__(  # noqa: PLR0917 - a config's words, as diffusers' models take them
        self,
        sample_size: int | Sequence[int] = 32,
        in_channels: int = 3,
        out_channels: int | None = None,
        patch_size: int = 2,
        hidden_size: int = 384,
        num_layers: int = 12,
        num_attention_heads: int = 6,
        mlp_ratio: float = 4.0,
        num_class_embeds: int | None = None,
        position: str = "rope",
        rope_theta: float = 100.0,
        timestep_scale: float = 1.0,
    ) -> None:
        super().__init__()
        shape, channels = self._start()
        head_dim = self._head_dim(len(shape))
        blocks = nn.ModuleList(
            DiTBlock(hidden_size, num_attention_heads, mlp_ratio) for _ in range(num_layers)
        )
        self._surround_patches(blocks, len(shape), channels)
        grid = [size // patch_size for size in shape]
        self.encoding = POSITIONS[position](grid, num_attention_heads, head_dim, rope_theta)

    def _head_dim(self, n_axes: int) -> int:
        """Numbers of a head, after the checks of what is the transformer's own."""
        config, owner = self.config, type(self).__name__
        check_integer(owner, "num_attention_heads", config["num_attention_heads"], low=1)
        check_choice(owner, "position", config["position"], tuple(POSITIONS))
        for name, low in (("mlp_ratio", 0.01), ("rope_theta", 1.0)):
            cure = "4 is usual." if name == "mlp_ratio" else "100 suits images."
            check_number(owner, name, config[name], low=low, high=1e6, cure=cure)
        width, heads = config["hidden_size"], config["num_attention_heads"]
        part = 2 * n_axes if config["position"] in {"rope", "sinusoidal"} else 1
        step = heads * part if config["position"] == "rope" else max(heads, part)
        if width % heads or width % step:
            allowed = f"a multiple of {step} (heads, and pairs for each axis of positions)"
            cure = f"{-(-width // step) * step} is near."
            raise ValueError(message(owner, "hidden_size", allowed, width, cure))
        return int(width // heads)

    def _check_sample(self, sample: Tensor) -> None:
        super()._check_sample(sample)
        if self.encoding.is_fixed:
            self._check_fixed(sample)

    def _told(self, tokens: Tensor, grid: tuple[int, ...]) -> tuple[Any, ...]:
        x = self.encoding.embedded(tokens, grid)
        return x, self.encoding.turn(x, grid), self.encoding.bias()
